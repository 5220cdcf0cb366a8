"""The same random commands and packets for our daemon and for the C engine: the same answers.

The seed is printed, and RTPPROXY_SEED repeats a run. Differences on purpose are in `differences.py`.
"""

from __future__ import annotations

import os
import random
import sys
import unittest

from tests.interop.differences import is_skipped
from tests.interop.rig.commands import CommandMaker
from tests.interop.rig.traffic import Traffic
from tests.interop.rig.twins import Mismatch, Twins

PACKETS = int(os.environ.get("RTPPROXY_PACKETS", "6000"))
COMMANDS = int(os.environ.get("RTPPROXY_COMMANDS", "6000"))
BATCH = 150  # commands between two X: short enough to read when one fails


def seed() -> int:
    chosen = int(os.environ.get("RTPPROXY_SEED") or random.SystemRandom().randrange(1 << 32))
    sys.stderr.write(f"RTPPROXY_SEED={chosen}\n")
    return chosen


class CommandsTest(unittest.TestCase):
    def test_random_commands(self) -> None:
        make = CommandMaker(random.Random(seed()))
        problems: list[str] = []
        sent = 0
        with Twins() as twins:
            while sent < COMMANDS:
                twins.history.clear()
                try:
                    for _ in range(BATCH):
                        command = make()
                        if not is_skipped(command):
                            twins.command(command)
                            sent += 1
                except Mismatch as mismatch:
                    problems.append(f"{mismatch}\n    after " + "\n          ".join(self.relevant(twins.history)))
                    twins.restart()
                twins.command("X")
                if len(problems) > 9:
                    break
        if problems:
            self.fail(f"{len(problems)} differences\n" + "\n".join(problems))

    def relevant(self, history: list[str]) -> list[str]:
        """The commands that the last one's session has seen."""
        words = history[-1].split()
        call = words[1] if len(words) > 1 else ""
        return [repr(text) for text in history[:-1] if text.split()[1:2] == [call]]


class PacketsTest(unittest.TestCase):
    def test_random_packets(self) -> None:
        self.exchange(PACKETS, pauses=())

    def exchange(self, packets: int, pauses: tuple[float, ...]) -> None:
        problems: list[str] = []
        with Twins() as twins:
            traffic = Traffic(twins, random.Random(seed()))
            self.addCleanup(traffic.close)
            while traffic.packets < packets:
                try:
                    traffic.round()
                except Mismatch as mismatch:
                    problems.append(str(mismatch))
                    traffic.start_over()
                if len(problems) > 9:
                    break
        if problems:
            self.fail(f"{len(problems)} differences\n" + "\n".join(problems))
