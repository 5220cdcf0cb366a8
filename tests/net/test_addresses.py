"""Address literals, local addresses, the route to a party, and the book of listen addresses."""

from __future__ import annotations

import random
import socket
import unittest

from rtpp.net.addresses import (
    IPV4,
    IPV6,
    AddressBook,
    canonical,
    is_local,
    numeric,
    route_source,
    socket_address,
)
from rtpp.settings import ListenAddress
from tests.ports import HAS_IPV6


class Literals(unittest.TestCase):
    def test_canonical(self) -> None:
        rows = [
            (IPV4, "192.0.2.1", "192.0.2.1"),
            (IPV4, "0.0.0.0", "0.0.0.0"),
            (IPV4, "255.255.255.255", "255.255.255.255"),
            (IPV6, "::", "::"),
            (IPV6, "::1", "::1"),
            (IPV6, "0:0:0:0:0:0:0:1", "::1"),
            (IPV6, "2001:DB8::00a", "2001:db8::a"),
            (IPV6, "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            (IPV6, "::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ]
        for family, text, expected in rows:
            with self.subTest(text):
                self.assertEqual(canonical(text, family), expected)

    def test_not_a_literal(self) -> None:
        rows = [
            (IPV4, "999.1.1.1"), (IPV4, "example.com"), (IPV4, ""), (IPV4, "1.2.3"), (IPV4, "1.2.3.4.5"),
            (IPV4, "1.2.3.4 "), (IPV4, " 1.2.3.4"), (IPV4, "::1"), (IPV4, "1.2.3.4\x00"), (IPV4, "1.2.3.\u0664"),
            (IPV6, "1.2.3.4"), (IPV6, "[::1]"), (IPV6, ":::"), (IPV6, "1::2::3"), (IPV6, "12345::"), (IPV6, ""),
            (IPV6, "fe80::1%lo"), (IPV6, "\xe9::1"), (IPV6, "::1\x00x"), (IPV6, "\ud800"),
        ]
        for family, text in rows:
            with self.subTest(text), self.assertRaises(ValueError):
                canonical(text, family)

    def test_random_text_is_a_literal_or_a_value_error(self) -> None:
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        for _ in range(3000):
            text = "".join(chance.choice("0123456789abcdefx:.%[] \x00\xff/") for _ in range(chance.randrange(20)))
            for family in (IPV4, IPV6):
                for function in (canonical, numeric):
                    try:
                        found = function(text, family)
                    except ValueError:
                        continue
                    except Exception as error:
                        self.fail(f"seed {seed}: {function.__name__}({text!r}): {error!r}")
                    self.assertEqual(canonical(found, family), found, f"seed {seed}: {text!r}")

    def test_short_forms(self) -> None:
        rows = [("999", "0.0.3.231"), ("127.1", "127.0.0.1"), ("1.2.3", "1.2.0.3"), ("0", "0.0.0.0"),
                ("127.0.0.5", "127.0.0.5"), ("010.0.0.1", "8.0.0.1")]
        for text, expected in rows:
            with self.subTest(text):
                self.assertEqual(numeric(text, IPV4), expected)
        for text in ("256.1.1.1", "1.2.3.4.5", ".", "1..2", "4294967296", ""):
            with self.subTest(text), self.assertRaises(ValueError):
                numeric(text, IPV4)
        self.assertEqual(numeric("0:0::1", IPV6), "::1")
        with self.assertRaises(ValueError):
            numeric("999", IPV6)

    def test_form_of_recvfrom(self) -> None:
        families = [(IPV4, "127.0.0.1")] + [(IPV6, "::1")] * HAS_IPV6
        for family, host in families:
            with socket.socket(family, socket.SOCK_DGRAM) as one, socket.socket(family, socket.SOCK_DGRAM) as other:
                one.bind((host, 0))
                other.bind((host, 0))
                other.sendto(b"x", one.getsockname())
                source = one.recvfrom(10)[1]
            self.assertEqual(source, socket_address(host, source[1], family))


class ThisMachine(unittest.TestCase):
    def test_is_local(self) -> None:
        rows = [(IPV4, "127.0.0.1", True), (IPV4, "0.0.0.0", True), (IPV4, "192.0.2.1", False)]
        rows += [(IPV6, "::1", True), (IPV6, "2001:db8::1", False)] * HAS_IPV6
        for family, host, expected in rows:
            with self.subTest(host):
                self.assertEqual(is_local(host, family), expected)

    def test_route_source(self) -> None:
        self.assertEqual(route_source("127.0.0.1", IPV4), "127.0.0.1")
        if HAS_IPV6:
            self.assertEqual(route_source("::1", IPV6), "::1")
        with self.assertRaises(OSError):
            route_source("255.255.255.255", IPV4)


class Book(unittest.TestCase):
    first = ListenAddress(IPV4, "127.0.0.1", "one")
    second = ListenAddress(IPV4, "127.0.0.2", "two", "my.host.name")
    sixth = ListenAddress(IPV6, "::1", "six")
    again = ListenAddress(IPV4, "127.0.0.2", "again", "other.name")

    def test_first_is_the_default(self) -> None:
        self.assertIs(AddressBook((self.first, self.second)).default, self.first)
        self.assertIs(AddressBook((self.sixth, self.first)).default, self.sixth)
        self.assertIsNone(AddressBook((self.first,)).bridge)

    def test_of_family(self) -> None:
        late = ListenAddress(IPV6, "::2")
        book = AddressBook((self.first, self.second))
        self.assertIs(book.of_family(IPV4), self.first)  # not the second, though it came later
        self.assertIsNone(book.of_family(IPV6))
        book.remember(self.sixth)
        self.assertIs(book.of_family(IPV6), self.sixth)
        book.remember(late)
        self.assertIs(book.of_family(IPV6), late)
        self.assertIs(book.of_family(IPV4), self.first)

    def test_labels(self) -> None:
        book = AddressBook((self.first, self.second, self.again))
        self.assertIs(book.labelled("two"), self.second)
        self.assertIs(book.labelled("again"), self.again)
        self.assertIsNone(book.labelled("three"))

    def test_unlabelled_addresses_have_no_label(self) -> None:
        book = AddressBook((ListenAddress(IPV4, "127.0.0.1"),))
        self.assertIsNone(book.labelled("x"))

    def test_local(self) -> None:
        book = AddressBook((self.first, self.second, self.again, self.sixth))
        self.assertIs(book.local("127.0.0.1", IPV4), self.first)
        self.assertIs(book.local("127.0.0.2", IPV4), self.again)  # listed twice: the latest answers
        self.assertIs(book.local("::1", IPV6), self.sixth)
        self.assertEqual(book.local("127.0.0.9", IPV4), ListenAddress(IPV4, "127.0.0.9"))
        self.assertEqual(book.of_family(IPV4), self.first)

    def test_looking_does_not_remember(self) -> None:
        book = AddressBook((self.first,))
        book.local("::1", IPV6)
        self.assertIsNone(book.of_family(IPV6))

    def test_remembering_twice_keeps_the_order(self) -> None:
        book = AddressBook((self.sixth, self.first, self.second, self.again))
        book.remember(self.first)
        self.assertIs(book.of_family(IPV4), self.again)
        self.assertIs(book.local("127.0.0.2", IPV4), self.again)


if __name__ == "__main__":
    unittest.main()
