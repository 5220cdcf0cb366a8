"""pcapng: byte orders, several sections and interfaces, units of time, damage."""

from __future__ import annotations

import io
import struct
import unittest

from rtpp.recording.pcapng import PcapngReader
from rtpp.recording.reading import Record, RecordingError, Window
from tests.recording.captures import block, ethernet, interface, ipv4, packet_block, section, udp

FRAME = ethernet(ipv4(udp(b"hello")), 0x0800)
MICROSECONDS = 1_700_000_000_250_000


def read(data: bytes) -> tuple[list[Record], str]:
    """Records and the error at the end, empty when there is none."""
    records = []
    try:
        for record in PcapngReader(Window(io.BytesIO(data))):
            records.append(record)
    except RecordingError as error:
        return records, str(error)
    return records, ""


class Reading(unittest.TestCase):
    def test_byte_orders(self) -> None:
        for order in "<>":
            data = section(order) + interface(order) + packet_block(order, MICROSECONDS, FRAME) * 2
            records, error = read(data)
            self.assertEqual(error, "")
            self.assertEqual([(r.time, r.payload) for r in records], [(1_700_000_000.25, b"hello")] * 2)
            for record in records:
                self.assertEqual(data[record.offset : record.offset + 5], b"hello")

    def test_a_second_section_may_have_another_order_and_other_interfaces(self) -> None:
        data = section("<") + interface("<") + packet_block("<", MICROSECONDS, FRAME)
        data += section(">") + interface(">", link_type=101) + packet_block(">", MICROSECONDS, FRAME[14:])
        records, error = read(data)
        self.assertEqual(([r.payload for r in records], error), ([b"hello"] * 2, ""))

    def test_units_of_time(self) -> None:
        seconds = 1_700_000_000
        for resolution, units in ((3, 10**3), (9, 10**9), (0x80 | 10, 1 << 10)):
            data = section() + interface("<", resolution=resolution) + packet_block("<", seconds * units, FRAME)
            self.assertEqual(read(data)[0][0].time, seconds)
        data = section() + interface("<", offset=seconds) + packet_block("<", 1_500_000, FRAME)
        self.assertEqual(read(data)[0][0].time, seconds + 1.5)

    def test_other_kinds_of_packets(self) -> None:
        old = struct.pack("<HHIIII", 0, 0, MICROSECONDS >> 32, MICROSECONDS & 0xFFFFFFFF, len(FRAME), len(FRAME))
        simple = struct.pack("<I", len(FRAME))
        data = section() + interface("<") + block("<", 2, old + FRAME) + block("<", 3, simple + FRAME)
        records, error = read(data)
        self.assertEqual(([(r.time, r.payload) for r in records], error), ([(1_700_000_000.25, b"hello")] * 2, ""))

    def test_unknown_blocks_are_stepped_over(self) -> None:
        noise = block("<", 4, bytes(100)) + block("<", 0x0BAD, bytes(1 << 19))
        records, error = read(section() + noise + interface("<") + noise + packet_block("<", 0, FRAME) + noise)
        self.assertEqual((len(records), error), (1, ""))

    def test_unknown_link_types(self) -> None:
        two = section() + interface("<", link_type=220) + interface("<")
        records, error = read(two + packet_block("<", 0, FRAME, 0) + packet_block("<", 0, FRAME, 1))
        self.assertEqual((len(records), error), (1, ""))
        records, error = read(two + packet_block("<", 0, FRAME, 0))
        self.assertEqual((len(records), error), (0, "unsupported data-link type in the PCAP: 220"))

    def test_damage(self) -> None:
        start = section() + interface("<") + packet_block("<", 0, FRAME)
        good = packet_block("<", 0, FRAME)
        cases = [
            start + good[:-1],
            start + good[:11],
            start + good[:4] + struct.pack("<I", 11) + good[8:],
            start + good[:4] + struct.pack("<I", 0xFFFFFFFC) + good[8:],
            start + good[:20] + struct.pack("<I", 0xFFFFFFFF) + good[24:],  # captured length
            start + packet_block("<", 0, FRAME, number=1),  # no such interface
            start + block("<", 6, bytes(16)),
            start + block("<", 1, bytes(4)),
            start + block("<", 5, bytes(1000))[:-1],
        ]
        for data in cases:
            records, error = read(data)
            self.assertEqual((len(records), error), (1, "broken or truncated PCAP file"), data.hex())
        self.assertEqual(read(section()[:8] + b"abcd" + bytes(20)), ([], "invalid PCAP format"))


if __name__ == "__main__":
    unittest.main()
