"""Before a relay is measured: media until its streams have settled, its caches are warm, its core is at full speed."""

from __future__ import annotations

from collections.abc import Sequence

from bench.control import Address
from bench.load import LoadGenerator
from bench.peers import Peer, RunningPeer

SECONDS = 1.0  # at least
ATTEMPTS = 4  # at most


def warm_up(peer: Peer, relay: RunningPeer, load: LoadGenerator, targets: Sequence[tuple[Address, Address]],
            rate: float) -> bool:
    """`rate` packets/s over the calls whose `targets` these are. Returns whether all streams have settled."""
    enough = peer.settle_packets * 2 * len(targets) / rate  # seconds
    for attempt in range(ATTEMPTS):
        load.run(targets, rate, max(SECONDS, peer.settle_seconds, 0 if attempt else enough), relay.pid)
        if peer.is_settled(relay, 2 * len(targets)):
            return True
    return False
