"""A terminal that is redrawn in place, and gives back what it had when it ends.

A picture is one write: home, every line with the rest of its row erased, the rows below erased. Nothing is cleared
first, so nothing flickers. Keys are read one by one; a change of the size wakes up the wait.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import termios
import tty
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any, Optional

_ENTER = "\x1b[?1049h\x1b[?25l"  # alternate screen, no cursor
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_ROW, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


class Screen:
    """Use it as a context: `with Screen(0, 1) as screen`."""

    def __init__(self, keyboard: int, display: int) -> None:
        self._keyboard = keyboard
        self._display = display
        self._before: list[Any] = []
        self._handlers: dict[signal.Signals, Any] = {}
        self._wake_reader, self._wake_writer = os.pipe()

    def __enter__(self) -> Screen:
        self._before = termios.tcgetattr(self._keyboard)
        for number in _ENDINGS:
            self._handlers[number] = signal.signal(number, _end)
        self._handlers[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, self._on_resize)
        tty.setcbreak(self._keyboard)
        self._write(_ENTER)
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        try:
            termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._before)
            self._write(_LEAVE)
        except OSError:
            pass  # the terminal is gone
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        try:
            size = os.get_terminal_size(self._display)
        except OSError:
            size = shutil.get_terminal_size()
        return (size.columns or 80, size.lines or 24)

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines; what does not fit below is left out."""
        rows = self.size()[1]
        picture = ("\r\n").join(line + _REST_OF_ROW for line in lines[:rows])
        self._write(_HOME + picture + _REST_OF_SCREEN)

    def wait(self, seconds: float) -> str:
        """A key that is pressed, or nothing when the time is over or the size has changed. End of input is `q`."""
        ready, _, _ = select.select([self._keyboard, self._wake_reader], [], [], max(seconds, 0))
        if self._wake_reader in ready:
            os.read(self._wake_reader, 64)
        if self._keyboard not in ready:
            return ""
        return os.read(self._keyboard, 16).decode("ascii", "replace")[:1] or "q"

    def _on_resize(self, number: int, frame: Optional[FrameType]) -> None:
        os.write(self._wake_writer, b"\0")

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        while data:
            data = data[os.write(self._display, data) :]


def _end(number: int, frame: Optional[FrameType]) -> None:
    raise SystemExit(128 + number)
