"""Re-packetising: audio of one stream, cut and joined into packets of another duration.

Plan: `push` puts a packet into a queue ordered by timestamp, or says that it is not for us; `pop` takes out
one packet of the wanted duration, as soon as enough audio waits or the oldest waits too long. How long is
judged by the sender's clock: `_lead` maps arrival times to timestamps, follows a sender that runs ahead at
once, and one that falls behind by halves. Payload is never decoded, only cut between whole frames.

Beyond the C program:
- it looks at the clock only when another packet comes, so the end of a talkspurt stays in the queue until
  the next begins. Here everything goes out once nothing came for `_patience`, and `due` says when to call
  `pop` for that. It leaves a late packet time to arrive (twice the duration of the one before), or every
  packet of a sender with a slow start would be flushed in pieces. Timestamps have no say in that: those of a
  broken sender could keep the queue waiting for days;
- a new SSRC sends out what waits of the old one first, so that two sources never share a packet;
- G.722 is cut at one byte a tick, which is what its samples are counted by (the C program cuts half as
  many bytes as it should);
- padding is dropped, since it would end up inside the joined payload.

Sequence numbers of what goes out are counted anew, from the first packet's on.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Optional

from rtpp.rtp.packet import G723_FRAME_SIZES, RtpError, RtpPacket, is_rtcp, samples

TICKS_PER_MILLISECOND = 8  # all audio taken here counts in 8 kHz
TICKS_PER_SECOND = 8000
MIN_HOLD = 320  # ticks; how long audio waits for more, at least
LEAD = 40  # ticks; how far a sender's clock is set ahead when a packet is earlier than it should be
TOLERANCE = 160  # ticks beyond a packet's duration that a packet may be late before its clock is set back
MAX_DATAGRAM = 8192  # bytes

G723, GSM, G729 = 4, 3, 18  # payload types whose frames are longer than a byte
_FRAME_TICKS = {GSM: 160, G723: 240}  # an outgoing packet is a multiple of these
_DEFAULT_FRAME_TICKS = 80


class Pushed(Enum):
    """What became of a packet given to `Resizer.push`."""

    QUEUED = "queued"
    LATE = "late"  # drop it: what follows it has been sent
    NOT_TAKEN = "not taken"  # relay it as it is: no RTP, or of unknown duration (DTMF, comfort noise, video)


class _Queued:
    """A packet that waits, and how many ticks its payload lasts."""

    __slots__ = ("duration", "packet")

    def __init__(self, packet: RtpPacket, duration: int) -> None:
        self.packet = packet
        self.duration = duration


class Resizer:
    """Packets of one direction, to be made `milliseconds` long (rounded up to whole frames).

    Times are monotonic seconds. After each `push`, and at `due`, call `pop` until it returns None.
    """

    __slots__ = (
        "_hold",
        "_lead",
        "_next_sequence_number",
        "_out",
        "_patience",
        "_pushed_at",
        "_queue",
        "_queued_duration",
        "_ready",
        "_sent_until",
        "_ssrc",
        "milliseconds",
    )

    def __init__(self, milliseconds: int) -> None:
        self.aim_at(milliseconds)
        self._queue: list[_Queued] = []
        self._queued_duration = 0  # ticks, of all that is in the queue
        self._ready: deque[bytes] = deque()  # built already: the rest of a source that was replaced
        self._ssrc: Optional[int] = None
        self._sent_until: Optional[int] = None  # timestamp after the last tick sent
        self._lead: Optional[int] = None  # what the sender's timestamp is ahead of our ticks
        self._pushed_at = 0  # our ticks, when the last packet was taken
        self._patience = 0  # ticks, how long to wait for the one after it
        self._next_sequence_number: Optional[int] = None

    def aim_at(self, milliseconds: int) -> None:
        """Make packets of another duration from now on. What waits goes into them, and numbers run on."""
        self.milliseconds = milliseconds
        self._out = milliseconds * TICKS_PER_MILLISECOND
        self._hold = max(2 * self._out, MIN_HOLD)

    def push(self, data: bytes, now: float) -> Pushed:
        """Take a packet that arrived at `now`."""
        try:
            packet = RtpPacket.parse(data)
        except RtpError:
            return Pushed.NOT_TAKEN
        duration = samples(packet.payload_type, packet.payload)
        if duration <= 0 or is_rtcp(data):
            return Pushed.NOT_TAKEN
        if packet.ssrc != self._ssrc:
            self._change_source(packet.ssrc)
        if self._sent_until is not None and _difference(packet.timestamp, self._sent_until) < 0:
            return Pushed.LATE
        self._pushed_at = int(now * TICKS_PER_SECOND)
        self._lead = self._follow(packet.timestamp)
        self._patience = max(self._hold, 2 * duration)
        self._insert(_Queued(packet, duration))
        return Pushed.QUEUED

    def pop(self, now: float) -> Optional[bytes]:
        """The next packet to be sent at `now`, None when there is none yet."""
        if self._ready:
            return self._ready.popleft()
        if not self._queue:
            return None
        ticks = int(now * TICKS_PER_SECOND)
        if self._queued_duration < self._out and ticks < self._pushed_at + self._patience and self._is_early(ticks):
            return None
        return self._build()

    @property
    def due(self) -> Optional[float]:
        """When to call `pop` although nothing arrived: it has a packet then. None when nothing waits."""
        if self._ready:
            return self._pushed_at / TICKS_PER_SECOND
        if not self._queue:
            return None
        wait = self._patience if self._queued_duration < self._out else 0
        return (self._pushed_at + wait + 0.5) / TICKS_PER_SECOND  # half a tick, against rounding

    def discard(self) -> int:
        """Forget what waits; the number of packets that are lost by it."""
        lost = len(self._queue) + len(self._ready)
        self._queue.clear()
        self._ready.clear()
        self._queued_duration = 0
        return lost

    def _change_source(self, ssrc: int) -> None:
        while self._queue:
            self._ready.append(self._build())
        self._ssrc = ssrc
        self._sent_until = self._lead = None

    def _follow(self, timestamp: int) -> int:
        """The lead after a packet with `timestamp` arrived."""
        if self._lead is not None:
            behind = _difference(self._pushed_at + self._lead, timestamp)
            if behind >= 0:
                excess = behind - self._out - TOLERANCE
                return self._lead - excess // 2 if excess > 0 else self._lead
        return timestamp - self._pushed_at + LEAD

    def _insert(self, arrived: _Queued) -> None:
        """Into the order of timestamps, after an equal one."""
        timestamp = arrived.packet.timestamp
        low, high = 0, len(self._queue)
        while low < high:
            middle = (low + high) // 2
            if _difference(self._queue[middle].packet.timestamp, timestamp) > 0:
                high = middle
            else:
                low = middle + 1
        self._queue.insert(low, arrived)
        self._queued_duration += arrived.duration

    def _is_early(self, ticks: int) -> bool:
        """Whether the oldest audio, by its sender's clock, has not waited long enough at `ticks`."""
        assert self._lead is not None  # something is queued
        return _difference(self._queue[0].packet.timestamp + self._hold, ticks + self._lead) > 0

    def _build(self) -> bytes:
        """One packet from the head of the queue and what follows it without a gap."""
        payload_type = self._queue[0].packet.payload_type
        frame = _FRAME_TICKS.get(payload_type, _DEFAULT_FRAME_TICKS)
        target = -(-self._out // frame) * frame
        first = self._take(target, head=True)
        packet, duration, payload = first.packet, first.duration, [first.packet.payload]
        room = MAX_DATAGRAM - packet.payload_offset - packet.payload_length
        while duration < target and _can_be_followed(payload_type, payload[-1]):
            end = packet.timestamp + duration
            if not self._queue or not self._continues(payload_type, end, target - duration, room):
                break
            part = self._take(target - duration, head=False)
            payload.append(part.packet.payload)
            duration += part.duration
            room -= part.packet.payload_length
        packet.payload = b"".join(payload)
        packet.padding = b""
        if self._next_sequence_number is None:
            self._next_sequence_number = packet.sequence_number
        packet.sequence_number = self._next_sequence_number
        self._next_sequence_number = self._next_sequence_number + 1 & 0xFFFF
        self._sent_until = packet.timestamp + duration & 0xFFFFFFFF
        return bytes(packet)

    def _continues(self, payload_type: int, timestamp: int, missing: int, room: int) -> bool:
        """Whether the oldest packet goes on at `timestamp` in the same format, and fits into `room` bytes."""
        following = self._queue[0]
        packet = following.packet
        if packet.payload_type != payload_type or _difference(packet.timestamp, timestamp) != 0:
            return False
        size = packet.payload_length if following.duration <= missing else _cut(packet, missing)
        return size <= room

    def _take(self, duration: int, head: bool) -> _Queued:
        """Remove the oldest packet, or its first `duration` ticks when it is longer.

        The rest of a packet keeps a marker, unless the part taken carries it: it is the `head` of a packet.
        """
        oldest = self._queue[0]
        if oldest.duration <= duration:
            self._queued_duration -= oldest.duration
            return self._queue.pop(0)
        packet = oldest.packet
        size = _cut(packet, duration)
        part = RtpPacket(
            packet.payload_type,
            packet.sequence_number,
            packet.timestamp,
            packet.ssrc,
            packet.payload[:size],
            packet.marker,
            packet.csrc,
            packet.extension,
        )
        packet.payload = packet.payload[size:]
        packet.timestamp = packet.timestamp + duration & 0xFFFFFFFF
        packet.marker = packet.marker and not head
        oldest.duration -= duration
        self._queued_duration -= duration
        return _Queued(part, duration)


def _difference(one: int, other: int) -> int:
    """How far timestamp `one` is ahead of `other`, in ticks, below zero when it is behind."""
    return (one - other + (1 << 31) & 0xFFFFFFFF) - (1 << 31)


def _cut(packet: RtpPacket, duration: int) -> int:
    """How many bytes of the payload last `duration` ticks."""
    if packet.payload_type == G729:
        return duration // 80 * 10
    if packet.payload_type == GSM:
        return duration // 160 * 33
    if packet.payload_type != G723:
        return duration
    size = 0
    for _ in range(duration // 240):
        size += G723_FRAME_SIZES[packet.payload[size] & 3]
    return size


def _can_be_followed(payload_type: int, payload: bytes) -> bool:
    """Whether frames may be appended: after the 2-byte silence descriptor of G.729 none may."""
    return payload_type != G729 or len(payload) % 10 == 0
