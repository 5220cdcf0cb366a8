"""The forms of -s: what they open, and what they refuse."""

from __future__ import annotations

import os
import socket
import tempfile
import unittest
import unittest.mock

from rtpp.control.endpoints import kind_of, open_endpoint
from rtpp.errors import StartError
from tests.control.conversation import ErrorLog
from tests.ports import HAS_IPV6


class KindTest(unittest.TestCase):
    def test_table(self) -> None:
        cases = [
            ("udp:127.0.0.1:1", "udp"), ("udp6:::1:1", "udp6"), ("tcp:*", "tcp"), ("tcp6:*", "tcp6"),
            ("unix:/a", "unix"), ("cunix:/a", "cunix"), ("stdio:", "stdio"), ("stdioc:", "stdioc"),
            ("systemd:", "systemd"),
            ("/a/path", "unix"), ("foo", "unix"), ("UDP:127.0.0.1:1", "unix"), ("udp", "unix"), ("udp7:x", "unix"),
            ("file:with:colons", "unix"), ("", "unix"), (":", "unix"),
        ]
        for text, expected in cases:
            with self.subTest(text=text):
                self.assertEqual(kind_of(text), expected)


class NetworkTest(unittest.TestCase):
    def open(self, text: str, *, resolve_names: bool = True) -> socket.socket:
        endpoint = open_endpoint(text, resolve_names=resolve_names)
        self.addCleanup(endpoint.close)
        assert endpoint.socket is not None
        self.assertFalse(endpoint.socket.getblocking())
        return endpoint.socket

    def test_addresses(self) -> None:
        cases = [("udp:127.0.0.1:0", "127.0.0.1"), ("tcp:127.0.0.1:0", "127.0.0.1"), ("udp:*:0", "0.0.0.0"),
                 ("udp:0.0.0.0:0", "0.0.0.0"), ("tcp:localhost:0", "127.0.0.1")]
        if HAS_IPV6:
            cases += [("udp6:::1:0", "::1"), ("tcp6:::1:0", "::1"), ("udp6:*:0", "::"), ("tcp6::::0", "::")]
        for text, host in cases:
            with self.subTest(text=text):
                opened = self.open(text)
                self.assertEqual(opened.getsockname()[0], host)
                self.assertGreater(opened.getsockname()[1], 0)

    def test_default_port(self) -> None:
        for text in ("udp:127.0.0.99", "udp:127.0.0.98:"):
            try:
                opened = self.open(text)
            except StartError as error:
                self.assertIn("in use", str(error))  # this host runs a proxy: it is its port all the same
                continue
            self.assertEqual(opened.getsockname()[1], 22222)

    def test_service_name(self) -> None:
        try:
            port = socket.getservbyname("radius", "udp")
        except OSError:
            self.skipTest("no list of services here")
        self.assertEqual(self.open("udp:127.0.0.97:radius").getsockname()[1], port)

    def test_refused(self) -> None:
        for text in ("udp::9000", "udp:", "tcp:", "udp6:", "udp6:::1", "udp6:[::1]:9000", "udp:127.0.0.1:nosuchservice",
                     "udp:127.0.0.1:70000", "udp:127.0.0.1:-1", "udp:256.0.0.1:0", "udp:192.0.2.1:0", "tcp:192.0.2.1:0",
                     "udp:no such host:0", "udp:\udcff:0", "udp:" + "x" * 300 + ":0", "udp:::1:0"):
            with self.subTest(text=text), self.assertRaises(StartError) as caught:
                self.open(text)
            self.assertIn(repr(text), str(caught.exception))

    def test_names_are_not_resolved_unless_allowed(self) -> None:
        with self.assertRaises(StartError):
            self.open("udp:localhost:0", resolve_names=False)
        self.open("udp:127.0.0.1:0", resolve_names=False)
        self.open("udp:*:0", resolve_names=False)

    def test_port_in_use(self) -> None:
        for kind in ("udp", "tcp"):
            port = self.open(f"{kind}:127.0.0.1:0").getsockname()[1]
            with self.assertRaises(StartError):
                self.open(f"{kind}:127.0.0.1:{port}")

    def test_quick_restart(self) -> None:
        """A port on which a connection has just ended can be bound again."""
        endpoint = open_endpoint("tcp:127.0.0.1:0")
        assert endpoint.socket is not None
        port = endpoint.socket.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            endpoint.socket.setblocking(True)
            accepted, _ = endpoint.socket.accept()
            accepted.close()  # this end closes first and lingers
            self.assertEqual(client.recv(1), b"")
        endpoint.close()
        self.open(f"tcp:127.0.0.1:{port}")


class LocalTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.path = f"{self.directory}/socket"
        self.log = ErrorLog()

    def test_left_over_socket_is_replaced(self) -> None:
        for form in (f"unix:{self.path}", f"cunix:{self.path}", self.path):
            with socket.socket(socket.AF_UNIX) as old:
                old.bind(self.path)
            endpoint = open_endpoint(form)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(self.path)
            self.assertEqual(endpoint.is_one_shot, not form.startswith("cunix"))
            endpoint.close()
            self.assertFalse(os.path.exists(self.path))

    def test_other_things_are_left_alone(self) -> None:
        """A file, a directory, a pipe, a link, even one to a socket: the start fails and says what is in the way."""
        def make_file(path: str) -> None:
            with open(path, "w", encoding="ascii") as file:
                file.write("precious")

        def make_link(path: str) -> None:
            with socket.socket(socket.AF_UNIX) as old:
                old.bind(f"{self.directory}/real")
            os.symlink("real", path)

        for number, make in enumerate((make_file, os.mkdir, os.mkfifo, make_link)):
            path = f"{self.directory}/{number}"
            make(path)  # type: ignore[operator]
            before = os.lstat(path)
            for form in (f"unix:{path}", f"cunix:{path}", path):
                with self.subTest(make=make, form=form), self.assertRaises(StartError) as caught:
                    open_endpoint(form)
                self.assertIn(path, str(caught.exception))
            self.assertEqual(os.lstat(path), before)

    def test_only_our_own_socket_is_removed(self) -> None:
        """Another program that put its socket in the place of ours keeps it."""
        endpoint = open_endpoint(self.path)
        os.unlink(self.path)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.path)
            endpoint.close()
            self.assertTrue(os.path.exists(self.path))

    def test_length_of_paths(self) -> None:
        base = f"{self.directory}/"
        open_endpoint(base + "x" * (107 - len(base))).close()
        for path in (base + "x" * (108 - len(base)), base + "x" * 300, "", f"{self.directory}/missing/socket", "a\0b"):
            for prefix in ("unix:", "cunix:"):
                with self.subTest(path=path), self.assertRaises(StartError):
                    open_endpoint(prefix + path)


class InheritedTest(unittest.TestCase):
    def test_nothing_inherited(self) -> None:
        own = str(os.getpid())
        for environment in ({}, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_PID": own},
                            {"LISTEN_FDS": "2", "LISTEN_PID": own}):
            with self.subTest(environment=environment), unittest.mock.patch.dict(os.environ, environment), \
                    self.assertRaises(StartError):
                open_endpoint("systemd:")


if __name__ == "__main__":
    unittest.main()
