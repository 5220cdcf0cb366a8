"""Cost of the analyzer for one packet in order, alone and in a run of 32: `python3 -m bench.analyzer`.

The best of many short passes, in CPU time: whatever else the machine does can only make a pass slower.
"""

from __future__ import annotations

import platform
import time
from typing import Callable

from rtpp.rtp.analyzer import Analyzer
from rtpp.rtp.packet import RUN_PART, RtpPacket
from rtpp.session.connected import RUN

PACKETS = 160 * RUN  # below 65536: no wrap, every packet but the first takes the short path
PASSES = 100

Stream = list[tuple[bytes, float]]
Pass = Callable[[Stream], float]  # returns nanoseconds


def stream() -> Stream:
    """20 ms of G.711 a packet, arriving up to 1 ms early or late."""
    payload = bytes(160)
    return [
        (bytes(RtpPacket(0, n, 160 * n, 0x11223344, payload)), 1000 + 0.02 * n + n % 7 * 0.0003)
        for n in range(1, PACKETS + 1)
    ]


def one_by_one(packets: Stream) -> float:
    """The cost of the loop around it is taken off."""
    update = Analyzer().update
    begin = time.thread_time_ns()
    for data, arrival in packets:
        update(data, arrival)
    middle = time.thread_time_ns()
    for _data, _arrival in packets:
        pass
    return middle - begin - (time.thread_time_ns() - middle)


def in_runs(packets: Stream) -> float:
    """What keeping a packet for the run costs is not in it."""
    analyzer = Analyzer()
    analyzer.update(*packets[0])
    runs = [packets[first : first + RUN] for first in range(0, len(packets), RUN)]
    kept = [(bytearray(b"".join([data[RUN_PART] for data, _ in run])), [arrival for _, arrival in run]) for run in runs]
    begin = time.thread_time_ns()
    for parts, times in kept:
        analyzer.update_run(parts, times)
    return time.thread_time_ns() - begin


def main() -> None:
    packets = stream()
    ways: dict[str, Pass] = {"one by one": one_by_one, f"in runs of {RUN}": in_runs}
    for name, way in ways.items():
        best = min(way(packets) for _ in range(PASSES)) / PACKETS
        print(f"analyzer, in order, {name}: {best:.0f} ns per packet ({platform.python_version()}, best of {PASSES})")


if __name__ == "__main__":
    main()
