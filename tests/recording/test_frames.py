"""Made-up headers: addresses, lengths, and checksums that hold for every payload."""

from __future__ import annotations

import random
import socket
import struct
import unittest

from rtpp.recording.frames import Flow, lay_out


def words(data: bytes) -> int:
    """The ones' complement sum of RFC 1071, word by word; 0xFFFF when the data holds its own checksum."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def frame(flow: Flow, payload: bytes, identification: int = 0) -> bytes:
    return lay_out((flow,), (payload,), ((0, 0),), iter((identification,)))[16:]


class Checksums(unittest.TestCase):
    def check_ipv4(self, frame: bytes) -> None:
        header, content = frame[14:34], frame[34:]
        self.assertEqual(words(header), 0xFFFF)
        self.assertEqual(words(header[12:20] + struct.pack("!HH", 17, len(content)) + content), 0xFFFF)
        self.assertNotEqual(content[6:8], b"\0\0")

    def check_ipv6(self, frame: bytes) -> None:
        header, content = frame[14:54], frame[54:]
        self.assertEqual(words(header[8:40] + struct.pack("!II", len(content), 17) + content), 0xFFFF)
        self.assertNotEqual(content[6:8], b"\0\0")

    def test_random_payloads_and_addresses(self) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        with self.subTest(seed=seed):
            for _ in range(300):
                payload = draw.randbytes(draw.choice((0, 1, 2, 3, 12, 172, 173, 1500, 8192)))
                ports = draw.randrange(65536), draw.randrange(65536)
                hosts = [socket.inet_ntop(socket.AF_INET, draw.randbytes(4)) for _ in ports]
                flow = Flow((hosts[0], ports[0]), (hosts[1], ports[1]), socket.AF_INET)
                self.check_ipv4(frame(flow, payload, draw.randrange(1 << 40)))
                hosts = [socket.inet_ntop(socket.AF_INET6, draw.randbytes(16)) for _ in ports]
                flow = Flow((hosts[0], ports[0], 0, 0), (hosts[1], ports[1], 0, 0), socket.AF_INET6)
                self.check_ipv6(frame(flow, payload))

    def test_sums_that_are_zero(self) -> None:
        # for one pair of payload bytes the sum is 0xFFFF, whose complement must not be sent as 0
        flow = Flow(("192.0.2.1", 1), ("192.0.2.2", 2), socket.AF_INET)
        flow6 = Flow(("::1", 1), ("::2", 2), socket.AF_INET6)
        for value in range(65536):
            payload = value.to_bytes(2, "big")
            checksum = frame(flow, payload)[40:42]
            if checksum == b"\xff\xff":
                self.check_ipv4(frame(flow, payload))
                break
        else:
            self.fail("no payload whose sum is zero")
        for value in range(65536):
            made = frame(flow6, value.to_bytes(2, "big"))
            if made[60:62] == b"\xff\xff":
                self.check_ipv6(made)
                return
        self.fail("no payload whose sum is zero")

    def test_ip_checksum_over_every_identification(self) -> None:
        flow = Flow(("255.255.255.255", 65535), ("127.0.0.1", 65535), socket.AF_INET)
        for number in range(0, 65536, 7):
            self.assertEqual(words(frame(flow, b"", number)[14:34]), 0xFFFF)


class Fields(unittest.TestCase):
    def test_ethernet_addresses(self) -> None:
        flow = Flow(("1.2.3.4", 1), ("5.6.7.8", 2), socket.AF_INET)
        self.assertEqual(flow.ethernet.hex(), "000005060708" + "000001020304" + "0800")
        flow = Flow(("::1", 1), ("0102:0304:0506:0708:090a:0b0c:0d0e:0f10", 2), socket.AF_INET6)
        folded = bytes((1 ^ 7 ^ 13, 2 ^ 8 ^ 14, 3 ^ 9 ^ 15, 4 ^ 10 ^ 16, 5 ^ 11, 6 ^ 12))
        self.assertEqual(flow.ethernet.hex(), folded.hex() + "000000010000" + "86dd")

    def test_ipv6_header(self) -> None:
        made = frame(Flow(("::1", 7), ("::2", 8), socket.AF_INET6), b"abc")
        self.assertEqual(made[14:22].hex(), "60000000" + "000b" + "11" + "40")
        self.assertEqual(made[54:60].hex(), "0007" + "0008" + "000b")

    def test_hosts_that_are_no_literals(self) -> None:
        for host, family in (("::1", socket.AF_INET), ("1.2.3.4", socket.AF_INET6), ("localhost", socket.AF_INET)):
            with self.assertRaises(OSError):
                Flow((host, 1), (host, 2), family)


if __name__ == "__main__":
    unittest.main()
