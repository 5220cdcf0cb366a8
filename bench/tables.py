"""Figures to text: medians, ratios, tables that read well on a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Callable, Optional, Protocol, TypeVar

Figures = Sequence[Optional[float]]  # one of each round; None: there is none
ABSENT = "-"


class Disturbable(Protocol):
    @property
    def disturbed(self) -> bool:
        """By other work on the machine."""


Measured = TypeVar("Measured", bound=Disturbable)


def number(figures: Figures, decimals: int) -> str:
    """The median."""
    known = [figure for figure in figures if figure is not None]
    return f"{median(known):,.{decimals}f}" if known else ABSENT


def interval(figures: Figures, decimals: int) -> str:
    """The smallest and the largest."""
    known = [figure for figure in figures if figure is not None]
    return f"{min(known):,.{decimals}f}-{max(known):,.{decimals}f}" if known else ABSENT


def ratio(figures: Figures, reference: Figures, decimals: int) -> str:
    """The median of the rounds' own ratios."""
    pairs = [own / other for own, other in zip(figures, reference) if own is not None and other]
    return f"{median(pairs):.{decimals}f}" if pairs else ABSENT


def quiet(figures: Figures, disturbed: Sequence[bool]) -> Figures:
    """Without those of disturbed rounds, unless there are no others."""
    return figures if all(disturbed) else [None if bad else figure for figure, bad in zip(figures, disturbed)]


def undisturbed(results: Sequence[Measured], value: Callable[[Measured], Optional[float]]) -> Figures:
    """A value of each result, but for those that were disturbed."""
    return quiet([value(result) for result in results], [result.disturbed for result in results])


class Table:
    """Rows of text under a title."""

    def __init__(self, title: str, columns: Sequence[str]) -> None:
        self.title = title
        self.note = ""
        self._rows: list[Sequence[str]] = [columns]

    def __bool__(self) -> bool:
        """There is something in it."""
        return len(self._rows) > 1

    def add(self, *row: str) -> None:
        self._rows.append(row)

    def text(self) -> str:
        """For a terminal."""
        lines = [self.title, ""]
        lines += ["  ".join(cells).rstrip() for cells in self._aligned()]
        return "\n".join([*lines, *self._notes()]) + "\n"

    def markdown(self) -> str:
        lines = [f"### {self.title}", ""]
        head, *body = self._aligned()
        rule = ["-" * len(head[0]), *("-" * (len(cell) - 1) + ":" for cell in head[1:])]
        lines += ["| " + " | ".join(cells) + " |" for cells in (head, rule, *body)]
        return "\n".join([*lines, *self._notes()]) + "\n"

    def _aligned(self) -> list[list[str]]:
        """The first column to the left, figures to the right."""
        widths = [max(map(len, column)) for column in zip(*self._rows)]
        return [[cell.ljust(width) if index == 0 else cell.rjust(width)
                 for index, (cell, width) in enumerate(zip(row, widths))] for row in self._rows]

    def _notes(self) -> list[str]:
        return ["", self.note] if self.note else []
