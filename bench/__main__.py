"""`python3 -m bench`: measure ours and its peers in one run, print tables, with --write update bench/README.

Other measurements run when named, each by itself: they are about our own parts.
"""

from __future__ import annotations

import argparse
import resource
import runpy
import sys
import time

from bench import calls, network, prompts, readme, recording, relaying
from bench.cpu import Cores, keep_awake, pin
from bench.load import LoadGenerator
from bench.peers import DESCRIPTORS, EngineWheel, FastPath, OurProxy, Peer
from bench.rtpengine import RtpEngine
from bench.tables import Table

COMPARED = ("relay", "calls", "recording", "prompts")
AT_ONCE = 200  # calls that are recorded, or played to
OWN = (  # modules of this package with a main()
    "analysis",
    "analyzer",
    "codecs",
    "extracting",
    "scrape",
)


def main() -> None:
    options = parse_options()
    for name in options.parts:
        if name in OWN:
            sys.argv = [name]
            runpy.run_module(f"bench.{name}", run_name="__main__")
    if set(options.parts) & set(COMPARED):
        Comparison(options).run()


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of: {' '.join((*COMPARED, *OWN))} (default: "
                        f"{' '.join(COMPARED)})")
    parser.add_argument("--write", action="store_true", help="put the figures into bench/README and bench/plots/")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that all works (two minutes)")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=0.8, help="of each load (default: %(default)s)")
    parser.add_argument("--calls", type=numbers, default="10,100,500,1000,2000", help="to relay (default: %(default)s)")
    parser.add_argument("--rates", type=numbers, default="20000,50000", help="packets/s (default: %(default)s)")
    parser.add_argument("--search", type=numbers, default="100,1000", metavar="CALLS",
                        help="look for the highest rate with so many calls (default: %(default)s)")
    parser.add_argument("--standing", type=numbers, default="0,1000,2000,4000", metavar="SESSIONS",
                        help="while calls are set up and taken down (default: %(default)s)")
    parser.add_argument("--cycles", type=int, default=400, help="calls set up and taken down (default: %(default)s)")
    parser.add_argument("--python", action="append", metavar="PYTHON", help="run ours on this interpreter; may be "
                        "repeated (default: the one that runs this, and pypy3)")
    options = parser.parse_args()
    options.parts = options.parts or COMPARED
    if not set(options.parts) <= {*COMPARED, *OWN}:
        parser.error(f"parts are: {' '.join((*COMPARED, *OWN))}")
    if options.quick:
        options.rounds, options.seconds, options.calls, options.search = 1, 0.4, [10, 500], [500]
        options.standing, options.cycles = [0, 1000], 100
    return options


def numbers(text: str) -> list[int]:
    return sorted(map(int, text.split(",")))


class Comparison:
    """All peers that can run here, in turn, round by round."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.cores = Cores.choose()
        pin(self.cores.generator)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS, most), most))
        self._awake = keep_awake()
        self.network = network.choose(self.cores.relay)
        self.load = LoadGenerator(self.cores, self.network)
        pythons = options.python or [sys.executable, "pypy3"]
        self._python = pythons[0]
        self.reference: Peer = EngineWheel()  # what ratios are taken against
        candidates = [*map(OurProxy, pythons), FastPath(pythons[0], self.network), self.reference, RtpEngine(), Peer()]
        absent = {peer.name: peer.missing or self._failure(peer) for peer in candidates}
        self.peers = [peer for peer in candidates if not absent[peer.name]]
        self.conditions = [
            readme.machine(),
            "idle cores poll instead of sleeping" if self._awake is not None else "idle cores may sleep",
            self.network.description,
            "relay pinned to one core, generator to another" if self.cores.relay is not None else "one core",
            f"load generator: {self.load.description}",
            f"medians of {options.rounds} rounds, loads of {options.seconds:g} s; the peers take turns in each round",
            *(f"not compared: {name}: {reason}" for name, reason in absent.items() if reason),
        ]

    def _failure(self, peer: Peer) -> str:
        """Why it does not start, empty if it does."""
        try:
            with peer.running(self.network, self.cores.relay):
                return ""
        except (RuntimeError, OSError) as error:
            return str(error)

    def run(self) -> None:
        start = time.monotonic()
        print("\n".join(self.conditions), end="\n\n")
        tables: list[Table] = []
        charts: dict[str, str] = {}
        if "relay" in self.options.parts:
            self._relay(tables, charts)
        if "calls" in self.options.parts:
            self._calls(tables, charts)
        if "recording" in self.options.parts:
            tables.append(self._recording())
        if "prompts" in self.options.parts:
            tables.append(self._prompts())
        print("\n".join(table.text() for table in tables))
        minutes = (time.monotonic() - start) / 60
        if self.options.write:
            readme.write(tables, charts, [*self.conditions, f"the run took {minutes:.1f} minutes"])
        progress(f"{minutes:.1f} minutes")

    def _relay(self, tables: list[Table], charts: dict[str, str]) -> None:
        options = self.options
        plan = relaying.Plan(options.calls, options.rates, options.search, options.seconds, options.seconds * 0.75)
        runs: relaying.Runs = {peer: [] for peer in self.peers}
        for turn in range(options.rounds):
            for peer, rounds in runs.items():
                progress(f"relaying, round {turn + 1}, {peer.name}")
                before = rounds[-1] if rounds else None
                rounds.append(relaying.Turn(peer, self.load, self.network, self.cores, plan, before).measure())
        tables += relaying.tables(runs, self.reference, plan)
        charts.update(relaying.charts(runs, plan))

    def _calls(self, tables: list[Table], charts: dict[str, str]) -> None:
        options = self.options
        plan = calls.Plan(options.standing, options.cycles, min(2.0, 4 * options.seconds))
        runs: calls.Runs = {peer: [] for peer in self.peers if peer.sets_up}
        for turn in range(options.rounds):
            for peer, results in runs.items():
                progress(f"calls, round {turn + 1}, {peer.name}")
                results.append(calls.measure(peer, self.network, self.cores, plan))
        tables += calls.tables(runs, self.reference, plan)
        charts.update(calls.charts(runs, plan))

    def _recording(self) -> Table:
        runs: recording.Runs = {}
        for turn in range(self.options.rounds):
            progress(f"recording, round {turn + 1}")
            for name, result in recording.measure(self._python, self.load, self.network, self.cores, AT_ONCE,
                                                  2 * self.options.seconds):
                runs.setdefault(name, []).append(result)
        return recording.table(AT_ONCE, runs)

    def _prompts(self) -> Table:
        results = []
        for turn in range(self.options.rounds):
            progress(f"prompts, round {turn + 1}")
            results.append(prompts.measure(self._python, self.cores, AT_ONCE, 2 * self.options.seconds))
        return prompts.table(AT_ONCE, results)


def progress(text: str) -> None:
    print(f"... {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
