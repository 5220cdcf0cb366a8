"""Text for people: columns that fit the terminal, and nothing that a terminal would obey."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Optional

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
GAP = "  "
LEAST = 8  # columns that a shortened text keeps


def printable(text: str) -> str:
    """The text with control characters made visible: a call-id cannot move the cursor."""
    return _UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], width: Optional[int], *,
          right: Sequence[int] = (), flexible: int = 0) -> list[str]:
    """Lines of a table. `right` are the columns of numbers; the `flexible` one is cut to make a line fit `width`."""
    cells = [list(header), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    if width is not None:
        excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
        if excess > 0:
            widths[flexible] = max(widths[flexible] - excess, LEAST)
    lines = []
    for row in cells:
        row[flexible] = shorten(row[flexible], widths[flexible])
        aligned = [cell.rjust(w) if column in right else cell.ljust(w)
                   for column, (cell, w) in enumerate(zip(row, widths))]
        lines.append(shorten(GAP.join(aligned).rstrip(), width))
    return lines


def shorten(text: str, width: Optional[int]) -> str:
    """At most `width` columns of it; what is cut is marked."""
    if width is None or len(text) <= width:
        return text
    return text[: max(width - 1, 0)] + "…" if width > 0 else ""


def duration(seconds: Any) -> str:
    """Seconds as people say them: 9s, 4m05s, 2h07m, 3d04h; - for what is not known."""
    if not isinstance(seconds, (int, float)) or seconds != seconds:
        return "-"
    whole = int(max(0, min(seconds, 1e12)))
    for size, smaller, name, smaller_name in ((86400, 3600, "d", "h"), (3600, 60, "h", "m"), (60, 1, "m", "s")):
        if whole >= size:
            return f"{whole // size}{name}{whole % size // smaller:02d}{smaller_name}"
    return f"{whole}s"


def number(value: Any, decimals: int = 0) -> str:
    """A number with thousands apart; - for what is not known."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "-"
    return f"{value:,.{decimals}f}"
