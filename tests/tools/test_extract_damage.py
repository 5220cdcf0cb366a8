"""Damaged and hostile recordings: a message and an exit code, never a traceback, never a huge output."""

from __future__ import annotations

import os
import random
import unittest

from tests.recording.captures import (
    START,
    adhoc,
    ethernet,
    interface,
    ipv4,
    packet_block,
    pcap,
    pcap_file,
    rtp,
    section,
    udp,
)
from tests.tools.extracting import FRAME, ExtractingCase, stream


class Damage(ExtractingCase):
    def examples(self) -> dict[str, bytes]:
        packets = stream(6) + stream(6, ssrc=2, start=0.05, payload_type=8)
        frames = [(time, ethernet(ipv4(udp(data)), 0x0800)) for time, data in packets]
        return {
            "ad-hoc": adhoc([(time, data + bytes(20)) for time, data in packets]),
            "pcap": pcap([(time, data + bytes(20)) for time, data in packets]),
            "big-endian": pcap_file(frames, order=">"),
            "pcapng": section() + interface("<") + b"".join(packet_block("<", int(t * 1e6), f) for t, f in frames),
        }

    def damage(self, draw: random.Random, data: bytearray) -> None:
        for _ in range(draw.randrange(1, 8)):
            at = draw.randrange(len(data))
            change = draw.randrange(10)
            if change == 0:
                del data[at:]
            elif change == 1:
                data[at:at] = draw.randbytes(draw.randrange(1, 40))
            elif change == 2:
                del data[at : at + draw.randrange(1, 60)]
            else:
                data[at] = draw.randrange(256)
            if not data:
                return

    def check(self, *arguments: str) -> None:
        result = self.run_tool("-F", "raw", "-D", "pcm_16", *arguments, self.out)
        self.assertIn(result.status, (0, 1), result.errors)
        self.assertEqual(result.status == 1, "cannot load" in result.errors)
        if os.path.exists(self.out):
            self.assertEqual(result.status, 0)
            os.remove(self.out)

    def test_random_damage(self) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        examples = self.examples()
        with self.subTest(seed=seed):
            for _ in range(250):
                data = bytearray(examples[draw.choice(list(examples))])
                self.damage(draw, data)
                path = self.save("a", bytes(data))
                # a time that is wrong by less than a day is silence, gigabytes of it: not here
                self.check("-n", *draw.choice(([], ["-s"])), draw.choice(("-A", "-B")), path)
                self.assertEqual(self.run_tool("-S", "-A", path).status, 0)

    def test_random_packets_on_time(self) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        with self.subTest(seed=seed):
            for _ in range(150):
                packets = []
                for time, packet in stream(8):
                    data = bytearray(packet)
                    if draw.randrange(2):
                        data[draw.randrange(12)] = draw.randrange(256)
                    size, shift = draw.choice((172, 172, 20, 12, 5)), draw.choice((0, 0, 0.5, -0.3))
                    packets.append((time + shift, bytes(data[:size])))
                self.check("-A", self.save_packets("a", packets), "-B", self.save_packets("b", stream(3, ssrc=3)))
                self.assertFalse(os.path.exists(self.out))

    def test_noise(self) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        with self.subTest(seed=seed):
            for size in (1, 2, 3, 4, 29, 30, 31, 1000, 100_000):
                self.check("-A", self.save("a", draw.randbytes(size)))

    def test_every_length(self) -> None:
        for data in (adhoc(stream(2)), pcap(stream(2))):
            for length in range(1, len(data)):
                result = self.run_tool("-S", "-A", self.save("a", data[:length]))
                self.assertEqual(result.status, 0)

    def test_thousands_of_sources(self) -> None:
        packets = [(START + n * 0.001, rtp(n, n * FRAME, b"\x80" * FRAME, ssrc=n)) for n in range(3000)]
        self.assertEqual(len(self.extract("-A", self.save_packets("a", packets))), 2999 * 8 + FRAME)


if __name__ == "__main__":
    unittest.main()
