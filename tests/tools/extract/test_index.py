"""Packets in playing order: against a plain list, and with most of them in a file."""

from __future__ import annotations

import random
import unittest
from typing import NamedTuple

from rtpp.tools.extract.index import CHUNK_PACKETS, ChunkStore, PacketIndex


class Packet(NamedTuple):
    timestamp: int
    number: int


def insert_plainly(packets: list[Packet], new: Packet) -> bool:
    """The rule, as it is told: from the end, behind the first that is smaller in timestamp or number."""
    for position in range(len(packets) - 1, -1, -1):
        if packets[position].number == new.number:
            return False
        if packets[position].timestamp < new.timestamp or packets[position].number < new.number:
            packets.insert(position + 1, new)
            return True
    packets.insert(0, new)
    return True


class Ordering(unittest.TestCase):
    def setUp(self) -> None:
        self.store = ChunkStore(chunks_in_memory=2)
        self.addCleanup(self.store.close)

    def insert(self, index: PacketIndex, packet: Packet) -> bool:
        return index.insert(0.0, 0, 0, packet.timestamp & 0xFFFFFFFF, packet.number & 0xFFFF, 0, 0)

    def content(self, index: PacketIndex) -> list[Packet]:
        return [Packet(entry.timestamp & 0xFFFFFFFF, entry.sequence_number) for entry in index]

    def test_as_a_plain_list(self) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        with self.subTest(seed=seed):
            for _ in range(30):
                index, plain = PacketIndex(self.store), []
                for n in range(draw.randrange(1, 200)):
                    late = draw.choice((0, 0, 0, 1, 2, 30, -5))
                    number = max(n - late, 0)
                    timestamp = 1_000_000 + 160 * number + draw.choice((0, 0, 0, 0, 160, -160, 100_000))
                    packet = Packet(timestamp, number)
                    self.assertEqual(self.insert(index, packet), insert_plainly(plain, packet))
                self.assertEqual(self.content(index), plain)
                self.assertEqual(index.count, len(plain))

    def test_many_channels_share_the_memory(self) -> None:
        indexes = [PacketIndex(self.store) for _ in range(5)]
        for n in range(200):
            for index in indexes:
                self.insert(index, Packet(160 * (n ^ 1), n ^ 1))
        for index in indexes:
            self.assertEqual(self.content(index), [Packet(160 * n, n) for n in range(200)])

    def test_the_same_packets_again(self) -> None:
        index = PacketIndex(self.store)
        packets = [Packet(160 * n, n) for n in range(5 * CHUNK_PACKETS)]
        for packet in packets[::2]:
            self.assertTrue(self.insert(index, packet))
        inserted = [self.insert(index, packet) for packet in packets]
        self.assertEqual(inserted, [n % 2 == 1 for n in range(len(packets))])
        self.assertEqual(self.content(index), packets)

    def test_backwards(self) -> None:
        index = PacketIndex(self.store)
        packets = [Packet(160 * n, n) for n in range(3 * CHUNK_PACKETS)]
        for packet in reversed(packets):
            self.assertTrue(self.insert(index, packet))
        self.assertEqual(self.content(index), packets)

    def test_numbers_that_wrap(self) -> None:
        index = PacketIndex(self.store)
        packets = [Packet((1 << 32) - 160 * 5000 + 160 * n, 65000 + n) for n in range(10000)]
        for packet in packets:
            self.assertTrue(self.insert(index, packet))
        self.assertEqual(
            self.content(index), [Packet(packet.timestamp & 0xFFFFFFFF, packet.number & 0xFFFF) for packet in packets]
        )

    def test_both_wrap_in_a_gap(self) -> None:
        index = PacketIndex(self.store)
        for packet in (Packet((1 << 32) - 160, 65535), Packet(160, 1), Packet(320, 2)):
            self.assertTrue(self.insert(index, packet))
        self.assertEqual([number for _, number in self.content(index)], [65535, 1, 2])

    def test_time_span(self) -> None:
        index = PacketIndex(self.store)
        for n in (1, 0, 3, 2):
            index.insert(100.0 + n, 0, 0, 160 * n, n, 0, 0)
        self.assertEqual(index.time_span(), (100.0, 103.0))


if __name__ == "__main__":
    unittest.main()
