"""Measurement: relaying. CPU per packet, latency and loss at given rates, and the highest rate without loss, each by
the number of calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Callable, Optional

from bench.cpu import Cores
from bench.load import LoadGenerator, LoadResult
from bench.network import Network
from bench.peers import Peer
from bench.search import LADDER, highest
from bench.svg import BarChart, LineChart
from bench.tables import ABSENT, Figures, Table, number, ratio, undisturbed
from bench.warm_up import warm_up

LOST_PERCENT = 0.1  # less than that is next to nothing
WARM_RATE = 40_000  # packets/s, before anything is measured
OVERLOADED_PERCENT = 1.0  # lost: what a relay took for the rest means little
FIRST_GUESS = 60_000  # packets/s
HOLLOW = f"hollow: overloaded, more than {OVERLOADED_PERCENT:g} % lost"


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    calls: Sequence[int]  # ascending
    rates: Sequence[int]  # packets/s
    search_calls: Sequence[int]  # those at which the highest rate is looked for
    seconds: float  # of each load
    search_seconds: float  # of each load while searching


@dataclass
class Round:
    """What one peer did in one round."""

    loads: dict[tuple[int, int], LoadResult] = field(default_factory=dict)  # by rate and number of calls
    best: dict[int, float] = field(default_factory=dict)  # highest rate, by number of calls
    limited: bool = False  # by the generator, in the search
    settled: bool = True


Runs = dict[Peer, list[Round]]
Run = Callable[[int, float, float], LoadResult]  # a load on the first of the calls: how many, packets/s, seconds


@dataclass
class Turn:
    """A round of one peer, which starts for it. `before` is the peer's last round."""

    peer: Peer
    load: LoadGenerator
    network: Network
    cores: Cores
    plan: Plan
    before: Optional[Round]
    made: Round = field(default_factory=Round)

    def measure(self) -> Round:
        """The highest rates are looked for in the end: that overloads the relay."""
        plan, made = self.plan, self.made
        with self._warm(max(plan.calls)) as run:
            for count in plan.calls:
                for rate in plan.rates:
                    made.loads[rate, count] = run(count, rate, plan.seconds)
            if self.peer.outlives_overload:
                made.best = {count: self._highest(count, run) for count in plan.search_calls}
        if not self.peer.outlives_overload:
            made.best = {count: self._highest(count, self._run_anew) for count in plan.search_calls}
        return made

    @contextmanager
    def _warm(self, count: int) -> Iterator[Run]:
        """Start the relay with so many calls."""
        with self.peer.running(self.network, self.cores.relay) as relay:
            targets = [relay.open_call(number, self.load.caller, self.load.callee) for number in range(count)]
            self.made.settled &= warm_up(self.peer, relay, self.load, targets, WARM_RATE)
            yield lambda count, rate, seconds: self.load.run(targets[:count], rate, seconds, relay.pid)

    def _run_anew(self, count: int, rate: float, seconds: float) -> LoadResult:
        with self._warm(count) as run:
            return run(count, rate, seconds)

    def _highest(self, count: int, run: Run) -> float:
        def passes(rate: float) -> bool:
            for _attempt in range(2):  # one hiccup of the machine is no limit
                result = run(count, rate, self.plan.search_seconds)
                if result.lost_percent < LOST_PERCENT and not result.generator_limited:
                    return True
            self.made.limited |= result.generator_limited
            return False

        return highest(passes, LADDER, self.before.best[count] if self.before else FIRST_GUESS)


def tables(runs: Runs, reference: Peer, plan: Plan) -> list[Table]:
    """Medians over the rounds. A ratio is the median of those of the rounds, because in a round the machine is about
    as fast for one peer as for the other."""
    made = [_best_table(runs, reference, plan)]
    unsettled = [f"{peer.name} in {count} of {len(rounds)} rounds" for peer, rounds in runs.items()
                 if (count := sum(not each.settled for each in rounds))]
    if unsettled:
        made[0].note += f" Not all streams had settled, so the figures are too high: {', '.join(unsettled)}."
    for rate in plan.rates:
        made += [_cpu_table("the relay's process", lambda r: r.process_us, runs, reference, rate, plan),
                 _cpu_table("the relay's core, the kernel's work included", lambda r: r.core_us, runs, reference, rate,
                            plan),
                 _latency_table(runs, rate, plan), _loss_table(runs, rate, plan)]
    return [table for table in made if table]


def charts(runs: Runs, plan: Plan) -> dict[str, str]:
    """SVG pictures by name."""
    made = {}
    for rate in plan.rates:
        thousands = f"{rate // 1000}k"
        cpu = LineChart(f"CPU per packet at {rate:,} packets/s", "calls", "us of the relay's core", hollow=HOLLOW)
        latency = LineChart(f"Latency at {rate:,} packets/s, 99th percentile", "calls", "us", logarithmic=True,
                            hollow=HOLLOW)
        for peer, rounds in runs.items():
            for chart, value in ((cpu, _core_or_process), (latency, lambda r: r.p99 if r.received else None)):
                figures = [(count, _figures(rounds, rate, count, value)) for count in plan.calls]
                overloaded = [count for count in plan.calls if _is_overloaded(rounds, rate, count)]
                chart.add(peer.name, figures, overloaded)
        made |= {f"cpu-{thousands}": cpu.svg(), f"latency-{thousands}": latency.svg()}
    best = BarChart(f"Packets/s with less than {LOST_PERCENT} % lost; lighter: the generator was the limit")
    for count in plan.search_calls:
        for colour, (peer, rounds) in enumerate(runs.items()):
            best.add(f"{peer.name}, {count:,} calls", [each.best[count] for each in rounds], colour,
                     all(each.limited for each in rounds))
    return {**made, "packets": best.svg()}


def _core_or_process(result: LoadResult) -> Optional[float]:
    return result.core_us if result.steered else result.process_us


def _figures(rounds: Sequence[Round], rate: int, count: int, value: Callable[[LoadResult], Optional[float]]) -> Figures:
    """One of each round, None where it was disturbed."""
    return undisturbed([each.loads[rate, count] for each in rounds], value)


def _is_overloaded(rounds: Sequence[Round], rate: int, count: int) -> bool:
    return median(each.loads[rate, count].lost_percent for each in rounds) > OVERLOADED_PERCENT


def _columns(plan: Plan) -> list[str]:
    return [f"{count:,} calls" for count in plan.calls]


def _cpu_table(whose: str, value: Callable[[LoadResult], Optional[float]], runs: Runs, reference: Peer, rate: int,
               plan: Plan) -> Table:
    table = Table(f"{rate:,} packets/s: us CPU per packet of {whose} (x C engine)", ["relay", *_columns(plan)])
    for peer, rounds in runs.items():
        cells = []
        for count in plan.calls:
            own = _figures(rounds, rate, count, value)
            times = ratio(own, _figures(runs.get(reference, []), rate, count, value), 2)
            mark = "*" if _is_overloaded(rounds, rate, count) and number(own, 1) != ABSENT else ""
            cells.append(number(own, 1) + (f" ({times})" if times != ABSENT else "") + mark)
        if set(cells) != {ABSENT}:
            table.add(peer.name, *cells)
            if any(cell.endswith("*") for cell in cells):
                table.note = (f"*: overloaded, more than {OVERLOADED_PERCENT:g} % lost. It drops what it has worked "
                              "for, and the figure means little.")
    return table


def _latency_table(runs: Runs, rate: int, plan: Plan) -> Table:
    table = Table(f"{rate:,} packets/s: latency in us, p50 / p99 / max", ["relay", *_columns(plan)])
    delays, disturbed, total = [], 0, 0
    for peer, rounds in runs.items():
        cells = []
        for count in plan.calls:
            parts = [_figures(rounds, rate, count, value) for value in _latencies]
            cells.append(" / ".join(number(part, 0) for part in parts))
        table.add(peer.name, *cells)
        results = [each.loads[rate, count] for each in rounds for count in plan.calls]
        delays += [result.send_delay for result in results]
        disturbed += sum(result.disturbed for result in results)
        total += len(results)
    table.note = (f"The generator sent its latest packet {number(delays, 0)} us late (median of the runs). "
                  f"{disturbed} of {total} runs were disturbed by other work on the machine.")
    return table


_latencies: Sequence[Callable[[LoadResult], Optional[float]]] = (
    lambda r: r.p50 if r.received else None, lambda r: r.p99 if r.received else None,
    lambda r: r.max if r.received else None)


def _loss_table(runs: Runs, rate: int, plan: Plan) -> Table:
    """Only those that lost something."""
    table = Table(f"{rate:,} packets/s: lost % (of the stream that fared worst)", ["relay", *_columns(plan)])
    for peer, rounds in runs.items():
        cells = [number(_figures(rounds, rate, count, lambda r: r.lost_percent), 2)
                 + f" ({number(_figures(rounds, rate, count, lambda r: r.worst_lost_percent), 0)})"
                 for count in plan.calls]
        if set(cells) != {"0.00 (0)"}:
            table.add(peer.name, *cells)
    return table


def _best_table(runs: Runs, reference: Peer, plan: Plan) -> Table:
    table = Table(f"Packets/s with less than {LOST_PERCENT} % lost (x C engine)",
                  ["relay", *(f"{count:,} calls" for count in plan.search_calls)])
    for peer, rounds in runs.items():
        cells = []
        for count in plan.search_calls:
            own = [each.best[count] for each in rounds]
            times = ratio(own, [each.best[count] for each in runs.get(reference, [])], 1)
            mark = ">= " if all(each.limited for each in rounds) else ""
            cells.append(mark + number(own, 0) + (f" ({times})" if times != ABSENT else ""))
        table.add(peer.name, *cells)
    table.note = ">=: the generator was the limit."
    return table
