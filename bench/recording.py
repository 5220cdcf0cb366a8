"""What recording costs: `python3 -m bench recording`. The same calls plain, recorded ad-hoc and in pcap files.

CPU is that of the whole process with the thread that writes, so nothing is hidden beside the relay loop. Recording
runs from the start of each call (`-a`), both sides of it, RTP and RTCP; the files are where temporary files are.
Each round takes the variants one after the other, and ratios are taken within the round.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence

from bench.cpu import Cores
from bench.load import LoadGenerator, LoadResult
from bench.network import Network
from bench.peers import OurProxy
from bench.tables import Figures, Table, interval, number, ratio, undisturbed
from bench.warm_up import warm_up

VARIANTS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "recorded, ad-hoc": ("-a", "-r"),
    "recorded, pcap": ("-a", "-P", "-r"),
}
PACKETS_PER_SECOND = 100  # of a call, both ways

Runs = dict[str, list[LoadResult]]


def measure(python: str, load: LoadGenerator, network: Network, cores: Cores, calls: int,
            seconds: float) -> Iterable[tuple[str, LoadResult]]:
    """One round: each variant once. Raises RuntimeError when a recording lacks packets."""
    for name, options in VARIANTS.items():
        with tempfile.TemporaryDirectory(prefix="rtpproxy-bench-") as folder:
            proxy = OurProxy(python, (*options, folder) if options else ())
            with proxy.running(network, cores.relay) as running:
                targets = [running.open_call(number, load.caller, load.callee) for number in range(calls)]
                warm_up(proxy, running, load, targets, calls * PACKETS_PER_SECOND)
                result = load.run(targets, calls * PACKETS_PER_SECOND, seconds, running.pid)
            if options and sum(entry.stat().st_size for entry in os.scandir(folder)) < result.arrived * 172:
                raise RuntimeError(f"{name}: packets are missing in the recordings")
        yield name, result


def table(calls: int, runs: Runs) -> Table:
    """Medians over the rounds."""
    columns = ("calls", "us CPU/packet", "(min-max)", "x plain", "us of core", "x plain", "lost %", "p50 us", "p99 us",
               "max us")
    made = Table(f"Recording {calls} calls", columns)
    plain, plain_core = _costs(runs["plain"])
    for name, results in runs.items():
        cost, core = _costs(results)
        made.add(name, number(cost, 1), interval(cost, 1), ratio(cost, plain, 2), number(core, 1),
                 ratio(core, plain_core, 2),
                 number([r.lost_percent for r in results], 2), number([r.p50 for r in results], 0),
                 number([r.p99 for r in results], 0), number([r.max for r in results], 0))
    return made


def _costs(results: Sequence[LoadResult]) -> tuple[Figures, Figures]:
    """Of the process, and of all that its core did."""
    return undisturbed(results, lambda result: result.process_us), undisturbed(results, lambda result: result.core_us)
