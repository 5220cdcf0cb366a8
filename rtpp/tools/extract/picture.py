"""A call as a picture: an SVG file that any browser shows, without any library.

    title, figures of side A
    waveform, silence as grey ground         the louder side fills its height
    loss, as bars                            packets in each stretch of the call
    jitter, as a line                        milliseconds, the largest in each stretch
    the same for side B
    time
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Optional

from rtpp.tools.extract.bins import Bins
from rtpp.tools.extract.measures import SideMeasures
from rtpp.tools.extract.timeline import RATE

WIDTH = 1200
LEFT, RIGHT = 100, 40  # margins
TITLE_HEIGHT = 60
NAME_HEIGHT = 34
WAVEFORM_HEIGHT = 140
TRACE_HEIGHT = 44  # of loss and of jitter
GAP = 10
AXIS_HEIGHT = 50

WAVEFORM_COLOURS = ("#1f6feb", "#1a7f5a")
SILENCE_COLOUR, LOSS_COLOUR, JITTER_COLOUR = "#e4e4e0", "#d1242f", "#9a6700"
TICK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)  # seconds
MOST_TICKS = 12
SMALLEST_PEAK = 1000  # so that noise does not look like speech
SMALLEST_JITTER_SCALE = 10.0  # milliseconds, so that a perfect call does not look bad

_STYLE = (
    "text{font:13px sans-serif;fill:#333}.title{font-size:19px;font-weight:bold}.name{font-size:15px;"
    "font-weight:bold}.faint{fill:#777;font-size:11px}.frame{fill:none;stroke:#bbb}.grid{stroke:#ddd}"
)


def draw(title: str, sides: Sequence[tuple[str, SideMeasures]], samples: int) -> str:
    """The picture of a call that lasts `samples`. `sides` are names and measures."""
    axis = _Axis(max(samples, 1))
    panel = NAME_HEIGHT + WAVEFORM_HEIGHT + 2 * (GAP + TRACE_HEIGHT) + 2 * GAP
    height = TITLE_HEIGHT + panel * len(sides) + AXIS_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        _text(LEFT, 28, title, "title"),
        *_legend(),
    ]
    parts += axis.ticks(TITLE_HEIGHT + NAME_HEIGHT, height - AXIS_HEIGHT)
    peak = max([SMALLEST_PEAK, *(measures.peak for _, measures in sides)])
    for number, (name, measures) in enumerate(sides):
        top = TITLE_HEIGHT + number * panel
        parts += _panel(axis, top, name, measures, WAVEFORM_COLOURS[number % 2], peak)
    parts.append("</svg>\n")
    return "\n".join(parts)


class _Axis:
    """Time from left to right."""

    def __init__(self, samples: int) -> None:
        self.samples = samples
        self._scale = (WIDTH - LEFT - RIGHT) / samples

    def x(self, position: float) -> float:
        return round(LEFT + min(position, self.samples) * self._scale, 1)

    def ticks(self, top: int, bottom: int) -> Iterator[str]:
        seconds = self.samples / RATE
        step = next((step for step in TICK_STEPS if seconds / step <= MOST_TICKS), TICK_STEPS[-1])
        for tick in range(0, int(seconds) + 1, step):
            x = self.x(tick * RATE)
            yield f'<path class="grid" d="M{x} {top}V{bottom}" opacity=".6"/>'
            yield _text(x, bottom + 18, _clock(tick), "", "middle")
        yield _text(WIDTH - RIGHT, bottom + 38, f"{_clock(seconds)} in all", "faint", "end")


def _panel(axis: _Axis, top: int, name: str, side: SideMeasures, colour: str, peak: int) -> Iterator[str]:
    silences = side.silences()
    silent = sum(end - begin for begin, end in silences) / axis.samples
    figures = (
        f"{side.packets} packets, {side.packets_lost} lost, jitter up to {side.largest_jitter:.1f} ms, "
        f"peak {_decibels(side.peak)}, silent {100 * min(silent, 1):.0f} %"
    )
    yield _text(LEFT, top + 22, name, "name")
    yield _text(WIDTH - RIGHT, top + 22, figures, "", "end")
    top += NAME_HEIGHT
    for begin, end in silences:
        yield _rectangle(axis.x(begin), top, axis.x(end), top + WAVEFORM_HEIGHT, SILENCE_COLOUR)
    yield from _waveform(axis, top, side.waveform, colour, peak)
    yield _frame(top, WAVEFORM_HEIGHT)
    yield _text(LEFT - 8, top + WAVEFORM_HEIGHT / 2 + 4, "audio", "", "end")
    top += WAVEFORM_HEIGHT + GAP
    yield from _loss(axis, top, side.lost)
    top += TRACE_HEIGHT + GAP
    yield from _jitter(axis, top, side.jitter)


def _waveform(axis: _Axis, top: int, bins: Bins[tuple[int, int]], colour: str, peak: int) -> Iterator[str]:
    """One closed shape for each stretch without holes: the upper edge forth, the lower edge back."""
    middle, scale = top + WAVEFORM_HEIGHT / 2, WAVEFORM_HEIGHT / 2 / peak
    for stretch in _stretches(bins.values):
        upper = [f"{axis.x(i * bins.width)} {middle - extent[1] * scale - 0.3:.1f}" for i, extent in stretch]
        lower = [f"{axis.x(i * bins.width)} {middle - extent[0] * scale + 0.3:.1f}" for i, extent in stretch]
        end = axis.x((stretch[-1][0] + 1) * bins.width)
        edge = [f"{end} {middle - 0.3:.1f}", f"{end} {middle + 0.3:.1f}"]
        yield f'<path fill="{colour}" d="M{"L".join(upper + edge + lower[::-1])}z"/>'


def _stretches(values: Iterable[Optional[tuple[int, int]]]) -> Iterator[list[tuple[int, tuple[int, int]]]]:
    """Runs of values that are there, with their places."""
    stretch: list[tuple[int, tuple[int, int]]] = []
    for index, value in enumerate(values):
        if value is not None:
            stretch.append((index, value))
        elif stretch:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def _loss(axis: _Axis, top: int, bins: Bins[int]) -> Iterator[str]:
    most = max((value for value in bins.values if value), default=0)
    bottom = top + TRACE_HEIGHT
    for index, value in enumerate(bins.values):
        if value:
            left = axis.x(index * bins.width)
            right = max(axis.x((index + 1) * bins.width), left + 1.5)
            yield _rectangle(left, bottom - TRACE_HEIGHT * value / most, right, bottom, LOSS_COLOUR)
    yield _frame(top, TRACE_HEIGHT)
    yield _text(LEFT - 8, top + 20, "loss", "", "end")
    yield _text(LEFT - 8, top + 36, f"to {most} packets" if most else "none", "faint", "end")


def _jitter(axis: _Axis, top: int, bins: Bins[float]) -> Iterator[str]:
    most = max([SMALLEST_JITTER_SCALE, *(value for value in bins.values if value is not None)])
    bottom = top + TRACE_HEIGHT
    points = [
        f"{axis.x((index + 0.5) * bins.width)} {bottom - TRACE_HEIGHT * value / most:.1f}"
        for index, value in enumerate(bins.values)
        if value is not None
    ]
    if points:
        yield f'<path fill="none" stroke="{JITTER_COLOUR}" stroke-width="1.2" d="M{"L".join(points)}"/>'
    yield _frame(top, TRACE_HEIGHT)
    yield _text(LEFT - 8, top + 20, "jitter", "", "end")
    yield _text(LEFT - 8, top + 36, f"to {most:.0f} ms", "faint", "end")


def _legend() -> Iterator[str]:
    x = WIDTH - RIGHT - 330
    for colour, name, width in ((SILENCE_COLOUR, "silence", 90), (LOSS_COLOUR, "lost packets", 130)):
        yield _rectangle(x, 16, x + 14, 30, colour)
        yield _text(x + 20, 28, name)
        x += width
    yield f'<path stroke="{JITTER_COLOUR}" stroke-width="2" d="M{x} 23h18"/>' + _text(x + 24, 28, "jitter")


def _rectangle(left: float, top: float, right: float, bottom: float, colour: str) -> str:
    width, height = max(right - left, 0.5), bottom - top
    return f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def _frame(top: int, height: int) -> str:
    return f'<rect class="frame" x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{height}"/>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _decibels(peak: int) -> str:
    """Relative to full scale."""
    return f"{20 * math.log10(peak / 32768):.0f} dB" if peak else "none"


def _clock(seconds: float) -> str:
    """Hours only when there are any."""
    minutes, second = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"
