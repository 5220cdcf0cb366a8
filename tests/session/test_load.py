"""The load figure, its thresholds, and that the relay loop measures what it does."""

from __future__ import annotations

import time
import unittest

from rtpp.session.load import LoadMeter
from tests.control.conversation import ConversationCase
from tests.session.harness import Party, SessionTest, describe, rtp


class MeterTest(unittest.TestCase):
    def setUp(self) -> None:
        self.meter = LoadMeter()
        self.now = self.busy = 100.0
        self.meter.update(self.busy, self.now)

    def pass_time(self, share: float, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.now += 1
            self.busy += share
            self.meter.update(self.busy, self.now)

    def test_follows_the_share(self) -> None:
        self.assertEqual(self.meter.average, 0.0)
        self.pass_time(0.5, 5)
        self.assertAlmostEqual(self.meter.average, 0.5 * 0.632, places=3)
        self.pass_time(0.5, 60)
        self.assertAlmostEqual(self.meter.average, 0.5, places=4)
        self.pass_time(0.0, 60)
        self.assertAlmostEqual(self.meter.average, 0.0, places=4)

    def test_one_bad_second_is_no_overload(self) -> None:
        self.pass_time(0.5, 60)
        self.pass_time(1.0)
        self.assertFalse(self.meter.is_over)

    def test_thresholds(self) -> None:
        self.pass_time(0.89, 60)
        self.assertFalse(self.meter.is_over)
        with self.assertLogs("rtpproxy", "WARN") as caught:
            self.pass_time(0.91, 60)
            self.assertTrue(self.meter.is_over)
            self.pass_time(0.86, 60)
            self.assertTrue(self.meter.is_over)
            self.pass_time(0.84, 60)
            self.assertFalse(self.meter.is_over)
            self.pass_time(0.89, 60)
            self.assertFalse(self.meter.is_over)
        self.assertEqual(len(caught.output), 2)

    def test_odd_times(self) -> None:
        self.meter.update(self.busy, self.now)
        self.meter.update(self.busy + 50, self.now + 1)  # a long round that began earlier
        self.assertLessEqual(self.meter.average, 1.0)
        self.meter.update(0.0, self.now + 2)
        self.assertGreaterEqual(self.meter.average, 0.0)


class RelayTest(SessionTest):
    def test_the_loop_counts_its_busy_time(self) -> None:
        table = self.make_table()
        self.start_relay(table)
        session = self.make_call(table)
        caller, callee = Party(self), Party(self)
        with table.lock:
            describe(session.caller, caller)
            describe(session.callee, callee)
        began, before = time.monotonic(), table.relay.busy
        for number in range(20):
            caller.send(rtp(number), session.caller.rtp)
            callee.receive()
        self.wait_for(lambda: table.relay.busy > before, "some busy time")
        self.assertLess(table.relay.busy - before, time.monotonic() - began, "not the time it waited for packets")


class CommandTest(ConversationCase):
    def overload(self, options: str, share: float = 0.95) -> str:
        """Reply to a U that would create a session under load."""
        conversation = self.talk(f"-l 127.0.0.1 {options}")
        conversation.say("U old ... f")
        for second in range(60):
            conversation.table.load.update(second * share, second)
        self.check_replies(conversation, """
            U old ... f t -> 41000 127.0.0.1
            L old ... f t -> 41002 127.0.0.1
        """)
        load = conversation.say("Il").rpartition("\naverage load: ")[2]
        self.assertRegex(load, r"^0\.[0-9]{6}$")
        self.assertAlmostEqual(float(load), share, places=3)
        return conversation.say("U new ... f")

    def test_only_creation_is_refused(self) -> None:
        self.assertEqual(self.overload("--overload_prot"), "E98")

    def test_not_without_the_option(self) -> None:
        self.assertEqual(self.overload(""), "41004 127.0.0.1")

    def test_not_below_the_threshold(self) -> None:
        self.assertEqual(self.overload("--overload_prot", 0.80), "41004 127.0.0.1")


if __name__ == "__main__":
    unittest.main()
