"""Which sample is heard when: order, gaps, pauses, several sources, both sides."""

from __future__ import annotations

import unittest

from tests.recording.captures import (
    START,
    ethernet,
    interface,
    ipv4,
    ipv6,
    packet_block,
    pcap_file,
    rtp,
    section,
    udp,
)
from tests.tools.extracting import FRAME, LOUD_SAMPLE, ExtractingCase, runs, stream

QUIET = b"\xef"  # mu-law 132
QUIET_SAMPLE = 132


class Order(ExtractingCase):
    def test_reordered_and_repeated_packets(self) -> None:
        packets = [(START + n * 0.02, rtp(n, n * FRAME, bytes([0x80 + n]) * FRAME)) for n in range(4)]
        expected = self.extract_packets(packets)
        self.assertEqual(len(expected), 640)
        self.assertEqual(len(runs(expected)), 4)
        for order in ((1, 0, 2, 3), (0, 2, 1, 3), (0, 1, 3, 2), (3, 2, 1, 0), (0, 1, 1, 2, 3), (0, 2, 1, 2, 3, 0)):
            mixed_up = [(START + n * 0.02, packets[which][1]) for n, which in enumerate(order)]
            self.assertEqual(self.extract_packets(mixed_up), expected, order)

    def test_numbers_that_wrap(self) -> None:
        packets = [
            (START + n * 0.02, rtp(65530 + n, (1 << 32) - 5 * FRAME + n * FRAME, bytes([0x80 + n]) * FRAME))
            for n in range(12)
        ]
        expected = [0x80 + n for n in range(12)]
        self.assertEqual(len(runs(self.extract_packets(packets))), len(expected))
        del packets[5]  # the first after the wrap of the timestamps
        samples = self.extract_packets(packets)
        self.assertEqual((len(samples), runs(samples)[5]), (12 * FRAME, (0, FRAME)))

    def test_one_source_in_both_files_is_one_channel(self) -> None:
        packets = stream(50)
        a, b = self.save_packets("a", packets[::2]), self.save_packets("b", packets)
        samples = self.extract("-s", "-A", a, "-B", b)
        self.assertEqual(runs(samples[::2]), [(LOUD_SAMPLE, 50 * FRAME)])
        self.assertEqual(runs(samples[1::2]), [(0, 50 * FRAME)])


class Gaps(ExtractingCase):
    def test_a_lost_packet(self) -> None:
        packets = stream(5)
        del packets[2]
        self.assertEqual(
            runs(self.extract_packets(packets)),
            [(LOUD_SAMPLE, 2 * FRAME), (0, FRAME), (LOUD_SAMPLE, 2 * FRAME)],
        )
        self.assertEqual(runs(self.extract_packets(packets, "-n")), [(LOUD_SAMPLE, 4 * FRAME)])

    def test_a_pause_with_continuous_timestamps(self) -> None:
        packets = [*stream(2), (START + 1.0, rtp(2, 2 * FRAME, b"\x80" * FRAME))]
        # half of what is missing, 3840 + 1920 + 960, until the rest is below 0.2 s
        expected = [(LOUD_SAMPLE, 2 * FRAME), (0, 6720), (LOUD_SAMPLE, FRAME)]
        self.assertEqual(runs(self.extract_packets(packets)), expected)
        self.assertEqual(runs(self.extract_packets(packets, "-n")), [(LOUD_SAMPLE, 3 * FRAME)])

    def test_a_pause_with_matching_timestamps(self) -> None:
        packets = [*stream(2), (START + 1.0, rtp(2, 8000, b"\x80" * FRAME))]
        self.assertEqual(runs(self.extract_packets(packets)), [(LOUD_SAMPLE, 320), (0, 7680), (LOUD_SAMPLE, 160)])

    def test_timestamps_that_are_not_credible(self) -> None:
        packets = [*stream(2), (START + 0.04, rtp(2, 3000000000, b"\x80" * FRAME))]
        packets += [(START + 0.06, rtp(3, 3_000_000_000 + FRAME, b"\x80" * FRAME))]
        self.assertEqual(runs(self.extract_packets(packets)), [(LOUD_SAMPLE, 4 * FRAME)])

    def test_a_clock_that_was_set_is_no_pause(self) -> None:
        packets = stream(2) + stream(2, first=2, start=1e9)
        self.assertEqual(runs(self.extract_packets(packets)), [(LOUD_SAMPLE, 4 * FRAME)])
        other = self.save_packets("b", stream(4, ssrc=2, start=-1e9))
        samples = self.extract("-s", "-A", self.save_packets("a", packets), "-B", other)
        self.assertEqual(len(samples), 2 * 4 * FRAME)

    def test_telephone_events_are_not_audio(self) -> None:
        packets = stream(4)
        packets.insert(2, (START + 0.03, rtp(100, 320, bytes(4), 101)))
        self.assertEqual(runs(self.extract_packets(packets)), [(LOUD_SAMPLE, 4 * FRAME)])

    def test_packets_that_cannot_be_decoded(self) -> None:
        g723 = [(START + n * 0.03, rtp(n, n * 240, bytes(24), 4)) for n in range(10)]
        self.assertEqual(runs(self.extract_packets(g723)), [(0, 2160)])
        events = stream(3, payload_type=96)
        self.assertEqual(len(self.extract_packets(stream(1) + events + stream(1, first=1, start=0.02))), 2 * FRAME)

    def test_the_largest_packet(self) -> None:
        packets = [(START, rtp(0, 0, b"\x80" * 5000))]
        self.assertEqual(runs(self.extract_packets(packets)), [(LOUD_SAMPLE, 4096)])


class Mixing(ExtractingCase):
    def test_a_lone_side_is_halved(self) -> None:
        path = self.save_packets("a", stream(3))
        self.assertEqual(runs(self.extract("-A", path)), [(16062, 480)])
        self.assertEqual(runs(self.extract("-B", path)), [(16062, 480)])

    def test_halves_are_rounded_towards_zero(self) -> None:
        # A-law 0xD5 and 0x55 are 8 and -8, mu-law 0xFE and 0x7E 8 and -8, 0xFF and 0x7F 2 and -2
        for code, other, expected in (
            (b"\xff", b"\xff", 2),
            (b"\x7f", b"\xff", 0),
            (b"\x7e", b"\xff", -3),
            (b"\xfe", b"\x7f", 3),
            (b"\x80", b"\x80", 32124),
            (b"\x00", b"\x00", -32124),
        ):
            a = self.save_packets("a", stream(1, code=code, ssrc=1))
            b = self.save_packets("b", stream(1, code=other, ssrc=2))
            self.assertEqual(runs(self.extract("-A", a, "-B", b)), [(expected, FRAME)])

    def test_sides_start_when_they_started(self) -> None:
        a = self.save_packets("a", stream(10, ssrc=1))
        b = self.save_packets("b", stream(3, ssrc=2, start=0.100001, code=QUIET))
        samples = self.extract("-s", "-A", a, "-B", b)
        self.assertEqual(runs(samples[::2]), [(LOUD_SAMPLE, 1600)])
        self.assertEqual(runs(samples[1::2]), [(0, 800), (QUIET_SAMPLE, 480), (0, 320)])
        samples = self.extract("-n", "-s", "-A", a, "-B", b)
        self.assertEqual(runs(samples[1::2]), [(QUIET_SAMPLE, 480), (0, 1120)])

    def test_two_sources_on_one_side(self) -> None:
        packets = stream(3, ssrc=1) + stream(3, ssrc=2, start=0.010001, code=QUIET)
        samples = self.extract_packets(packets)
        both = (LOUD_SAMPLE + QUIET_SAMPLE) // 2
        self.assertEqual(runs(samples), [(LOUD_SAMPLE, 80), (both, 400), (QUIET_SAMPLE, 80)])
        result = self.run_tool("-F", "raw", "-D", "pcm_16", "-A", self.path("a"), self.out)
        self.assertIn("samples decoded: O: 0, A: 960, written: 280\n", result.errors)
        one_by_one = self.extract_packets(packets, "-n")
        self.assertEqual(runs(one_by_one), [(LOUD_SAMPLE, 480), (QUIET_SAMPLE, 480)])

    def test_a_long_wait_between_sources(self) -> None:
        packets = stream(1, ssrc=1) + stream(1, ssrc=2, start=10.00001)
        self.assertEqual(runs(self.extract_packets(packets)), [(LOUD_SAMPLE, 160), (0, 79840), (LOUD_SAMPLE, 160)])


class Formats(ExtractingCase):
    def test_every_capture_gives_the_same_audio(self) -> None:
        packets = [(time, data) for time, data in stream(20)]
        v4 = [(time, ethernet(ipv4(udp(data), options=bytes(4)), 0x0800, [0x8100])) for time, data in packets]
        v6 = [(time, ethernet(ipv6(udp(data)), 0x86DD)) for time, data in packets]
        captures = [
            pcap_file(v4),
            pcap_file(v4, order=">"),
            pcap_file(v6, nanoseconds=True),
            pcap_file([(time, b"\2\0\0\0" + ipv4(udp(data))) for time, data in packets], link_type=0),
            pcap_file([(time, ipv6(udp(data))) for time, data in packets], link_type=101),
            section(">") + interface(">") + b"".join(packet_block(">", int(t * 1e6), frame) for t, frame in v4),
        ]
        for data in captures:
            samples = self.extract("-A", self.save("a", data))
            self.assertEqual(runs(samples), [(LOUD_SAMPLE // 2, 20 * FRAME)])


if __name__ == "__main__":
    unittest.main()
