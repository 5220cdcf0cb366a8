"""RTP packets: the header and its errors, RTCP told apart, how long payloads last."""

from __future__ import annotations

import random
import unittest

from rtpp.rtp.packet import RtpError, RtpPacket, clock_rate, is_rtcp, samples, ssrc_and_sequence

HEADER = bytes.fromhex("80000001000000a011223344")

# (name, bytes, payload offset, payload)
VALID = (
    ("header only", HEADER, 12, b""),
    ("plain", HEADER + b"\xd5\xd5", 12, b"\xd5\xd5"),
    ("two contributing sources", b"\x82" + HEADER[1:] + b"AAAABBBB" + b"x", 20, b"x"),
    ("empty extension", b"\x90" + HEADER[1:] + b"\xbe\xde\0\0" + b"x", 16, b"x"),
    ("extension of two words", b"\x90" + HEADER[1:] + b"\xbe\xde\0\x02" + b"12345678" + b"xy", 24, b"xy"),
    ("padding", b"\xa0" + HEADER[1:] + b"xy" + b"\0\0\x03", 12, b"xy"),
    ("padding only", b"\xa0" + HEADER[1:] + b"\x01", 12, b""),
    ("padding of odd bytes", b"\xa0" + HEADER[1:] + b"x" + b"\xff\xfe\x03", 12, b"x"),
    ("all at once", b"\xb1" + HEADER[1:] + b"CCCC" + b"\0\0\0\x01eeee" + b"pay" + b"\x01", 24, b"pay"),
)

# (bytes, reason)
INVALID = (
    (b"", "packet is too short for RTP header"),
    (HEADER[:11], "packet is too short for RTP header"),
    (b"\x00" + HEADER[1:], "incorrect RTP header version"),
    (b"\x40" + HEADER[1:] + b"x", "incorrect RTP header version"),
    (b"\xc0" + HEADER[1:], "incorrect RTP header version"),
    (b"\x90" + HEADER[1:] + b"\xbe\xde\0", "packet is too short for extended RTP header size"),
    (b"\x91" + HEADER[1:] + b"CCCC\xbe\xde\0", "packet is too short for extended RTP header size"),
    (b"\x90" + HEADER[1:] + b"\xbe\xde\0\x01abc", "packet is too short for extended RTP header"),
    (b"\x81" + HEADER[1:] + b"CCC", "packet is too short for extended RTP header"),
    (b"\x8f" + HEADER[1:] + bytes(59), "packet is too short for extended RTP header"),
    (b"\xa0" + HEADER[1:], "packet is too short for RTP padding size"),
    (b"\xa0" + HEADER[1:] + b"xy\x04", "packet is too short for RTP padding"),
    (b"\xa0" + HEADER[1:] + b"xy\0", "invalid RTP padding size"),
)


class Parse(unittest.TestCase):
    def test_valid(self) -> None:
        for name, data, offset, payload in VALID:
            with self.subTest(name):
                packet = RtpPacket.parse(data)
                self.assertEqual(packet.payload_offset, offset)
                self.assertEqual(packet.payload, payload)
                self.assertEqual(packet.payload_length, len(payload))
                self.assertEqual(bytes(packet), data)
                self.assertEqual(ssrc_and_sequence(data), (0x11223344, 1))

    def test_fields(self) -> None:
        data = bytes.fromhex("92e5fffedeadbeefcafebabe0000000100000002bede0001aabbccdd0102")
        packet = RtpPacket.parse(data)
        self.assertTrue(packet.marker)
        self.assertEqual(packet.payload_type, 101)
        self.assertEqual(packet.sequence_number, 65534)
        self.assertEqual(packet.timestamp, 0xDEADBEEF)
        self.assertEqual(packet.ssrc, 0xCAFEBABE)
        self.assertEqual(packet.csrc, (1, 2))
        self.assertEqual(packet.extension, bytes.fromhex("bede0001aabbccdd"))
        self.assertEqual(packet.payload, b"\x01\x02")
        self.assertEqual(packet.padding, b"")

    def test_build(self) -> None:
        built = RtpPacket(8, 7, 160, 0x01020304, b"\xd5" * 3, marker=True, csrc=(9,))
        self.assertEqual(bytes(built), bytes.fromhex("81880007000000a00102030400000009d5d5d5"))
        self.assertIn("ssrc=0x01020304", repr(built))

    def test_invalid(self) -> None:
        for data, reason in INVALID:
            with self.subTest(reason, data=data.hex()):
                with self.assertRaises(RtpError) as caught:
                    RtpPacket.parse(data)
                self.assertEqual(caught.exception.reason, reason)
                self.assertIsNone(ssrc_and_sequence(data))

    def test_error_carries_the_numbers(self) -> None:
        with self.assertRaises(RtpError) as caught:
            RtpPacket.parse(b"\x80\0\0")
        self.assertEqual((caught.exception.found, caught.exception.needed), (3, 12))
        self.assertEqual(str(caught.exception), "packet is too short for RTP header (3, needed 12)")


class Fuzz(unittest.TestCase):
    def test_random_bytes(self) -> None:
        """Junk raises `RtpError` or comes back byte for byte, and the cheap look always agrees."""
        seed = random.randrange(1 << 32)
        choose = random.Random(seed)
        valid = 0
        for _ in range(20_000):
            data = bytearray(choose.randbytes(choose.choice((0, 1, 11, 12, 13, 16, 20, 40, 80))))
            if data and choose.random() < 0.8:
                data[0] = 0x80 | choose.choice((0, 0, 1, 2, 15, 0x10, 0x20, 0x30, 0x31))
                if len(data) >= 16 and choose.random() < 0.7:
                    data[14:16] = b"\0" + bytes([choose.randrange(4)])
                if choose.random() < 0.7:
                    data[-1] = choose.randrange(8)
            raw = bytes(data)
            with self.subTest(seed=seed, data=raw.hex()):
                try:
                    packet = RtpPacket.parse(raw)
                except RtpError:
                    self.assertIsNone(ssrc_and_sequence(raw))
                    continue
                valid += 1
                self.assertEqual(bytes(packet), raw)
                expected = None if is_rtcp(raw) else (packet.ssrc, packet.sequence_number)
                self.assertEqual(ssrc_and_sequence(raw), expected)
                end = packet.payload_offset + packet.payload_length
                self.assertEqual(raw[packet.payload_offset : end], packet.payload)
        self.assertGreater(valid, 4000, f"seed {seed}: the generator makes too few valid packets")


class Rtcp(unittest.TestCase):
    def test_is_rtcp(self) -> None:
        cases = (
            (b"", False),
            (b"\x80", False),
            (b"\x80\xc7", False),  # 199
            (b"\x80\xc8", True),  # sender report
            (b"\x81\xd5", True),  # 213
            (b"\x81\xd6", False),
            (b"\x80\x48", False),  # payload type 72 without marker
            (b"\x40\xc8", False),  # version 1
        )
        for data, expected in cases:
            with self.subTest(data=data.hex()):
                self.assertIs(is_rtcp(data), expected)

    def test_rtcp_is_not_rtp_for_latching(self) -> None:
        for second, expected in ((199, (0x11223344, 1)), (200, None), (213, None), (214, (0x11223344, 1))):
            with self.subTest(second=second):
                self.assertEqual(ssrc_and_sequence(HEADER[:1] + bytes([second]) + HEADER[2:]), expected)


class PayloadTypes(unittest.TestCase):
    def test_samples(self) -> None:
        cases = (
            (0, bytes(160), 160),
            (8, bytes(1), 1),
            (9, bytes(160), 160),
            (0, b"", -1),
            (3, bytes(33), 160),
            (3, bytes(66), 320),
            (3, bytes(65), 160),
            (3, bytes(32), 0),
            (18, bytes(10), 80),
            (18, bytes(20), 160),
            (18, bytes(22), 240),
            (18, bytes(2), 80),
            (4, bytes(24), 240),
            (4, b"\x01" + bytes(19), 240),
            (4, b"\x02" + bytes(3), 240),
            (4, bytes(24) + b"\x01" + bytes(19) + b"\x02" + bytes(3), 720),
            (4, b"\x03" + bytes(23), -1),
            (4, bytes(24) + b"\x03", -1),
            (13, bytes(1), -1),
            (96, bytes(160), -1),
            (101, bytes(4), -1),
            (31, bytes(10), -1),
        )
        for payload_type, payload, expected in cases:
            with self.subTest(payload_type=payload_type, size=len(payload)):
                self.assertEqual(samples(payload_type, payload), expected)

    def test_samples_of_other_payload_types(self) -> None:
        """Reserved, dynamic, and audio whose payload does not tell."""
        for payload_type in set(range(128)) - {0, 3, 4, 8, 9, 18}:
            for size in (0, 1, 160):
                self.assertEqual(samples(payload_type, bytes(size)), -1, payload_type)

    def test_clock_rates(self) -> None:
        expected = dict.fromkeys((0, 3, 4, 5, 7, 8, 9, 12, 13, 15, 18), 8000)
        expected.update({6: 16000, 10: 44100, 11: 44100, 14: 90000, 16: 11025, 17: 22050})
        for payload_type in range(128):
            self.assertEqual(clock_rate(payload_type), expected.get(payload_type, 0))


if __name__ == "__main__":
    unittest.main()
