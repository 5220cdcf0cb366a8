"""Averages of long integers against plain arithmetic, and voices of every length."""

from __future__ import annotations

import random
import unittest
from array import array
from collections.abc import Iterator

from rtpp.tools.extract.loading import Side
from rtpp.tools.extract.mixing import BLOCK, Voice, average, mix, mono, stereo

EXTREMES = (-32768, -32767, -2, -1, 0, 1, 2, 32766, 32767)


def halved(a: int, b: int) -> int:
    """Half the sum, towards zero, as C divides."""
    total = a + b
    return total // 2 if total >= 0 else -(-total // 2)


class Averages(unittest.TestCase):
    def check(self, first: list[int], second: list[int]) -> None:
        expected = [halved(a, b) for a, b in zip(first, second)]
        self.assertEqual(average(array("h", first), array("h", second)).tolist(), expected)

    def test_extremes(self) -> None:
        pairs = [(a, b) for a in EXTREMES for b in EXTREMES]
        self.check([a for a, _ in pairs], [b for _, b in pairs])

    def test_random(self) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        with self.subTest(seed=seed):
            for length in (1, 2, 3, 100, BLOCK):
                self.check(*([draw.randrange(-32768, 32768) for _ in range(length)] for _ in range(2)))


class Voices(unittest.TestCase):
    def pieces(self, value: int, length: int) -> Iterator[array[int]]:
        while length:
            piece = min(length, 1000)
            yield array("h", [value]) * piece
            length -= piece

    def test_against_a_sample_by_sample_mix(self) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        with self.subTest(seed=seed):
            for _ in range(20):
                plan = [
                    (draw.choice(list(Side)), draw.randrange(12000), draw.randrange(12000), draw.randrange(-999, 999))
                    for _ in range(draw.randrange(1, 5))
                ]
                voices = [Voice(side, start, self.pieces(value, length)) for side, start, length, value in plan]
                blocks = list(mix(voices))
                one = [sample for block in blocks for sample in mono(block)]
                two = [sample for block in blocks for sample in stereo(block)]
                total = max([start + length for _, start, length, _ in plan if length], default=0)
                self.assertEqual([len(one), len(two)], [total, 2 * total])
                for position in {0, *(draw.randrange(total) for _ in range(200))} if total else ():
                    sides = {}
                    for side, start, length, value in plan:
                        if start <= position < start + length:
                            sides[side] = halved(sides[side], value) if side in sides else value
                    both = [sides.get(side, 0) for side in Side]
                    self.assertEqual(two[2 * position : 2 * position + 2], both)
                    self.assertEqual(one[position], halved(*both))


if __name__ == "__main__":
    unittest.main()
