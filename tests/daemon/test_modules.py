"""Modules in the running program: what they write, and that neither they nor their collectors hold up a call.

That media goes on is shown by `Call.talk`: each packet must have arrived before the next one is sent.
"""

from __future__ import annotations

import os
import socket
import struct
import tempfile
import unittest
from pathlib import Path

from rtpp.rtp.packet import RtpPacket
from tests.daemon.calls import Call
from tests.daemon.program import Datagrams, Program, ProgramCase, wait_until
from tests.ports import free_port

BLOCKS = 31  # in a report, as many as there can be: five kilobytes of JSON
REPORTS = 2000  # so that no socket's buffers hold what is made of them
DIGITS = 1500
BURST = 20  # packets; less than a socket's buffer holds
TAG = "t" * 700  # of each digit's notification
FAILS = """
from rtpp.modules.interface import Module

class Fails(Module):
    id = 100
    def session_created(self, session):
        for stream in session.streams:
            self.host.watch(stream, self.see)
    def see(self, stream, data, source, now):
        raise ValueError("on every packet")
    def subcommand(self, session, party, arguments):
        raise ValueError("on every sub-command")
"""


def report() -> bytes:
    """An RTCP sender report about as many sources as it can."""
    body = struct.pack("!6I", 1, 2, 3, 4, 5, 6) + bytes(24 * BLOCKS)
    return struct.pack("!BBH", 0x80 | BLOCKS, 200, len(body) // 4) + body


def digit(number: int) -> tuple[bytes, bytes]:
    """The first and the last packet of a telephone event."""
    payloads = (struct.pack("!BBH", 5, flags, 160) for flags in (10, 10 | 0x80))
    first, last = (bytes(RtpPacket(101, 0, 1000 * number, 9, payload)) for payload in payloads)
    return first, last


class ModulesTest(ProgramCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)

    def start(self, options: str, **keywords: object) -> tuple[Program, Datagrams]:
        port = free_port()
        program = Program(f"-l 127.0.0.1 -s udp:127.0.0.1:{port} -d INFO {options}", **keywords)
        self.addCleanup(program.close)
        client = Datagrams(port)
        self.addCleanup(client.close)
        return program, client

    def call(self, client: Datagrams) -> Call:
        call = Call(client)
        self.addCleanup(call.close)
        return call

    def configure(self, port: int, transport: str) -> Path:
        path = self.directory / "rtpproxy.conf"
        parameters = f"capt_host = 127.0.0.1; capt_port = {port}; capt_ptype = {transport}"
        path.write_text(f"modules {{ acct_rtcp_hep {{ {parameters} }} }}")
        return path

    def send_reports(self, client: Datagrams, call: Call, count: int) -> None:
        """RTCP, and audio both ways all the while."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for sent in range(BURST, count + 1, BURST):
                for _ in range(BURST):
                    control.sendto(report(), ("127.0.0.1", call.to_callee + 1))
                call.talk(1)
                received = str(sent + 2 * call.sent)
                wait_until(lambda received=received: client.ask("G npkts_rcvd") == received, "every packet")

    def check_collector_log(self, program: Program) -> None:
        """One line when it begins, and at the end how much it was."""
        first, last = [line for line in program.log().splitlines() if "HEP collector" in line]
        self.assertIn("(logged once, tried again)", first)
        self.assertRegex(last, r" \d+ messages were lost in all\Z")

    def test_collector_that_takes_nothing(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            program, client = self.start(f"--config {self.configure(server.getsockname()[1], 'tcp')}")
            call = self.call(client)
            self.send_reports(client, call, REPORTS)
            call.talk(50)
            connection, _ = server.accept()
            with connection:
                self.assertEqual(connection.recv(4), b"HEP3", "the collector was there, and did not read")
        call.talk(50)
        call.end()
        self.assertEqual(program.stop(), 0)
        self.check_log(program)
        self.check_collector_log(program)

    def test_collectors_that_are_not_there(self) -> None:
        for transport in ("udp", "tcp"):
            with self.subTest(transport):
                program, client = self.start(f"--config {self.configure(free_port(), transport)}")
                call = self.call(client)
                self.send_reports(client, call, 100)
                wait_until(lambda program=program: "HEP collector" in program.log(), "the log line")
                call.end()
                self.assertEqual(program.stop(), 0)
                self.check_collector_log(program)

    def test_notification_target_that_takes_nothing(self) -> None:
        path = str(self.directory / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(path)
            server.listen()
            program, client = self.start(f"-n unix:{path} --dso catch_dtmf")
            call = self.call(client)
            caller = call.caller.getsockname()[1]
            reply = client.ask(f"U call 127.0.0.1 {caller} from to unix:{path} tag && M3:1 {TAG} 101 h")
            self.assertRegex(reply, r"\A\d+ 127\.0\.0\.1\Z")
            for number in range(DIGITS):
                for data in digit(number):
                    call.caller.sendto(data, ("127.0.0.1", call.to_callee))
                if number % BURST == 0:
                    call.talk(1)  # behind the digits
            call.talk(1)
            self.assertEqual(client.ask("G npkts_discard"), str(2 * DIGITS))
            call.talk(50)
            connection, _ = server.accept()
            with connection:
                self.assertEqual(connection.recv(len(TAG)), TAG.encode(), "the target was there, and did not read")
        call.talk(50)
        call.end()
        self.assertEqual(program.stop(), 0)
        self.check_log(program)

    def test_module_that_fails_on_every_packet(self) -> None:
        path = self.directory / "fails.py"
        path.write_text(FAILS)
        program, client = self.start(f"--dso {path}")
        call = self.call(client)
        call.talk(300)
        for _ in range(3):
            self.assertEqual(client.ask("Q call from to nrelayed && M100:1"), "600 && -1")
        call.end()
        self.assertEqual(program.stop(), 0)
        log = program.log()
        self.assertEqual(log.count("Traceback"), 2, log)
        self.assertEqual(log.count("ValueError: on every packet"), 1, log)
        self.assertEqual(log.count("ValueError: on every sub-command"), 1, log)

    def test_accounts_are_written_where_the_program_was_started(self) -> None:
        program, client = self.start("--dso acct_csv", foreground=False, cwd=self.directory)
        self.assertEqual(program.process.wait(10), 0)
        self.assertEqual(os.readlink(f"/proc/{program.pid}/cwd"), "/")
        for _ in range(2):
            call = self.call(client)
            call.talk(5)
            call.end()
        program.send_signal(15)
        path = self.directory / "rtpproxy_acct.csv"
        wait_until(lambda: not os.path.exists(f"/proc/{program.pid}"), "the end of the program")
        header, *rows = (line.split(",") for line in path.read_text().splitlines())
        found = [dict(zip(header, row)) for row in rows]
        self.assertEqual([row["sess_uid"] for row in found], ["1", "2"])
        self.assertEqual([row["rtpa_nrcvd_ina"] + row["rtpa_nrcvd_ino"] for row in found], ["55", "55"])


if __name__ == "__main__":
    unittest.main()
