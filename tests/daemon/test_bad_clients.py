"""Clients that do everything wrong, while a good one is answered within a second, and what remains of them: nothing."""

from __future__ import annotations

import random
import socket
import struct
import time
import unittest

from tests.daemon.program import HAS_PROC, Datagrams, Lines, Program, ProgramCase, connect, one_shot, wait_until
from tests.ports import free_port

GOOD_TIME = 1.0  # seconds in which a good client has its answer
SEED = 20260309


class BadClientCase(ProgramCase):
    """A program with a control socket of each kind."""

    def start(self, options: str = "-d WARN") -> Program:
        self.udp_port, self.tcp_port = free_port(), free_port(socket.SOCK_STREAM)
        program = self.program(f"-l 127.0.0.1 -s udp:127.0.0.1:{self.udp_port} -s tcp:127.0.0.1:{self.tcp_port} "
                               "-s unix:{dir}/unix -s cunix:{dir}/cunix " + options)
        self.targets = [("127.0.0.1", self.tcp_port), f"{program.directory}/unix", f"{program.directory}/cunix"]
        self.unix_path, self.cunix_path = f"{program.directory}/unix", f"{program.directory}/cunix"
        self.udp = Datagrams(self.udp_port)
        self.lasting = Lines(self.cunix_path)
        self.addCleanup(self.udp.close)
        self.addCleanup(self.lasting.close)
        self.check_good_clients()
        self.before = self.settled(program)
        return program

    def settled(self, program: Program) -> tuple[int, int]:
        """Threads and descriptors once the program has noticed that its last clients are gone."""
        seen = [self.resources(program)]
        while len(seen) < 10 or len(set(seen[-10:])) > 1:
            time.sleep(0.01)
            seen.append(self.resources(program))
        return seen[-1]

    def resources(self, program: Program) -> tuple[int, int]:
        return (program.threads(), program.descriptors()) if HAS_PROC else (0, 0)

    def check_good_clients(self) -> None:
        """A lasting client and new ones of each kind are answered in time."""
        def by_new_connection(target: object) -> str:
            client = Lines(target)  # type: ignore[arg-type]
            try:
                return client.ask("V")
            finally:
                client.close()

        for name, ask in (
            ("udp", lambda: self.udp.ask("V")),
            ("lasting cunix", lambda: self.lasting.ask("V")),
            ("tcp", lambda: by_new_connection(("127.0.0.1", self.tcp_port))),
            ("cunix", lambda: by_new_connection(self.cunix_path)),
            ("unix", lambda: one_shot(self.unix_path, b"V").decode().strip()),
        ):
            start = time.monotonic()
            self.assertEqual(ask(), "20040107", name)
            self.assertLess(time.monotonic() - start, GOOD_TIME, name)

    def check_nothing_remains(self, program: Program) -> None:
        wait_until(lambda: self.resources(program) == self.before,
                   lambda: f"threads and descriptors {self.resources(program)} are as before: {self.before}")
        self.check_good_clients()


class HalfOpenTest(BadClientCase):
    def test_silent_clients(self) -> None:
        """More connections that never say anything than there are places for, and than descriptors."""
        for limit in ("", "-L 160"):
            with self.subTest(limit=limit):
                program = self.start(f"-d WARN {limit}")
                silent = []
                for number in range(120):
                    for target in self.targets:
                        silent.append(connect(target))
                        self.addCleanup(silent[-1].close)
                    if number % 30 == 29:
                        self.check_good_clients()
                for each in silent:
                    each.close()
                self.check_nothing_remains(program)
                self.assertEqual(program.stop(), 0)

    def test_clients_that_spoke_keep_their_place(self) -> None:
        """Silent newcomers do not push out those that are in use."""
        self.start()
        users = [Lines(self.cunix_path) for _ in range(60)]
        for user in users:
            self.addCleanup(user.close)
            self.assertEqual(user.ask("V"), "20040107")
        for _ in range(120):
            silent = connect(self.cunix_path)
            self.addCleanup(silent.close)
        for user in users:
            self.assertEqual(user.ask("V"), "20040107")

    def test_all_places_in_use(self) -> None:
        """When every place is taken by a client in use, a newcomer is turned away rather than left waiting."""
        program = self.start("-d ERR")
        users = []
        for _ in range(98):
            users.append(Lines(self.cunix_path))
            self.addCleanup(users[-1].close)
            self.assertEqual(users[-1].ask("V"), "20040107")
        newcomer = Lines(self.cunix_path)
        self.addCleanup(newcomer.close)
        start = time.monotonic()
        self.assertEqual(newcomer.receive(), b"")
        self.assertLess(time.monotonic() - start, GOOD_TIME)
        for user in users:
            user.close()
        newcomer.close()
        self.check_nothing_remains(program)

    def test_resets(self) -> None:
        """Connections cut off in the middle of a line, before it, and with replies on their way."""
        program = self.start()
        for number in range(60):
            for data in (b"", b"V", b"V\n", b"V\n" * 500):
                client = connect(self.targets[number % 3])
                if data:
                    client.sendall(data)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
        self.check_nothing_remains(program)


class DeafClientTest(BadClientCase):
    def test_clients_that_never_read(self) -> None:
        """They fill their own connection until it is closed; nobody waits for them."""
        program = self.start("-d ERR")
        deaf = [connect(target, receive_buffer=4096) for target in self.targets for _ in range(5)]
        for each in deaf:
            self.addCleanup(each.close)
            each.setblocking(False)
        end = time.monotonic() + 20
        alive = set(deaf)
        while alive and time.monotonic() < end:
            for each in list(alive):
                try:
                    each.send(b"Ib\n" * 200)
                except BlockingIOError:
                    continue
                except OSError:
                    alive.remove(each)
            self.check_good_clients()
        self.assertEqual(alive, set(), "all were closed")
        for each in deaf:
            each.close()
        self.check_nothing_remains(program)

    def test_slow_reader_gets_everything(self) -> None:
        """Within the limit of what waits for a client nothing is lost, however late it reads."""
        self.start("-d ERR")
        for target in (("127.0.0.1", self.tcp_port), self.cunix_path):
            client = Lines(target)
            self.addCleanup(client.close)
            client.send(b"VF 1\nV\n" * 1500)
            time.sleep(0.2)
            for number in range(1500):
                self.assertEqual((client.line(), client.line()), (b"0\n", b"20040107\n"), number)


class FuzzTest(BadClientCase):
    """Random bytes on every socket, with a fixed seed; the proxy and its calls go on."""

    def test_control_sockets(self) -> None:
        program = self.start("-d ERR")
        source = random.Random(SEED)
        words = [b"U", b"L", b"D", b"Q", b"&&", b"call", b"127.0.0.1", b"4000", b"f", b"t", b"\0", b"G", b"I", b"X",
                 b"S", b"ttl=3", b"\xff", b"k" * 1020, b"x" * 9000, b"VF", b"P", b"R", b"C", b"udp:127.0.0.1:9"]

        def data() -> bytes:
            if source.random() < 0.3:
                return source.randbytes(source.choice((1, 10, 100, 1000, 9000)))
            return b" ".join(source.choices(words, k=source.randrange(1, 9)))

        open_streams: list[socket.socket] = []
        for number in range(1500):
            try:
                if number % 3 == 0:
                    self.udp.socket.send(data()[:9000])
                elif number % 3 == 1 or not open_streams:
                    open_streams.append(connect(source.choice(self.targets)))
                    open_streams[-1].setblocking(False)
                else:
                    source.choice(open_streams).send(data() + source.choice((b"", b"\n", b"\r\n")))
            except OSError:
                pass  # full, or closed by the proxy for good reason
            if len(open_streams) > 50:
                open_streams.pop(source.randrange(len(open_streams))).close()
            if number % 250 == 249:
                while not self.udp.hears_nothing(0.02):
                    pass
                self.check_good_clients()
        for each in open_streams:
            each.close()
        self.udp.ask("X")
        self.check_nothing_remains(program)
        self.assertEqual(program.stop(), 0)

    def test_media_sockets(self) -> None:
        """Random bytes of any size on RTP and RTCP ports: counted, relayed as they are, never more than that."""
        program = self.start("-d ERR")
        source = random.Random(SEED)
        phones = []
        for _ in range(2):
            phones.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            phones[-1].bind(("127.0.0.1", 0))
            phones[-1].settimeout(2.0)
            self.addCleanup(phones[-1].close)
        caller, callee = phones
        to_callee_leg = int(self.udp.ask(f"Uc0,8z20 a 127.0.0.1 {caller.getsockname()[1]} f").split()[0])
        to_caller_leg = int(self.udp.ask(f"Lc0,8z30 a 127.0.0.1 {callee.getsockname()[1]} f t").split()[0])
        plain_callee_leg = int(self.udp.ask(f"U b 127.0.0.1 {caller.getsockname()[1]} f").split()[0])
        plain_caller_leg = int(self.udp.ask(f"L b 127.0.0.1 {callee.getsockname()[1]} f t").split()[0])
        incomplete = int(self.udp.ask("U c 127.0.0.1 4 f").split()[0])
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(stranger.close)
        ports = [port + offset for offset in (0, 1) for port in
                 (to_callee_leg, to_caller_leg, plain_callee_leg, plain_caller_leg, incomplete)]
        header = struct.pack("!BBHII", 0x80, 0, 1, 160, 7)
        for number in range(3000):
            size = source.choice((0, 1, 11, 12, 13, 50, 172, 1400, 9000))
            data = source.randbytes(size)
            if source.random() < 0.5:
                start = bytes((source.choice((0x80, 0x8F, 0x90, 0xA0, 0xBF, 0xFF)), source.randrange(256)))
                data = start + header[2:] + data
            source.choice((caller, callee, stranger)).sendto(data, ("127.0.0.1", source.choice(ports)))
            if number % 100 == 99:
                for phone in phones:
                    phone.settimeout(0)
                    try:
                        while True:
                            phone.recv(65536)
                    except BlockingIOError:
                        pass
                self.udp.ask("Q a f t")
            if number % 1000 == 999:
                self.check_good_clients()
        counted = self.udp.ask("G npkts_rcvd npkts_relayed npkts_discard").split()
        received, relayed, discarded = map(int, counted)
        self.assertGreater(relayed, 500)
        self.assertLessEqual(relayed, received)
        self.assertGreater(discarded, 100)
        self.assertEqual(self.udp.ask("X"), "0")
        self.check_nothing_remains(program)
        self.assertEqual(program.stop(), 0)


if __name__ == "__main__":
    unittest.main()
