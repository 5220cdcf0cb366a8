from __future__ import annotations

import struct
import unittest
from array import array

from rtpp.codecs import pcm
from tests.codecs.signals import sweep

SAMPLES = array("h", [0, 1, -1, 0x1234, 32767, -32768])


class Integers(unittest.TestCase):
    def test_bytes(self) -> None:
        for width, big_endian, expected in (
            (1, False, "0000ff127f80"),
            (2, False, "00000100ffff3412ff7f0080"),
            (2, True, "00000001ffff12347fff8000"),
            (3, False, "00000000010000ffff00341200ff7f000080"),
            (4, True, "0000000000010000ffff0000123400007fff000080000000"),
        ):
            with self.subTest(width=width, big_endian=big_endian):
                self.assertEqual(pcm.encode_integers(SAMPLES, width, big_endian).hex(), expected)

    def test_round_trip(self) -> None:
        for width in (2, 3, 4):
            for big_endian in (False, True):
                data = pcm.encode_integers(sweep(), width, big_endian)
                self.assertEqual(pcm.decode_integers(data, width, big_endian), sweep())

    def test_narrow_samples_keep_their_high_byte(self) -> None:
        kept = array("h", [sample >> 8 << 8 for sample in SAMPLES])
        self.assertEqual(pcm.decode_integers(pcm.encode_integers(SAMPLES, 1, True), 1, True), kept)
        self.assertEqual(pcm.encode_unsigned_bytes(SAMPLES).hex(), "80807f92ff00")
        self.assertEqual(pcm.decode_unsigned_bytes(pcm.encode_unsigned_bytes(SAMPLES)), kept)

    def test_incomplete_last_sample_is_ignored(self) -> None:
        self.assertEqual(pcm.decode_integers(b"\x01\x02\x03", 2, False), array("h", [0x0201]))
        self.assertEqual(pcm.decode_floats(bytes(7), "f", False), array("h", [0]))


class Floats(unittest.TestCase):
    def test_scale_and_order(self) -> None:
        for typecode, code in (("f", "f"), ("d", "d")):
            for big_endian, order in ((False, "<"), (True, ">")):
                data = pcm.encode_floats(SAMPLES, typecode, big_endian)
                values = struct.unpack(f"{order}{len(SAMPLES)}{code}", data)
                self.assertEqual(values, tuple(sample / 32768 for sample in SAMPLES))
                self.assertEqual(pcm.decode_floats(data, typecode, big_endian), SAMPLES)

    def test_what_is_no_sample_becomes_full_scale(self) -> None:
        data = struct.pack("<4f", 1.5, -2.0, float("inf"), float("nan"))
        decoded = pcm.decode_floats(data, "f", False)
        self.assertEqual(decoded[:3], array("h", [32767, -32768, 32767]))
        self.assertEqual(abs(decoded[3]), 32767)


if __name__ == "__main__":
    unittest.main()
