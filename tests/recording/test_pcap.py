"""pcap: the bytes that are written, and files from other programs."""

from __future__ import annotations

import io
import socket
import unittest

from rtpp.recording.formats import PCAP
from rtpp.recording.pcap import PcapReader
from rtpp.recording.reading import Record, RecordingError, Window
from tests.recording.captures import (
    CALLER,
    CALLER6,
    PROXY,
    PROXY6,
    START,
    ethernet,
    ipv4,
    ipv6,
    pcap,
    pcap_file,
    rtp,
    udp,
)


def read(data: bytes) -> tuple[list[Record], str, int]:
    """Records, the error at the end (empty: none) and the number of IP packets."""
    records: list[Record] = []
    try:
        reader = PcapReader(Window(io.BytesIO(data)))
    except RecordingError as error:
        return records, str(error), 0
    try:
        for record in reader:
            records.append(record)
    except RecordingError as error:
        return records, str(error), reader.packets
    return records, "", reader.packets


class Writing(unittest.TestCase):
    def test_file_header(self) -> None:
        self.assertEqual(PCAP.file_header.hex(), "d4c3b2a1" "0200" "0400" "00000000" "00000000" "ffff0000" "01000000")

    def test_record_is_as_documented(self) -> None:
        packet = bytes.fromhex("80000001000000a011223344") + b"\xd5" * 20
        time = 0x6B0425F3 + 0.284575
        record = PCAP.record(packet, ("127.0.0.1", 37891), ("127.0.0.1", 21002), socket.AF_INET, time, 0)
        headers = (
            "f325046b9f5704004a0000004a000000"
            "00007f000001" "00007f000001" "0800"
            "4500003c00000000" "7f113daf" "7f000001" "7f000001"
            "9403520a0028fc2b"
        )  # fmt: skip
        self.assertEqual(record.hex(), headers + packet.hex())

    def test_overhead(self) -> None:
        for payload in (b"", bytes(8192)):
            self.assertEqual(len(PCAP.record(payload, CALLER, PROXY, socket.AF_INET, START, 0)), 58 + len(payload))
            self.assertEqual(len(PCAP.record(payload, CALLER6, PROXY6, socket.AF_INET6, START, 0)), 78 + len(payload))

    def test_identification_is_that_of_the_caller_and_wraps(self) -> None:
        for number, expected in ((0, "0000"), (0x1234, "1234"), (0x10001, "0001")):
            record = PCAP.record(b"", CALLER, PROXY, socket.AF_INET, START, number)
            self.assertEqual(record[34:36].hex(), expected)

    def test_times_keep_their_microseconds(self) -> None:
        for microsecond in (0, 1, 2, 499_999, 500_000, 999_998, 999_999):
            record = PCAP.record(b"", CALLER, PROXY, socket.AF_INET, 1_700_000_000 + microsecond / 1e6, 0)
            self.assertEqual(int.from_bytes(record[:4], "little"), 1_700_000_000)
            self.assertEqual(int.from_bytes(record[4:8], "little"), microsecond)
        record = PCAP.record(b"", CALLER, PROXY, socket.AF_INET, 1_699_999_999.9999998, 0)
        self.assertEqual(record[:8].hex(), PCAP.record(b"", CALLER, PROXY, socket.AF_INET, 1.7e9, 0)[:8].hex())


class Reading(unittest.TestCase):
    def test_what_was_written_comes_back(self) -> None:
        packets = [(START + n * 0.02, rtp(n, n * 160, bytes([n]) * n)) for n in range(60)]
        data = pcap(packets)
        records, error, count = read(data)
        self.assertEqual((error, count), ("", 60))
        for record, (time, packet) in zip(records, packets):
            self.assertAlmostEqual(record.time, time, delta=1e-6)
            self.assertEqual((record.payload, record.source, record.destination), (packet, CALLER, PROXY))
            self.assertEqual(data[record.offset : record.offset + len(packet)], packet)

    def test_ipv6_comes_back(self) -> None:
        data = PCAP.file_header + PCAP.record(b"hello", CALLER6, PROXY6, socket.AF_INET6, START, 0)
        (record,), error, _ = read(data)
        self.assertEqual(tuple(record), (START, b"hello", 24 + 78, CALLER6, PROXY6))
        self.assertEqual(error, "")

    def test_byte_orders_and_units(self) -> None:
        time = 1_700_000_000.25
        frame = ethernet(ipv4(udp(b"hello")), 0x0800)
        for order in "<>":
            for nanoseconds in (False, True):
                data = pcap_file([(time, frame)] * 3, order=order, nanoseconds=nanoseconds)
                records, error, _ = read(data)
                self.assertEqual([(r.time, r.payload) for r in records], [(time, b"hello")] * 3)
                self.assertEqual(error, "")

    def test_what_is_not_udp_is_passed_over(self) -> None:
        frames = [
            ethernet(bytes(28), 0x0806),  # ARP
            ethernet(ipv4(bytes(20), protocol=6), 0x0800),  # TCP: counted, no datagram
            ethernet(ipv6(bytes(20), protocol=58), 0x86DD),
            ethernet(b"", 0x0800),  # nothing captured of it
            ethernet(ipv4(udp(b"hello")), 0x0800),
            b"\0",
        ]
        records, error, count = read(pcap_file([(START, frame) for frame in frames]))
        self.assertEqual(([r.payload for r in records], error, count), ([b"hello"], "", 4))

    def test_headers_that_are_refused(self) -> None:
        good = pcap_file([])
        cases = [
            (good[:23], "invalid PCAP format"),
            (good[:4], "invalid PCAP format"),
            (pcap_file([], version=(2, 3)), "unsupported version of the PCAP: 2.3"),
            (pcap_file([], version=(1, 4), order=">"), "unsupported version of the PCAP: 1.4"),
            (pcap_file([], link_type=105), "unsupported data-link type in the PCAP: 105"),
        ]
        for data, text in cases:
            self.assertEqual(read(data), ([], text, 0))
        self.assertEqual(read(good), ([], "", 0))
        self.assertEqual(read(pcap_file([], link_type=1 | 0x14000000)), ([], "", 0))  # frames with check sequences

    def test_damage(self) -> None:
        frame = ethernet(ipv4(udp(b"hello")), 0x0800)
        whole = pcap_file([(START, frame), (START, frame)])
        size = 16 + len(frame)
        huge = whole[:-size] + b"\0" * 8 + b"\xff\xff\xff\x7f" * 2 + frame
        for data in (whole[:-1], whole[: 24 + size + 16], whole[: 24 + size + 15], whole[: 24 + size + 1], huge):
            records, error, _ = read(data)
            self.assertEqual((len(records), error), (1, "broken or truncated PCAP file"))
        records, error, _ = read(whole + bytes(4096))  # a disk that lost power
        self.assertEqual((len(records), error), (2, "broken or truncated PCAP file"))


if __name__ == "__main__":
    unittest.main()
