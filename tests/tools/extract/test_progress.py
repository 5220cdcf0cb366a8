"""The bar: on terminals, after a while, and gone at the end."""

from __future__ import annotations

import io
import unittest
from unittest import mock

from rtpp.tools.extract import progress


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
        self.assertIn("[" + "#" * 20 + "." * 20 + "]  50 % reading", drawn)
        self.assertTrue(drawn.endswith("\r\x1b[K"))


if __name__ == "__main__":
    unittest.main()
