"""What the tests of extractaudio share: a folder, recordings in it, and the samples that come out."""

from __future__ import annotations

import os
import tempfile
import unittest
from array import array
from collections.abc import Iterable

from rtpp.tools import extractaudio
from tests.recording.captures import START, adhoc, pcap, rtp
from tests.tools.running import Result, run

LOUD = b"\x80"  # mu-law 32124, the loudest
LOUD_SAMPLE = 32124
FRAME = 160  # samples in 20 ms

Packet = tuple[float, bytes]  # time and datagram


def stream(
    count: int, *, code: bytes = LOUD, first: int = 0, ssrc: int = 1, start: float = 0.0, payload_type: int = 0
) -> list[Packet]:
    """`count` packets of 20 ms from number `first` on, the first of them `start` seconds after START."""
    return [
        (START + start + n * 0.02, rtp(first + n, (first + n) * FRAME, code * FRAME, payload_type, ssrc))
        for n in range(count)
    ]


class ExtractingCase(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.out = self.path("out")

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def save(self, name: str, data: bytes) -> str:
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def save_packets(self, name: str, packets: Iterable[Packet], as_pcap: bool = False) -> str:
        return self.save(name, (pcap if as_pcap else adhoc)(packets))

    def run_tool(self, *arguments: str) -> Result:
        return run(extractaudio.main, *arguments)

    def extract(self, *arguments: str) -> array[int]:
        """The samples that a successful run writes."""
        result = self.run_tool("-F", "raw", "-D", "pcm_16", *arguments, self.out)
        self.assertEqual(result.status, 0, result.errors)
        return self.samples()

    def samples(self) -> array[int]:
        samples = array("h")
        with open(self.out, "rb") as file:
            samples.frombytes(file.read())
        return samples

    def extract_packets(self, packets: Iterable[Packet], *arguments: str) -> array[int]:
        """Of one recording, given as side A, in stereo so that nothing is halved; only its track."""
        both = self.extract("-s", *arguments, "-A", self.save_packets("a", packets))
        self.assertFalse(any(both[1::2]))
        return both[::2]


def runs(samples: array[int]) -> list[tuple[int, int]]:
    """Samples as (value, how often in a row)."""
    out: list[tuple[int, int]] = []
    for sample in samples:
        if out and out[-1][0] == sample:
            out[-1] = (sample, out[-1][1] + 1)
        else:
            out.append((sample, 1))
    return out
