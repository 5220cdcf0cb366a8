"""The highest rate at which next to nothing is lost, found step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

LADDER = [round(10_000 * 1.06**step, -2) for step in range(73)]  # packets/s, to 664,000 in steps of 6 %


def highest(passes: Callable[[float], bool], steps: Sequence[float], start: float) -> float:
    """The highest of the ascending steps that passes, 0 if none does; all below one that passes are taken to pass.

    From the step nearest to `start` it strides up or down, each stride twice as long as the one before, and then
    halves the interval that is left: a good guess costs two tries.
    """
    low, high = -1, len(steps)  # the highest known to pass, the lowest known to fail
    at = min(range(high), key=lambda index: abs(steps[index] - start))
    stride = 1
    while high - low > 1:
        if passes(steps[at]):
            low, at = at, at + stride
        else:
            high, at = at, at - stride
        stride *= 2
        if not low < at < high:
            at = (low + high) // 2
    return steps[low] if low >= 0 else 0.0
