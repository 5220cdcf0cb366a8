"""Timeout notifications of the running program. The only tests that wait for real seconds."""

from __future__ import annotations

import socket
import threading
import time
import unittest
from typing import Union

from tests.daemon.program import Lines, Program, ProgramCase, wait_until
from tests.ports import free_port

PORT = r"\A[0-9]+ 127\.0\.0\.1\Z"


class Target:
    """Somebody who wants to be told: remembers what comes, connection by connection, and when."""

    def __init__(self, address: Union[str, tuple[str, int]]) -> None:
        self._listener = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self._listener.bind(address)
        self._listener.listen()
        self.address = self._listener.getsockname()
        self.connections: list[bytes] = []
        self.arrived: dict[bytes, float] = {}  # monotonic time by line
        self.peers: list[object] = []
        self._close_after_first = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, peer = self._listener.accept()
            except OSError:
                return
            self.peers.append(peer)
            self.connections.append(b"")
            with connection:
                while True:
                    data = connection.recv(65536)
                    if not data:
                        break
                    self.connections[-1] += data
                    for line in data.splitlines():
                        self.arrived[line] = time.monotonic()
                    if self._close_after_first.is_set():
                        self._close_after_first.clear()
                        break

    def close_after_next(self) -> None:
        self._close_after_first.set()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def text(self) -> bytes:
        return b"".join(self.connections)


class NotificationTest(ProgramCase):
    """Several programs run side by side, so that their times pass together."""

    def target(self, address: Union[str, tuple[str, int]]) -> Target:
        target = Target(address)
        self.addCleanup(target.close)
        return target

    def client(self, program: Program) -> Lines:
        client = Lines(f"{program.directory}/c")
        self.addCleanup(client.close)
        return client

    def test_sequence(self) -> None:
        """The documented sequence: who is told, who is not, and when."""
        tcp = self.target(("127.0.0.1", 0))
        wildcard = self.target(("127.0.0.1", 0))
        other_host = self.target(("127.0.0.2", wildcard.address[1]))
        one, two = f"tcp:127.0.0.1:{tcp.address[1]}", f"tcp:%%CC_SELF%%:{wildcard.address[1]}"
        udp_port = free_port()
        program = self.program(f"-l 127.0.0.1 -d WARN -T 3 -W 2 -s cunix:{{dir}}/c -s udp:*:{udp_port} "
                               f"-n unix:{{dir}}/n -n {one} -n {two} -n {{dir}}/nobody")
        path = f"{program.directory}/n"
        unix = self.target(path)
        client = self.client(program)
        local = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(local.close)
        start = time.monotonic()
        for command in (
            f"U a 127.0.0.1 4 f {path} tag%20one+two",
            f"U b 127.0.0.1 4 f unix:{path} tag2%0A",
            f"U c 127.0.0.1 4 f {one} tag3",
            f"U d 127.0.0.1 4 f {two} tag4",
            f"U e 127.0.0.1 4 f tcp:127.0.0.1:{wildcard.address[1]} tag5",
            f"U f 127.0.0.1 4 f t {one} tagF",
            "U f 127.0.0.1 4 f",
            f"U g 127.0.0.1 4 f {one} tagG",
            f"U h 127.0.0.1 4 f {one} tagH",
            "L h 127.0.0.1 4 f t",
            f"U i 127.0.0.1 4 f {program.directory}/nobody lost",
            f"U j 127.0.0.1 4 f {one};tagJ",  # as newer Kamailio writes it
            "U k 127.0.0.1 4 f",
        ):
            self.assertRegex(client.ask(command), PORT, command)
        self.assertEqual(client.ask("D g f"), "0")
        # Over UDP the wildcard is the controller's own address.
        local.bind(("127.0.0.2", 0))
        local.connect(("127.0.0.1", udp_port))
        local.settimeout(5)
        local.send(f"cookie U l 127.0.0.1 4 f {two} tagL".encode())
        self.assertRegex(local.recv(100), rb"\Acookie \d+ 127\.0\.0\.1\n\Z")
        wait_until(lambda: client.ask("G nsess_timeout") == "11", "all sessions time out")
        self.assertEqual(client.ask("G nsess_created nsess_destroyed nsess_timeout"), "12 12 11")
        targets = (tcp, unix, wildcard, other_host)
        wait_until(lambda: [target.text.count(b"\n") for target in targets] == [3, 3, 1, 1], "notifications arrive")
        self.assertEqual(sorted(unix.text.splitlines()), [b"", b"tag one two", b"tag2"])
        self.assertIn(b"tag2\n\n", unix.text)
        self.assertEqual(sorted(tcp.text.splitlines()), [b"tag3", b"tagH", b"tagJ"])
        self.assertEqual(wildcard.text, b"tag4\n")
        self.assertEqual(other_host.text, b"tagL\n")
        for target in targets:
            self.assertEqual(len(target.connections), 1)  # opened once and kept
        for tag, least, most in ((b"tag3", 2.0, 3.0), (b"tagJ", 2.0, 3.0), (b"tagH", 3.0, 4.0)):
            self.assertGreater(tcp.arrived[tag] - start, least - 0.1, tag)
            self.assertLess(tcp.arrived[tag] - start, most + 1.0, tag)
        self.assertEqual(program.stop(), 0)
        self.assertEqual(sorted(tcp.text.splitlines()), [b"tag3", b"tagH", b"tagJ"])

    def test_broken_connections(self) -> None:
        """A target that hangs up, is away for a while, or never accepts costs at most what was on its way to it."""
        program = self.program("-l 127.0.0.1 -d WARN -T 1 -s cunix:{dir}/c -n {dir}/n -n {dir}/full")
        path = f"{program.directory}/n"
        client = self.client(program)
        # Somebody who listens and never accepts: with the queue full a connect would wait for ever.
        deaf = socket.socket(socket.AF_UNIX)
        self.addCleanup(deaf.close)
        deaf.bind(f"{program.directory}/full")
        deaf.listen(0)
        filler = socket.socket(socket.AF_UNIX)
        self.addCleanup(filler.close)
        filler.connect(f"{program.directory}/full")

        def expire(tag: str, target: str) -> None:
            timeouts = int(client.ask("G nsess_timeout"))
            self.assertRegex(client.ask(f"U {tag} 127.0.0.1 4 f {target} {tag}"), PORT)
            wait_until(lambda: int(client.ask("G nsess_timeout")) == timeouts + 1, "the session times out")

        expire("away", path)  # nobody listens yet
        target = self.target(path)
        target.close_after_next()
        expire("first", path)
        wait_until(lambda: target.text == b"first\n", "the first arrives")
        for tag, where in (("blocked", f"{program.directory}/full"), ("second", path)):
            self.assertRegex(client.ask(f"U {tag} 127.0.0.1 4 f {where} {tag}"), PORT)
        start = time.monotonic()
        wait_until(lambda: target.text.endswith(b"second\n"), "the one behind the blocked arrives")
        self.assertLess(time.monotonic() - start, 7.0)
        self.assertEqual(target.connections, [b"first\n", b"second\n"])  # the hang-up was noticed
        self.assertRegex(client.ask("U c 127.0.0.1 4 f"), PORT)
        self.assertEqual(program.stop(), 0)


if __name__ == "__main__":
    unittest.main()
