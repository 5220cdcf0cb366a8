"""Loss, duplicates and jitter as Q reports them, beside tshark's figures and the C engine's for the same packets.

The sender itself loses, delays, repeats and reorders packets. Each goes to our proxy and to the C engine at once, and
tshark sees what reaches ours.

What must agree, and how exactly:
- Counts to the packet. tshark's count of packets has duplicates in it, and its loss is what sequence numbers span less
  that count: each duplicate hides a loss from it. Where packets change places across a wrap of sequence numbers tshark
  may see it twice, and then counts 65536 more.
- Mean jitter: 5 % and 1 ms. The three see a packet at different moments, and a busy machine delays one of them for
  milliseconds; spread over the stream that is less than a millisecond. tshark takes duplicates for late packets, where
  both proxies leave them out: 10 % in the streams that have them.
- The highest jitter: 25 % and 5 ms, for a single packet that is 50 ms late adds 3 ms to it.
"""

from __future__ import annotations

import random
import time
import unittest
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

from tests.interop.rig.capture import Capture, RtpStream
from tests.interop.rig.media import Media, rtp
from tests.interop.rig.oracle import Oracle
from tests.interop.rig.proxy import Proxy
from tests.interop.rig.tools import free_range, wait_for

PACKETS = 300  # of each stream, 20 ms apart
COUNTS = ("rtpa_nsent", "rtpa_nrcvd", "rtpa_ndups", "rtpa_nlost", "rtpa_perrs", "npkts_ina")
JITTERS = ("rtpa_javg", "rtpa_jmax")
SETTLE = 0.1  # seconds
WRAP = 65536


class Stream(NamedTuple):
    """How a stream suffers. Times in seconds, the others are shares of the packets."""

    loss: float = 0.0
    duplicates: float = 0.0
    delay: float = 0.0  # up to this, evenly
    first: int = 1000  # sequence number
    payload_type: int = 0
    clock: int = 8000

    def packets(self, source: random.Random, ssrc: int) -> list[tuple[float, bytes]]:
        """Datagrams and when they are to be sent, in that order. The first comes first and the last comes last, for
        tshark counts from one to the other."""
        sent = []
        for number in range(PACKETS):
            data = rtp(self.first + number, number * self.clock // 50, ssrc, bytes(160), self.payload_type)
            if 0 < number < PACKETS - 1 and source.random() < self.loss:
                continue
            share = {0: 0.0, PACKETS - 1: 1.0}.get(number, source.random())
            at = number / 50 + share * self.delay
            sent.append((at, data))
            if source.random() < self.duplicates:
                sent.append((at + 0.004, data))
        return sorted(sent)


STREAMS = {
    "perfect": Stream(),
    "late": Stream(delay=0.015),
    "lost": Stream(loss=0.1, delay=0.01),
    "out of order": Stream(delay=0.035),
    "repeated": Stream(duplicates=0.04, delay=0.012),
    "everything, across a wrap": Stream(loss=0.05, duplicates=0.03, delay=0.035, first=65400),
    "16 kHz": Stream(loss=0.02, delay=0.015, payload_type=6, clock=16000),
}


class Figures(NamedTuple):
    counts: list[int]
    jitters: list[float]  # milliseconds: mean, highest


class QualityTest(unittest.TestCase):
    def setUp(self) -> None:
        stack = ExitStack()
        self.addCleanup(stack.close)
        self.proxy = stack.enter_context(Proxy())
        self.engine = stack.enter_context(Oracle(*free_range()))
        first, last = self.proxy.media_ports
        self.capture = stack.enter_context(Capture(f"udp dst portrange {first}-{last}"))
        self.sender, self.sink = Media("sender"), Media("sink")
        stack.callback(self.sender.close)
        stack.callback(self.sink.close)
        self.addCleanup(self.proxy.command, "X")

    def test_figures_agree(self) -> None:
        seed = random.SystemRandom().randrange(1 << 32)
        ports = {name: self.make_calls(name) for name in STREAMS}
        self.send(random.Random(seed), ports)
        decoders = tuple(f"udp.port=={ours},rtp" for ours, _ in ports.values())
        seen = {stream.target_port: stream for stream in self.capture.rtp_streams(decoders)}
        for name, stream in STREAMS.items():
            with self.subTest(name, seed=seed):
                ours, theirs = (self.figures(side.command, name, stream) for side in (self.proxy, self.engine))
                self.assertEqual(ours.counts, theirs.counts)
                self.check_jitter(ours, theirs.jitters, 0.05)
                self.check_tshark(ours, seen[ports[name][0]], 0.1 if stream.duplicates else 0.05)
        for side in (self.proxy, self.engine):
            side.command("X")
        names = " ".join(COUNTS[:-1])
        wait_for(lambda: self.engine.command(f"G {names}") != "0 0 0 0 0", "the end of the C engine's sessions")
        wait_for(lambda: self.engine.command(f"G {names}") == self.proxy.command(f"G {names}"), "the same totals")

    def make_calls(self, name: str) -> tuple[int, int]:
        """A call on each side; where the sender's packets go to, ours first."""
        found = []
        for side in (self.proxy, self.engine):
            call = name.replace(" ", "-")
            side.command(f"U {call} 127.0.0.1 {self.sender.port} f")
            found.append(int(side.command(f"L {call} 127.0.0.1 {self.sink.port} f t").split()[0]))
        return found[0], found[1]

    def send(self, source: random.Random, ports: dict[str, tuple[int, int]]) -> None:
        """All streams at once, each packet to both sides, now one first, now the other."""
        schedule = [(at, data, ports[name]) for number, (name, stream) in enumerate(STREAMS.items(), 1)
                    for at, data in stream.packets(source, number)]
        start = time.monotonic() + SETTLE
        for turn, (at, data, targets) in enumerate(sorted(schedule)):
            time.sleep(max(start + at - time.monotonic(), 0))
            for port in targets[:: 1 if turn % 2 else -1]:
                self.sender.rtp_socket.sendto(data, ("127.0.0.1", port))
        for side in (self.proxy, self.engine):
            wait_for(lambda side=side: int(side.command("G npkts_rcvd")) == len(schedule), "all packets")

    @staticmethod
    def figures(command: Callable[[str], str], name: str, stream: Stream) -> Figures:
        values = command(f"Q {name.replace(' ', '-')} f t {' '.join((*COUNTS, *JITTERS))}").split()
        count = len(COUNTS)
        return Figures([int(value) for value in values[:count]],
                       [1000 * float(value) / stream.clock for value in values[count:]])

    def check_jitter(self, ours: Figures, theirs: list[float], share: float) -> None:
        self.assertAlmostEqual(ours.jitters[0], theirs[0], delta=share * theirs[0] + 1.0)
        self.assertAlmostEqual(ours.jitters[1], theirs[1], delta=0.25 * theirs[1] + 5.0)

    def check_tshark(self, ours: Figures, seen: RtpStream, share: float) -> None:
        _, received, duplicates, lost, errors, packets = ours.counts
        self.assertEqual((received + duplicates, (lost - duplicates) % WRAP, errors),
                         (seen.packets, seen.lost % WRAP, 0))
        self.assertEqual(packets, seen.packets)
        self.check_jitter(ours, [seen.mean_jitter, seen.max_jitter], share)
