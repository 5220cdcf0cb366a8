"""Runs the load generator and says what became of its packets and what relaying them took."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from bench.control import Address
from bench.cpu import Bystanders, Cores
from bench.network import Network

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "bench"
RECEIVE_BUFFER = 8 * 1024 * 1024  # bytes; the generator must not be what loses packets
PACKET_SIZE = 172  # bytes: 20 ms of G.711
WARM_UP = 0.2  # seconds
PHONE_PORTS = range(61000, 65000, 2)  # outside the range of the proxies, which guess that RTCP is one above
QUIET = 0.05  # of a core: a run whose bystanders used more is disturbed
LATE = 0.05  # of the time of a run: a generator that fell behind by more is what limited


@dataclass(frozen=True)
class LoadResult:
    """One run. Latency and delay in microseconds, from one phone to the other."""

    sent: int
    received: int  # within 100 ms
    arrived: int  # at whatever time, while CPU was measured
    duplicates: int
    strays: int  # what is no packet of this run, or came out on the wrong side
    refused: int  # by the kernel, when sending
    fewest: int  # packets back of the stream that fared worst
    per_stream: int  # packets sent on each stream
    p50: float
    p99: float
    max: float
    send_delay: float  # how late the latest packet was sent: large when the generator itself cannot keep up
    relay_cpu: float  # seconds that the relay's process used
    core_busy: float  # seconds that the relay's core was not idle
    rate: float  # packets per second that were to be sent
    has_process: bool  # there is a process that relays
    steered: bool  # the relay's core does all work of relaying, that of the kernel too
    bystanders: float  # of a core

    @property
    def lost_percent(self) -> float:
        return 100 * (1 - self.received / self.sent)

    @property
    def worst_lost_percent(self) -> float:
        return 100 * (1 - self.fewest / self.per_stream)

    @property
    def disturbed(self) -> bool:
        return self.bystanders > QUIET

    @property
    def generator_limited(self) -> bool:
        return self.send_delay > LATE * self.sent / self.rate * 1e6

    @property
    def process_us(self) -> Optional[float]:
        """CPU of the relay's process for each packet that arrived, late ones too."""
        return self.relay_cpu / self.arrived * 1e6 if self.has_process and self.arrived else None

    @property
    def core_us(self) -> Optional[float]:
        """The same of the relay's core, all that was done on it."""
        return self.core_busy / self.arrived * 1e6 if self.steered and self.arrived else None


class LoadGenerator:
    """The phones of all calls, and the program that sends and reads for them. Built once, run many times."""

    def __init__(self, cores: Cores, network: Network) -> None:
        self._watched = cores.relay if network.steered else None  # the core whose work is all of relaying
        self._command, self.description = prepare()
        with network.caller():
            self._caller = _phone(network.caller_host)
        with network.callee():
            self._callee = _phone(network.callee_host)
        # By call: the sequence number with which its streams go on in the next run. Were it the same again, relays that
        # count would take all for repeated; were some left out, for a new beginning, which costs as well.
        self._next: defaultdict[int, int] = defaultdict(int)
        self.caller: Address = self._caller.getsockname()
        self.callee: Address = self._callee.getsockname()

    def close(self) -> None:
        self._caller.close()
        self._callee.close()

    def run(self, targets: Sequence[tuple[Address, Address]], rate: float, seconds: float,
            pid: Optional[int] = None) -> LoadResult:
        """Send `rate` packets per second, evenly over the calls, of which `targets` has where their caller and callee
        send. `pid` is the relay's process, if there is one."""
        descriptors = [self._caller.fileno(), self._callee.fileno()]
        arguments = [*descriptors, rate, PACKET_SIZE, WARM_UP, seconds, pid or 0,
                     -1 if self._watched is None else self._watched]
        lines = "".join(f"{to[0]} {to[1]} {back[0]} {back[1]} {self._next[number]}\n"
                        for number, (to, back) in enumerate(targets))
        bystanders = Bystanders()
        done = subprocess.run([*self._command, *map(str, arguments)], input=lines, stdout=subprocess.PIPE,
                              pass_fds=descriptors, text=True, check=True, cwd=HERE.parent)
        figures = json.loads(done.stdout)
        for number in range(len(targets)):
            self._next[number] += math.ceil(WARM_UP * rate / (2 * len(targets))) + figures["per_stream"]
        return LoadResult(**figures, rate=rate, has_process=pid is not None,
                          steered=self._watched is not None, bystanders=bystanders.share())


def prepare() -> tuple[list[str], str]:
    """The command of the generator, compiled if possible, and a word about it."""
    compiler = shutil.which("cc")
    if compiler is None:
        return [sys.executable, "-m", "bench.loadgen"], "Python (no cc here): it limits beyond 10,000 packets/s"
    BUILD.mkdir(parents=True, exist_ok=True)
    program = BUILD / "loadgen"
    subprocess.run([compiler, "-O2", "-Wall", "-o", str(program), str(HERE / "loadgen.c"), "-lm"], check=True)
    return [str(program)], "C, compiled from bench/loadgen.c"


def _phone(host: str) -> socket.socket:
    """All phones of one side."""
    phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    force = getattr(socket, "SO_RCVBUFFORCE", 33)  # beyond net.core.rmem_max, for root
    try:
        phone.setsockopt(socket.SOL_SOCKET, force, RECEIVE_BUFFER)
    except OSError:
        phone.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    for port in PHONE_PORTS:
        try:
            phone.bind((host, port))
            return phone
        except OSError:
            continue  # taken
    raise RuntimeError("no port is free for the phones")
