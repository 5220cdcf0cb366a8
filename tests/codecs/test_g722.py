from __future__ import annotations

import random
import unittest
from array import array

from rtpp.codecs import g722
from tests.codecs.signals import digest, noise, snr, speech, square, tone

# name -> samples, SHA-256 of the code, of the decoded samples;
# tests/interop/test_codecs.py checks the same signals against the G722 package
VECTORS = {
    "speech": (
        speech(1, 4800),
        "5f47a52608e5f4dd845e85e46b9171c72e2b8750d95d6c271b93b16d469d3790",
        "fe18c4ceee1e0bffbb661846d16e6cd7326f674806bc802e8e641eec2f4db7b8",
    ),
    "noise": (
        noise(2, 4800),
        "e1936750a0ea8047cc40078f1d7683b1f0051add9673158582ec40fab4de7c22",
        "9600b06b54c0f100bbf7fc6dd87179aa11dcf9f82ab409d944846d03314c4c5d",
    ),
    "square": (
        square(37, 4800),
        "bdbf84b8468201fbb5695346292fc8f14047bd3d59697feda733e08edf539910",
        "8f9c415f5bc3529cb7a03fd66999f804953663505f46819254a2540c39f646ef",
    ),
    "silence": (
        array("h", [0] * 4800),
        "99ca32e655d68bced4b0ded273a20a691aaef526b842af2ba157c08044215fe3",
        "9b2d65cd2815036fa3be6325697c74e2590cf0ccff4e043604269acc77b3113f",
    ),
}
RANDOM_DECODED = "8535b418f2142e22f50206bf69063bfc794e083b3ed80db532768da6bfbf1b13"


def random_code(seed: int, count: int) -> bytes:
    """Any byte can arrive from the network, whatever a coder would write."""
    return random.Random(seed).getrandbits(8 * count).to_bytes(count, "big")


class BitExact(unittest.TestCase):
    def test_encoding_and_decoding(self) -> None:
        for name, (samples, coded, decoded) in VECTORS.items():
            with self.subTest(signal=name):
                code = g722.Encoder().encode(samples)
                self.assertEqual(digest(code), coded)
                self.assertEqual(digest(g722.Decoder().decode(code)), decoded)

    def test_decoding_random_code(self) -> None:
        self.assertEqual(digest(g722.Decoder().decode(random_code(3, 8000))), RANDOM_DECODED)


class Stream(unittest.TestCase):
    def test_state_survives_between_calls(self) -> None:
        samples = speech(3, 1600)
        code = g722.Encoder().encode(samples)
        encoder, decoder = g722.Encoder(), g722.Decoder()
        pieces = [encoder.encode(samples[start : start + 100]) for start in range(0, 1600, 100)]
        self.assertEqual(b"".join(pieces), code)
        decoded = array("h")
        for piece in pieces:
            decoded += decoder.decode(piece)
        self.assertEqual(decoded, g722.Decoder().decode(code))

    def test_sizes(self) -> None:
        for count in (0, 1, 160):
            code = g722.Encoder().encode(array("h", [500] * count))
            self.assertEqual(len(code), count)
            self.assertEqual(len(g722.Decoder().decode(code)), count)

    def test_upper_band_is_silent_and_ignored(self) -> None:
        code = g722.Encoder().encode(speech(1, 800))
        self.assertEqual({byte & 0xC0 for byte in code}, {0xC0})
        other = bytes(byte & 0x3F for byte in code)
        self.assertEqual(g722.Decoder().decode(other), g722.Decoder().decode(code))

    def test_quality(self) -> None:
        samples = tone(1000, 8000, 1600)
        decoded = g722.Decoder().decode(g722.Encoder().encode(samples))
        self.assertGreater(snr(samples[160:], decoded[160:]), 30)


if __name__ == "__main__":
    unittest.main()
