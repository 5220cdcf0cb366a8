"""Conversations: what commands on sessions do and answer."""

from __future__ import annotations

import unittest

from tests.control.conversation import ConversationCase
from tests.ports import HAS_IPV6


class IdentityTest(ConversationCase):
    """Which session the tags name, and which of its legs."""

    def test_media_numbers(self) -> None:
        talk = self.talk(nominal=42060)
        self.check_replies(talk, """
            U mm ... f;1              -> 42060 127.0.0.1
            U mm ... f;2              -> 42062 127.0.0.1
            U mm ... f;1              -> 42060 127.0.0.1
            L mm ... f;1 t;1          -> 42064 127.0.0.1
            L mm ... f;2 t;2          -> 42066 127.0.0.1
            L mm 127.0.0.1 5 t;2 f    -> 42062 127.0.0.1   # swapped, the media number on the from side
            U mm 127.0.0.1 5 t;2 f    -> 42066 127.0.0.1
            Q mm f t                  -> E50
            Q mm t f                  -> E50
            Q mm t;1 f;2              -> 60 0 0 0 0
            U mm 127.0.0.1 5 t;9 f    -> 42068 127.0.0.1   # no match: another session
            Q mm t;9                  -> 60 0 0 0 0
            D mm f;1                  -> 0
            Q mm f;1 t;1              -> E50
            Q mm f;2 t;2              -> 60 0 0 0 0
            U mm ... f;3              -> 42070 127.0.0.1
            D mm f                    -> 0                 # all that are left of that party
            Q mm f;2                  -> E50
            Q mm f;3                  -> E50
            Q mm t;9                  -> 60 0 0 0 0
            D mm x t                  -> 0                 # a tag in the place of the to-tag, too
            Q mm t;9                  -> E50
        """)

    def test_last_media_number_counts(self) -> None:
        self.check_replies(self.talk(), """
            U q ... f;1;2 -> 41000 127.0.0.1
            Q q t;2 f;1   -> 60 0 0 0 0
            Q q t;9;2 f   -> 60 0 0 0 0
            Q q t;1 f;1   -> E50
            Q q t;2 f;    -> E50
        """)

    def test_nothing_is_a_wildcard(self) -> None:
        self.check_replies(self.talk(), """
            U d ... f      -> 41000 127.0.0.1
            D d * *        -> E50
            U * * * * *    -> 41002 127.0.0.1
            D * *          -> 0
            D d f          -> 0
        """)

    def test_opaque_bytes(self) -> None:
        """Call-ids and tags are compared byte for byte: case, percent signs and bytes of any value."""
        talk = self.talk()
        self.assertEqual(talk.say(b"U \xff\xfe%41\x0b 127.0.0.1 4 T\xe9;1"), "41000 127.0.0.1")
        for tag in (b"t\xe9;1", b"T\xc9;1", b"T\xe9;01", b"T\xe9"):
            self.assertEqual(talk.say(b"Q \xff\xfe%41\x0b " + tag), "E50", tag)
        self.assertEqual(talk.say(b"Q \xff\xfeA\x0b T\xe9;1"), "E50")
        self.assertEqual(talk.say(b"Q \xff\xfe%41\x0b T\xe9;1"), "60 0 0 0 0")

    def test_same_call_other_tags(self) -> None:
        """Sessions of one call are looked at in the order of their creation."""
        self.check_replies(self.talk(), """
            U c ... a     -> 41000 127.0.0.1
            U c ... b     -> 41002 127.0.0.1
            U c ... b a   -> 41004 127.0.0.1   # the older one, swapped
            U c ... b     -> 41002 127.0.0.1
        """)


class AddressTest(ConversationCase):
    """Which address and port a reply names."""

    def test_one_address(self) -> None:
        self.check_replies(self.talk("-l 127.0.0.1"), """
            U c 127.0.0.1 4000 f      -> 41000 127.0.0.1
            L c 127.0.0.1 4002 f t    -> 41002 127.0.0.1
            U c 127.0.0.1 4000 f t    -> 41000 127.0.0.1
            U c 127.0.0.1 4000 t f    -> 41002 127.0.0.1
            L c 127.0.0.1 4000 t f    -> 41000 127.0.0.1
            L c 127.0.0.1 4000 f      -> 41002 127.0.0.1
            L c 127.0.0.1 4000 z z2   -> 0
            Un c 127.0.0.1 4000 f t   -> 41004 127.0.0.1
            Ln c 127.0.0.1 4000 f t   -> 41006 127.0.0.1
        """)

    def test_wildcard(self) -> None:
        self.check_replies(self.talk("", nominal=45000), """
            U a ... f                 -> 45000
            L a ... f t               -> 45002
            U6 b ::1 4 f              -> E36
            Ul127.0.0.1 c ... f       -> 45004 127.0.0.1
            L c ... f t               -> 45006 127.0.0.1   # the address holds for both legs
            Ul0.0.0.0 d ... f         -> 45008
        """)

    def test_other_local_address(self) -> None:
        self.check_replies(self.talk("-l 127.0.0.1"), """
            Ul127.0.0.5 c ... f       -> 41000 127.0.0.5
            Ul127.0.0.5w d ... f      -> 41002 127.0.0.5
            U e ... f                 -> 41004 127.0.0.1
            Ll127.0.0.2 e ... f t     -> 41006 127.0.0.2   # first allocation of this leg
            Ll127.0.0.3 e ... f t     -> 41006 127.0.0.2   # it has a port already
            Ln e ... f t              -> 41008 127.0.0.2
            Lnl127.0.0.3 e ... f t    -> 41010 127.0.0.3
            Ur127.0.0.9 f ... f       -> 41012 127.0.0.1
            Ul999 g ... f             -> E72
            Unl8.8.8.8 e ... f t      -> E71
            U e ... f t               -> 41004 127.0.0.1
            Q g f                     -> E50
        """)

    @unittest.skipUnless(HAS_IPV6, "no IPv6 here")
    def test_ipv6_only(self) -> None:
        self.check_replies(self.talk("-6 ::1", nominal=45000), """
            U6 b ::1 4 f              -> 45000 ::1 6
            U b ... f                 -> E36
            U c ... f                 -> E36
            U6 b 127.0.0.1 4 f        -> E37
            U6 b ::1 5 f              -> 45000 ::1 6
        """)

    @unittest.skipUnless(HAS_IPV6, "no IPv6 here")
    def test_family_met_before(self) -> None:
        """An address that a command used serves later commands that name only its family."""
        self.check_replies(self.talk("-l 127.0.0.1"), """
            U6 a ::1 4 f              -> E36
            Ul[::1] b ... f           -> 41000 ::1 6
            U6 a ::1 4 f              -> 41002 ::1 6
            U6l127.0.0.1 c ::1 4 f    -> 41000 127.0.0.1   # each family has ports of its own
            U6l[::1] d ... f          -> E37
        """)

    def test_labels(self) -> None:
        self.check_replies(self.talk("-l one@127.0.0.1 -l two@127.0.0.2=my.host.name", nominal=45000), """
            U a ... f                 -> 45000 127.0.0.1
            Ul{one} c ... f           -> 45002 127.0.0.1
            Ul{two} c2 ... f          -> 45004 my.host.name
            Ul{three} c4 ... f        -> E31
            Ul{TWO} c4 ... f          -> E31
            Ul127.0.0.2 c5 ... f      -> 45006 my.host.name
        """)

    def test_same_address_twice(self) -> None:
        """Listed twice, the latest answers for the plain address."""
        self.check_replies(self.talk("-l 127.0.0.1 -l a@127.0.0.2=first.text -l b@127.0.0.2=second.text"), """
            Ul127.0.0.2 a ... f       -> 41000 second.text
            Ul{a} b ... f             -> 41002 first.text
        """)

    def test_advertised(self) -> None:
        """Our own rule: -A holds for the default address without bridging too, but a wildcard names no address."""
        self.check_replies(self.talk("-l 127.0.0.1 -A 203.0.113.5"), """
            U a ... f                 -> 41000 203.0.113.5
            Ul127.0.0.2 b ... f       -> 41002 127.0.0.2
        """)
        self.check_replies(self.talk("-l 127.0.0.1=198.51.100.7 -A 203.0.113.5"), "U a ... f -> 41000 198.51.100.7")
        self.check_replies(self.talk("-A 203.0.113.5"), "U a ... f -> 41000")

    @unittest.skipUnless(HAS_IPV6, "no IPv6 here")
    def test_advertised_ipv6(self) -> None:
        self.check_replies(self.talk("-6 ::1=v6.example.net"), "U6 a ::1 4 f -> 41000 v6.example.net 6")


class BridgingTest(ConversationCase):
    def test_interfaces(self) -> None:
        self.check_replies(self.talk("-l 127.0.0.1/127.0.0.2", nominal=45000), """
            U a ... f                 -> 45000 127.0.0.1
            L a ... f t               -> 45002 127.0.0.1
            Uei b ... f               -> 45004 127.0.0.1
            L b ... f t               -> 45006 127.0.0.2
            Uie c ... f               -> 45008 127.0.0.2
            Lie c ... f t             -> 45010 127.0.0.1
            Uii d ... f               -> 45012 127.0.0.1
            L d ... f t               -> 45014 127.0.0.1
            Uee e ... f               -> 45016 127.0.0.2
            L e ... f t               -> 45018 127.0.0.2
            Ue g ... f                -> 45020 127.0.0.1
            L g ... f t               -> 45022 127.0.0.2
            Ui h ... f                -> 45024 127.0.0.1
            L h ... f t               -> 45026 127.0.0.1
            Ueee f ... f              -> E11
            Ueei f ... f              -> E12
            Uee a ... f               -> 45000 127.0.0.1   # without n the letters do not move a leg
            Lnee a ... f t            -> 45028 127.0.0.2
        """)

    def test_advertised(self) -> None:
        self.check_replies(self.talk("-l 127.0.0.1/127.0.0.2 -A 1.1.1.1/2.2.2.2", nominal=45000), """
            Uei b ... f               -> 45000 1.1.1.1
            L b ... f t               -> 45002 2.2.2.2
        """)

    @unittest.skipUnless(HAS_IPV6, "no IPv6 here")
    def test_two_families(self) -> None:
        self.check_replies(self.talk("-l 127.0.0.1 -6 /::1", nominal=45000), """
            Uei b ... f               -> 45000 127.0.0.1
            L6 b ::1 4 f t            -> 45000 ::1 6
            U6 d ::1 4 f              -> 45002 ::1 6
            L6 d ::1 4 f t            -> 45004 ::1 6
            Uie e ... f               -> 45006 ::1 6       # IPv4 caller, IPv6 callee
            Lei6 e ::1 4 f t          -> 45002 127.0.0.1
        """)

    def test_no_bridging(self) -> None:
        self.check_replies(self.talk(), """
            Ue a ... f -> E11
            Ui a ... f -> E12
        """)

    def test_asymmetric_by_default(self) -> None:
        """With bridging parties are asymmetric unless they say otherwise; U and L say so anew each time."""
        cases = [
            ("-l 127.0.0.1", "U", False),
            ("-l 127.0.0.1", "Ua", True),
            ("-l 127.0.0.1", "Uas", False),
            ("-l 127.0.0.1/127.0.0.2", "U", True),
            ("-l 127.0.0.1/127.0.0.2", "Us", False),
            ("-l 127.0.0.1/127.0.0.2 --bridge_symmetric", "U", False),
            ("-l 127.0.0.1 --force_asymmetric", "U", True),
            ("-l 127.0.0.1 --force_asymmetric", "Us", False),
        ]
        for options, verb, expected in cases:
            with self.subTest(options=options, verb=verb):
                talk = self.talk(options, pairs=4)
                for _ in range(2):
                    talk.say(f"{verb} c ... f")
                    (session,) = talk.table.call("c")
                    self.assertEqual(session.caller.rtp.latch.asymmetric, expected)
                    self.assertEqual(session.caller.rtcp.latch.asymmetric, expected)


class PortTest(ConversationCase):
    def test_sequence_goes_round(self) -> None:
        """A released port is used again only when its turn comes."""
        self.check_replies(self.talk(pairs=4), """
            U a ... f -> 41000 127.0.0.1
            D a f     -> 0
            U b ... f -> 41002 127.0.0.1
            U c ... f -> 41004 127.0.0.1
            U d ... f -> 41006 127.0.0.1
            U e ... f -> 41000 127.0.0.1
            U g ... f -> E72
            L b ... f t -> E71
            D d f     -> 0
            L b ... f t -> 41006 127.0.0.1
            Un b ... f -> E71
            U b ... f -> 41002 127.0.0.1
            Q g f     -> E50
        """)

    def test_ports_are_free_at_once(self) -> None:
        talk = self.talk(pairs=4)
        for round in range(5):
            for number in range(3):
                self.assertTrue(talk.say(f"U {number} ... f").endswith(" 127.0.0.1"), round)
            if round % 2:
                self.assertEqual(talk.say("X"), "0")
            else:
                for number in range(3):
                    self.assertEqual(talk.say(f"D {number} f"), "0")
            self.assertEqual(talk.table.ports[2].free, 4)

    def test_one_pair_gives_nothing(self) -> None:
        self.check_replies(self.talk(pairs=1), "U a ... f -> E72")

    def test_ports_of_the_timed_out_are_free(self) -> None:
        talk = self.talk("-l 127.0.0.1 -T 2", pairs=2)
        self.check_replies(talk, """
            U a ... f   -> 41000 127.0.0.1
            L a ... f t -> 41002 127.0.0.1
            U b ... f   -> E72
        """)
        self.assertEqual(len(talk.wait(3)), 1)
        self.check_replies(talk, "U b ... f -> 41000 127.0.0.1")


class DeleteTest(ConversationCase):
    def test_weak_and_strong(self) -> None:
        self.check_replies(self.talk(pairs=40), """
            Uw w1 ... f     -> 41000 127.0.0.1
            Uw w1 ... t f   -> 41002 127.0.0.1
            Dw w1 f t       -> 0
            Q w1 f t        -> 60 0 0 0 0             # the callee's flag remains
            Dw w1 t f       -> 0
            Q w1 f t        -> E50
            U w2 ... f      -> 41004 127.0.0.1
            Uw w2 ... f     -> 41004 127.0.0.1
            D w2 f          -> 0
            Q w2 f          -> 60 0 0 0 0
            Dw w2 f         -> 0
            Q w2 f          -> 60 0 0 0 0             # clears the other leg's flag: nothing happens
            Dw w2 x f       -> 0
            Q w2 f          -> E50
            U w4 ... f      -> 41006 127.0.0.1
            Dw w4 f t       -> 0
            Q w4 f t        -> 60 0 0 0 0
            D w4 f t        -> 0
            Q w4 f t        -> E50
            U w6 ... f      -> 41008 127.0.0.1
            L w6 ... f t    -> 41010 127.0.0.1
            D w6 t          -> E50
            D w6 t x        -> E50
            D w6 x f        -> 0
            U c ... f       -> 41012 127.0.0.1
            D c f           -> 0
            D c f           -> E50
            Dx c f t        -> E8
        """)

    def test_lookup_sets_weak_only(self) -> None:
        self.check_replies(self.talk(), """
            U a ... f    -> 41000 127.0.0.1
            Lw a ... f t -> 41002 127.0.0.1
            D a f        -> 0
            Q a f        -> 60 0 0 0 0
            L a ... f t  -> 41002 127.0.0.1           # plain L changes no flag
            Dw a f       -> 0
            Q a f        -> E50
        """)

    def test_exact_match_ends_the_walk(self) -> None:
        self.check_replies(self.talk(), """
            U a ... f;1     -> 41000 127.0.0.1
            U a ... f;2     -> 41002 127.0.0.1
            D a f g         -> 0                      # both: the tag without number means all media
            Q a f;1         -> E50
            Q a f;2         -> E50
            U b ... f       -> 41004 127.0.0.1
            U b ... f;1     -> 41006 127.0.0.1
            U b ... f;1;2   -> 41008 127.0.0.1
            D b f           -> 0
            Q b f           -> E50
            Q b f;1         -> 60 0 0 0 0
            D b f           -> 0
            Q b f;1         -> E50
            Q b f;1;2       -> E50
            U c ... f;1     -> 41010 127.0.0.1
            D c f;          -> E50
            D c f;1;        -> E50
            D c x f         -> 0
        """)

    def test_delete_all(self) -> None:
        talk = self.talk()
        self.check_replies(talk, """
            U a ... f   -> 41000 127.0.0.1
            Uw b ... f  -> 41002 127.0.0.1
            L b ... f t -> 41004 127.0.0.1
            X           -> 0
            Q a f       -> E50
            Q b f       -> E50
            X           -> 0
            X a         -> E1
            Xw          -> E2
        """)
        self.assertEqual(talk.counters("nsess_created", "nsess_destroyed", "nsess_timeout"),
                         {"nsess_created": 2, "nsess_destroyed": 2, "nsess_timeout": 0})


class RefusedTest(ConversationCase):
    """A command that is refused changes nothing."""

    def test_refused_update(self) -> None:
        talk = self.talk()
        self.check_replies(talk, """
            U a 127.0.0.1 4000 f    -> 41000 127.0.0.1
            L a 127.0.0.1 4002 f t  -> 41002 127.0.0.1
        """)
        (session,) = talk.table.call("a")
        before = [(stream.latch.remote, stream.destination) for stream in session.streams]
        self.check_replies(talk, """
            U6 a ::1 5000 f               -> E36
            U a 999.1.1.1 5000 f          -> E37
            U a 127.0.0.1 http f          -> E37
            Unl8.8.8.8 a 127.0.0.1 5000 f -> E71
            Uz0 a 127.0.0.1 5000 f        -> E13
            U a 127.0.0.1 5000 f && G     -> E3
            U a 127.0.0.1 5000 f s t%2    -> E10
        """)
        self.assertEqual([(stream.latch.remote, stream.destination) for stream in session.streams], before)
        self.assertEqual(talk.counters("nsess_created", "nsess_destroyed"), {"nsess_created": 1, "nsess_destroyed": 0})

    def test_draining(self) -> None:
        talk = self.talk()
        self.check_replies(talk, "U a ... f -> 41000 127.0.0.1")
        talk.executor.draining = True
        self.check_replies(talk, """
            U b ... f     -> E99
            U b ... x f t -> E75                          # told before
            L a ... f t   -> 41002 127.0.0.1
            U a ... f t   -> 41000 127.0.0.1
            L b ... f t   -> 0
            D a f         -> 0
        """)


class NotificationTest(ConversationCase):
    """Whom a U asks to be told about a timeout."""

    OPTIONS = "-l 127.0.0.1 -n unix:/some/path -n tcp:127.0.0.1:17993 -n tcp:%%CC_SELF%%:17992 -T 9 -W 9"

    def notification(self, talk: object, call_id: str) -> object:
        (session,) = talk.table.call(call_id)  # type: ignore[attr-defined]
        return session.notification and (str(session.notification.target), session.notification.text)

    def test_targets(self) -> None:
        cases = [
            ("unix:/some/path tag", ("unix:/some/path", b"tag\n")),
            ("/some/path tag%20one+two", ("unix:/some/path", b"tag one two\n")),
            ("unix:/some/path tag2%0A", ("unix:/some/path", b"tag2\n\n")),
            ("tcp:127.0.0.1:17993 tag3", ("tcp:127.0.0.1:17993", b"tag3\n")),
            ("tcp:%%CC_SELF%%:17992 tag4", ("tcp:127.0.0.1:17992", b"tag4\n")),
            ("tcp:127.0.0.1:17992 tag5", None),  # no wildcard by another name
            ("/some/other tag", None),
            ("some/path tag", None),
            ("unix:some tag", None),
            ("%%RTPP_NS_MSG%% tag", None),
        ]
        talk = self.talk(self.OPTIONS, pairs=40)
        for number, (pair, expected) in enumerate(cases):
            for tags in ("f", "f t"):
                with self.subTest(pair=pair, tags=tags):
                    call_id = f"{number}{len(tags)}"
                    self.assertRegex(talk.say(f"U {call_id} ... {tags} {pair}"), r"^41\d\d\d 127\.0\.0\.1$")
                    self.assertEqual(self.notification(talk, call_id), expected)

    def test_each_update_says_anew(self) -> None:
        talk = self.talk(self.OPTIONS)
        talk.say("U a ... f t tcp:127.0.0.1:17993 one")
        talk.say("L a ... f t")
        self.assertEqual(self.notification(talk, "a"), ("tcp:127.0.0.1:17993", b"one\n"))  # L does not touch it
        talk.say("U a ... f t unix:/some/path two")
        self.assertEqual(self.notification(talk, "a"), ("unix:/some/path", b"two\n"))
        talk.say("U a ... f t nobody three")
        self.assertIsNone(self.notification(talk, "a"))
        talk.say("U a ... f t unix:/some/path two")
        talk.say("U a ... f t")
        self.assertIsNone(self.notification(talk, "a"))

    def test_forms_of_kamailio(self) -> None:
        """A re-offer without tag, and a first offer whose socket and tag make one word."""
        talk = self.talk(self.OPTIONS)
        self.assertEqual(talk.say("U a ... f;1 t;1 tcp:127.0.0.1:17993"), "41000 127.0.0.1")
        self.assertEqual(self.notification(talk, "a"), ("tcp:127.0.0.1:17993", b"a\n"))
        self.assertEqual(talk.say("U b ... f;1 tcp:127.0.0.1:17993;h1.2"), "41002 127.0.0.1")
        self.assertEqual(self.notification(talk, "b"), ("tcp:127.0.0.1:17993", b"h1.2\n"))
        self.assertEqual(talk.say("L b ... f;1 t;1"), "41004 127.0.0.1")

    def test_order_of_errors(self) -> None:
        self.check_replies(self.talk(), """
            U a ... f ns %%RTPP_NS_MSG%% -> E10
            U a ... f ns %25%25x         -> E75
            Uz0 a ... f ns tag%2         -> E10
            Uq a ... f ns tag%zz         -> E10
            U6 a ::1 4 f ns tag%2        -> E10
            U6 a ::1 4 f ns tag          -> E36
            U a 999.1.1.1 4 f ns tag     -> E37
            U a ... f ns tag && G        -> E3
            Uz0 a ... f ns tag           -> E13
            U a ... f                    -> 41000 127.0.0.1
            U a ... f ns tag             -> E75
        """)
        self.check_replies(self.talk(self.OPTIONS), "U a ... f badsocket tag -> 41000 127.0.0.1")


class TimeTest(ConversationCase):
    """Times to live, on the test's own clock."""

    def test_setup_and_stream_time(self) -> None:
        talk = self.talk("-l 127.0.0.1 -T 3 -W 2")
        talk.say("U a ... f")
        talk.say("U b ... f")
        talk.say("L b ... f t")
        for passed, a, b in ((0, "2", "3"), (1, "1", "2"), (1, "0", "1")):
            talk.wait(passed)
            self.assertEqual(talk.say("Q a f x ttl"), a)
            self.assertEqual(talk.say("Q b f x ttl"), b)
        self.assertEqual([session.call_id for session in talk.wait(1)], ["a"])
        self.assertEqual(talk.say("Q a f"), "E50")
        self.assertEqual([session.call_id for session in talk.wait(1)], ["b"])
        self.assertEqual(talk.counters("nsess_timeout", "nsess_destroyed"), {"nsess_timeout": 2, "nsess_destroyed": 2})

    def test_commands_refresh(self) -> None:
        """U and L that find the session give it its full time again; Q does not."""
        talk = self.talk("-l 127.0.0.1 -T 5")
        talk.say("U a ... f")
        talk.say("L a ... f t")
        for command in ("U a ... f t", "L a ... f t", "U a ... t f", "L a ... t f"):
            talk.wait(3)
            self.assertEqual(talk.say("Q a f t ttl"), "2")
            talk.say(command)
            self.assertEqual(talk.say("Q a f t ttl"), "5", command)

    def test_set_time(self) -> None:
        """S ttl= starts anew at once, holds for later updates, and for the time after the session completes."""
        talk = self.talk("-l 127.0.0.1 -T 60 -W 20")
        self.assertEqual(talk.say("U a ... f && S ttl=30"), "41000 127.0.0.1")
        self.assertEqual(talk.say("Q a f x ttl"), "30")
        talk.wait(4)
        talk.say("U a ... f")
        self.assertEqual(talk.say("Q a f x ttl"), "30")
        talk.wait(4)
        talk.say("L a ... f t")
        self.assertEqual(talk.say("Q a f x ttl"), "30")
        self.assertEqual(talk.say("Q a f t && S ttl=7"), "30 0 0 0 0")
        self.assertEqual(talk.say("Q a f t ttl"), "7")
        self.assertEqual(len(talk.wait(8)), 1)

    def test_independent_legs(self) -> None:
        """With -i each leg has its own time, and the first that is over ends the session."""
        talk = self.talk("-l 127.0.0.1 -i -T 60 -W 2")
        self.assertEqual(talk.say("U a ... f && S ttl=9"), "41000 127.0.0.1")
        self.assertEqual(talk.say("Q a f x ttl"), "2")
        self.assertEqual(len(talk.wait(3)), 1)
        talk.say("U b ... f && S ttl=9 && Sr ttl=8")
        self.assertEqual(talk.say("Q b f x ttl"), "8")
        self.assertEqual(talk.wait(8), [])
        self.assertEqual(len(talk.wait(1)), 1)


class ConformanceTest(ConversationCase):
    """The conversation by which the C program is checked: every kind of error once."""

    def test_conversation(self) -> None:
        talk = self.talk("", nominal=23820, pairs=2)
        twenty = " ".join(map(str, range(20)))
        self.check_replies(talk, f"""
            U                                      -> E1
            U id                                   -> E1
            U id ip                                -> E1
            U id ip port                           -> E1
            Ugarbage id ip port tag                -> E35
            Uie id ip port tag                     -> E12
            Uei id ip port tag                     -> E11
            U id a.name.longer.than.an.address port tag -> 23820
            U id ip port tag ns %%RTPP_NS_MSG%%    -> E10
            U id ip port tag ns %25%25x            -> E75
            Uz0 id ip port tag                     -> E13
            Uc id ip port tag                      -> E14
            Ul id ip port tag                      -> E15
            Ul[1:2:3:4:5] id ip port tag           -> E31
            Ur id ip port tag                      -> E16
            Ur[1:2:3:4:5] id ip port tag           -> E32
            Lgarbage id ip port tag                -> E35
            Lie id ip port tag                     -> E12
            Lei id ip port tag                     -> E11
            L id ip port tag                       -> 23822
            Dgarbage id tag                        -> E8
            D id other                             -> E50
            Pgarbage id name codecs tag            -> E17
            P id name 39 tag                       -> E60
            R id x tag                             -> E50
            Cgarbage id name tag                   -> E7
            C id name tag                          -> E65
            Cp id name tag                         -> E65
            Vf                                     -> E1
            Vf garbage                             -> 0
            Vfgarbage id                           -> E2
            Q id tag x                             -> 60 0 0 0 0
            Q id x tag                             -> 60 0 0 0 0
            Qg id x tag                            -> E19
            Qv id x tag garbage                    -> E62
            X                                      -> 0
            X a                                    -> E1
            U {twenty} 21 22 23                    -> E5
            U id ip port tag &&                    -> E5
            U id ip port tag && 1 2 3              -> E3
            G nonsense                             -> E68
            Ggarbage nonsense                      -> E9
            Gvgardage nsess_created                -> E9
        """)


if __name__ == "__main__":
    unittest.main()
