"""Digits that a party dials during a call, sent as telephone events (RFC 4733).

Plan: all packets of one event carry the timestamp of its start, so that is its key. The first packet opens
an event, later ones prolong it, the first with the end bit closes it and it is reported, once; what is
repeated after that (senders repeat the last packet) changes nothing. The four latest events are
remembered, closed ones too. An event of which only one packet was seen is not reported, as in the C
program: senders repeat the end twice, so that is not an event but a stray.
"""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import NamedTuple, Optional

from rtpp.rtp.packet import RtpError, RtpPacket, is_rtcp

#   0                   1                   2                   3
#   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
#  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#  |     event     |E|R| volume    |          duration             |
#  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
_EVENT = Struct("!BBH")

DIGITS = "0123456789*#ABCD "  # by event code; 16 is the hook flash, reported as a space
REMEMBERED_EVENTS = 4
DEFAULT_PAYLOAD_TYPE = 101


class DtmfEvent(NamedTuple):
    """A digit that was dialled: which, how loud (0 to 63, below zero dBm0) and how long (timestamp ticks)."""

    digit: str
    volume: int
    duration: int


class _Pending:
    """An event that was opened."""

    __slots__ = ("closed", "code", "duration", "timestamp")

    def __init__(self, timestamp: int, code: int, duration: int) -> None:
        self.timestamp = timestamp
        self.code = code
        self.duration = duration
        self.closed = False


class EventTracker:
    """Puts the events of one stream together from its packets."""

    __slots__ = ("_events", "payload_type")

    def __init__(self, payload_type: int = DEFAULT_PAYLOAD_TYPE) -> None:
        self.payload_type = payload_type
        self._events: deque[_Pending] = deque(maxlen=REMEMBERED_EVENTS)

    def matches(self, data: bytes) -> bool:
        """Whether a datagram carries the payload type of events."""
        return len(data) >= 2 and data[1] & 0x7F == self.payload_type and data[0] >> 6 == 2 and not is_rtcp(data)

    def update(self, data: bytes) -> Optional[DtmfEvent]:
        """The event that this datagram brings to its end, if it does. Anything may be passed in."""
        if not self.matches(data):
            return None
        try:
            packet = RtpPacket.parse(data)
        except RtpError:
            return None
        if packet.payload_length < _EVENT.size:
            return None
        code, flags, duration = _EVENT.unpack_from(packet.payload)
        if code >= len(DIGITS):
            return None
        for event in self._events:
            if event.timestamp == packet.timestamp:
                return self._prolong(event, code, flags, duration)
        self._events.append(_Pending(packet.timestamp, code, duration))
        return None

    @staticmethod
    def _prolong(event: _Pending, code: int, flags: int, duration: int) -> Optional[DtmfEvent]:
        if event.closed or code != event.code:
            return None
        event.duration = max(event.duration, duration)
        if not flags & 0x80:
            return None
        event.closed = True
        return DtmfEvent(DIGITS[code], flags & 0x3F, event.duration)
