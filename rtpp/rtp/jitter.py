"""Interarrival jitter (RFC 3550, section 6.4.1), per source, guarded against timestamps that jump.

Plan: a `SourceJitter` estimates one SSRC. A `JitterTable` keeps the ten latest sources of a stream and
remembers of older ones only what the final figures need. All figures are in ticks of the payload type's
clock, as RTCP reports them. Arrival times are kept as floats with whole values: exact below 2**53 ticks,
and cheaper than converting to int for each packet.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Optional

REMEMBERED_TIMESTAMPS = 10
REMEMBERED_SOURCES = 10


class SourceJitter:
    """The jitter of one SSRC.

    `arrival` is when the last packet came, in ticks, 0 before the first; `timestamp` is what it said.
    `packets` counts the packets the estimate is made of, one more than the differences it saw.
    `last` is the running estimate, `maximum` its largest value, `total` the sum of all its values.
    """

    __slots__ = ("arrival", "last", "maximum", "packets", "ssrc", "timestamp", "timestamps", "total")

    def __init__(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self.arrival = 0.0
        self.timestamp = 0
        self.packets = 0
        self.last = 0.0
        self.maximum = 0.0
        self.total = 0.0
        self.timestamps: deque[int] = deque(maxlen=REMEMBERED_TIMESTAMPS)

    def update(self, arrival: float, timestamp: int, restarted: bool) -> None:
        """Count a packet that came at `arrival` (whole ticks). `restarted`: its sender began anew.

        A repeated timestamp (the packets of one DTMF event or video frame, a duplicate) says nothing
        about the network. A timestamp that jumps far more than time went by starts a new comparison.
        """
        if timestamp in self.timestamps:
            if self.packets == 1:
                self.arrival = arrival
                self.timestamp = timestamp
            return
        if self.arrival == 0:
            self.packets += 1
        elif not restarted:
            self._compare(arrival, timestamp)
        self.timestamps.append(timestamp)
        self.arrival = arrival
        self.timestamp = timestamp

    def _compare(self, arrival: float, timestamp: int) -> None:
        elapsed = abs(arrival - self.arrival)
        step = timestamp - self.timestamp
        if step < -(1 << 31):
            step += 1 << 32  # the timestamp wrapped
        elif elapsed and (step < elapsed * -50 or step > elapsed * 1024):
            return
        deviation = abs(arrival - self.arrival - step)
        self.last += (deviation - self.last) / 16
        self.total += self.last
        self.maximum = max(self.maximum, self.last)
        self.packets += 1

    @property
    def ascending(self) -> bool:
        """Whether any timestamp above the last one is certainly a new one."""
        return self.arrival != 0 and self.timestamp == max(self.timestamps)


class JitterReport(NamedTuple):
    """Jitter of a stream over all its sources, in clock ticks."""

    last: float
    maximum: float
    average: float


class JitterTable:
    """The sources of one stream, the latest first."""

    __slots__ = ("recycled_differences", "recycled_maximum", "recycled_total", "sources")

    def __init__(self) -> None:
        self.sources: list[SourceJitter] = []
        self.recycled_maximum = 0.0
        self.recycled_total = 0.0
        self.recycled_differences = 0

    def source(self, ssrc: int) -> SourceJitter:
        """The estimate of `ssrc`, made if need be; then the one made first gives way."""
        for source in self.sources:
            if source.ssrc == ssrc:
                return source
        if len(self.sources) == REMEMBERED_SOURCES:
            self._recycle(self.sources.pop())
        source = SourceJitter(ssrc)
        self.sources.insert(0, source)
        return source

    def _recycle(self, source: SourceJitter) -> None:
        self.recycled_maximum = max(self.recycled_maximum, source.maximum)
        self.recycled_total += source.total
        self.recycled_differences += source.packets - 1

    def report(self) -> Optional[JitterReport]:
        """None until one of the remembered sources sent two comparable packets."""
        measured = [source for source in self.sources if source.packets >= 2]
        if not measured:
            return None
        total = self.recycled_total + sum(source.total for source in measured)
        differences = self.recycled_differences + sum(source.packets - 1 for source in measured)
        maximum = max(self.recycled_maximum, *(source.maximum for source in measured))
        return JitterReport(measured[0].last, maximum, total / differences)
