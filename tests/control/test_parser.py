"""Requests to typed commands: arguments converted, faults in their order."""

from __future__ import annotations

import socket
import unittest
from typing import Any, Optional

from rtpp.control import parser
from rtpp.control.grammar import parse, tokenize
from rtpp.control.modifiers import LegModifiers
from rtpp.control.parser import Tags, parse_command, parse_remote
from rtpp.errors import CommandError
from rtpp.net.addresses import AddressBook
from rtpp.settings import ListenAddress


def typed(command: str) -> Any:
    book = AddressBook((ListenAddress(socket.AF_INET, "127.0.0.1"),))
    return parse_command(parse(tokenize(command.encode("latin-1"))), book)


class RemoteTest(unittest.TestCase):
    """Address and port of U and L. What has not the length of a literal is not looked at."""

    def test_accepted(self) -> None:
        cases = [
            ("127.0.0.1", "4000", False, (("127.0.0.1", 4000), ("127.0.0.1", 4001))),
            ("127.0.0.1", "+4", False, (("127.0.0.1", 4), ("127.0.0.1", 5))),
            ("127.0.0.1", "04", False, (("127.0.0.1", 4), ("127.0.0.1", 5))),
            ("127.0.0.1", "0", False, (("127.0.0.1", 0), ("127.0.0.1", 1))),
            ("127.0.0.1", "70000", False, (("127.0.0.1", 4464), ("127.0.0.1", 4465))),
            ("127.0.0.1", "65535", False, (("127.0.0.1", 65535), ("127.0.0.1", 0))),
            ("1234567", "4", False, (("0.18.214.135", 4), ("0.18.214.135", 5))),
            ("0x7f.000001", "4", False, (("127.0.0.1", 4), ("127.0.0.1", 5))),
            ("::1", "4000", True, (("::1", 4000, 0, 0), ("::1", 4001, 0, 0))),
            ("0:0::01", "4", True, (("::1", 4, 0, 0), ("::1", 5, 0, 0))),
            ("::ffff:127.0.0.1", "4", True, (("::ffff:127.0.0.1", 4, 0, 0), ("::ffff:127.0.0.1", 5, 0, 0))),
        ]
        for host, port, ipv6, expected in cases:
            with self.subTest(host=host, port=port):
                remote = parse_remote(host, port, ipv6)
                assert remote is not None
                self.assertFalse(remote.on_hold)
                self.assertEqual((remote.rtp, remote.rtcp), expected)

    def test_hold(self) -> None:
        for host, ipv6 in (("0.0.0.0", False), ("::", True), ("0:0:0:0:0:0:0:0", True), ("0.0.0.00", False)):
            remote = parse_remote(host, "4", ipv6)
            assert remote is not None
            self.assertTrue(remote.on_hold, host)

    def test_not_looked_at(self) -> None:
        for host, ipv6 in (("foo", False), ("1.2.3", False), ("0x7f.1", False), ("::1", False), ("z", True),
                           ("longhostname.example.com", False), ("z" * 46, True), ("1111:2222:3333:44", False)):
            for port in ("4000", "abc", "-1", ""):
                with self.subTest(host=host, port=port):
                    self.assertIsNone(parse_remote(host, port, ipv6))

    def test_refused(self) -> None:
        cases = [(host, "4000", False) for host in ("999.1.1.1", "example.com", "12345.7", "1.2.3.4.5", "127.0.0.1x",
                                                    "\xff\xfe\xfd\xfc\xfb\xfa\xf9", "::1:2:3:4")]
        cases += [(host, "4000", True) for host in ("zz", "127.0.0.1", "[::1]", "::1%lo", "1.2.3", "\xff\xff")]
        cases += [("127.0.0.1", port, False) for port in ("abc", "-1", "4x", "4.5", "0x10", "http", "\xb2", "+", "--4")]
        cases += [("0.0.0.0", "abc", False), ("::1", "x", True)]
        for host, port, ipv6 in cases:
            with self.subTest(host=host, port=port), self.assertRaises(CommandError) as caught:
                parse_remote(host, port, ipv6)
            self.assertEqual(caught.exception.code, 37)


class CommandTest(unittest.TestCase):
    def test_shapes(self) -> None:
        tags = Tags("c", "f", None)
        both = Tags("c", "f", "t")
        cases: list[tuple[str, Any]] = [
            ("D c f", parser.Delete(tags, False)),
            ("dW c f t", parser.Delete(both, True)),
            ("Dww c f", parser.Delete(tags, True)),
            ("P c n 0,8 f", parser.Play(tags, 1, "n", "0,8")),
            ("P3 c n session f t", parser.Play(both, 3, "n", "session")),
            ("P-1 c n 0 f", parser.Play(tags, -1, "n", "0")),
            ("P+3 c n 0 f", parser.Play(tags, 3, "n", "0")),
            ("P03 c n 0 f", parser.Play(tags, 3, "n", "0")),
            ("P\x0b3 c n 0 f", parser.Play(tags, 3, "n", "0")),
            ("P-0 c n 0 f", parser.Play(tags, 0, "n", "0")),
            ("S c f t", parser.StopPlaying(both)),
            ("R c f", parser.Record(tags, False)),
            ("Rs c f", parser.Record(tags, True)),
            ("RSs c f", parser.Record(tags, True)),
            ("C c udp:h:1 f t", parser.Copy(both, "udp:h:1", False, False)),
            ("CpS c x f", parser.Copy(tags, "x", True, True)),
            ("N c f", parser.StopRecording(tags, False)),
            ("NA c f t", parser.StopRecording(both, True)),
            ("Q c f", parser.Query(tags, "", (), ())),
            ("QVv c f t ttl", parser.Query(both, "vv", ("ttl",), ())),
            ("Qq c f", parser.Query(tags, "q", (), ())),  # told only when the session was found
            ("I", parser.Info(False)),
            ("Ib", parser.Info(False)),
            ("iLbb", parser.Info(True)),
            ("G", parser.Statistics(False, ())),
            ("gVv x y", parser.Statistics(True, ("x", "y"))),
            ("V", parser.Version()),
            ("Vf 7", parser.Feature("7")),
            ("x", parser.DeleteAll()),
        ]
        for command, expected in cases:
            with self.subTest(command=command):
                self.assertEqual(typed(command), expected)

    def test_set_up(self) -> None:
        """The number of words decides what U carries."""
        cases: list[tuple[str, Optional[str], Optional[tuple[str, bytes]]]] = [
            ("f", None, None),
            ("f t", "t", None),
            ("f ns tag", None, ("ns", b"tag\n")),
            ("f t ns tag", "t", ("ns", b"tag\n")),
            ("f ns a%20b+c%0A%25", None, ("ns", b"a b c\n%\n")),
            ("f ns %ff%FE", None, ("ns", b"\xff\xfe\n")),
            ("f ns \xe9", None, ("ns", b"\xe9\n")),
            ("f t tcp:h:1", "t", ("tcp:h:1", b"c\n")),  # Kamailio 5.6, which gives no tag
            ("f tcp:h:1 tcp:tag", None, ("tcp:h:1", b"tcp:tag\n")),
            ("f /sock tcp:tag", None, ("/sock", b"tcp:tag\n")),
            ("f tcp:h:1;tag", None, ("tcp:h:1", b"tag\n")),  # newer Kamailio, first offer
            ("f unix:/s;a%20b", None, ("unix:/s", b"a b\n")),
            ("f;1 t;1", "t;1", None),
        ]
        for words, to_tag, notify in cases:
            with self.subTest(words=words):
                command = typed(f"U c 127.0.0.1 4 {words}")
                self.assertIsInstance(command, parser.SetUp)
                self.assertEqual((command.tags, command.notify), (Tags("c", words.split()[0], to_tag), notify))
                self.assertTrue(command.creates)
        self.assertFalse(typed("L c 127.0.0.1 4 f").creates)
        self.assertEqual(typed("Lw c foo 4 f t").modifiers, LegModifiers(weak=True))

    def test_subcommands(self) -> None:
        command = typed("U c foo 4 f t && D && dW && S ttl=5 && sR tos=9 && Sx ttl=+7 && Lw foo 5 && C src a b")
        self.assertEqual(command.subcommands, (
            parser.SubDelete(False), parser.SubDelete(True), parser.SubSet(False, "ttl", 5),
            parser.SubSet(True, "tos", 9), parser.SubSet(False, "ttl", 7),
            parser.SubLookup(LegModifiers(weak=True), None), parser.SubCopy(Tags("src", "a", "b"))))


class FaultTest(unittest.TestCase):
    def code(self, command: str) -> int:
        with self.assertRaises(CommandError) as caught:
            typed(command)
        return int(caught.exception.code)

    def test_modifiers(self) -> None:
        cases = [
            ("Dq c f", 8), ("Dwq c f", 8), ("Px c n 0 f", 17), ("P3x c n 0 f", 17), ("P0x10 c n 0 f", 17),
            ("P- c n 0 f", 17), ("P+ c n 0 f", 17), ("P\xb2 c n 0 f", 17),
            ("Rx c f", 7), ("Rp c f", 6), ("Rsp c f", 6), ("Rps c f", 6),
            ("Rxp c f", 7), ("Cx c n f", 7), ("Cpx c n f", 7), ("Nx c f", 7), ("Nxa c f", 7), ("Naa c f", 6),
            ("Nax c f", 6), ("Ix", 18), ("Ibx", 18), ("Gx", 9), ("Gvx a", 9), ("RNone Z f1 t1", 7),
        ]
        for command, expected in cases:
            with self.subTest(command=command):
                self.assertEqual(self.code(command), expected)

    def test_order(self) -> None:
        """Of U and L: notification tag, modifiers from the left, family, remote address, sub-commands."""
        cases = [
            ("Uz0 c 999.1.1.1 4 f ns tag%2 && G", 10), ("Uz0 c 999.1.1.1 4 f ns tag && G", 13),
            ("Uq6 c 999.1.1.1 4 f", 35), ("U6 c zz::1 4 f && G", 36), ("U6 c ::1 4 f && G", 36),
            ("U c 999.1.1.1 4 f && G", 37), ("U c 127.0.0.1 4 f && G", 3), ("Lz nosuch 1 2 f", 13),
            ("L nosuch 999.1.1.1 4 f t", 37), ("L nosuch 127.0.0.1 4 f t && S ttl=0", 3), ("Ut60c0 c foo 4 f", 35),
            ("U\xdb\xe1 Z 127.0.0.1 4000 f;1", 35), ("UT60c0 c foo 4 f", 35),
        ]
        for tag in ("%", "%2", "%zz", "a%2g", "%%RTPP_NS_MSG%%", "%+1", "% 1".replace(" ", "\x0b")):
            cases.append((f"U c foo 4 f ns {tag}", 10))
            cases.append((f"Uq c foo 4 f t ns {tag}", 10))
        for command, expected in cases:
            with self.subTest(command=command):
                self.assertEqual(self.code(command), expected)

    def test_subcommands(self) -> None:
        """Every fault is the same error, whatever the main command would say later."""
        anywhere = ["G", "D x", "Dx", "Dwx", "S", "S ttl", "S ttl=", "S ttl=0", "S ttl=-5", "S ttl=1x", "S ttl=0x10",
                    "S TTL=5", "S foo=5", "S ttl =5", "S ttl=5 ttl=6", "Srr ttl=5", "Ssr ttl=5", "S tos=0", "S tos=-1",
                    "S tos=+0", "S ttl=2147483648", "S ttl=4294967296", "S =5", "U c foo 4 f", "V", "X", "zz", "1 2 3",
                    "M x", "M3:0", "M3", "M0:1 a", "M:1", "M3:", "M3:1:1", "M3:1x", "M-3:1", "M1234567890:1", "M",
                    "R c f", "Q c f", "N c f", "P c n 0 f", "I"]
        legs = ["L foo", "L foo 5 6", "Lz0 foo 5", "Lq foo 5", "L 999.1.1.1 4", "Ll999.1.1.1 foo 4", "L6 ::1 4",
                "Le foo 4", "C s f", "C s f t x", "Cs s f t", "Cp s f t", "C"]
        good_legs = ["L foo 5", "C s f t"]
        for main, subcommands in (
            ("U c foo 4 f t", anywhere + legs),
            ("U c foo 4 f", anywhere + legs + good_legs),
            ("U c foo 4 f ns tag", anywhere + legs + good_legs),
            ("L c foo 4 f t", anywhere + legs + good_legs),
            ("Q c f t", anywhere + legs + good_legs),
            ("Q nosuch f t bad", anywhere + legs + good_legs),
        ):
            for subcommand in subcommands:
                for line in (f"{main} && {subcommand}", f"{main} && S ttl=5 && {subcommand} && D"):
                    with self.subTest(line=line):
                        self.assertEqual(self.code(line), 3)

    def test_good_subcommands(self) -> None:
        for subcommand in ("S ttl=+5", "S ttl=05", "S ttl=\x0b5", "S ttl=2147483647", "S tos=255", "S tos=99999",
                           "s ttl=5", "SR ttl=5", "S1 ttl=5", "S\xff ttl=5", "d", "dw", "DW", "Dww", "M99:1",
                           "m3:1 Dcid@h 101", "M03:01 a b"):
            with self.subTest(subcommand=subcommand):
                self.assertEqual(len(typed(f"Q c f && {subcommand}").subcommands), 1)


if __name__ == "__main__":
    unittest.main()
