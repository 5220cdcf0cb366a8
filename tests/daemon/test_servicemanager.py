"""READY, STATUS, WATCHDOG and STOPPING, as a service manager reads them."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
import unittest
from typing import Optional

from rtpp.servicemanager import ServiceManager, notify_address, watchdog_seconds
from rtpp.session.table import SessionTable
from rtpp.settings import Settings
from rtpp.stats import Stats
from tests.daemon.program import ENVIRONMENT, PATIENCE, Lines, Program, ProgramCase


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, name: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.socket.settimeout(PATIENCE)
        self.environment = {**ENVIRONMENT, "NOTIFY_SOCKET": name}

    def next(self) -> list[str]:
        return self.socket.recv(4096).decode().split("\n")

    def until(self, line: str) -> list[str]:
        """All lines up to and with this one."""
        seen: list[str] = []
        while line not in seen:
            seen += self.next()
        return seen


class EnvironmentTest(unittest.TestCase):
    def test_addresses(self) -> None:
        for name, address in (("", ""), ("/run/notify", "/run/notify"), ("@abstract", "\0abstract"),
                              ("vsock:2:1234", ""), ("relative", "")):
            with self.subTest(name):
                self.assertEqual(notify_address({"NOTIFY_SOCKET": name}), address)
        self.assertEqual(notify_address({}), "")

    def test_watchdog(self) -> None:
        for text, pid, seconds in (("2000000", None, 2.0), ("2000000", str(os.getpid()), 2.0), ("2000000", "1", 0.0),
                                   ("", None, 0.0), ("-1", None, 0.0), ("soon", None, 0.0), ("²", None, 0.0)):
            with self.subTest(text=text, pid=pid):
                environment = {"WATCHDOG_USEC": text, **({} if pid is None else {"WATCHDOG_PID": pid})}
                self.assertEqual(watchdog_seconds(environment), seconds)
        self.assertEqual(watchdog_seconds({}), 0.0)


@unittest.skipUnless(sys.platform == "linux", "service managers with abstract sockets are Linux's")
class ProgramTest(ProgramCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def manager(self, name: str) -> Manager:
        manager = Manager(name)
        self.addCleanup(manager.socket.close)
        return manager

    def client(self, program: Program) -> Lines:
        client = Lines(f"{program.directory}/control")
        self.addCleanup(client.close)
        return client

    def test_life(self) -> None:
        for name in (f"{self.directory}/notify", f"@rtpproxy-test-{os.getpid()}"):
            with self.subTest(name):
                manager = self.manager(name)
                manager.environment["WATCHDOG_USEC"] = "200000"
                program = self.program("-l 127.0.0.1 -s cunix:{dir}/control", env=manager.environment)
                self.assertEqual(manager.next(), ["READY=1", f"MAINPID={program.pid}",
                                                  "STATUS=0 sessions, 0 streams"])
                manager.until("WATCHDOG=1")
                client = self.client(program)
                client.ask("U a 127.0.0.1 4000 f")
                manager.until("STATUS=1 session, 2 streams")
                manager.until("WATCHDOG=1")
                program.send_signal(1)
                manager.until("STATUS=1 session, 2 streams, draining")
                program.send_signal(15)
                self.assertIn("STATUS=ending", manager.until("STOPPING=1"))
                self.assertEqual(program.status(), 0)

    def test_a_manager_that_went_away(self) -> None:
        manager = self.manager(f"{self.directory}/gone")
        manager.environment["WATCHDOG_USEC"] = "20000"
        program = self.program("-l 127.0.0.1 -s cunix:{dir}/control", env=manager.environment)
        manager.until("WATCHDOG=1")
        manager.socket.close()
        self.assertEqual(self.client(program).ask("V"), "20040107")
        self.assertEqual(program.stop(), 0)

    def test_without_a_manager(self) -> None:
        program = self.program("-l 127.0.0.1 -s cunix:{dir}/control")
        names = set()
        for task in os.listdir(f"/proc/{program.pid}/task"):
            with open(f"/proc/{program.pid}/task/{task}/comm", encoding="ascii") as file:
                names.add(file.read().strip())
        self.assertNotIn("service manager", names)
        self.assertEqual(program.stop(), 0)


@unittest.skipUnless(sys.platform == "linux", "service managers with abstract sockets are Linux's")
class WatchdogTest(unittest.TestCase):
    """The real table and relay loop."""

    def setUp(self) -> None:
        name = f"@rtpproxy-watchdog-{os.getpid()}"
        self.manager = Manager(name)
        self.addCleanup(self.manager.socket.close)
        self.table = SessionTable(Settings(), Stats(0.0))
        self.released = threading.Event()
        self.subject = ServiceManager({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "40000"}, self.table)
        self.table.relay.start()
        self.addCleanup(self.table.relay.stop)
        self.addCleanup(self.subject.stopping)
        self.addCleanup(self.released.set)
        self.subject.ready()
        self.manager.until("WATCHDOG=1")

    def hang(self, now: float) -> Optional[float]:
        self.released.wait(PATIENCE)
        return None

    def assert_silent(self) -> None:
        """What was on its way may still come, and then nothing."""
        self.manager.socket.settimeout(0.3)  # several beats
        with self.assertRaises(TimeoutError if sys.version_info >= (3, 10) else socket.timeout):
            for _ in range(3):
                self.manager.next()
        self.manager.socket.settimeout(PATIENCE)

    def test_silence_while_the_relay_hangs(self) -> None:
        with self.table.lock:
            self.table.relay.schedule(0.0, self.hang)
        self.assert_silent()
        self.released.set()
        self.manager.until("WATCHDOG=1")

    def test_silence_while_the_lock_is_kept(self) -> None:
        with self.table.lock:
            self.assert_silent()
        self.manager.until("WATCHDOG=1")


if __name__ == "__main__":
    unittest.main()
