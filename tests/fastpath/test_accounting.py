"""The program measures streams exactly as the analyzer does, whenever the stream changes hands."""

from __future__ import annotations

import os
import random
import struct

from rtpp.fastpath.layout import FROZEN, Counters
from rtpp.fastpath.measures import export_state, import_state
from rtpp.fastpath.slots import Slot
from rtpp.rtp.analyzer import Analyzer
from tests.fastpath.kernel import TAKEN, UP, KernelTest, frame

STREAMS = 40
ODD_STEPS = (2, 100, 535, 536, 537, 538, 1000, 5000, 40000, 65000)


class Sender:
    """A stream that has everything go wrong now and then."""

    def __init__(self, source: random.Random) -> None:
        self.random = source
        self.time = source.randrange(10**9, 10**14)
        self.sequence = source.choice([source.randrange(65536), 0, 1, 65300, 65530, 65000, 64999, 535, 536])
        self.timestamp = source.choice([source.randrange(1 << 32), (1 << 32) - 500, 160])
        self.ssrc = source.randrange(1, 1 << 32)
        self.payload_type = source.choice([0, 0, 0, 8, 9, 3, 18, 4, 96, 101, 6, 10, 14, 16, 17, 1, 13])
        self.loss, self.repeats = source.choice([0, 0, 0.01, 0.3]), source.choice([0, 0, 0.05])
        self.reorder, self.odd = source.choice([0, 0, 0.1]), source.choice([0, 0.003, 0.03])
        self.jitter = source.choice([0, 1e5, 3e6, 3e7])  # nanoseconds

    def packets(self, count: int) -> list[tuple[int, bytes]]:
        """(time of arrival, payload) in the order of arrival."""
        sent = []
        for number in range(count):
            self.time += 20_000_000 if self.random.random() > 0.01 else self.random.choice([0, 1000, 10**8, 5 * 10**9])
            marker = self.random.random() < 0.01
            if self.random.random() < self.odd:
                self._do_something_odd()
            packet = self._packet(marker)
            if self.random.random() >= self.loss:
                late = self.random.choice([1.5, 3.5, 40.5]) if self.random.random() < self.reorder else 0
                sent.append((number + late, self.time, packet))
                if self.random.random() < self.repeats:
                    sent.append((number + self.random.choice([0.1, 3.3, 600.0]), self.time, packet))
            self.sequence = self.sequence + 1 & 0xFFFF
            self.timestamp = self.timestamp + 160 & 0xFFFFFFFF
        arrived, clock = [], 0
        for _, time, packet in sorted(sent):
            clock = max(clock, time + int(abs(self.random.gauss(0, self.jitter))))
            arrived.append((clock, packet))
        return arrived

    def _do_something_odd(self) -> None:
        what = self.random.randrange(6)
        if what == 0:
            self.sequence = self.sequence + self.random.choice((1, -1)) * self.random.choice(ODD_STEPS) & 0xFFFF
        elif what == 1:
            self.ssrc = self.random.choice([self.ssrc, 1, 2, self.random.randrange(1 << 32)])
        elif what == 2:
            step = self.random.choice([160 * 50, 8001, 1 << 20, 1 << 31, (1 << 31) + 5])
            self.timestamp = self.timestamp + self.random.choice((1, -1)) * step & 0xFFFFFFFF
        elif what == 3:
            self.payload_type = self.random.choice([0, 8, 101, 13, 18, 96, 127, 72])
        elif what == 4:
            self.time += self.random.choice([10**10, 10**12])
        else:
            self.sequence = self.random.choice([0, 1, 65535, 65534])

    def _packet(self, marker: bool) -> bytes:
        if self.random.random() < 0.01:
            return self.random.choice([b"", b"x", b"\x80\xc8" + bytes(26), b"\x60" + bytes(20),
                                       self.random.randbytes(self.random.randrange(40))])
        first, middle, end = 0x80, b"", b""
        kind = self.random.randrange(100)
        if kind == 0:  # header extension, of a length that may be wrong
            first, middle = 0x90, b"\xbe\xde" + struct.pack("!H", self.random.randrange(3)) + bytes(4)
        elif kind == 1:  # padding
            first, end = 0xA0, bytes([0, self.random.choice([0, 1, 2, 200])])
        elif kind == 2:  # contributing sources
            first |= self.random.randrange(16)
            middle = bytes(self.random.choice([0, 4, 60]))
        header = struct.pack("!BBHII", first, marker << 7 | self.payload_type, self.sequence, self.timestamp, self.ssrc)
        return header + middle + bytes(self.random.choice([160, 20, 1])) + end


class AccountingTest(KernelTest):
    def test_same_figures_as_the_analyzer(self) -> None:
        seed = int(os.environ.get("RTPPROXY_SEED") or random.SystemRandom().randrange(1 << 32))
        source = random.Random(seed)
        taken = 0
        for stream in range(STREAMS):
            with self.subTest(seed=seed, stream=stream):
                taken += self.compare(random.Random(source.random()), source.choice([50, 300, 1500]))
        self.assertGreater(taken, 5000, "most packets go through the program")

    def compare(self, source: random.Random, count: int) -> int:
        """Both see the same packets; returns how many the program took."""
        slot = self.open()
        plain, shared = Analyzer(), Analyzer()
        taken = 0
        for time, payload in Sender(source).packets(count):
            plain.update(payload, time / 1e9)
            verdict = self.run_program(frame(payload), time).verdict
            taken += verdict == TAKEN
            if verdict == TAKEN:
                continue
            self.assertEqual(verdict, UP)
            if slot.is_armed:
                self.give_back(slot, shared)
            shared.update(payload, time / 1e9)
            up, state = slot.caught_up(payload), export_state(shared)
            if up is not None and state is not None and source.random() < 0.7:
                self.assertTrue(slot.arm(up, state, time, 0))
        if slot.is_armed:
            self.give_back(slot, shared)
        self.close(slot)
        self._cleanups.pop()
        expected, found = plain.report(), shared.report()
        for name in expected._fields:
            if name in ("jlast", "jmax", "javg"):
                # ticks are whole: an arrival at the edge of one may be counted into the next, by either
                self.assertAlmostEqual(getattr(found, name), getattr(expected, name),
                                       delta=1e-3 + abs(getattr(expected, name)) * 1e-3, msg=name)
            else:
                self.assertEqual(getattr(found, name), getattr(expected, name), name)
        return taken

    def give_back(self, slot: Slot, analyzer: Analyzer) -> Counters:
        counters, state = slot.take()
        self.assertLess(counters.frozen, len(FROZEN))
        import_state(analyzer, state, counters.parse_errors)
        return counters
