"""Measurement: calls. Setting up and taking down with no and with many sessions standing, memory, idle CPU."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Callable

from bench.control import Address
from bench.cpu import Cores, cpu_seconds, resident_bytes
from bench.peers import Peer, ProxyPeer, RunningProxy
from bench.tables import Table, interval, number, ratio

CALLER: Address = ("127.0.0.1", 9)  # nobody sends anything here
CALLEE: Address = ("127.0.0.1", 11)
FIRST_CYCLED = 1_000_000  # numbers of calls that come and go; those that stand count from 0


@dataclass(frozen=True)
class Rate:
    """Of cycles: a cycle is U, L and D of one call."""

    per_second: float
    cpu_us: float  # of the proxy, for a cycle


@dataclass(frozen=True)
class CallsResult:
    """One run. `one_by_one` and `pipelined` are first without, then with the sessions standing."""

    one_by_one: tuple[Rate, Rate]
    pipelined: tuple[Rate, Rate]
    bytes_per_session: float
    idle_percent: float  # of a core, with the sessions standing

    @property
    def slowdown(self) -> float:
        """Pipelined rate with sessions standing, against that without."""
        return self.pipelined[1].per_second / self.pipelined[0].per_second


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    standing: int
    cycles: int
    idle_seconds: float


def measure(peers: Sequence[Peer], cores: Cores, plan: Plan) -> Iterable[tuple[Peer, CallsResult]]:
    """One round: each peer once, one after the other."""
    for peer in peers:
        if isinstance(peer, ProxyPeer):
            with peer.running(cores.relay) as proxy:
                yield peer, _measure(proxy, plan)


def _measure(proxy: RunningProxy, plan: Plan) -> CallsResult:
    _pipelined(proxy, plan.cycles // 4)  # what is done only once is done
    before = _one_by_one(proxy, plan.cycles), _pipelined(proxy, plan.cycles)
    empty = resident_bytes(proxy.pid)
    for call in range(plan.standing):
        proxy.open_call(call, CALLER, CALLEE)
    memory = (resident_bytes(proxy.pid) - empty) / plan.standing
    idle = _idle(proxy, plan.idle_seconds)
    after = _one_by_one(proxy, plan.cycles), _pipelined(proxy, plan.cycles)
    return CallsResult((before[0], after[0]), (before[1], after[1]), memory, idle)


def _timed(proxy: RunningProxy, cycles: int, work: Callable[[], None]) -> Rate:
    cpu, start = cpu_seconds(proxy.pid), time.monotonic()
    work()
    elapsed, used = time.monotonic() - start, cpu_seconds(proxy.pid) - cpu
    return Rate(cycles / elapsed, used / cycles * 1e6)


def _one_by_one(proxy: RunningProxy, cycles: int) -> Rate:
    def work() -> None:
        for call in range(cycles):
            proxy.controller.cycle(FIRST_CYCLED + call, CALLER, CALLEE)

    return _timed(proxy, cycles, work)


def _pipelined(proxy: RunningProxy, cycles: int) -> Rate:
    numbers = range(FIRST_CYCLED, FIRST_CYCLED + cycles)
    return _timed(proxy, cycles, lambda: proxy.controller.cycle_pipelined(numbers, CALLER, CALLEE))


def _idle(proxy: RunningProxy, seconds: float) -> float:
    time.sleep(0.5)  # whatever it puts off until after the commands is over
    cpu = cpu_seconds(proxy.pid)
    time.sleep(seconds)
    return (cpu_seconds(proxy.pid) - cpu) / seconds * 100


def tables(runs: dict[Peer, list[CallsResult]], reference: Peer, plan: Plan) -> list[Table]:
    """Medians over the rounds, ratios round by round."""
    return [_rate_table("one at a time", runs, reference, plan, lambda result: result.one_by_one),
            _rate_table("pipelined", runs, reference, plan, lambda result: result.pipelined),
            _standing_table(runs, plan)]


def _rate_table(how: str, runs: dict[Peer, list[CallsResult]], reference: Peer, plan: Plan,
                rates: Callable[[CallsResult], tuple[Rate, Rate]]) -> Table:
    columns = ("proxy", "sessions standing", "U+L+D/s", "(min-max)", "x C engine", "us CPU/cycle", "x C engine")
    made = Table(f"Setting up and taking down, {how}", columns)
    for peer, results in runs.items():
        for index, standing in enumerate((0, plan.standing)):
            own = [rates(result)[index] for result in results]
            theirs = [rates(result)[index] for result in runs.get(reference, [])]
            per_second, cpu = [rate.per_second for rate in own], [rate.cpu_us for rate in own]
            made.add(peer.name, f"{standing:,}", number(per_second, 0), interval(per_second, 0),
                     ratio(per_second, [rate.per_second for rate in theirs]), number(cpu, 0),
                     ratio(cpu, [rate.cpu_us for rate in theirs]))
    return made


def _standing_table(runs: dict[Peer, list[CallsResult]], plan: Plan) -> Table:
    made = Table(f"{plan.standing:,} sessions standing", ("proxy", "KB/session", "idle CPU %", "rate kept"))
    for peer, results in runs.items():
        made.add(peer.name, number([result.bytes_per_session / 1024 for result in results], 1),
                 number([result.idle_percent for result in results], 2),
                 number([result.slowdown for result in results], 2))
    made.note = "Rate kept: pipelined U+L+D/s with the sessions standing, against that without."
    return made
