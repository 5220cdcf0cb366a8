"""Modifiers of U and L, read without a session: what they mean and which fault is told."""

from __future__ import annotations

import socket
import unittest
from typing import Any

from rtpp.control.modifiers import LegModifiers, parse_modifiers
from rtpp.errors import CommandError
from rtpp.net.addresses import AddressBook
from rtpp.settings import ListenAddress
from tests.ports import HAS_IPV6

IPV4, IPV6 = socket.AF_INET, socket.AF_INET6
PLAIN = ListenAddress(IPV4, "127.0.0.1")
INTERNAL, EXTERNAL = ListenAddress(IPV4, "127.0.0.1"), ListenAddress(IPV4, "127.0.0.2")
LABELLED = ListenAddress(IPV4, "127.0.0.2", "two", "my.host.name")


def plain() -> AddressBook:
    return AddressBook((PLAIN, LABELLED))


def bridge() -> AddressBook:
    return AddressBook((INTERNAL, EXTERNAL), (INTERNAL, EXTERNAL))


class MeaningTest(unittest.TestCase):
    def test_table(self) -> None:
        local = lambda host: ListenAddress(IPV4, host)  # noqa: E731
        cases: list[tuple[str, dict[str, Any]]] = [
            ("", {}),
            ("a", {"asymmetric": True}),
            ("as", {"asymmetric": False}),
            ("sa", {"asymmetric": True}),
            ("w", {"weak": True}),
            ("n", {"new_port": True}),
            ("z20", {"resize_ms": 20}),
            ("z1", {"resize_ms": 1}),
            ("z999", {"resize_ms": 999}),
            ("z+5", {"resize_ms": 5}),
            ("z05", {"resize_ms": 5}),
            ("z\x0b5", {"resize_ms": 5}),
            ("z" + "0" * 30 + "7", {"resize_ms": 7}),
            ("z5z6", {"resize_ms": 6}),
            ("z20w", {"resize_ms": 20, "weak": True}),
            ("c0", {"codecs": (0,)}),
            ("c0,8,101", {"codecs": (0, 8, 101)}),
            ("c,", {}),
            ("c,,", {}),
            ("c0,,8", {"codecs": (0, 8)}),
            ("c0,8w", {"codecs": (0, 8), "weak": True}),
            ("c0,8z20", {"codecs": (0, 8), "resize_ms": 20}),
            ("z20c8", {"codecs": (8,), "resize_ms": 20}),
            ("c" + ",".join(["7"] * 50), {"codecs": (7,) * 50}),
            ("l127.0.0.5", {"local": local("127.0.0.5")}),
            ("l127.0.0.5w", {"local": local("127.0.0.5"), "weak": True}),
            ("l127.1", {"local": PLAIN}),
            ("l127.0.0.01", {"local": PLAIN}),
            ("l999", {"local": local("0.0.3.231")}),
            ("l0", {"local": local("0.0.0.0")}),
            ("l0.0.0.0", {"local": local("0.0.0.0")}),
            ("l{two}", {"local": LABELLED}),
            ("l{two}w", {"local": LABELLED, "weak": True}),
            ("l127.0.0.2", {"local": LABELLED}),
            ("r127.0.0.9", {"local": PLAIN}),
            ("l127.0.0.1l127.0.0.2", {"local": LABELLED}),
            ("r127.0.0.9l127.0.0.5", {"local": local("127.0.0.5")}),
            ("l127.0.0.5r127.0.0.9", {"local": PLAIN}),
        ]
        for text, expected in cases:
            for form in {text, text.upper()} - {"L{TWO}", "L{TWO}W"}:
                with self.subTest(text=form):
                    self.assertEqual(parse_modifiers(form, plain()), LegModifiers(**expected))

    @unittest.skipUnless(HAS_IPV6, "no IPv6 here")
    def test_ipv6(self) -> None:
        loopback = ListenAddress(IPV6, "::1")
        for text, ipv6 in (("l[::1]", False), ("6l[::1]", True), ("l[0:0::1]66", True), ("R[::1]", False)):
            with self.subTest(text=text):
                self.assertEqual(parse_modifiers(text, plain()), LegModifiers(local=loopback, ipv6=ipv6))

    def test_family_chooses_address(self) -> None:
        """Without l, r, e or i: an address of the family wanted, the one met last if it is not the default's."""
        older, newer = ListenAddress(IPV6, "::1", "a"), ListenAddress(IPV6, "2001:db8::1", "b")
        book = AddressBook((PLAIN, older, newer))
        self.assertEqual(parse_modifiers("6", book).local, newer)
        self.assertIsNone(parse_modifiers("", book).local)
        self.assertEqual(parse_modifiers("6l127.0.0.1", book).local, PLAIN)
        book = AddressBook((older, newer))
        self.assertIsNone(parse_modifiers("6", book).local)
        book = AddressBook((older, LABELLED))
        self.assertEqual(parse_modifiers("", book).local, LABELLED)
        bridged = AddressBook((INTERNAL, older), (INTERNAL, older))
        self.assertIsNone(parse_modifiers("6ie", bridged).local)

    def test_interfaces(self) -> None:
        """The first of e and i names the caller's side of a new session, the second the callee's."""
        cases = [
            ("", (INTERNAL, INTERNAL)),
            ("e", (EXTERNAL, INTERNAL)),
            ("i", (INTERNAL, INTERNAL)),
            ("ei", (EXTERNAL, INTERNAL)),
            ("ie", (INTERNAL, EXTERNAL)),
            ("ee", (EXTERNAL, EXTERNAL)),
            ("IwE", (INTERNAL, EXTERNAL)),
            ("eil127.0.0.5", (ListenAddress(IPV4, "127.0.0.5"),) * 2),
        ]
        for text, expected in cases:
            with self.subTest(text=text):
                self.assertEqual(parse_modifiers(text, bridge()).creation_addresses(bridge()), expected)
        self.assertEqual(parse_modifiers("nie", bridge()).new_address(), EXTERNAL)
        self.assertEqual(parse_modifiers("nei", bridge()).new_address(), INTERNAL)
        self.assertIsNone(parse_modifiers("ie", bridge()).new_address())
        self.assertIsNone(parse_modifiers("n", bridge()).new_address())


class FaultTest(unittest.TestCase):
    def test_table(self) -> None:
        plain_cases = [
            ("e", 11), ("i", 12), ("ei", 11), ("ie", 12),
            *((f"z{text}", 13) for text in ("", "0", "1000", "-5", "+", "++5", "0x14", "+0", "w", " 5")),
            ("z" + "9" * 30, 13), ("z" + "9" * 5000, 13),
            ("z5z", 13), ("z5z0", 13), ("c0z", 13),
            *((f"c{text}", 14) for text in ("", "c", "0c0", "0c8", "+5", "-5", "w")), ("c0wc8", 14), ("c,c", 14),
            *((f"l{text}", 15) for text in ("", "r", "[]", "[::1", "[::1g]", "[127.0.0.1]", "{}", "{a", "w", "]", "[")),
            ("l{two", 15),
            *((f"r{text}", 16) for text in ("", "[", "[]", "{a}", "w", "[::1", "{two}")),
            *((f"l{text}", 31) for text in ("999.1.1.1", ".", "..", "1.2.3.4.5", "[1:2:3:4:5]", "[:]")),
            *((f"l{text}", 31) for text in ("{three}", "{TWO}")),
            *((f"r{text}", 32) for text in ("999.1.1.1", ".", "1.2.3.4.5", "[1:2:3:4:5]", "255.255.255.255")),
            *((text, 35) for text in ("g", "p", "t", "v", "x", "1", "66g", "-", "\xff", "\0", "wt60", "z20x")),
            ("c0\xdb", 35),
            ("6", 36), ("w6a", 36),
            # the first fault from the left decides
            ("z0q", 13), ("qz0", 35), ("l.z0", 31), ("z0l.", 13), ("r.l", 32), ("cq", 14), ("6q", 35), ("6z0", 13),
        ]
        bridge_cases = [("eee", 11), ("iii", 12), ("eie", 11), ("eei", 12), ("eeq", 35), ("eeei", 11)]
        for book, cases in ((plain(), plain_cases), (bridge(), bridge_cases)):
            for text, expected in cases:
                with self.subTest(text=text[:50]), self.assertRaises(CommandError) as caught:
                    parse_modifiers(text, book)
                self.assertEqual(caught.exception.code, expected, text[:50])

    def test_no_state_between_commands(self) -> None:
        """What a refused or parsed command said is not remembered: only bound addresses are."""
        book = plain()
        parse_modifiers("l127.0.0.9", book)
        self.assertIsNone(parse_modifiers("", book).local)
        self.assertEqual(parse_modifiers("", book), LegModifiers())


if __name__ == "__main__":
    unittest.main()
