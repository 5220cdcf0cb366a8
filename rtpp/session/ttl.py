"""Time to live: sessions on which nothing happens end.

Time is counted in ticks, the whole seconds of the monotonic clock. A time to live of N that was refreshed
during tick r reads N - 1 after tick r + 1, 0 after tick r + N, and is over at tick r + N + 1. Nothing counts
down: a packet stores the time, which costs the relay one store, and whoever asks computes the rest.

Sessions wait in one bucket for each tick at which one may be over, so a tick looks only at those, not at all
sessions. A session that was refreshed in the meantime moves to its new bucket when its old one comes up.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar


class TimeToLive:
    """Remaining life of one leg, or with the unified mode of both legs. Times are monotonic seconds."""

    __slots__ = ("_after_setup", "maximum", "refreshed")

    def __init__(self, setup: int, after_setup: int, now: float) -> None:
        """`setup` seconds until the session is complete, `after_setup` seconds from then on."""
        self.maximum = setup
        self._after_setup = after_setup
        self.refreshed = now

    def set(self, seconds: int, now: float) -> None:
        """A command set the time to live: it starts anew, and stays when the session completes."""
        self.maximum = self._after_setup = seconds
        self.refreshed = now

    def complete(self, now: float) -> None:
        self.maximum = self._after_setup
        self.refreshed = now

    def remaining(self, now: float) -> int:
        """Whole seconds left; negative when it is over."""
        return self.maximum - (int(now) - int(self.refreshed))

    @property
    def over_at(self) -> int:
        """The tick at which it is over unless refreshed."""
        return int(self.refreshed) + self.maximum + 1


Item = TypeVar("Item", bound=Hashable)


class ExpiryWheel(Generic[Item]):
    """Which items to look at in which tick. Guarded by `SessionTable.lock`."""

    def __init__(self) -> None:
        self._buckets: dict[int, set[Item]] = {}
        self._filed: dict[Item, int] = {}

    def file(self, item: Item, tick: int) -> None:
        """Look at `item` at `tick`, instead of when it was filed for before."""
        self.remove(item)
        self._filed[item] = tick
        self._buckets.setdefault(tick, set()).add(item)

    def remove(self, item: Item) -> None:
        tick = self._filed.pop(item, None)
        if tick is not None:
            bucket = self._buckets[tick]
            bucket.discard(item)
            if not bucket:
                del self._buckets[tick]

    def due(self, tick: int) -> Iterator[Item]:
        """Items to look at by now, each taken out; file it again or forget it."""
        for late in sorted(filed for filed in self._buckets if filed <= tick):
            while late in self._buckets:
                item = next(iter(self._buckets[late]))
                self.remove(item)
                yield item
