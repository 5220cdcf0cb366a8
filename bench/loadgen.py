"""The load generator of loadgen.c in Python, for hosts without a compiler: same arguments, same output.

It manages some 10,000 packets/s; beyond that it is itself what limits, which `send_delay` shows.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from array import array
from struct import Struct

HEADER = Struct("!BBHII")
STAMP = Struct("=IIq")  # magic, packet number, nanoseconds
MAGIC = 0x62656E63
TOO_LATE = 100_000_000  # nanoseconds


class Generator:
    """The phones of all calls: callers on the first socket, callees on the second."""

    def __init__(self, sockets: list[socket.socket], targets: list[tuple[str, int]], per_second: float, size: int,
                 warm_up: float, seconds: float) -> None:
        self.sockets = sockets
        self.targets = targets
        self.size = size
        self.filler = bytes(size - HEADER.size - STAMP.size)
        self.streams = len(targets)
        self.interval = 1e9 / (per_second * self.streams)
        self.warm = int(warm_up * per_second) * self.streams
        self.total = self.warm + int(seconds * per_second) * self.streams
        self.next = 0
        self.seen = bytearray(self.total)
        self.back = array("L", bytes(array("L").itemsize * self.streams))
        self.latencies = array("q")
        self.arrived = self.duplicates = self.strays = self.refused = 0
        self.send_delay = 0.0

    def run(self) -> None:
        start = last_sent = time.monotonic_ns()
        begun = False
        while self.next < self.total or time.monotonic_ns() - last_sent < TOO_LATE:
            now = time.monotonic_ns()
            late = now - start - self.next * self.interval
            if late >= 0 and self.next < self.total:
                if self.next >= self.warm:
                    self.send_delay = max(self.send_delay, late)
                self.send(now)
                last_sent = now
            if not begun and self.next >= self.warm:
                begun = True
                print("begin", flush=True)
            for side in (0, 1):
                self.receive(side)

    def send(self, now: int) -> None:
        turn, stream = divmod(self.next, self.streams)
        header = HEADER.pack(0x80, 0, turn & 0xFFFF, turn * (self.size - HEADER.size) & 0xFFFFFFFF, 0x10000 + stream)
        packet = header + STAMP.pack(MAGIC, self.next, now) + self.filler
        self.next += 1
        try:
            self.sockets[stream & 1].sendto(packet, self.targets[stream])
        except OSError:
            self.refused += 1

    def receive(self, side: int) -> None:
        try:
            data = self.sockets[side].recv(2048)
        except OSError:
            return
        now = time.monotonic_ns()
        magic, number, sent_at = STAMP.unpack_from(data, HEADER.size) if len(data) == self.size else (0, 0, 0)
        if magic != MAGIC or number >= self.next or number & 1 == side:
            self.strays += 1
        elif self.seen[number]:
            self.duplicates += 1
        else:
            self.seen[number] = 1
            self.arrived += self.next > self.warm
            if number >= self.warm and now - sent_at <= TOO_LATE:
                self.latencies.append(now - sent_at)
                self.back[number % self.streams] += 1

    def report(self) -> dict[str, float]:
        ordered = sorted(self.latencies)
        p50, p99, longest = (ordered[int((len(ordered) - 1) * share)] / 1e3 if ordered else 0.0
                             for share in (0.5, 0.99, 1.0))
        counted = self.total - self.warm
        return {"sent": counted, "received": len(ordered), "arrived": self.arrived, "duplicates": self.duplicates,
                "strays": self.strays, "refused": self.refused, "fewest": min(self.back),
                "per_stream": counted // self.streams, "p50": p50, "p99": p99, "max": longest,
                "send_delay": self.send_delay / 1e3}


def main() -> None:
    caller, callee, per_second, size, warm_up, seconds = map(float, sys.argv[1:])
    sockets = [socket.socket(fileno=int(number)) for number in (caller, callee)]
    for each in sockets:
        each.setblocking(False)
    words = sys.stdin.read().split()
    targets = [(words[i], int(words[i + 1])) for i in range(0, len(words), 2)]
    generator = Generator(sockets, targets, per_second, int(size), warm_up, seconds)
    generator.run()
    print(json.dumps(generator.report()))


if __name__ == "__main__":
    main()
