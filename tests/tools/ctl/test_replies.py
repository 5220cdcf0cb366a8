"""Replies taken apart, also such as no proxy sends."""

from __future__ import annotations

import random
import unittest

from rtpp.tools.ctl.failures import StrangeAnswer
from rtpp.tools.ctl.replies import parse_info, parse_number, parse_values

INFO = ("sessions created: 3\nactive sessions: 1\nactive streams: 2\npackets received: 0\npackets transmitted: 7\n"
        "average load: 0.250000")


class Replies(unittest.TestCase):
    def test_info(self) -> None:
        expected = {"created": 3, "sessions": 1, "streams": 2, "received": 0, "transmitted": 7, "load": 0.25}
        self.assertEqual(parse_info(INFO), expected)
        self.assertEqual(parse_info(INFO + "\nsomething new: 5"), expected)

    def test_wrong_info(self) -> None:
        for reply in ("", "E18", "0", INFO.replace("3", "x"), INFO.replace("active streams", "streams"), INFO + "\n",
                      INFO.replace(": 1", ": -1"), INFO.replace("7", "nan"), INFO.replace("7", "\u0667")):
            with self.subTest(reply), self.assertRaises(StrangeAnswer):
                parse_info(reply)

    def test_values(self) -> None:
        self.assertEqual(parse_values(("a", "b"), "1 0.500000"), {"a": 1, "b": 0.5})
        for reply in ("", "1", "1 2 3", "1  2", "1 x", "1 -2", "1 1e9", "1 inf", "1 " + 30 * "9"):
            with self.subTest(reply), self.assertRaises(StrangeAnswer):
                parse_values(("a", "b"), reply)

    def test_random_damage(self) -> None:
        """Whatever comes: a result of numbers, or the one exception that the program shows."""
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        for _ in range(3000):
            text = list(chance.choice((INFO, "1 2 3", "0.5 1 2")))
            for _ in range(chance.randrange(1, 6)):
                position = chance.randrange(len(text) + 1)
                text[position : position + chance.randrange(3)] = chr(chance.choice(
                    (chance.randrange(128), chance.randrange(0x110000), 10, 32, 46, 48, 58)))
            reply = "".join(text)
            for parse in (parse_info, lambda reply: parse_values("abc", reply)):
                try:
                    found = parse(reply)
                except StrangeAnswer as strange:
                    self.assertTrue(str(strange).isprintable(), (seed, reply))
                else:
                    self.assertTrue(all(value >= 0 for value in found.values()), (seed, reply))

    def test_numbers(self) -> None:
        self.assertEqual([parse_number("0"), parse_number("1.5")], [0, 1.5])
