"""RTCP: one packet of each type, compounds, what is refused, and junk."""

from __future__ import annotations

import random
import struct
import unittest

from rtpp.rtp import rtcp
from rtpp.rtp.rtcp import RtcpError, parse

SSRC = bytes.fromhex("11223344")
BLOCK = bytes.fromhex("cafebabe 40fffffe 00010203 00000010 aabbccdd 00018000")
BLOCK_READ = rtcp.ReportBlock(0xCAFEBABE, 64, -2, 0x10203, 16, 0xAABBCCDD, 0x18000)
SENDER = bytes.fromhex("e8000001 80000000 000000a0 00000064 00003e80")


def wire(packet_type: int, count: int, body: bytes, padding: int = 0) -> bytes:
    """A packet whose length field is right; padding as asked for."""
    body += bytes(padding - 1) + bytes([padding]) if padding else b""
    assert len(body) % 4 == 0, len(body)
    return struct.pack("!BBH", 0x80 | (0x20 if padding else 0) | count, packet_type, len(body) // 4) + body


SENDER_REPORT = wire(200, 1, SSRC + SENDER + BLOCK)
SENDER_REPORT_READ = rtcp.SenderReport(0x11223344, 0xE8000001, 0x80000000, 160, 100, 16000, (BLOCK_READ,))
CNAME = wire(202, 1, SSRC + b"\x01\x05a@b.c" + b"\0")
CNAME_READ = rtcp.SourceDescription((rtcp.SourceItems(0x11223344, ((1, b"a@b.c"),)),))

# (what it shows, datagram, packets)
VALID: tuple[tuple[str, bytes, list[rtcp.RtcpPacket]], ...] = (
    ("nothing", b"", []),
    ("sender report", SENDER_REPORT, [SENDER_REPORT_READ]),
    ("sender report without blocks", wire(200, 0, SSRC + SENDER), [SENDER_REPORT_READ._replace(reports=())]),
    ("receiver report", wire(201, 2, SSRC + BLOCK * 2), [rtcp.ReceiverReport(0x11223344, (BLOCK_READ,) * 2)]),
    ("empty receiver report", wire(201, 0, SSRC), [rtcp.ReceiverReport(0x11223344, ())]),
    ("profile extension after the blocks", wire(201, 0, SSRC + b"more"), [rtcp.ReceiverReport(0x11223344, ())]),
    ("source description", CNAME, [CNAME_READ]),
    ("items that end on a word", wire(202, 1, SSRC + b"\x01\x02ab" + bytes(4)),
     [rtcp.SourceDescription((rtcp.SourceItems(0x11223344, ((1, b"ab"),)),))]),
    ("two chunks", wire(202, 2, SSRC + b"\x01\x01a\x02\x03bcd\0\0\0\0" + b"\0\0\0\x07" + bytes(4)),
     [rtcp.SourceDescription((rtcp.SourceItems(0x11223344, ((1, b"a"), (2, b"bcd"))), rtcp.SourceItems(7, ())))]),
    ("no chunk", wire(202, 0, b""), [rtcp.SourceDescription(())]),
    ("goodbye", wire(203, 2, SSRC + b"\0\0\0\x01"), [rtcp.Goodbye((0x11223344, 1), b"")]),
    ("goodbye with a reason", wire(203, 1, SSRC + b"\x03bye"), [rtcp.Goodbye((0x11223344,), b"bye")]),
    ("goodbye of nobody", wire(203, 0, b""), [rtcp.Goodbye((), b"")]),
    ("application", wire(204, 5, SSRC + b"TESTdata"), [rtcp.Application(5, 0x11223344, b"TEST", b"data")]),
    ("extended report", wire(207, 0, SSRC + bytes(12)), [rtcp.Skipped(207, 20)]),
    ("feedback", wire(205, 1, SSRC * 2), [rtcp.Skipped(205, 12)]),
    ("compound", SENDER_REPORT + wire(207, 0, SSRC) + CNAME + wire(203, 1, SSRC),
     [SENDER_REPORT_READ, rtcp.Skipped(207, 8), CNAME_READ, rtcp.Goodbye((0x11223344,), b"")]),
    ("padding", wire(203, 1, SSRC, padding=8), [rtcp.Goodbye((0x11223344,), b"")]),
    ("nothing but padding", wire(203, 0, b"", padding=4), [rtcp.Goodbye((), b"")]),
)

# (datagram, reason, packets before it)
INVALID: tuple[tuple[bytes, str, int], ...] = (
    (b"\x80", "packet is too short for RTCP header", 0),
    (SENDER_REPORT + b"\x80\xc9\0", "packet is too short for RTCP header", 1),
    (b"\x40\xc8\0\0", "incorrect RTCP header version", 0),
    (SENDER_REPORT[:-4], "packet is shorter than its RTCP length", 0),
    (CNAME + SENDER_REPORT[:-1], "packet is shorter than its RTCP length", 1),
    (wire(200, 0, SSRC + SENDER[:-4]), "packet is too short for RTCP sender information", 0),
    (wire(200, 2, SSRC + SENDER + BLOCK), "packet is too short for RTCP report blocks", 0),
    (wire(201, 0, b""), "packet is too short for RTCP receiver report", 0),
    (wire(201, 31, SSRC + BLOCK), "packet is too short for RTCP report blocks", 0),
    (wire(202, 1, b""), "packet is too short for RTCP source description", 0),
    (wire(202, 2, SSRC + bytes(4)), "packet is too short for RTCP source description", 0),
    (wire(202, 1, SSRC), "packet is too short for RTCP end of source description items", 0),
    (wire(202, 1, SSRC + b"\x01\x03ab"), "packet is too short for RTCP source description item", 0),
    (wire(202, 1, SSRC + b"\x01\x01a\x02"), "packet is too short for RTCP source description item", 0),
    (wire(202, 1, SSRC + b"\x01\x02ab"), "packet is too short for RTCP end of source description items", 0),
    (wire(203, 2, SSRC), "packet is too short for RTCP goodbye", 0),
    (wire(203, 1, SSRC + b"\x04bye"), "packet is too short for RTCP reason for leaving", 0),
    (wire(204, 0, SSRC), "packet is too short for RTCP application packet", 0),
    (b"\xa0\xcb\0\0", "packet is too short for RTCP padding", 0),
    (b"\xa0\xcb\0\x01\0\0\0\0", "invalid RTCP padding size", 0),
    (b"\xa0\xcb\0\x01\0\0\0\x05", "packet is too short for RTCP padding", 0),
)


class Parse(unittest.TestCase):
    def test_valid(self) -> None:
        for name, data, expected in VALID:
            with self.subTest(name):
                self.assertEqual(list(parse(data)), expected)
                self.assertEqual([type(one) for one in parse(data)], [type(one) for one in expected])

    def test_invalid(self) -> None:
        """The packets before the bad one are delivered."""
        for data, reason, before in INVALID:
            with self.subTest(reason, data=data.hex()):
                seen = []
                with self.assertRaises(RtcpError) as caught:
                    for one in parse(data):
                        seen.append(one)
                self.assertEqual(caught.exception.reason, reason)
                self.assertEqual(len(seen), before)

    def test_error_carries_the_numbers(self) -> None:
        with self.assertRaises(RtcpError) as caught:
            list(parse(b"\x80\xc8\0"))
        self.assertEqual((caught.exception.found, caught.exception.needed), (3, 4))
        self.assertEqual(str(caught.exception), "packet is too short for RTCP header (3, needed 4)")

    def test_packet_types(self) -> None:
        packets = (SENDER_REPORT, wire(201, 0, SSRC), CNAME, wire(203, 0, b""), wire(204, 0, SSRC + b"NAME"),
                   wire(207, 0, b""))
        self.assertEqual([one.packet_type for one in parse(b"".join(packets))], [200, 201, 202, 203, 204, 207])

    def test_signed_loss(self) -> None:
        for field, expected in ((0, 0), (1, 1), (0x7FFFFF, 0x7FFFFF), (0x800000, -0x800000), (0xFFFFFF, -1)):
            block = BLOCK[:4] + struct.pack("!I", 0xFF000000 | field) + BLOCK[8:]
            (report,) = parse(wire(201, 1, SSRC + block))
            assert isinstance(report, rtcp.ReceiverReport)
            self.assertEqual((report.reports[0].packets_lost, report.reports[0].fraction_lost), (expected, 255))


class Fuzz(unittest.TestCase):
    def test_random_and_damaged(self) -> None:
        """No exception but `RtcpError`, and never more packets than 4-byte headers."""
        seed = random.randrange(1 << 32)
        choose = random.Random(seed)
        good = [data for _, data, _ in VALID]
        complete = 0
        for _ in range(15_000):
            data = bytearray(b"".join(choose.choice(good) for _ in range(choose.randrange(1, 4))))
            for _ in range(choose.choice((0, 1, 1, 3))):
                if data:
                    data[choose.randrange(len(data))] = choose.choice((0, 1, 255, choose.randrange(256)))
            if choose.random() < 0.2:
                data = data[: choose.randrange(len(data) + 1)]
            if choose.random() < 0.05:
                data = bytearray(choose.randbytes(choose.randrange(60)))
            with self.subTest(seed=seed, data=data.hex()):
                seen = 0
                try:
                    for _ in parse(bytes(data)):
                        seen += 1
                    complete += 1
                except RtcpError:
                    pass
                self.assertLessEqual(4 * seen, len(data))
        self.assertTrue(3000 < complete < 14_000, f"seed {seed}: {complete}")

    def test_largest_datagrams(self) -> None:
        self.assertEqual(sum(1 for _ in parse(b"\x80\xcb\0\0" * 2048)), 2048)
        text = b"\x01\xff" + bytes(b"x" * 255)
        body = SSRC + text * 30 + bytes(4 - (30 * 257) % 4)
        (description,) = parse(wire(202, 1, body))
        assert isinstance(description, rtcp.SourceDescription)
        self.assertEqual(len(description.chunks[0].items), 30)


if __name__ == "__main__":
    unittest.main()
