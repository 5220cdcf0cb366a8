"""A call as a picture: an SVG file that any browser shows, without any library.

    title, when the call began, legend
    name and figures of side A
    waveform; silence and absence as ground   decibels below full scale
    loss, as bars                             percent of the packets in each stretch of the call
    jitter, as a line                         milliseconds, the largest in each stretch
    the same for side B
    time

Both sides have the same scales, so that they can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from html import escape
from typing import NamedTuple, TypeVar

from rtpp.tools.extract.bins import Bins
from rtpp.tools.extract.measures import SideMeasures
from rtpp.tools.extract.timeline import RATE

WIDTH = 1200
LEFT, RIGHT = 100, 40  # margins
TITLE_HEIGHT = 66
NAME_HEIGHT = 34
WAVEFORM_HEIGHT = 140
TRACE_HEIGHT = 44  # of loss and of jitter
GAP = 10
AXIS_HEIGHT = 50

WAVEFORM_COLOURS = ("#1f6feb", "#1a7f5a")
SILENCE_COLOUR, ABSENCE_COLOUR = "#ecebe6", "#cfcdc4"
LOSS_COLOUR, JITTER_COLOUR = "#d1242f", "#9a6700"
TICK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)  # seconds
MOST_TICKS = 12
LOSS_BARS = 200
SHORTEST_BAR = 0.1  # seconds
LOWEST_BAR = 2  # in the picture
LONGEST_BRIDGE = 1.0  # seconds that the jitter line runs on without a packet
# so that noise does not look like speech, and a good call not like a bad one
SMALLEST_PEAK = 1000
SMALLEST_LOSS_SCALE = 5.0  # percent
SMALLEST_JITTER_SCALE = 10.0  # milliseconds

Value = TypeVar("Value")

_STYLE = (
    "text{font:13px sans-serif;fill:#333}.title{font-size:19px;font-weight:bold}.name{font-size:15px;"
    "font-weight:bold}.faint{fill:#777;font-size:11px}.frame{fill:none;stroke:#bbb}.grid{stroke:#ddd}"
)


class _Bar(NamedTuple):
    """Loss in a stretch of the call, whose ends are in samples."""

    start: int
    end: int
    percent: float


class _Scales(NamedTuple):
    """What fills the height of its panel."""

    peak: int
    loss: float  # percent
    jitter: float  # milliseconds


def draw(title: str, start: float, sides: Sequence[tuple[str, SideMeasures]], samples: int) -> str:
    """The picture of a call that began at `start`, in seconds since 1970, and lasts `samples`.

    `sides` are names and measures.
    """
    axis = _Axis(max(samples, 1))
    panel = NAME_HEIGHT + WAVEFORM_HEIGHT + 2 * (GAP + TRACE_HEIGHT) + 2 * GAP
    height = TITLE_HEIGHT + panel * len(sides) + AXIS_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        _text(LEFT, 28, title, "title"),
        _text(LEFT, 48, f"{_date(start)}, {_clock(axis.samples / RATE)} long", "faint"),
        *_legend(),
    ]
    parts += axis.ticks(TITLE_HEIGHT + NAME_HEIGHT, height - AXIS_HEIGHT)
    losses = [_losses(measures, axis.samples) for _, measures in sides]
    jitters = [value for _, measures in sides for value in measures.jitter.values if value is not None]
    scales = _Scales(
        max([SMALLEST_PEAK, *(measures.peak for _, measures in sides)]),
        max([SMALLEST_LOSS_SCALE, *(bar.percent for bars in losses for bar in bars)]),
        max([SMALLEST_JITTER_SCALE, *jitters]),
    )
    for number, ((name, measures), bars) in enumerate(zip(sides, losses)):
        top = TITLE_HEIGHT + number * panel
        parts += _panel(axis, top, name, measures, bars, WAVEFORM_COLOURS[number % 2], scales)
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
        unit = "hours:minutes:seconds" if seconds >= 3600 else "minutes:seconds"
        yield _text((LEFT + WIDTH - RIGHT) / 2, bottom + 38, unit, "faint", "middle")


def _panel(
    axis: _Axis, top: int, name: str, side: SideMeasures, losses: list[_Bar], colour: str, scales: _Scales
) -> Iterator[str]:
    silences, absences = side.silences(axis.samples), side.absences(axis.samples)
    silent = sum(end - begin for begin, end in silences) / axis.samples
    lost = 100 * side.packets_lost / max(side.packets + side.packets_lost, 1)
    figures = (
        f"{side.packets} packets, {side.packets_lost} lost ({lost:.1f} %), jitter up to {side.largest_jitter:.1f} ms, "
        f"peak {_decibels(side.peak)}, silent {100 * silent:.0f} %"
    )
    yield _text(LEFT, top + 22, name, "name")
    yield _text(WIDTH - RIGHT, top + 22, figures, "", "end")
    top += NAME_HEIGHT
    for spans, ground in ((silences, SILENCE_COLOUR), (absences, ABSENCE_COLOUR)):
        for begin, end in spans:
            yield _rectangle(axis.x(begin), top, axis.x(end), top + WAVEFORM_HEIGHT, ground)
    yield from _waveform(axis, top, side.waveform, colour, scales.peak)
    yield from _frame(top, WAVEFORM_HEIGHT, "audio", f"to {_decibels(scales.peak)}")
    top += WAVEFORM_HEIGHT + GAP
    for bar in losses:
        low = top + TRACE_HEIGHT
        high = low - max(TRACE_HEIGHT * bar.percent / scales.loss, LOWEST_BAR)
        yield _rectangle(axis.x(bar.start), high, axis.x(bar.end), low, LOSS_COLOUR)
    yield from _frame(top, TRACE_HEIGHT, "loss", f"to {scales.loss:.0f} %")
    top += TRACE_HEIGHT + GAP
    yield from _jitter(axis, top, side.jitter, scales.jitter)
    yield from _frame(top, TRACE_HEIGHT, "jitter", f"to {scales.jitter:.0f} ms")


def _waveform(axis: _Axis, top: int, bins: Bins[tuple[int, int]], colour: str, peak: int) -> Iterator[str]:
    """One closed shape for each stretch without holes: the upper edge forth, the lower edge back."""
    middle, scale = top + WAVEFORM_HEIGHT / 2, WAVEFORM_HEIGHT / 2 / peak
    for stretch in _stretches(bins, 1):
        upper = [f"{axis.x(i * bins.width)} {middle - extent[1] * scale - 0.3:.1f}" for i, extent in stretch]
        lower = [f"{axis.x(i * bins.width)} {middle - extent[0] * scale + 0.3:.1f}" for i, extent in stretch]
        end = axis.x((stretch[-1][0] + 1) * bins.width)
        edge = [f"{end} {middle - 0.3:.1f}", f"{end} {middle + 0.3:.1f}"]
        yield f'<path fill="{colour}" d="M{"L".join(upper + edge + lower[::-1])}z"/>'


def _stretches(bins: Bins[Value], farthest: int) -> Iterator[list[tuple[int, Value]]]:
    """Values that are there and their places, in runs whose neighbours are at most `farthest` places apart."""
    stretch: list[tuple[int, Value]] = []
    for index, value in enumerate(bins.values):
        if value is None:
            continue
        if stretch and index - stretch[-1][0] > farthest:
            yield stretch
            stretch = []
        stretch.append((index, value))
    if stretch:
        yield stretch


def _losses(side: SideMeasures, samples: int) -> list[_Bar]:
    """Bars wherever packets were lost."""
    width = side.counts.width
    together = math.ceil(max(samples / LOSS_BARS, SHORTEST_BAR * RATE) / width)  # bins in a bar
    bars = []
    for index in range(0, len(side.counts.values), together):
        counts = [counts for counts in side.counts.values[index : index + together] if counts is not None]
        lost = sum(lost for _, lost in counts)
        if lost:
            percent = 100 * lost / sum(map(sum, counts))
            bars.append(_Bar(index * width, (index + together) * width, percent))
    return bars


def _jitter(axis: _Axis, top: int, bins: Bins[float], most: float) -> Iterator[str]:
    bottom = top + TRACE_HEIGHT
    for stretch in _stretches(bins, max(1, int(LONGEST_BRIDGE * RATE / bins.width))):
        points = [
            f"{axis.x((index + 0.5) * bins.width)} {bottom - TRACE_HEIGHT * value / most:.1f}"
            for index, value in stretch
        ]
        yield f'<path fill="none" stroke="{JITTER_COLOUR}" stroke-width="1.2" d="M{"L".join(points)}"/>'


def _legend() -> Iterator[str]:
    names = (
        (SILENCE_COLOUR, "silence", 90),
        (ABSENCE_COLOUR, "nothing received", 155),
        (LOSS_COLOUR, "lost packets", 125),
    )
    x = WIDTH - RIGHT - 60 - sum(width for _, _, width in names)
    for colour, name, width in names:
        yield _rectangle(x, 16, x + 14, 30, colour)
        yield _text(x + 20, 28, name)
        x += width
    yield f'<path stroke="{JITTER_COLOUR}" stroke-width="2" d="M{x} 23h18"/>' + _text(x + 24, 28, "jitter")


def _rectangle(left: float, top: float, right: float, bottom: float, colour: str) -> str:
    width, height = max(right - left, 0.5), bottom - top
    return f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def _frame(top: int, height: int, name: str, scale: str) -> Iterator[str]:
    """Around a panel, with what is in it on its left side."""
    yield f'<rect class="frame" x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{height}"/>'
    middle = top + height / 2
    yield _text(LEFT - 8, middle - 2, name, "", "end") + _text(LEFT - 8, middle + 14, scale, "faint", "end")


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _decibels(peak: int) -> str:
    """Relative to full scale."""
    return f"{round(20 * math.log10(peak / 32768))} dBFS" if peak else "none"


def _date(time: float) -> str:
    try:
        return datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return "time unknown"


def _clock(seconds: float) -> str:
    """Hours only when there are any."""
    minutes, second = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"
