"""A bar on a terminal for work that takes more than a moment; nothing elsewhere."""

from __future__ import annotations

import time
from typing import TextIO

BAR_WIDTH = 40  # characters
PATIENCE = 1.0  # seconds before the bar appears
INTERVAL = 0.1  # seconds between two pictures of it


class Progress:
    """Draws on a line of its own, which is gone when `close` was called."""

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
        done = round(min(max(fraction, 0.0), 1.0) * BAR_WIDTH)
        bar = "#" * done + "." * (BAR_WIDTH - done)
        self._write(f"\r[{bar}] {100 * done // BAR_WIDTH:3d} % {what:<12}")
        self._drawn = True

    def close(self) -> None:
        """Remove the bar."""
        if self._drawn:
            self._write("\r\x1b[K")
            self._drawn = False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
