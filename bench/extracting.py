"""Speed of extractaudio: `python3 -m bench.extracting [--minutes N] [NAME ...]`.

Makes a call of two parties, G.711 with 1 % loss and some jitter, recorded as pcap, and turns it into WAV: into one
track of each encoding, or into two with `-s`. Tells how long that took, how often faster than real time that is, the
CPU time, and the most memory that one process of the program had. `no libgsm` is the default on a host without it.
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
import time
from typing import NamedTuple

from bench.codecs import voice
from bench.tables import Table
from rtpp.codecs import g711
from rtpp.recording.formats import PCAP

FRAME = 160  # samples in 20 ms
SPEECH = 60  # seconds of it, repeated
LOSS = 0.01
JITTER = 0.01  # seconds
START = 1.7e9  # seconds since 1970

WITHOUT_LIBGSM = "no libgsm"
RUNS = {
    "default": [],
    WITHOUT_LIBGSM: [],
    "-s": ["-s"],
    "pcm_16": ["-D", "pcm_16"],
    "ulaw": ["-D", "ulaw"],
    "-s pcm_16": ["-s", "-D", "pcm_16"],
}


class Cost(NamedTuple):
    """Of one run."""

    seconds: float
    cpu_seconds: float
    megabytes: float


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
            moment = START + number * 0.02 + draw.random() * JITTER
            addresses = ("192.0.2.1", 5004), ("192.0.2.9", 35000)
            file.write(PCAP.record(header + payload, *addresses, socket.AF_INET, moment, number))


def extract(folder: str, name: str) -> Cost:
    """What one of RUNS costs, of a child process that ends with it."""
    hide = "libgsm.LIBRARY_NAMES = (); " if name == WITHOUT_LIBGSM else ""
    code = f"from rtpp.codecs import libgsm; {hide}from rtpp.tools import extractaudio; extractaudio.main()"
    command = [sys.executable, "-c", code, *RUNS[name]]
    begin = time.monotonic()
    program = subprocess.Popen(
        [*command, os.path.join(folder, "call"), os.path.join(folder, "call.wav")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(program.pid, 0)
    program.returncode = status
    if status:
        raise RuntimeError(f"extractaudio failed: {name}")
    megabytes = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return Cost(time.monotonic() - begin, usage.ru_utime + usage.ru_stime, megabytes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RUNS))
    parser.add_argument("--minutes", type=int, default=60, help="length of the call (default: 60)")
    options = parser.parse_args()
    if not set(options.names) <= set(RUNS):
        parser.error(f"names are: {', '.join(RUNS)}")
    table = Table(f"extractaudio, a call of {options.minutes} minutes", ["options", "s", "x real time", "CPU s", "MB"])
    with tempfile.TemporaryDirectory() as folder:
        for ssrc, side in enumerate("ao", 1):
            record(os.path.join(folder, f"call.{side}.rtp"), options.minutes * 60 * 50, ssrc)
        for name in options.names or RUNS:
            cost = extract(folder, name)
            faster = options.minutes * 60 / cost.seconds
            table.add(name, f"{cost.seconds:.1f}", f"{faster:,.0f}", f"{cost.cpu_seconds:.1f}", f"{cost.megabytes:.0f}")
    print(table.text())


if __name__ == "__main__":
    main()
