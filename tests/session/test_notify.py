"""Timeout notifications: which targets are allowed, what is sent, and what happens when a target is not there."""

from __future__ import annotations

import os
import random
import socket
import tempfile
import threading
import time
import unittest
from typing import Optional
from unittest import mock

from rtpp.errors import CommandError, ErrorCode, StartError
from rtpp.session import notify
from rtpp.session.notify import AllowedTargets, Notification, Notifier, Target, decode_tag
from tests.session.harness import PATIENCE


class Decoding(unittest.TestCase):
    def test_tags(self) -> None:
        rows = [("tag%20one+two", b"tag one two"), ("tag2%0A", b"tag2\n"), ("", b""), ("+", b" "), ("%2B", b"+"),
                ("%2b%2B", b"++"), ("%25", b"%"), ("%2525", b"%25"), ("%00%ff", b"\x00\xff"), ("\xe9", b"\xe9"),
                ("a%3Ab;c:d/e", b"a:b;c:d/e"), ("r.1%20%23", b"r.1 #")]
        for text, expected in rows:
            with self.subTest(text):
                self.assertEqual(decode_tag(text), expected)

    def test_malformed_escapes(self) -> None:
        for text in ("tag%2", "tag%", "tag%zz", "%%RTPP_NS_MSG%%", "%g0", "%0g", "% 1", "%+1", "%-1", "%\u0661\u0662"):
            with self.subTest(text), self.assertRaises(CommandError) as caught:
                decode_tag(text)
            self.assertIs(caught.exception.code, ErrorCode.NOTIFY_TAG)

    def test_every_byte_makes_the_round_trip(self) -> None:
        seed = random.randrange(1 << 32)
        data = random.Random(seed).randbytes(500) + bytes(range(256))
        self.assertEqual(decode_tag("".join(f"%{byte:02x}" for byte in data)), data, f"seed {seed}")
        self.assertEqual(decode_tag("".join(f"%{byte:02X}" for byte in data)), data, f"seed {seed}")


class Allowing(unittest.TestCase):
    def test_matching(self) -> None:
        allowed = AllowedTargets(("unix:/x", "/y", "odd:name", "relative", "tcp:127.0.0.1:17993", "tcp:localhost:17994",
                                  "tcp:%%CC_SELF%%:17992"))
        tcp = Target(host="127.0.0.1", port=17993)
        rows: list[tuple[str, Optional[Target]]] = [
            ("unix:/x", Target(path="/x")),
            ("/x", Target(path="/x")),  # without a colon: also the path alone
            ("unix:/y", Target(path="/y")),
            ("/y", Target(path="/y")),
            ("unix:relative", Target(path="relative")),
            ("relative", Target(path="relative")),
            ("unix:odd:name", Target(path="odd:name")),
            ("odd:name", None),
            ("x", None),
            ("/X", None),
            ("unix:/z", None),
            ("unix:", None),
            ("", None),
            ("tcp:127.0.0.1:17993", tcp),
            ("tcp:127.0.0.1:017993", None),
            ("TCP:127.0.0.1:17993", None),
            ("127.0.0.1:17993", None),
            ("tcp:localhost:17994", Target(host="127.0.0.1", port=17994)),
            ("tcp:127.0.0.1:17994", None),  # as written, not as resolved
            ("tcp:127.0.0.1:17992", None),  # the wildcard must be named itself
            ("tcp:%%CC_SELF%%:17993", None),
            ("tcp:%%CC_SELF%%:17992", Target(host="127.0.0.1", port=17992)),
        ]
        for text, expected in rows:
            with self.subTest(text):
                self.assertEqual(allowed.match(text, "", ""), expected)

    def test_wildcard_is_whoever_asks(self) -> None:
        allowed = AllowedTargets(("tcp:%%CC_SELF%%:17992", "tcp:%%CC_SELF%%:17991"))
        text = "tcp:%%CC_SELF%%:17992"
        rows = [
            # controller, our end of the control socket, target
            ("192.0.2.1", "192.0.2.9", Target(host="192.0.2.1", port=17992, source="192.0.2.9")),
            ("192.0.2.2", "0.0.0.0", Target(host="192.0.2.2", port=17992)),
            ("192.0.2.3", "", Target(host="192.0.2.3", port=17992)),
            ("", "", Target(host="127.0.0.1", port=17992)),  # a local socket, or IPv6
        ]
        for controller, local, expected in rows:
            with self.subTest(controller):
                self.assertEqual(allowed.match(text, controller, local), expected)
                self.assertIs(allowed.match(text, controller, local), allowed.match(text, controller, local))
        self.assertEqual(allowed.match("tcp:%%CC_SELF%%:17991", "", ""), Target(host="127.0.0.1", port=17991))

    def test_none_allowed(self) -> None:
        self.assertFalse(AllowedTargets(()))
        self.assertIsNone(AllowedTargets(()).match("/x", "", ""))
        for text in ("/x", "tcp:127.0.0.1:1", "tcp:%%CC_SELF%%:1"):
            self.assertTrue(AllowedTargets((text,)))

    def test_refused_at_start(self) -> None:
        wildcards = tuple(f"tcp:%%CC_SELF%%:{port}" for port in (1, 2, 3))
        rows: list[tuple[str, ...]] = [(text,) for text in (
            "", "unix:", "tcp:", "tcp:127.0.0.1", "tcp::99", "tcp:127.0.0.1:", "tcp:127.0.0.1:0", "tcp:127.0.0.1:99999",
            "tcp:127.0.0.1:x", "tcp:127.0.0.1:-1", "tcp:%%CC_SELF%%:0", "tcp:::1:99", "/" * 200)]
        rows += [wildcards, ("/fine", "unix:"), tuple(f"/{number}" for number in range(65))]
        for texts in rows:
            with self.subTest(texts[:3]), self.assertRaises(StartError):
                AllowedTargets(texts)

    def test_names_are_not_resolved_when_that_is_off(self) -> None:
        with self.assertRaises(StartError):
            AllowedTargets(("tcp:localhost:99",), resolve_names=False)
        self.assertTrue(AllowedTargets(("tcp:127.0.0.1:99", "tcp:%%CC_SELF%%:99", "/x"), resolve_names=False))

    def test_limits(self) -> None:
        fixed = tuple(f"/{number}" for number in range(62))
        allowed = AllowedTargets((*fixed, "tcp:%%CC_SELF%%:1", "tcp:%%CC_SELF%%:2"))
        found = [allowed.match("tcp:%%CC_SELF%%:1", f"192.0.2.{number}", "") for number in range(1, 5)]
        self.assertEqual([target is not None for target in found], [True, True, False, False])
        self.assertIs(allowed.match("tcp:%%CC_SELF%%:1", "192.0.2.1", ""), found[0])
        self.assertIsNotNone(allowed.match("/61", "", ""))


class Receiver:
    """A program that is told: listens, and reads lines."""

    def __init__(self, test: unittest.TestCase, path: str = "", address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_STREAM)
        test.addCleanup(self.listener.close)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(path or address)
        self.listener.listen(5)
        self.listener.settimeout(PATIENCE)
        self._test = test
        host, port = ("", 0) if path else self.listener.getsockname()
        self.target = Target(path=path, host=host, port=port)

    def accept(self) -> socket.socket:
        connection, self.peer = self.listener.accept()
        self._test.addCleanup(connection.close)
        connection.settimeout(PATIENCE)
        return connection


def read(connection: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes, unless the other side closes."""
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            break
        data += more
    return data


class Delivering(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "target")
        self.notifier = Notifier()
        self.notifier.start()
        self.addCleanup(self.notifier.stop)

    def send(self, target: Target, *texts: bytes) -> None:
        for text in texts:
            self.notifier.send(Notification(target, text))

    def receivers(self) -> list[Receiver]:
        return [Receiver(self, self.path), Receiver(self)]

    def test_one_connection_for_all(self) -> None:
        for receiver in self.receivers():
            with self.subTest(str(receiver.target)):
                self.send(receiver.target, b"tag2\n\n")
                connection = receiver.accept()
                self.assertEqual(read(connection, 6), b"tag2\n\n")
                self.send(receiver.target, b"tag one two\n", b"\xff\x00\n")
                self.assertEqual(read(connection, 15), b"tag one two\n\xff\x00\n")

    def test_in_order(self) -> None:
        receiver = Receiver(self)
        lines = [b"%d\n" % number for number in range(2000)]
        self.send(receiver.target, *lines)
        connection = receiver.accept()
        self.assertEqual(read(connection, len(b"".join(lines))), b"".join(lines))

    def test_nothing_is_opened_before_the_first(self) -> None:
        receiver = Receiver(self)
        receiver.listener.settimeout(0.05)
        with self.assertRaises(socket.timeout):
            receiver.accept()

    def test_peer_that_closed_is_connected_again_and_loses_nothing(self) -> None:
        for receiver in self.receivers():
            with self.subTest(str(receiver.target)):
                for number in range(4):
                    self.send(receiver.target, b"tag%d\n" % number)
                    connection = receiver.accept()
                    self.assertEqual(read(connection, 5), b"tag%d\n" % number)
                    connection.close()
                    time.sleep(0.01)

    def test_what_the_peer_writes_is_ignored(self) -> None:
        receiver = Receiver(self)
        self.send(receiver.target, b"one\n")
        connection = receiver.accept()
        self.assertEqual(read(connection, 4), b"one\n")
        connection.sendall(b"thank you\n" * 100)
        self.send(receiver.target, b"two\n")
        self.assertEqual(read(connection, 4), b"two\n")

    def test_target_that_comes_back(self) -> None:
        with self.assertLogs("rtpproxy", "INFO") as log:
            gone = Target(path=self.path)
            self.send(gone, b"lost\n", b"lost too\n")
            marker = Receiver(self)
            self.send(marker.target, b"done\n")
            marker.accept()
            receiver = Receiver(self, self.path)
            self.send(gone, b"found\n")
            self.assertEqual(read(receiver.accept(), 6), b"found\n")
        self.assertEqual(len(log.records), 1)  # said once, not for each notification
        self.assertIn(f"unix:{self.path}", log.output[0])

    def test_failure_is_logged_again_after_it_worked(self) -> None:
        with self.assertLogs("rtpproxy", "ERROR") as log:
            for _ in range(2):
                self.send(Target(path=self.path), b"lost\n")
                marker = Receiver(self)
                self.send(marker.target, b"done\n")
                marker.accept()
                receiver = Receiver(self, self.path)
                self.send(receiver.target, b"found\n")
                connection = receiver.accept()
                self.assertEqual(read(connection, 6), b"found\n")
                connection.close()
                receiver.listener.close()
                os.unlink(self.path)
        self.assertEqual(len(log.records), 2)

    def test_dead_targets_do_not_block_others(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            refusing = Target(host="127.0.0.1", port=unused.getsockname()[1])
        dead = [refusing, Target(path=self.path), Target(path=os.path.dirname(self.path)),
                Target(host="127.0.0.1", port=9, source="192.0.2.1")]
        receiver = Receiver(self)
        start = time.monotonic()
        with self.assertLogs("rtpproxy", "ERROR") as log:
            for number in range(20):
                for target in dead:
                    self.send(target, b"lost\n")
                self.send(receiver.target, b"%d\n" % number)
            connection = receiver.accept()
            expected = b"".join(b"%d\n" % number for number in range(20))
            self.assertEqual(read(connection, len(expected)), expected)
        self.assertLess(time.monotonic() - start, 1.0)
        self.assertEqual(len(log.records), len(dead))

    def test_silent_host_is_waited_for_once(self) -> None:
        """A full backlog swallows connection attempts, as a dead host does."""
        silent = Receiver(self)
        silent.listener.listen(0)
        clients = []
        for _ in range(4):  # fill the backlog
            client = socket.socket()
            self.addCleanup(client.close)
            client.setblocking(False)
            client.connect_ex(silent.listener.getsockname())
            clients.append(client)
        receiver = Receiver(self)
        with mock.patch.object(notify, "CONNECT_TIMEOUT", 0.1), self.assertLogs("rtpproxy", "ERROR") as log:
            start = time.monotonic()
            for _ in range(30):
                self.send(silent.target, b"lost\n")
            self.send(receiver.target, b"heard\n")
            self.assertEqual(read(receiver.accept(), 6), b"heard\n")
            self.assertLess(time.monotonic() - start, 1.0)
        self.assertEqual(len(log.records), 1)

    def test_reader_that_stops_reading(self) -> None:
        """What does not fit its buffer is sent again over a new connection, and others are served meanwhile."""
        stuck, receiver = Receiver(self), Receiver(self)
        with mock.patch.object(notify, "SEND_TIMEOUT", 0.1):
            self.send(stuck.target, b"first\n")
            stuck.accept()
            self.send(stuck.target, bytes(20_000_000))
            self.send(receiver.target, b"heard\n")
            self.assertEqual(read(receiver.accept(), 6), b"heard\n")

    def test_source_address(self) -> None:
        try:
            with socket.socket() as probe:
                probe.bind(("127.0.0.2", 0))
        except OSError as error:
            self.skipTest(f"127.0.0.2: {error}")
        receiver = Receiver(self)
        self.send(Target(host="127.0.0.1", port=receiver.target.port, source="127.0.0.2"), b"x\n")
        receiver.accept()
        self.assertEqual(receiver.peer[0], "127.0.0.2")


class Queueing(unittest.TestCase):
    def test_full_queue_loses_and_says_so_once_per_episode(self) -> None:
        with mock.patch.object(notify, "QUEUE_NOTIFICATIONS", 5):
            notifier = Notifier()
        receiver = Receiver(self)
        with self.assertLogs("rtpproxy", "ERROR") as log:
            for number in range(12):
                notifier.send(Notification(receiver.target, b"%d\n" % number))
        self.assertEqual(len(log.records), 1)
        notifier.start()
        connection = receiver.accept()
        self.assertEqual(read(connection, 10), b"0\n1\n2\n3\n4\n")
        notifier.send(Notification(receiver.target, b"fits\n"))
        self.assertEqual(read(connection, 5), b"fits\n")
        notifier.stop()
        self.assertEqual(read(connection, 1), b"")

    def test_stop_sends_what_is_queued(self) -> None:
        receiver = Receiver(self)
        notifier = Notifier()
        for number in range(5):
            notifier.send(Notification(receiver.target, b"%d\n" % number))
        notifier.start()
        notifier.stop()
        self.assertEqual(read(receiver.accept(), 100), b"0\n1\n2\n3\n4\n")
        self.assertNotIn("notify", [thread.name for thread in threading.enumerate()])


if __name__ == "__main__":
    unittest.main()
