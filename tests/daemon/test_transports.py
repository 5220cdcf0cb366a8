"""Control sockets of the running program: framing, and what each kind does with odd input."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import threading
import unittest

from tests.daemon.program import ROOT, SCRIPT, Datagrams, Lines, Program, ProgramCase, connect, one_shot, wait_until
from tests.ports import HAS_IPV6, free_port


class Shared:
    """One program with a control socket of each kind, for all tests that need nothing special."""

    program: Program
    udp_port: int
    udp6_port: int
    tcp_port: int
    tcp6_port: int


def setUpModule() -> None:
    Shared.udp_port, Shared.tcp_port = free_port(), free_port(socket.SOCK_STREAM)
    Shared.udp6_port, Shared.tcp6_port = free_port(), free_port(socket.SOCK_STREAM)
    options = (f"-l 127.0.0.1 -d WARN -s udp:127.0.0.1:{Shared.udp_port} -s tcp:localhost:{Shared.tcp_port} "
               "-s unix:{dir}/unix -s cunix:{dir}/cunix")
    if HAS_IPV6:
        options += f" -s udp6:::1:{Shared.udp6_port} -s tcp6:::1:{Shared.tcp6_port}"
    Shared.program = Program(options)


def tearDownModule() -> None:
    try:
        assert Shared.program.stop() == 0
        assert "Traceback" not in Shared.program.log(), Shared.program.log()
    finally:
        Shared.program.close()


class SharedProgram(ProgramCase):
    def setUp(self) -> None:
        self.unix_path, self.cunix_path = (f"{Shared.program.directory}/{name}" for name in ("unix", "cunix"))

    def datagrams(self) -> Datagrams:
        client = Datagrams(Shared.udp_port)
        self.addCleanup(client.close)
        return client

    def stream_clients(self) -> list[Lines]:
        """A fresh client of each kind of stream of lines."""
        clients = [Lines(("127.0.0.1", Shared.tcp_port)), Lines(self.cunix_path)]
        if HAS_IPV6:
            clients.append(Lines(("::1", Shared.tcp6_port)))
        for client in clients:
            self.addCleanup(client.close)
        return clients


class DatagramTest(SharedProgram):
    def test_framing(self) -> None:
        """Each line from a port of its own, so that the cookies are new."""
        cases = [
            (b"c1 V", b"c1 20040107\n"),
            (b"  c4 \t V  ", b"c4 20040107\n"),
            (b"\nc5 V", b"c5 20040107\n"),
            (b"c3 V\r\n", b"c3 20040107\n"),
            (b"c7", b"c7 E5\n"),
            (b"c7 \t", b"c7 E5\n"),
            (b"", b"E5\n"),
            (b" \r\n\t", b"E5\n"),
            (b"c9 V\nc10 V", b"c9 E1\n"),
            (b"c11\x0bV", b"c11\x0bV E5\n"),
            (b"c11 \x0bV", b"c11 E0\n"),
            (b"c12 V\0x", b"c12 E5\n"),
            (b"c12 V x\0", b"c12 E5\n"),
            (b"c\x0012 V", b"E5\n"),
            (b"\0", b"E5\n"),
            (b"\xff\xfe\xe9 V", b"\xff\xfe\xe9 20040107\n"),
            (b"c13 &&", b"c13 E5\n"),
            (b"c14 zzz", b"c14 E0\n"),
            (b"c15 G", b"c15 \n"),
            (b"c16 VF 20050322", b"c16 1\n"),
            (b"c17 Ub\xdb\xe1Uc96,97 two@t 127.0.0.1 47010 ftag;2", b"c17 E35\n"),
        ]
        for data, expected in cases:
            with self.subTest(data=data):
                self.assertEqual(self.datagrams().raw(data), expected)

    def test_summary_has_one_cookie(self) -> None:
        reply = self.datagrams().raw(b"c1 Ib")
        self.assertRegex(reply, rb"\Ac1 sessions created: \d+\nactive sessions: \d+\nactive streams: \d+\n"
                                rb"packets received: \d+\npackets transmitted: \d+\n\Z")

    def test_long_datagrams(self) -> None:
        """Only the first 8191 bytes are read."""
        for size in (8190, 8191, 8192, 9000, 60000):
            with self.subTest(size=size):
                data = b"c1 VF " + b"x" * size
                self.assertEqual(self.datagrams().raw(data[:size]), b"c1 0\n")
        data = b"c1 V" + b" " * 8187
        self.assertEqual(self.datagrams().raw(data), b"c1 20040107\n")
        self.assertEqual(self.datagrams().raw(data + b"x"), b"c1 20040107\n")  # the x is not looked at
        self.assertEqual(self.datagrams().raw(data[:-1] + b"x"), b"c1 E1\n")

    def test_long_cookies(self) -> None:
        """The reply fits 1024 bytes: what the cookie leaves room for, at the least E5, else nothing."""
        for size, expected in ((255, b"20040107"), (1000, b"20040107"), (1014, b"20040107"), (1015, b"E5"),
                               (1020, b"E5"), (1021, b""), (1024, b""), (5000, b""), (8191, b"")):
            with self.subTest(size=size):
                cookie = b"k" * size
                client = self.datagrams()
                client.socket.send((cookie + b" V")[:60000])
                if expected:
                    reply = client.socket.recv(65536)
                    self.assertEqual(reply, cookie + b" " + expected + b"\n")
                    self.assertLessEqual(len(reply), 1024)
                else:
                    self.assertTrue(client.hears_nothing(0.02))
        self.assertEqual(self.datagrams().ask("V"), "20040107")

    def test_duplicate_gets_the_first_reply(self) -> None:
        client, other = self.datagrams(), self.datagrams()
        first = client.raw(b"dup1 Un call 127.0.0.1 4 tag")
        self.assertRegex(first, rb"\Adup1 \d+ 127\.0\.0\.1\n\Z")
        for command in (b"dup1 Un call 127.0.0.1 4 tag", b"dup1 I", b"  dup1\tzzz", b"dup1"):
            self.assertEqual(client.raw(command), first)
        self.assertEqual(other.raw(b"dup1 V"), b"dup1 20040107\n")  # another port: another controller
        self.assertEqual(client.raw(b"dup1 V"), first)
        self.assertEqual(client.raw(b"err1 zzz"), client.raw(b"err1 V"))  # errors, too
        client.ask("D call tag")

    def test_duplicates_are_counted_apart(self) -> None:
        client = self.datagrams()
        names = "ncmds_rcvd ncmds_repld ncmds_succd ncmds_errs ncmds_rcvd_ndups"
        before = [int(word) for word in client.ask(f"G {names}").split()]
        for _ in range(5):
            client.raw(b"counted V")
        after = [int(word) for word in client.ask(f"G {names}").split()]
        # The first G, counted as received only, and one V make two; four V are duplicates.
        self.assertEqual([b - a for a, b in zip(before, after)], [2, 2, 2, 0, 4])

    def test_never_runs_twice(self) -> None:
        """A burst of the same datagram makes one session, and every copy that is answered gets the same reply."""
        client = self.datagrams()
        (created,) = (int(client.ask("G nsess_created")),)
        for _ in range(60):
            client.socket.send(b"burst Un burst 127.0.0.1 4 tag")
        replies = {client.socket.recv(100)}
        while not client.hears_nothing(0.05):
            pass
        self.assertEqual(len(replies), 1)
        self.assertEqual(int(client.ask("G nsess_created")), created + 1)
        self.assertEqual(client.ask("U burst 127.0.0.1 4 tag"), replies.pop()[6:-1].decode())
        client.ask("D burst tag")

    @unittest.skipUnless(HAS_IPV6, "no IPv6 here")
    def test_ipv6(self) -> None:
        client = Datagrams(Shared.udp6_port, "::1", socket.AF_INET6)
        self.addCleanup(client.close)
        self.assertEqual(client.raw(b"c1 V"), b"c1 20040107\n")
        self.assertEqual(client.raw(b"c1 I"), b"c1 20040107\n")


class LineTest(SharedProgram):
    def test_framing(self) -> None:
        cases = [
            (b"V\n", [b"20040107\n"]),
            (b"V\r\n", [b"20040107\n"]),
            (b"V\n V \nzzz\n", [b"20040107\n", b"20040107\n", b"E0\n"]),
            (b"\n", [b"E5\n"]),
            (b" \t\r\n", [b"E5\n"]),
            (b"V\0\n", [b"E5\n"]),
            (b"\0\nV\n", [b"E5\n", b"20040107\n"]),
            (b"c1 V\n", [b"E1\n"]),  # no cookies here: this is a copy command
            (b"G\n", [b"\n"]),
            (b"\xff\n", [b"E0\n"]),
        ]
        for client in self.stream_clients():
            for data, expected in cases:
                with self.subTest(data=data, client=client.socket):
                    client.send(data)
                    self.assertEqual([client.line() for _ in expected], expected)

    def test_summary(self) -> None:
        for client in self.stream_clients():
            client.send(b"Ib\n")
            self.assertEqual([client.line().partition(b":")[0] for _ in range(5)],
                             [b"sessions created", b"active sessions", b"active streams", b"packets received",
                              b"packets transmitted"])

    def test_pieces(self) -> None:
        """A command may come in several reads, and a read may bring several commands and a half."""
        for client in self.stream_clients():
            for piece in (b"V", b"F 200", b"50322\nV\nV", b"F 1\nU", b" half"):
                client.send(piece)
                self.assertEqual(client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
            self.assertEqual([client.line() for _ in range(3)], [b"1\n", b"20040107\n", b"0\n"])
            client.send(b" way\n")
            self.assertEqual(client.line(), b"E1\n")

    def test_one_byte_at_a_time(self) -> None:
        for client in self.stream_clients():
            for byte in b"VF 20050322\n":
                client.send(bytes((byte,)))
            self.assertEqual(client.line(), b"1\n")

    def test_order(self) -> None:
        for client in self.stream_clients():
            client.send(b"".join(b"VF %d\nV\nzz\n" % number for number in range(100)))
            replies = [client.line() for _ in range(300)]
            self.assertEqual(replies, [b"0\n", b"20040107\n", b"E0\n"] * 100)

    def test_half_closed_client_is_answered(self) -> None:
        for client in self.stream_clients():
            client.send(b"V\nVF 1\nV without its line feed")
            client.socket.shutdown(socket.SHUT_WR)
            self.assertEqual([client.line() for _ in range(3)], [b"20040107\n", b"0\n", b""])

    def test_longest_line(self) -> None:
        """8191 bytes and a line feed fit; one more and the connection is closed without a word."""
        for client in self.stream_clients():
            client.send(b"VF " + b"x" * 8188 + b"\n")
            self.assertEqual(client.line(), b"0\n")
            client.send(b"V" + b" " * 8190 + b"\n")
            self.assertEqual(client.line(), b"20040107\n")
            client.send(b"V" + b" " * 8191 + b"\n")
            self.assertEqual(client.line(), b"")
        for client in self.stream_clients():
            client.send(b"x" * 8192)
            self.assertEqual(client.line(), b"")
        for client in self.stream_clients():
            self.assertEqual(client.ask("V"), "20040107")

    def test_long_line_behind_a_short_one(self) -> None:
        for client in self.stream_clients():
            client.send(b"V\n" + b"x" * 9000)
            self.assertIn(client.line(), (b"20040107\n", b""))  # a reset may overtake the reply
            self.assertEqual(client.line(), b"")

    def test_many_clients(self) -> None:
        clients = [client for _ in range(15) for client in self.stream_clients()]
        for client in clients:
            client.send(b"V\n")
        for client in clients:
            self.assertEqual(client.line(), b"20040107\n")


class OneShotTest(SharedProgram):
    def test_framing(self) -> None:
        cases = [
            (b"V", b"20040107\n"),
            (b"V\n", b"20040107\n"),
            (b"  V\r\n", b"20040107\n"),
            (b"V\nI\n", b"E1\n"),
            (b"ck V", b"E1\n"),
            (b"\n", b"E5\n"),
            (b" ", b"E5\n"),
            (b"V\0", b"E5\n"),
            (b"VF 20050322", b"1\n"),
            (b"\xff\xfe", b"E0\n"),
            (b"VF " + b"x" * 9000, b"0\n"),
            (b"X\n" * 30000, b"E5\n"),  # unread input does not cost the client its reply
        ]
        for data, expected in cases:
            with self.subTest(data=data[:40]):
                self.assertEqual(one_shot(self.unix_path, data), expected)

    def test_nothing_said(self) -> None:
        with connect(self.unix_path) as client:
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(client.recv(100), b"")

    def test_one_reply_only(self) -> None:
        with connect(self.unix_path) as client:
            client.sendall(b"V")
            self.assertEqual(client.recv(100), b"20040107\n")
            self.assertEqual(client.recv(100), b"")

    def test_gone_before_the_reply(self) -> None:
        for _ in range(50):
            with connect(self.unix_path) as client:
                client.sendall(b"V")
        self.assertEqual(one_shot(self.unix_path, b"V"), b"20040107\n")


class SharedStateTest(SharedProgram):
    def test_one_table_for_all(self) -> None:
        """A session made over one socket is known on all of them."""
        udp, streams = self.datagrams(), self.stream_clients()
        port = udp.ask("U shared 127.0.0.1 4 f")
        for client in streams:
            self.assertEqual(client.ask("U shared 127.0.0.1 4 f"), port)
        self.assertEqual(one_shot(self.unix_path, b"U shared 127.0.0.1 4 f").decode(), port + "\n")
        self.assertEqual(streams[0].ask("D shared f"), "0")
        self.assertEqual(udp.ask("Q shared f"), "E50")

    def test_at_once(self) -> None:
        """Clients of every kind at the same time get their own replies."""
        failures: list[str] = []

        def talk(name: str, ask: object) -> None:
            for number in range(40):
                if ask(f"VF {name}{number}") != "0" or ask("V") != "20040107":  # type: ignore[operator]
                    failures.append(name)

        askers = [self.datagrams().ask, self.datagrams().ask, *(client.ask for client in self.stream_clients()),
                  lambda command: one_shot(self.unix_path, command.encode())[:-1].decode()]
        threads = [threading.Thread(target=talk, args=(str(number), ask)) for number, ask in enumerate(askers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


class StandardInputTest(ProgramCase):
    def talk(self, options: str, data: bytes, *, status: int = 0) -> bytes:
        """What is said on standard output; the program ends by itself."""
        program = self.program(f"-l 127.0.0.1 -d WARN {options}", wait=False, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
        output, _ = program.process.communicate(data, timeout=10)
        self.assertEqual(program.process.returncode, status, program.log())
        self.assertEqual(sorted(os.listdir(program.directory)), ["log"])
        return bytes(output)

    def test_end_of_input_without_sessions(self) -> None:
        self.assertEqual(self.talk("-s stdio:", b"V\nVF 1\n\nzz\nhalf"), b"20040107\n0\nE5\nE0\n")

    def test_end_of_input_with_a_session(self) -> None:
        """The program goes on while there is a session, and takes no new one."""
        program = self.program("-l 127.0.0.1 -d WARN -s stdio: -s cunix:{dir}/c", stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
        stdin, stdout = program.process.stdin, program.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(b"U a 127.0.0.1 4 f\n")
        stdin.close()
        self.assertRegex(stdout.readline(), rb"\A\d+ 127\.0\.0\.1\n\Z")
        client = Lines(f"{program.directory}/c")
        self.addCleanup(client.close)
        calls = itertools.count()
        wait_until(lambda: client.ask(f"U {next(calls)} 127.0.0.1 4 f") == "E99", "the program drains")
        self.assertRegex(client.ask("L a 127.0.0.1 4 f t"), r"\A\d+ 127\.0\.0\.1\Z")
        self.assertEqual(client.ask("X"), "0")
        self.assertEqual(program.status(), 0)

    def test_end_of_input_beside_datagrams(self) -> None:
        """`stdio:` with a UDP socket: only that channel ends. `stdioc:` always drains."""
        port = free_port()
        program = self.program(f"-l 127.0.0.1 -d INFO -s stdio: -s udp:127.0.0.1:{port}", stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
        assert program.process.stdin is not None
        program.process.stdin.close()
        wait_until(lambda: "end of standard input" in program.log(), "the end is noticed")
        client = Datagrams(port)
        self.addCleanup(client.close)
        self.assertRegex(client.ask("U b 127.0.0.1 4 f"), r"^\d+ 127\.0\.0\.1$")
        self.assertEqual(program.stop(), 0)
        self.assertEqual(self.talk(f"-s stdioc: -s udp:127.0.0.1:{free_port()}", b"V\n"), b"20040107\n")

    def test_plain_file(self) -> None:
        """Standard input may be a file, which epoll does not take."""
        with open(__file__, "rb") as file:
            lines = len(file.readlines())
            file.seek(0)
            program = self.program("-l 127.0.0.1 -d ERR -s stdio:", wait=False, stdin=file, stdout=subprocess.PIPE)
            output, _ = program.process.communicate(timeout=10)
        self.assertEqual(program.process.returncode, 0)
        self.assertEqual(output.count(b"\n"), lines)

    def test_term_while_waiting_for_input(self) -> None:
        program = self.program("-l 127.0.0.1 -d WARN -s stdio:", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(program.stop(), 0)


class InheritedSocketTest(ProgramCase):
    # Between fork and exec the process number is known: sd_listen_fds(3) wants it in the environment.
    START = ("import os, sys\nos.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[1])\n"
             "os.dup2(int(sys.argv[2]), 3)\nos.execv(sys.executable, [sys.executable, *sys.argv[3:]])")

    def start(self, listener: socket.socket, count: str, directory: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", self.START, count, str(listener.fileno()), SCRIPT, "-f", "-F", "-d", "WARN",
                   "-l", "127.0.0.1", "-p", f"{directory}/none/pid", "-s", "systemd:"]
        process = subprocess.Popen(command, pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, cwd=ROOT)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        assert process.stderr is not None
        self.addCleanup(process.stderr.close)
        return process

    def test_passed_socket(self) -> None:
        for family, address in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, "")):
            with self.subTest(family=family), socket.socket(family, socket.SOCK_STREAM) as listener:
                listener.bind(address)
                listener.listen()
                process = self.start(listener, "1", "/nonexistent")
                client = socket.socket(family, socket.SOCK_STREAM)
                self.addCleanup(client.close)
                client.settimeout(10)
                client.connect(listener.getsockname())
                for _ in range(2):  # lines: the connection lasts
                    client.sendall(b"V\n")
                    self.assertEqual(client.recv(100), b"20040107\n")
                process.terminate()
                self.assertEqual(process.wait(10), 0)

    def test_exactly_one(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            for count in ("0", "2"):
                process = self.start(listener, count, "/nonexistent")
                _, text = process.communicate(timeout=10)
                self.assertEqual(process.returncode, 1, count)
                self.assertIn(b"systemd:", text)

    def test_none(self) -> None:
        self.assertIn("systemd:", self.refused("-s systemd:"))


if __name__ == "__main__":
    unittest.main()
