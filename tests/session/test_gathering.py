"""Gathering packets, with rounds made up and pauses counted."""

from __future__ import annotations

import unittest
from unittest import mock

from rtpp.session import gathering
from rtpp.session.gathering import DENSE, ENOUGH, MEASURED, PAUSE, Gathering


class GatheringTest(unittest.TestCase):
    def setUp(self) -> None:
        patched = mock.patch.object(gathering, "sleep")
        self.sleep = patched.start()
        self.addCleanup(patched.stop)
        self.gathering = Gathering()
        self.now = 1000.0

    def rounds(self, rate: float, packets: int, sockets: int = 1000) -> int:
        """Thrice as many packets as are measured, so many in each round, from all sockets in turn; how many of the last
        third's rounds paused."""
        for third in range(3):
            self.sleep.reset_mock()
            for first in range(0, MEASURED, packets):
                self.now += packets / rate
                numbers = range(third * MEASURED + first, third * MEASURED + first + packets)
                self.gathering.after([(number % sockets, 1) for number in numbers], self.now)
        return self.sleep.call_count

    def test_few_packets_are_not_kept_waiting(self) -> None:
        self.assertEqual(self.rounds(0.9 * DENSE, 1), 0)

    def test_many_are(self) -> None:
        self.assertEqual(self.rounds(1.1 * DENSE, 1), MEASURED)
        self.assertEqual(self.rounds(1.1 * DENSE, 4), MEASURED // 4)
        self.sleep.assert_called_with(PAUSE)

    def test_there_is_no_pause_with_plenty_at_hand(self) -> None:
        self.assertEqual(self.rounds(10 * DENSE, ENOUGH), 0)

    def test_there_is_none_while_the_same_sockets_are_ready_again_and_again(self) -> None:
        self.assertEqual(self.rounds(2 * DENSE, 1, sockets=1), 0)
        self.assertEqual(self.rounds(2 * DENSE, 4, sockets=7), 0)
        self.assertGreater(self.rounds(2 * DENSE, 4, sockets=20), 0)

    def test_it_ends_with_the_rush(self) -> None:
        self.assertGreater(self.rounds(2 * DENSE, 2), 0)
        self.assertEqual(self.rounds(0.5 * DENSE, 1), 0)

    def test_the_first_packets_of_all(self) -> None:
        self.gathering.after([(number, 1) for number in range(MEASURED)], self.now)
        self.gathering.after([(MEASURED, 1)], self.now)
        self.sleep.assert_not_called()


if __name__ == "__main__":
    unittest.main()
