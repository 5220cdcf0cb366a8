"""Settings that cannot work, each with its fix."""

from __future__ import annotations

import logging
import re
import unittest

from rtpp import cli
from rtpp.advice import Advice, ControlSocket, advice
from tests.daemon.program import ProgramCase, wait_until
from tests.ports import free_port

NOTE, WARNING = logging.INFO, logging.WARNING


def said(options: str, control: str = "127.0.0.1", open_files: int = 0) -> list[Advice]:
    settings = cli.parse(["-F", "-f", *options.split()])
    return advice(settings, [ControlSocket(f"udp:{control}:22222", control)], open_files)


class AdviceTest(unittest.TestCase):
    def test_listen_addresses(self) -> None:
        for options, level, pattern in (
            ("", WARNING, r"all addresses \(0.0.0.0\).* give -l ADDRESS, and behind a NAT -A PUBLIC_ADDRESS"),
            ("-6 *", WARNING, r"all addresses \(::\)"),
            ("-A 203.0.113.5", WARNING, r"^-A 203.0.113.5 has no effect.* give -l ADDRESS as well"),
            ("-l 10.1.2.3", NOTE, r"private address 10.1.2.3: right for .* give -A PUBLIC_ADDRESS"),
            ("-l 172.31.0.1", NOTE, "private address"),
            ("-l 192.168.0.1", NOTE, "private address"),
            ("-l 100.64.0.1", NOTE, "private address"),
            ("-l 169.254.0.1", NOTE, "private address"),
            ("-6 fd00::1", NOTE, "private address fd00::1"),
            ("-6 fe80::1", NOTE, "private address"),
            ("-l 127.0.0.1", NOTE, r"on 127.0.0.1: only parties on this host .* give -l ADDRESS"),
            ("-6 ::1", NOTE, "only parties on this host"),
            ("-l 10.0.0.1/192.168.0.1", NOTE, "private address 192.168.0.1"),
            ("-l 203.0.113.5 -l in@10.0.0.1", NOTE, "private address 10.0.0.1"),
        ):
            with self.subTest(options):
                (only,) = said(options)
                self.assertEqual(only.level, level)
                self.assertRegex(only.text, pattern)

    def test_nothing_to_say(self) -> None:
        for options in ("-l 203.0.113.5", "-l 10.1.2.3 -A 203.0.113.5", "-l 10.1.2.3=203.0.113.5", "-6 2001:db8::1",
                        "-l 10.0.0.1/203.0.113.5", "-l 172.15.0.1", "-l 172.32.0.1", "-l 100.128.0.1",
                        "-l 10.0.0.1/192.168.0.1 -A 10.0.0.1/203.0.113.5", "-l 127.0.0.1=203.0.113.5"):
            with self.subTest(options):
                self.assertEqual(said(options), [])

    def test_control_sockets(self) -> None:
        for host, pattern in (
            ("0.0.0.0", r"^control socket udp:0.0.0.0:22222 takes commands from everybody"),
            ("::", "takes commands from everybody"),
            ("203.0.113.9", r"is on a public address and has no password: use 127.0.0.1 or a private address"),
            ("2001:db8::1", "is on a public address"),
        ):
            with self.subTest(host):
                (only,) = said("-l 203.0.113.5", host)
                self.assertEqual(only.level, WARNING)
                self.assertRegex(only.text, pattern)
        for host in ("127.0.0.1", "127.8.8.8", "::1", "10.0.0.1", "fd00::1", "fe80::1%lo"):
            self.assertEqual(said("-l 203.0.113.5", host), [], host)

    def test_descriptors(self) -> None:
        (only,) = said("-l 203.0.113.5", open_files=1024)
        self.assertEqual(only, Advice(WARNING, "1024 open files are enough for about 240 sessions, the ports from "
                                      "35000 to 64999 for 7500: give -L 30062, or a smaller range with -m and -M"))
        wanted = int(re.search(r"-L (\d+)", only.text)[1])  # type: ignore[index]
        self.assertEqual(said("-l 203.0.113.5", open_files=wanted), [])
        self.assertNotEqual(said("-l 203.0.113.5", open_files=wanted - 4), [])
        self.assertEqual(said("-l 203.0.113.5 -m 40000 -M 40100", open_files=1024), [])
        (only,) = said("-l 203.0.113.5", open_files=10)
        self.assertIn("enough for about 0 sessions", only.text)


class AtStart(ProgramCase):
    def test_logged(self) -> None:
        port = free_port()
        program = self.program(f"-s udp:*:{port} -s unix:{{dir}}/s")
        wait_until(lambda: "rtpproxy is serving" in program.log(), "the start is logged")
        for wanted in (rf"(?m)^WARN:GLOBAL:\w+:\d+: control socket udp:\*:{port} takes commands from everybody",
                       r"(?m)^WARN:GLOBAL:\w+:\d+: media is received on all addresses"):
            self.assertRegex(program.log(), wanted)

    def test_fixed(self) -> None:
        """With the fixes that it names, it is content."""
        program = self.program("-l 127.0.0.1 -A 203.0.113.5 -s unix:{dir}/s", pairs=20)
        wait_until(lambda: "rtpproxy is serving" in program.log(), "the start is logged")
        self.assertNotIn("WARN", program.log())


if __name__ == "__main__":
    unittest.main()
