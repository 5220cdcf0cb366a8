"""A telephone that speaks nothing but RTP: it sends a tone and remembers whom it heard.

    0                   1                   2                   3
    |V=2|P|X|  CC   |M|     PT      |       sequence number         |
    |                           timestamp                           |
    |           synchronization source (SSRC) identifier            |   RFC 3550, section 5.1
"""

from __future__ import annotations

import math
import select
import socket
import struct
import threading
import time
from array import array
from collections import Counter

from rtpp.codecs.g711 import encode_ulaw

RATE = 8000  # samples per second
SAMPLES = 160  # in a packet: 20 milliseconds
PCMU = 0  # payload type of G.711 mu-law
HEADER = struct.Struct("!BBHII")


def tone(frequency: float, samples: int, loudness: int = 8000) -> array[int]:
    """A sine wave. `frequency` is in hertz and has whole periods in 20 ms if it is a multiple of 50."""
    return array("h", (round(loudness * math.sin(2 * math.pi * frequency * n / RATE)) for n in range(samples)))


class Phone:
    """A phone whose packets come from `address`, although it may say in its session description that it is elsewhere.

    `send_to` is where the other side wants its media; nothing is sent before it is set. `heard` counts packets
    by the SSRC of their sender.
    """

    def __init__(self, name: str, address: str, frequency: float, ssrc: int) -> None:
        self.name = name
        self.ssrc = ssrc
        self.heard: Counter[int] = Counter()
        self.send_to: tuple[str, int] | None = None
        self._payload = encode_ulaw(tone(frequency, SAMPLES))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((address, 0))
        except OSError:  # only Linux has all of 127.0.0.0/8 without being asked
            self._socket.bind(("127.0.0.1", 0))
        host, port = self._socket.getsockname()
        self.address = f"{host}:{port}"
        self._hung_up = threading.Event()
        self._thread = threading.Thread(target=self._talk, name=name, daemon=True)
        self._thread.start()

    def hang_up(self) -> None:
        self._hung_up.set()
        self._thread.join()
        self._socket.close()

    def _talk(self) -> None:
        number = 0
        due = time.monotonic()
        while not self._hung_up.is_set():
            self._listen_until(due)
            due += SAMPLES / RATE
            if self.send_to is not None:
                header = HEADER.pack(0x80, PCMU, number & 0xFFFF, number * SAMPLES & 0xFFFFFFFF, self.ssrc)
                self._socket.sendto(header + self._payload, self.send_to)
                number += 1

    def _listen_until(self, due: float) -> None:
        while (left := due - time.monotonic()) > 0:
            if select.select([self._socket], [], [], left)[0]:
                data = self._socket.recv(2048)
                if len(data) >= HEADER.size:
                    self.heard[HEADER.unpack_from(data)[4]] += 1
