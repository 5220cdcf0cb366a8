"""Measurement: what the relay feels of those who look at it. Latency and CPU with thousands of sessions standing, while
nobody looks, while Prometheus scrapes every second, and while somebody has the status page open as well.

    python3 -m bench scrape                 or, with options:
    python3 -m bench.scrape [--standing 4000] [--calls 50] [--rate 5000] [--seconds 2] [--rounds 8]

Two proxies run side by side, one without and one with `--http`, and take turns in each round, so that all cases meet
the same machine. Everything is on loopback. The kernel fast path is off: what it relays does not feel the interpreter.
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

from bench.calls import FIRST_CYCLED, PORT_CALLEE, PORT_CALLER
from bench.control import Address
from bench.cpu import Cores, pin
from bench.load import LoadGenerator, LoadResult
from bench.network import Network
from bench.peers import OurProxy, RunningPeer
from bench.tables import Table, interval, number

WITHOUT, WITH = "without --http", "with --http, nobody looks"
LIST = "/sessions?limit=50"
# case: requests as (path, every so many seconds)
CASES: dict[str, tuple[tuple[str, float], ...]] = {
    WITHOUT: (),
    WITH: (),
    "scraped every second": (("/metrics", 1.0),),
    "scraped, and the page open": (("/metrics", 1.0), ("/status", 2.0), (LIST, 2.0)),
}
STAY = ("-T", "3600", "-d", "ERR")  # the sessions that stand have no media


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


class Side:
    """One of the two proxies, with its sessions."""

    def __init__(self, proxy: RunningPeer, generator: LoadGenerator, options: argparse.Namespace) -> None:
        for call in range(options.standing):
            proxy.open_call(FIRST_CYCLED + call, ("127.0.0.1", PORT_CALLER), ("127.0.0.1", PORT_CALLEE))
        self._pid = proxy.pid
        self._generator = generator
        self._options = options
        self._targets: list[tuple[Address, Address]] = [
            proxy.open_call(call, generator.caller, generator.callee) for call in range(options.calls)]

    def run(self) -> LoadResult:
        return self._generator.run(self._targets, self._options.rate, self._options.seconds, self._pid)


def main() -> None:
    options = parse_options()
    cores, network = Cores.choose(), Network()
    pin(cores.generator)
    generator = LoadGenerator(cores, network)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    runs: dict[str, list[LoadResult]] = {case: [] for case in CASES}
    lists: list[float] = []
    with OurProxy(sys.executable, STAY).running(network, cores.relay) as plain, \
            OurProxy(sys.executable, (*STAY, "--http", str(port))).running(network, cores.relay) as watched:
        without, watching = Side(plain, generator, options), Side(watched, generator, options)
        for turn in range(options.rounds):
            print(f"... round {turn + 1}", file=sys.stderr, flush=True)
            for case, requests in CASES.items():
                with looking(port, requests) as onlookers:
                    runs[case].append((without if case == WITHOUT else watching).run())
                lists += [took for onlooker in onlookers if onlooker.path == LIST for took in onlooker.took]
    generator.close()
    print(table(runs, options).text())
    print(f"A page of the list of sessions took {number([took * 1000 for took in lists], 0)} ms (median).")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m bench.scrape", description=__doc__)
    parser.add_argument("--standing", type=int, default=4000, help="sessions that stand (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=50, help="calls with media (default: %(default)s)")
    parser.add_argument("--rate", type=int, default=5000, help="packets/s (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.5, help="of each load (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=8, help="default: %(default)s")
    return parser.parse_args()


def table(runs: dict[str, list[LoadResult]], options: argparse.Namespace) -> Table:
    """Medians over the rounds."""
    made = Table(f"Relaying {options.rate:,} packets/s with {options.standing:,} more sessions, and being looked at",
                 ("case", "p50 us", "p99 us", "(min-max)", "max us", "lost %", "us CPU/packet"))
    for case, results in runs.items():
        made.add(case, number([r.p50 for r in results], 0), number([r.p99 for r in results], 0),
                 interval([r.p99 for r in results], 0), number([r.max for r in results], 0),
                 number([r.lost_percent for r in results], 2), number([r.process_us for r in results], 1))
    return made


if __name__ == "__main__":
    main()
