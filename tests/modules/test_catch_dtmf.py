"""Digits to the notification socket, through commands, packets and a real socket."""

from __future__ import annotations

import os
import random
import tempfile
import time
import unittest
from struct import pack

from rtpp.rtp.packet import RtpPacket
from tests.control.conversation import Conversation, ConversationCase
from tests.modules.calls import NotificationSocket
from tests.session.harness import Party, rtp, serve


def event(code: int, duration: int, *, end: bool = False, timestamp: int = 1000, volume: int = 10, pt: int = 101,
          sequence_number: int = 1) -> bytes:
    """A telephone event."""
    payload = pack("!BBH", code, volume | 0x80 * end, duration)
    return bytes(RtpPacket(pt, sequence_number, timestamp, 0x77, payload))


def digit(code: int = 5, *, timestamp: int = 1000, volume: int = 10, pt: int = 101) -> list[bytes]:
    """A whole event: three packets, the last three times."""
    last = event(code, 480, end=True, timestamp=timestamp, volume=volume, pt=pt)
    return [event(code, duration, timestamp=timestamp, volume=volume, pt=pt) for duration in (160, 320)] + [last] * 3


class CatchDtmfTest(ConversationCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.path = os.path.join(holder.name, "notify")
        self.server = NotificationSocket(self, self.path)  # type: ignore[arg-type]
        self.addCleanup(self.server.close)

    def talk_dtmf(self, options: str = "--dso catch_dtmf") -> Conversation:
        conversation = self.talk(f"-l 127.0.0.1 -n unix:{self.path} {options}")
        conversation.notifier.start()
        self.addCleanup(conversation.notifier.stop)
        return conversation

    def call(self, conversation: Conversation, of_caller: str = "", of_callee: str = "") -> None:
        """A call between two phones; the sub-commands go with U and with L."""
        self.caller, self.callee = Party(self), Party(self)  # type: ignore[arg-type]
        notify = f"unix:{self.path} tag"
        replies = [conversation.say(f"U c 127.0.0.1 {self.caller.address[1]} f t {notify}{of_caller}"),
                   conversation.say(f"L c 127.0.0.1 {self.callee.address[1]} f t{of_callee}")]
        self.assertEqual(replies, ["41000 127.0.0.1", "41002 127.0.0.1"])
        self.session = next(iter(conversation.table))
        self.now = conversation.clock.now

    def dial(self, *packets: bytes, callee: bool = False) -> None:
        party, leg = (self.callee, self.session.callee) if callee else (self.caller, self.session.caller)
        for packet in packets:
            party.send(packet, leg.rtp)
            serve(leg.rtp, self.now)

    def test_reports_both_sides(self) -> None:
        self.call(self.talk_dtmf(), " && M3:1 my%20tag", " && M3:1 other")
        self.dial(*digit())
        self.assertEqual(self.server.line(), b"my tag 5 10 480 0\n")
        self.dial(*digit(), callee=True)
        self.assertEqual(self.server.line(), b"other 5 10 480 1\n")
        self.assertEqual(len(self.callee.waiting()), 5)  # relayed as ever
        self.assertEqual(len(self.caller.waiting()), 5)

    def test_one_side_only(self) -> None:
        self.call(self.talk_dtmf(), "", " && M3:1 callee")
        self.dial(*digit(1))
        self.dial(*digit(2), callee=True)
        self.assertEqual(self.server.line(), b"callee 2 10 480 1\n")

    def test_every_digit(self) -> None:
        self.call(self.talk_dtmf(), " && M3:1 t")
        for code, text in enumerate("0123456789*#ABCD "):
            self.dial(*digit(code, timestamp=code * 1000, volume=code))
            self.assertEqual(self.server.line(), f"t {text} {code} 480 0\n".encode())

    def test_single_packets_are_not_reported(self) -> None:
        self.call(self.talk_dtmf(), " && M3:1 t")
        self.dial(event(1, 480, end=True), event(2, 100, timestamp=5), event(17, 100, timestamp=6), rtp(), b"", b"\x80")
        self.dial(*digit(9, timestamp=7000))
        self.assertEqual(self.server.line(), b"t 9 10 480 0\n")

    def test_swallowing(self) -> None:
        self.call(self.talk_dtmf(), " && M3:1 t 101 h")
        self.dial(rtp(1), *digit(), rtp(2))
        self.assertEqual(self.server.line(), b"t 5 10 480 0\n")
        self.assertEqual(self.callee.waiting(), [rtp(1), rtp(2)])
        stream = self.session.caller.rtp
        self.assertEqual((stream.received, stream.relayed, stream.dropped), (7, 2, 5))
        self.assertEqual(stream.stats.npkts_discard, 5)

    def test_said_again(self) -> None:
        """Another tag, payload type and mode; there is still one watcher."""
        conversation = self.talk_dtmf()
        self.call(conversation, " && M3:1 one 101 h")
        again = f"U c 127.0.0.1 {self.caller.address[1]} f t unix:{self.path} tag && M3:1 two 96"
        self.assertEqual(conversation.say(again), "41000 127.0.0.1")
        self.assertEqual(len(self.session.caller.rtp.witnesses), 1)
        self.dial(*digit(1), *digit(2, timestamp=9, pt=96))
        self.assertEqual(self.server.line(), b"two 2 10 480 0\n")
        self.assertEqual(len(self.callee.waiting()), 10)

    def test_results(self) -> None:
        conversation = self.talk_dtmf()
        with_target = f"U c ... f t unix:{self.path} tag && M3:1"
        for arguments, result in (
            (" a", ""), (" a 0", ""), (" a 127", ""), (" a 127 h", ""), (" a h", ""), (" a 96 H", ""),
            ("", " && -1"), (" a 128", " && -1"), (" a -1", " && -1"), (" a x", " && -1"), (" a 96 x", " && -1"),
            (" a h 96", " && -1"), (" a 96 h h", " && -1"), (" %zz", " && -1"), (" a 96 97", " && -1"),
        ):
            with self.subTest(arguments):
                self.assertEqual(conversation.say(with_target + arguments), f"41000 127.0.0.1{result}")
        self.check_replies(conversation, """
            U n ... f t && M3:1 x                      -> 41002 127.0.0.1 && -1    # no notification target
            U n ... f t nowhere tag && M3:1 x          -> 41002 127.0.0.1 && -1
            L n ... f t && M3:1 x                      -> 41004 127.0.0.1 && -1
            L c ... f t && S ttl=9 && M3:1 x && D      -> 41006 127.0.0.1
        """)

    def test_what_is_not_there(self) -> None:
        conversation = self.talk_dtmf()
        for module in ("M3:2 x", "M3:0 x", "M3 x", "M99:1 x", "M x", "M1:1 x", "M2:1 x"):
            for main in ("U c ... f t", "L c 127.0.0.1 4 f t", "Q c f t"):
                self.assertEqual(conversation.say(f"{main} && {module}"), "E3", module)
        self.assertEqual(self.talk().say("U c ... f t && M3:1 x"), "E3")
        self.assertEqual(conversation.say("D c f && M3:1 x"), "E3")
        twice = self.talk_dtmf("--dso catch_dtmf --dso catch_dtmf")
        self.assertEqual(twice.say("U c ... f t && M3:2 x"), "41000 127.0.0.1 && -1")

    def test_nothing_stays_behind(self) -> None:
        conversation = self.talk_dtmf()
        self.call(conversation, " && M3:1 a", " && M3:1 b")
        module = conversation.modules._loaded[0].module
        self.assertEqual(len(module._catchers), 2)  # type: ignore[attr-defined]
        self.assertEqual(conversation.say("D c f t"), "0")
        self.assertEqual(len(module._catchers), 0)  # type: ignore[attr-defined]

    def test_random_arguments_and_packets(self) -> None:
        seed = time.time_ns()
        generator = random.Random(seed)
        conversation = self.talk_dtmf()
        self.call(conversation, " && M3:1 t 101")
        for _ in range(200):
            size = generator.randint(0, 30)
            start = b"\x80\x65" if generator.random() < 0.7 else b""
            self.dial(start + generator.randbytes(size))
            words = "".join(generator.choices("ah019% :-M\xff+", k=generator.randint(0, 12)))
            name = generator.choice(["M3:1", "m3:1", "M03:01", f"M3:{words}", f"M{words}", f"M3:1{words}", "M99999:1"])
            reply = conversation.say(f"Q c f t && {name} {words}")
            self.assertRegex(reply, r"^(60 [0-9 ]+( && -1)?|E[35])$", f"seed {seed}: {name} {words!r}")
        self.assertEqual(conversation.modules._loaded[0].failures.count, 0, f"seed {seed}")


if __name__ == "__main__":
    unittest.main()
