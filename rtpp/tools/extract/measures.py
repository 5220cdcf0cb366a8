"""What a picture of a call shows of each side: how loud, when silent, what was lost, how unsteady it came.

Jitter and loss are judged in playing order, so that they stand where they are heard: a packet that came late enough
to be put behind others counts as delayed, not as lost.
"""

from __future__ import annotations

from array import array
from typing import Optional

from rtpp.rtp.analyzer import MAX_DISTANCE
from rtpp.tools.extract.bins import Bins
from rtpp.tools.extract.index import Entry
from rtpp.tools.extract.timeline import RATE

QUIET = 104  # samples below are silence: 50 dB below full scale
SHORTEST_SPAN = 1.0  # seconds that are shown

Range = tuple[int, int]
Counts = tuple[int, int]  # packets that came, that were lost


def _widest(first: Range, second: Range) -> Range:
    return min(first[0], second[0]), max(first[1], second[1])


def _sum(first: Counts, second: Counts) -> Counts:
    return first[0] + second[0], first[1] + second[1]


class SideMeasures:
    """One side of a call. Positions are samples since the beginning of the output."""

    def __init__(self) -> None:
        self.waveform: Bins[Range] = Bins(_widest)
        self.counts: Bins[Counts] = Bins(_sum)
        self.jitter: Bins[float] = Bins(max)  # milliseconds
        self.packets = 0
        self.packets_lost = 0
        self.largest_jitter = 0.0  # milliseconds

    def hear(self, position: int, samples: array[int]) -> None:
        """Samples that go to the output at `position`."""
        start = 0
        while start < len(samples):
            width = self.waveform.width
            end = start + width - (position + start) % width
            part = samples[start:end]
            self.waveform.add(position + start, (min(part), max(part)))
            start = end

    @property
    def peak(self) -> int:
        """The largest sample in either direction."""
        return max((max(-extent[0], extent[1]) for extent in self.waveform.values if extent), default=0)

    def silences(self, length: int) -> list[tuple[int, int]]:
        """Spans of silence that are long enough, in samples, in a call of that length."""
        loud = [extent is not None and max(-extent[0], extent[1]) >= QUIET for extent in self.waveform.values]
        return _gaps(loud, self.waveform.width, length)

    def absences(self, length: int) -> list[tuple[int, int]]:
        """Spans in which no packet came, in the same way."""
        came = [counts is not None and counts[0] > 0 for counts in self.counts.values]
        return _gaps(came, self.counts.width, length)


def _gaps(present: list[bool], width: int, length: int) -> list[tuple[int, int]]:
    """Where nothing is present for long enough; `width` is that of each value, all in samples."""
    spans = []
    begin = 0
    for index, there in enumerate([*present, True]):
        if there:
            end = index * width if index < len(present) else length
            if end - begin >= SHORTEST_SPAN * RATE:
                spans.append((begin, end))
            begin = (index + 1) * width
    return spans


class ChannelMeasures:
    """Watches one channel of a side. `start` is where it begins in the output."""

    def __init__(self, side: SideMeasures, start: int) -> None:
        self._side = side
        self._start = start
        self._before: Optional[Entry] = None
        self._position_before = 0
        self._jitter = 0.0  # milliseconds

    def packet(self, position: int, entry: Entry) -> None:
        side, before = self._side, self._before
        position += self._start
        self._before = entry
        side.packets += 1
        side.counts.add(position, (1, 0))
        position_before, self._position_before = self._position_before, position
        if before is None:
            return
        missing = entry.sequence_number - before.sequence_number - 1 & 0xFFFF
        if 0 < missing < MAX_DISTANCE:
            side.packets_lost += missing
            for number in range(1, missing + 1):
                there = position_before + (position - position_before) * number // (missing + 1)
                side.counts.add(there, (0, 1))
        ticks = entry.timestamp - before.timestamp & 0xFFFFFFFF
        if ticks < 60 * RATE:  # else the sender began anew
            deviation = abs(entry.time - before.time - ticks / RATE) * 1000
            self._jitter += (deviation - self._jitter) / 16
            side.largest_jitter = max(side.largest_jitter, self._jitter)
            side.jitter.add(position, self._jitter)
