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
SHORTEST_SILENCE = 1.0  # seconds that are shown

Range = tuple[int, int]


def _widest(first: Range, second: Range) -> Range:
    return min(first[0], second[0]), max(first[1], second[1])


def _sum(first: int, second: int) -> int:
    return first + second


class SideMeasures:
    """One side of a call. Positions are samples since the beginning of the output."""

    def __init__(self) -> None:
        self.waveform: Bins[Range] = Bins(_widest)
        self.lost: Bins[int] = Bins(_sum)
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

    def silences(self) -> list[tuple[int, int]]:
        """Spans of silence that are long enough, in samples."""
        bins = self.waveform
        spans: list[tuple[int, int]] = []
        begin: Optional[int] = None
        for index, extent in enumerate([*bins.values, (-QUIET, QUIET)]):
            loud = extent is not None and max(-extent[0], extent[1]) >= QUIET
            if not loud and begin is None:
                begin = index
            elif loud and begin is not None:
                if (index - begin) * bins.width >= SHORTEST_SILENCE * RATE:
                    spans.append((begin * bins.width, index * bins.width))
                begin = None
        return spans


class ChannelMeasures:
    """Watches one channel of a side. `start` is where it begins in the output."""

    def __init__(self, side: SideMeasures, start: int) -> None:
        self._side = side
        self._start = start
        self._before: Optional[Entry] = None
        self._jitter = 0.0  # milliseconds

    def packet(self, position: int, entry: Entry) -> None:
        side, before = self._side, self._before
        position += self._start
        self._before = entry
        side.packets += 1
        if before is None:
            return
        missing = entry.sequence_number - before.sequence_number - 1 & 0xFFFF
        if 0 < missing < MAX_DISTANCE:
            side.packets_lost += missing
            side.lost.add(position, missing)
        ticks = entry.timestamp - before.timestamp & 0xFFFFFFFF
        if ticks < 60 * RATE:  # else the sender began anew
            deviation = abs(entry.time - before.time - ticks / RATE) * 1000
            self._jitter += (deviation - self._jitter) / 16
            side.largest_jitter = max(side.largest_jitter, self._jitter)
            side.jitter.add(position, self._jitter)
