"""What a recording is made of. On its own, so that a proxy that records nothing need not load what writes files."""

from __future__ import annotations

from typing import NamedTuple

from rtpp.net.addresses import Address


class Packet(NamedTuple):
    """A packet as it is recorded; `wall_time` is seconds since the epoch."""

    wall_time: float
    payload: bytes
    source: Address
    destination: Address
