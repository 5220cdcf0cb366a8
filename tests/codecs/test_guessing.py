"""A part that is encoded before it is known what comes before it."""

from __future__ import annotations

import unittest
from array import array

from rtpp.codecs import gsm, ms_adpcm
from rtpp.codecs.guessing import Coder, Guess
from tests.codecs.signals import noise, speech, tone

PIECE = 4 * gsm.BLOCK_SAMPLES


class Counting:
    """A coder that never forgets: it numbers the samples."""

    def __init__(self) -> None:
        self.state = 0
        self.calls = 0

    def encode(self, samples: array[int]) -> bytes:
        self.calls += 1
        begin, self.state = self.state, self.state + len(samples)
        return bytes(number % 251 for number in range(begin, self.state))


class GuessTest(unittest.TestCase):
    def check(self, coder: Coder, again: Coder, samples: array[int], split: int, piece: int = PIECE) -> None:
        """`again` guesses what `coder` makes of what follows `split`."""
        coder.encode(samples[:split])
        middle = coder.state
        expected = coder.encode(samples[split:])
        self.assertEqual(Guess(again, samples[split:], piece).correct(middle), (expected, coder.state))

    def test_gsm(self) -> None:
        signals = {"speech": speech(3, 8000), "noise": noise(4, 8000, 9000), "tone": tone(700, 20000, 8000),
                   "silence": array("h", bytes(16000)), "loud": array("h", [32767, -32768, -32768] * 2666)}
        for name, samples in signals.items():
            for split in (0, 10 * gsm.BLOCK_SAMPLES):
                with self.subTest(signal=name, split=split):
                    self.check(gsm.BlockEncoder(), gsm.BlockEncoder(), samples, split)

    def test_the_end_of_a_recording(self) -> None:
        self.check(gsm.BlockEncoder(), gsm.BlockEncoder(), speech(3, 9999), 10 * gsm.BLOCK_SAMPLES)
        self.check(gsm.BlockEncoder(), gsm.BlockEncoder(), speech(3, 3200), 10 * gsm.BLOCK_SAMPLES)

    def test_gsm_soon_needs_no_correction(self) -> None:
        """Within the seconds of this signal; where it took longer, the result would still be right."""
        samples = speech(6, 24000) + speech(7, 24000)
        guess = Guess(gsm.BlockEncoder(), samples[24000 // PIECE * PIECE :], PIECE)
        before = gsm.BlockEncoder()
        before.encode(samples[: 24000 // PIECE * PIECE])
        wrong = list(guess._encoded)
        guess.correct(before.state)
        self.assertEqual(wrong[-1], guess._encoded[-1])
        self.assertNotEqual(wrong[0], guess._encoded[0])

    def test_blocks_that_start_afresh_are_encoded_once(self) -> None:
        samples = speech(3, 16000)
        self.check(ms_adpcm.Encoder(2), ms_adpcm.Encoder(2), samples, 2000, piece=3000)

    def test_a_coder_that_never_forgets(self) -> None:
        again = Counting()
        self.check(Counting(), again, array("h", bytes(4 * PIECE)), PIECE)
        self.assertEqual(again.calls, 2)

    def test_a_right_guess_is_kept(self) -> None:
        coder = Counting()
        self.assertEqual(Guess(coder, array("h", bytes(6 * PIECE)), PIECE).correct(0)[1], 3 * PIECE)
        self.assertEqual(coder.calls, 3)


if __name__ == "__main__":
    unittest.main()
