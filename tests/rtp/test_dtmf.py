"""Telephone events: what the C engine reports for the same packets, and junk."""

from __future__ import annotations

import random
import struct
import unittest
from typing import Any, Optional

from rtpp.rtp.dtmf import DIGITS, DtmfEvent, EventTracker
from rtpp.rtp.packet import RtpPacket


def event(code: int, duration: int, end: bool = False, volume: int = 10, timestamp: int = 0, **fields: Any) -> bytes:
    payload = struct.pack("!BBH", code, volume | (0x80 if end else 0), duration)
    return bytes(RtpPacket(**{"payload_type": 101, "timestamp": timestamp, "payload": payload, **fields}))


def reports(packets: tuple[bytes, ...], tracker: Optional[EventTracker] = None) -> list[DtmfEvent]:
    tracker = tracker or EventTracker()
    return [report for report in map(tracker.update, packets) if report is not None]


# (what it shows, packets, reports)
CASES: tuple[tuple[str, tuple[bytes, ...], list[tuple[str, int, int]]], ...] = (
    ("an event", (event(5, 160), event(5, 320), *[event(5, 480, end=True)] * 3), [("5", 10, 480)]),
    ("a single packet, the end", (event(5, 480, end=True),), []),
    ("a single packet, no end", (event(5, 480),), []),
    ("two packets, both the end", (event(5, 480, end=True),) * 2, [("5", 10, 480)]),
    ("no end", (event(5, 160), event(5, 320), event(5, 480)), []),
    ("the longest duration", (event(5, 800), event(5, 1600), event(5, 480, end=True)), [("5", 10, 1600)]),
    ("the volume of the end", (event(5, 160), event(5, 480, end=True, volume=20)), [("5", 20, 480)]),
    ("another code at the same time is ignored",
     (event(5, 160), event(6, 320), event(6, 480, end=True), event(5, 640, end=True)), [("5", 10, 640)]),
    ("nothing after the end",
     (event(5, 160), event(5, 480, end=True), event(5, 640), event(5, 800, end=True)), [("5", 10, 480)]),
    ("overlapping events",
     (event(1, 160), event(2, 160, timestamp=9), event(1, 320, end=True), event(2, 400, end=True, timestamp=9)),
     [("1", 10, 320), ("2", 10, 400)]),
    ("the reserved bit", (event(5, 160, volume=0x4A), event(5, 480, end=True, volume=0x4A)), [("5", 10, 480)]),
    ("bytes after the event", (event(5, 160), event(5, 480, end=True)[:-2] + b"\x01\xe0more"), [("5", 10, 480)]),
    ("padding", (event(5, 160), event(5, 480, end=True, padding=b"\0\0\x03")), [("5", 10, 480)]),
    ("a marker", (event(5, 160, marker=True), event(5, 480, end=True)), [("5", 10, 480)]),
    ("another payload type", (event(5, 160), event(5, 480, end=True, payload_type=96)), []),
    ("too short", (event(5, 160)[:-1], event(5, 480, end=True)[:-1]), []),
    ("a code without digit", (event(17, 160), event(17, 480, end=True)), []),
    ("timestamp zero is an event of its own",
     (event(5, 160, timestamp=7), event(6, 480, end=True), event(6, 480, end=True)), [("6", 10, 480)]),
)


class Events(unittest.TestCase):
    def test_cases(self) -> None:
        for name, packets, expected in CASES:
            with self.subTest(name):
                self.assertEqual(reports(packets), expected)

    def test_digits(self) -> None:
        self.assertEqual(DIGITS, "0123456789*#ABCD ")
        for code, digit in enumerate(DIGITS):
            (report,) = reports((event(code, 160), event(code, 320, end=True)))
            self.assertEqual(report.digit, digit)

    def test_four_are_remembered(self) -> None:
        opened = tuple(event(code, 160, timestamp=1000 * code) for code in range(1, 5))
        closing = tuple(event(code, 320, end=True, timestamp=1000 * code) for code in range(1, 5))
        self.assertEqual([report.digit for report in reports(opened + closing)], ["1", "2", "3", "4"])
        fifth = event(5, 160, timestamp=5000)
        self.assertEqual(reports((*opened, fifth, closing[0])), [])

    def test_payload_type(self) -> None:
        packets = (event(5, 160, payload_type=96), event(5, 480, end=True, payload_type=96))
        self.assertEqual(len(reports(packets, EventTracker(96))), 1)
        self.assertTrue(EventTracker(96).matches(packets[0]))
        self.assertFalse(EventTracker(101).matches(packets[0]))

    def test_rtcp_is_no_event(self) -> None:
        tracker = EventTracker(72)
        self.assertTrue(tracker.matches(event(5, 160, payload_type=72)))
        self.assertFalse(tracker.matches(event(5, 160, payload_type=72, marker=True)))

    def test_junk(self) -> None:
        seed = random.randrange(1 << 32)
        choose = random.Random(seed)
        tracker = EventTracker()
        for _ in range(5000):
            data = bytearray(choose.randbytes(choose.choice((0, 1, 2, 11, 12, 15, 16, 17, 40))))
            if len(data) >= 12 and choose.random() < 0.9:
                data[0] = 0x80 | choose.choice((0, 0, 1, 0x10, 0x20))
                data[1] = 101
                data[4:8] = bytes([0, 0, 0, choose.randrange(8)])
            with self.subTest(seed=seed, data=data.hex()):
                report = tracker.update(bytes(data))
                if report is not None:
                    self.assertIn(report.digit, DIGITS)
                    self.assertLess(report.volume, 64)
                    self.assertLess(report.duration, 65536)


if __name__ == "__main__":
    unittest.main()
