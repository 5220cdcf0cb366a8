"""Our codecs against the libraries that the rest of the world uses, bit for bit.

Needs what packages/codecs.txt lists.
"""

from __future__ import annotations

import subprocess
import unittest
from array import array

from rtpp.codecs import g711
from tests.codecs.signals import little_endian

SOX_RAW = ["-t", "raw", "-r", "8000", "-c", "1", "-e", "signed", "-b", "16", "-L"]


def sox(data: bytes, *arguments: str) -> bytes:
    """Run `sox` on 16-bit mono 8 kHz samples (or on what the arguments say), without dither."""
    return subprocess.run(["sox", "-D", *arguments], input=data, capture_output=True, check=True).stdout


class G711(unittest.TestCase):
    def test_encoding_agrees_with_sox(self) -> None:
        # sox rounds to the width of the law where we truncate: compare on samples that need neither
        for law, bits, encode in (("u-law", 2, g711.encode_ulaw), ("a-law", 3, g711.encode_alaw)):
            samples = array("h", range(-32768, 32768, 1 << bits))
            expected = sox(little_endian(samples), *SOX_RAW, "-", "-t", "raw", "-e", law, "-")
            self.assertEqual(encode(samples), expected, law)

    def test_decoding_agrees_with_sox(self) -> None:
        codes = bytes(range(256))
        for law, decode in (("u-law", g711.decode_ulaw), ("a-law", g711.decode_alaw)):
            source = ["-t", "raw", "-r", "8000", "-c", "1", "-e", law, "-b", "8"]
            expected = array("h", sox(codes, *source, "-", *SOX_RAW, "-"))
            if law == "u-law":
                expected[0x7F], expected[0xFF] = -2, 2
            self.assertEqual(decode(codes), expected, law)


if __name__ == "__main__":
    unittest.main()
