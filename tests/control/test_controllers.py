"""Commands as SIP servers were seen to send them, letter for letter, and what they expect of replies."""

from __future__ import annotations

import unittest

from rtpp.control.commands import Origin
from tests.control.conversation import ConversationCase
from tests.ports import HAS_IPV6


class KamailioTest(ConversationCase):
    def test_calls(self) -> None:
        self.check_replies(self.talk(nominal=48000, pairs=40), """
            Uc0,8,101 basic@t 127.0.0.1 47000 ftag;1              -> 48000 127.0.0.1
            Lc0,101 basic@t 127.0.0.1 47002 ftag;1 ttag;1         -> 48002 127.0.0.1
            Q basic@t ftag;1 ttag                                 -> 60 0 0 0 0
            D basic@t ftag ttag                                   -> 0
            Uc0,8,101 busy@t 127.0.0.1 47000 ftag;1               -> 48004 127.0.0.1
            D busy@t ftag                                         -> 0
            Uc0,8,101 rein@t 127.0.0.1 47000 ftag;1               -> 48006 127.0.0.1
            Lc0,8,101 rein@t 127.0.0.1 47002 ftag;1 ttag;1        -> 48008 127.0.0.1
            Uc0,8,101 rein@t 127.0.0.1 47004 ftag;1 ttag;1        -> 48006 127.0.0.1
            Lc0,8,101 rein@t 127.0.0.1 47006 ftag;1 ttag;1        -> 48008 127.0.0.1
            Uc96,97 two@t 127.0.0.1 47000 ftag;1                  -> 48010 127.0.0.1
            Uc96,97 two@t 127.0.0.1 47010 ftag;2                  -> 48012 127.0.0.1
            Lc96,97 two@t 127.0.0.1 47002 ftag;1 ttag;1           -> 48014 127.0.0.1
            Lc96,97 two@t 127.0.0.1 0 ftag;2 ttag;2               -> 48016 127.0.0.1
            D two@t ftag ttag                                     -> 0
            Q two@t ftag;1                                        -> E50
            Q two@t ftag;2                                        -> E50
            USIEZ20c0,8,101 flags@t;z9hG4bKflags@t1 127.0.0.1 47000 ftag;1 -> E12
            U6c0,8,101 v6@t ::1 47000 ftag;1                      -> E36
            Lc0,8,101 v6@t 127.0.0.1 47002 ftag;1 ttag;1          -> 0
            Q v6@t ftag;1 ttag                                    -> E50
            D v6@t ftag ttag                                      -> E50
            USZ20c0 flags@t;z9hG4bKflags@t1 127.0.0.1 47000 ftag;1 -> 48018 127.0.0.1
            D flags@t;z9hG4bKflags@t1 ftag                        -> 0
            P3 rein@t /p/prompt session ftag;1 ttag;1             -> E60
            P-1 rein@t /p/prompt session ttag;1 ftag;1            -> E60
            S rein@t ftag;1 ttag;1                                -> 0
            R rein@t ttag ftag                                    -> E50          # no -r here
        """)

    def test_memory_in_the_command(self) -> None:
        talk = self.talk()
        self.assertEqual(talk.say(b"UZ20\xdb\xe1Uc96,97 two@t 127.0.0.1 47010 ftag;2"), "E35")

    @unittest.skipUnless(HAS_IPV6, "no IPv6 here")
    def test_bridging_of_families(self) -> None:
        """Flag x: IE with an IPv4 description, EI and 6 with an IPv6 one; 6 also with the address of an IPv4 sender."""
        self.check_replies(self.talk("-l 127.0.0.1 -6 /::1", nominal=48000), """
            UAIEc0,8,101 x@t 127.0.0.1 47000 ftag;1               -> 48000 ::1 6
            LAEI6c0,8,101 x@t ::1 47002 ftag;1 ttag;1             -> 48000 127.0.0.1
        """)
        talk = self.talk("-6 ::1", nominal=48000)
        self.check_replies(talk, "U6c0,8,101 id ::1 47000 ftag;1 -> 48000 ::1 6")


class OpenSipsTest(ConversationCase):
    def test_calls(self) -> None:
        talk = self.talk("-l 127.0.0.1 -T 4 -n tcp:192.0.2.1:7000", nominal=48000)
        self.check_replies(talk, """
            Uc0,8,101 id@h 192.0.2.10 4000 ftag;1                 -> 48000 127.0.0.1
            Uc0,8 id@h 192.0.2.10 4000 ftag;1 tcp:192.0.2.1:7000 T1a2b.3c4d        -> 48000 127.0.0.1
            Uc0,8 id@h 192.0.2.10 4000 ftag;1 ttag;1 tcp:192.0.2.1:7000 T1a2b.3c4d -> 48000 127.0.0.1
            Lc0,8 id@h 192.0.2.20 5000 ftag;1 ttag;1              -> 48002 127.0.0.1
            Uc0,8 id2@h 192.0.2.10 4000 ftag;1 tcp:192.0.2.1:7000 I && M3:1 Dcid@h 101 -> E3
            Q id2@h ftag;1                                        -> E50
            Q id@h ftag;1 ttag;1                                  -> 4 0 0 0 0
            Q id@h ftag;1 ;1                                      -> 4 0 0 0 0
            Q id@h ftag;1                                         -> 4 0 0 0 0
            Q id@h ftag ttag                                      -> E50
            Q id@h ftag;1 ttag;1 ttl npkts_ina npkts_ino nrelayed ndropped            -> 4 0 0 0 0
            Q id@h ftag;1 ttag;1 rtpa_nsent rtpa_nrcvd rtpa_ndups rtpa_nlost rtpa_perrs -> 0 0 0 0 0
            Qv id@h ftag;1 ttag;1 ttl npkts_ina                   -> ttl=4 npkts_ina=0
            Ut60c0 id3@h 192.0.2.10 4000 ftag;1                   -> E35
            UT60c0 id3@h 192.0.2.10 4000 ftag;1                   -> E35
            Rs id@h ftag                                          -> E50
            RS id@h ftag ttag                                     -> E50
            C id@h udp:192.0.2.9:6000 ftag;1 ttag;1               -> 0
            N id@h ftag;1 ttag;1                                  -> 0
            N id@h ftag;1 ttag;1                                  -> E50
            Lc0,8 nosuch@h 192.0.2.20 5000 ftag;1 dummy           -> 0
            D id@h ftag                                           -> 0
        """)
        talk.say("U id@h 192.0.2.10 4000 ftag;2 tcp:192.0.2.1:7000 T1a2b.3c4d")
        (expired,) = talk.wait(5)
        assert expired.notification is not None
        self.assertEqual(expired.notification.text, b"T1a2b.3c4d\n")

    @unittest.skipUnless(HAS_IPV6, "no IPv6 here")
    def test_copy_to_ipv6(self) -> None:
        """Without brackets: the port is behind the last colon."""
        self.check_replies(self.talk("-6 ::1", nominal=48000), """
            U6 id@h ::1 4000 ftag;1                               -> 48000 ::1 6
            C id@h udp:::1:6000 ftag;1                            -> 0
        """)

    def test_numbers_that_disable_the_node(self) -> None:
        """U and L are never refused with 7 to 10, whatever stands in their modifiers."""
        talk = self.talk()
        for letter in map(chr, range(33, 256)):
            for verb in "UL":
                reply = talk.say(f"{verb}{letter} id@h 192.0.2.10 4000 ftag;1 ttag;1".encode("latin-1"))
                self.assertNotRegex(reply, r"\AE([789]|10)\Z", letter)


class SippyTest(ConversationCase):
    def test_calls(self) -> None:
        talk = self.talk("-l 127.0.0.1 -T 10 -n /run/b.sock", nominal=48000)
        self.check_replies(talk, """
            V                                                     -> 20040107
            VF 20071218                                           -> 1
            VF 20080403                                           -> 1
            VF 20081224                                           -> 1
            VF 20090810                                           -> 1
            VF 20150617                                           -> 1
            VF 20250523                                           -> 1
            UR127.0.0.1 cid-0 127.0.0.1 47000 tt                  -> 48000 127.0.0.1
            UR127.0.0.1 cid-1 127.0.0.1 47004 tt                  -> 48002 127.0.0.1
            U cid-0 127.0.0.1 47002 ft tt                         -> 48004 127.0.0.1
            U cid-1 127.0.0.1 47006 ft tt                         -> 48006 127.0.0.1
            Q cid-0 ft tt                                         -> 10 0 0 0 0
            P1 cid-0 /p/prompt 0,8,101 ft tt                      -> E60
            P1 cid-0 /p/prompt None ft tt                         -> E60
            S cid-0 ft tt                                         -> 0
            C cid-0 udp:127.0.0.1:47100 ft tt                     -> 0     # takes a pair of ports
            RNone cid-0 ft tt                                     -> E7
            D cid-1 ft tt                                         -> 0
            D cid-0 ft tt                                         -> 0
            UR127.0.0.1 two@t-0 127.0.0.1 47000 91a4 /run/b.sock r%201           -> 48010 127.0.0.1
            UR127.0.0.1 two@t-1 127.0.0.1 47010 91a4 unix:/run/b.sock r%201%201  -> 48012 127.0.0.1
            UR127.0.0.1 two@t-0 127.0.0.1 47002 f708 91a4 /run/b.sock r%201      -> 48014 127.0.0.1
            UR127.0.0.1 two@t-1 127.0.0.1 47012 f708 91a4 unix:/run/b.sock r%201%201 -> 48016 127.0.0.1
            Uz20R127.0.0.1N two@t-0 127.0.0.1 47002 f708 91a4 /run/b.sock r%201  -> 48018 127.0.0.1
            U hold-0 0.0.0.0 0 91a4                               -> 48020 127.0.0.1
            U dtls-0 0.0.0.0 0 91a4 && M4:1 S                     -> E3
        """)
        texts = sorted(session.notification.text for session in talk.wait(11) if session.notification is not None)
        self.assertEqual(sorted(texts), [b"r 1\n", b"r 1 1\n"])

    def test_target_by_the_controllers_address(self) -> None:
        """As rtp_cluster asks for it: the connection goes to where the command came from."""
        talk = self.talk("-l 127.0.0.1 -n tcp:%%CC_SELF%%:17992")
        for call_id, origin, expected in (("a", Origin("192.0.2.7", "192.0.2.1"), ("192.0.2.7", "192.0.2.1")),
                                          ("b", Origin("192.0.2.8", "0.0.0.0"), ("192.0.2.8", "")),
                                          ("c", Origin(), ("127.0.0.1", ""))):
            talk.say(f"U {call_id} ... f tcp:%%CC_SELF%%:17992 disconnect%3A1", origin)
            (session,) = talk.table.call(call_id)
            assert session.notification is not None
            target = session.notification.target
            self.assertEqual((target.host, target.source, target.port), (*expected, 17992))
            self.assertEqual(session.notification.text, b"disconnect:1\n")


class ReplyTest(ConversationCase):
    def test_short_and_plain(self) -> None:
        """Replies of all but G and I fit 255 bytes, are ASCII, and are never empty."""
        talk = self.talk("-l 127.0.0.1")
        long_call, long_tag = "c" * 200, "t" * 200
        for form in ("U {} ... {}", "L {} ... {} \xff", "Qv {} {}", "S {} {}", "R {} {}", "N {} {}", "V", "VF 1",
                     "C {} udp:127.0.0.1:9 {}", "D {} {}", "X", "\xff"):
            command = form.format(long_call, long_tag)
            reply = talk.say(command)
            with self.subTest(command=command):
                self.assertTrue(reply.isascii())
                self.assertGreater(len(reply), 0)
                self.assertLess(len(reply), 220)
                self.assertNotIn("\n", reply)

    def test_odd_remote_addresses(self) -> None:
        """Port 0, hold, or a name in place of an address: still a port."""
        for number, remote in enumerate(("127.0.0.1 0", "0.0.0.0 4000", "host.example.net.very.long 4000", "x 4000")):
            talk = self.talk(pairs=4)
            self.assertEqual(talk.say(f"U {number} {remote} f;1"), "41000 127.0.0.1", remote)

    def test_deleting(self) -> None:
        """With and without media number, and swapped."""
        for words in ("f1", "f1;1", "t1 f1", "t1;1 f1;1", "x f1"):
            talk = self.talk(pairs=4)
            talk.say("U id ... f1;1")
            self.assertEqual(talk.say(f"D id {words}"), "0", words)
            self.assertEqual(talk.say(f"D id {words}"), "E50", words)


if __name__ == "__main__":
    unittest.main()
