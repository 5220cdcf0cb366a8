"""The thread that ends dead sessions. It wakes at each full second of the clock: the tests wait for one such second."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
import unittest

from rtpp.session.garbage import FullCollections
from rtpp.session.notify import Notification, Notifier, Target
from rtpp.session.reaper import SESSIONS_PER_TURN, Reaper
from tests.session.harness import PATIENCE, SessionTest


class Reaping(SessionTest):
    def setUp(self) -> None:
        super().setUp()
        self.start = time.monotonic()  # the reaper has no other clock; a machine may have been up for a minute only
        quiet = self.quiet()
        quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)
        self.notifier = Notifier()
        self.notifier.start()
        self.addCleanup(self.notifier.stop)

    def test_ends_the_dead_and_tells(self) -> None:
        dead = SESSIONS_PER_TURN + 10  # more than are ended at one go
        table = self.make_table(pairs=dead + 20, ttl=3, setup_ttl=3)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "target")
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen()
        listener.settimeout(PATIENCE)
        now = time.monotonic()
        ended: list[int] = []
        table.on_empty = lambda: ended.append(1)
        for number in range(dead):
            session = self.make_session(table, f"dead {number}", now=now - 10)
            if number % 2:
                session.notification = Notification(Target(path=path), b"dead %03d\n" % number)
        alive = [self.make_session(table, f"alive {number}", now=now) for number in range(3)]
        for session in alive:
            session.notification = Notification(Target(path=path), b"never sent\n")
        by_command = self.make_session(table, "deleted", now=now - 10)
        by_command.notification = Notification(Target(path=path), b"deleted\n")
        with table.lock:
            table.end(by_command, now)
        reaper = Reaper(table, self.notifier, FullCollections())
        reaper.start()
        try:
            self.wait_for(lambda: self.counters(table).get("nsess_timeout") == dead, "the dead sessions' end")
            connection = listener.accept()[0]
            self.addCleanup(connection.close)
            connection.settimeout(PATIENCE)
            told = b""
            while told.count(b"\n") < dead // 2:
                told += connection.recv(4096)
        finally:
            before = time.monotonic()
            reaper.stop()
            self.assertLess(time.monotonic() - before, 0.5)
        self.assertEqual(sorted(told.splitlines()), [b"dead %03d" % number for number in range(1, dead, 2)])
        with table.lock:
            self.assertEqual(list(table), alive)
        self.assertEqual(ended, [])
        self.assertNotIn("reaper", [thread.name for thread in threading.enumerate()])

    def test_measures_rates(self) -> None:
        table = self.make_table()
        reaper = Reaper(table, self.notifier, FullCollections())

        rates: list[float] = []

        def is_measured() -> bool:
            with table.lock:
                table.stats.npkts_rcvd += 1
                rates.append(table.stats.pps_in)
            return rates[-1] > 0

        reaper.start()
        try:
            self.wait_for(is_measured, "a rate of packets")
        finally:
            reaper.stop()
        self.assertEqual(rates[0], 0.0)
        self.assertGreater(rates[-1], 0.0)

    def test_stop_before_the_first_tick(self) -> None:
        table = self.make_table()
        session = self.make_session(table, now=time.monotonic())
        reaper = Reaper(table, self.notifier, FullCollections())
        reaper.start()
        before = time.monotonic()
        reaper.stop()
        self.assertLess(time.monotonic() - before, 0.5)
        with table.lock:
            self.assertEqual(list(table), [session])


if __name__ == "__main__":
    unittest.main()
