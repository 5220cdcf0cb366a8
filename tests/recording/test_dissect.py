"""Link layers, options, extension headers, fragments."""

from __future__ import annotations

import random
import struct
import unittest
from typing import Optional

from rtpp.recording.dissect import LINK_TYPES, NOT_IP, find_udp
from tests.recording.captures import ethernet, ipv4, ipv6, udp

HELLO4, HELLO6 = ipv4(udp(b"hello")), ipv6(udp(b"hello"))


def payload(link_type: int, frame: bytes) -> Optional[bytes]:
    """The datagram in a frame that lies in the middle of a buffer; "no IP" is the empty result."""
    data = b"\x45" * 7 + frame + b"\x45" * 80
    network = LINK_TYPES[link_type](data, 7, 7 + len(frame))
    if network == NOT_IP:
        return None
    found = find_udp(data, network, 7 + len(frame))
    return data[found.start : found.end] if found else b""


class LinkLayers(unittest.TestCase):
    def test_ip_is_found(self) -> None:
        cooked = struct.pack("!HHH8s", 0, 1, 6, bytes(8))
        cooked_2 = struct.pack("!HIHBB8s", 0, 3, 1, 0, 6, bytes(8))
        for packet, kind in ((HELLO4, 0x0800), (HELLO6, 0x86DD)):
            cases = [
                (1, ethernet(packet, kind)),
                (1, ethernet(packet, kind, [0x8100])),
                (1, ethernet(packet, kind, [0x88A8, 0x8100])),
                (1, ethernet(packet, kind) + bytes(30)),  # filled up to the shortest frame
                (113, cooked + struct.pack("!H", kind) + packet),
                (113, cooked + struct.pack("!HHH", 0x8100, 42, kind) + packet),
                (276, struct.pack("!H", kind) + cooked_2 + packet),
                *((number, packet) for number in (12, 14, 101, 228, 229)),
            ]
            for link_type, frame in cases:
                self.assertEqual(payload(link_type, frame), b"hello", (link_type, frame.hex()))

    def test_null_and_loop(self) -> None:
        for order in "<>":
            for link_type in (0, 108):
                self.assertEqual(payload(link_type, struct.pack(order + "I", 2) + HELLO4), b"hello")
                for family in (10, 24, 28, 30):
                    self.assertEqual(payload(link_type, struct.pack(order + "I", family) + HELLO6), b"hello")
                self.assertIsNone(payload(link_type, struct.pack(order + "I", 7) + HELLO4))

    def test_what_is_not_ip(self) -> None:
        for link_type in LINK_TYPES:
            for frame in (b"", b"\0", bytes(4), bytes(14), bytes(60)):
                self.assertIsNone(payload(link_type, frame))
        self.assertIsNone(payload(1, ethernet(HELLO4, 0x0806)))
        self.assertIsNone(payload(1, ethernet(b"", 0x8100)))  # a tag that is cut off


class NetworkLayer(unittest.TestCase):
    def test_ipv4(self) -> None:
        cases = [
            (ipv4(udp(b"hello"), options=b"\x01" * 4), b"hello"),
            (ipv4(udp(b"hello"), options=b"\x94\x04\0\0" * 10), b"hello"),
            (ipv4(udp(b"hello"), protocol=6), b""),
            (ipv4(udp(b"hello"), fragment=0x4000), b"hello"),  # do not fragment
            (ipv4(udp(b"hello"), fragment=0x2000), b"hello"),  # the first fragment
            (ipv4(udp(b"hello"), fragment=0x2001), b""),
            (ipv4(b"1234567"), b""),
            (b"\x44" + HELLO4[1:], b""),  # a header of 16 bytes
            (HELLO4[:2] + b"\0\0" + HELLO4[4:], b"hello"),  # length left to the network card
            (HELLO4 + b"trailer", b"hello"),
            (HELLO4[:-2], b"hel"),  # cut by the capture
            (HELLO4[:20], b""),
            (b"\x55" + HELLO4[1:], b""),  # version 5
        ]
        for packet, expected in cases:
            self.assertEqual(payload(1, ethernet(packet, 0x0800)), expected, packet.hex())

    def test_ipv6(self) -> None:
        hop_by_hop = bytes([43, 0]) + bytes(6)
        routing = bytes([60, 1]) + bytes(14)
        options = bytes([17, 0]) + bytes(6)
        cases = [
            (ipv6(hop_by_hop + routing + options + udp(b"hello"), protocol=0), b"hello"),
            (ipv6(bytes([17, 4]) + bytes(22) + udp(b"hello"), protocol=51), b"hello"),
            (ipv6(bytes([17, 0, 0, 1]) + bytes(4) + udp(b"hello"), protocol=44), b"hello"),  # first fragment
            (ipv6(bytes([17, 0, 0, 8]) + bytes(4) + udp(b"hello"), protocol=44), b""),
            (ipv6(udp(b"hello"), protocol=58), b""),
            (ipv6(b"", protocol=0), b""),
            (ipv6(bytes([0, 255]) + bytes(6), protocol=0), b""),  # points behind the end
            (HELLO6 + b"trailer", b"hello"),
            (HELLO6[:-2], b"hel"),
        ]
        for packet, expected in cases:
            self.assertEqual(payload(1, ethernet(packet, 0x86DD)), expected, packet.hex())

    def test_random_bytes_never_raise_nor_reach_outside(self) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        with self.subTest(seed=seed):
            for _ in range(3000):
                link_type = draw.choice(list(LINK_TYPES))
                frame = bytearray(draw.choice((ethernet(HELLO4, 0x0800), ethernet(HELLO6, 0x86DD), HELLO4, HELLO6)))
                for _ in range(draw.randrange(4)):
                    frame[draw.randrange(len(frame))] = draw.randrange(256)
                data = bytes(frame[: draw.randrange(len(frame) + 1)])
                network = LINK_TYPES[link_type](data, 0, len(data))
                if network != NOT_IP:
                    found = find_udp(data, network, len(data))
                    if found:
                        self.assertTrue(max(found.start, found.end) <= len(data), (link_type, data.hex()))


if __name__ == "__main__":
    unittest.main()
