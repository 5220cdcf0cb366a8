"""Re-packetising: traces taken from the C engine, each codec, the flush by time, and random streams."""

from __future__ import annotations

import random
import unittest
from collections import Counter
from typing import Optional

from rtpp.rtp.packet import RtpPacket, samples
from rtpp.rtp.resizer import Pushed, Resizer

SSRC = 0x11223344
PCMU, GSM, G723, PCMA, G722, G729, DTMF = 0, 3, 4, 8, 9, 18, 101
FRAMES = {PCMU: (80, 80), PCMA: (80, 80), G722: (80, 80), GSM: (160, 33), G729: (80, 10), G723: (240, 24)}

Event = tuple[float, bytes]  # arrival in seconds, datagram


def packet(number: int, timestamp: int, payload: bytes, payload_type: int = PCMU, marker: bool = False,
           ssrc: int = SSRC) -> bytes:
    return bytes(RtpPacket(payload_type, number & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, payload, marker))


def even(count: int, milliseconds: int, payload_type: int = PCMU, number: int = 1000, timestamp: int = 5000,
         start: float = 0.0) -> list[Event]:
    """Packets that arrive in their own time, the first with a marker. Each payload byte tells its packet."""
    frames = milliseconds * 8 // FRAMES[payload_type][0]
    return [
        (start + index * milliseconds / 1000,
         packet(number + index, timestamp + index * milliseconds * 8, frame_bytes(payload_type, index) * frames,
                payload_type, marker=index == 0))
        for index in range(count)
    ]


def frame_bytes(payload_type: int, index: int) -> bytes:
    """One frame; G.723.1 keeps its size in the low two bits of its first byte: 24 bytes."""
    return bytes([index * 4 & 0xFF]) * FRAMES[payload_type][1]


def drain(resizer: Resizer, now: float) -> list[bytes]:
    popped = []
    while True:
        data = resizer.pop(now)
        if data is None:
            return popped
        popped.append(data)


def run(resizer: Resizer, events: list[Event], by_time: bool = True) -> list[Event]:
    """What is sent, and when. `by_time`: also at `due`; else only when something arrives, like the C program."""
    sent: list[Event] = []

    def flush(until: Optional[float]) -> None:
        while by_time and resizer.due is not None and (until is None or resizer.due < until):
            now = resizer.due
            sent.extend((now, data) for data in drain(resizer, now))

    for now, data in events:
        flush(now)
        outcome = resizer.push(data, now)
        if outcome is Pushed.NOT_TAKEN:
            sent.append((now, data))
        sent.extend((now, data) for data in drain(resizer, now))
    flush(None)
    return sent


def figures(sent: list[Event]) -> list[tuple[int, int, int, bool]]:
    """Datagram size, sequence number, timestamp and marker of each packet."""
    packets = [(len(data), RtpPacket.parse(data)) for _, data in sent]
    return [(size, one.sequence_number, one.timestamp, one.marker) for size, one in packets]


def sizes(sent: list[Event]) -> list[int]:
    return [len(data) for _, data in sent]


class Traces(unittest.TestCase):
    """What the C engine sent for the same packets, except for what only time brings out."""

    def test_twenty_to_forty(self) -> None:
        expected = [(332, 1000 + index, 5000 + 320 * index, index == 0) for index in range(5)]
        for by_time in (False, True):
            self.assertEqual(figures(run(Resizer(40), even(10, 20), by_time)), expected)

    def test_sixty_to_forty(self) -> None:
        sent = run(Resizer(40), even(4, 60), by_time=False)
        self.assertEqual(figures(sent), [(332, 1000 + n, 5000 + 320 * n, n == 0) for n in range(6)])

    def test_sixty_to_forty_remainder_times_out(self) -> None:
        """The second packet is late: the remainder of the first goes alone, the rest as usual, the end by time."""
        events = [(time + 0.07 if index else 0.0, data) for index, (time, data) in enumerate(even(4, 60))]
        sent = run(Resizer(40), events)
        self.assertEqual(sizes(sent), [332, 172, 332, 332, 332, 332, 172])
        self.assertEqual([one[1] for one in figures(sent)], list(range(1000, 1007)))

    def test_sixty_to_forty_after_a_pause_without_flush(self) -> None:
        events = [(time + 1 if index else 0.0, data) for index, (time, data) in enumerate(even(4, 60))]
        sent = run(Resizer(40), events, by_time=False)
        self.assertEqual(sizes(sent), [332, 332, 332, 332, 172, 332, 172])
        self.assertEqual([one[2] for one in figures(sent)], [5000, 5320, 5640, 5960, 6280, 6440, 6760])

    def test_codec_rounding(self) -> None:
        cases = (
            ("GSM to 30 ms makes 40", 30, GSM, 20, 78, 320),
            ("G.729 to 15 ms makes 20", 15, G729, 10, 32, 160),
            ("G.723.1 to 40 ms makes 60", 40, G723, 30, 60, 480),
            ("G.711 to 5 ms makes 10", 5, PCMA, 20, 92, 80),
            ("G.722 to 40 ms", 40, G722, 20, 332, 320),
        )
        for name, milliseconds, payload_type, source, size, step in cases:
            with self.subTest(name):
                sent = figures(run(Resizer(milliseconds), even(8, source, payload_type)))
                for index, one in enumerate(sent):
                    self.assertEqual(one, (size, 1000 + index, 5000 + step * index, index == 0))

    def test_silence_descriptor_of_g729_ends_a_packet(self) -> None:
        payloads = [bytes(12 if index in (1, 4) else 20) for index in range(8)]
        events = [(0.02 * n, packet(1 + n, 160 * n, payload, G729)) for n, payload in enumerate(payloads)]
        sent = figures(run(Resizer(60), events, by_time=False))
        self.assertEqual([one[:3] for one in sent], [(44, 1, 0), (64, 2, 320), (72, 3, 800)])

    def test_partial_frame_of_g723_counts_whole(self) -> None:
        frame = bytes(24)
        payloads = [frame + frame[:10]] + [frame] * 5
        events = [(0.03 * n, packet(1 + n, (480 + 240 * (n - 1)) * (n > 0), payload, G723))
                  for n, payload in enumerate(payloads)]
        sent = figures(run(Resizer(60), events, by_time=False))
        self.assertEqual([one[:3] for one in sent], [(46, 1, 0), (60, 2, 480), (60, 3, 960)])


class Rules(unittest.TestCase):
    def test_gap_ends_a_packet(self) -> None:
        events = even(6, 20)
        del events[2]
        expected = [(332, 1000, 5000, True), (332, 1001, 5480, False), (172, 1002, 5800, False)]
        self.assertEqual(figures(run(Resizer(40), events)), expected)
        del events[1]  # a gap after the first packet: it goes alone
        self.assertEqual(figures(run(Resizer(40), events))[:2], [(172, 1000, 5000, True), (332, 1001, 5480, False)])

    def test_change_of_payload_type_ends_a_packet(self) -> None:
        events = [*even(1, 20), (0.02, packet(1001, 5160, bytes(160), PCMA))]
        self.assertEqual(figures(run(Resizer(60), events)), [(172, 1000, 5000, True), (172, 1001, 5160, False)])

    def test_reordered_packets_are_put_in_order(self) -> None:
        events = even(4, 20)
        (first, one), (second, two) = events[:2]
        sent = run(Resizer(80), [(first, two), (second, one), *events[2:]])
        self.assertEqual(sizes(sent), [652])
        payload = RtpPacket.parse(sent[0][1]).payload
        self.assertEqual([payload[at] for at in range(0, 640, 160)], [0, 4, 8, 12])
        self.assertEqual(figures(sent)[0][1:], (1000, 5000, True))

    def test_late_packet(self) -> None:
        resizer = Resizer(20)
        run(resizer, even(3, 20)[1:])
        self.assertIs(resizer.push(even(1, 20)[0][1], 0.06), Pushed.LATE)
        self.assertIsNone(resizer.pop(9.0))

    def test_not_taken(self) -> None:
        resizer = Resizer(40)
        cases = (
            ("DTMF", packet(1, 0, bytes(4), DTMF)),
            ("comfort noise", packet(1, 0, b"\x40", 13)),
            ("dynamic", packet(1, 0, bytes(160), 96)),
            ("no payload", packet(1, 0, b"")),
            ("less than a frame", packet(1, 0, bytes(20), GSM)),
            ("RTCP", b"\x80\xc9" + bytes(30)),
            ("junk", b"hello"),
            ("nothing", b""),
        )
        for name, data in cases:
            with self.subTest(name):
                self.assertIs(resizer.push(data, 0.0), Pushed.NOT_TAKEN)
                self.assertIsNone(resizer.due)

    def test_dtmf_overtakes_and_keeps_its_number(self) -> None:
        events = [*even(1, 20), (0.01, packet(77, 5000, bytes(4), DTMF)), *even(1, 20, timestamp=5160, start=0.02)]
        self.assertEqual([one[:2] for one in figures(run(Resizer(40), events))], [(16, 77), (332, 1000)])

    def test_numbers_run_on_over_sources_and_wraps(self) -> None:
        """A new source does not wait behind the old one, and never shares a packet with it."""
        first = even(3, 20, number=65535)
        second = [(0.06, packet(9, 100, bytes(160), ssrc=7)), (0.08, packet(10, 260, bytes(160), ssrc=7))]
        sent = run(Resizer(40), first + second)
        self.assertEqual([one[1:3] for one in figures(sent)], [(65535, 5000), (0, 5320), (1, 100)])
        self.assertEqual([RtpPacket.parse(data).ssrc for _, data in sent], [SSRC, SSRC, 7])
        self.assertEqual(sent[1][0], 0.06)

    def test_timestamp_wraps(self) -> None:
        sent = figures(run(Resizer(40), even(6, 20, timestamp=(1 << 32) - 480)))
        self.assertEqual([one[2] for one in sent], [(1 << 32) - 480, (1 << 32) - 160, 160])
        self.assertEqual([one[0] for one in sent], [332] * 3)

    def test_header_of_the_first_fragment(self) -> None:
        """Contributing sources and extension of the first packet; markers of the others are lost, as is padding."""
        one = RtpPacket(0, 5, 0, SSRC, bytes(160), True, (1, 2), b"\xbe\xde\0\x01abcd", b"\0\2")
        two = RtpPacket(0, 6, 160, SSRC, bytes(160), True, (3,))
        ((_, data),) = run(Resizer(40), [(0.0, bytes(one)), (0.02, bytes(two))])
        made = RtpPacket.parse(data)
        self.assertEqual((made.csrc, made.extension, made.marker, made.padding), ((1, 2), one.extension, True, b""))
        self.assertEqual(made.payload, bytes(320))

    def test_marker_of_a_packet_split(self) -> None:
        """At the head of a packet it goes with the first part, further in it stays with the rest."""
        head = run(Resizer(20), [(0.0, packet(1, 0, bytes(320), marker=True))])
        self.assertEqual([one[3] for one in figures(head)], [True, False])
        later = run(Resizer(40), [(0.0, packet(1, 0, bytes(160))), (0.02, packet(2, 160, bytes(480), marker=True))])
        self.assertEqual([one[3] for one in figures(later)], [False, True])

    def test_never_longer_than_a_datagram(self) -> None:
        extension = b"\xbe\xde" + (60).to_bytes(2, "big") + bytes(240)
        events = [(0.02 * n, bytes(RtpPacket(0, n, 160 * n, SSRC, bytes(160), extension=extension))) for n in range(60)]
        sent = run(Resizer(999), events)
        self.assertEqual(max(sizes(sent)), 12 + 244 + 49 * 160)
        self.assertLessEqual(max(sizes(sent)), 8192)
        self.assertEqual(sum(size - 256 for size in sizes(sent)), 60 * 160)

    def test_another_duration(self) -> None:
        """What waits goes into the longer or shorter packets, and their numbers run on, as the C engine's do."""
        for milliseconds, expected in ((20, [(172, 1002), (172, 1003), (172, 1004)]), (60, [(492, 1002)])):
            with self.subTest(milliseconds):
                resizer, events = Resizer(40), even(7, 20)
                before = run(resizer, events[:5], by_time=False)
                self.assertEqual([one[:2] for one in figures(before)], [(332, 1000), (332, 1001)])
                resizer.aim_at(milliseconds)
                after = run(resizer, events[5:], by_time=False)
                self.assertEqual([one[:2] for one in figures(after)], expected)
                self.assertEqual(figures(after)[0][2], 5000 + 640)

    def test_discard(self) -> None:
        resizer = Resizer(60)
        for now, data in even(2, 20):
            resizer.push(data, now)
        self.assertEqual(resizer.discard(), 2)
        self.assertEqual(resizer.discard(), 0)
        self.assertIsNone(resizer.due)
        self.assertIsNone(resizer.pop(99.0))


class Due(unittest.TestCase):
    def test_nothing_waits(self) -> None:
        self.assertIsNone(Resizer(20).due)

    def test_end_of_a_talkspurt(self) -> None:
        """One packet of 20 ms, 60 wanted: what comes after 115 ms (960 ticks less 40) brings it out, else time does."""
        resizer = Resizer(60)
        resizer.push(packet(1, 0, bytes(160)), 50.0)
        self.assertIsNone(resizer.pop(50.0))
        due = resizer.due
        assert due is not None
        self.assertAlmostEqual(due, 50.0 + 960 / 8000, delta=0.0002)
        self.assertIsNone(resizer.pop(50.1149))
        self.assertEqual(resizer.due, due, "looking changes nothing")
        self.assertEqual(drain(resizer, 50.1151), [packet(1, 0, bytes(160))])
        self.assertIsNone(resizer.due)

    def test_enough_is_due_at_once(self) -> None:
        resizer = Resizer(20)
        resizer.push(packet(1, 0, bytes(160)), 50.0)
        due = resizer.due
        assert due is not None
        self.assertLess(due, 50.001)

    def test_pop_at_due_always_yields(self) -> None:
        seed = random.randrange(1 << 32)
        choose = random.Random(seed)
        for _ in range(2000):
            now = choose.random() * choose.choice((1.0, 1e4, 1e7))
            resizer = Resizer(choose.randrange(21, 999))
            resizer.push(packet(1, choose.randrange(1 << 32), bytes(160)), now)
            due = resizer.due
            assert due is not None
            self.assertGreater(due, now)
            self.assertIsNotNone(resizer.pop(due), f"seed {seed}: {now} {due}")

    def test_timestamps_cannot_hold_up_the_queue(self) -> None:
        """Half the range of timestamps apart, so that the oldest seems to be ahead of its sender's clock."""
        for milliseconds in (60, 500, 999):
            for apart in ((1 << 31) - 1, 1 << 31, (1 << 31) - 4000, (1 << 31) - 16000, (1 << 31) + 16000, 1 << 30):
                with self.subTest(milliseconds=milliseconds, apart=apart):
                    resizer = Resizer(milliseconds)
                    for number in range(3):
                        resizer.push(packet(number, number * apart, bytes(80)), 100.0)
                        drain(resizer, 100.0)
                    due = resizer.due
                    if due is not None:
                        self.assertTrue(100.0 < due < 102.1, due)
                        drain(resizer, due)
                        self.assertIsNone(resizer.due)

    def test_late_packets_do_not_prolong_the_wait(self) -> None:
        resizer = Resizer(60)
        run(resizer, even(3, 20))
        resizer.push(packet(1003, 5480, bytes(160)), 0.06)
        due = resizer.due
        self.assertIs(resizer.push(packet(1, 0, bytes(160)), 0.08), Pushed.LATE)
        self.assertEqual(resizer.due, due)

    def test_late_packets_are_waited_for(self) -> None:
        """A sender that comes 60 ms late for ever is not cut into more packets than a punctual one."""
        events = [(time + 0.06 if index else 0.0, data) for index, (time, data) in enumerate(even(9, 60))]
        self.assertEqual(sizes(run(Resizer(40), events)), [332] * 13 + [172])

    def test_sender_that_stops_and_goes_on(self) -> None:
        """The end of the first talkspurt goes out in the pause; numbers run on."""
        events = even(3, 20) + even(3, 20, number=1003, timestamp=5000 + 8000, start=1.0)
        sent = run(Resizer(40), events)
        self.assertEqual([one[1] for one in figures(sent)], [1000, 1001, 1002, 1003])
        self.assertEqual(sizes(sent), [332, 172, 332, 172])
        self.assertLess(sent[1][0], 0.15)


class RandomStreams(unittest.TestCase):
    def test_every_byte_goes_through_once(self) -> None:
        """Without loss, in order, whatever the sizes: the same audio at the same timestamps, numbered in a row."""
        seed = random.randrange(1 << 32)
        choose = random.Random(seed)
        for _ in range(400):
            payload_type = choose.choice(sorted(FRAMES))
            ticks = FRAMES[payload_type][0]
            number, timestamp = choose.randrange(1 << 16), choose.choice((0, 7, (1 << 32) - 2000))
            now, events, audio = choose.random() * 1e5, [], {}
            milliseconds = choose.randrange(1, 200)
            for index in range(choose.randrange(1, 40)):
                frames = choose.randrange(1, 8)
                payload = b"".join(frame_bytes(payload_type, choose.randrange(64)) for _ in range(frames))
                audio[timestamp] = payload
                events.append((now, packet(number + index, timestamp, payload, payload_type, choose.random() < 0.1)))
                now += frames * ticks / 8000 + choose.choice((0.0, 0.0, 0.005, 0.5))
                timestamp = timestamp + frames * ticks & 0xFFFFFFFF
            sent = [RtpPacket.parse(data) for _, data in run(Resizer(milliseconds), events)]
            with self.subTest(seed=seed, payload_type=payload_type, milliseconds=milliseconds):
                self.assertEqual(b"".join(one.payload for one in sent), b"".join(audio.values()))
                self.assertEqual([one.sequence_number for one in sent],
                                 [number + index & 0xFFFF for index in range(len(sent))])
                expected = next(iter(audio))
                target = -(-milliseconds * 8 // ticks) * ticks
                for one in sent:
                    self.assertEqual(one.timestamp, expected)
                    duration = samples(payload_type, one.payload)
                    self.assertLessEqual(duration, target)
                    expected = expected + duration & 0xFFFFFFFF

    def test_what_goes_in_comes_out(self) -> None:
        """Whatever timestamps, sizes and codecs come: each byte taken goes out once, numbered in a row, in time."""
        seed = random.randrange(1 << 32)
        for number in range(300):
            with self.subTest(seed=seed + number):
                self.check_accounts(random.Random(seed + number))

    def check_accounts(self, choose: random.Random) -> None:
        milliseconds = choose.choice((1, 20, 30, 60, 200, 500, 999, choose.randrange(1, 1000)))
        resizer, now, timestamp = Resizer(milliseconds), choose.random() * 1e5, choose.randrange(1 << 32)
        taken: Counter[int] = Counter()
        sent: list[bytes] = []
        for _ in range(choose.randrange(1, 80)):
            data, timestamp = self.wild_packet(choose, timestamp)
            if resizer.push(data, now) is Pushed.QUEUED:
                taken.update(RtpPacket.parse(data).payload)
            sent += drain(resizer, now)
            due = resizer.due
            later = now + choose.choice((0.0, 0.0, 0.02, 0.02, 0.2, 5.0, 1e6))
            if due is not None:
                self.assertTrue(now - 5.0 < due < now + 3.0, (now, due))
                if due < later:
                    self.assertGreater(due, now, "it was looked at before")
                    made = drain(resizer, due)
                    self.assertTrue(made)
                    self.assertIsNone(resizer.due, "all that waited has gone")
                    sent += made
            now = later
        if resizer.due is not None:
            sent += drain(resizer, resizer.due)
        self.assertEqual(resizer.discard(), 0)
        packets = [RtpPacket.parse(data) for data in sent]
        self.assertEqual(sum((Counter(one.payload) for one in packets), Counter()), taken)
        numbers = [one.sequence_number for one in packets]
        self.assertEqual(numbers, [numbers[0] + index & 0xFFFF for index in range(len(numbers))] if numbers else [])
        for one, data in zip(packets, sent):
            self.assertLessEqual(len(data), 8192)
            if one.payload_type in (PCMU, PCMA, G722):  # others come with parts of frames, which add up
                self.assertLessEqual(one.payload_length, -(-milliseconds // 10) * 80)

    @staticmethod
    def wild_packet(choose: random.Random, timestamp: int) -> tuple[bytes, int]:
        """Some packet at about `timestamp`, mostly of audio, and the timestamp of the next."""
        payload_type = choose.choice((PCMU, PCMU, PCMU, GSM, G723, PCMA, G722, G729, 13, DTMF))
        payload = choose.randbytes(choose.choice((0, 1, 10, 12, 24, 33, 80, 160, 480, choose.randrange(1400))))
        if choose.random() < 0.1:
            timestamp += choose.choice((-1, 1, -160, 4000, -4000, 16000, -16000, 1 << 30, (1 << 31) - 16000, 1 << 31,
                                        choose.randrange(1 << 32)))
        ssrc = 1 if choose.random() < 0.95 else 2
        made = RtpPacket(payload_type, choose.randrange(1 << 16), timestamp & 0xFFFFFFFF, ssrc, payload,
                         choose.random() < 0.1, tuple(range(choose.choice((0, 0, 0, 3)))),
                         padding=choose.choice((b"", b"", b"\0\x02")) if payload else b"")
        return bytes(made), timestamp + max(samples(payload_type, payload), 0)

    def test_junk(self) -> None:
        """Bytes that are no RTP, or hardly: nothing is raised."""
        seed = random.randrange(1 << 32)
        choose = random.Random(seed)
        resizer = Resizer(20)
        for number in range(5000):
            data = bytearray(choose.randbytes(choose.choice((0, 1, 11, 12, 13, 45, 200))))
            if choose.random() < 0.9 and len(data) > 12:
                data[:2] = 0x80 | choose.choice((0, 0, 1, 0x10, 0x20)), choose.choice((0, 3, 4, 8, 9, 18, 0x80))
            with self.subTest(seed=seed, data=data.hex()):
                resizer.push(bytes(data), number / 100)
                for made in drain(resizer, number / 100):
                    self.assertEqual(bytes(RtpPacket.parse(made)), made)


if __name__ == "__main__":
    unittest.main()
