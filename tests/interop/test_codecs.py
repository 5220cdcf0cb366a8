"""Our codecs against the libraries that the rest of the world uses, bit for bit.

Needs what packages/codecs.txt lists.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import unittest
import wave
from array import array

import G722 as g722_package

from rtpp.codecs import g711, g722, g729, gsm, libgsm
from rtpp.codecs.encodings import ENCODINGS
from rtpp.codecs.reader import open_reader
from rtpp.codecs.writer import CONTAINERS, open_writer
from tests.codecs import test_g722, test_gsm
from tests.codecs.signals import little_endian, noise, snr, speech, square, tone

SOX_RAW = ["-t", "raw", "-r", "8000", "-c", "1", "-e", "signed", "-b", "16", "-L"]


def sox(data: bytes, *arguments: str) -> bytes:
    """Run `sox` on 16-bit mono 8 kHz samples (or on what the arguments say), without dither."""
    return subprocess.run(["sox", "-D", *arguments], input=data, capture_output=True, check=True).stdout


def to_wav(samples: array[int], path: str) -> None:
    """Write a PCM file by the standard library, as input for other programs."""
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(little_endian(samples))


def chunk(data: bytes, name: bytes) -> bytes:
    """The contents of the first RIFF chunk of that name."""
    start = data.index(name) + 8
    return data[start : start + int.from_bytes(data[start - 4 : start], "little")]


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


class Gsm(unittest.TestCase):
    signals = {
        **{name: vector[0] for name, vector in test_gsm.VECTORS.items()},
        "long speech": speech(77, 160 * 300),
        "loud speech": array("h", [max(-32768, min(32767, 5 * x)) for x in speech(78, 160 * 300)]),
        "loud tone": tone(440, 32767, 160 * 100),
        "quiet noise": noise(3, 160 * 100, 40),
        "fast square": square(9, 160 * 100),
    }

    def library(self) -> libgsm.Coder:
        """Debian's libgsm1."""
        found = libgsm.library()
        assert found
        return libgsm.Coder(found, libgsm.RTP_FRAMES)

    def test_encoding_and_decoding_agree_with_libgsm(self) -> None:
        for name, samples in self.signals.items():
            with self.subTest(signal=name):
                frames = self.library().encode(samples)
                self.assertEqual(gsm.Encoder().encode(samples), frames)
                self.assertEqual(gsm.Decoder().decode(frames), self.library().decode(frames))

    def test_decoding_random_frames_agrees_with_libgsm(self) -> None:
        frames = test_gsm.random_frames(5, 1000)
        self.assertEqual(gsm.Decoder().decode(frames), self.library().decode(frames))

    def test_encoding_and_decoding_agree_with_sox(self) -> None:
        for name, samples in self.signals.items():
            with self.subTest(signal=name):
                frames = sox(little_endian(samples), *SOX_RAW, "-", "-t", "gsm", "-")
                self.assertEqual(gsm.Encoder().encode(samples), frames)
                decoded = sox(frames, "-t", "gsm", "-r", "8000", "-", *SOX_RAW, "-")
                self.assertEqual(little_endian(gsm.Decoder().decode(frames)), decoded)

    def test_wav_blocks_agree_with_libsndfile(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            source, coded, back = (os.path.join(folder, name) for name in ("in.wav", "gsm.wav", "out.wav"))
            for name, samples in self.signals.items():
                with self.subTest(signal=name):
                    to_wav(samples, source)
                    subprocess.run(["sndfile-convert", "-gsm610", source, coded], check=True)
                    subprocess.run(["sndfile-convert", "-pcm16", coded, back], check=True)
                    with open(coded, "rb") as file:
                        blocks = chunk(file.read(), b"data")
                    self.assertEqual(gsm.BlockEncoder().encode(samples), blocks)
                    with wave.open(back) as file_back:
                        decoded = file_back.readframes(len(samples))
                    self.assertEqual(little_endian(gsm.BlockDecoder().decode(blocks)), decoded)


class G722(unittest.TestCase):
    signals = {
        **{name: vector[0] for name, vector in test_g722.VECTORS.items()},
        "long speech": speech(77, 48000),
        "loud tone": tone(440, 32767, 16000),
        "quiet noise": noise(3, 16000, 40),
        "fast square": square(4, 16000),
    }

    def test_encoding_and_decoding_agree_with_the_package(self) -> None:
        for name, samples in self.signals.items():
            with self.subTest(signal=name):
                code = g722_package.G722(8000, 64000).encode(samples)
                self.assertEqual(g722.Encoder().encode(samples), code)
                self.assertEqual(g722.Decoder().decode(code), g722_package.G722(8000, 64000).decode(code))

    def test_decoding_any_bytes_agrees_with_the_package(self) -> None:
        swings = [(0xE0, 0xC4), (0x00, 0x20), (0xE0, 0xE0)]
        extremes = [bytes([up] * run + [down] * run) * 200 for up, down in swings for run in (1, 4, 40)]
        for code in [test_g722.random_code(3, 8000), test_g722.random_code(4, 40000), *extremes]:
            expected = g722_package.G722(8000, 64000).decode(code)
            self.assertEqual(g722.Decoder().decode(code), expected, code[:80].hex())


class G729(unittest.TestCase):
    """The codec is the library itself: what is checked is our handling of it."""

    def test_library_is_found(self) -> None:
        self.assertTrue(g729.available())

    def test_round_trip_keeps_level_and_pitch(self) -> None:
        samples = tone(400, 8000, 8000)
        code = g729.Encoder().encode(samples)
        self.assertEqual(len(code), 1000)
        decoded = g729.Decoder().decode(code)
        self.assertEqual(len(decoded), 8000)
        part = decoded[4000:]
        crossings = sum(1 for old, new in zip(part, part[1:]) if old < 0 <= new)
        self.assertAlmostEqual(crossings, 200, delta=2)
        self.assertAlmostEqual(sum(x * x for x in part) / len(part) / 32e6, 1, delta=0.2)

    def test_sizes(self) -> None:
        for count, size in ((0, 0), (1, 10), (80, 10), (81, 20), (160, 20)):
            self.assertEqual(len(g729.Encoder().encode(tone(400, 8000, count))), size)

    def test_silence_detection_shortens(self) -> None:
        silence = noise(1, 16000, 3)
        code = g729.Encoder(detect_silence=True).encode(silence)
        self.assertLess(len(code), 1000)
        self.assertEqual(len(g729.Encoder().encode(silence)), 2000)

    def test_noise_frame_lost_frame_and_odd_rest(self) -> None:
        decoder = g729.Decoder()
        frame = g729.Encoder().encode(tone(400, 8000, 80))
        self.assertEqual(len(decoder.decode(frame + b"\x12\x34")), 160)
        self.assertEqual(len(decoder.conceal()), 80)
        self.assertEqual(len(decoder.decode(frame + b"\x12\x34\x56")), 80)
        self.assertEqual(len(decoder.decode(b"")), 0)


class Files(unittest.TestCase):
    """Every audio file that we can write is read by libsndfile and by sox; what they write, we read."""

    frames = 8005
    left, right = tone(1000, 20000, frames), tone(400, 10000, frames)
    # decibels at least; others have 80, as libsndfile scales floating point by 32767
    least = {
        **dict.fromkeys(("pcm_s8", "pcm_u8", "ulaw", "alaw"), 30),
        **dict.fromkeys(("ima_adpcm", "ms_adpcm"), 20),
        "gsm610": 15,
    }

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def read_back(self, *command: str) -> array[int]:
        """Samples that another program makes of a file."""
        out = self.path("back.wav")
        run = subprocess.run([*command, out], check=False, capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        with wave.open(out) as file:
            self.assertEqual(file.getframerate(), 8000)
            return array("h", file.readframes(file.getnframes()))

    def test_other_programs_read_what_we_write(self) -> None:
        suffixes = {"wavex": "wav", "rf64": "wav"}
        for container, description in CONTAINERS.items():
            for encoding in description.encodings:
                for channels in range(1, ENCODINGS[encoding].most_channels + 1):
                    if container == "raw":
                        continue
                    with self.subTest(container=container, encoding=encoding, channels=channels):
                        samples = self.left
                        if channels == 2:
                            samples = array("h", [x for pair in zip(self.left, self.right) for x in pair])
                        path = self.path(f"ours.{suffixes.get(container, container)}")
                        writer = open_writer(path, container, encoding, channels)
                        writer.write(samples)
                        writer.close()
                        least = self.least.get(encoding, 80)
                        for command in (
                            ["sndfile-convert", "-pcm16", path],
                            ["sox", "-D", path, "-e", "signed", "-b", "16"],
                        ):
                            back = self.read_back(*command)
                            rest = len(back) // channels - self.frames
                            self.assertTrue(0 <= rest < ENCODINGS[encoding].block_frames, (command[0], rest))
                            self.assertGreater(snr(samples, back), least, command[0])

    def test_raw_is_what_sox_calls_it(self) -> None:
        names = {
            "pcm_s8": ["-e", "signed", "-b", "8"],
            "pcm_u8": ["-e", "unsigned", "-b", "8"],
            "pcm_16": ["-e", "signed", "-b", "16"],
            "pcm_24": ["-e", "signed", "-b", "24"],
            "pcm_32": ["-e", "signed", "-b", "32"],
            "float": ["-e", "float", "-b", "32"],
            "double": ["-e", "float", "-b", "64"],
            "ulaw": ["-e", "u-law", "-b", "8"],
            "alaw": ["-e", "a-law", "-b", "8"],
        }
        for encoding in CONTAINERS["raw"].encodings:
            path = self.path("ours.raw")
            writer = open_writer(path, "raw", encoding, 1)
            writer.write(self.left)
            writer.close()
            source = ["-t", "raw", "-r", "8000", "-c", "1", *names[encoding], path]
            back = self.read_back("sox", "-D", *source, "-e", "signed", "-b", "16")
            self.assertEqual(len(back), self.frames)
            self.assertGreater(snr(self.left, back), self.least.get(encoding, 80), encoding)

    def test_we_read_what_other_programs_write(self) -> None:
        source, path = self.path("source.wav"), self.path("theirs")
        original = tone(1000, 32767, self.frames)  # sndfile-convert would scale anything less to this level
        to_wav(original, source)
        options = {
            "pcm_16": "-pcm16",
            "pcm_24": "-pcm24",
            "pcm_32": "-pcm32",
            "float": "-float32",
            "ulaw": "-ulaw",
            "alaw": "-alaw",
            "ima_adpcm": "-ima-adpcm",
            "ms_adpcm": "-ms-adpcm",
            "gsm610": "-gsm610",
        }
        for suffix in ("wav", "au"):
            for encoding in CONTAINERS[suffix].encodings:
                if encoding in options:
                    with self.subTest(container=suffix, encoding=encoding):
                        subprocess.run(
                            ["sndfile-convert", options[encoding], source, f"{path}.{suffix}"], check=True
                        )
                        reader = open_reader(f"{path}.{suffix}")
                        samples = reader.read(100000)
                        reader.close()
                        self.assertGreaterEqual(len(samples), self.frames)
                        self.assertGreater(snr(original, samples), self.least.get(encoding, 80))
                        expected = self.read_back("sndfile-convert", "-pcm16", f"{path}.{suffix}")
                        if encoding in ("ima_adpcm", "ms_adpcm", "gsm610", "pcm_16"):
                            self.assertEqual(samples, expected)


if __name__ == "__main__":
    unittest.main()
