"""The analyzer: worked examples, each rule once, and random streams against a plain transcript of the rules."""

from __future__ import annotations

import random
import unittest
from typing import Any, Union

from rtpp.rtp.analyzer import Analyzer, AnalyzerError, Outcome
from rtpp.rtp.packet import HEADER, PLAIN, RUN_PART, RtpPacket
from tests.rtp.plain_analyzer import PlainAnalyzer

SSRC = 0x11223344
PAYLOAD = b"\xd5" * 8

# A packet in the tables below: a sequence number, or (sequence number, {field: value}).
Step = Union[int, tuple[int, dict[str, Any]]]


def packet(sequence_number: int, **fields: Any) -> bytes:
    """20 ms of G.711 whose timestamp follows the sequence number."""
    values: dict[str, Any] = {"payload_type": 0, "timestamp": 160 * sequence_number, "ssrc": SSRC, **fields}
    return bytes(RtpPacket(sequence_number=sequence_number, payload=PAYLOAD, **values))


def feed(steps: tuple[Step, ...], analyzer: Analyzer, start: float = 100.0) -> list[Outcome]:
    """One packet each 20 ms."""
    outcomes = []
    for index, step in enumerate(steps):
        number, fields = step if isinstance(step, tuple) else (step, {})
        outcomes.append(analyzer.update(packet(number, **fields), start + 0.02 * index))
    return outcomes


def other(ssrc: int, **fields: Any) -> dict[str, Any]:
    return {"ssrc": ssrc, **fields}


MARKER = {"marker": True}

# (what it shows, packets, expected figures)
EXAMPLES: tuple[tuple[str, tuple[Step, ...], dict[str, Any]], ...] = (
    ("a gap is loss", (100, 101, 102, 200), {"nsent": 101, "nrcvd": 4, "nlost": 97, "pcount": 4}),
    ("the widest gap", (100, 636), {"nsent": 537, "nrcvd": 2, "nlost": 535}),
    ("a gap beyond it is a new epoch", (100, 637, 638), {"nsent": 3, "nrcvd": 3, "nlost": 0, "pcount": 2}),
    ("backwards beyond it, too", (1000, 463, 464), {"nsent": 3, "nrcvd": 3, "min_seq": 463, "max_seq": 464}),
    ("the widest step back", (1000, 464), {"nsent": 537, "nrcvd": 2, "min_seq": 464, "max_seq": 1000}),
    ("marker restart", (1000, 1001, (3, MARKER), 4), {"nsent": 4, "nrcvd": 4, "nlost": 0, "pcount": 2}),
    ("a late packet with a marker", (10, 11, (9, MARKER), 12), {"nsent": 6, "nrcvd": 4, "nlost": 2}),
    ("a marker ahead restarts nothing", (10, 11, (13, MARKER), 14), {"nsent": 5, "nrcvd": 4, "nlost": 1}),
    ("no restart by marker from 65535", (65535, (0, MARKER)), {"nsent": 2, "nrcvd": 2, "seq_offset": 65536}),
    ("late across the first wrap", (5, 65530, 6, 7), {"nsent": 14, "nrcvd": 4, "nlost": 10, "min_seq": -6}),
    ("the first packet overtook", (0, 65535, 1), {"nsent": 3, "nrcvd": 3, "nlost": 0, "min_seq": -1}),
    ("wrap", (65534, 65535, 0, 1), {"nsent": 4, "nrcvd": 4, "seq_offset": 65536, "max_seq": 65537}),
    ("late across a wrap", (65530, 65534, 0, 65532, 1), {"nsent": 8, "nrcvd": 5, "nlost": 3, "ndups": 0}),
    ("wrap with coarse reordering", (65100, 164, 165), {"nsent": 3, "nrcvd": 3, "seq_offset": 0, "pcount": 2}),
    ("duplicates", (1, 2, 2, 1, 3, 3), {"nsent": 3, "nrcvd": 3, "ndups": 3, "duplicates": 3}),
    ("duplicate from far back", (534, 65001, 535, 65001), {"nrcvd": 3, "ndups": 1, "min_seq": -535, "max_seq": 535}),
    ("reordering", (1, 3, 2, 5, 4), {"nsent": 5, "nrcvd": 5, "nlost": 0, "ndups": 0}),
    ("before the first", (10, 8, 9), {"nsent": 3, "nrcvd": 3, "min_seq": 8, "max_seq": 10}),
    ("duplicates of an earlier epoch add up", (1, 1, 1000, 1000), {"nrcvd": 2, "ndups": 2, "duplicates": 1}),
    ("SSRC change", (10, 11, (5, other(7)), (6, other(7))), {"nsent": 4, "nrcvd": 4, "ssrc": 7, "ssrc_changes": 2}),
    ("offset outlives SSRC", (65535, 0, (9, other(7))), {"nsent": 3, "seq_offset": 65536, "max_seq": 9}),
    ("payload type", (1, (2, {"payload_type": 101})), {"payload_type": 101, "nsent": 2}),
)


class Sequence(unittest.TestCase):
    def test_examples(self) -> None:
        for name, steps, expected in EXAMPLES:
            with self.subTest(name):
                analyzer = Analyzer()
                feed(steps, analyzer)
                report = analyzer.report()._asdict()
                self.assertEqual({key: report[key] for key in expected}, expected)

    def test_nothing_received(self) -> None:
        report = Analyzer().report()
        self.assertEqual(report[:6], (0, 0, 0, 0, 0, 0))
        self.assertIsNone(report.ssrc)
        self.assertEqual(report.payload_type, -1)
        self.assertEqual(report.pcount, 0)
        self.assertFalse(report.has_jitter)

    def test_counts_of_restarts(self) -> None:
        analyzer = Analyzer()
        feed((1, 2, 1000, (990, MARKER), (5, MARKER), 6), analyzer)
        self.assertEqual((analyzer.desyncs, analyzer.restarts), (1, 2))

    def test_ten_hours(self) -> None:
        """27 wraps in order: sparse, but within reach of each other."""
        analyzer = Analyzer()
        count = 27 * 65536 // 512
        for index in range(count):  # every 512th packet, near enough to be loss
            number = 512 * index
            data = bytes(RtpPacket(0, number & 0xFFFF, 160 * number & 0xFFFFFFFF, SSRC, PAYLOAD))
            analyzer.update(data, 1000 + 0.02 * number)
        report = analyzer.report()
        self.assertEqual(report.nrcvd, count)
        self.assertEqual(report.nsent, 512 * (count - 1) + 1)
        self.assertEqual(report.seq_offset, 26 * 65536)
        self.assertLess(report.jmax, 1.0)


class Outcomes(unittest.TestCase):
    def test_ssrc_change(self) -> None:
        analyzer = Analyzer()
        steps: tuple[Step, ...] = (10, 11, 12, (700, other(0)), (701, other(0)), (1, {}))
        outcomes = feed(steps[:4], analyzer)
        self.assertEqual(outcomes, [Outcome.TRACKED] * 3 + [Outcome.SSRC_CHANGED])
        self.assertEqual(analyzer.changed_from, (SSRC, 12))
        self.assertEqual(analyzer.last_sequence_number, 700)
        self.assertEqual(feed(steps[4:], analyzer), [Outcome.TRACKED, Outcome.SSRC_CHANGED])
        self.assertEqual(analyzer.changed_from, (0, 701))
        self.assertEqual(analyzer.report().ssrc_changes, 3)

    def test_parse_errors(self) -> None:
        junk = (b"", b"\x80", packet(5)[:11], b"\x40" + packet(5)[1:], b"\xa0" + packet(5)[1:-1] + b"\0")
        analyzer = Analyzer()
        feed((1, 2), analyzer)
        before = analyzer.report()
        for count, data in enumerate(junk, 1):
            self.assertIs(analyzer.update(data, 100.1), Outcome.NOT_RTP)
            self.assertEqual(analyzer.report(), before._replace(perrs=count))

    def test_rtcp_is_a_parse_error_except_in_recordings(self) -> None:
        data = packet(5, payload_type=72, marker=True)
        live, recorded = Analyzer(), Analyzer(recorded=True)
        self.assertIs(live.update(data, 1.0), Outcome.NOT_RTP)
        self.assertIs(recorded.update(data, 1.0), Outcome.TRACKED)
        self.assertEqual((live.report().perrs, live.report().nrcvd), (1, 0))
        self.assertEqual((recorded.report().perrs, recorded.report().nrcvd), (0, 1))

    def test_before_an_epoch_that_began_after_a_wrap(self) -> None:
        numbers = (65534, 65535, 0, 1, 65533)
        live = Analyzer()
        self.assertEqual(feed(numbers, live)[-1], Outcome.OUT_OF_RANGE)
        self.assertEqual(live.report()[:5], (4, 4, 0, 0, 0))
        feed((65533,), live, 100.2)
        self.assertEqual(live.report().ndups, 1, "its repetition is known as one")
        recorded = Analyzer(recorded=True)
        with self.assertRaises(AnalyzerError) as caught:
            feed(numbers, recorded)
        self.assertEqual((caught.exception.sequence_number, caught.exception.minimum), (65533, 65534))
        self.assertEqual(recorded.report()[:4], (4, 4, 0, 0))


class Jitter(unittest.TestCase):
    def jitter(self, arrivals: tuple[tuple[float, int], ...], payload_type: int = 0) -> tuple[float, ...]:
        """Figures of packets given as (arrival in seconds, timestamp)."""
        analyzer = Analyzer()
        for number, (time, timestamp) in enumerate(arrivals, 1):
            analyzer.update(packet(number, timestamp=timestamp, payload_type=payload_type), time)
        return analyzer.report()[8:12]

    def test_even_arrival(self) -> None:
        self.assertEqual(self.jitter(((1.0, 0), (1.02, 160), (1.04, 320))), (0.0, 0.0, 0.0, True))

    def test_one_packet(self) -> None:
        self.assertEqual(self.jitter(((1.0, 0),)), (0.0, 0.0, 0.0, False))

    def test_late_packet(self) -> None:
        """10 ms late is 80 ticks: a sixteenth of it, then the way back."""
        first, second = 5.0, 5.0 + (80 - 5.0) / 16
        expected = (second, second, (first + second) / 2, True)
        self.assertEqual(self.jitter(((1.0, 0), (1.03, 160), (1.04, 320))), expected)

    def test_clock_of_the_payload_type(self) -> None:
        self.assertEqual(self.jitter(((1.0, 0), (1.5, 8000)), 6)[0], 0.0)
        self.assertEqual(self.jitter(((1.0, 0), (1.5, 45000)), 14)[0], 0.0)
        self.assertEqual(self.jitter(((1.0, 0), (1.5, 8000)), 96), (0.0, 0.0, 0.0, False))

    def test_repeated_timestamps_do_not_count(self) -> None:
        self.assertEqual(self.jitter(((1.0, 0), (1.3, 0), (1.32, 160), (1.5, 160), (1.34, 320)))[:2], (0.0, 0.0))

    def test_timestamp_jumps_do_not_count(self) -> None:
        far = 1 << 20
        self.assertEqual(self.jitter(((1.0, 0), (1.02, far), (1.04, far + 160))), (0.0, 0.0, 0.0, True))
        self.assertEqual(self.jitter(((1.0, far), (1.02, 0), (1.04, 160))), (0.0, 0.0, 0.0, True))

    def test_how_far_is_a_jump(self) -> None:
        """Forward more than 1024 times, backward more than 50 times the ticks that went by."""
        ticks = 160
        for step, compared in ((1024, True), (1025, False), (-50, True), (-51, False)):
            with self.subTest(step=step):
                start = 1 << 20
                figures = self.jitter(((1.0, start), (1.02, start + step * ticks)))
                self.assertEqual(figures[3], compared)
                if compared:
                    self.assertEqual(figures[0], abs(step - 1) * ticks / 16)

    def test_sequence_number_zero_may_be_a_restart(self) -> None:
        """Zero after anything but the end of the numbers: the packet before is no base for a comparison."""
        for before, has_jitter in ((65499, False), (65500, True)):
            analyzer = Analyzer()
            analyzer.update(packet(before, timestamp=0), 1.0)
            analyzer.update(packet(0, timestamp=160), 1.02)
            self.assertEqual(analyzer.report().has_jitter, has_jitter)

    def test_timestamp_wrap(self) -> None:
        self.assertEqual(self.jitter(((1.0, (1 << 32) - 160), (1.02, 0), (1.04, 160))), (0.0, 0.0, 0.0, True))

    def test_oldest_of_eleven_sources_gives_way(self) -> None:
        analyzer = Analyzer()
        for number, time in ((1, 1.0), (2, 1.03), (3, 1.04)):
            analyzer.update(packet(number, ssrc=1), time)
        high = analyzer.report().jmax
        for ssrc in range(2, 12):
            analyzer.update(packet(1, ssrc=ssrc), 1.1)
        self.assertFalse(analyzer.report().has_jitter, "no remembered source has a figure")
        analyzer.update(packet(2, ssrc=11), 1.12)
        report = analyzer.report()
        self.assertEqual(report.jlast, 0.0)
        self.assertEqual(report.jmax, high)
        self.assertGreater(report.javg, 0.0)


class RandomStream:
    """A sender and a network that do everything they should not, and mostly what they should."""

    PACES = (0.02, 0.02, 0.021, 0.019, 0.0201, 0.0)  # seconds

    def __init__(self, choose: random.Random) -> None:
        self.choose = choose
        self.number = choose.choice((0, 3, 500, 30000, 65000, 65500, 65530, 65535))
        self.timestamp = choose.choice((0, 5000, (1 << 31) - 1000, (1 << 32) - 900))
        self.time = choose.choice((0.0, 0.5, 1e5, 1.7e9)) + choose.random()
        self.ssrc = choose.choice((0, 1, 2, 0xFFFFFFFF))
        self.payload_type = choose.choice((0, 0, 8, 18, 14, 96))
        self.step = choose.choice((1, 160, 160, 240))
        self.trouble = choose.choice((0.02, 0.1, 0.5))
        self.sent: list[bytes] = []

    def packets(self) -> list[tuple[bytes, float]]:
        made = []
        for _ in range(self.choose.choice(range(1, 60))):
            self.time += self.choose.choice(self.PACES)
            data = self.trouble_with() if self.choose.random() < self.trouble else self.next()
            self.sent.append(data)
            made.append((data, self.time))
        return made

    def next(self, marker: bool = False) -> bytes:
        self.number = self.number + 1 & 0xFFFF
        self.timestamp = self.timestamp + self.step & 0xFFFFFFFF
        second = self.payload_type | (0x80 if marker else 0)
        return HEADER.pack(0x80, second, self.number, self.timestamp, self.ssrc) + PAYLOAD

    def trouble_with(self) -> bytes:
        choose = self.choose
        kind = choose.randrange(13)
        if kind == 0:  # loss
            self.number = self.number + choose.choice((1, 2, 5, 300, 535, 536, 537, 1000)) & 0xFFFF
        elif kind == 1 and self.sent:  # duplicate, near or far
            return choose.choice(self.sent[-choose.choice((1, 3, 80)) :])
        elif kind == 2:  # a step back
            self.number = self.number - choose.choice((1, 2, 3, 10, 530, 535, 536, 537, 1060, 1071)) & 0xFFFF
        elif kind == 3:  # another place, often close to a wrap
            self.number = choose.choice((65535, 65534, 65500, 65100, 65001, 65000, 64999, 0, 1, 534, 535, 536, 20000))
        elif kind == 4:
            self.ssrc = choose.choice((0, 1, 2, 3, choose.randrange(15)))
            self.number = choose.choice((self.number, 0, 535, 65535, 65530, 1000))
        elif kind == 5:
            jump = choose.choice((-1, -160, -1000, 100_000, 1 << 25, 1 << 31, (1 << 31) + 9, -(1 << 31)))
            self.timestamp = self.timestamp + jump & 0xFFFFFFFF
        elif kind == 6:
            return self.next(marker=True)
        elif kind == 7:  # junk
            return choose.randbytes(choose.choice((0, 1, 11, 12, 30)))
        elif kind == 8:
            self.payload_type = choose.choice((0, 8, 18, 101, 13, 6, 75))
        elif kind == 9:  # the clock of the receiver
            self.time = max(0.0, self.time + choose.choice((-0.01, 0.0, 0.3, 5.0, 100.0)))
        elif kind == 10:  # a rare header: padding, extension, contributing sources, in order or broken
            data = bytearray(self.next())
            data[0] |= choose.choice((1, 2, 0x10, 0x20, 0x30))
            data[-1] = choose.choice((0, 1, 8, 9))
            return bytes(data)
        elif kind == 11:  # timestamps stand still
            self.step = choose.choice((0, 1, 160, 160, 160, 3000))
        elif kind == 12:
            return self.reordered()
        return self.next()

    def reordered(self) -> bytes:
        """Two packets change places; the overtaken one comes as a duplicate later, or never."""
        late = self.next()
        overtaking = self.next()
        self.sent.append(late)
        return overtaking


def update_in_runs(analyzer: Analyzer, packets: list[tuple[bytes, float]], choose: random.Random) -> None:
    """As for a settled stream: plain packets of one source are counted together, others by themselves."""
    run: list[tuple[bytes, float]] = []

    def end_run() -> None:
        analyzer.update_run(b"".join(data[RUN_PART] for data, _ in run), [time for _, time in run])
        run.clear()

    for data, time in packets:
        source = None if analyzer.ssrc is None else analyzer.ssrc.to_bytes(4, "big")
        if data[8:12] == source and data[0] == PLAIN:
            run.append((data, time))
            if choose.random() < 0.1:
                end_run()
        else:
            end_run()
            analyzer.update(data, time)
    end_run()


class Differential(unittest.TestCase):
    STREAMS = 10_000

    def test_random_streams(self) -> None:
        seed = random.randrange(1 << 32)
        choose = random.Random(seed)
        aliased = 0
        seen: dict[str, int] = dict.fromkeys(("ndups", "nlost", "perrs", "seq_offset", "jlast", "ssrc_changes"), 0)
        for index in range(self.STREAMS):
            recorded = index % 8 == 0
            fast, plain = Analyzer(recorded), PlainAnalyzer(recorded)
            packets = RandomStream(choose).packets()
            look = choose.randrange(len(packets))
            for place, (data, time) in enumerate(packets):
                expected = plain.update(data, time)
                try:
                    outcome = fast.update(data, time).name
                except AnalyzerError:
                    outcome = "OUT_OF_RANGE"
                if plain.aliased:
                    break
                if outcome != expected or (place == look and fast.report()._asdict() != plain.report()):
                    self.fail(f"seed {seed}, stream {index}, packet {place}: {outcome}, expected {expected}")
            if plain.aliased:
                aliased += 1
                continue
            report = plain.report()
            if not recorded:
                runs = Analyzer()
                update_in_runs(runs, packets, choose)
                self.assertEqual(runs.report()._asdict(), report, f"seed {seed}, stream {index}, in runs")
                self.assertEqual((runs.desyncs, runs.restarts), (plain.desync, plain.seq_resets))
            if fast.report()._asdict() != report:
                self.fail(f"seed {seed}, stream {index}:\n{fast.report()}\nexpected {report}")
            self.assertEqual((fast.desyncs, fast.restarts), (plain.desync, plain.seq_resets))
            self.assertGreaterEqual(report["nlost"], 0)
            for key in seen:
                seen[key] += bool(report[key])
        self.assertLess(aliased, self.STREAMS // 200, f"seed {seed}")
        for key, count in seen.items():
            self.assertGreater(count, self.STREAMS // 20, f"seed {seed}: too few streams with {key}")

    def test_random_streams_in_runs(self) -> None:
        """Packets with plain headers are counted together later, any number at a time, as the relay does."""
        seed = random.randrange(1 << 32)
        choose = random.Random(seed)
        in_runs = 0
        for index in range(self.STREAMS // 5):
            fast, plain = Analyzer(), PlainAnalyzer(recorded=False)
            longest = choose.choice((1, 2, 5, 32))
            parts, times = bytearray(), []
            for data, time in RandomStream(choose).packets():
                plain.update(data, time)
                if fast.ssrc is not None and data[8:12] == fast.ssrc.to_bytes(4, "big") and data[0] == PLAIN:
                    parts += data[RUN_PART]
                    times.append(time)
                    in_runs += 1
                    if len(times) == longest:
                        fast.update_run(parts, times)
                        parts, times = bytearray(), []
                else:
                    fast.update_run(parts, times)
                    parts, times = bytearray(), []
                    fast.update(data, time)
            fast.update_run(parts, times)
            if not plain.aliased:
                self.assertEqual(fast.report()._asdict(), plain.report(), f"seed {seed}, stream {index}")
        self.assertGreater(in_runs, 10 * self.STREAMS // 5)


if __name__ == "__main__":
    unittest.main()
