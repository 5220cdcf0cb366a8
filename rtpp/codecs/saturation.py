"""16-bit saturation: a sum that leaves the range of a sample stays at its end.

`CLIP` is the way for code that runs for each sample: one look-up, negative indexes as they come.
"""

from __future__ import annotations

# CLIP[x] is x saturated, for -131072 <= x < 131072
CLIP = [*range(32768), *[32767] * 98304, *[-32768] * 98304, *range(-32768, 0)]


def saturate(value: int) -> int:
    """The nearest 16-bit number, to any number."""
    return -32768 if value < -32768 else 32767 if value > 32767 else value


def saturate_all(values: list[int]) -> list[int]:
    """`values` in 16 bits; the list itself when they are already."""
    if max(values) > 32767 or min(values) < -32768:
        return [saturate(value) for value in values]
    return values
