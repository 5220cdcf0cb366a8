"""A proxy in this process with one call between two phones on loopback, for tests with real packets."""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import Callable, Optional

from rtpp import cli
from rtpp.control.commands import Executor, Origin
from rtpp.control.grammar import tokenize
from rtpp.recording.spool import Spool
from rtpp.session.notify import AllowedTargets
from rtpp.session.table import SessionTable
from rtpp.stats import Stats
from tests.ports import free_ports


def rtp(number: int, ssrc: int = 1, payload: bytes = b"\xd5" * 160) -> bytes:
    return struct.pack("!BBHII", 0x80, 8, number & 0xFFFF, 160 * number, ssrc) + payload


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


class Call:
    """A proxy with one call between two phones on loopback; leg ports are where each phone sends to."""

    def __init__(self, options: str = "", records_in: Optional[str] = None, call_id: str = "c1",
                 tag: str = "ft") -> None:
        first = free_ports(24)
        if records_in:
            options += f" -r {records_in}/rec"
            os.makedirs(f"{records_in}/rec", exist_ok=True)
            os.makedirs(f"{records_in}/spool", exist_ok=True)
        line = f"-f -F -b -l 127.0.0.1 -s udp:127.0.0.1:0 -m {first} -M {first + 24} {options}"
        settings = cli.parse(line.split())
        self.call_id = call_id
        self.table = SessionTable(settings, Stats(time.monotonic()))
        self.spool = Spool(self.table.lock, settings.record_dir, settings.spool_dir) if settings.record_dir else None
        if self.spool is not None:
            self.spool.start()
        self.executor = Executor(self.table, AllowedTargets(()), self.spool)
        self.table.relay.start()
        self.caller, self.callee = (self._phone(), self._phone())
        self.caller_rtcp, self.callee_rtcp = (self._phone(), self._phone())
        offer = self.say(f"Uc8,0 {call_id} 127.0.0.1 {self.caller.getsockname()[1]} {tag}")
        answer = self.say(f"Lc8 {call_id} 127.0.0.1 {self.callee.getsockname()[1]} {tag} tt")
        self.callee_port, self.caller_port = int(offer.split()[0]), int(answer.split()[0])

    @staticmethod
    def _phone() -> socket.socket:
        phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(2)
        return phone

    def say(self, command: str) -> str:
        return self.executor.execute(tokenize(command.encode("latin-1")), Origin())

    def talk(self, count: int, start: int = 0) -> None:
        """Both phones send `count` packets and hear the other's."""
        for number in range(start, start + count):
            self.caller.sendto(rtp(number, 0xA), ("127.0.0.1", self.caller_port))
            assert self.callee.recv(9000) == rtp(number, 0xA)
            self.callee.sendto(rtp(number, 0xB), ("127.0.0.1", self.callee_port))
            assert self.caller.recv(9000) == rtp(number, 0xB)

    def talk_rtcp(self) -> None:
        """The caller sends an RTCP packet and waits until the proxy has it."""
        before = self.table.stats.npkts_rcvd
        self.caller_rtcp.sendto(b"\x80\xc8\x00\x06" + bytes(24), ("127.0.0.1", self.caller_port + 1))
        assert eventually(lambda: self.table.stats.npkts_rcvd > before)

    def stop_spool(self) -> None:
        """All that was recorded is in the files afterwards."""
        assert self.spool is not None
        self.spool.stop()
        self.spool = None

    def close(self) -> None:
        with self.table.lock:
            self.table.end_all(time.monotonic())
        self.table.relay.stop()
        if self.spool is not None:
            self.spool.stop()
        for phone in (self.caller, self.callee, self.caller_rtcp, self.callee_rtcp):
            phone.close()
