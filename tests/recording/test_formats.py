"""Choosing a reader, surveys of damaged files, and random damage to every format."""

from __future__ import annotations

import io
import os
import random
import tempfile
import tracemalloc
import unittest

from rtpp.recording.formats import open_recording, survey
from rtpp.recording.reading import RecordingError
from tests.recording.captures import (
    CALLER6,
    START,
    adhoc,
    ethernet,
    interface,
    ipv4,
    ipv6,
    packet_block,
    pcap,
    pcap_file,
    rtp,
    section,
    udp,
)

PACKETS = [(START + n * 0.02, rtp(n, n * 160, bytes([n]) * 20)) for n in range(8)]
EXAMPLES = {
    "ad-hoc": adhoc(PACKETS),
    "ad-hoc, IPv6": adhoc(PACKETS, CALLER6),
    "pcap": pcap(PACKETS),
    "pcap, big-endian": pcap_file([(t, ethernet(ipv4(udp(p)), 0x0800, [0x8100])) for t, p in PACKETS], order=">"),
    "pcap, raw": pcap_file([(t, ipv6(udp(p))) for t, p in PACKETS], link_type=101, nanoseconds=True),
    "pcapng": section()
    + interface("<")
    + b"".join(packet_block("<", int(t * 1e6), ethernet(ipv4(udp(p)), 0x0800)) for t, p in PACKETS),
}


class Choosing(unittest.TestCase):
    def test_by_content(self) -> None:
        for name, data in EXAMPLES.items():
            reader = open_recording(io.BytesIO(data))
            self.assertEqual(reader.name, name.partition(",")[0])
            self.assertEqual([record.payload for record in reader], [packet for _, packet in PACKETS])
            self.assertEqual((reader.packets, reader.whole_bytes), (len(PACKETS), len(data)))

    def test_an_empty_file(self) -> None:
        with self.assertRaisesRegex(RecordingError, "empty"):
            open_recording(io.BytesIO(b""))


class Surveys(unittest.TestCase):
    def survey(self, data: bytes) -> tuple[str, int, int, bool]:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "recording")
            with open(path, "wb") as file:
                file.write(data)
            result = survey(path)
        self.assertEqual(result.size, len(data))
        return result.format, result.packets, result.whole_bytes, result.error is None

    def test_a_file_cut_anywhere_is_good_up_to_its_last_whole_record(self) -> None:
        for name, header, size in (("ad-hoc", 0, 62), ("pcap", 24, 90)):
            data = EXAMPLES[name]
            for length in range(header + 1, len(data) + 1):
                whole, rest = divmod(length - header, size)
                expected = (name, whole, header + whole * size, rest == 0)
                self.assertEqual(self.survey(data[:length]), expected, length)

    def test_what_is_no_recording(self) -> None:
        self.assertEqual(self.survey(b""), ("unknown", 0, 0, False))
        self.assertEqual(self.survey(EXAMPLES["pcap"][:20]), ("unknown", 0, 0, False))

    def test_no_such_file(self) -> None:
        with self.assertRaises(OSError):
            survey("/nonexistent/recording")


class RandomDamage(unittest.TestCase):
    def test_readers_end_with_a_recording_error_or_not_at_all(self) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        with self.subTest(seed=seed):
            for round_number in range(1500):
                name = draw.choice(list(EXAMPLES))
                data = bytearray(EXAMPLES[name])
                for _ in range(draw.randrange(1, 6)):
                    at = draw.randrange(4 if round_number % 10 else 0, len(data))
                    change = draw.randrange(4)
                    if change == 0:
                        del data[at:]
                        break
                    if change == 1:
                        data[at:at] = draw.randbytes(draw.randrange(1, 40))
                    elif change == 2:
                        del data[at : at + draw.randrange(40)]
                    else:
                        data[at] = draw.randrange(256)
                    if len(data) < 5:
                        break
                try:
                    reader = open_recording(io.BytesIO(bytes(data)))
                    for record in reader:
                        self.assertEqual(record.payload, data[record.offset : record.offset + len(record.payload)])
                        self.assertGreaterEqual(record.time, 0)
                    self.assertLessEqual(reader.whole_bytes, len(data))
                except RecordingError as error:
                    self.assertTrue(str(error))

    def test_noise(self) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        with self.subTest(seed=seed):
            for start in (b"", b"\2\0", b"\xd4\xc3\xb2\xa1\2\0\4\0", b"\x0a\x0d\x0d\x0a"):
                for size in (1, 40, 5000):
                    try:
                        list(open_recording(io.BytesIO(start + draw.randbytes(size))))
                    except RecordingError as error:
                        self.assertTrue(str(error))


class Memory(unittest.TestCase):
    def test_a_file_of_any_size_is_read_in_a_few_windows(self) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(EXAMPLES["pcap"][:24])
            for _ in range(40):
                file.write(EXAMPLES["pcap"][24:] * 100)
            file.seek(0)
            reader = open_recording(file)
            tracemalloc.start()
            try:
                count = sum(1 for _ in reader)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        self.assertEqual(count, 32_000)
        self.assertLess(peak, 1_500_000)  # of 2.9 MB


if __name__ == "__main__":
    unittest.main()
