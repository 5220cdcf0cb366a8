"""Several processes write the same file as one."""

from __future__ import annotations

import multiprocessing
import os
import random
import tempfile
import unittest
from array import array
from collections.abc import Callable
from contextlib import closing
from unittest import mock

from rtpp.codecs import gsm, ms_adpcm
from rtpp.codecs.guessing import Coder
from rtpp.codecs.writer import Writer, open_writer
from rtpp.tools.extract.parallel import WORTHWHILE, ParallelWriter, accelerate
from tests.codecs.signals import speech

GROUP = 1 << 14  # samples: less than usual, so that several groups are soon encoded
CODERS: dict[str, Callable[[int], Coder]] = {"ms_adpcm": ms_adpcm.Encoder, "gsm610": lambda _: gsm.BlockEncoder()}


class ParallelCase(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "out.wav")

    def open(self, encoding: str = "ms_adpcm", channels: int = 2) -> Writer:
        return open_writer(self.path, "wav", encoding, channels)

    def written(self) -> bytes:
        with open(self.path, "rb") as file:
            return file.read()

    def tearDown(self) -> None:
        for child in multiprocessing.active_children():
            child.join(10)
        self.assertEqual(multiprocessing.active_children(), [])


    def parallel(self, encoding: str = "ms_adpcm", channels: int = 2) -> ParallelWriter:
        return ParallelWriter(self.open(encoding, channels), CODERS[encoding](channels), 2)


@mock.patch("rtpp.tools.extract.parallel.GROUP", GROUP)
class SameFile(ParallelCase):
    def test_whatever_is_written_at_once(self) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        samples = speech(5, 8000) * 32
        with self.subTest(seed=seed):
            for encoding, channels, count in (
                ("ms_adpcm", 1, 3 * GROUP + 777), ("ms_adpcm", 2, 3 * GROUP + 778), ("ms_adpcm", 2, 10),
                ("ms_adpcm", 1, 0), ("gsm610", 1, 3 * GROUP + 777), ("gsm610", 1, 10),
            ):
                part = samples[:count]
                with closing(self.open(encoding, channels)) as writer:
                    writer.write(part)
                expected = self.written()
                with closing(self.parallel(encoding, channels)) as parallel:
                    start = 0
                    while start < count:
                        end = start + draw.choice((1, 2, 500, 8192, 100_000)) * channels
                        parallel.write(part[start:end])
                        start = end
                self.assertEqual(self.written(), expected, (encoding, channels, count))


class Choosing(ParallelCase):
    def test_only_for_long_files_and_slow_encodings(self) -> None:
        for encoding, channels, samples in (("pcm_16", 2, 1 << 40), ("ulaw", 1, 1 << 40), ("ms_adpcm", 2, 1000)):
            writer = self.open(encoding, channels)
            self.assertIs(accelerate(writer, samples), writer)
            writer.close()
        with closing(accelerate(self.open(), WORTHWHILE)) as output:
            output.write(array("h", bytes(4000)))
        self.assertGreater(len(self.written()), 256)


class Trouble(ParallelCase):
    def test_a_child_that_dies_is_an_error(self) -> None:
        parallel = self.parallel()
        for child in multiprocessing.active_children():
            child.kill()
            child.join()
        with self.assertRaisesRegex(OSError, "a process that encodes has ended"), closing(parallel):
            for _ in range(3):
                parallel.write(array("h", bytes(1 << 20)))


if __name__ == "__main__":
    unittest.main()
