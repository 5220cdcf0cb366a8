from __future__ import annotations

import unittest

from rtpp.codecs.saturation import CLIP, saturate, saturate_all


class Saturation(unittest.TestCase):
    def test_limits(self) -> None:
        for value, expected in ((-32769, -32768), (-32768, -32768), (32767, 32767), (32768, 32767), (5, 5)):
            self.assertEqual(saturate(value), expected)

    def test_lists(self) -> None:
        self.assertEqual(saturate_all([40000, 1, -40000]), [32767, 1, -32768])
        values = [32767, -32768]
        self.assertIs(saturate_all(values), values)

    def test_table_agrees(self) -> None:
        self.assertEqual([CLIP[x] for x in range(-131072, 131072)], [*map(saturate, range(-131072, 131072))])


if __name__ == "__main__":
    unittest.main()
