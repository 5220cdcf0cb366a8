"""The ad-hoc format: the bytes on disk, and everything a reader may meet."""

from __future__ import annotations

import io
import socket
import struct
import unittest

from rtpp.recording.adhoc import AdhocReader
from rtpp.recording.formats import ADHOC
from rtpp.recording.reading import Record, RecordingError, Window
from tests.recording.captures import CALLER, CALLER6, PROXY, START, adhoc, rtp


def read(data: bytes) -> tuple[list[Record], str]:
    """Records and the error at the end, empty when there is none."""
    records = []
    try:
        for record in AdhocReader(Window(io.BytesIO(data))):
            records.append(record)
    except RecordingError as error:
        return records, str(error)
    return records, ""


class Writing(unittest.TestCase):
    def test_ipv4_record_is_as_documented(self) -> None:
        packet = bytes.fromhex("80000001000000a011223344") + b"\xd5" * 20
        time = struct.unpack("<d", bytes.fromhex("e8a14d7c09c1da41"))[0]
        record = ADHOC.record(packet, ("127.0.0.1", 53884), PROXY, socket.AF_INET, time, 0)
        header = "0200d27c7f000001000000000000000000000000e8a14d7c09c1da412000"
        self.assertEqual(record.hex(), header + packet.hex())

    def test_ipv6_record(self) -> None:
        record = ADHOC.record(b"x", ("::1", 58689, 0, 0), ("::1", 1, 0, 0), socket.AF_INET6, 0.0, 0)
        self.assertEqual(record.hex(), "0a00e541" + 15 * "00" + "01" + 8 * "00" + "0100" + "78")

    def test_a_scope_is_left_out(self) -> None:
        plain, scoped = (
            ADHOC.record(b"x", (host, 1, 0, 2), PROXY, socket.AF_INET6, 0.0, 0) for host in ("fe80::1", "fe80::1%eth0")
        )
        self.assertEqual(plain, scoped)

    def test_every_payload_size(self) -> None:
        for size in (0, 1, 8192):
            record = ADHOC.record(bytes(size), CALLER, PROXY, socket.AF_INET, START, 0)
            self.assertEqual(len(record), 30 + size)


class Reading(unittest.TestCase):
    def test_what_was_written_comes_back(self) -> None:
        for source in (CALLER, CALLER6):
            packets = [(START + n * 0.02, rtp(n, n * 160, bytes([n]) * n)) for n in range(50)]
            records, error = read(adhoc(packets, source))
            self.assertEqual(error, "")
            self.assertEqual([(record.time, record.payload) for record in records], packets)
            self.assertEqual({record.source for record in records}, {source})

    def test_offset_is_where_the_payload_lies(self) -> None:
        data = adhoc([(START + n, rtp(n, n, b"%d" % n)) for n in range(5)])
        for record in read(data)[0]:
            self.assertEqual(data[record.offset : record.offset + len(record.payload)], record.payload)

    def test_a_recording_from_a_big_endian_machine(self) -> None:
        packet = rtp(1, 160, b"abc")
        data = struct.pack(">HH4s12xdH", 2, 5004, socket.inet_aton("192.0.2.1"), START, len(packet)) + packet
        records, error = read(data * 2)
        self.assertEqual(error, "")
        self.assertEqual([(r.time, r.payload, r.source) for r in records], [(START, packet, CALLER)] * 2)

    def test_ipv6_numbers_of_other_systems(self) -> None:
        data = bytearray(adhoc([(START, rtp(1, 1, b""))], CALLER6))
        for family in (23, 24, 28, 30):
            data[0] = family
            records, error = read(bytes(data))
            self.assertEqual((records[0].source, error), (CALLER6, ""))

    def test_damage(self) -> None:
        whole = adhoc([(START, rtp(1, 160, b"abc")), (START, rtp(2, 320, b"def"))])
        size = len(whole) // 2
        cases = [
            (whole[:-1], 1, "input file truncated, 1 bytes are missing"),
            (whole[: size + 30], 1, "input file truncated, 15 bytes are missing"),
            (whole[: size + 29], 1, "invalid format"),
            (whole + b"\2", 2, "invalid format"),
            (whole + bytes(100), 2, "invalid format"),
            (whole[:size] + b"\3\0" + whole[size + 2 :], 1, "invalid format"),
            (whole[:size] + whole[size : size + 20] + b"\xff" * 8 + whole[size + 28 :], 1, "invalid format"),
        ]
        for data, count, text in cases:
            records, error = read(data)
            self.assertEqual((len(records), error), (count, text))

    def test_short_datagrams_are_read_but_not_counted(self) -> None:
        reader = AdhocReader(Window(io.BytesIO(adhoc([(START, bytes(size)) for size in (0, 11, 12, 13)]))))
        self.assertEqual(len(list(reader)), 4)
        self.assertEqual(reader.packets, 2)


if __name__ == "__main__":
    unittest.main()
