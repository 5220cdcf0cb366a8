"""Troubles of docs/troubleshooting.md, made to happen: the log has the line that the page shows for them."""

from __future__ import annotations

import itertools
import re
import signal
import socket
import unittest
from pathlib import Path

from tests.daemon.program import ROOT, Datagrams, Program, ProgramCase, wait_until
from tests.docs.test_log_lines import quoted
from tests.ports import free_port

PAGE = Path(ROOT, "docs/troubleshooting.md")
# What differs from case to case: what the system says, paths, addresses with ports, other numbers.
VARIABLE = re.compile(r"(?<=\[)Errno \d+\] [^:(]+\w|Network is unreachable|/(?:[\w.=-]+/)+[\w.=-]+|0x[0-9A-F]+|"
                      r"\d+(?:\.\d+){3}(?::\d+)?|\d+(?:\.\d+)?")


def shown(text: str) -> re.Pattern[str]:
    """The quoted line with this text, as a pattern for the line that the program writes."""
    found = [line for line in quoted(PAGE.read_text("utf-8")) if text in line]
    if len(found) != 1:
        raise AssertionError(f"{len(found)} lines with {text!r} in {PAGE.name}")
    level, _, function, message = found[0].split(":", 3)
    pattern = ".+".join(re.escape(part) for part in VARIABLE.split(message.strip()))
    return re.compile(rf"^{level}:[^:]+:{function}:\d+: {pattern}$", re.MULTILINE)


class Troubles(ProgramCase):
    def serve(self, options: str, pairs: int = 20) -> None:
        port = free_port()
        self.proxy: Program = self.program(f"-d DBUG -s udp:127.0.0.1:{port} {options}", pairs=pairs)
        self.client = Datagrams(port)
        self.addCleanup(self.client.close)

    def assert_logs(self, *texts: str) -> None:
        """The lines that the page shows with these texts come up in the log."""
        for text in texts:
            with self.subTest(text):
                self.wait_for(shown(text))

    def wait_for(self, pattern: re.Pattern[str]) -> None:
        wait_until(lambda: pattern.search(self.proxy.log()), lambda: f"{pattern.pattern}\n{self.proxy.log()}")

    def phone(self) -> socket.socket:
        phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(phone.close)
        phone.bind(("127.0.0.1", 0))
        return phone

    def port(self, command: str) -> tuple[str, int]:
        return "127.0.0.1", int(self.client.ask(command).split()[0])

    @staticmethod
    def packet(number: int) -> bytes:
        return bytes([0x80, 0]) + number.to_bytes(2, "big") + (160 * number).to_bytes(4, "big") + b"SSRC" + bytes(160)

    def test_one_way(self) -> None:
        """A caller behind NAT who moves, and a callee who sends nothing."""
        self.serve("-l 127.0.0.1")
        self.port("U call-1 10.1.2.3 4000 alice")
        to_caller = self.port("L call-1 127.0.0.1 9 alice bob")
        first, second = self.phone(), self.phone()
        for number in range(30):
            first.sendto(self.packet(number), to_caller)
        self.assert_logs("received command 'U call-1", "sending reply '", "pre-filling caller's",
                         "caller's address filled in")
        self.client.ask("U call-1 10.1.2.3 4000 alice")
        for number in range(30, 60):
            second.sendto(self.packet(number), to_caller)
        self.assert_logs("caller's address re-latched")
        self.client.ask("D call-1 alice bob")
        self.assert_logs("RTP stats: 0 in from callee")

    def test_no_way_to_a_party(self) -> None:
        self.serve("-l 127.0.0.1")
        own = self.port("U call-1 10.1.2.3 4000 alice")
        to_caller = self.port("L call-1 127.0.0.1 9 alice bob")
        self.phone().sendto(self.packet(1), own)
        self.assert_logs("cannot send to 10.1.2.3")
        self.client.ask(f"U call-1 127.0.0.1 {to_caller[1]} alice bob")
        self.assert_logs("is a port of this session")

    def test_refused(self) -> None:
        self.serve("-l 127.0.0.1 -r {dir} -n tcp:127.0.0.1:9", pairs=4)
        self.client.ask("U6 call-1 ::1 4000 alice")
        self.client.ask("R call-1 nobody")
        self.assert_logs("E36 no_address_of_family", "E50 no_session")
        for number in range(5):
            self.client.ask(f"U call-{number} 127.0.0.1 4000 alice")
        self.assert_logs("port pairs of the range are in use")
        self.client.ask("P call-1 /etc/rtpproxy/greeting 0 alice")
        self.assert_logs("E60 no_player")

    def test_descriptors_run_out(self) -> None:
        self.serve("-l 127.0.0.1 -L 60", pairs=40)
        for number in range(30):
            self.client.ask(f"U call-{number} 127.0.0.1 4000 alice")
        self.assert_logs("Too many open files", "open files are enough for about")

    def test_no_such_address_here(self) -> None:
        self.serve("-l 192.0.2.1")
        self.client.ask("U call-1 127.0.0.1 4000 alice")
        self.assert_logs("Cannot assign requested address")

    def test_recording(self) -> None:
        self.serve("-l 127.0.0.1 -r {dir}")
        self.client.ask("U a/b 127.0.0.1 4000 alice")
        self.client.ask("R a/b alice")
        self.assert_logs("would lead to another directory")

    def test_time_is_over(self) -> None:
        self.serve("-l 127.0.0.1 -T 1 -n tcp:127.0.0.1:9")
        self.client.ask("U call-1 127.0.0.1 4000 alice bob tcp:127.0.0.1:9998 tag")
        self.client.ask("U call-2 127.0.0.1 4000 alice bob tcp:127.0.0.1:9 tag")
        self.assert_logs("is not among those of -n", "session timeout", "cannot connect to notification target")

    def test_draining(self) -> None:
        self.serve("-l 127.0.0.1")
        self.client.ask("U call-1 127.0.0.1 4000 alice")
        self.proxy.process.send_signal(signal.SIGHUP)
        new = (f"U new-{number} 127.0.0.1 4000 alice" for number in itertools.count())
        wait_until(lambda: self.client.ask(next(new)) == "E99", "it drains")
        self.assert_logs("E99 draining")

    def test_warned_at_the_start(self) -> None:
        self.serve("-s udp:*:0")
        self.assert_logs("(0.0.0.0), so replies", "takes commands from everybody")


if __name__ == "__main__":
    unittest.main()
