"""rtpp/session/player.py and prompts.py: real sessions and sockets, a clock owned by the tests."""

from __future__ import annotations

import os
import socket
import tempfile
import unittest
from typing import Optional

from rtpp.rtp.packet import RtpPacket
from rtpp.session.player import Player
from rtpp.session.prompts import Prompt, PromptCache
from rtpp.session.session import Session
from rtpp.session.table import SessionTable
from rtpp.settings import ListenAddress, Settings
from rtpp.stats import Stats
from tests.ports import free_ports

LOOPBACK = ListenAddress(socket.AF_INET, "127.0.0.1")


class PlayerTest(unittest.TestCase):
    """Prompts to the caller; its phone is `self.phone`. `self.now` is the clock."""

    def setUp(self) -> None:
        self.now = 1000.0
        first = free_ports(12)
        settings = Settings(addresses=(LOOPBACK,), port_min=first, port_max=first + 10)
        self.table = SessionTable(settings, Stats(self.now))
        self.phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.phone.bind(("127.0.0.1", 0))
        self.phone.settimeout(1.0)
        self.session: Session = self.table.create("call", "from", (LOOPBACK, LOOPBACK), self.now)
        self.addCleanup(self.finish)

    def finish(self) -> None:
        self.table.end_all(self.now)
        self.table.relay.start()  # a loop that never ran cannot be stopped
        self.table.relay.stop()
        self.phone.close()

    def make_complete(self) -> None:
        self.table.open(self.session.caller)
        self.table.complete(self.session, self.now)

    def tell_address(self) -> None:
        remote = self.phone.getsockname()
        self.session.caller.prefill(remote, (remote[0], remote[1] + 1), self.now)

    def play(self, payload_type: int, data: bytes, passes: int = 1, packet_time: int = 10) -> Player:
        player = Player(self.session.caller, Prompt(payload_type, data), packet_time, passes)
        self.session.caller.start_player(player, self.now)
        return player

    def received(self) -> list[RtpPacket]:
        packets = []
        self.phone.setblocking(False)
        try:
            while True:
                packets.append(RtpPacket.parse(self.phone.recv(9000)))
        except BlockingIOError:
            return packets

    def run_until_done(self, player: Player, limit: int = 1000) -> list[float]:
        """Step exactly when asked; returns the times at which it wanted to be called."""
        due: Optional[float] = self.now
        times = []
        while due is not None and len(times) < limit:
            times.append(due)
            due = player.step(due)
        return times

    def test_packets_of_each_codec(self) -> None:
        self.make_complete()
        self.tell_address()
        cases = [  # payload type, packet time asked, bytes of a packet, its ms
            (0, 10, 80, 10),
            (8, 20, 160, 20),
            (9, 10, 80, 10),
            (3, 10, 33, 20),
            (3, 30, 66, 40),
            (18, 10, 10, 10),
            (18, 15, 20, 20),
            (4, 10, 24, 30),
        ]
        for payload_type, packet_time, size, duration in cases:
            with self.subTest(payload_type=payload_type, packet_time=packet_time):
                data = bytes(index % 251 for index in range(size * 3 + 5))
                player = self.play(payload_type, data, packet_time=packet_time)
                times = self.run_until_done(player)
                packets = self.received()
                self.assertEqual([p.payload for p in packets], [data[i * size : (i + 1) * size] for i in range(3)])
                self.assertEqual({p.payload_type for p in packets}, {payload_type})
                self.assertEqual([p.marker for p in packets], [True, False, False])
                self.assertEqual(len({p.ssrc for p in packets}), 1)
                steps = {(b.sequence_number - a.sequence_number) & 0xFFFF for a, b in zip(packets, packets[1:])}
                self.assertEqual(steps, {1})
                ticks = {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in zip(packets, packets[1:])}
                self.assertEqual(ticks, {8 * duration})
                for index, time in enumerate(times):
                    self.assertAlmostEqual(time, self.now + index * duration / 1000)

    def test_packets_leave_from_the_port_the_listener_sends_to(self) -> None:
        self.make_complete()
        self.tell_address()
        self.run_until_done(self.play(0, bytes(80)))
        self.assertEqual(self.phone.recvfrom(9000)[1], ("127.0.0.1", self.session.caller.port))

    def test_a_late_loop_sends_what_is_due_at_once_and_does_not_drift(self) -> None:
        self.make_complete()
        self.tell_address()
        player = self.play(0, bytes(80 * 10))
        self.assertAlmostEqual(player.step(self.now + 0.0451) or 0, self.now + 0.050)
        self.assertEqual(len(self.received()), 5)
        self.assertAlmostEqual(player.step(self.now + 0.050) or 0, self.now + 0.060)
        self.assertEqual(len(self.received()), 1)

    def test_passes(self) -> None:
        self.make_complete()
        self.tell_address()
        for passes, sent in ((1, 2), (3, 6)):
            with self.subTest(passes=passes):
                self.run_until_done(self.play(0, bytes(170), passes))
                packets = self.received()
                self.assertEqual(len(packets), sent)
                self.assertEqual(sum(p.marker for p in packets), 1)
        player = self.play(0, bytes(170), passes=-1)
        self.assertEqual(len(self.run_until_done(player, limit=100)), 100)
        self.session.caller.stop_player()
        self.assertIsNone(player.step(self.now + 100))

    def test_a_file_shorter_than_a_packet_ends_at_once_even_when_endless(self) -> None:
        self.make_complete()
        self.tell_address()
        self.assertEqual(self.run_until_done(self.play(0, bytes(79), passes=-1)), [self.now])
        self.assertEqual(self.received(), [])
        self.assertIsNone(self.session.caller.player)

    def test_counters_and_time_to_live(self) -> None:
        self.make_complete()
        self.tell_address()
        player = self.play(0, bytes(240))
        self.assertEqual((self.table.stats.nplrs_created, self.table.stats.nplrs_destroyed), (1, 0))
        self.assertTrue(self.session.callee.rtp.gated)
        self.assertFalse(self.session.caller.rtp.gated)
        player.step(self.now + 30)
        self.assertEqual(self.table.stats.npkts_played, 3)
        self.assertEqual(self.table.stats.npkts_relayed, 0)
        self.assertEqual(self.session.callee.ttl.refreshed, self.now + 30)
        self.assertEqual((self.table.stats.nplrs_created, self.table.stats.nplrs_destroyed), (1, 1))
        self.assertFalse(self.session.callee.rtp.gated)

    def test_waits_for_a_socket_and_an_address_and_skips_nothing(self) -> None:
        player = self.play(0, bytes(range(160)))
        self.make_complete()
        self.assertEqual(self.received(), [])
        self.tell_address()
        self.assertIsNone(player.step(self.table.relay._steps[0][0] + 5))
        self.assertEqual(b"".join(p.payload for p in self.received()), bytes(range(160)))

    def test_ending_the_session_ends_the_prompt(self) -> None:
        self.make_complete()
        self.tell_address()
        player = self.play(0, bytes(800), passes=-1)
        self.table.end(self.session, self.now)
        self.assertIsNone(player.step(self.now + 1))
        self.assertEqual(self.table.stats.nplrs_destroyed, 1)


class PromptCacheTest(unittest.TestCase):
    def test_files_are_shared_and_read_again_when_they_change(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            name = os.path.join(directory, "caf\xe9")
            path = f"{name}.0".encode("latin-1")
            with open(path, "wb") as file:
                file.write(b"one")
            cache = PromptCache()
            first = cache.load(name, 0)
            self.assertEqual(first, Prompt(0, b"one"))
            self.assertIs(cache.load(name, 0).data, first.data)
            with open(path, "wb") as file:
                file.write(b"other")
            self.assertEqual(cache.load(name, 0).data, b"other")
            os.unlink(path)
            with self.assertRaises(FileNotFoundError):
                cache.load(name, 0)
            with self.assertRaises(ValueError):
                cache.load(name, 96)


if __name__ == "__main__":
    unittest.main()
