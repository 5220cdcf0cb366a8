from __future__ import annotations

import random
import unittest

from rtpp.codecs.lanes import Lanes
from rtpp.codecs.saturation import saturate

SEED = 20240611


class Arithmetic(unittest.TestCase):
    def setUp(self) -> None:
        self.draw = random.Random(SEED)

    def numbers(self, count: int, limit: int) -> list[int]:
        return [self.draw.randrange(-limit, limit) for _ in range(count)]

    def test_split_undoes_join(self) -> None:
        for count in (1, 13, 160):
            for limit in (1, 100, 32768, 1 << 31):
                values = self.numbers(count, limit)
                lanes = Lanes(count)
                self.assertEqual(lanes.split(lanes.join(values)), values, f"seed {SEED}")

    def test_add_scaled_is_the_rounded_saturated_sum(self) -> None:
        for count in (1, 13, 120):
            lanes = Lanes(count)
            for limit in (10, 3000, 32768):
                base, other = self.numbers(count, limit), self.numbers(count, limit)
                for factor in (-32767, -28180, 0, 1, 32767, self.draw.randrange(-32767, 32768)):
                    expected = [saturate(a + (factor * b + 16384 >> 15)) for a, b in zip(base, other)]
                    number = lanes.add_scaled(lanes.join(base), factor, lanes.join(other))
                    self.assertEqual(lanes.split(number), expected, f"seed {SEED}, factor {factor}")

    def test_delay(self) -> None:
        lanes = Lanes(13)
        for limit in (2, 32768):
            values = self.numbers(13, limit)
            number, last = lanes.delay(lanes.join(values), -7)
            self.assertEqual((lanes.split(number), last), ([-7, *values[:-1]], values[-1]), f"seed {SEED}")

    def test_cut(self) -> None:
        for limit in (2, 32768, 1 << 31):
            values = self.numbers(60, limit)
            number = Lanes(60).join(values)
            for count, start in ((60, 0), (13, 0), (13, 1), (13, 47), (1, 59)):
                lanes = Lanes(count)
                self.assertEqual(lanes.split(lanes.cut(number, start)), values[start : start + count], f"seed {SEED}")

    def test_shift_right_rounds_down(self) -> None:
        lanes = Lanes(40)
        for limit in (3, 32768, 1 << 31):
            values = self.numbers(40, limit)
            for shift in range(16):
                shifted = lanes.shift_right(lanes.join(values), shift)
                self.assertEqual(lanes.split(shifted), [value >> shift for value in values], f"seed {SEED}")

    def test_saturate(self) -> None:
        lanes = Lanes(13)
        for limit in (3, 32768, 70000, 1 << 30):
            values = self.numbers(13, limit)
            number = lanes.join(values)
            saturated = [saturate(value) for value in values]
            self.assertEqual(lanes.split(lanes.saturate(number)), saturated, f"seed {SEED}")
            self.assertEqual(lanes.fit(number), values == saturated, f"seed {SEED}")
        for value in (-32769, -32768, 32767, 32768):
            self.assertEqual(lanes.fit(lanes.join([0, value, *[0] * 11])), -32768 <= value <= 32767)

    def test_product_is_the_convolution(self) -> None:
        a, b = self.numbers(40, 512), self.numbers(20, 32768)
        expected = [0] * 60
        for i, x in enumerate(a):
            for k, y in enumerate(b):
                expected[i + k] += x * y
        product = Lanes(40).join(a) * Lanes(20).join(b)
        self.assertEqual(Lanes(60).split(product), expected, f"seed {SEED}")


if __name__ == "__main__":
    unittest.main()
