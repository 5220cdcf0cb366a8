"""Playing a prompt to one party.

Packet k is due at start + k * packet time, whatever happened to the packets before it: a late loop sends the missing
packets at once, and nothing drifts. While a prompt plays, what the other party sends to the listener is dropped.
A player whose listener has no address yet waits; nothing of the prompt is skipped.

Guarded by `SessionTable.lock`; the relay loop calls `step` when the next packet is due.
"""

from __future__ import annotations

import random
import struct
from typing import Optional

from rtpp.session.prompts import Prompt
from rtpp.session.session import Leg

_HEADER = struct.Struct("!BBHII")  # RFC 3550: version, marker and payload type, sequence number, timestamp, SSRC
TICKS_PER_MS = 8  # every codec that can be played counts 8,000 ticks a second, G.722 too
ENDLESS = -1


class Player:
    """Plays to the party of `leg`; made by the command P."""

    def __init__(self, leg: Leg, prompt: Prompt, packet_time: int, passes: int) -> None:
        """`packet_time` in ms; `passes` below zero is for ever."""
        self._leg = leg
        self._stream = leg.rtp
        self._prompt = prompt
        self._size, self._duration = prompt.packet_layout(packet_time)
        self._passes = passes if passes > 0 else ENDLESS
        self._position = 0
        self._start: Optional[float] = None
        self._sent = 0
        self.sequence_number = random.randrange(1 << 16)
        self.ssrc = random.randrange(1 << 32)
        self._timestamp = random.randrange(1 << 32)
        self._stopped = False

    def begin(self, now: float) -> None:
        """Play now if the listener's address is known, else when `listener_found` is called."""
        if self._stream.destination is not None:
            self.listener_found(now)

    def listener_found(self, now: float) -> None:
        """The listener has an address."""
        if self._start is None:
            self._start = now
            self._leg.session.schedule(now, self.step)

    def step(self, now: float) -> Optional[float]:
        """Send what is due. Returns when the next packet is due, None at the end. Times are monotonic seconds."""
        assert self._start is not None
        while not self._stopped:
            due = self._start + self._sent * self._duration / 1000
            if due > now:
                return due
            if self._position + self._size > len(self._prompt.data) and not self._rewind():
                self._leg.session.log.info("player at port %d has finished", self._leg.port)
                self._leg.stop_player()
                return None
            self._send(now)
        return None

    def _rewind(self) -> bool:
        """Whether there is another pass. A rest shorter than a packet is not played."""
        if self._position == 0:
            return False  # not even one packet
        self._position = 0
        if self._passes > 0:
            self._passes -= 1
        return self._passes != 0

    def _send(self, now: float) -> None:
        first = self._sent == 0
        header = _HEADER.pack(0x80, (0x80 if first else 0) | self._prompt.payload_type, self.sequence_number,
                              self._timestamp, self.ssrc)
        payload = self._prompt.data[self._position : self._position + self._size]
        self._position += self._size
        self._sent += 1
        self.sequence_number = (self.sequence_number + 1) & 0xFFFF
        self._timestamp = (self._timestamp + TICKS_PER_MS * self._duration) & 0xFFFFFFFF
        self._leg.opposite.ttl.refreshed = now
        self._stream.stats.npkts_played += 1
        self._stream.emit(header + payload)

    def stop(self) -> None:
        """The command S, or the end of the session."""
        self._stopped = True
