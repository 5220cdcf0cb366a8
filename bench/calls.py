"""Measurement: calls. Setting up and taking down with more and more sessions standing; memory, idle CPU, start-up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

from bench.control import Address
from bench.cpu import Bystanders, Cores, cpu_seconds, resident_bytes
from bench.load import QUIET
from bench.network import Network
from bench.peers import Peer, RunningProxy
from bench.svg import LineChart
from bench.tables import ABSENT, Figures, Table, interval, number, ratio, undisturbed

PORT_CALLER, PORT_CALLEE = 9, 11  # nobody sends anything from there
FIRST_CYCLED = 1_000_000  # numbers of calls that come and go; those that stand count from 0
WARM_CYCLES = 100  # what is done only once is done


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    standing: Sequence[int]  # sessions, ascending from 0
    cycles: int  # a cycle is U, L and D of one call
    idle_seconds: float


@dataclass(frozen=True)
class Rate:
    """Of cycles."""

    per_second: float
    cpu_us: float  # of the proxy, for a cycle
    disturbed: bool


@dataclass(frozen=True)
class CallsResult:
    """One run. The rates are by sessions standing."""

    one_by_one: dict[int, Rate]
    pipelined: dict[int, Rate]
    bytes_per_session: float
    idle_percent: float  # of a core, with most sessions standing
    start_seconds: float


Runs = dict[Peer, list[CallsResult]]


def measure(peer: Peer, network: Network, cores: Cores, plan: Plan) -> CallsResult:
    """One round of one peer that sets up calls."""
    caller, callee = (network.caller_host, PORT_CALLER), (network.callee_host, PORT_CALLEE)
    with peer.running(network, cores.relay) as proxy:
        assert isinstance(proxy, RunningProxy)
        _pipelined(proxy, WARM_CYCLES, caller, callee)
        empty = resident_bytes(proxy.pid)
        one_by_one, pipelined, standing = {}, {}, 0
        for count in plan.standing:
            for number in range(standing, count):
                proxy.open_call(number, caller, callee)
            standing = count
            if count == max(plan.standing):
                memory = (resident_bytes(proxy.pid) - empty) / count
                idle = _idle(proxy, plan.idle_seconds)
            one_by_one[count] = _one_by_one(proxy, plan.cycles, caller, callee)
            pipelined[count] = _pipelined(proxy, plan.cycles, caller, callee)
        return CallsResult(one_by_one, pipelined, memory, idle, proxy.start_seconds)


def _timed(proxy: RunningProxy, cycles: int, work: Callable[[], None]) -> Rate:
    bystanders = Bystanders()
    cpu, start = cpu_seconds(proxy.pid), time.monotonic()
    work()
    elapsed, used = time.monotonic() - start, cpu_seconds(proxy.pid) - cpu
    return Rate(cycles / elapsed, used / cycles * 1e6, bystanders.share() > QUIET)


def _one_by_one(proxy: RunningProxy, cycles: int, caller: Address, callee: Address) -> Rate:
    def work() -> None:
        for call in range(cycles):
            proxy.controller.cycle(FIRST_CYCLED + call, caller, callee)

    return _timed(proxy, cycles, work)


def _pipelined(proxy: RunningProxy, cycles: int, caller: Address, callee: Address) -> Rate:
    numbers = range(FIRST_CYCLED, FIRST_CYCLED + cycles)
    return _timed(proxy, cycles, lambda: proxy.controller.cycle_pipelined(numbers, caller, callee))


def _idle(proxy: RunningProxy, seconds: float) -> float:
    time.sleep(0.5)  # whatever it puts off until after the commands is over
    cpu = cpu_seconds(proxy.pid)
    time.sleep(seconds)
    return (cpu_seconds(proxy.pid) - cpu) / seconds * 100


def tables(runs: Runs, reference: Peer, plan: Plan) -> list[Table]:
    """Medians over the rounds, ratios round by round."""
    made = []
    for how, rates in _ways.items():
        for what, value, decimals in (("U+L+D per second", _per_second, 0), ("us CPU of the proxy per U+L+D", _cpu, 0)):
            table = Table(f"{what}, {how} (x C engine)", ["proxy", *(f"{count:,} standing" for count in plan.standing)])
            for peer, results in runs.items():
                cells = []
                for count in plan.standing:
                    own = _figures(results, rates, count, value)
                    times = ratio(own, _figures(runs.get(reference, []), rates, count, value), 2)
                    cells.append(number(own, decimals) + (f" ({times})" if times != ABSENT else ""))
                table.add(peer.name, *cells)
            table.note = _disturbed(runs, rates)
            made.append(table)
    return [*made, _standing_table(runs, plan)]


def charts(runs: Runs, plan: Plan) -> dict[str, str]:
    """SVG pictures by name."""
    made = {}
    for how, rates in _ways.items():
        chart = LineChart(f"Calls set up and taken down, {how}", "sessions standing", "U+L+D per second")
        for peer, results in runs.items():
            chart.add(peer.name, [(count, _figures(results, rates, count, _per_second)) for count in plan.standing])
        made[f"calls-{how.replace(' ', '-')}"] = chart.svg()
    return made


_ways: dict[str, Callable[[CallsResult], dict[int, Rate]]] = {
    "one at a time": lambda result: result.one_by_one, "pipelined": lambda result: result.pipelined}


def _per_second(rate: Rate) -> float:
    return rate.per_second


def _cpu(rate: Rate) -> float:
    return rate.cpu_us


def _figures(results: Sequence[CallsResult], rates: Callable[[CallsResult], dict[int, Rate]], count: int,
             value: Callable[[Rate], float]) -> Figures:
    """One of each round, None where it was disturbed."""
    return undisturbed([rates(result)[count] for result in results], value)


def _disturbed(runs: Runs, rates: Callable[[CallsResult], dict[int, Rate]]) -> str:
    own = [rate.disturbed for results in runs.values() for result in results for rate in rates(result).values()]
    return f"{sum(own)} of {len(own)} runs were disturbed by other work on the machine."


def _standing_table(runs: Runs, plan: Plan) -> Table:
    most = max(plan.standing)
    made = Table(f"{most:,} sessions standing, and start-up",
                 ("proxy", "KB/session", "idle CPU %", "start-up ms", "(min-max)"))
    for peer, results in runs.items():
        start = [result.start_seconds * 1000 for result in results]
        made.add(peer.name, number([result.bytes_per_session / 1024 for result in results], 1),
                 number([result.idle_percent for result in results], 2), number(start, 0), interval(start, 0))
    made.note = "Start-up: from the start of the process until it answers its first command."
    return made
