"""Audio in and out of the companion tools, and what is heard in it."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import unittest
from array import array
from collections.abc import Sequence

from tests.codecs.signals import RATE, little_endian, tone
from tests.interop.rig.tools import ROOT, program

# payload type -> bytes of 20 ms
FRAME_BYTES = {0: 160, 8: 160, 3: 33, 9: 160, 18: 20}


def call(name: str, *arguments: str) -> str:
    """Standard output of an installed program, which must succeed."""
    return _run(program(name), *arguments)


def tool(name: str, *arguments: str) -> str:
    """Standard output of makeann or extractaudio, which must succeed."""
    return _run(sys.executable, "-m", f"rtpp.tools.{name}", *arguments)


def _run(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if result.returncode:
        raise AssertionError(f"{command}: {result.stdout}{result.stderr}")
    return result.stdout


def level_at(samples: Sequence[int], frequency: float) -> float:
    """Amplitude of one frequency (one term of a Fourier transform)."""
    step = 2 * math.pi * frequency / RATE
    real = sum(sample * math.cos(step * n) for n, sample in enumerate(samples))
    imaginary = sum(sample * math.sin(step * n) for n, sample in enumerate(samples))
    return 2 * math.hypot(real, imaginary) / len(samples)


class FolderCase(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def save(self, name: str, data: bytes) -> str:
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)


class ToneCase(FolderCase):
    """A tone of 1 kHz as a prompt in every codec, and the measure of what became of it."""

    seconds = 2
    frequency = 1000
    amplitude = 8000

    def setUp(self) -> None:
        super().setUp()
        samples = tone(self.frequency, self.amplitude, RATE * self.seconds)
        tool("makeann", self.save("tone.raw", little_endian(samples)), self.path("prompt"))

    def samples(self, path: str, track: int) -> array[int]:
        """One track of an audio file, read by sox."""
        raw = ["-t", "raw", "-e", "signed", "-b", "16", "-L", "-"]
        command = [program("sox"), path, *raw, "remix", str(track)]
        samples = array("h", subprocess.run(command, capture_output=True, check=True).stdout)
        if sys.byteorder == "big":
            samples.byteswap()
        return samples

    def assert_tone(self, samples: array[int], amplitude: float) -> None:
        """All of it is there, at that level within 1 dB, louder than any other frequency and than the noise."""
        self.assertEqual(len(samples), RATE * self.seconds)
        middle = samples[RATE // 2 : RATE * 3 // 2]  # codecs need a moment to adapt
        level = level_at(middle, self.frequency)
        self.assertLess(abs(20 * math.log10(level / amplitude)), 1.0)
        loudest = max(range(100, 4000, 20), key=lambda frequency: level_at(middle, frequency))
        self.assertEqual(loudest, self.frequency)
        power = sum(sample * sample for sample in middle) / len(middle)
        noise = max(power - level * level / 2, 1e-9)
        self.assertGreater(10 * math.log10(level * level / 2 / noise), 15)
