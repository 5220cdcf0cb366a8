"""Counts how often a value fell into each of a few ranges, as Prometheus wants it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator


class Histogram:
    """`bounds` ascend; a value belongs to the first bound that is not below it, or to none."""

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.total = 0.0  # of all values
        self._counts = [0] * (len(bounds) + 1)

    def add(self, value: float) -> None:
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """Values seen."""
        return sum(self._counts)

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Each bound, and how many values were not above it; infinity last."""
        seen = 0
        for bound, count in zip((*self.bounds, float("inf")), self._counts):
            seen += count
            yield bound, seen
