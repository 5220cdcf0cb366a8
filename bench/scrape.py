"""Measurement: what the relay feels of those who look at it. Latency and CPU with thousands of sessions standing, while
nobody looks, while Prometheus scrapes every second, and while somebody has the status page open as well.

    python3 -m bench.scrape [--standing 4000] [--calls 50] [--seconds 5] [--rounds 3]

Each round starts one proxy per case, so that the cases meet the same machine. The kernel fast path is off: what it
relays does not feel the interpreter at all.
"""

from __future__ import annotations

import argparse
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection

from bench.calls import CALLEE, CALLER, FIRST_CYCLED
from bench.cpu import Cores, pin
from bench.load import LoadGenerator, LoadResult
from bench.peers import OurProxy
from bench.tables import Table, interval, number

# case: (options needed, requests as (path, every so many seconds))
CASES: dict[str, tuple[bool, tuple[tuple[str, float], ...]]] = {
    "without --http": (False, ()),
    "with --http, nobody looks": (True, ()),
    "scraped every second": (True, (("/metrics", 1.0),)),
    "scraped, and the page open": (True, (("/metrics", 1.0), ("/status", 2.0), ("/sessions?limit=50", 2.0))),
}


class Onlooker:
    """Asks for one path again and again, on one connection."""

    def __init__(self, port: int, path: str, every: float) -> None:
        self._port, self.path, self._every = port, path, every
        self.took: list[float] = []  # seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stop.wait(self._every):
            begun = time.monotonic()
            connection.request("GET", self.path)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{self.path}: {answer.status}")
            self.took.append(time.monotonic() - begun)
        connection.close()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


@contextmanager
def looking(port: int, requests: Sequence[tuple[str, float]]) -> Iterator[list[Onlooker]]:
    onlookers = [Onlooker(port, path, every) for path, every in requests]
    try:
        yield onlookers
    finally:
        for onlooker in onlookers:
            onlooker.stop()


def measure(generator: LoadGenerator, cores: Cores, case: str,
            options: argparse.Namespace) -> tuple[LoadResult, list[float]]:
    """One run, and how long the list of sessions took; nothing if it was not asked for."""
    serves, requests = CASES[case]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    extra = ("--fastpath", "off", "-d", "ERR", *(("--http", str(port)) if serves else ()))
    with OurProxy(sys.executable, extra).running(cores.relay) as proxy:
        for call in range(options.standing):
            proxy.open_call(FIRST_CYCLED + call, CALLER, CALLEE)
        with looking(port, requests) as onlookers:
            result = generator.run(proxy, options.calls, options.seconds)
        return result, [took for onlooker in onlookers if "sessions" in onlooker.path for took in onlooker.took]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m bench.scrape", description=__doc__)
    parser.add_argument("--standing", type=int, default=4000, help="sessions that stand (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=50, help="calls with media (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of load (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    options = parser.parse_args()
    cores = Cores.choose()
    pin(cores.generator)
    generator = LoadGenerator(cores)
    results: dict[str, list[LoadResult]] = {case: [] for case in CASES}
    lists: dict[str, list[float]] = {case: [] for case in CASES}
    for turn in range(options.rounds):
        for case in CASES:
            print(f"... round {turn + 1}, {case}", file=sys.stderr, flush=True)
            result, took = measure(generator, cores, case, options)
            results[case].append(result)
            lists[case] += took
    table = Table(f"Relaying {options.calls} calls with {options.standing:,} more standing, and being looked at",
                  ("case", "p50 us", "p99 us", "(min-max)", "max us", "lost %", "us CPU/packet", "list of sessions ms"))
    for case, runs in results.items():
        table.add(case, number([r.p50 for r in runs], 0), number([r.p99 for r in runs], 0),
                  interval([r.p99 for r in runs], 0), number([r.max for r in runs], 0),
                  number([r.lost_percent for r in runs], 2), number([r.cpu_per_packet for r in runs], 1),
                  number([took * 1000 for took in lists[case]], 0) if lists[case] else "-")
    print(table.text())


if __name__ == "__main__":
    main()
