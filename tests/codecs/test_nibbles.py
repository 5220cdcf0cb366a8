from __future__ import annotations

import unittest

from rtpp.codecs import nibbles


class Order(unittest.TestCase):
    def test_split(self) -> None:
        self.assertEqual(nibbles.split(b"\x12\xf0", high_first=True), bytes([1, 2, 15, 0]))
        self.assertEqual(nibbles.split(b"\x12\xf0", high_first=False), bytes([2, 1, 0, 15]))

    def test_join_undoes_split(self) -> None:
        data = bytes(range(256))
        for high_first in (True, False):
            self.assertEqual(nibbles.join(nibbles.split(data, high_first), high_first), data)
            self.assertEqual(nibbles.join(b"", high_first), b"")


if __name__ == "__main__":
    unittest.main()
