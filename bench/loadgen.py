"""The load generator of loadgen.c in Python, for hosts without a compiler: same arguments, same output.

It manages some 10,000 packets/s; beyond that it is itself what limits, which `send_delay` shows.
"""

from __future__ import annotations

import json
import math
import os
import socket
import sys
import time
from array import array
from pathlib import Path
from struct import Struct

from bench.cpu import TICK, cpu_seconds

HEADER = Struct("!BBHII")
STAMP = Struct("=IIq")  # magic, packet number, nanoseconds
TOO_LATE, GIVE_UP = 100_000_000, 5_000_000_000  # nanoseconds


class Generator:
    """The phones of all calls: callers on the first socket, callees on the second."""

    def __init__(self, sockets: list[socket.socket], targets: list[tuple[str, int]], rate: float, size: int,
                 warm_up: float, seconds: float, firsts: list[int]) -> None:
        self.sockets = sockets
        self.targets = targets
        self.size = size
        self.filler = bytes(size - HEADER.size - STAMP.size)
        self.magic = 0x62656E63 ^ os.getpid() << 8 & 0xFFFFFFFF  # nothing of an earlier run counts
        self.streams = len(targets)
        self.interval = 1e9 / rate
        self.warm = math.ceil(warm_up * rate / self.streams) * self.streams
        self.total = self.warm + math.ceil(seconds * rate / self.streams) * self.streams
        self.next = 0
        self.firsts = firsts  # by call: sequence number of the first packet of both its streams
        self.seen = bytearray(self.total)
        self.back = array("L", bytes(array("L").itemsize * self.streams))
        self.latencies = array("q")
        self.arrived = self.duplicates = self.strays = self.refused = 0
        self.send_delay = self.relay_cpu = self.core_busy = 0.0

    def run(self, relay: int, core: int) -> None:
        start = last_sent = last_came = time.monotonic_ns()
        begun = 0
        cpu_before = idle_before = 0.0
        while True:
            now = time.monotonic_ns()
            if self.next >= self.total and (now - max(last_sent, last_came) > TOO_LATE or now - last_sent > GIVE_UP):
                break
            if not begun and self.next >= self.warm:
                cpu_before, idle_before = relay_cpu(relay), core_idle(core)
                begun = now = time.monotonic_ns()
                start = now - int(self.next * self.interval)  # reading that took time, which is not made up for
            late = now - start - self.next * self.interval
            if late >= 0 and self.next < self.total:
                if begun:
                    self.send_delay = max(self.send_delay, late)
                self.send(now)
                last_sent = now
            if self.receive(0) | self.receive(1):
                last_came = now
        self.relay_cpu = relay_cpu(relay) - cpu_before
        self.core_busy = (time.monotonic_ns() - begun) / 1e9 - (core_idle(core) - idle_before)

    def send(self, now: int) -> None:
        turn, stream = divmod(self.next, self.streams)
        turn += self.firsts[stream // 2]
        header = HEADER.pack(0x80, 0, turn & 0xFFFF, turn * (self.size - HEADER.size) & 0xFFFFFFFF, 0x10000 + stream)
        packet = header + STAMP.pack(self.magic, self.next, now) + self.filler
        self.next += 1
        try:
            self.sockets[stream & 1].sendto(packet, self.targets[stream])
        except OSError:
            self.refused += 1

    def receive(self, side: int) -> bool:
        """Whether a packet came, whatever it was."""
        try:
            data = self.sockets[side].recv(2048)
        except OSError:
            return False
        now = time.monotonic_ns()
        magic, number, sent_at = STAMP.unpack_from(data, HEADER.size) if len(data) == self.size else (0, 0, 0)
        if magic != self.magic or number >= self.next or number & 1 == side:
            self.strays += 1
        elif self.seen[number]:
            self.duplicates += 1
        else:
            self.seen[number] = 1
            self.arrived += self.next > self.warm
            if number >= self.warm and now - sent_at <= TOO_LATE:
                self.latencies.append(now - sent_at)
                self.back[number % self.streams] += 1
        return True

    def report(self) -> dict[str, float]:
        ordered = sorted(self.latencies)
        p50, p99, longest = (ordered[int((len(ordered) - 1) * share)] / 1e3 if ordered else 0.0
                             for share in (0.5, 0.99, 1.0))
        counted = self.total - self.warm
        return {"sent": counted, "received": len(ordered), "arrived": self.arrived, "duplicates": self.duplicates,
                "strays": self.strays, "refused": self.refused, "fewest": min(self.back),
                "per_stream": counted // self.streams, "p50": p50, "p99": p99, "max": longest,
                "send_delay": self.send_delay / 1e3, "relay_cpu": self.relay_cpu, "core_busy": self.core_busy}


def relay_cpu(relay: int) -> float:
    return cpu_seconds(relay) if relay else 0.0


def core_idle(core: int) -> float:
    """Seconds a core has been idle."""
    for line in Path("/proc/stat").read_text().splitlines() if core >= 0 else []:
        name, *ticks = line.split()
        if name == f"cpu{core}":
            return sum(map(int, ticks[3:5])) * TICK
    return 0.0


def main() -> None:
    caller, callee, rate, size, warm_up, seconds, relay, core = map(float, sys.argv[1:])
    sockets = [socket.socket(fileno=int(number)) for number in (caller, callee)]
    for each in sockets:
        each.setblocking(False)
    words = sys.stdin.read().split()
    calls = [words[i : i + 5] for i in range(0, len(words), 5)]
    targets = [(call[side], int(call[side + 1])) for call in calls for side in (0, 2)]
    firsts = [int(call[4]) for call in calls]
    generator = Generator(sockets, targets, rate, int(size), warm_up, seconds, firsts)
    generator.run(int(relay), int(core))
    print(json.dumps(generator.report()))


if __name__ == "__main__":
    main()
