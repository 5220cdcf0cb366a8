"""Runs rtppctl inside the test and as a program on a terminal of its own."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence

from rtpp.tools import rtppctl
from tests.daemon.program import ENVIRONMENT, ROOT, wait_until
from tests.tools.running import Result


class _Output(io.TextIOWrapper):
    """Text that is kept, with the encoding of a real standard output."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")

    def text(self) -> str:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


def rtppctl_run(*arguments: str) -> Result:
    """Status, output and errors of rtppctl with these arguments."""
    output, errors = _Output(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            status = rtppctl.run(arguments)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
    return Result(status, output.text(), errors.getvalue())


class Terminal:
    """rtppctl on a pseudo terminal. `shown` is everything it has written so far."""

    def __init__(self, arguments: Sequence[str], columns: int = 80, rows: int = 24) -> None:
        self._ours, theirs = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rtpp.tools.rtppctl", *arguments], cwd=ROOT, env=ENVIRONMENT, stdin=theirs,
            stdout=theirs, stderr=theirs, start_new_session=True)
        os.set_blocking(self._ours, False)
        self.shown = ""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if hasattr(self, "process"):
            self.process.send_signal(signal.SIGWINCH)  # the terminal is not the controlling one

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def read(self) -> str:
        with contextlib.suppress(OSError):
            while data := os.read(self._ours, 65536):
                self.shown += data.decode("utf-8", "replace")
        return self.shown

    def pictures(self) -> list[list[str]]:
        """The complete pictures so far, as lines without control sequences."""
        parts = self.read().split("\x1b[H")[1:]
        return [[line.replace("\x1b[K", "").rstrip("\r") for line in part.split("\x1b[J")[0].split("\r\n")]
                for part in parts if "\x1b[J" in part]

    def wait_for(self, pattern: str, after: int = 0) -> list[str]:
        """The first picture from number `after` on in which the pattern is found."""
        def seen() -> list[list[str]]:
            return [lines for lines in self.pictures()[after:] if re.search(pattern, "\n".join(lines))]

        wait_until(seen, lambda: f"{pattern} is shown; there is {self.read()[-2000:]!r}")
        return seen()[0]

    def restored(self) -> bool:
        """Whether the terminal's modes are what they were."""
        return termios.tcgetattr(self._theirs) == self.before

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)
