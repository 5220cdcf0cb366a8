"""A call of a minute over a bad network, recorded by the real program in real time.

Both phones beep at the same moments of their schedule. Each packet leaves up to JITTER late, so that many overtake
others, and some never leave.
"""

from __future__ import annotations

import random
import tempfile
import threading
import time
import wave
from array import array
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Optional

from rtpp.codecs import g711
from rtpp.recording.formats import open_recording
from tests.codecs.signals import RATE, tone
from tests.interop.rig.media import SAMPLES, Media, rtp
from tests.interop.rig.proxy import Proxy

SECONDS = 61
BEEPS = (0.5, 20.0, 40.0, 60.0)  # seconds after a phone's first packet
BEEP_PACKETS = 5
JITTER = 0.06  # seconds
LOSS = 0.03
PACKET_TIME = 0.02  # seconds
PATIENCE = 0.15  # seconds that the whole stream may be late before silence could be put in for it

_SILENCE = b"\xff" * SAMPLES
_BEEP = g711.encode_ulaw(tone(1000, 12000, SAMPLES))


class Minute:
    """`start` returns at once, `join` when the call is over.

    Afterwards `recording` is the prefix of its files; by party, `lost` is the number of packets that never left and
    `first_delay` how late the first one was recorded, in seconds. `held_up` is by how much this machine made the
    phones late beyond what a test can expect to be without effect: 0 unless it was very busy.
    """

    def __init__(self) -> None:
        self.lost: dict[str, int] = {}
        self.first_delay: dict[str, float] = {}
        self.held_up = 0.0
        self.recording = ""
        self._over = threading.Event()
        self._pool: Optional[ThreadPoolExecutor] = None

    def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="minute-")
        self._pool = ThreadPoolExecutor(1)
        self._call: Future[None] = self._pool.submit(self._run)

    def join(self) -> None:
        self._call.result()

    def close(self) -> None:
        self._over.set()
        if self._pool is not None:
            self._pool.shutdown()
            self._folder.cleanup()

    def _run(self) -> None:
        phones = {name: Media(name) for name in ("caller", "callee")}
        caller, callee = phones.values()
        with Proxy("-r", self._folder.name, "-P") as proxy:
            callee.target = "127.0.0.1", int(proxy.command(f"U c 127.0.0.1 {caller.port} f").split()[0])
            caller.target = "127.0.0.1", int(proxy.command(f"L c 127.0.0.1 {callee.port} f t").split()[0])
            for tags in ("f t", "t f"):
                if proxy.command(f"R c {tags}") != "0":
                    raise RuntimeError("the proxy does not record")
            self._talk(phones)
            proxy.command("D c f t")
        self.recording = f"{self._folder.name}/c=f"
        for name, letter in (("caller", "o"), ("callee", "a")):
            phones[name].close()
            with Path(f"{self.recording}.{letter}.rtp").open("rb") as file:
                first = min(open_recording(file), key=lambda record: record.payload[4:8])  # by timestamp
            self.first_delay[name] = first.time - self._begin

    def _talk(self, phones: dict[str, Media]) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        beeping = {round(beep / PACKET_TIME) + n for beep in BEEPS for n in range(BEEP_PACKETS)}
        last = int(SECONDS / PACKET_TIME) - 1
        due = []
        for name, phone in phones.items():
            self.lost[name] = 0
            for n in range(last + 1):
                if n not in (0, last) and n not in beeping and draw.random() < LOSS:
                    self.lost[name] += 1
                    continue
                packet = rtp(1000 + n, n * SAMPLES, phone.ssrc, _BEEP if n in beeping else _SILENCE)
                due.append((n * PACKET_TIME + draw.uniform(0, JITTER), packet, phone))
        due.sort(key=lambda item: item[0])
        self._begin, start = time.time(), time.monotonic()
        for moment, packet, phone in due:
            wait = start + moment - time.monotonic()
            if self._over.wait(max(wait, 0)):
                return
            self.held_up = max(self.held_up, -wait - PATIENCE)
            assert phone.target
            phone.rtp_socket.sendto(packet, phone.target)


def beeps(path: str, track: int) -> list[float]:
    """When each beep begins in one track, 1 or 2, of a stereo file; in seconds."""
    with wave.open(path) as file:
        samples = array("h", file.readframes(file.getnframes()))[track - 1 :: 2]
    found: list[float] = []
    for index, sample in enumerate(samples):
        if sample > 4000 and (not found or index / RATE - found[-1] > 1):
            found.append(index / RATE)
    return found
