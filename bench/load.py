"""Runs the load generator and says what became of its packets and what the relay spent on them."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from bench.control import Address
from bench.cpu import Cores, cpu_seconds, on_core
from bench.peers import RunningPeer

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "bench"
RECEIVE_BUFFER = 8 * 1024 * 1024  # bytes; the generator must not be what loses packets
PACKETS_PER_SECOND = 50  # of each phone
PACKET_SIZE = 172  # bytes: 20 ms of G.711
WARM_UP = 0.5  # seconds
PHONE_PORTS = range(61000, 65000, 2)  # outside the range of the proxies, which guess that RTCP is one above


@dataclass(frozen=True)
class LoadResult:
    """One run. Latency and delay in microseconds, from one phone to the other."""

    sent: int
    received: int  # within 100 ms
    arrived: int  # at whatever time, while CPU was measured
    duplicates: int
    strays: int  # what is no packet of ours, or came out on the wrong side
    refused: int  # by the kernel, when sending
    fewest: int  # packets back of the stream that fared worst
    per_stream: int  # packets sent on each stream
    p50: float
    p99: float
    max: float
    send_delay: float  # how late the latest packet was sent: large when the generator itself cannot keep up
    seconds: float
    cpu_seconds: Optional[float]  # of the relay; None when there is none

    @property
    def lost_percent(self) -> float:
        return 100 * (1 - self.received / self.sent)

    @property
    def worst_lost_percent(self) -> float:
        return 100 * (1 - self.fewest / self.per_stream)

    @property
    def rate(self) -> float:
        """Packets per second that arrived in time."""
        return self.received / self.seconds

    @property
    def cpu_per_packet(self) -> Optional[float]:
        """Microseconds of the relay for each packet that arrived, late ones too."""
        return self.cpu_seconds / self.arrived * 1e6 if self.cpu_seconds is not None and self.arrived else None


class LoadGenerator:
    """Built once, run many times."""

    def __init__(self, cores: Cores) -> None:
        self._core = cores.generator
        self._command, self.description = self._prepare()

    @staticmethod
    def _prepare() -> tuple[list[str], str]:
        compiler = shutil.which("cc")
        if compiler is None:
            return [sys.executable, str(HERE / "loadgen.py")], "Python (no cc here): it limits beyond 10,000 packets/s"
        BUILD.mkdir(parents=True, exist_ok=True)
        program = BUILD / "loadgen"
        subprocess.run([compiler, "-O2", "-Wall", "-o", str(program), str(HERE / "loadgen.c")], check=True)
        return [str(program)], "C, compiled from bench/loadgen.c"

    def run(self, peer: RunningPeer, calls: int, seconds: float) -> LoadResult:
        """Set up `calls` calls on the peer, send their media for `seconds`, and take them down."""
        phones = [_phone(), _phone()]
        try:
            caller, callee = (phone.getsockname() for phone in phones)
            targets = [peer.open_call(number, caller, callee) for number in range(calls)]
            result = self._send(phones, targets, peer.pid, seconds)
            for number in range(calls):
                peer.close_call(number)
            return result
        finally:
            for phone in phones:
                phone.close()

    def _send(self, phones: list[socket.socket], targets: list[tuple[Address, Address]], pid: Optional[int],
              seconds: float) -> LoadResult:
        descriptors = [phone.fileno() for phone in phones]
        arguments = [*descriptors, PACKETS_PER_SECOND, PACKET_SIZE, WARM_UP, seconds]
        lines = "".join(f"{to[0]} {to[1]} {back[0]} {back[1]}\n" for to, back in targets)
        with on_core(self._core):
            process = subprocess.Popen([*self._command, *map(str, arguments)], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, pass_fds=descriptors, text=True)
        assert process.stdin is not None
        assert process.stdout is not None
        with process:
            process.stdin.write(lines)
            process.stdin.close()
            if process.stdout.readline() != "begin\n":
                raise RuntimeError("the load generator failed")
            before = cpu_seconds(pid) if pid else 0.0
            text = process.stdout.readline()
            used = cpu_seconds(pid) - before if pid else None
        return LoadResult(**json.loads(text), seconds=seconds, cpu_seconds=used)


def _phone() -> socket.socket:
    """All phones of one side."""
    phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    force = getattr(socket, "SO_RCVBUFFORCE", 33)  # beyond net.core.rmem_max, for root
    try:
        phone.setsockopt(socket.SOL_SOCKET, force, RECEIVE_BUFFER)
    except OSError:
        phone.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    for port in PHONE_PORTS:
        try:
            phone.bind(("127.0.0.1", port))
            return phone
        except OSError:
            continue  # taken
    raise RuntimeError("no port is free for the phones")
