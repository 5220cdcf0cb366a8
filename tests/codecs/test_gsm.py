from __future__ import annotations

import random
import unittest
from array import array
from typing import Callable, NamedTuple

from rtpp.codecs import gsm, libgsm
from tests.codecs.signals import digest, noise, snr, speech, square, tone

FRAMES = 30

# name -> samples, SHA-256 of the frames, of the decoded samples, of the WAV blocks;
# tests/interop/test_codecs.py checks the same signals against libgsm and libsndfile
VECTORS = {
    "speech": (
        speech(1, 160 * FRAMES),
        "7deb6eff8f25de2f3b28a8d488b72059f089d05c690f62eda25d448c9cfd7de9",
        "c7d8af466380ae40151c46abd037ea4549d3602cd5e7927ffe24c5b7d321b359",
        "72646fcdca3e8bd1607950f96c880ef13cd8b1312742fd514fb8995b13d254f0",
    ),
    "noise": (
        noise(2, 160 * FRAMES),
        "61fd0b7508cf1c5bbbc1f50c3399fb6512417c3a71d619ea54bfb83adb98ab44",
        "cafb73b69241df90c4a353fe9f1f475fb6811b05374ced2048569ac61cbdc1f7",
        "3b7870f06a0b09f4fa786e4574233594970ab40d01eca18d1bb50bde58921131",
    ),
    "square": (
        square(37, 160 * FRAMES),
        "ea6adf86dfbc39daee699907ce63e441f43e67a3695f13ef3f8291b2f4013d01",
        "464986f1d32738af12ddd02ef825750158f7ec216db1e37e2003c7d3163d5f1f",
        "63fbbfd7fc6e346343bcf1a05e661f07b8c77672e672aabb71e8b8c2d636d07c",
    ),
    "silence": (
        array("h", [0] * 160 * FRAMES),
        "2cca8cf7739839f9a08ef0138a2fbe5d957099aad259a377299f0978e04044f8",
        "04c1050e20cce1fb1bc19eb842042c847364e46b6dadb25689e5da9ae1e8c994",
        "4d24d2f36eb2cee417f449c0a1965d0838180ccb1ff55600492cbfee67d2a102",
    ),
}
# 200 frames of random parameters: what no coder writes must still decode as everywhere
RANDOM_DECODED = "68dc9c93c1092f170c255d7af39b6741f47012d59537edf1e79ab30c91cf93e7"


def random_frames(seed: int, count: int) -> bytes:
    draw = random.Random(seed)
    return b"".join((0xD << 260 | draw.getrandbits(260)).to_bytes(33, "big") for _ in range(count))


class Coders(NamedTuple):
    """What makes fresh coders."""

    encoder: Callable[[], Callable[[array[int]], bytes]]
    decoder: Callable[[], Callable[[bytes], array[int]]]
    block_encoder: Callable[[], Callable[[array[int]], bytes]]
    block_decoder: Callable[[], Callable[[bytes], array[int]]]


OURS = Coders(
    lambda: gsm.Encoder().encode,
    lambda: gsm.Decoder().decode,
    lambda: gsm.BlockEncoder().encode,
    lambda: gsm.BlockDecoder().decode,
)
# libgsm's where the host has it
FASTEST = Coders(gsm.encoder, gsm.decoder, gsm.block_encoder, gsm.block_decoder)


class BitExact(unittest.TestCase):
    def test_vectors(self) -> None:
        for coders in (OURS, FASTEST):
            for name, (samples, frames, decoded, blocks) in VECTORS.items():
                with self.subTest(signal=name, fastest=coders is FASTEST):
                    encoded, packed = coders.encoder()(samples), coders.block_encoder()(samples)
                    self.assertEqual((digest(encoded), digest(packed)), (frames, blocks))
                    self.assertEqual(digest(coders.decoder()(encoded)), decoded)
                    self.assertEqual(digest(coders.block_decoder()(packed)), decoded)

    def test_decoding_random_frames(self) -> None:
        for coders in (OURS, FASTEST):
            self.assertEqual(digest(coders.decoder()(random_frames(5, 200))), RANDOM_DECODED)

    def test_the_fastest_differ_in_nothing(self) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        with self.subTest(seed=seed):
            coders = [[make() for make in kind] for kind in (OURS, FASTEST)]
            for _ in range(40):
                samples = speech(draw.randrange(1000), draw.choice((0, 1, 159, 160, 161, 320, 500)))
                data = draw.randbytes(draw.choice((0, 1, 32, 33, 64, 65, 66, 200)))
                frames = random_frames(draw.randrange(1000), draw.randrange(4)) + data
                for argument, which in ((samples, 0), (frames, 1), (samples, 2), (data, 3)):
                    ours, fastest = (coder[which](argument) for coder in coders)
                    self.assertEqual(ours, fastest, Coders._fields[which])


class Library(unittest.TestCase):
    def test_what_is_not_there_or_not_libgsm(self) -> None:
        self.assertIsNone(libgsm.load(("libnosuch.so.9",)))
        self.assertIsNone(libgsm.load(("libc.so.6", "libm.so.6")))


class Framing(unittest.TestCase):
    def test_state_survives_between_calls(self) -> None:
        samples = speech(3, 1600)
        whole = gsm.Encoder().encode(samples)
        encoder, decoder = gsm.Encoder(), gsm.Decoder()
        pieces = [encoder.encode(samples[start : start + 320]) for start in range(0, 1600, 320)]
        self.assertEqual(b"".join(pieces), whole)
        decoded = array("h")
        for piece in pieces:
            decoded += decoder.decode(piece)
        self.assertEqual(decoded, gsm.Decoder().decode(whole))

    def test_sizes(self) -> None:
        for count, frames, blocks in ((0, 0, 0), (1, 33, 65), (160, 33, 65), (161, 66, 65), (400, 99, 130)):
            samples = array("h", [100] * count)
            self.assertEqual(len(gsm.Encoder().encode(samples)), frames)
            self.assertEqual(len(gsm.BlockEncoder().encode(samples)), blocks)
            self.assertEqual(len(samples), count)  # padding is not the caller's

    def test_short_block_is_padded_with_zeros(self) -> None:
        samples = speech(4, 100)
        self.assertEqual(gsm.Encoder().encode(samples), gsm.Encoder().encode(samples + array("h", [0] * 60)))

    def test_first_bytes(self) -> None:
        self.assertEqual(gsm.Encoder().encode(speech(1, 160))[0] >> 4, 0xD)

    def test_frame_without_signature_is_silent_and_changes_no_state(self) -> None:
        frames = gsm.Encoder().encode(speech(1, 320))
        decoder = gsm.Decoder()
        first = decoder.decode(frames[:33])
        self.assertEqual(decoder.decode(bytes(33)), array("h", [0] * 160))
        self.assertEqual(first + decoder.decode(frames[33:]), gsm.Decoder().decode(frames))

    def test_trailing_bytes_are_ignored(self) -> None:
        frames = gsm.Encoder().encode(speech(1, 160))
        for extra in (b"", b"\xd0", b"\xd0" * 32):
            self.assertEqual(len(gsm.Decoder().decode(frames + extra)), 160)
        self.assertEqual(gsm.Decoder().decode(b"\xd0" * 32), array("h"))
        self.assertEqual(gsm.BlockDecoder().decode(bytes(64)), array("h"))


class Quality(unittest.TestCase):
    def test_tone_keeps_level_and_shape(self) -> None:
        samples = tone(1000, 8000, 1600)
        decoded = gsm.Decoder().decode(gsm.Encoder().encode(samples))
        self.assertGreater(snr(samples[320:], decoded[320:]), 10)


if __name__ == "__main__":
    unittest.main()
