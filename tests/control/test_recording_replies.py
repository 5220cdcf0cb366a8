"""Replies of R, C and N, and the names of the files. What is in the files is tested elsewhere."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
import unittest
from unittest import mock

from tests.control.conversation import Conversation, ConversationCase


class RecordingCase(ConversationCase):
    def setUp(self) -> None:
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def prepared(self, options: str = "") -> Conversation:
        """A complete session `a` with tag f, on a proxy that records."""
        talk = self.talk(f"-l 127.0.0.1 -r {self.directory} {options}")
        talk.say("U a ... f")
        talk.say("L a ... f t")
        return talk

    def files(self, count: int) -> list[str]:
        """Names in the recording directory, once there are `count`: they are made by a thread of their own."""
        end = time.monotonic() + 2.0
        while len(os.listdir(self.directory)) != count and time.monotonic() < end:
            time.sleep(0.005)
        return sorted(os.listdir(self.directory))


class RecordTest(RecordingCase):
    def test_without_directory(self) -> None:
        talk = self.talk()
        talk.say("U a ... f")
        self.check_replies(talk, """
            R a f      -> E50
            Rs a f     -> E50
            R nosuch f -> E50
            N a f      -> E50
            C a name f -> E65
            Cp a name f -> E65
            C a udp:127.0.0.1:3000 f -> 0
            N a f      -> 0
            N a f      -> E50
        """)

    def test_directory_that_is_not_there(self) -> None:
        talk = self.talk(f"-l 127.0.0.1 -r {self.directory}/missing")
        talk.say("U a ... f")
        self.check_replies(talk, """
            R a f       -> E50
            C a name f  -> E65
            U b ... f   -> 41002 127.0.0.1
        """)

    def test_recording_does_not_fail_the_call(self) -> None:
        """With -a a session that cannot be recorded is set up all the same."""
        talk = self.talk(f"-l 127.0.0.1 -a -r {self.directory}/missing")
        self.check_replies(talk, """
            U a ... f   -> 41000 127.0.0.1
            L a ... f t -> 41002 127.0.0.1
        """)

    def test_two_files(self) -> None:
        talk = self.prepared()
        self.check_replies(talk, """
            R a f      -> 0
            R a f      -> 0              # once more: fine with two files
            Rs a f     -> 0              # s needs -P
            R a x f    -> 0              # the other leg
            R a x y    -> E50
        """)
        self.assertEqual(self.files(4), ["a=f.a.rtcp", "a=f.a.rtp", "a=f.o.rtcp", "a=f.o.rtp"])
        self.check_replies(talk, """
            N a f      -> 0
            N a f      -> E50
            Na a f     -> 0              # the other leg, too
            Na a f     -> E50
            N nosuch f -> E50
        """)

    def test_no_rtcp(self) -> None:
        talk = self.prepared("-R")
        self.assertEqual(talk.say("R a f t"), "0")
        self.assertEqual(self.files(1), ["a=f.o.rtp"])

    def test_single_file(self) -> None:
        talk = self.prepared("-P")
        self.check_replies(talk, """
            Rs a f     -> 0
            Rs a f     -> E50            # once more: refused with a single file
        """)
        self.assertEqual(self.files(1), ["a=f.pcap"])

    def test_media_of_a_call(self) -> None:
        """R and N act on all media of a call; each has files of its own."""
        talk = self.prepared()
        self.check_replies(talk, """
            U b ... f;1 -> 41004 127.0.0.1
            U b ... f;2 -> 41006 127.0.0.1
            U b ... f;3 -> 41008 127.0.0.1
            R b f t     -> 0
            N b f;2     -> 0
            N b f;2     -> E50
            R b f;2     -> 0
            N b f       -> 0
            N b f       -> E50
        """)
        self.assertEqual(self.files(6), ["b=f.o.rtcp", "b=f.o.rtp", "b=f;2.o.rtcp", "b=f;2.o.rtp", "b=f;3.o.rtcp",
                                         "b=f;3.o.rtp"])

    def test_media_of_a_call_in_single_files(self) -> None:
        talk = self.prepared("-a -P")
        talk.say("U b ... f;1")
        talk.say("U b ... f;2")
        self.assertEqual(self.files(3), ["a=f.pcap", "b=f.pcap", "b=f;2.pcap"])

    def test_all_from_creation(self) -> None:
        talk = self.prepared("-a")
        self.assertEqual(len(self.files(4)), 4)
        self.assertEqual(talk.say("N a f"), "0")

    def test_names_stay_in_the_directory(self) -> None:
        """A call-id or target cannot name a file elsewhere."""
        talk = self.talk(f"-l 127.0.0.1 -r {self.directory}/inner")
        os.mkdir(f"{self.directory}/inner")
        for call_id in ("../x", "/etc/x", "..", "a/../../x", "../inner2"):
            talk.say(f"U {call_id} ... f")
            for command in (f"R {call_id} f", f"C {call_id} ../copy f", f"C {call_id} {self.directory}/copy f"):
                with self.subTest(command=command):
                    self.assertRegex(talk.say(command), r"^(0|E50|E65)$")
                    self.assertEqual(os.listdir(self.directory), ["inner"])
            talk.say(f"D {call_id} f")


class CopyTest(RecordingCase):
    def test_targets(self) -> None:
        """Each on a fresh session: a leg that is copied already accepts anything."""
        for target, expected in (
            ("udp:127.0.0.1:3000", "0"), ("udp:localhost:3000", "0"), ("udp:127.0.0.1:65534", "0"),
            ("udp:127.0.0.1:65535", "E65"), ("udp:127.0.0.1:0", "E65"), ("udp:127.0.0.1", "E65"), ("udp::3000", "E65"),
            ("udp:", "E65"), ("udp:127.0.0.1:x", "E65"), ("udp:127.0.0.1:-5", "E65"), ("udp:127.0.0.1:99999", "E65"),
            ("udp:\xff:3000", "E65"), ("udp:" + "a" * 300 + ":3000", "E65"), ("udp:a..b:3000", "E65"),
        ):
            with self.subTest(target=target):
                talk = self.talk(pairs=4)
                talk.say("U a ... f")
                self.assertEqual(talk.say(f"C a {target} f"), expected)
                self.assertEqual(talk.say("D a f"), "0")
                self.assertEqual(talk.table.ports[socket.AF_INET].free, 4)

    def test_names(self) -> None:
        """Many hosts know `localhost` by its IPv6 address first, but recorders listen where the C program sends to."""
        resolve = socket.getaddrinfo
        for addresses, expected in ((("::1", "127.0.0.1"), "41002 127.0.0.1"), (("::1",), "41000 ::1")):
            with self.subTest(addresses=addresses):
                talk = self.talk()
                talk.say("U a ... f")
                found = [entry for address in addresses for entry in resolve(address, 3000, type=socket.SOCK_DGRAM)]
                with mock.patch("socket.getaddrinfo", return_value=found):
                    self.assertEqual(talk.say("Cp a udp:recorder.example:3000 f"), expected)

    def test_source_address(self) -> None:
        self.check_replies(self.prepared(), """
            Cp a udp:127.0.0.1:3000 f t -> 41004 127.0.0.1
            C a udp:127.0.0.1:3000 f t  -> 0
            Cp a udp:127.0.0.1:3000 t f -> 41006 127.0.0.1   # each leg has a pair of its own
            C nosuch udp:127.0.0.1:3000 f t -> E50
            Cp a name x f               -> E65
            Cx a name f                 -> E7
            D a f                       -> 0
        """)

    def test_source_address_of_a_leg_that_is_recorded(self) -> None:
        """It stays recorded and nothing is copied; the port in the reply is free again."""
        talk = self.prepared()
        self.check_replies(talk, """
            R a f t                     -> 0
            Cp a udp:127.0.0.1:3000 f t -> 41004 127.0.0.1
            C a udp:127.0.0.1:3000 f t  -> 0
        """)
        self.assertEqual(talk.table.ports[socket.AF_INET].free, 22)
        self.assertEqual(self.files(2), ["a=f.o.rtcp", "a=f.o.rtp"])

    def test_source_address_behind_a_wildcard(self) -> None:
        """What the recorder will see, not the address that was bound."""
        talk = self.talk("-l 0.0.0.0")
        self.check_replies(talk, """
            U a ... f                   -> 41000
            Cp a udp:127.0.0.1:3000 f   -> 41002 127.0.0.1
            D a f                       -> 0
        """)

    def test_files(self) -> None:
        talk = self.prepared()
        self.check_replies(talk, """
            C a name f t  -> 0
            C a name2 f t -> 0               # copied already: nothing changes
            N a f         -> 0
        """)
        self.assertEqual(self.files(2), ["name.rtcp", "name.rtp"])

    def test_copies_arrive(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as recorder:
            phone.bind(("127.0.0.1", 0))
            recorder.bind(("127.0.0.1", 0))
            recorder.settimeout(2.0)
            talk = self.prepared()
            talk.say(f"U a 127.0.0.1 {phone.getsockname()[1]} f t")
            reply = talk.say(f"Cp a udp:127.0.0.1:{recorder.getsockname()[1]} f t")
            self.assertEqual(reply, "41004 127.0.0.1")
            (session,) = talk.table.call("a")
            packet = b"\x80\0\0\1" + bytes(8) + b"voice"
            phone.sendto(packet, ("127.0.0.1", talk.real_port(41002)))
            with talk.table.lock:
                session.caller.rtp.handle(session.caller.rtp, talk.clock.now)
            data, source = recorder.recvfrom(999)
            self.assertEqual((data, source), (packet, ("127.0.0.1", talk.real_port(41004))))
            self.assertEqual(talk.say("N a f t"), "0")
            self.assertEqual(talk.table.ports[socket.AF_INET].free, 22)


if __name__ == "__main__":
    unittest.main()
