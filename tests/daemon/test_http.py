"""`--http` of the whole program: where it listens, who is served, and that clients do not touch a call."""

from __future__ import annotations

import json
import os
import re
import socket
import unittest
from http.client import HTTPConnection
from typing import Any

from tests.daemon.program import HAS_PROC, PATIENCE, Datagrams, Program, ProgramCase, wait_until
from tests.ports import HAS_IPV6, free_port

SMALL = bytes.fromhex("80000001000000a000001234") + b"\xff" * 160


def status_port(program: Program) -> int:
    """Where the status page is of a program that was told to take any port, as its log says."""
    pattern = re.compile(r"status page at http://\S+:(\d+)/")
    wait_until(lambda: pattern.search(program.log()), "the log tells where the status page is")
    found = pattern.search(program.log())
    assert found is not None
    return int(found[1])


def ask(port: int, path: str, host: str = "127.0.0.1", method: str = "GET") -> tuple[int, bytes]:
    connection = HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class HttpTest(ProgramCase):
    def serving(self, address: str = "") -> tuple[Program, int, Datagrams]:
        """A program, the port of its status page, and a controller."""
        control = free_port()
        program = self.program(f"-s udp:127.0.0.1:{control} -l 127.0.0.1 --http {address}0")
        client = Datagrams(control)
        self.addCleanup(client.close)
        return program, status_port(program), client

    def phone(self) -> socket.socket:
        phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(phone.close)
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(PATIENCE)
        return phone

    def call(self, client: Datagrams) -> tuple[socket.socket, socket.socket, Any, Any]:
        """Both phones of a call, and where each sends to."""
        caller, callee = self.phone(), self.phone()
        to_callee = client.ask(f"U call 127.0.0.1 {caller.getsockname()[1]} from").split()[0]
        to_caller = client.ask(f"L call 127.0.0.1 {callee.getsockname()[1]} from to").split()[0]
        return caller, callee, ("127.0.0.1", int(to_caller)), ("127.0.0.1", int(to_callee))

    def test_a_call_is_seen(self) -> None:
        _, port, client = self.serving()
        caller, callee, from_caller, _ = self.call(client)
        caller.sendto(SMALL, from_caller)
        self.assertEqual(callee.recv(2048), SMALL)
        status, body = ask(port, "/sessions")
        session = json.loads(body)["sessions"][0]
        self.assertEqual((status, session["call_id"], session["caller"]["relayed"]), (200, "call", 1))
        self.assertEqual(ask(port, "/healthz"), (200, b"ok\n"))
        self.assertIn(b"rtpproxy_packets_relayed_total 1\n", ask(port, "/metrics")[1])
        self.assertIn(b"<title>rtpproxy</title>", ask(port, "/")[1])

    def test_nothing_can_be_done(self) -> None:
        _, port, client = self.serving()
        self.call(client)
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            for path in ("/", "/sessions/1", "/metrics"):
                self.assertEqual(ask(port, path, method=method)[0], 405)
        self.assertEqual(json.loads(ask(port, "/status")[1])["sessions"]["now"], 1)

    def test_a_thousand_idle_connections_do_not_touch_a_call(self) -> None:
        program, port, client = self.serving()
        caller, callee, from_caller, from_callee = self.call(client)
        before = program.descriptors()
        idle: list[socket.socket] = []
        for number in range(1000):
            connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
            self.addCleanup(connection.close)
            idle.append(connection)
            if number % 3 == 0:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: loc")  # and never the rest
            if number % 50 == 0:
                caller.sendto(SMALL, from_caller)
                self.assertEqual(callee.recv(2048), SMALL)
                callee.sendto(SMALL, from_callee)
                self.assertEqual(caller.recv(2048), SMALL)
        self.assertEqual(ask(port, "/healthz")[0], 200)
        self.assertEqual(client.ask("Q call from to").split()[1:], ["20", "20", "40", "0"])
        wait_until(lambda: program.descriptors() < before + 80, "few of the connections are kept")

    def test_addresses(self) -> None:
        _, port, _ = self.serving("*:")
        self.assertEqual(ask(port, "/healthz")[0], 200)
        if HAS_IPV6:
            _, port, _ = self.serving("[::1]:")
            self.assertEqual(ask(port, "/healthz", "::1")[0], 200)

    def test_refused(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            number = taken.getsockname()[1]
            for text in (str(number), "x", "1:2:3", "::1:9600", "[::1]", "127.0.0.1:65536", "127.0.0.1:", ":"):
                self.assertIn("--http", self.refused(f"-s unix:{{dir}}/s --http {text}"), text)

    @unittest.skipUnless(HAS_PROC, "no /proc here")
    def test_off_by_default(self) -> None:
        program = self.program("-s unix:{dir}/s")
        threads = {open(f"/proc/{program.pid}/task/{task}/comm", encoding="ascii").read().strip()
                   for task in os.listdir(f"/proc/{program.pid}/task")}
        self.assertNotIn("http", threads)
        sockets = [os.readlink(f"/proc/{program.pid}/fd/{name}") for name in os.listdir(f"/proc/{program.pid}/fd")]
        listening = {line.split()[9] for family in ("tcp", "tcp6") for line in open(f"/proc/{program.pid}/net/{family}",
                     encoding="ascii").readlines()[1:] if line.split()[3] == "0A"}
        self.assertEqual([each for each in sockets if each[len("socket:[") : -1] in listening], [])

    def test_the_port_is_free_again_at_the_end(self) -> None:
        program, port, _ = self.serving()
        self.assertEqual(ask(port, "/")[0], 200)
        self.assertEqual(program.stop(), 0)
        with self.assertRaises(ConnectionRefusedError):
            ask(port, "/")


if __name__ == "__main__":
    unittest.main()
