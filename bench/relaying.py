"""Measurement: relaying. CPU per packet, packets per second, loss and latency, by the number of calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.cpu import Cores
from bench.load import PACKETS_PER_SECOND, LoadGenerator, LoadResult
from bench.peers import Peer
from bench.tables import Table, interval, number, ratio

Runs = dict[Peer, list[LoadResult]]


def measure(peers: Sequence[Peer], generator: LoadGenerator, cores: Cores, calls: int,
            seconds: float) -> Iterable[tuple[Peer, LoadResult]]:
    """One round: each peer once, one after the other."""
    for peer in peers:
        with peer.running(cores.relay) as running:
            yield peer, generator.run(running, calls, seconds)


def table(calls: int, runs: Runs, reference: Peer) -> Table:
    """Medians over the rounds. The ratio is the median of those of the rounds, because in a round the machine is
    about as fast for one peer as for the other."""
    offered = calls * 2 * PACKETS_PER_SECOND
    columns = ("relay", "us CPU/packet", "(min-max)", "x C engine", "packets/s", "lost %", "worst stream lost %",
               "p50 us", "p99 us", "max us")
    made = Table(f"Relaying {calls} calls, {offered:,} packets/s", columns)
    for peer, results in runs.items():
        cost = [r.cpu_per_packet for r in results]
        made.add(peer.name, number(cost, 1), interval(cost, 1),
                 ratio(cost, [r.cpu_per_packet for r in runs.get(reference, [])]),
                 number([r.rate for r in results], 0), number([r.lost_percent for r in results], 2),
                 number([r.worst_lost_percent for r in results], 2), number([r.p50 for r in results], 0),
                 number([r.p99 for r in results], 0), number([r.max for r in results], 0))
    delay = [r.send_delay for results in runs.values() for r in results]
    made.note = f"The generator sent its latest packet {number(delay, 0)} us late (median of the runs)."
    return made
