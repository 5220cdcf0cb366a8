"""The whole program on a host between its parties: namespaces joined by veth pairs."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from typing import Any

from tests.interop.rig.namespaces import (
    CALLEE,
    CALLEE6,
    CALLER,
    CALLER6,
    TO_CALLEE,
    TO_CALLEE6,
    TO_CALLER,
    TO_CALLER6,
    Hosts,
)
from tests.interop.rig.tools import ROOT, wait_for

PROGRAM = [sys.executable, str(ROOT / "rtpproxy.py")]
EAGER = [sys.executable, str(ROOT / "tests/interop/rig/eager.py")]  # streams move at their first packets
FIRST_PORT, LAST_PORT = 40000, 41000
BRIDGES = {  # parties behind i and e are asymmetric unless s says otherwise
    "IPv4": (("-l", f"{TO_CALLER}/{TO_CALLEE}"), "Uies", "Leis", CALLER, CALLEE, TO_CALLER, TO_CALLEE),
    "IPv6": (("-6", f"{TO_CALLER6}/{TO_CALLEE6}"), "Uie6", "Lei6", CALLER6, CALLEE6, TO_CALLER6, TO_CALLEE6),
    "IPv4 to IPv6": (("-l", TO_CALLER, "-6", f"/{TO_CALLEE6}"), "Uie", "Lei6", CALLER, CALLEE6, TO_CALLER, TO_CALLEE6),
}


def rtp(number: int, ssrc: int = 1, size: int = 160) -> bytes:
    return struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, 160 * number & 0xFFFFFFFF, ssrc) + bytes(size)


class ProxyOnHost:
    """The program on the host in the middle, controlled through a local socket."""

    def __init__(self, hosts: Hosts, *options: str, before: tuple[str, ...] = (),
                 program: list[str] = PROGRAM) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="rtpproxy-")
        self.path = f"{self.folder.name}/control"
        self.log_path = f"{self.folder.name}/log"
        arguments = ["-f", "-F", "-d", "INFO", "-p", f"{self.folder.name}/pid", "-s", f"cunix:{self.path}",
                     "-m", str(FIRST_PORT), "-M", str(LAST_PORT), *options]
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(hosts.command(hosts.proxy, *before, *program, *arguments), stderr=log)
        wait_for(lambda: os.path.exists(self.path) or self.process.poll() is not None, "the control socket")
        self.control = socket.socket(socket.AF_UNIX)
        wait_for(self._connects, "a connection to the control socket")
        self.replies = self.control.makefile("rb")

    def _connects(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the program has ended: {self.log()}")
        try:
            self.control.connect(self.path)
        except OSError:
            return False
        return True

    def log(self) -> str:
        with open(self.log_path, encoding="utf-8") as file:
            return file.read()

    def log_until(self, word: str) -> str:
        wait_for(lambda: word in self.log(), f"{word!r} in the log")
        return self.log()

    def say(self, command: str) -> str:
        self.control.sendall(command.encode() + b"\n")
        return self.replies.readline().decode().strip()

    @property
    def fast(self) -> int:
        """Streams on the fast path."""
        return int(self.say("G nstrms_fastpath"))

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(10)
        self.replies.close()
        self.control.close()
        self.folder.cleanup()
        return status


class HostsTest(unittest.TestCase):
    """Skipped where namespaces are not permitted."""

    hosts: Hosts

    @classmethod
    def setUpClass(cls) -> None:
        cls.hosts = cls.enterClassContext(Hosts()) if hasattr(cls, "enterClassContext") else Hosts().__enter__()
        if not hasattr(cls, "enterClassContext"):
            cls.addClassCleanup(cls.hosts.__exit__, None, None, None)

    def proxy(self, *options: str, before: tuple[str, ...] = (), program: list[str] = PROGRAM) -> ProxyOnHost:
        made = ProxyOnHost(self.hosts, *options, before=before, program=program)
        self.addCleanup(made.stop)
        return made

    def socket(self, host: str, address: str) -> socket.socket:
        made = self.hosts.socket(host, address)
        self.addCleanup(made.close)
        return made

    def call(self, proxy: ProxyOnHost, bridge: str = "IPv4",
             name: str = "call", after: str = "") -> tuple[socket.socket, Any, socket.socket, Any]:
        """Caller's socket and where it sends to, and the same of the callee. `after` goes on with the first command."""
        _, offer, answer, caller_host, callee_host, to_caller, to_callee = BRIDGES[bridge]
        caller, callee = self.socket(self.hosts.caller, caller_host), self.socket(self.hosts.callee, callee_host)
        caller_port, callee_port = caller.getsockname()[1], callee.getsockname()[1]
        to_callee_port = int(proxy.say(f"{offer} {name} {caller_host} {caller_port} from{after}").split()[0])
        to_caller_port = int(proxy.say(f"{answer} {name} {callee_host} {callee_port} from to").split()[0])
        return caller, (to_caller, to_caller_port), callee, (to_callee, to_callee_port)

    def talk(self, call: tuple[socket.socket, Any, socket.socket, Any], numbers: range) -> None:
        """Both send; each packet has to arrive before the next, from the right place."""
        caller, to_caller, callee, to_callee = call
        for number in numbers:
            caller.sendto(rtp(number, 1), to_caller)
            callee.sendto(rtp(number, 2), to_callee)
            for receiver, source, ssrc in ((callee, to_callee, 1), (caller, to_caller, 2)):
                data, seen = receiver.recvfrom(2048)
                self.assertEqual((data, seen[:2]), (rtp(number, ssrc), source))
            time.sleep(0.004)

    def settle(self, proxy: ProxyOnHost, call: tuple[socket.socket, Any, socket.socket, Any], first: int = 0,
               streams: int = 2) -> int:
        """Talk until so many streams are on the fast path; returns the next number."""
        end = time.monotonic() + 30
        while proxy.fast < streams:
            self.assertLess(time.monotonic(), end, proxy.log())
            self.talk(call, range(first, first + 50))
            first += 50
        return first
