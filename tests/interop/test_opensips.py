"""The command lines that OpenSIPS sends, replayed byte for byte over each of its transports.

OpenSIPS is not packaged here, so its part is played by clients that behave as its `rtpproxy` module does:
connected datagram socket with a cookie, one-shot local socket without newline, lasting streams with one
write per command and one read per reply. Replies fit its 256-byte buffer and its parsers' rules.
"""

from __future__ import annotations

import re
import socket
import unittest

from tests.interop.rig.control import connect
from tests.interop.rig.media import Media
from tests.interop.rig.proxy import Proxy
from tests.interop.rig.tools import wait_for

PORT = r"\d{5} 127\.0\.0\.1"
ROUTED = r"\d{5} [\d.]+"
CAPABILITIES = (
    *("20050322", "20071116", "20071218", "20080403", "20081102", "20081224"),
    *("20090810", "20150420", "20150617", "20170313", "20191015"),
)
NOTIFY = "tcp:127.0.0.1:{notify}"

# command, what the reply must match; in the order of one OpenSIPS's day
CALL = [
    ("V", "20040107"),
    *((f"VF {identifier}", "0" if identifier == "20170313" else "1") for identifier in CAPABILITIES),
    # a plain call
    ("Uc0,8,101 id@h 127.0.0.1 {caller} ftag;1", PORT),
    ("Lc0,8 id@h 127.0.0.1 {callee} ftag;1 ttag;1", PORT),
    ("Q id@h ftag;1 ttag;1", r"(60|59) 0 0 0 0"),
    ("Q id@h ftag;1 ;1", r"(60|59) 0 0 0 0"),
    ("Q id@h ftag;1", r"(60|59) 0 0 0 0"),
    ("Q id@h ftag ttag", "E50"),
    ("Q id@h ftag;1 ttag;1 ttl npkts_ina npkts_ino nrelayed ndropped", r"\d+ \d+ \d+ \d+ \d+"),
    ("Q id@h ftag;1 ttag;1 rtpa_nsent rtpa_nrcvd rtpa_ndups rtpa_nlost rtpa_perrs", r"\d+ \d+ \d+ \d+ \d+"),
    ("Qv id@h ftag;1 ttag;1 ttl npkts_ina", r"ttl=\d+ npkts_ina=\d+"),
    # commands that need what this daemon was not given, or streams that do not exist
    ("R id@h ftag ttag", "E50"),
    ("Rs id@h ftag ttag", "E50"),
    ("RS id@h ftag", "E50"),
    ("P3 id@h /nowhere/prompt session ftag;1 ttag;1", "E60"),
    ("P-1 id@h /nowhere/prompt session ttag;1 ftag;1", "E60"),
    ("S id@h ftag;1 ttag;1", "0"),
    ("C id@h nowhere ftag;1 ttag;1", "E65"),
    # a re-offer, then the end
    ("Uc0,8 id@h 127.0.0.1 {caller} ftag;1 ttag;1", PORT),
    ("D id@h ftag ttag", "0"),
    ("D id@h ftag ttag", "E50"),
    ("Lc0 id@h 127.0.0.1 {callee} ftag;1 ttag;1", "0"),
    # notifications in U, with and without a to-tag
    ("Uc0,8 id2@h 127.0.0.1 {caller} ftag;1 " + NOTIFY + " T1a2b.3c4d", PORT),
    ("Uc0,8 id2@h 127.0.0.1 {caller} ftag;1 ttag;1 " + NOTIFY + " T1a2b.3c4d", PORT),
    ("Uc0,8 id3@h 127.0.0.1 {caller} ftag;1 " + NOTIFY + " I && M99:1 Dcid@h 101", "E3"),
    ("D id2@h ftag", "0"),
    ("D id3@h ftag", "E50"),
    # option words
    ("UAc0 id4@h 127.0.0.1 {caller} ftag;1", PORT),
    ("USc0 id4@h 127.0.0.1 {caller} ftag;1", PORT),
    ("Ul127.0.0.1Z20c0 id4@h 127.0.0.1 {caller} ftag;1", PORT),
    ("UZ20R127.0.0.1c0,8 id5@h 127.0.0.1 {caller} ftag;1", PORT),
    ("UZ20R[::1]c0,8 id6@h 127.0.0.1 {caller} ftag;1", r"\d{5} ::1 6"),
    ("U6Z20c0,8 id7@h ::1 {caller} ftag;1", r"\d{5} ::1 6"),
    ("UIEc0 id8@h 127.0.0.1 {caller} ftag;1", "E12"),
    ("UEIc0 id8@h 127.0.0.1 {caller} ftag;1", "E11"),
    ("Uc0t60 id8@h 127.0.0.1 {caller} ftag;1", "E35"),
    ("UT60 id8@h 127.0.0.1 {caller} ftag;1", "E35"),
    ("Ux id8@h 127.0.0.1 {caller} ftag;1", "E35"),
    ("Lc0 id9@h 127.0.0.1 {callee} ftag;1 dummy", "0"),
    # two media; the second only, as when the first has port 0; a branch on the call-id
    ("Uc0 idA@h-0 127.0.0.1 {caller} ftag;1", PORT),
    ("Uc96 idA@h-0 127.0.0.1 {caller} ftag;2", PORT),
    ("D idA@h-0 ftag", "0"),
    ("Q idA@h-0 ftag;2", "E50"),
    # copies
    ("Lc0 id4@h 127.0.0.1 {callee} ftag;1 ttag;1", PORT),
    ("C id4@h udp:127.0.0.1:{copy} ftag;1 ttag;1", "0"),
    ("N id4@h ftag;1 ttag;1", "0"),
    ("N id4@h ftag;1 ttag;1", "E50"),
    *((f"D id{number}@h ftag", "0") for number in (4, 5, 6, 7)),
]


class OpensipsWire:
    """One worker of OpenSIPS: its socket handling, literally."""

    def __init__(self, spec: str) -> None:
        self.kind, _, self.place = spec.partition(":")
        self.count = 0
        if self.kind != "unix":
            self.link = self.open()

    def open(self) -> socket.socket:
        if self.kind in ("unix", "cunix"):
            return connect(self.place, 2.0)
        host, _, port = self.place.rpartition(":")
        if self.kind.startswith("tcp"):
            return connect((host, int(port)), 2.0)
        link = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        link.settimeout(2.0)
        link.connect((host, int(port)))
        return link

    def close(self) -> None:
        if self.kind != "unix":
            self.link.close()

    def command(self, text: str) -> bytes:
        """The reply, newline included, cookie removed: one read of at most 256 bytes."""
        if self.kind.startswith("udp"):
            self.count += 1
            cookie = f"4711_1234567_{self.count} ".encode()
            self.link.send(cookie + text.encode())
            reply = self.link.recv(256)
            if not reply.startswith(cookie):
                raise AssertionError(f"reply {reply!r} without the cookie {cookie!r}")
            return reply[len(cookie) :]
        if self.kind == "unix":
            with self.open() as link:
                link.sendall(text.encode())
                return link.recv(256)
        self.link.sendmsg([text.encode(), b"\n"])
        return self.link.recv(256)


class ReplayTest(unittest.TestCase):
    def check_replay(self, kind: str) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        media = {name: Media(name) for name in ("caller", "callee", "copy")}
        ports = {name: stream.port for name, stream in media.items()}
        for stream in media.values():
            self.addCleanup(stream.close)
        ports["notify"] = listener.getsockname()[1]
        target = NOTIFY.format(**ports)
        with Proxy("-n", target, "-l", "127.0.0.1", "-6", "v6@::1", sockets=(kind,), listen=()) as proxy:
            wire = OpensipsWire(proxy.spec(kind))
            for command, expected in CALL:
                text = command.format(**ports)
                reply = wire.command(text).decode()
                self.assertTrue(re.fullmatch(expected + "\n", reply), f"{text}: {reply!r} is not {expected}")
            wire.close()

    def test_udp(self) -> None:
        self.check_replay("udp")

    def test_udp6(self) -> None:
        self.check_replay("udp6")

    def test_tcp(self) -> None:
        self.check_replay("tcp")

    def test_tcp6(self) -> None:
        self.check_replay("tcp6")

    def test_unix(self) -> None:
        self.check_replay("unix")

    def test_cunix(self) -> None:
        self.check_replay("cunix")


class NotificationTest(unittest.TestCase):
    """What OpenSIPS's listener gets for dialogs whose media stopped: `T<dialog>` lines on one connection."""

    def test_dead_dialogs(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(6.0)
        self.addCleanup(listener.close)
        target = NOTIFY.format(notify=listener.getsockname()[1])
        with Proxy("-n", target, "-T", "1", connections=1) as proxy:
            for number in (1, 2):
                proxy.command(f"Uc0,8 id{number} 127.0.0.1 4000 ftag;1 {target} T1a2b.{number}")
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(6.0)
                received = b""
                while received.count(b"\n") < 2:
                    received += peer.recv(254)
                self.assertEqual(sorted(received.split(b"\n")), [b"", b"T1a2b.1", b"T1a2b.2"])
                # answers are not read, and must not disturb
                peer.sendall(b"OK\n" * 3)
                proxy.command(f"Uc0,8 id3 127.0.0.1 4000 ftag;1 {target} T1a2b.3")
                self.assertEqual(peer.recv(254), b"T1a2b.3\n")
            wait_for(lambda: proxy.sessions() == 0, "time-out of all sessions")


class CopyTest(unittest.TestCase):
    """copy_offer/answer (SIPREC): what the caller sends reaches the recorder too, from N on no more."""

    def test_stream_is_copied(self) -> None:
        streams = [Media(name) for name in ("caller", "callee", "recorder")]
        caller, callee, recorder = streams
        for stream in streams:
            self.addCleanup(stream.close)
        with Proxy() as proxy:
            replies = [
                proxy.command(f"Uc0 id@h 127.0.0.1 {caller.port} ftag;1"),
                proxy.command(f"Lc0 id@h 127.0.0.1 {callee.port} ftag;1 ttag;1"),
            ]
            callee.target, caller.target = (("127.0.0.1", int(reply.split()[0])) for reply in replies)
            self.assertEqual(proxy.command(f"C id@h udp:127.0.0.1:{recorder.port} ftag;1 ttag;1"), "0")
            sent = caller.send(10)
            self.assertEqual(callee.receive(10), sent)
            self.assertEqual(recorder.receive(10), sent)
            self.assertEqual(proxy.command("N id@h ftag;1 ttag;1"), "0")
            sent = caller.send(5)
            self.assertEqual(callee.receive(5), sent)
            self.assertTrue(recorder.is_silent())
            self.assertEqual(proxy.command("D id@h ftag ttag"), "0")
