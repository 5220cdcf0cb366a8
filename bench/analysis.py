"""What analysis adds to the cost of a relayed packet: `python3 -m bench analysis`. With it and without, in turns."""

from __future__ import annotations

import sys
from pathlib import Path

from bench import network
from bench.cpu import Cores, keep_awake, pin
from bench.load import LoadGenerator, LoadResult
from bench.peers import OurProxy
from bench.tables import Table, interval, number, ratio, undisturbed
from bench.warm_up import warm_up

CALLS, RATE = 200, 20_000  # packets/s
ROUNDS, SECONDS = 5, 1.0
WITHOUT = str(Path(__file__).with_name("unanalysed.py"))
VARIANTS = {"without": ("--dso", WITHOUT), "with": ()}


def measure(load: LoadGenerator, net: network.Network, cores: Cores, options: tuple[str, ...]) -> LoadResult:
    proxy = OurProxy(sys.executable, options)
    with proxy.running(net, cores.relay) as running:
        targets = [running.open_call(number, load.caller, load.callee) for number in range(CALLS)]
        warm_up(proxy, running, load, targets, RATE)
        return load.run(targets, RATE, SECONDS, running.pid)


def main() -> None:
    cores = Cores.choose()
    pin(cores.generator)
    awake = keep_awake()
    net = network.choose(cores.relay)
    load = LoadGenerator(cores, net)
    runs: dict[str, list[LoadResult]] = {name: [] for name in VARIANTS}
    for _ in range(ROUNDS):
        for name, options in VARIANTS.items():
            runs[name].append(measure(load, net, cores, options))
    columns = ("analysis", "us CPU/packet", "(min-max)", "x without", "lost %")
    table = Table(f"Analysis, {CALLS} calls, {RATE:,} packets/s", columns)
    costs = {name: undisturbed(results, lambda result: result.process_us) for name, results in runs.items()}
    for name, cost in costs.items():
        table.add(name, number(cost, 1), interval(cost, 1), ratio(cost, costs["without"], 2),
                  number([result.lost_percent for result in runs[name]], 2))
    print(table.text())
    del awake


if __name__ == "__main__":
    main()
