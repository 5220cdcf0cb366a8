"""rtppctl with the status page of the real program."""

from __future__ import annotations

import json
import socket
import threading
import unittest

from tests.daemon.program import Lines, ProgramCase, wait_until
from tests.ports import free_port
from tests.tools.calling import Terminal, rtppctl_run

EVIL = "<script>\x1b[2J"  # a call-id that a browser or a terminal would obey


class OtherPages(unittest.TestCase):
    """Behind the address may be anything."""

    def test_not_the_status_page(self) -> None:
        for answer, pattern in (
            (b"", "cannot get http://127.0.0.1"),
            (b"no HTTP at all\r\n\r\n", "cannot get http://127.0.0.1"),
            (b"HTTP/1.1 200 OK\r\n\r\n<html>", "no JSON object: it is not the status page of rtpproxy"),
            (b"HTTP/1.1 200 OK\r\n\r\n[1]", "no JSON object"),
            (b"HTTP/1.1 200 OK\r\n\r\n" + 100_000 * b"[", "no JSON object"),
            (b'HTTP/1.1 200 OK\r\n\r\n{"sessions": 5}', "does not answer with a list of sessions"),
            (b'HTTP/1.1 200 OK\r\n\r\n{"sessions": [5]}', "does not answer with a list of sessions"),
            (b'HTTP/1.1 400 Bad\r\n\r\n{"error": "no state x\\u001b"}', "/sessions: no state x\\x1b"),
        ):
            with self.subTest(answer[:60]), socket.create_server(("127.0.0.1", 0)) as server:
                thread = threading.Thread(target=_answer, args=(server, answer))
                thread.start()
                result = rtppctl_run("--http", str(server.getsockname()[1]), "sessions")
                thread.join()
                self.assertEqual(result.status, 1)
                self.assertIn(pattern, result.errors)

    def test_odd_sessions(self) -> None:
        """Values that are missing or of another kind are shown as unknown."""
        odd = [{}, {"call_id": EVIL, "caller": 5, "callee": {"remote": None, "loss": "x"}, "age": "old",
                    "diagnosis": 1},
               {"call_id": None, "caller": {"jitter": True, "loss": 1.5, "on_hold": True}, "diagnosis": [1, {}]}]
        body = json.dumps({"sessions": odd}).encode()
        for words in (["sessions"], ["session", "x"]):
            with socket.create_server(("127.0.0.1", 0)) as server:
                thread = threading.Thread(target=_answer, args=(server, b"HTTP/1.1 200 OK\r\n\r\n" + body))
                thread.start()
                result = rtppctl_run("--http", f"http://127.0.0.1:{server.getsockname()[1]}", *words)
                thread.join()
            self.assertEqual((result.status, result.errors), (0, ""), words)
            self.assertIn("<script>\\x1b[2J", result.output)
            self.assertNotIn("\x1b", result.output)

    def test_mistakes(self) -> None:
        for text, pattern in (("https://127.0.0.1:5", "http://ADDRESS:PORT, ADDRESS:PORT or PORT is needed"),
                              ("127.0.0.1:99999", "--http 127.0.0.1:99999: "), ("http://", "is needed"),
                              ("[::1", "--http [::1: "), (f"127.0.0.1:{free_port()}", "nothing listens on http://")):
            result = rtppctl_run("--http", text, "sessions")
            self.assertEqual(result.status, 1, text)
            self.assertIn(pattern, result.errors)


class StatusPage(ProgramCase):
    def setUp(self) -> None:
        self.http = str(free_port(socket.SOCK_STREAM))
        self.proxy = self.program(f"-l 127.0.0.1 -r {{dir}} -s cunix:{{dir}}/s --http {self.http}")
        self.socket = f"{self.proxy.directory}/s"
        client = Lines(self.socket)
        self.addCleanup(client.close)
        for tag in ("alice;1", "alice;2"):
            client.ask(f"U call 127.0.0.1 4000 {tag}")
            client.ask(f"L call 127.0.0.1 5000 {tag} bob")
        client.ask(f"U {EVIL} 127.0.0.1 4000 eve")

    def ctl(self, *arguments: str, status: int = 0) -> str:
        result = rtppctl_run("-s", self.socket, "--http", self.http, *arguments)
        self.assertEqual(result.status, status, result)
        return result.errors if status == 1 else result.output

    def test_sessions(self) -> None:
        lines = self.ctl("sessions", "--sort", "call_id").splitlines()
        self.assertEqual(len(lines), 4)
        self.assertRegex(lines[0], r"^CALL-ID +STATE +AGE +CALLER +CALLEE +LOSS% +JITTER$")
        self.assertIn("<script>\\x1b[2J", "\n".join(lines))
        self.assertIn("127.0.0.1:4000", lines[-1])
        found = json.loads(self.ctl("sessions", "--json", "--search", "bob;none"))
        self.assertEqual(found, [])
        self.assertEqual(len(json.loads(self.ctl("sessions", "--json", "--limit", "2"))), 2)
        self.assertIn("state", self.ctl("sessions", "--state", "nonsense", status=1))

    def test_session_without_tags(self) -> None:
        self.assertEqual([one["tag"] for one in sorted(json.loads(self.ctl("session", "call", "--json")),
                                                       key=lambda one: str(one["tag"]))], ["alice;1", "alice;2"])
        self.assertEqual(len(json.loads(self.ctl("session", "call", "alice;1", "--json"))), 1)
        self.assertEqual(len(json.loads(self.ctl("session", "call", "alice", "--json"))), 2)
        text = self.ctl("session", "call")
        self.assertRegex(text, r"(?m)^signalled +127\.0\.0\.1:4000 +127\.0\.0\.1:5000$")
        self.assertIn("no session with call-id none", self.ctl("session", "none", status=1))
        self.assertIn("no session with call-id call and tag x", self.ctl("session", "call", "x", status=1))

    def recorded(self) -> list[tuple[bool, bool]]:
        """Whether the parties of each medium are recorded."""
        return sorted((one["caller"]["recording"], one["callee"]["recording"])
                      for one in json.loads(self.ctl("session", "call", "--json")))

    def test_acting_without_tags(self) -> None:
        self.ctl("record", "call")
        wait_until(lambda: self.recorded() == [(True, True), (True, True)], lambda: f"{self.recorded()}")
        self.ctl("stop", "call")
        self.ctl("delete", "call")
        wait_until(lambda: rtppctl_run("--http", self.http, "session", "call").status == 1, "the call is over")
        self.assertEqual(len(json.loads(self.ctl("sessions", "--json", "--ended"))), 2)

    def test_check(self) -> None:
        self.assertRegex(self.ctl("check", "-m", "ports", "-w", "99"),
                         r"^RTPPROXY OK - ports is [0-9.]+% .* ports=[0-9.]+%;99\n$")
        self.ctl("check", "-m", "ports", "-c", "0.1", status=2)

    def test_watch(self) -> None:
        terminal = Terminal(["-s", self.socket, "--http", self.http, "watch"], 80, 30)
        self.addCleanup(terminal.close)
        lines = terminal.wait_for("CALL-ID")
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertTrue(any(line.startswith("call ") and "127.0.0.1:5000" in line for line in lines), lines)
        self.assertNotIn("\x1b[2J", terminal.read())
        terminal.press("q")
        self.assertEqual(terminal.process.wait(10), 0)


def _answer(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(10000)
        connection.sendall(answer)
