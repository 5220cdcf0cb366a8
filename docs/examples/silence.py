"""An example module: logs calls of which one party has not been heard for a while.

    rtpproxy --dso docs/examples/silence.py ...

or, with another limit, in the file of --config:

    modules { silence { load = "docs/examples/silence.py"; seconds = 20 } }

`U ... && M100:1` answers how many packets of the party were seen so far; `U ... && M100:1 mute` mutes the party.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Optional

from rtpp.modules.interface import Host, Module, ModuleError, Parameter
from rtpp.net.addresses import Address
from rtpp.session.session import Leg, Session
from rtpp.session.stream import Stream


class Silence(Module):
    id = 100
    parameters = {"seconds": Parameter(float, 10.0)}
    tick_seconds = 1.0

    def __init__(self, host: Host, values: Mapping[str, Any]) -> None:
        super().__init__(host, values)
        self._heard: dict[Stream, float] = {}  # when each stream was heard last; guarded by the table lock
        self._packets: dict[Stream, int] = {}
        self._muted: set[Stream] = set()

    def session_created(self, session: Session) -> None:
        for leg in session.legs:
            self._heard[leg.rtp] = time.monotonic()
            self._packets[leg.rtp] = 0
            self.host.watch(leg.rtp, self._see)

    def session_ended(self, session: Session) -> None:
        for leg in session.legs:
            self._heard.pop(leg.rtp, None)
            self._packets.pop(leg.rtp, None)
            self._muted.discard(leg.rtp)

    def _see(self, stream: Stream, data: bytes, source: Address, now: float) -> Optional[bool]:
        self._heard[stream] = now
        self._packets[stream] += 1
        return stream in self._muted

    def subcommand(self, session: Session, party: Leg, arguments: tuple[str, ...]) -> str:
        if arguments == ("mute",):
            self._muted.add(party.rtp)
            return ""
        if arguments:
            raise ModuleError("takes nothing, or the word mute")
        return f"packets={self._packets[party.rtp]}"

    def tick(self) -> None:
        """On the module's own thread: look under the lock, shortly, and log without it."""
        limit = time.monotonic() - self.values["seconds"]
        with self.host.lock:
            silent = [stream for stream, heard in self._heard.items() if heard < limit]
            for stream in silent:
                self._heard[stream] = float("inf")  # said once
        for stream in silent:
            stream.leg.session.log.warning("nothing heard from %s for %g seconds", stream.leg.actor,
                                           self.values["seconds"])
