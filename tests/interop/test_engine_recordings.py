"""The C engine and ours record the same packets of the same phones: the files are the same, byte for byte, but for the
times of arrival. The engine records ad-hoc files only, for nothing else can be asked of it.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
import unittest
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.interop.rig.media import Media, rtcp, rtp
from tests.interop.rig.oracle import Oracle
from tests.interop.rig.proxy import Proxy
from tests.interop.rig.tools import free_range, wait_for

HEADER = 30
TIME = slice(20, 28)
SIZES = (0, 1, 80, 160, 161, 1400, 4070, 5000)  # bytes of payload; two records do not fit into the engine's buffer
NAMES = ("call=from.a.rtcp", "call=from.a.rtp", "call=from.o.rtcp", "call=from.o.rtp")


class RecordingsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.stack = ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.proxy = self.stack.enter_context(Proxy("-r", self.folder, listen=()))
        self.engine = self.stack.enter_context(Oracle(*free_range()))

    def test_ipv4(self) -> None:
        self.check_calls("127.0.0.1", "")

    def test_ipv6(self) -> None:
        self.check_calls("::1", "6l[::1]")

    def check_calls(self, host: str, modifiers: str) -> None:
        phones = Media("caller", host), Media("callee", host)
        for phone in phones:
            self.addCleanup(phone.close)
        packets = self.packets()
        begin = time.time()
        for command in (self.engine.command, self.proxy.command):
            self.make_call(command, phones, packets, modifiers)
        end = time.time()
        theirs, ours = (self.files(Path(folder)) for folder in (self.engine.folder.name, self.folder))
        self.assertEqual(tuple(ours), NAMES)
        self.assertEqual(tuple(theirs), NAMES)
        for name, records in ours.items():
            with self.subTest(name=name):
                self.assertEqual([without_time(r) for r in records], [without_time(r) for r in theirs[name]])
                self.assertEqual([r[HEADER:] for r in records], packets[name.endswith("rtcp")])
                times = [arrival(r) for r in theirs[name] + records]
                self.assertEqual(times, sorted(times))
                self.assertTrue(begin <= times[0] and times[-1] <= end, (begin, times, end))

    def packets(self) -> tuple[list[bytes], list[bytes]]:
        source = random.Random(4)
        media = [rtp(number, number * 160, 77, source.randbytes(size)) for number, size in enumerate(SIZES)]
        return media, [rtcp(77, b"x" * length) for length in (1, 2, 30)]

    def make_call(self, command: Callable[[str], str], phones: tuple[Media, Media],
                  packets: tuple[list[bytes], list[bytes]], modifiers: str) -> None:
        caller, callee = phones
        offer = command(f"U{modifiers} call {caller.host} {caller.port} from")
        answer = command(f"L{modifiers} call {callee.host} {callee.port} from to")
        targets = [(caller.host, int(reply.split()[0])) for reply in (answer, offer)]
        self.assertEqual([command("R call from to"), command("R call to from")], ["0", "0"])
        for sender, receiver, target in zip(phones, reversed(phones), targets):
            for packet in packets[0]:
                sender.rtp_socket.sendto(packet, target)
                self.assertEqual(receiver.rtp_socket.recv(9000), packet)
            for packet in packets[1]:
                sender.rtcp_socket.sendto(packet, (target[0], target[1] + 1))
                self.assertEqual(receiver.rtcp_socket.recv(9000), packet)
        self.assertEqual(command("D call from to"), "0")

    def files(self, folder: Path) -> dict[str, list[bytes]]:
        """The records of each file, once all have been written."""
        per_file = len(SIZES), 3

        def all_written() -> dict[str, list[bytes]]:
            names = sorted(name for name in os.listdir(folder) if name.startswith("call="))
            found = {name: records((folder / name).read_bytes()) for name in names}
            whole = len(found) == 4 and all(len(r) == per_file[n.endswith("rtcp")] for n, r in found.items())
            return found if whole else {}

        return wait_for(all_written, f"the recordings in {folder}")


def records(data: bytes) -> list[bytes]:
    """An ad-hoc recording taken apart; a record that is not whole is left out."""
    found = []
    while len(data) >= HEADER:
        size = HEADER + int.from_bytes(data[28:30], "little")
        if len(data) < size:
            break
        found.append(data[:size])
        data = data[size:]
    return found


def without_time(record: bytes) -> bytes:
    return record[: TIME.start] + record[TIME.stop :]


def arrival(record: bytes) -> float:
    return float(memoryview(record)[TIME].cast("d")[0])
