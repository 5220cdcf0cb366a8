"""Text for people."""

from __future__ import annotations

import random
import unittest

from rtpp.tools.ctl.tables import duration, number, printable, shorten, table


class Tables(unittest.TestCase):
    def test_alignment(self) -> None:
        lines = table(("NAME", "N"), [("a", "1"), ("long name", "1000")], None, right=(1,))
        self.assertEqual(lines, ["NAME          N", "a             1", "long name  1000"])

    def test_fits_the_width(self) -> None:
        rows = [(100 * "c", "ok", "192.0.2.1:4000"), ("short", "silent", "[2001:db8::1]:40000")]
        lines = table(("CALL-ID", "STATE", "CALLER"), rows, 50)
        self.assertLessEqual(max(map(len, lines)), 50)
        self.assertIn("ok", lines[1])
        self.assertIn("192.0.2.1:4000", lines[1])
        self.assertIn("…", lines[1])
        for width in range(50):
            self.assertLessEqual(max(map(len, table(("CALL-ID", "STATE", "CALLER"), rows, width))), width)

    def test_nothing_that_a_terminal_obeys(self) -> None:
        self.assertEqual(printable("a\x1b[2Jb\nc\x9b"), "a\\x1b[2Jb\\x0ac\\x9b")
        self.assertEqual(printable("Grüße <script>"), "Grüße <script>")
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        for _ in range(500):
            text = "".join(chr(chance.randrange(0x3000)) for _ in range(10))
            lines = table(("A", "B"), [(text, text)], 40)
            self.assertEqual(len(lines), 2)
            self.assertNotRegex(lines[1], r"[\x00-\x1f\x7f-\x9f]", seed)

    def test_shorten(self) -> None:
        self.assertEqual([shorten("abcdef", n) for n in (None, 6, 5, 1, 0)], ["abcdef", "abcdef", "abcd…", "…", ""])

    def test_duration(self) -> None:
        table = ((0, "0s"), (59.9, "59s"),
                 (60, "1m00s"), (3599, "59m59s"), (7265, "2h01m"), (90000, "1d01h"), (-1, "0s"),
                 (None, "-"), ("5", "-"), (float("nan"), "-"), (float("inf"), "11574074d01h"))
        for seconds, text in table:
            self.assertEqual(duration(seconds), text)

    def test_number(self) -> None:
        self.assertEqual([number(1234567), number(1.25, 1), number(None), number(True)], ["1,234,567", "1.2", "-", "-"])
