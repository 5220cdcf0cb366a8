"""Speed of extractaudio: `python3 -m bench.extracting [--minutes N] [ENCODING ...]`.

Makes a call of two parties, G.711 with 1 % loss and some jitter, recorded as pcap, and turns it into WAV in each of the
encodings. Tells CPU time, how often faster than real time that is, and the most memory the program had at once.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile

from bench.codecs import voice
from rtpp.codecs import g711
from rtpp.recording.formats import PCAP

FRAME = 160  # samples in 20 ms
SPEECH = 60  # seconds of it, repeated
LOSS = 0.01
JITTER = 0.01  # seconds
START = 1.7e9  # seconds since 1970


def record(path: str, packets: int, ssrc: int) -> None:
    """One side of the call."""
    draw = random.Random(ssrc)
    speech = g711.encode_ulaw(voice(SPEECH))
    with open(path, "wb") as file:
        file.write(PCAP.file_header)
        for number in range(packets):
            if draw.random() < LOSS:
                continue
            header = struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * FRAME & 0xFFFFFFFF, ssrc)
            payload = speech[number * FRAME % len(speech) :][:FRAME]
            time = START + number * 0.02 + draw.random() * JITTER
            addresses = ("192.0.2.1", 5004), ("192.0.2.9", 35000)
            file.write(PCAP.record(header + payload, *addresses, socket.AF_INET, time, number))


def extract(folder: str, encoding: str) -> tuple[float, float]:
    """CPU seconds and megabytes of one run, of a child process that ends with it."""
    command = [sys.executable, "-m", "rtpp.tools.extractaudio", "-D", encoding]
    program = subprocess.Popen(
        [*command, os.path.join(folder, "call"), os.path.join(folder, "call.wav")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(program.pid, 0)
    program.returncode = status
    if status:
        raise RuntimeError(f"extractaudio failed with {encoding}")
    megabytes = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return usage.ru_utime + usage.ru_stime, megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encodings", nargs="*", metavar="ENCODING", default=["pcm_16", "ulaw", "gsm610"])
    parser.add_argument("--minutes", type=int, default=60, help="length of the call (default: 60)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for ssrc, side in enumerate("ao", 1):
            record(os.path.join(folder, f"call.{side}.rtp"), options.minutes * 60 * 50, ssrc)
        print(f"a call of {options.minutes} minutes\n{'':10} {'CPU s':>8} {'x real time':>12} {'MB':>6}")
        for encoding in options.encodings:
            seconds, megabytes = extract(folder, encoding)
            print(f"{encoding:10} {seconds:8.1f} {options.minutes * 60 / seconds:12.0f} {megabytes:6.0f}", flush=True)


if __name__ == "__main__":
    main()
