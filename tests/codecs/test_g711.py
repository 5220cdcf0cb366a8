from __future__ import annotations

import unittest
from array import array

from rtpp.codecs import g711
from tests.codecs.signals import digest, sweep


def ulaw_code(sample: int) -> int:
    """The law by its definition: 14 bits, bias 33, the position of the leading one is the segment."""
    index = sample >> 2
    biased = min(abs(index), 8158) + 33
    segment = biased.bit_length() - 6
    return (segment << 4 | (biased >> (segment + 1)) & 15) ^ (0x7F if index < 0 else 0xFF)


def alaw_code(sample: int) -> int:
    index = sample >> 3
    magnitude = ~index if index < 0 else index
    segment = max(0, magnitude.bit_length() - 5)
    return (segment << 4 | (magnitude >> max(1, segment)) & 15) ^ (0x55 if index < 0 else 0xD5)


class Encoding(unittest.TestCase):
    def test_every_sample_follows_the_definition(self) -> None:
        samples = sweep()
        for name, encode, code in (
            ("mu-law", g711.encode_ulaw, ulaw_code),
            ("A-law", g711.encode_alaw, alaw_code),
        ):
            with self.subTest(law=name):
                self.assertEqual(encode(samples), bytes(code(sample) for sample in samples))

    def test_tables_are_those_of_other_programs(self) -> None:
        # tests/interop/test_codecs.py checks the same hashes against sox
        self.assertEqual(
            digest(g711.encode_ulaw(sweep())),
            "81d633c9e6972a18c74a58720b96cb8ca0bdd096d4060b646dd708c3b846019a",
        )
        self.assertEqual(
            digest(g711.encode_alaw(sweep())),
            "38488f6fd710f4686360edc4d38639f96c491595ef93f8eb8d62d5e07ca6ce7b",
        )

    def test_known_bytes(self) -> None:
        ramp = array("h", range(-10000, -9500, 50))
        self.assertEqual(g711.encode_ulaw(ramp).hex(), "1c" * 9 + "1d")
        self.assertEqual(g711.encode_alaw(ramp).hex(), "36" * 6 + "37" * 4)

    def test_empty(self) -> None:
        self.assertEqual(g711.encode_ulaw(array("h")), b"")
        self.assertEqual(g711.decode_alaw(b""), array("h"))


class Decoding(unittest.TestCase):
    def test_known_samples(self) -> None:
        for decode, code, sample in (
            (g711.decode_ulaw, 0x00, -32124),
            (g711.decode_ulaw, 0x80, 32124),
            (g711.decode_ulaw, 0x7E, -8),
            (g711.decode_ulaw, 0xFE, 8),
            (g711.decode_ulaw, 0x7F, -2),  # silence is not zero
            (g711.decode_ulaw, 0xFF, 2),
            (g711.decode_alaw, 0x00, -5504),
            (g711.decode_alaw, 0x80, 5504),
            (g711.decode_alaw, 0x55, -8),
            (g711.decode_alaw, 0xD5, 8),
            (g711.decode_alaw, 0x2A, -32256),
        ):
            with self.subTest(decode=decode.__name__, code=code):
                self.assertEqual(decode(bytes([code])), array("h", [sample]))

    def test_decoding_then_encoding_gives_the_code_back(self) -> None:
        codes = bytes(range(256))
        self.assertEqual(g711.encode_alaw(g711.decode_alaw(codes)), codes)
        again = g711.encode_ulaw(g711.decode_ulaw(codes))
        # only negative zero does not come back: its sample is below zero
        self.assertEqual(again, codes.replace(b"\x7f", b"\x7e"))

    def test_error_stays_below_half_a_step(self) -> None:
        # a segment has 16 steps up to the double of its lowest magnitude; 8 is what truncation costs
        samples = sweep()
        for encode, decode in ((g711.encode_ulaw, g711.decode_ulaw), (g711.encode_alaw, g711.decode_alaw)):
            for sample, decoded in zip(samples, decode(encode(samples))):
                if abs(sample) < 32124:
                    self.assertLessEqual(abs(sample - decoded), abs(sample) / 32 + 8, f"{sample}")


if __name__ == "__main__":
    unittest.main()
