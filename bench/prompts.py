"""How punctual prompts are: `python3 -m bench prompts`. Endless G.711 prompts to many calls at once, 10 ms a packet.

Packet k of a prompt is due k packet times after the first. When the first was due nobody outside can know, so its
clock is set by its most punctual packet, and what is shown is how much later than that clock each packet arrived.
Times of arrival are the kernel's (SO_TIMESTAMPNS), so a receiver that reads late does not matter. Linux.
"""

from __future__ import annotations

import select
import socket
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cpu import Cores, cpu_seconds
from bench.network import Network
from bench.peers import OurProxy, RunningProxy
from bench.tables import Table, interval, number

PACKET_TIME = 0.010  # seconds
PACKET_BYTES = 80
PROMPT_SECONDS = 1
LIMIT = 5000.0  # microseconds: what the design promises
SO_TIMESTAMPNS = 35
RECEIVE_BUFFER = 1 << 20  # bytes of each phone
WARM_UP = 0.5  # seconds

_stamp = struct.Struct("=qq").unpack  # seconds, nanoseconds


@dataclass(frozen=True)
class PromptsResult:
    """Delays in microseconds, in order of size."""

    delays: list[float]
    missing: int
    cpu_percent: float

    def share(self, part: float) -> float:
        return self.delays[int((len(self.delays) - 1) * part)]

    @property
    def late(self) -> int:
        return sum(delay > LIMIT for delay in self.delays)


def measure(python: str, cores: Cores, prompts: int, seconds: float) -> PromptsResult:
    """Play `prompts` prompts for `seconds`."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rtpproxy-bench-"))
        Path(folder, "prompt.0").write_bytes(bytes(int(PROMPT_SECONDS / PACKET_TIME) * PACKET_BYTES))
        proxy = stack.enter_context(OurProxy(python).running(Network(), cores.relay))
        phones = [stack.enter_context(_phone()) for _ in range(prompts)]
        for index, phone in enumerate(phones):
            proxy.open_call(index, phone.getsockname(), ("127.0.0.1", 9))
        for index in range(prompts):
            if proxy.controller.ask(f"P-1 call{index} {folder}/prompt 0 from{index} to{index}") != "0":
                raise RuntimeError("the proxy refused to play a prompt")
        _drain(phones, WARM_UP)
        return _listen(proxy, phones, seconds)


@contextmanager
def _phone() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        phone.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        phone.setblocking(False)
        yield phone


def _drain(phones: list[socket.socket], seconds: float) -> list[list[tuple[int, float]]]:
    """Sequence number and time of arrival of each packet, by phone."""
    heard: list[list[tuple[int, float]]] = [[] for _ in phones]
    by_descriptor = {phone.fileno(): (phone, packets) for phone, packets in zip(phones, heard)}
    poller = select.epoll()
    for descriptor in by_descriptor:
        poller.register(descriptor, select.EPOLLIN)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.1)  # packets wait meanwhile, with the time of their arrival
        for descriptor, _ in poller.poll(0):
            phone, packets = by_descriptor[descriptor]
            _take_all(phone, packets)
    poller.close()
    return heard


def _take_all(phone: socket.socket, packets: list[tuple[int, float]]) -> None:
    while True:
        try:
            data, control, _, _ = phone.recvmsg(2048, 64)
        except BlockingIOError:
            return
        seconds, nanoseconds = _stamp(control[0][2])
        packets.append((data[2] << 8 | data[3], seconds + nanoseconds / 1e9))


def _listen(proxy: RunningProxy, phones: list[socket.socket], seconds: float) -> PromptsResult:
    before, begin = cpu_seconds(proxy.pid), time.monotonic()
    heard = _drain(phones, seconds)
    cpu = (cpu_seconds(proxy.pid) - before) / (time.monotonic() - begin)
    delays: list[float] = []
    missing = 0
    for packets in heard:
        first = packets[0][0]
        turns = [(sequence - first) % 65536 for sequence, _ in packets]
        missing += turns[-1] + 1 - len(turns)
        offsets = [arrived - turn * PACKET_TIME for turn, (_, arrived) in zip(turns, packets)]
        clock = min(offsets)
        delays += [(offset - clock) * 1e6 for offset in offsets]
    return PromptsResult(sorted(delays), missing, 100 * cpu)


def table(prompts: int, results: list[PromptsResult]) -> Table:
    """Medians over the rounds."""
    columns = ("prompts", "packets/round", "missing", "p50 us", "p99 us", "max us", "(min-max)", "over 5 ms", "CPU %")
    made = Table(f"{prompts} prompts at once, {prompts * 100:,} packets/s", columns)
    longest = [result.delays[-1] for result in results]
    made.add(str(prompts), number([len(r.delays) for r in results], 0), number([r.missing for r in results], 0),
             number([r.share(0.5) for r in results], 0), number([r.share(0.99) for r in results], 0),
             number(longest, 0), interval(longest, 0), number([r.late for r in results], 0),
             number([r.cpu_percent for r in results], 0))
    return made
