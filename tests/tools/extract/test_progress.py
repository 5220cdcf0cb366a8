"""The bar: on terminals, after a while, and gone at the end."""

from __future__ import annotations

import fcntl
import io
import os
import re
import struct
import subprocess
import sys
import termios
import unittest
from contextlib import suppress
from unittest import mock

from rtpp.tools.extract import progress
from tests.tools.extracting import ExtractingCase, stream


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Bar(unittest.TestCase):
    def draw(self, stream: io.StringIO, times: list[float]) -> str:
        with mock.patch.object(progress.time, "monotonic", lambda: times.pop(0)):
            bar = progress.Progress(stream)
            while times:
                bar.show(0.5, "reading")
                if not stream.isatty():
                    break
        bar.close()
        return stream.getvalue()

    def test_not_on_files(self) -> None:
        self.assertEqual(self.draw(io.StringIO(), [0.0, 100.0]), "")

    def test_not_for_short_work(self) -> None:
        self.assertEqual(self.draw(Terminal(), [0.0, 0.5, 0.99]), "")

    def test_on_a_terminal(self) -> None:
        drawn = self.draw(Terminal(), [0.0, 1.5, 1.5])
        self.assertRegex(drawn, r"^\[#+\.+\]  50 % reading     \r")
        self.assertTrue(drawn.endswith("\r\x1b[K"))


class RealTerminal(ExtractingCase):
    """The program itself on a pseudo-terminal, told not to wait before it draws."""

    program = (
        "from rtpp.tools import extractaudio; from rtpp.tools.extract import progress;"
        "progress.PATIENCE = progress.INTERVAL = 0; extractaudio.main()"
    )

    def drawn(self, columns: int) -> str:
        """All that is written to the terminal."""
        packets = stream(3000) + stream(1, first=3000, start=60, payload_type=101)
        path = self.save_packets("a", packets)
        leader, follower = os.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-c", self.program, "-D", "pcm_16", "-A", path, self.out],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=follower,
        )  # fmt: skip
        os.close(follower)
        text = b""
        with suppress(OSError):  # a terminal that nobody writes to any more fails on Linux
            while data := os.read(leader, 4096):
                text += data
        os.close(leader)
        self.assertEqual(process.wait(30), 0, text)
        return text.decode()

    def test_bar_and_messages(self) -> None:
        text = self.drawn(80)
        shares = [int(share) for share in re.findall(r"\[[#.]{40}\] +(\d+) % (?:reading|writing) *\r", text)]
        self.assertGreater(len(shares), 2)
        self.assertEqual(shares, sorted(shares))
        self.assertIn("\r\x1b[Kextractaudio: pack->parsed.nsamples = -1\r\n", text)
        self.assertRegex(text, r"\r\x1b\[Ksamples decoded: O: 0, A: 480000, written: 240000\r\n$")

    def test_a_narrow_terminal(self) -> None:
        lines = re.split(r"[\r\n]+", self.drawn(30).replace("\x1b[K", ""))
        bars = [line for line in lines if line.startswith("[")]
        self.assertTrue(bars)
        self.assertLessEqual(max(map(len, bars)), 30)


if __name__ == "__main__":
    unittest.main()
