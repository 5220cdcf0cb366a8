"""The load generators: they send what they say, and tell lost, misdirected and repeated packets apart."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import unittest

from bench.cpu import Cores
from bench.load import LoadGenerator, LoadResult, prepare
from bench.network import Network
from bench.search import highest

RATE, SIZE, SECONDS, CALLS, FIRST = 300, 172, 0.2, 3, 65530


def run(command: list[str], targets: list[tuple[str, int]], phones: list[socket.socket]) -> dict[str, float]:
    """Run a generator without warm-up; `targets` are where caller and callee of each call send."""
    descriptors = [phone.fileno() for phone in phones]
    lines = "".join(f"{a[0]} {a[1]} {b[0]} {b[1]} {FIRST}\n" for a, b in zip(targets[::2], targets[1::2]))
    arguments = [*descriptors, RATE, SIZE, 0, SECONDS, 0, -1]
    done = subprocess.run([*command, *map(str, arguments)], input=lines, text=True, stdout=subprocess.PIPE,
                          pass_fds=descriptors, check=True)
    counts: dict[str, float] = json.loads(done.stdout)
    return counts


class GeneratorTest(unittest.TestCase):
    """Both generators, in turn."""

    def setUp(self) -> None:
        self.commands = [[sys.executable, "-m", "bench.loadgen"]]
        if shutil.which("cc"):
            self.commands.append(prepare()[0])
        self.phones = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for phone in self.phones:
            self.addCleanup(phone.close)
            phone.bind(("127.0.0.1", 0))
        self.caller, self.callee = (phone.getsockname() for phone in self.phones)

    def expect(self, targets: list[tuple[str, int]], **expected: int) -> None:
        for command in self.commands:
            with self.subTest(command=command):
                counts = run(command, targets * CALLS, self.phones)
                self.assertEqual({name: counts[name] for name in expected}, expected)

    def test_every_packet_arrives_over_plain_loopback(self) -> None:
        self.expect([self.callee, self.caller], sent=60, received=60, arrived=60, fewest=10, per_stream=10, strays=0,
                    duplicates=0, refused=0)

    def test_a_packet_that_does_not_come_back_is_lost(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hole:
            hole.bind(("127.0.0.1", 0))
            self.expect([hole.getsockname(), self.caller], sent=60, received=30, fewest=0, per_stream=10)

    def test_a_packet_on_the_wrong_side_is_a_stray(self) -> None:
        self.expect([self.caller, self.caller], sent=60, received=30, strays=30)


class LoadResultTest(unittest.TestCase):
    def test_derived_figures(self) -> None:
        result = LoadResult(sent=1000, received=900, arrived=950, duplicates=0, strays=0, refused=0, fewest=80,
                            per_stream=100, p50=1.0, p99=2.0, max=3.0, send_delay=0.0, relay_cpu=0.019,
                            core_busy=0.038, rate=500.0, has_process=True, steered=True, bystanders=0.1)
        self.assertAlmostEqual(result.lost_percent, 10.0)
        self.assertAlmostEqual(result.worst_lost_percent, 20.0)
        self.assertAlmostEqual(result.process_us or 0, 20.0)
        self.assertAlmostEqual(result.core_us or 0, 40.0)
        self.assertTrue(result.disturbed)
        self.assertFalse(result.generator_limited)

    def test_whole_run_over_loopback(self) -> None:
        load = LoadGenerator(Cores(None, None), Network())
        self.addCleanup(load.close)
        result = load.run([(load.callee, load.caller)] * 2, 200, 0.2)
        self.assertEqual((result.sent, result.received, result.process_us, result.core_us), (40, 40, None, None))


class SearchTest(unittest.TestCase):
    def test_highest(self) -> None:
        steps = list(range(100))
        for limit in (-1, 0, 1, 37, 98, 99):
            for start in (0, 50, 99):
                with self.subTest(limit=limit, start=start):
                    found = highest(lambda step, limit=limit: step <= limit, steps, start)
                    self.assertEqual(found, max(limit, 0))
