"""A bar on a terminal for work that takes more than a moment; nothing elsewhere."""

from __future__ import annotations

import os
import time
from typing import TextIO

BAR_WIDTH = 40  # characters
USUAL_COLUMNS = 80  # of a terminal that does not tell
OTHER_WIDTH = 22  # of what stands around the bar
PATIENCE = 1.0  # seconds before the bar appears
CLEAR_LINE = "\r\x1b[K"  # and stay at its start
INTERVAL = 0.1  # seconds between two pictures of it


class Progress:
    """Draws on a line of its own, which is gone when `close` was called.

    The cursor waits at the start of the line, so that a message can take its place.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._next = time.monotonic() + PATIENCE
        self._drawn = False

    def show(self, fraction: float, what: str) -> None:
        """`fraction` of everything is done, and `what` is being done."""
        if not self._terminal or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + INTERVAL
        fraction = min(max(fraction, 0.0), 1.0)
        width = max(0, min(BAR_WIDTH, self._columns() - OTHER_WIDTH))
        done = round(fraction * width)
        bar = "#" * done + "." * (width - done)
        self._write(f"[{bar}] {round(100 * fraction):3d} % {what:<12}\r")
        self._drawn = True

    def close(self) -> None:
        """Remove the bar."""
        if self._drawn:
            self._write(CLEAR_LINE)
            self._drawn = False

    def _columns(self) -> int:
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns
        except OSError:
            columns = 0
        return columns or USUAL_COLUMNS

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
