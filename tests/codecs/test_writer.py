from __future__ import annotations

import os
import tempfile
import unittest
import wave
from array import array

from rtpp.codecs.encodings import ENCODINGS, FormatError
from rtpp.codecs.writer import CONTAINERS, open_writer
from tests.codecs.signals import little_endian, tone


class Files(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "audio")

    def write(
        self, container: str, encoding: str, channels: int, samples: array[int], piece: int = 77
    ) -> bytes:
        writer = open_writer(self.path, container, encoding, channels)
        for start in range(0, len(samples), piece):
            writer.write(samples[start : start + piece])
        writer.close()
        with open(self.path, "rb") as file:
            return file.read()

    def test_the_way_it_is_written_does_not_matter(self) -> None:
        samples = tone(440, 9000, 1212)
        for container, description in CONTAINERS.items():
            for encoding in description.encodings:
                for channels in range(1, ENCODINGS[encoding].most_channels + 1):
                    with self.subTest(container=container, encoding=encoding, channels=channels):
                        whole = self.write(container, encoding, channels, samples, piece=10000)
                        self.assertEqual(self.write(container, encoding, channels, samples, piece=101), whole)

    def test_raw_is_the_samples_alone(self) -> None:
        samples = tone(440, 9000, 500)
        self.assertEqual(self.write("raw", "pcm_16", 1, samples), little_endian(samples))
        for encoding, size in (("pcm_u8", 1), ("alaw", 1), ("pcm_24", 3), ("double", 8)):
            self.assertEqual(len(self.write("raw", encoding, 1, samples)), 500 * size)

    def test_standard_library_reads_wav(self) -> None:
        samples = tone(440, 9000, 500)
        for container in ("wav", "wavex") if hasattr(wave, "WAVE_FORMAT_EXTENSIBLE") else ("wav",):
            self.write(container, "pcm_16", 2, samples)
            with wave.open(self.path) as file:
                self.assertEqual(file.getparams()[:4], (2, 2, 8000, 250))
                self.assertEqual(file.readframes(250), little_endian(samples))

    def test_odd_data_is_padded_outside_its_size(self) -> None:
        data = self.write("wav", "pcm_u8", 1, array("h", [0] * 3))
        self.assertEqual(data[-8:].hex(), "03000000" + "808080" + "00")
        self.assertEqual(int.from_bytes(data[4:8], "little"), len(data) - 8)

    def test_gsm_header(self) -> None:
        data = self.write("wav", "gsm610", 1, tone(440, 9000, 321))
        self.assertEqual(
            data[:60].hex(),
            "52494646" + "b6000000" + "57415645"  # RIFF, 182 bytes follow, WAVE
            "666d7420" + "14000000" + "3100" + "0100" + "401f0000" + "59060000" + "4100" + "0000"
            "0200" + "4001"  # two bytes more: 320 frames in a block
            "66616374" + "04000000" + "41010000"  # fact: 321 frames
            "64617461" + "82000000",  # data: two blocks
        )  # fmt: skip
        self.assertEqual(len(data), 60 + 130)

    def test_au_header(self) -> None:
        data = self.write("au", "pcm_16", 2, array("h", [1, 2, 3, 4]))
        self.assertEqual(
            data.hex(),
            "2e736e64" + "0000001c" + "00000008" + "00000003" + "00001f40" + "00000002" + "00000000"
            "0001000200030004",
        )  # fmt: skip

    def test_aiff_header(self) -> None:
        data = self.write("aiff", "pcm_16", 1, array("h", [1, 2]))
        self.assertEqual(
            data.hex(),
            "464f524d" + "00000032" + "41494646"
            "434f4d4d" + "00000012" + "0001" + "00000002" + "0010" + "400bfa00000000000000"
            "53534e44" + "0000000c" + "00000000" + "00000000" + "00010002",
        )  # fmt: skip

    def test_caf_header(self) -> None:
        data = self.write("caf", "alaw", 1, array("h", [0]))
        self.assertEqual(
            data.hex(),
            "63616666" + "00010000"
            "64657363" + "0000000000000020" + "40bf400000000000" + "616c6177" + "00000000"
            "00000001" + "00000001" + "00000001" + "00000008"
            "64617461" + "0000000000000005" + "00000000" + "d5",
        )  # fmt: skip

    def test_large_file_formats_tell_64_bit_sizes(self) -> None:
        data = self.write("rf64", "pcm_16", 1, array("h", [5] * 100))
        self.assertEqual((data[:8], data[12:20].hex()), (b"RF64\xff\xff\xff\xff", "64733634" + "1c000000"))
        sizes = [int.from_bytes(data[start : start + 8], "little") for start in (20, 28, 36)]
        self.assertEqual(sizes, [len(data) - 8, 200, 100])
        data = self.write("w64", "pcm_16", 1, array("h", [5] * 100))
        self.assertEqual(int.from_bytes(data[16:24], "little"), len(data))

    def test_empty_file_is_a_header(self) -> None:
        for container in CONTAINERS:
            writer = open_writer(self.path, container, "pcm_16", 1)
            writer.close()
            writer.close()
            with open(self.path, "rb") as file:
                self.assertEqual(bool(file.read()), container != "raw")

    def test_memory_stays_bounded(self) -> None:
        writer = open_writer(self.path, "wav", "gsm610", 1)
        for _ in range(50):
            writer.write(array("h", [0] * 100))
            self.assertLess(len(writer._pending), 320)
        writer.close()


class Refusals(unittest.TestCase):
    def test_impossible_combinations_touch_nothing(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "audio")
            for container, encoding, channels, word in (
                ("mp3", "pcm_16", 1, "mp3"),
                ("wav", "vorbis", 1, "vorbis"),
                ("au", "gsm610", 1, "au files cannot hold gsm610"),
                ("wav", "pcm_s8", 1, "wav files cannot hold pcm_s8"),
                ("raw", "ms_adpcm", 1, "raw"),
                ("wav", "gsm610", 2, "2 channels"),
                ("wav", "pcm_16", 0, "0 channels"),
            ):
                with self.assertRaises(FormatError) as caught:
                    open_writer(path, container, encoding, channels)
                self.assertIn(word, str(caught.exception))
                self.assertFalse(os.path.exists(path))

    def test_unwritable_path(self) -> None:
        with tempfile.TemporaryDirectory() as folder, self.assertRaises(OSError):
            open_writer(os.path.join(folder, "none", "audio"), "wav", "pcm_16", 1)


if __name__ == "__main__":
    unittest.main()
