"""What a stream of RTP packets went through on its way: loss, duplicates, restarts, jitter.

Plan: `Analyzer.update` handles the packet that nearly always comes (the next sequence number of the same
source and payload type, a timestamp that moves on) in a dozen lines, without calls, without objects, and
leaves every other packet to `_judge`, where the rules are. The short path only moves `run_next` and the
jitter figures; how many packets went through it is the distance to `run_start`, and `settle` adds them to
the counters before anybody looks (which saves a quarter of the cost of a packet). `_judge` arms the short
path (`run_head`, `run_next`) only in states where both paths give the same figures; the tests hold both to
a plain transcript of the rules. `update_run` is the same short path for packets that are counted together
some time after they came. A packet costs it little less, but a relay's processor finds the analyzer in its
caches for all packets of the run and not anew for each.

Sequence numbers are extended to *positions*: 16 bits plus `offset`, which grows by 65536 at each wrap.
Counting happens in *epochs*; another SSRC, a marker that steps back, or a jump of more than 536 packets
ends one, and what lies between two epochs does not count as lost.

Trade-offs:
- Which positions were seen is kept for the 2048 latest only, as one int (`window`). An epoch reaches back
  1072 positions at most, so that is as good as a map of all of them, and costs 300 bytes instead of 16 KB.
  The C program's map has 131072 cells, so it may take a packet for the repetition of one two wraps earlier.
- Positions are signed. A packet that is late across the very first wrap gets a position below zero and
  widens the epoch downwards as any late packet does: 5, 65530, 6, 7 is 14 sent, 4 received, 10 lost, where
  the C program's unsigned arithmetic yields four thousand million sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from struct import Struct
from struct import error as StructError
from typing import NamedTuple, Optional

from rtpp.rtp.jitter import JitterReport, JitterTable, SourceJitter
from rtpp.rtp.packet import CLOCK_RATES, HEADER, PLAIN, RUN_HEADER, RtpError, is_rtcp, payload_bounds

WRAP = 65536
MAX_DISTANCE = 536  # positions; a packet further from the highest one starts an epoch
LATE_ACROSS_WRAP = 65000  # a sequence number above, while the highest is just past a wrap, is from before it
WINDOW = 2048  # positions whose arrival is remembered, the highest one included
NOTHING_ARMED = -1

_WINDOW_MASK = (1 << WINDOW) - 1
_unpack = Struct("!HHII").unpack_from  # first two bytes in one, sequence number, timestamp, SSRC
_RunPacket = tuple[tuple[int, int, int], float]  # RUN_PART of a packet, and when it came


class Outcome(IntEnum):
    """What `Analyzer.update` has to say about a packet. Zero: nothing to do."""

    TRACKED = 0
    SSRC_CHANGED = 1  # and tracked; `Analyzer.changed_from` tells the source before
    NOT_RTP = 2  # counted in `parse_errors`, changed nothing else
    OUT_OF_RANGE = 3  # older than its epoch, which began after a wrap: not counted


_TRACKED = Outcome.TRACKED


class AnalyzerError(ValueError):
    """A recorded packet lies before the start of an epoch that began after a wrap."""

    def __init__(self, sequence_number: int, minimum: int) -> None:
        super().__init__(f"sequence number {sequence_number} lies before its epoch, which starts at {minimum}")
        self.sequence_number = sequence_number
        self.minimum = minimum


class AnalyzerReport(NamedTuple):
    """Figures of a stream: first over all epochs, then of the current one. Jitter is in clock ticks."""

    nsent: int
    nrcvd: int
    ndups: int
    nlost: int
    perrs: int
    ssrc_changes: int  # the first source counts as one
    ssrc: Optional[int]  # None before the first packet
    payload_type: int  # of the last packet, -1 before the first
    jlast: float
    jmax: float
    javg: float
    has_jitter: bool  # False: nothing could be compared, the three above are zero
    pcount: int
    min_seq: int  # position, below zero when a packet was late across the first wrap
    max_seq: int  # position
    seq_offset: int
    duplicates: int


class Analyzer:
    """Follows the packets of one stream, in the order they came.

    `recorded` is for reading files: RTCP is not told apart there (`is_rtcp` is not asked), and a packet
    that would be `OUT_OF_RANGE` raises `AnalyzerError`.

    Attributes are plain, so that the state can be moved elsewhere and back: call `settle` before reading
    them and `arm` after writing them. `total_*` are of finished epochs; `minimum`, `maximum`, `count`,
    `duplicates` and `window` (bit n: position `maximum - n` was seen) of the current one.
    """

    __slots__ = (
        "changed_from",
        "clock",
        "count",
        "desyncs",
        "duplicates",
        "jitter",
        "jitters",
        "last_sequence_number",
        "maximum",
        "minimum",
        "offset",
        "parse_errors",
        "payload_type",
        "recorded",
        "restarts",
        "run_head",
        "run_next",
        "run_start",
        "ssrc",
        "ssrc_changes",
        "total_duplicates",
        "total_received",
        "total_sent",
        "window",
    )

    def __init__(self, recorded: bool = False) -> None:
        self.recorded = recorded
        self.ssrc: Optional[int] = None
        self.payload_type = -1
        self.clock = 0  # of `payload_type`, ticks per second; 0: no jitter
        self.last_sequence_number = 0
        self.changed_from: Optional[tuple[int, int]] = None  # SSRC and last sequence number of the one before
        self.parse_errors = self.ssrc_changes = self.desyncs = self.restarts = 0
        self.total_sent = self.total_received = self.total_duplicates = 0
        self.offset = self.minimum = self.maximum = self.count = self.duplicates = self.window = 0
        self.jitters = JitterTable()
        self.jitter: Optional[SourceJitter] = None  # of `ssrc`, once it sent a payload type with a clock
        self.run_head = NOTHING_ARMED  # the first two bytes that the short path takes
        self.run_next = 0  # the sequence number that it takes
        self.run_start = 0  # `run_next` when the counters were settled last

    def update(self, data: bytes, time: float) -> Outcome:
        """Count one datagram that arrived at `time`, in seconds of any clock that does not jump.

        Raises `AnalyzerError`, of `recorded` streams only.
        """
        try:
            head, sequence_number, timestamp, ssrc = _unpack(data)
        except StructError:
            return self._judge(data, time)
        if head == self.run_head and sequence_number == self.run_next and ssrc == self.ssrc:
            clock = self.clock
            if not clock:
                self.run_next = sequence_number + 1
                return _TRACKED
            jitter = self.jitter
            assert jitter is not None  # arm() saw to it
            arrival = time * clock // 1.0
            elapsed = arrival - jitter.arrival
            step = timestamp - jitter.timestamp
            deviation = elapsed - step
            if step > 0 and (deviation >= elapsed * -1023.0 or not elapsed):  # step <= elapsed * 1024, as floats
                if deviation < 0.0:
                    deviation = -deviation
                last = jitter.last
                jitter.last = last = last + (deviation - last) * 0.0625
                if last > jitter.maximum:
                    jitter.maximum = last
                jitter.total += last
                jitter.timestamps.append(timestamp)
                jitter.arrival = arrival
                jitter.timestamp = timestamp
                self.run_next = sequence_number + 1
                return _TRACKED
        return self._judge(data, time)

    def update_run(self, parts: bytearray, times: Sequence[float]) -> None:
        """Count packets of `ssrc` that have a plain header: no padding, extension or contributing sources.

        `parts` are their RUN_PARTs in one piece, `times` when they came. The figures are those of `update`.
        """
        packets = zip(RUN_HEADER.iter_unpack(parts), times)
        other = self._follow(packets)
        while other is not None:
            (second, sequence_number, timestamp), time = other
            self._judge(HEADER.pack(PLAIN, second, sequence_number, timestamp, self.ssrc), time)
            other = self._follow(packets)

    def _follow(self, packets: Iterator[_RunPacket]) -> Optional[_RunPacket]:
        """Count packets until one is not for the short path; returns that one, None at the end."""
        jitter, clock = self.jitter, self.clock
        if not clock or jitter is None:
            return self._follow_unclocked(packets)
        head, expected = self.run_head - (PLAIN << 8), self.run_next
        arrival_before, timestamp_before = jitter.arrival, jitter.timestamp
        last, maximum, total = jitter.last, jitter.maximum, jitter.total
        remember = jitter.timestamps.append
        other: Optional[_RunPacket] = None
        for (second, sequence_number, timestamp), time in packets:
            if second == head and sequence_number == expected:
                arrival = time * clock // 1.0
                elapsed = arrival - arrival_before
                step = timestamp - timestamp_before
                deviation = elapsed - step
                if step > 0 and (deviation >= elapsed * -1023.0 or not elapsed):
                    if deviation < 0.0:
                        deviation = -deviation
                    last += (deviation - last) * 0.0625
                    if last > maximum:
                        maximum = last
                    total += last
                    remember(timestamp)
                    arrival_before, timestamp_before = arrival, timestamp
                    expected += 1
                    continue
            other = (second, sequence_number, timestamp), time
            break
        self.run_next = expected
        jitter.arrival, jitter.timestamp = arrival_before, timestamp_before
        jitter.last, jitter.maximum, jitter.total = last, maximum, total
        return other

    def _follow_unclocked(self, packets: Iterator[_RunPacket]) -> Optional[_RunPacket]:
        """The same of a payload type whose jitter is not measured."""
        head, expected = self.run_head - (PLAIN << 8), self.run_next
        other: Optional[_RunPacket] = None
        for part, time in packets:
            if part[0] != head or part[1] != expected:
                other = part, time
                break
            expected += 1
        self.run_next = expected
        return other

    def settle(self) -> None:
        """Add the packets that took the short path to the counters."""
        packets = self.run_next - self.run_start
        if packets:
            self.run_start = self.run_next
            self.last_sequence_number = self.run_next - 1
            self.count += packets
            self._raise_maximum(self.maximum + packets)
            self.window |= (1 << min(packets, WINDOW)) - 1
            if self.clock and self.jitter is not None:
                self.jitter.packets += packets

    def arm(self) -> None:
        """Let the short path take what comes next, where it gives the same figures as the long one."""
        sequence_number = self.maximum + 1 - self.offset
        self.run_next = self.run_start = sequence_number
        trackable = self.count > 0 and 0 < sequence_number < WRAP
        if trackable and (not self.clock or (self.jitter is not None and self.jitter.ascending)):
            self.run_head = PLAIN << 8 | self.payload_type
        else:
            self.run_head = NOTHING_ARMED

    def _judge(self, data: bytes, time: float) -> Outcome:
        """The long path: any packet, in any state."""
        try:
            payload_bounds(data)
        except RtpError:
            self.parse_errors += 1
            return Outcome.NOT_RTP
        if not self.recorded and is_rtcp(data):
            self.parse_errors += 1
            return Outcome.NOT_RTP
        _, second, sequence_number, timestamp, ssrc = HEADER.unpack_from(data)
        self.settle()
        self.payload_type = second & 0x7F
        self.clock = CLOCK_RATES[self.payload_type]
        if ssrc == self.ssrc:
            outcome = self._track(sequence_number, timestamp, time, marker=second >= 0x80)
        else:
            outcome = self._change_source(ssrc, sequence_number, timestamp, time)
        self.last_sequence_number = sequence_number
        self.arm()
        if outcome is Outcome.OUT_OF_RANGE and self.recorded:
            raise AnalyzerError(sequence_number, self.minimum)
        return outcome

    def _change_source(self, ssrc: int, sequence_number: int, timestamp: int, time: float) -> Outcome:
        """The first packet ever, or the first of another source. `offset` stays as it is."""
        before = self.ssrc
        if before is not None:
            self.changed_from = (before, self.last_sequence_number)
        self.ssrc = ssrc
        self.ssrc_changes += 1
        self.jitter = None
        self._start_epoch(sequence_number)
        self._update_jitter(timestamp, time)
        return _TRACKED if before is None else Outcome.SSRC_CHANGED

    def _track(self, sequence_number: int, timestamp: int, time: float, marker: bool) -> Outcome:
        """A packet of the same source."""
        position = sequence_number + self.offset
        maximum = self.maximum
        past_wrap = maximum % WRAP
        if marker and position < maximum and past_wrap != WRAP - 1:
            self._start_epoch(position)
            self.restarts += 1
            self._update_jitter(timestamp, time, restarted=True)
            return _TRACKED
        self._update_jitter(timestamp, time, restarted=position == 0 and past_wrap < 65500)
        if past_wrap < MAX_DISTANCE and sequence_number > LATE_ACROSS_WRAP:
            position -= WRAP
        elif maximum > LATE_ACROSS_WRAP and position < maximum - LATE_ACROSS_WRAP:
            self.offset += WRAP
            position += WRAP
        elif abs(position - maximum) > MAX_DISTANCE:
            self._start_epoch(position)
            self.desyncs += 1
            return _TRACKED
        return self._count(position)

    def _count(self, position: int) -> Outcome:
        """A packet of the current epoch."""
        if position > self.maximum:
            self._raise_maximum(position)
        mark = 1 << (self.maximum - position)
        if self.window & mark:
            self.duplicates += 1
            return _TRACKED
        self.window |= mark
        if position < self.minimum:
            if self.offset:
                return Outcome.OUT_OF_RANGE
            self.minimum = position
        self.count += 1
        return _TRACKED

    def _raise_maximum(self, position: int) -> None:
        self.window = self.window << min(position - self.maximum, WINDOW) & _WINDOW_MASK
        self.maximum = position

    def _start_epoch(self, position: int) -> None:
        if self.count:
            self.total_sent += self.maximum - self.minimum + 1
            self.total_received += self.count
            self.total_duplicates += self.duplicates
        self.minimum = self.maximum = position
        self.count = self.window = 1
        self.duplicates = 0

    def _update_jitter(self, timestamp: int, time: float, restarted: bool = False) -> None:
        if self.clock and self.ssrc is not None:
            if self.jitter is None:
                self.jitter = self.jitters.source(self.ssrc)
            self.jitter.update(time * self.clock // 1.0, timestamp, restarted)

    def report(self) -> AnalyzerReport:
        """The figures up to now."""
        self.settle()
        sent, received = self.total_sent, self.total_received + self.count
        if self.count:
            sent += self.maximum - self.minimum + 1
        jitter = self.jitters.report()
        return AnalyzerReport(
            sent,
            received,
            self.total_duplicates + self.duplicates,
            sent - received,
            self.parse_errors,
            self.ssrc_changes,
            self.ssrc,
            self.payload_type,
            *(jitter or JitterReport(0.0, 0.0, 0.0)),
            jitter is not None,
            self.count,
            self.minimum,
            self.maximum,
            self.offset,
            self.duplicates,
        )
