"""What was, in figures taken at equal intervals: small arrays of floats that forget their beginning.

A call keeps five minutes, the proxy an hour. Four bytes a figure: with 4,000 calls that is 6 MB.
"""

from __future__ import annotations

from array import array

CALL_INTERVAL = 5  # seconds
CALL_POINTS = 60
PROXY_INTERVAL = 10  # seconds
PROXY_POINTS = 360


class History:
    """Rows of `names`, the last `points` of them."""

    __slots__ = ("_figures", "_limit", "names")

    def __init__(self, names: tuple[str, ...], points: int) -> None:
        self.names = names
        self._limit = points * len(names)
        self._figures = array("f")

    def add(self, *row: float) -> None:
        """One figure for each name."""
        self._figures.extend(row)
        if len(self._figures) > self._limit:
            del self._figures[: len(self.names)]

    def column(self, name: str) -> list[float]:
        """The figures of one name, the latest last."""
        figures = self._figures[self.names.index(name) :: len(self.names)]
        return [round(figure, 3) for figure in figures]
