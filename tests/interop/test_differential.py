"""The same random commands and packets for our daemon and for the C engine: the same answers.

The seed is printed, and RTPPROXY_SEED repeats a run. Differences on purpose are in `differences.py`.
"""

from __future__ import annotations

import os
import random
import sys
import time
import unittest

from tests.interop.differences import is_skipped
from tests.interop.rig.commands import NOTIFY, CommandMaker
from tests.interop.rig.proxy import EVERYWHERE
from tests.interop.rig.traffic import Traffic
from tests.interop.rig.twins import Mismatch, Twins

PACKETS = int(os.environ.get("RTPPROXY_PACKETS", "9000"))
COMMANDS = int(os.environ.get("RTPPROXY_COMMANDS", "12000"))
WORST = 10  # differences after which a test gives up
BATCH = 150  # commands between two X: short enough to read when one fails


SEED = int(os.environ.get("RTPPROXY_SEED") or random.SystemRandom().randrange(1 << 32))


def setUpModule() -> None:
    print(f"differential test: RTPPROXY_SEED={SEED}", file=sys.stderr)


class CommandsTest(unittest.TestCase):
    def test_random_commands(self) -> None:
        make = CommandMaker(random.Random(SEED))
        problems: list[str] = []
        sent = 0
        with Twins() as twins:
            while sent < COMMANDS and len(problems) < WORST:
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
        if problems:
            self.fail(f"{len(problems)} differences\n" + "\n".join(problems))

    def relevant(self, history: list[str]) -> list[str]:
        """The commands that the last one's session has seen."""
        words = history[-1].split()
        call = words[1] if len(words) > 1 else ""
        return [repr(text) for text in history[:-1] if text.split()[1:2] == [call]]


class PacketsTest(unittest.TestCase):
    def test_random_packets(self) -> None:
        self.check_exchange(PACKETS)

    def test_sequence_numbers_that_wrap(self) -> None:
        self.check_exchange(PACKETS // 3, wraps=True)

    def test_after_the_update_window(self) -> None:
        """Ten seconds after a command described a party, its leg takes fewer packets for a new source."""
        self.check_exchange(PACKETS // 4, pause=10.3)

    def check_exchange(self, packets: int, wraps: bool = False, pause: float = 0.0) -> None:
        """`packets` to each side; with a pause after a third and after two thirds of them."""
        problems: list[str] = []
        with Twins() as twins:
            traffic = Traffic(twins, random.Random(SEED), wraps)
            self.addCleanup(traffic.close)
            for part in (1, 2, 3):
                while traffic.packets < packets * part / 3 and len(problems) < WORST:
                    try:
                        traffic.round()
                    except Mismatch as mismatch:
                        problems.append(str(mismatch))
                        traffic.start_over()
                time.sleep(pause if part < 3 else 0)
            moves = int(twins.poll("ours", "G nmoves_fastpath"))
            if "--fastpath on" in " ".join(EVERYWHERE):
                self.assertGreater(moves, packets / 100)
        if problems:
            self.fail(f"{len(problems)} differences\n" + "\n".join(problems))


class NotificationsTest(unittest.TestCase):
    """Sessions that expire are reported by both, with the same text, decoded, to the target of their last U."""

    def test_expired_sessions(self) -> None:
        source = random.Random(SEED)
        with Twins() as twins:
            for number in range(60):
                self.make(twins, source, f"n{number}")
            twins.wait_until_idle(6.0)
            time.sleep(0.3)
            self.assertEqual(*twins.notifications())
            twins.command("G nsess_created nsess_destroyed nsess_timeout nsess_complete nsess_nortp nsess_nortcp")

    def make(self, twins: Twins, source: random.Random, call: str) -> None:
        tag = source.choice(["plain", "a%20b+c", "%25%41%0A", "x%00y", "caf%E9", "%7e;=&"]) + f".{call}"
        target = source.choice([NOTIFY] * 5 + ["unknown", ""])
        words = f" {target} {tag}" if target else ""
        ttl = f" && S ttl={source.choice([1, 2])}"
        twins.command(f"U {call} 127.0.0.1 4000 f{words}{ttl}")
        if source.random() < 0.5:
            twins.command(f"L {call} 127.0.0.1 4000 f t{ttl}")
        if source.random() < 0.2:
            twins.command(f"U {call} 127.0.0.1 4000 f{source.choice([words, '', ' ' + NOTIFY + ' other'])}{ttl}")
        if source.random() < 0.1:
            twins.command(f"D {call} f")
