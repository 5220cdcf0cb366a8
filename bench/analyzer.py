"""Cost of the analyzer for one packet in order: `python3 -m bench.analyzer`, prints one line.

The best of many short runs, in CPU time: whatever else the machine does can only make a run slower.
"""

from __future__ import annotations

import platform
import time

from rtpp.rtp.analyzer import Analyzer
from rtpp.rtp.packet import RtpPacket

PACKETS = 5_000  # below 65536: no wrap, every packet but the first takes the short path
RUNS = 100


def stream() -> list[tuple[bytes, float]]:
    """20 ms of G.711 a packet, arriving up to 1 ms early or late."""
    payload = bytes(160)
    return [
        (bytes(RtpPacket(0, n, 160 * n, 0x11223344, payload)), 1000 + 0.02 * n + n % 7 * 0.0003)
        for n in range(1, PACKETS + 1)
    ]


def nanoseconds_per_packet(packets: list[tuple[bytes, float]]) -> float:
    """One run; the cost of the loop around it is taken off."""
    update = Analyzer().update
    begin = time.thread_time_ns()
    for data, arrival in packets:
        update(data, arrival)
    middle = time.thread_time_ns()
    for _data, _arrival in packets:
        pass
    return (middle - begin - (time.thread_time_ns() - middle)) / len(packets)


def main() -> None:
    packets = stream()
    best = min(nanoseconds_per_packet(packets) for _ in range(RUNS))
    print(f"analyzer, in order: {best:.0f} ns per packet ({platform.python_version()}, best of {RUNS})")


if __name__ == "__main__":
    main()
