"""Time to live, held against a plain account that counts down once a second."""

from __future__ import annotations

import random
import unittest

from rtpp.session.ttl import ExpiryWheel, TimeToLive


class Reading(unittest.TestCase):
    def test_reads_n_to_zero_and_is_over(self) -> None:
        for start in (5.0, 5.25, 5.999):
            for life in (1, 2, 3, 60):
                ttl = TimeToLive(life, 7, start)
                self.assertEqual(ttl.remaining(5.999), life)
                for tick in range(1, life + 1):
                    self.assertEqual(ttl.remaining(5 + tick), life - tick)
                    self.assertEqual(ttl.remaining(5.999 + tick), life - tick)
                self.assertEqual(ttl.remaining(6.0 + life), -1)
                self.assertEqual(ttl.over_at, 6 + life)

    def test_refresh(self) -> None:
        ttl = TimeToLive(3, 3, 10.0)
        ttl.refreshed = 12.5
        self.assertEqual((ttl.remaining(12.5), ttl.over_at), (3, 16))

    def test_completion_restarts_with_the_other_maximum(self) -> None:
        ttl = TimeToLive(5, 3, 10.0)
        ttl.complete(12.0)
        self.assertEqual((ttl.remaining(12.0), ttl.remaining(15.0), ttl.over_at), (3, 0, 16))

    def test_command_sets_it_for_before_and_after_completion(self) -> None:
        ttl = TimeToLive(5, 3, 10.0)
        ttl.set(20, 11.0)
        self.assertEqual(ttl.remaining(11.0), 20)
        ttl.complete(15.0)
        self.assertEqual(ttl.remaining(15.0), 20)
        ttl.set(2, 16.0)
        self.assertEqual(ttl.remaining(17.0), 1)

    def test_against_counting_down(self) -> None:
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        for _ in range(300):
            setup, after = chance.randrange(1, 8), chance.randrange(1, 8)
            now = float(chance.randrange(1000))
            ttl, counter, maximum, after_setup = TimeToLive(setup, after, now), setup, setup, after
            for _ in range(30):
                event = chance.choice(("tick", "tick", "tick", "packet", "set", "complete"))
                if event == "tick":
                    now = float(int(now) + 1)
                    if counter == 0:
                        self.assertLess(ttl.remaining(now), 0, f"seed {seed}")
                        self.assertEqual(ttl.over_at, int(now), f"seed {seed}")
                        break
                    counter -= 1
                now += chance.choice((0.0, 0.125, 0.25)) if now % 1 < 0.5 else 0.0
                if event == "packet":
                    ttl.refreshed, counter = now, maximum
                elif event == "set":
                    maximum = after_setup = counter = chance.randrange(1, 8)
                    ttl.set(maximum, now)
                elif event == "complete":
                    maximum = counter = after_setup
                    ttl.complete(now)
                self.assertEqual(ttl.remaining(now), counter, f"seed {seed}")
                self.assertEqual(ttl.over_at, int(now) + counter + 1, f"seed {seed}")


class Wheel(unittest.TestCase):
    def test_due_by_tick(self) -> None:
        wheel: ExpiryWheel[str] = ExpiryWheel()
        for item, tick in (("a", 5), ("b", 6), ("c", 6), ("d", 9)):
            wheel.file(item, tick)
        self.assertEqual(list(wheel.due(4)), [])
        self.assertEqual(list(wheel.due(5)), ["a"])
        self.assertEqual(list(wheel.due(5)), [])
        self.assertEqual(sorted(wheel.due(8)), ["b", "c"])
        self.assertEqual(list(wheel.due(100)), ["d"])

    def test_missed_ticks_come_in_order(self) -> None:
        wheel: ExpiryWheel[str] = ExpiryWheel()
        for item, tick in (("late", 9), ("later", 12), ("first", 3)):
            wheel.file(item, tick)
        self.assertEqual(list(wheel.due(20)), ["first", "late", "later"])

    def test_filing_again_moves(self) -> None:
        wheel: ExpiryWheel[str] = ExpiryWheel()
        wheel.file("a", 5)
        wheel.file("a", 3)
        self.assertEqual(list(wheel.due(4)), ["a"])
        self.assertEqual(list(wheel.due(10)), [])
        wheel.file("a", 5)
        wheel.file("a", 11)
        self.assertEqual(list(wheel.due(10)), [])
        self.assertEqual(list(wheel.due(11)), ["a"])

    def test_removing(self) -> None:
        wheel: ExpiryWheel[str] = ExpiryWheel()
        wheel.file("a", 5)
        wheel.file("b", 5)
        wheel.remove("a")
        wheel.remove("a")
        wheel.remove("never filed")
        self.assertEqual(list(wheel.due(5)), ["b"])

    def test_changes_during_a_walk(self) -> None:
        wheel: ExpiryWheel[int] = ExpiryWheel()
        for item in range(10):
            wheel.file(item, 5)
        seen = []
        for item in wheel.due(5):
            seen.append(item)
            if item % 2:
                wheel.file(item, 6)
            else:
                for other in range(10):
                    if other % 2 == 0:
                        wheel.remove(other)
        self.assertEqual(len([item for item in seen if item % 2 == 0]), 1)
        self.assertEqual(sorted(wheel.due(6)), [item for item in range(10) if item % 2])

    def test_walk_that_stops_early_keeps_the_rest(self) -> None:
        wheel: ExpiryWheel[int] = ExpiryWheel()
        for item in range(10):
            wheel.file(item, 5)
        walk = wheel.due(5)
        seen = [next(walk) for _ in range(4)]
        walk.close()
        self.assertEqual(sorted(seen + list(wheel.due(5))), list(range(10)))

    def test_against_a_plain_table(self) -> None:
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        wheel: ExpiryWheel[int] = ExpiryWheel()
        filed: dict[int, int] = {}
        for tick in range(400):
            for _ in range(chance.randrange(6)):
                item = chance.randrange(50)
                if chance.random() < 0.2:
                    wheel.remove(item)
                    filed.pop(item, None)
                else:
                    filed[item] = tick + chance.randrange(-2, 12)
                    wheel.file(item, filed[item])
            if chance.random() < 0.7:
                expected = {item for item, due in filed.items() if due <= tick}
                found = list(wheel.due(tick))
                self.assertEqual(set(found), expected, f"seed {seed}")
                self.assertEqual([filed[item] for item in found], sorted(filed[item] for item in found))
                for item in expected:
                    del filed[item]


if __name__ == "__main__":
    unittest.main()
