"""MS and IMA ADPCM: the same promises, so the same tests."""

from __future__ import annotations

import random
import unittest
from array import array

from rtpp.codecs import adpcm, ima_adpcm, ms_adpcm
from tests.codecs.signals import noise, snr, speech, square, tone

CODECS = (ms_adpcm, ima_adpcm)


def interleave(left: array[int], right: array[int]) -> array[int]:
    return array("h", [sample for pair in zip(left, right) for sample in pair])


class RoundTrip(unittest.TestCase):
    def test_tones_stay_above_20_db(self) -> None:
        # higher ones change too fast for IMA's predictor, whoever codes them
        for codec in CODECS:
            for frequency in (300, 440, 1000):
                for amplitude in (500, 8000, 32000):
                    with self.subTest(codec=codec.__name__, frequency=frequency, amplitude=amplitude):
                        samples = tone(frequency, amplitude, 4000)
                        decoded = codec.Decoder(1, adpcm.BLOCK_BYTES).decode(codec.Encoder(1).encode(samples))
                        self.assertGreater(snr(samples, decoded), 20)

    def test_worst_signals_stay_bounded(self) -> None:
        # pulses and clipping are beyond 4 bits; the error must still be smaller than the signal
        for codec in CODECS:
            for samples in (speech(1, 4000), noise(2, 4000), square(37, 4000), square(1, 4000)):
                decoded = codec.Decoder(1, adpcm.BLOCK_BYTES).decode(codec.Encoder(1).encode(samples))
                self.assertGreater(snr(samples, decoded), 3)

    def test_channels_do_not_mix(self) -> None:
        left, right = tone(1000, 9000, 3000), noise(5, 3000, 4000)
        for codec in CODECS:
            coded = codec.Encoder(2).encode(interleave(left, right))
            decoded = codec.Decoder(2, 2 * adpcm.BLOCK_BYTES).decode(coded)
            for channel, samples in enumerate((left, right)):
                alone = codec.Decoder(1, adpcm.BLOCK_BYTES).decode(codec.Encoder(1).encode(samples))
                self.assertEqual(decoded[channel::2], alone, codec.__name__)


class Blocks(unittest.TestCase):
    def test_sizes(self) -> None:
        self.assertEqual((ms_adpcm.BLOCK_FRAMES, ima_adpcm.BLOCK_FRAMES), (500, 505))
        for codec in CODECS:
            frames = codec.BLOCK_FRAMES
            for channels in (1, 2):
                for count, blocks in ((0, 0), (1, 1), (frames, 1), (frames + 1, 2), (3 * frames, 3)):
                    coded = codec.Encoder(channels).encode(array("h", [7] * (count * channels)))
                    self.assertEqual(len(coded), blocks * adpcm.BLOCK_BYTES * channels)
                    decoded = codec.Decoder(channels, adpcm.BLOCK_BYTES * channels).decode(coded)
                    self.assertEqual(len(decoded), blocks * frames * channels)

    def test_headers(self) -> None:
        ramp = array("h", range(-400, 1400, 10))
        coded = ms_adpcm.Encoder(1).encode(ramp)
        self.assertLess(coded[0], 7)
        self.assertEqual(array("h", coded[3:7]), array("h", [-390, -400]))  # second sample first
        coded = ima_adpcm.Encoder(1).encode(ramp)
        self.assertEqual((array("h", coded[:2])[0], coded[2], coded[3]), (-400, 3, 0))  # step 10

    def test_known_block_decodes(self) -> None:
        # predictor 1 (2, -1), step 16, samples 100 then 110, codes +1 and -1
        block = bytes([1, 16, 0, 110, 0, 100, 0, 0x1F])
        expected = array("h", [100, 110, 2 * 110 - 100 + 16, 2 * 136 - 110 - 16])
        self.assertEqual(ms_adpcm.Decoder(1, 8).decode(block), expected)
        # index 0 (step 7), sample 10: code 4 adds 7 and moves to index 2 (step 9), code 12 takes 10 away
        block = bytes([10, 0, 0, 0, 0xC4, 0, 0, 0])
        self.assertEqual(ima_adpcm.Decoder(1, 8).decode(block)[:3], array("h", [10, 17, 7]))

    def test_damaged_data_never_raises(self) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        for codec in CODECS:
            for _ in range(40):
                channels = draw.choice((1, 2))
                decoder = codec.Decoder(channels, draw.randrange(14, 600))
                data = draw.getrandbits(8 * 1500).to_bytes(1500, "big")[: draw.randrange(1500)]
                decoded = decoder.decode(data)
                self.assertEqual(len(decoded) % channels, 0, f"seed {seed}")

    def test_impossible_block_is_refused(self) -> None:
        for codec, size in ((ms_adpcm, 6), (ima_adpcm, 3), (ms_adpcm, 0), (ima_adpcm, 0)):
            self.assertRaises(ValueError, codec.Decoder, 1, size)
            self.assertRaises(ValueError, codec.Decoder, 2, 2 * size + 1)


if __name__ == "__main__":
    unittest.main()
