"""Values along a call of unknown length, in a fixed number of bins."""

from __future__ import annotations

from typing import Callable, Generic, Optional, TypeVar

Value = TypeVar("Value")

BINS = 1600  # at most; at least half of them are in use at the end of anything longer than a few seconds
FIRST_WIDTH = 80  # samples


class Bins(Generic[Value]):
    """Sums up values at positions, in samples. When the bins run out, each two neighbours become one.

    `values` holds None where nothing was added; each bin is `width` samples wide.
    """

    def __init__(self, combine: Callable[[Value, Value], Value]) -> None:
        self.width = FIRST_WIDTH
        self.values: list[Optional[Value]] = []
        self._combine = combine

    def add(self, position: int, value: Value) -> None:
        """Add one value; positions may come in any order."""
        index = position // self.width
        while index >= BINS:
            self._halve()
            index = position // self.width
        missing = index + 1 - len(self.values)
        if missing > 0:
            self.values.extend([None] * missing)
        before = self.values[index]
        self.values[index] = value if before is None else self._combine(before, value)

    def _halve(self) -> None:
        combined: list[Optional[Value]] = []
        for index in range(0, len(self.values), 2):
            pair = [value for value in self.values[index : index + 2] if value is not None]
            combined.append(self._combine(pair[0], pair[1]) if len(pair) == 2 else pair[0] if pair else None)
        self.values = combined
        self.width *= 2
