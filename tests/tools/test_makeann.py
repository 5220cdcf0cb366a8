"""makeann: sizes, limits, loops, messages, and that a prompt sounds like its input."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unittest
from array import array
from contextlib import closing

from rtpp.codecs import g711, g729, gsm
from rtpp.codecs.writer import open_writer
from rtpp.tools import makeann
from tests.codecs.signals import little_endian, tone
from tests.tools.running import Result, run

SUFFIXES = ("0", "8", "3", "18", "9")


class MakingCase(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.out = self.path("prompt")

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def save(self, samples: array[int], extra: bytes = b"") -> str:
        with open(self.path("input"), "wb") as file:
            file.write(little_endian(samples) + extra)
        return self.path("input")

    def make(self, *arguments: str) -> Result:
        return run(makeann.main, *arguments)

    def output(self, suffix: str) -> bytes:
        with open(f"{self.out}.{suffix}", "rb") as file:
            return file.read()

    def sizes(self) -> dict[str, int]:
        return {suffix: len(self.output(suffix)) for suffix in SUFFIXES if os.path.exists(f"{self.out}.{suffix}")}

    def expected(self, *sizes: int) -> dict[str, int]:
        """Sizes by suffix; G.729 is there only with its library."""
        found = dict(zip(SUFFIXES, sizes))
        if not g729.available():
            del found["18"]
        return found


class Sizes(MakingCase):
    def test_whole_input_limit_and_loop(self) -> None:
        path = self.save(tone(1000, 8000, 400))
        for arguments, sizes in (
            ([], (400, 400, 99, 60, 480)),
            (["-l", "200"], (200, 200, 66, 40, 320)),
            (["-l", "160"], (160, 160, 33, 20, 160)),
            (["-l", "9999"], (400, 400, 99, 60, 480)),
            (["-L", "-l", "1000"], (1000, 1000, 231, 140, 1120)),
        ):
            result = self.make(*arguments, path, self.out)
            self.assertEqual((result.status, result.errors), (0, ""))
            self.assertEqual(self.sizes(), self.expected(*sizes), arguments)

    def test_long_input(self) -> None:
        path = self.save(tone(1000, 8000, 2 * makeann.CHUNK + 1))
        self.assertEqual(self.make(path, self.out).status, 0)
        size = 2 * makeann.CHUNK
        self.assertEqual(
            self.sizes(), self.expected(size + 1, size + 1, 33 * 201, 20 * 201, size + 160)
        )

    def test_no_samples(self) -> None:
        path = self.save(array("h"), b"x")
        self.assertEqual(self.make(path, self.out).status, 0)
        self.assertEqual(self.sizes(), self.expected(0, 0, 0, 0, 0))

    def test_a_loop_goes_on_inside_a_block(self) -> None:
        samples = tone(700, 9000, 250)
        self.make("-L", "-l", "640", self.save(samples), self.out)
        repeated = (samples * 3)[:640]
        self.assertEqual(self.output("0"), g711.encode_ulaw(repeated))
        self.assertEqual(self.output("3"), gsm.Encoder().encode(repeated))

    def test_silence_detection(self) -> None:
        path = self.save(array("h", bytes(16000)))
        if not g729.available():
            result = self.make("-v", path, self.out)
            self.assertEqual(result.status, 1)
            self.assertIn("bcg729", result.errors)
            return
        self.assertEqual(self.make(path, self.out).errors, "")
        before = self.sizes()
        result = self.make("-v", path, self.out)
        self.assertEqual(result.status, 0)
        self.assertIn("makeann: warning", result.errors)
        self.assertLess(self.sizes()["18"], before["18"])

    def test_the_input_names_the_outputs_unless_told(self) -> None:
        path = self.save(tone(1000, 8000, 160))
        self.assertEqual(self.make(path).status, 0)
        self.assertEqual(os.path.getsize(f"{path}.0"), 160)
        self.assertFalse(os.path.exists(f"{path}.4"))


class Audio(MakingCase):
    def test_first_bytes_of_g711(self) -> None:
        self.make(self.save(array("h", range(-10000, 10000, 50))), self.out)
        self.assertEqual(self.output("0")[:10].hex(), "1c" * 9 + "1d")
        self.assertEqual(self.output("8")[:7].hex(), "36" * 6 + "37")

    def test_audio_files_give_what_raw_samples_give(self) -> None:
        samples = tone(1000, 8000, 800)
        self.make(self.save(samples), self.out)
        expected = {suffix: self.output(suffix) for suffix in self.sizes()}
        for container, encoding in (("wav", "pcm_16"), ("wavex", "pcm_24"), ("au", "pcm_16")):
            path = self.path("input." + container)
            with closing(open_writer(path, container, encoding, 1)) as writer:
                writer.write(samples)
            self.assertEqual(self.make(path, self.out).status, 0)
            for suffix, data in expected.items():
                self.assertEqual(self.output(suffix), data, (container, suffix))
            self.assertEqual(self.make("-L", "-l", "1600", path, self.out).status, 0)
            self.assertEqual(self.output("0"), expected["0"] * 2)


class Help(MakingCase):
    def test_help(self) -> None:
        result = self.make("--help")
        self.assertEqual((result.status, result.errors), (0, ""))
        for word in ("usage: makeann ", "-l limit", "-L ", "-v ", ".18"):
            self.assertIn(word, result.output)


class Errors(MakingCase):
    def test_usage(self) -> None:
        for arguments in ([], ["a", "b", "c"], ["-x", "a"], ["-l"]):
            result = self.make(*arguments)
            self.assertEqual(result.status, 1)
            self.assertIn("usage: makeann ", result.errors)

    def test_limits(self) -> None:
        for text in ("0", "-5", "x", "", "1.5", "5x"):
            result = self.make("-l", text, "a")
            self.assertEqual(result.status, 1)
            self.assertEqual(result.errors, "makeann: limit parameter have to be a number greater than zero\n")
        result = self.make("-L", "a")
        self.assertEqual((result.status, result.errors), (1, "makeann: limit have to be specified in the loop mode\n"))

    def test_files(self) -> None:
        path, missing = self.save(tone(1000, 8000, 160)), self.path("missing")
        cases = [
            ([missing], f"can't open {missing} for reading: No such file or directory"),
            ([self.folder], f"can't open {self.folder} for reading: Is a directory"),
            ([path, self.path("no/such")], f"can't open {self.path('no/such')}.0 for writing: No such file"),
        ]
        for arguments, text in cases:
            result = self.make(*arguments)
            self.assertEqual(result.status, 1)
            self.assertTrue(result.errors.startswith("makeann: "))
            self.assertIn(text, result.errors)

    def test_the_input_is_never_overwritten(self) -> None:
        os.rename(self.save(tone(1000, 8000, 160)), self.path("prompt.8"))
        result = self.make(self.path("prompt.8"), self.out)
        self.assertEqual(result.status, 1)
        self.assertEqual(result.errors, f"makeann: can't open {self.out}.8 for writing: it is the input\n")
        self.assertEqual(os.path.getsize(self.path("prompt.8")), 320)

    def test_nothing_to_repeat(self) -> None:
        path = self.save(array("h"))
        result = self.make("-L", "-l", "5", path, self.out)
        self.assertEqual((result.status, result.errors), (1, f"makeann: {path} has no samples to repeat\n"))

    def test_a_full_disk(self) -> None:
        if not os.path.exists("/dev/full"):
            self.skipTest("this system has no /dev/full")
        os.symlink("/dev/full", f"{self.out}.8")
        result = self.make(self.save(tone(1000, 8000, 1600)), self.out)
        self.assertEqual(result.status, 1)
        self.assertEqual(result.errors, f"makeann: can't write to {self.out}.8: No space left on device\n")

    def test_audio_files_that_do_not_fit(self) -> None:
        path = self.path("stereo.wav")
        for channels, rate, word in ((2, 8000, "mono"), (1, 44100, "44100 Hz")):
            with closing(open_writer(path, "wav", "pcm_16", channels, rate)) as writer:
                writer.write(array("h", bytes(400)))
            result = self.make(path, self.out)
            self.assertEqual(result.status, 1)
            self.assertIn(f"makeann: can't read {path}: ", result.errors)
            self.assertIn(word, result.errors)

    def test_as_a_program(self) -> None:
        command = [sys.executable, "-m", "rtpp.tools.makeann", self.save(tone(1000, 8000, 160)), self.out]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        self.assertEqual(len(self.output("0")), 160)


if __name__ == "__main__":
    unittest.main()
