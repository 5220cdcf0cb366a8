from __future__ import annotations

import os
import random
import tempfile
import unittest
from array import array

from rtpp.codecs.encodings import ENCODINGS, FormatError
from rtpp.codecs.reader import open_reader
from rtpp.codecs.writer import CONTAINERS, open_writer
from tests.codecs.signals import little_endian, snr, tone

TONE = tone(1000, 12000, 4000)


class Reading(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "audio")

    def store(self, data: bytes) -> None:
        with open(self.path, "wb") as file:
            file.write(data)

    def written(self, container: str, encoding: str, channels: int = 1, rate: int = 8000) -> bytes:
        writer = open_writer(self.path, container, encoding, channels, rate)
        writer.write(TONE)
        writer.close()
        with open(self.path, "rb") as file:
            return file.read()

    def read_all(self, piece: int = 160) -> array[int]:
        reader = open_reader(self.path)
        samples = array("h")
        while True:
            more = reader.read(piece)
            samples += more
            if len(more) < piece:
                reader.close()
                return samples

    def test_every_readable_format(self) -> None:
        exact = ("pcm_16", "pcm_24", "pcm_32", "float", "double")
        for container in ("wav", "wavex", "au"):
            for encoding in CONTAINERS[container].encodings:
                with self.subTest(container=container, encoding=encoding):
                    self.written(container, encoding)
                    samples = self.read_all()
                    if encoding in exact:
                        self.assertEqual(samples, TONE)
                    elif encoding == "gsm610":
                        self.assertEqual(len(samples), 4160)
                    else:
                        self.assertGreater(snr(TONE, samples), 20)
                        self.assertLess(len(samples) - len(TONE), ENCODINGS[encoding].block_frames)

    def test_raw(self) -> None:
        self.store(little_endian(TONE) + b"\x01")  # half a sample at the end
        self.assertEqual(self.read_all(), TONE)
        self.store(b"")
        self.assertEqual(self.read_all(), array("h"))

    def test_read_and_rewind(self) -> None:
        for container, encoding in (("wav", "pcm_16"), ("wav", "gsm610"), ("raw", "pcm_16")):
            self.written(container, encoding)
            reader = open_reader(self.path)
            first = reader.read(300)
            self.assertEqual(len(first), 300)
            rest = reader.read(100000)
            self.assertEqual(reader.read(5), array("h"))
            reader.rewind()
            self.assertEqual(reader.read(100000), first + rest)
            reader.close()

    def test_chunks_around_the_samples_are_skipped(self) -> None:
        data = self.written("wav", "pcm_16")
        odd_chunk = b"LIST\x03\x00\x00\x00abc\x00"
        self.store(data[:12] + odd_chunk + data[12:] + odd_chunk)
        self.assertEqual(self.read_all(), TONE)

    def test_unknown_and_wrong_sizes_end_with_the_file(self) -> None:
        wav, au = self.written("wav", "pcm_16"), self.written("au", "pcm_16")
        for size in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xf0\xff\xff\x7f"):
            self.store(wav[:40] + size + wav[44:])
            self.assertEqual(self.read_all(), TONE)
        self.store(au[:8] + b"\xff\xff\xff\xff" + au[12:])
        self.assertEqual(self.read_all(), TONE)
        self.store(wav[:-101])
        self.assertEqual(self.read_all(), TONE[:-51])

    def test_refusals_say_why(self) -> None:
        wav, au = self.written("wav", "pcm_16"), self.written("au", "pcm_16")
        for data, text in (
            (self.written("wav", "pcm_16", channels=2), "2 channels"),
            (self.written("au", "ulaw", rate=44100), "44100 Hz"),
            (self.written("aiff", "pcm_16"), "AIFF"),
            (self.written("caf", "pcm_16"), "CAF"),
            (self.written("rf64", "pcm_16"), "RF64"),
            (self.written("w64", "pcm_16"), "Wave64"),
            (b"OggS" + bytes(100), "Ogg"),
            (wav[:12], "without samples"),
            (wav[:12] + wav[36:], "without a description"),
            (wav[:20] + b"\x55\x00" + wav[22:], "format 0x55"),
            (wav[:34] + b"\x0c\x00" + wav[36:], "12 bits"),
            (au[:12], "AU file of 12 bytes"),
            (au[:12] + b"\0\0\0\x17" + au[16:], "encoding 23"),
            (au[:4] + b"\0\0\0\x04" + au[8:], "byte 4"),
        ):
            self.store(data)
            with self.assertRaises(FormatError) as caught:
                open_reader(self.path)
            self.assertIn(text, str(caught.exception))
        with self.assertRaises(OSError):
            open_reader(self.path + ".none")

    def test_damaged_files_read_or_are_refused(self) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        encodings = ("pcm_16", "ms_adpcm", "ima_adpcm", "gsm610", "float")
        originals = [self.written("wav", encoding) for encoding in encodings]
        originals.append(self.written("au", "ulaw"))
        for number in range(150):
            data = bytearray(draw.choice(originals))
            for _ in range(draw.randrange(1, 6)):
                data[draw.randrange(70)] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
            del data[draw.randrange(len(data)) :]
            self.store(bytes(data))
            try:
                count = len(self.read_all(1000))
            except FormatError:
                continue
            self.assertLessEqual(count, 5 * len(data) + 700, f"seed {seed}, file {number}")


if __name__ == "__main__":
    unittest.main()
