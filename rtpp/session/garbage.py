"""When Python's collector of reference cycles may look at everything.

A full collection visits every object of every session: with thousands of calls it takes tens of milliseconds, in which
no packet moves. Python starts one whenever the number of objects has grown by a quarter. But sessions form no cycles
(see `Session`) and what else does is little, so it can wait until few sessions are left, and hours if need be.
"""

from __future__ import annotations

import gc

FEW = 200  # sessions: their objects are looked at within two milliseconds
PAUSE = 300.0  # seconds between full collections with few sessions,
LONGEST = 6 * 3600.0  # and with many
NEVER = 1 << 30  # collections of the younger generation


class FullCollections:
    """Their timing. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._last = 0.0

    def begin(self, now: float) -> None:
        """Take the timing over from Python. What is there now is taken to stay, and never looked at again."""
        self._last = now
        if hasattr(gc, "freeze"):  # PyPy's collector has generations of its own
            young, middle, _ = gc.get_threshold()
            gc.set_threshold(young, middle, NEVER)
            gc.collect()
            gc.freeze()

    def consider(self, sessions: int, now: float) -> bool:
        """Collect everything if now is a good time; returns whether it was. `sessions` are in existence."""
        if now - self._last < (PAUSE if sessions <= FEW else LONGEST):
            return False
        self._last = now
        gc.collect()
        return True
