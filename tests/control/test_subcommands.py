"""What follows `&&`: effects, results, and when they stop."""

from __future__ import annotations

import socket
import unittest

from tests.control.conversation import Conversation, ConversationCase
from tests.ports import HAS_IPV6


def tos_of(bound: object) -> int:
    assert isinstance(bound, socket.socket)
    return bound.getsockopt(socket.IPPROTO_IP, socket.IP_TOS)


class ResultTest(ConversationCase):
    def test_both_legs_at_once(self) -> None:
        self.check_replies(self.talk(nominal=44000), """
            U s1 127.0.0.1 4000 f t && L 127.0.0.1 5000 -> 44000 127.0.0.1 && 44002 127.0.0.1
            U s2 127.0.0.1 4000 f && S ttl=30           -> 44004 127.0.0.1
            U s5 127.0.0.1 4000 f t && C nosuch f t     -> 44006 127.0.0.1 && -1
            U s5 127.0.0.1 4000 f t && S ttl=9 && C nosuch f t -> 44006 127.0.0.1 && 0 && -1
            U s5 127.0.0.1 4000 f t && S ttl=9 && L 127.0.0.1 7000 -> 44006 127.0.0.1 && 0 && 44008 127.0.0.1
            U s5 127.0.0.1 4000 f t && L 127.0.0.1 7000 && S ttl=10 -> 44006 127.0.0.1 && 44008 127.0.0.1
            U s5 127.0.0.1 4000 f t && L 127.0.0.1 7000 && C nosuch f t && S ttl=5 -> 44006 127.0.0.1 && 44008 127.0.0.1 && -1
            Q s5 f t ttl                                -> 10     # nothing runs after a failure
            U s5 127.0.0.1 4000 f t && L 127.0.0.1 7000 && L 127.0.0.1 7000 -> 44006 127.0.0.1 && 44008 127.0.0.1 && 44006 127.0.0.1
            L s5 127.0.0.1 4000 f t && L 127.0.0.1 7000 -> E3
            L nosuch 127.0.0.1 4000 f t && S ttl=20     -> 0
            L s5 127.0.0.1 4000 f t && S ttl=20         -> 44008 127.0.0.1
            Q s5 f t && S ttl=21                        -> 20 0 0 0 0
            Q s5 f t ttl && S ttl=22 && D               -> 21
            Q s5 f t                                    -> E50
            U s2 127.0.0.1 4000 f && D                  -> 44004 127.0.0.1
            Q s2 f                                      -> E50
        """)  # noqa: E501

    def test_delete_takes_every_medium_of_its_tag(self) -> None:
        """The session's own tag is the from-tag of a D: without a media number it stands for all of them."""
        self.check_replies(self.talk(), """
            U a ... f;2     -> 41000 127.0.0.1
            U a ... f;1 && D -> 41002 127.0.0.1
            Q a f;2         -> 60 0 0 0 0
            U a ... f && D  -> 41004 127.0.0.1
            Q a f;2         -> E50
        """)

    def test_faults(self) -> None:
        talk = self.talk(nominal=44000)
        self.check_replies(talk, """
            U s2 ... f && Sx ttl=5  -> 44000 127.0.0.1
            U s3 ... f && Srr ttl=5 -> E3
            U s3 ... f && S tos=0   -> E3
            U s3 ... f && S         -> E3
            U s3 ... f && D x       -> E3
            U s3 ... f && G         -> E3
            D s2 f && D             -> E3
            V && D                  -> E3
            U s3 ... f && L 127.0.0.1 5000 -> E3
            U s3 ... f t && Lz0 127.0.0.1 7000 -> E3
            U s3 ... f && M3:1 Dcid@h 101 -> E3
            Q s3 f                  -> E50        # the main command had no effect
        """)
        self.assertEqual(talk.counters("nsess_created"), {"nsess_created": 1})

    def test_failing_lookup(self) -> None:
        talk = self.talk(pairs=2)
        self.check_replies(talk, """
            U a ... f                               -> 41000 127.0.0.1
            U b ... f t && Ll8.8.8.8 127.0.0.1 4    -> 41002 127.0.0.1 && -1
            U b ... f t && L 127.0.0.1 4 && S ttl=5 -> 41002 127.0.0.1 && -1
            Q b f t ttl                             -> 60
        """)

    def test_delete(self) -> None:
        """As D with the session's own tag: clears a flag, and the session goes when none is left."""
        self.check_replies(self.talk(), """
            U a ... f              -> 41000 127.0.0.1
            Q a f && Dw            -> 60 0 0 0 0
            Q a f && D             -> 60 0 0 0 0
            Q a f                  -> E50
            Uw b ... f             -> 41002 127.0.0.1
            Q b f && D             -> 60 0 0 0 0
            Q b f && Dw            -> 60 0 0 0 0    # the caller's flag, while U set the callee's
            Q b f                  -> 60 0 0 0 0
            Uw b ... t f           -> 41004 127.0.0.1
            Q b f && Dw            -> 60 0 0 0 0
            Dw b x f               -> 0
            Q b f                  -> E50
            U c ... f && D && D    -> 41006 127.0.0.1 && 0 && -1
            Q c f                  -> E50
        """)

    def test_overflow(self) -> None:
        """Results that do not fit are replaced by a failure."""
        talk = self.talk()
        line = "U a 127.0.0.1 4 f t" + " && L 127.0.0.1 5" * 15
        whole = talk.say(line)
        self.assertEqual(whole, " && ".join(["41000 127.0.0.1", "41002 127.0.0.1"] * 8))
        for room in range(30, 280, 7):
            reply = talk.executor.execute(line.encode().split(), None, room)  # type: ignore[arg-type]
            with self.subTest(room=room):
                self.assertLessEqual(len(reply), room)
                self.assertTrue(reply.endswith(" && -1"), reply)
                translated = talk.translate(reply.removesuffix(" && -1"))
                self.assertTrue(whole.startswith(translated), (whole, translated))

    def test_fifteen(self) -> None:
        talk = self.talk()
        self.assertEqual(talk.say("U a ... f t" + " && S ttl=5" * 14 + " && L foo 4"),
                         "41000 127.0.0.1" + " && 0" * 14 + " && 41002 127.0.0.1")


class SetTest(ConversationCase):
    """Which leg S means: forward is where the media of the party arrive that sent the command."""

    CASES = (
        ("U c ... f t && S{} {}", "caller"),  # addresses the callee's leg, so the caller sent it
        ("U c ... t f && S{} {}", "callee"),
        ("L c ... f t && S{} {}", "callee"),
        ("L c ... t f && S{} {}", "caller"),
        ("Q c f t && S{} {}", "caller"),
        ("Q c t f && S{} {}", "callee"),
        ("U c ... f t && L foo 4 && S{} {}", "callee"),  # L exchanges the roles for what follows
        ("U c ... f t && L foo 4 && L foo 4 && S{} {}", "caller"),
    )

    def prepared(self, options: str) -> Conversation:
        talk = self.talk(options, pairs=6)
        talk.say("U c ... f")
        talk.say("L c ... f t")
        return talk

    def test_direction(self) -> None:
        for command, forward in self.CASES:
            for letter, name in (("", forward), ("x", forward), ("r", {"caller": "callee"}.get(forward, "caller"))):
                with self.subTest(command=command, letter=letter):
                    talk = self.prepared("-l 127.0.0.1 -i -T 60")
                    (session,) = talk.table.call("c")
                    talk.say(command.format(letter, "ttl=7"))
                    lives = {leg.actor: leg.ttl.maximum for leg in session.legs}
                    self.assertEqual(lives, {"caller": 60, "callee": 60, name: 7})
                    talk.say(command.format(letter, "tos=32"))
                    for leg in session.legs:
                        for stream in leg.streams:
                            self.assertEqual(tos_of(stream.socket), 32 if leg.actor == name else 0xB8)

    def test_unified(self) -> None:
        """By default both legs share one time, whatever the direction."""
        for letter in ("", "r"):
            talk = self.prepared("-l 127.0.0.1 -T 60")
            talk.say(f"Q c f t && S{letter} ttl=7")
            self.assertEqual(talk.say("Q c f t ttl"), "7")

    def test_type_of_service_is_remembered(self) -> None:
        """Set before the leg has sockets, and kept for its later ones."""
        talk = self.talk("-l 127.0.0.1")
        self.assertEqual(talk.say("U c ... f t && S tos=32 && Sr tos=64"), "41000 127.0.0.1")
        talk.say("L c ... f t")
        (session,) = talk.table.call("c")
        self.assertEqual([tos_of(leg.rtp.socket) for leg in session.legs], [32, 64])
        talk.say("Ln c ... f t")
        talk.say("Un c ... f t")
        self.assertEqual([tos_of(leg.rtcp.socket) for leg in session.legs], [32, 64])
        self.assertEqual(talk.say("U c ... f t && S tos=99999"), "41006 127.0.0.1")  # no upper limit

    def test_default_type_of_service(self) -> None:
        for options, expected in (("", 0xB8), ("-t 0", 0), ("-t 32", 32), ("-t -1", 0)):
            with self.subTest(options=options):
                talk = self.talk(f"-l 127.0.0.1 {options}", pairs=4)
                talk.say("U c ... f")
                (session,) = talk.table.call("c")
                self.assertEqual([tos_of(stream.socket) for stream in session.callee.streams], [expected] * 2)

    @unittest.skipUnless(HAS_IPV6, "no IPv6 here")
    def test_type_of_service_of_ipv6(self) -> None:
        talk = self.talk("-6 ::1")
        self.assertEqual(talk.say("U6 c ::1 4 f t && S tos=32 && S ttl=5"), "41000 ::1 6 && -1")


class CopyTest(ConversationCase):
    def test_source(self) -> None:
        self.check_replies(self.talk(), """
            U src ... f                      -> 41000 127.0.0.1
            L src ... f t                    -> 41002 127.0.0.1
            U rec ... a b && C src f t       -> 41004 127.0.0.1
            U rec ... a b && C src t f       -> 41004 127.0.0.1
            U rec ... a b && C src x y       -> 41004 127.0.0.1 && -1
            U rec ... a b && C nosuch f t    -> 41004 127.0.0.1 && -1
            U rec ... a b && C rec a b       -> 41004 127.0.0.1 && -1
            U r2 ... a b && L foo 4 && C src f t -> 41006 127.0.0.1 && 41008 127.0.0.1
            U r3 ... a && C src f t          -> E3
            D src f                          -> 0
            D rec a                          -> 0
            X                                -> 0
        """)

    def test_packets(self) -> None:
        """What arrives at the source's legs goes to the parties of the copy, whose own packets are dropped."""
        talk = self.talk()
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
        for each in sockets:
            self.addCleanup(each.close)
            each.bind(("127.0.0.1", 0))
            each.settimeout(2.0)
        caller, callee, recorder_one, recorder_two = sockets
        ports = [each.getsockname()[1] for each in sockets]
        talk.say(f"U src 127.0.0.1 {ports[0]} f t && L 127.0.0.1 {ports[1]}")
        one, two = f"127.0.0.1 {ports[2]}", f"127.0.0.1 {ports[3]}"
        reply = talk.say(f"U rec {one} a b && L {two} && L {one} && C src f t")
        self.assertEqual(reply, "41004 127.0.0.1 && 41006 127.0.0.1 && 41004 127.0.0.1")
        (source,), (recording,) = talk.table.call("src"), talk.table.call("rec")
        self.assertIsNotNone(recording.fork)

        def send(sender: socket.socket, nominal: int, leg: object, text: bytes) -> None:
            sender.sendto(b"\x80\0\0\1" + bytes(8) + text, ("127.0.0.1", talk.real_port(nominal)))
            with talk.table.lock:
                leg.rtp.handle(leg.rtp, talk.clock.now)  # type: ignore[attr-defined]

        # The last sub-command before C exchanged the roles twice, so the direction is as after a plain U.
        send(callee, 41000, source.callee, b"from callee")
        self.assertEqual(caller.recv(999)[12:], b"from callee")
        self.assertEqual(recorder_one.recv(999)[12:], b"from callee")
        send(caller, 41002, source.caller, b"from caller")
        self.assertEqual(callee.recv(999)[12:], b"from caller")
        self.assertEqual(recorder_two.recv(999)[12:], b"from caller")
        send(recorder_one, 41006, recording.caller, b"from a recorder")
        recorder_two.settimeout(0.05)
        with self.assertRaises(socket.timeout):
            recorder_two.recv(999)
        self.assertEqual(talk.say("Q src f t"), "60 1 1 2 0")
        self.assertEqual(talk.say("Q rec a b"), "60 1 0 0 1")
        talk.say("D rec a")
        send(caller, 41002, source.caller, b"again")
        self.assertEqual(callee.recv(999)[12:], b"again")


if __name__ == "__main__":
    unittest.main()
