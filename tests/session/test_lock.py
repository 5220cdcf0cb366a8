"""The fair lock: one holder at a time, and nobody waits for ever."""

from __future__ import annotations

import threading
import time
import unittest

from rtpp.session.lock import FairLock

HOLD = 0.002  # seconds


def work(seconds: float) -> None:
    """Compute, as the relay loop does while it holds the lock."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


class Exclusion(unittest.TestCase):
    def test_one_holder_at_a_time(self) -> None:
        lock, inside, overlaps, entries = FairLock(), [0], [0], [0]

        def work() -> None:
            for number in range(200):
                with lock:
                    inside[0] += 1
                    overlaps[0] += inside[0] > 1
                    entries[0] += 1
                    if number % 20 == 0:
                        time.sleep(0.0001)  # lets others run while it is held
                    inside[0] -= 1

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((overlaps[0], entries[0]), (0, 1200))

    def test_is_free_after_an_exception(self) -> None:
        lock = FairLock()
        for _ in range(3):
            with self.assertRaises(KeyError), lock:
                raise KeyError
        entered = threading.Event()

        def work() -> None:
            with lock:
                entered.set()

        thread = threading.Thread(target=work)
        thread.start()
        self.assertTrue(entered.wait(5))
        thread.join()


class Fairness(unittest.TestCase):
    WAITS = 40

    def longest_wait(self, busy_threads: int) -> float:
        """Seconds that a thread waited at worst, beside threads that want the lock again as soon as they leave it."""
        lock, stop = FairLock(), threading.Event()

        def hog() -> None:
            while not stop.is_set():
                with lock:
                    work(HOLD)

        threads = [threading.Thread(target=hog) for _ in range(busy_threads)]
        for thread in threads:
            thread.start()
        longest = 0.0
        try:
            for _ in range(self.WAITS):
                time.sleep(HOLD / 3)
                start = time.monotonic()
                with lock:
                    longest = max(longest, time.monotonic() - start)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        return longest

    def test_busy_thread_does_not_starve_another(self) -> None:
        self.assertLess(self.longest_wait(1), 30 * HOLD)

    def test_nor_do_several(self) -> None:
        self.assertLess(self.longest_wait(3), 100 * HOLD)


if __name__ == "__main__":
    unittest.main()
