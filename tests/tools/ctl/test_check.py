"""Ranges of the Monitoring Plugins."""

from __future__ import annotations

import unittest

from rtpp.tools.ctl.check import Range


class Ranges(unittest.TestCase):
    def test_alerts(self) -> None:
        for text, fine, wrong in (
            ("10", (0, 5, 10), (-1, 10.1)),
            ("10:", (10, 1e9), (9.9, -1)),
            ("~:10", (-5, 10), (11,)),
            ("10:20", (10, 20), (9, 21)),
            ("@10:20", (9, 21), (10, 15, 20)),
            (":5", (0, 5), (6, -1)),
            ("-5:-1", (-3,), (0,)),
            ("0.5", (0.4,), (0.6,)),
        ):
            for value in fine:
                self.assertFalse(Range.parse(text).alerts(value), (text, value))
            for value in wrong:
                self.assertTrue(Range.parse(text).alerts(value), (text, value))

    def test_mistakes(self) -> None:
        for text in ("", ":", "@", "x", "20:10", "1:2:3", "10 ", "1..2:", "nan", "~"):
            with self.subTest(text), self.assertRaises(ValueError):
                Range.parse(text)
