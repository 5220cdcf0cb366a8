"""The units as systemd's own tools see them, and sockets that its tool hands over."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from tests.daemon.program import Datagrams, Lines
from tests.interop.rig.packages import own_places, relay_a_call, run
from tests.interop.rig.tools import ROOT, stop, wait_for
from tests.ports import free_port

UNITS = ("rtpproxy.service", "rtpproxy@.service", "rtpproxy.socket")
WORST_EXPOSURE = 1.5


class UnitsTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        (self.directory / "rtpproxy").symlink_to(sys.executable)  # the command must exist
        for name in UNITS:
            text = (ROOT / "packaging/systemd" / name).read_text()
            (self.directory / name).write_text(text.replace("@BINDIR@", str(self.directory)))

    def test_verify(self) -> None:
        names = [self.directory / name.replace("@.", "@one.") for name in UNITS]
        (self.directory / "rtpproxy@one.service").symlink_to(self.directory / "rtpproxy@.service")
        self.assertEqual(run("systemd-analyze", "verify", "--man=no", *names).strip(), "")

    def test_exposure(self) -> None:
        for name in UNITS[:2]:
            text = run("systemd-analyze", "security", "--offline=true", "--no-pager", self.directory / name)
            found = re.search(r"Overall exposure level for .*: ([0-9.]+)", text)
            assert found is not None, text
            self.assertLessEqual(float(found[1]), WORST_EXPOSURE)

    def test_services_are_the_same_but_for_their_names(self) -> None:
        single, template = ((self.directory / name).read_text().partition("Type=notify")[2] for name in UNITS[:2])
        self.assertEqual(single, template)
        self.assertNotEqual(single, "")


class SocketActivationTest(unittest.TestCase):
    def activate(self, *words: str) -> None:
        _, options = own_places()
        program = [sys.executable, str(ROOT / "rtpproxy.py"), "-f", "-F", "-d", "ERR", "-p", "/dev/null",
                   "-s", "systemd:", *options.split()]
        process = subprocess.Popen(["systemd-socket-activate", *words, *program], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: self.assertEqual(stop(process), 0))

    def test_datagrams(self) -> None:
        port = free_port()
        self.activate("--datagram", "-l", f"127.0.0.1:{port}")
        wait_for(lambda: _is_bound(port), "systemd-socket-activate listens")
        client = Datagrams(port)
        self.addCleanup(client.close)
        self.assertEqual(client.ask("V"), "20040107")  # waited in the socket for the start
        relay_a_call(port)

    def test_stream(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "control")
            self.activate("-l", path)
            wait_for(lambda: os.path.exists(path), "systemd-socket-activate listens")
            client = Lines(path)
            self.addCleanup(client.close)
            self.assertEqual(client.ask("V"), "20040107")


def _is_bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


if __name__ == "__main__":
    unittest.main()
