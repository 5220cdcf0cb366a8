"""Two kinds of charts as SVG, drawn with nothing but text: lines over a number, and bars."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from html import escape
from statistics import median
from typing import NamedTuple

from bench.tables import Figures

COLOURS = ("#1b6ca8", "#d1495b", "#2e933c", "#8d5a97", "#e08e1b", "#555555", "#17a2a2", "#a0522d")
WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 50  # margins
LEGEND = 20  # pixels of height for each name
BAR = 26
ASIDE = 5  # pixels between points of several names at one position


class Point(NamedTuple):
    """What is known at a position."""

    x: int
    middle: float
    lowest: float
    highest: float
    doubtful: bool


class LineChart:
    """Median lines of several names over positions, which stand at equal distances, with the range of the figures."""

    def __init__(self, title: str, across: str, up: str, logarithmic: bool = False, hollow: str = "") -> None:
        """`hollow` is what is wrong with points that are in doubt."""
        self._title, self._across, self._up, self._logarithmic = title, across, up, logarithmic
        self._hollow = hollow
        self._series: list[tuple[str, list[Point]]] = []

    def add(self, name: str, points: Sequence[tuple[int, Figures]], doubtful: Collection[int] = ()) -> None:
        """The figures of each position, of which the median is drawn."""
        known = [Point(x, median(values), min(values), max(values), x in doubtful)
                 for x, figures in points if (values := _known(figures))]
        known = [point for point in known if point.lowest > 0 or not self._logarithmic]
        if known:
            self._series.append((name, known))

    def svg(self) -> str:
        xs = sorted({point.x for _, points in self._series for point in points})
        ys = [y for _, points in self._series for point in points for y in (point.lowest, point.highest)]
        ticks = _powers(ys) if self._logarithmic else _round_steps(max(ys, default=1))
        parts = [_text(WIDTH / 2, 22, self._title, "middle", 15),
                 _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, self._across, "middle"),
                 f'<g transform="rotate(-90 16 {HEIGHT / 2})">{_text(16, HEIGHT / 2, self._up, "middle")}</g>']
        for tick in ticks:
            y = self._y(tick, ticks)
            parts += [_line(LEFT, y, WIDTH - RIGHT, y, "#ddd"), _text(LEFT - 6, y + 4, f"{tick:,g}", "end")]
        parts += [_text(_x(x, xs), HEIGHT - BOTTOM + 18, f"{x:,}", "middle") for x in xs]
        for index, (name, points) in enumerate(self._series):
            colour = COLOURS[index % len(COLOURS)]
            aside = (index - (len(self._series) - 1) / 2) * ASIDE
            places = [(_x(point.x, xs) + aside, self._y(point.middle, ticks)) for point in points]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            for point, (x, y) in zip(points, places):
                parts += [_line(x, self._y(point.lowest, ticks), x, self._y(point.highest, ticks), colour),
                          f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" stroke="{colour}" stroke-width="2" '
                          f'fill="{"white" if point.doubtful else colour}"/>']
            row = HEIGHT + LEGEND * index
            parts += [_line(LEFT, row + 6, LEFT + 24, row + 6, colour, 3), _text(LEFT + 32, row + 10, name)]
        notes = ["thin lines: from the lowest to the highest round"]
        if any(point.doubtful for _, points in self._series for point in points):
            notes.append(self._hollow)
        bottom = HEIGHT + LEGEND * len(self._series)
        parts.append(_text(LEFT, bottom + 12, "; ".join(notes), size=11))
        return _document(bottom + 24, parts)

    def _y(self, value: float, ticks: Sequence[float]) -> float:
        low, high = ticks[0], ticks[-1]
        share = (math.log(value / low) / math.log(high / low)) if self._logarithmic else (value - low) / (high - low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


class BarChart:
    """A bar of the median for each name."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bars: list[tuple[str, float, int, bool]] = []

    def add(self, name: str, figures: Figures, colour: int, at_least: bool) -> None:
        """`colour` is an index; a figure that is only known to be at least so high has a lighter bar."""
        if values := _known(figures):
            self._bars.append((name, median(values), colour % len(COLOURS), at_least))

    def svg(self) -> str:
        left, room = 290, WIDTH - 290 - 90
        longest = max((value for _, value, _, _ in self._bars), default=0) or 1
        parts = [_text(WIDTH / 2, 22, self._title, "middle", 15)]
        for index, (name, value, colour, at_least) in enumerate(self._bars):
            y, width = TOP + BAR * index, value / longest * room
            figure = ">= " * at_least + f"{value:,.0f}"
            parts += [_text(left - 8, y + 15, name, "end"), _text(left + width + 6, y + 15, figure),
                      f'<rect x="{left}" y="{y}" width="{width:.1f}" height="{BAR - 6}" fill="{COLOURS[colour]}" '
                      f'fill-opacity="{0.6 if at_least else 1}"/>']
        return _document(TOP + BAR * len(self._bars) + 10, parts)


def _known(figures: Figures) -> list[float]:
    return [figure for figure in figures if figure is not None]


def _x(position: int, positions: Sequence[int]) -> float:
    gap = (WIDTH - LEFT - RIGHT) / max(1, len(positions))
    return LEFT + gap * (positions.index(position) + 0.5)


def _round_steps(highest: float) -> list[float]:
    """From 0 to at least the highest, in four to ten steps of 1, 2 or 5 times a power of ten."""
    rough = (highest or 1) / 5
    unit: float = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return [step * index for index in range(math.ceil((highest or 1) / step) + 1)]


def _powers(values: Sequence[float]) -> list[float]:
    """Powers of ten around all values, which are positive."""
    low = math.floor(math.log10(min(values, default=1)))
    high = math.ceil(math.log10(max(values, default=1)))
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: int = 1) -> str:
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"/>')


def _document(height: float, parts: Sequence[str]) -> str:
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" '
                      f'width="{WIDTH}" height="{height:g}" font-family="sans-serif">',
                      '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>"]) + "\n"
