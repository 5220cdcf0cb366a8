"""HTTP requests: what is understood, what is refused, and that nothing else happens to any bytes."""

from __future__ import annotations

import random
import unittest

from rtpp.http.request import MAX_FIELDS, HttpError, host_name, parse

GOOD = b"GET / HTTP/1.1\r\nHost: localhost"
SEED = random.randrange(1 << 32)


class Understood(unittest.TestCase):
    def test_targets(self) -> None:
        cases = [
            (b"/", "/", {}),
            (b"/sessions?limit=5&search=a%20b%3C", "/sessions", {"limit": "5", "search": "a b<"}),
            (b"/sessions?search=", "/sessions", {"search": ""}),
            (b"/sessions?search=%C3%A9", "/sessions", {"search": "\xe9"}),
            (b"/sessions/7", "/sessions/7", {}),
            (b"/%73tatus", "/status", {}),
            (b"http://localhost:9600/metrics", "/metrics", {}),
            (b"//evil/x", "//evil/x", {}),
        ]
        for target, path, query in cases:
            with self.subTest(target):
                request = parse(b"GET " + target + b" HTTP/1.1\r\nHost: localhost")
                self.assertEqual((request.path, request.query), (path, query))

    def test_hosts(self) -> None:
        for text, host in [("localhost", "localhost"), ("LOCALHOST:80", "localhost"), ("127.0.0.1:9600", "127.0.0.1"),
                           ("[::1]:9600", "::1"), ("[::1]", "::1"), ("", "")]:
            self.assertEqual(host_name(text), host)
        for text in ("a b", "[::1", "::1", "host:123456", "a/b", "a@b", "ho\tst"):
            with self.assertRaises(HttpError, msg=text):
                host_name(text)

    def test_the_target_s_host_counts(self) -> None:
        self.assertEqual(parse(b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost").host, "evil.example")

    def test_how_long_the_connection_lasts(self) -> None:
        for version, connection, keeps in [(b"1.1", b"", True), (b"1.1", b"close", False), (b"1.0", b"", False),
                                           (b"1.0", b"Keep-Alive", True), (b"1.1", b"x, Close", False)]:
            head = b"GET / HTTP/" + version + b"\r\nHost: localhost\r\nConnection: " + connection
            self.assertIs(parse(head).keep_alive, keeps, (version, connection))

    def test_fields_of_one_name_are_joined(self) -> None:
        self.assertEqual(parse(GOOD + b"\r\nAccept: a\r\nACCEPT:\tb ").fields["accept"], "a, b")


class Refused(unittest.TestCase):
    def test_status(self) -> None:
        cases = [
            (b"", 400), (b"GET", 400), (b"GET /", 400), (b"GET  / HTTP/1.1", 400), (b"GET / HTTP/1.1 ", 400),
            (b"GET / HTTP/2.0", 505), (b"GET / HTTP/1.10", 400), (b"GET / http/1.1", 400),
            (b"G\x00T / HTTP/1.1", 400), (b"GET /\xff HTTP/1.1", 400), (b"GET /\x7f HTTP/1.1", 400),
            (b"GET / HTTP/1.1", 400),  # no Host
            (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a", 400), (b"GET / HTTP/1.1\r\nHost: a b", 400),
            (b"GET x HTTP/1.1\r\nHost: a", 400), (b"GET * HTTP/1.1\r\nHost: a", 400),
            (b"GET https://a/ HTTP/1.1\r\nHost: a", 400),
            (GOOD + b"\r\n folded", 400), (GOOD + b"\r\nName : value", 400), (GOOD + b"\r\n: value", 400),
            (GOOD + b"\r\nName", 400), (GOOD + b"\r\nA: b\nC: d", 400), (GOOD + b"\r\nA: b\x00", 400),
            (GOOD + b"\r\nContent-Length: 5", 413), (GOOD + b"\r\nTransfer-Encoding: chunked", 413),
            (GOOD + b"\r\nContent-Length: 0\r\nContent-Length: 0", 400),
            (b"POST / HTTP/1.1\r\nHost: a", 405), (b"DELETE /sessions/1 HTTP/1.1\r\nHost: a", 405),
            (b"OPTIONS * HTTP/1.1\r\nHost: a", 405), (b"get / HTTP/1.1\r\nHost: a", 405),
            (GOOD + b"\r\nA: b" * (MAX_FIELDS + 1), 431),
            (b"GET /?" + b"a=b&" * 30 + b" HTTP/1.1\r\nHost: a", 400),
            (b"GET http://[::1/ HTTP/1.1\r\nHost: a", 400),
        ]
        for head, status in cases:
            with self.subTest(head[:60]), self.assertRaises(HttpError) as caught:
                parse(head)
            self.assertEqual(caught.exception.status, status, head[:60])

    def test_random_bytes(self) -> None:
        """Broken requests raise HttpError with a status of the 400s or 500s, and nothing else."""
        source = random.Random(SEED)
        pieces = [b"GET ", b"HEAD ", b"/", b"/sessions", b"?", b"&", b"=", b"%", b"%00", b"%zz", b" HTTP/1.1", b"\r\n",
                  b"Host: ", b"localhost", b"[::1]", b":", b"\n", b"\r", b"\x00", b"\xff", b" ", b"http://", b"[", b"]",
                  b"Content-Length: 1", b"#", b"@"]
        for _ in range(4000):
            if source.random() < 0.5:
                head = b"".join(source.choice(pieces) for _ in range(source.randrange(12)))
            else:
                changed = bytearray(GOOD + b"\r\nAccept: text/html\r\nConnection: close")
                for _ in range(source.randrange(1, 4)):
                    changed[source.randrange(len(changed))] = source.randrange(256)
                head = bytes(changed)
            try:
                request = parse(head)
                self.assertIn(request.method, ("GET", "HEAD"))
                self.assertNotIn("\n", request.host)
            except HttpError as error:
                self.assertTrue(400 <= error.status < 600)
            except Exception as error:
                self.fail(f"seed {SEED}: {head!r} raised {error!r}")


if __name__ == "__main__":
    unittest.main()
