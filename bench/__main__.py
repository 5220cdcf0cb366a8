"""`python3 -m bench`: measure ours and its peers in one run, print tables, with --write update bench/README."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bench import calls, prompts, readme, recording, relaying
from bench.cpu import Cores, pin
from bench.load import LoadGenerator, LoadResult
from bench.peers import EngineWheel, Peer, all_peers
from bench.tables import Table

PARTS = ["relay", "calls", "recording", "prompts"]
AT_ONCE = 200  # calls that are recorded, or played to


def main() -> None:
    options = parse_options()
    cores = Cores.choose()
    pin(cores.generator)
    generator = LoadGenerator(cores)
    candidates = all_peers(options.python or [sys.executable, "pypy3"])
    peers = [peer for peer in candidates if not peer.missing]
    absent = [peer.missing for peer in candidates if peer.missing]
    conditions = [
        readme.machine(),
        "relay pinned to one core, generator to another" if cores.relay is not None else "one core: nothing pinned",
        f"load generator: {generator.description}",
        f"medians of {options.rounds} rounds, {options.seconds:g} s of load each; the peers take turns in each round",
        *(f"not compared: {reason}" for reason in absent),
    ]
    print("\n".join(conditions), end="\n\n")
    tables: list[Table] = []
    if "relay" in options.parts:
        tables += [measure_relaying(peers, generator, cores, count, options) for count in options.calls]
    if "calls" in options.parts:
        tables += measure_calls(peers, cores, options)
    python = options.python[0] if options.python else sys.executable
    if "recording" in options.parts:
        tables.append(measure_recording(python, generator, cores, options))
    if "prompts" in options.parts:
        tables.append(measure_prompts(python, cores, options))
    if options.write:
        readme.write(tables, conditions)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="|".join(PARTS), help="what to measure (default: all)")
    parser.add_argument("--write", action="store_true", help="put the figures into bench/README")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that all works (under a minute)")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=4.0, help="of load in each round (default: %(default)s)")
    parser.add_argument("--calls", type=lambda text: [int(count) for count in text.split(",")], default=[100, 200, 500],
                        help="numbers of calls to relay, with commas (default: 100,200,500)")
    parser.add_argument("--standing", type=int, default=4000, help="sessions that stand (default: %(default)s)")
    parser.add_argument("--cycles", type=int, default=1000, help="calls set up and taken down (default: %(default)s)")
    parser.add_argument("--python", action="append", metavar="PYTHON", help="run ours on this interpreter; may be "
                        "repeated (default: the one that runs this, and pypy3)")
    options = parser.parse_args()
    options.parts = options.parts or PARTS
    if not set(options.parts) <= set(PARTS):
        parser.error(f"parts are: {' '.join(PARTS)}")
    if options.quick:
        options.rounds, options.seconds, options.standing, options.cycles = 1, 1.0, 500, 200
    options.idle_seconds = min(options.seconds, 3.0)
    return options


def reference_of(peers: Sequence[Peer]) -> Peer:
    """What ratios are taken against; without the C engine nobody has ratios."""
    return next((peer for peer in peers if isinstance(peer, EngineWheel)), Peer())


def measure_relaying(peers: Sequence[Peer], generator: LoadGenerator, cores: Cores, count: int,
                     options: argparse.Namespace) -> Table:
    runs: dict[Peer, list[LoadResult]] = {peer: [] for peer in peers}
    for turn in range(options.rounds):
        progress(f"{count} calls, round {turn + 1}")
        for peer, result in relaying.measure(peers, generator, cores, count, options.seconds):
            runs[peer].append(result)
    table = relaying.table(count, runs, reference_of(peers))
    print(table.text())
    return table


def measure_calls(peers: Sequence[Peer], cores: Cores, options: argparse.Namespace) -> list[Table]:
    plan = calls.Plan(options.standing, options.cycles, options.idle_seconds)
    runs: dict[Peer, list[calls.CallsResult]] = {}
    for turn in range(options.rounds):
        progress(f"set-up, round {turn + 1}")
        for peer, result in calls.measure(peers, cores, plan):
            runs.setdefault(peer, []).append(result)
    tables = calls.tables(runs, reference_of(peers), plan)
    for table in tables:
        print(table.text())
    return tables


def measure_recording(python: str, generator: LoadGenerator, cores: Cores, options: argparse.Namespace) -> Table:
    runs: recording.Runs = {}
    for turn in range(options.rounds):
        progress(f"recording, round {turn + 1}")
        for name, result in recording.measure(python, generator, cores, AT_ONCE, options.seconds):
            runs.setdefault(name, []).append(result)
    table = recording.table(AT_ONCE, runs)
    print(table.text())
    return table


def measure_prompts(python: str, cores: Cores, options: argparse.Namespace) -> Table:
    results = []
    for turn in range(options.rounds):
        progress(f"prompts, round {turn + 1}")
        results.append(prompts.measure(python, cores, AT_ONCE, options.seconds))
    table = prompts.table(AT_ONCE, results)
    print(table.text())
    return table


def progress(text: str) -> None:
    print(f"... {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
