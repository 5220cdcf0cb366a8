"""How busy the proxy is: the share of time in which the relay loop does not wait for packets.

Wall time rather than processor time: a loop that waits for a lock, for its turn of the interpreter or for a processor
that others use cannot serve packets either, and it is packets that suffer. The figure is smoothed over some seconds,
so that one expensive second does not refuse calls; between two thresholds the verdict stays what it was.
"""

from __future__ import annotations

import math

from rtpp.log import GLOBAL

OVER = 0.90  # overloaded from here on
OVER_NO_MORE = 0.85  # until the load falls to this
SMOOTHING_SECONDS = 5.0  # after this time a change of load shows to 63 percent


class LoadMeter:
    """The load of one relay loop. Guarded by `SessionTable.lock`."""

    __slots__ = ("_busy", "average", "is_over", "measured_at")

    def __init__(self) -> None:
        self.average = 0.0  # 0: idle, 1: never waits
        self.is_over = False
        self._busy = 0.0
        self.measured_at = -1.0  # monotonic seconds; negative before the first measurement

    def update(self, busy: float, now: float) -> None:
        """Call it about once a second. `busy` is the loop's busy time since its start, `now` monotonic; in seconds."""
        elapsed = now - self.measured_at
        if self.measured_at >= 0 and elapsed > 0:
            share = min(max((busy - self._busy) / elapsed, 0.0), 1.0)
            self.average += (share - self.average) * (1 - math.exp(-elapsed / SMOOTHING_SECONDS))
            if not self.is_over and self.average >= OVER:
                self.is_over = True
                GLOBAL.warning("overloaded: load %f", self.average)
            elif self.is_over and self.average <= OVER_NO_MORE:
                self.is_over = False
                GLOBAL.warning("overloaded no more: load %f", self.average)
        self._busy, self.measured_at = busy, now
