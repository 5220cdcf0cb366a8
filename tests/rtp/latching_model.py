"""A second, plain account of how addresses are learned, to hold the real one against.

One class is one leg: its RTP and its RTCP stream. It is written for reading, not for speed, and shares no code with
the proxy: what a packet is, its SSRC and its sequence number are told to it by the test that made the packet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

WINDOW = 10.0
DISTANCE = 536
ACCEPT, REJECT = "accept", "reject"


@dataclass(frozen=True)
class Sent:
    """A datagram as the test made it. `ssrc` is None when it is no RTP packet."""

    data: bytes
    ssrc: Optional[int]
    sequence_number: int = 0


@dataclass
class StreamModel:
    is_rtp: bool
    addr: Any = None
    prev: Any = None
    latched: bool = False
    untrusted: bool = False
    asym: bool = False
    upd_time: Optional[float] = None
    ssrc_known: bool = False
    ssrc: int = 0
    seq: int = 0
    sync_time: float = 0.0
    on_hold: bool = False
    holds: int = 0
    analysed_ssrc: Optional[int] = None

    def state(self) -> tuple[Any, ...]:
        ssrc = (self.ssrc, self.seq) if self.ssrc_known else None
        return self.addr, self.prev, self.latched, self.untrusted, self.asym, ssrc, self.on_hold, self.holds

    def hold(self) -> None:
        self.on_hold = True
        self.holds += 1

    def prefill(self, new: Any, now: float) -> None:
        self.on_hold = False
        if self.addr is not None:
            self.upd_time = now
        if self.untrusted:
            return
        if self.addr == new:
            return
        if self.addr is not None and self.latched:
            self.prev = self.addr
        self.addr = new

    def set_asymmetric(self, value: bool) -> None:
        self.asym = value
        if value:
            self.latched = True

    def latch(self, packet: Sent, now: float) -> None:
        if self.upd_time is not None and now - self.upd_time < WINDOW:
            return
        self.ssrc_known = self.is_rtp and packet.ssrc is not None
        if self.ssrc_known:
            assert packet.ssrc is not None
            self.ssrc, self.seq, self.sync_time = packet.ssrc, packet.sequence_number, now
        self.latched = not (self.ssrc_known and self.ssrc == 0)

    def fill(self, source: Any) -> None:
        self.untrusted = True
        self.addr = source
        if self.prev is None or self.prev != source:
            self.latched = True

    def override(self, packet: Sent, now: float) -> bool:
        if not self.is_rtp or not self.ssrc_known or packet.ssrc is None:
            return False
        if self.upd_time is None or now - self.upd_time > WINDOW:
            a, b = self.seq, packet.sequence_number
            distance = b - a if b >= a else b - a + 65536
            if packet.ssrc != self.ssrc or distance > DISTANCE:
                return False
        self.seq, self.sync_time = packet.sequence_number, now
        return True

    def sync(self, packet: Sent, now: float) -> None:
        if self.is_rtp and self.ssrc_known and now - self.sync_time >= 1.0 and packet.ssrc == self.ssrc:
            self.seq, self.sync_time = packet.sequence_number, now


@dataclass
class LegModel:
    rtp: StreamModel = field(default_factory=lambda: StreamModel(True))
    rtcp: StreamModel = field(default_factory=lambda: StreamModel(False))

    def streams(self) -> tuple[StreamModel, StreamModel]:
        return self.rtp, self.rtcp

    def guess(self, source: Any) -> None:
        rtcp = self.rtcp
        if rtcp.addr is not None and rtcp.addr[0] == source[0]:
            return
        if source[1] == 65535:
            return
        rtcp.addr = (source[0], source[1] + 1, *source[2:])
        rtcp.latched = rtcp.asym

    def receive(self, stream: StreamModel, packet: Sent, source: Any, now: float) -> str:
        filled = False
        if stream.addr is None:
            filled = True
        elif stream.asym:
            if source[0] != stream.addr[0]:
                return REJECT
        elif source == stream.addr:
            if not stream.latched:
                stream.latch(packet, now)
        elif not stream.latched:
            stream.latch(packet, now)
            filled = True
        elif stream.override(packet, now):
            filled = True
        else:
            return REJECT
        if filled:
            stream.fill(source)
            if stream.is_rtp:
                self.guess(source)
        stream.sync(packet, now)
        if stream.is_rtp and packet.ssrc is not None:
            changed = stream.analysed_ssrc is not None and stream.analysed_ssrc != packet.ssrc
            stream.analysed_ssrc = packet.ssrc
            if changed:
                stream.latch(packet, now)
        return ACCEPT
