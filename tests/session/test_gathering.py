"""Gathering packets, with rounds and their CPU time made up, and pauses counted."""

from __future__ import annotations

import unittest
from unittest import mock

from rtpp.session import gathering
from rtpp.session.gathering import DENSE, ENOUGH, HELD, LONGEST, PAUSE, WINDOW, WINDOWS, Gathering

TRIAL = 2 * WINDOWS + 1  # windows: the very first has no beginning
MICROSECOND = 1e-6


class GatheringTest(unittest.TestCase):
    def setUp(self) -> None:
        self.sleep = self.patch("sleep")
        self.patch("thread_time").side_effect = lambda: self.used
        self.gathering = Gathering()
        self.now = 1000.0
        self.used = 5.0
        self.costs = {True: 10.0, False: 15.0}  # microseconds for a packet: with pauses, without
        self.sent = 0

    def patch(self, name: str) -> mock.Mock:
        patched = mock.patch.object(gathering, name)
        self.addCleanup(patched.stop)
        return patched.start()

    def window(self, rate: float, packets: int = 1, sockets: int = 1000) -> int:
        """As many packets as are measured, so many in each round, from all sockets in turn; how many rounds paused."""
        before = self.sleep.call_count
        for _ in range(0, WINDOW, packets):
            numbers = range(self.sent, self.sent + packets)
            self.sent += packets
            self.now += packets / rate
            pauses = self.sleep.call_count
            self.gathering.after([(number % sockets, 1) for number in numbers], self.now)
            self.used += packets * self.costs[self.sleep.call_count > pauses] * MICROSECOND
        return self.sleep.call_count - before

    def windows(self, count: int, rate: float, packets: int = 1, sockets: int = 1000) -> int:
        """The same in the last of so many windows."""
        return [self.window(rate, packets, sockets) for _ in range(count)][-1]

    def test_few_packets_are_not_kept_waiting(self) -> None:
        for _ in range(2 * TRIAL):
            self.assertEqual(self.window(0.9 * DENSE), 0)

    def test_many_are_where_that_is_cheaper(self) -> None:
        self.assertEqual(self.windows(TRIAL + 2, 1.1 * DENSE), WINDOW)
        self.assertEqual(self.window(1.1 * DENSE, 4), WINDOW // 4)
        self.sleep.assert_called_with(PAUSE)

    def test_they_are_not_where_it_is_dearer_or_hardly_cheaper(self) -> None:
        for cost in (20.0, 15.0, 14.0):
            with self.subTest(cost=cost):
                self.gathering = Gathering()
                self.costs[True] = cost
                self.assertEqual(self.windows(TRIAL + 2, 2 * DENSE), 0)

    def test_a_trial_is_short_and_most_of_it_decides(self) -> None:
        self.windows(2, 2 * DENSE)
        paused = [self.window(2 * DENSE) > WINDOW / 2 for _ in range(4)]
        self.assertEqual(paused, [True, False, True, False])
        self.used += 1.0  # one window is disturbed
        self.assertEqual(self.windows(TRIAL, 2 * DENSE), WINDOW)

    def test_another_trial_finds_that_things_have_changed(self) -> None:
        self.assertEqual(self.windows(TRIAL + 2, 2 * DENSE), WINDOW)
        self.costs[True] = 20.0
        self.assertEqual(self.windows(3, 2 * DENSE), WINDOW)
        self.assertEqual(self.windows(int(HELD * 2 * DENSE / WINDOW) + TRIAL + 2, 2 * DENSE), 0)
        self.costs[True] = 10.0
        self.assertEqual(self.windows(int(HELD * 2 * DENSE / WINDOW) + TRIAL + 2, 2 * DENSE), WINDOW)

    def test_trials_that_say_the_same_become_rare(self) -> None:
        self.costs[True] = 20.0
        trials = []  # when they began
        while self.now < 1000.0 + 3 * LONGEST:
            if self.window(1.1 * DENSE, 4) and (not trials or self.now > trials[-1] + HELD / 2):
                trials.append(self.now)
        between = [later - earlier for earlier, later in zip(trials, trials[1:])]
        self.assertEqual([round(seconds / HELD) for seconds in between], [1, 2, 4, 8, 16, 16])

    def test_there_is_no_pause_with_plenty_at_hand(self) -> None:
        self.windows(TRIAL + 2, 2 * DENSE)
        self.assertEqual(self.window(10 * DENSE, ENOUGH), 0)

    def test_there_is_none_while_the_same_sockets_are_ready_again_and_again(self) -> None:
        self.windows(TRIAL + 2, 2 * DENSE)
        self.assertEqual(self.windows(2, 2 * DENSE, sockets=1), 0)
        self.assertEqual(self.windows(2, 2 * DENSE, 4, sockets=7), 0)
        self.assertGreater(self.windows(2, 2 * DENSE, 4, sockets=20), 0)

    def test_it_ends_with_the_rush_and_comes_back_with_it(self) -> None:
        self.assertGreater(self.windows(TRIAL + 2, 2 * DENSE, 2), 0)
        self.assertEqual(self.windows(2, 0.5 * DENSE), 0)
        self.assertGreater(self.windows(2, 2 * DENSE, 2), 0)

    def test_trials_that_are_cut_short_keep_no_more_than_they_need(self) -> None:
        for _ in range(10 * WINDOWS):
            self.window(2 * DENSE)
            self.window(0.5 * DENSE)
        kept = [len(costs) for costs in self.gathering._costs]
        self.assertLessEqual(max(kept), WINDOWS, kept)
        self.assertGreater(sum(kept), 0)

    def test_the_first_packets_of_all(self) -> None:
        self.gathering.after([(number, 1) for number in range(WINDOW)], self.now)
        self.gathering.after([(WINDOW, 1)], self.now)
        self.sleep.assert_not_called()


if __name__ == "__main__":
    unittest.main()
