"""The HTTP server with real clients: polite, slow, many, and broken ones."""

from __future__ import annotations

import random
import socket
import time
import unittest
from collections.abc import Generator
from typing import Any, Callable, Optional

from rtpp.errors import StartError
from rtpp.http import response, server
from rtpp.http.request import MAX_HEAD, HttpError, Request
from rtpp.http.response import Response
from rtpp.http.server import MAX_CONNECTIONS, Answer, Server, listen
from tests.ports import HAS_IPV6

PATIENCE = 20.0  # seconds; the machine may be busy
SEED = random.randrange(1 << 32)
BIG = 3_000_000  # bytes; more than sockets keep


class SmallSite:
    """Answers at once, after some slices, with much, never, or not at all."""

    def __init__(self) -> None:
        self.abandoned = 0

    def due(self) -> float:
        return float("inf")

    def work(self, now: float) -> None:
        """Nothing to do."""

    def answer(self, request: Request) -> Answer:
        if request.path == "/slices":
            return self._in_slices(5)
        if request.path == "/endless":
            return self._in_slices(10**9)
        if request.path == "/big":
            return Response(200, response.TEXT, b"x" * BIG)
        if request.path == "/fail":
            raise ValueError("a mistake in the site")
        if request.path == "/fail-later":
            return self._fails()
        if request.path == "/late-refusal":
            return self._refuses()
        return response.text(200, f"{request.method} {request.path}")

    def _in_slices(self, count: int) -> Generator[None, None, Response]:
        try:
            for _ in range(count):
                yield
        except GeneratorExit:
            self.abandoned += 1
            raise
        return response.text(200, "sliced")

    def _fails(self) -> Generator[None, None, Response]:
        yield
        raise ValueError("a mistake in the site")

    def _refuses(self) -> Generator[None, None, Response]:
        yield
        raise HttpError(404, "not there after all")


class Client:
    """One connection."""

    def __init__(self, address: Any) -> None:
        self.socket = socket.create_connection(address, PATIENCE)
        self._rest = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def get(self, path: str, method: str = "GET", fields: str = "") -> tuple[int, bytes]:
        self.send(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
        return self.answer(method == "HEAD")

    def answer(self, head_only: bool = False) -> tuple[int, bytes]:
        """Status and body."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        self.head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        length = int(self.head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while not head_only and len(self._rest) < length:
            self._more()
        body, self._rest = (b"", self._rest) if head_only else (self._rest[:length], self._rest[length:])
        return int(self.head.split()[1]), body

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed")
        self._rest += data

    def is_closed(self) -> bool:
        """Waits for it."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.socket.close()


class ServerCase(unittest.TestCase):
    def setUp(self) -> None:
        self.shorten("SWEEP_SECONDS", 0.05)
        self.site = SmallSite()
        listener = listen("127.0.0.1", 0, resolve_names=False)
        self.address = listener.getsockname()
        self.server = Server(listener, self.site)
        self.server.start()
        self.addCleanup(self.server.stop)

    def client(self) -> Client:
        client = Client(self.address)
        self.addCleanup(client.close)
        return client

    def wait_for(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.005)

    def shorten(self, name: str, value: float) -> None:
        before = getattr(server, name)
        setattr(server, name, value)
        self.addCleanup(setattr, server, name, before)


class Answers(ServerCase):
    def test_a_connection_serves_many_requests(self) -> None:
        client = self.client()
        for number in range(3):
            self.assertEqual(client.get(f"/{number}"), (200, b"GET /%d\n" % number))

    def test_head_has_the_length_and_no_body(self) -> None:
        client = self.client()
        self.assertEqual(client.get("/abc", "HEAD"), (200, b""))
        self.assertIn(b"Content-Length: 10\r\n", client.head)
        self.assertEqual(client.get("/next"), (200, b"GET /next\n"))

    def test_fields_of_every_answer(self) -> None:
        for path in ("/", "/fail"):
            client = self.client()
            client.get(path)
            for field in (b"X-Content-Type-Options: nosniff", b"Cache-Control: no-store", b"X-Frame-Options: DENY",
                          b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
                          b"Referrer-Policy: no-referrer", b"Cross-Origin-Resource-Policy: same-origin"):
                self.assertIn(field, client.head.split(b"\r\n"))

    def test_the_connection_is_closed_when_asked(self) -> None:
        for ask in (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"):
            client = self.client()
            client.send(ask)
            self.assertEqual(client.answer()[0], 200)
            self.assertIn(b"Connection: close", client.head)
            self.assertTrue(client.is_closed())

    def test_requests_on_their_way_at_once_are_answered_in_order(self) -> None:
        client = self.client()
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(300)))
        for number in range(300):
            self.assertEqual(client.answer(), (200, b"GET /%d\n" % number))

    def test_byte_by_byte(self) -> None:
        client = self.client()
        for byte in b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n":
            client.send(bytes([byte]))
        self.assertEqual(client.answer(), (200, b"GET /slow\n"))

    def test_what_takes_long_is_done_in_slices(self) -> None:
        slow, quick = self.client(), self.client()
        slow.send(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(quick.get("/slices"), (200, b"sliced\n"))
        self.assertEqual(quick.get("/late-refusal")[0], 404)

    def test_much_goes_to_a_client_that_takes_it_slowly(self) -> None:
        slow, quick = self.client(), self.client()
        slow.send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(quick.get("/")[0], 200)
        self.assertEqual(slow.answer(), (200, b"x" * BIG))
        self.assertEqual(slow.get("/")[0], 200)

    def test_mistakes_of_the_site(self) -> None:
        for path in ("/fail", "/fail-later"):
            with self.assertLogs("rtpproxy", "ERROR"):
                self.assertEqual(self.client().get(path)[0], 500)

    def test_refusals(self) -> None:
        cases = [(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400), (b"POST / HTTP/1.1\r\n\r\n", 405),
                 (b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET /" + b"x" * MAX_HEAD, 431)]
        for data, status in cases:
            client = self.client()
            client.send(data)
            self.assertEqual(client.answer()[0], status)
            self.assertEqual(b"Allow: GET, HEAD" in client.head, status == 405)
            self.assertTrue(client.is_closed())


class BadClients(ServerCase):
    def test_idle_connections_give_way(self) -> None:
        """A thousand, and the server answers a newcomer and keeps few."""
        idle = [self.client() for _ in range(1000)]
        self.assertEqual(self.client().get("/")[0], 200)
        self.assertTrue(idle[0].is_closed())
        self.assertLessEqual(len(self.server._connections), MAX_CONNECTIONS)

    def test_when_all_are_busy(self) -> None:
        busy = [self.client() for _ in range(MAX_CONNECTIONS)]
        for client in busy:
            client.send(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        self.wait_for(lambda: len(self.server._queue) >= MAX_CONNECTIONS - 1)
        # The one in hand is in the queue only between the rounds.
        self.wait_for(lambda: len(self.server._connections) == MAX_CONNECTIONS
                      and all(not each.is_idle for each in list(self.server._connections)))
        self.assertEqual(self._refusal(), 503)

    def _refusal(self) -> Optional[int]:
        return self.client().answer()[0]

    def test_a_request_must_come_in_time(self) -> None:
        self.shorten("HEAD_SECONDS", 0.1)
        for begin in (b"", b"GET / HTT", b"\r\n"):
            client = self.client()
            client.send(begin)
            self.assertTrue(client.is_closed())

    def test_an_answer_must_be_taken_in_time(self) -> None:
        self.shorten("ANSWER_SECONDS", 0.1)
        client = self.client()
        client.send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        self.wait_for(lambda: not self.server._connections)
        self.assertFalse(self.server._connections)

    def test_an_idle_connection_is_closed(self) -> None:
        self.shorten("IDLE_SECONDS", 0.1)
        client = self.client()
        self.assertEqual(client.get("/")[0], 200)
        self.assertTrue(client.is_closed())

    def test_an_answer_nobody_waits_for_any_more_is_given_up(self) -> None:
        self.shorten("ANSWER_SECONDS", 0.1)
        client = self.client()
        client.send(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        self.wait_for(lambda: self.site.abandoned == 1)
        self.assertTrue(client.is_closed())

    def test_clients_that_hang_up(self) -> None:
        for data in (b"", b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /slices HTTP/1.1\r\nHost: a\r\n\r\n", b"GE"):
            client = Client(self.address)
            client.send(data)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # with a reset
            client.close()
        self.assertEqual(self.client().get("/")[0], 200)

    def test_random_bytes(self) -> None:
        """Whatever comes: an answer with an error or a closed connection, and the next client is served."""
        source = random.Random(SEED)
        good = b"GET /slices HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with self.assertNoLogs() if hasattr(self, "assertNoLogs") else self.subTest():
            for turn in range(60):
                client = Client(self.address)
                data = bytearray(good * source.randrange(1, 4))
                for _ in range(source.randrange(1, 8)):
                    data[source.randrange(len(data))] = source.randrange(256)
                client.send(bytes(data))
                client.close()
                if turn % 20 == 0:
                    self.assertEqual(self.client().get("/")[0], 200, f"seed {SEED}")


class Rounds(unittest.TestCase):
    """What the loop does in one round, turned by hand."""

    def setUp(self) -> None:
        listener = listen("127.0.0.1", 0, resolve_names=False)
        self.address = listener.getsockname()
        self.server = Server(listener, SmallSite())
        self.addCleanup(self.server.stop)

    def clients(self, count: int) -> list[Client]:
        """Connected and accepted."""
        made = [Client(self.address) for _ in range(count)]
        for client in made:
            self.addCleanup(client.close)
        for _ in range(0, count, server.ACCEPTS_PER_ROUND):
            self.server._round()
        return made

    def test_a_client_that_gives_way_just_when_it_asks(self) -> None:
        """It is closed, and nothing goes wrong in the loop; those that were accepted with it are answered."""
        first = self.clients(MAX_CONNECTIONS)[: server.ACCEPTS_PER_ROUND]
        self.assertEqual(len(self.server._connections), MAX_CONNECTIONS)
        newcomer = Client(self.address)
        self.addCleanup(newcomer.close)
        for client in first:
            client.send(b"GET / HTTP/1.0\r\n\r\n")
        for _ in range(2):
            self.server._round()
        newcomer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.server._round()
        self.assertEqual(newcomer.answer()[0], 200)
        answers = []
        for client in first:
            try:
                answers.append(client.answer()[0])
            except ConnectionError:
                answers.append(0)
        self.assertEqual(sorted(answers), [0] + [200] * (len(first) - 1))

    def test_busy_clients_do_not_come_first_for_ever(self) -> None:
        """Those that always have something to read are as many as a round serves, and were there before."""
        busy = self.clients(server.CLIENTS_PER_ROUND)
        other, = self.clients(1)
        for turn in range(2):
            for client in busy:
                client.send(b"G" * 100)
            if turn == 0:
                other.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.server._round()
        other.socket.settimeout(1.0)
        self.assertEqual(other.answer()[0], 200)


class Listening(unittest.TestCase):
    def test_addresses(self) -> None:
        hosts = ["127.0.0.1", "localhost", "*"] + (["::1", "::"] if HAS_IPV6 else [])
        for host in hosts:
            with listen(host, 0, resolve_names=True) as bound:
                self.assertGreater(bound.getsockname()[1], 0)

    def test_what_cannot_be_had(self) -> None:
        with listen("127.0.0.1", 0, resolve_names=False) as taken:
            cases = [("127.0.0.1", taken.getsockname()[1]), ("192.0.2.1", 0), ("localhost", 0), ("a..b", 0)]
            for host, port in cases:
                with self.assertRaisesRegex(StartError, "--http"):
                    listen(host, port, resolve_names=False)


if __name__ == "__main__":
    unittest.main()
