"""Replies kept for retransmitted commands."""

from __future__ import annotations

import random
import unittest
from unittest import mock

from rtpp.control import replycache
from rtpp.control.replycache import LIFETIME, ReplyCache

HERE, THERE = ("127.0.0.1", 4000), ("127.0.0.1", 4001)
RUN = (True, None)
WAIT = (False, None)


class ReplyCacheTest(unittest.TestCase):
    def test_duplicate_gets_the_reply(self) -> None:
        cache = ReplyCache()
        self.assertEqual(cache.begin(HERE, b"c1", 0.0), RUN)
        cache.finish(HERE, b"c1", b"c1 0\n", 0.1)
        self.assertEqual(cache.begin(HERE, b"c1", 1.0), (False, b"c1 0\n"))

    def test_duplicate_of_a_command_in_progress(self) -> None:
        cache = ReplyCache()
        self.assertEqual(cache.begin(HERE, b"c1", 0.0), RUN)
        self.assertEqual(cache.begin(HERE, b"c1", 0.1), WAIT)
        self.assertEqual(cache.begin(HERE, b"c1", 100.0), WAIT)  # however long it takes
        cache.finish(HERE, b"c1", b"c1 0\n", 100.1)
        self.assertEqual(cache.begin(HERE, b"c1", 100.2), (False, b"c1 0\n"))

    def test_told_apart(self) -> None:
        """By the whole source address and the whole cookie: a restarted controller uses its cookies again."""
        cache = ReplyCache()
        cache.begin(HERE, b"c1", 0.0)
        cache.finish(HERE, b"c1", b"c1 0\n", 0.0)
        for source, cookie in ((THERE, b"c1"), (HERE, b"c2"), (HERE, b"C1"), (HERE, b"c"), (HERE, b"c11"),
                               (("127.0.0.2", 4000), b"c1"), (("::1", 4000, 0, 0), b"c1")):
            with self.subTest(source=source, cookie=cookie):
                self.assertEqual(cache.begin(source, cookie, 1.0), RUN)

    def test_lifetime(self) -> None:
        """A hit does not renew it."""
        cache = ReplyCache()
        cache.begin(HERE, b"c1", 0.0)
        cache.finish(HERE, b"c1", b"c1 0\n", 1.0)
        self.assertGreaterEqual(LIFETIME, 30.0)
        self.assertEqual(cache.begin(HERE, b"c1", LIFETIME + 0.9), (False, b"c1 0\n"))
        self.assertEqual(cache.begin(HERE, b"c1", LIFETIME + 1.1), RUN)

    def test_number_is_bounded(self) -> None:
        with mock.patch.object(replycache, "MAX_ENTRIES", 10):
            cache = ReplyCache()
            for number in range(25):
                cookie = b"c%d" % number
                cache.begin(HERE, cookie, 0.0)
                cache.finish(HERE, cookie, cookie + b" 0\n", 0.0)
            known = [number for number in range(25) if cache.begin(HERE, b"c%d" % number, 1.0) != RUN]
        self.assertEqual(known, list(range(15, 25)))

    def test_bytes_are_bounded(self) -> None:
        with mock.patch.object(replycache, "MAX_BYTES", 10_000):
            cache = ReplyCache()
            for number in range(100):
                cookie = b"%03d" % number + b"c" * 997
                cache.begin(HERE, cookie, float(number))
                cache.finish(HERE, cookie, cookie, float(number))
                self.assertLessEqual(cache._bytes, 10_000)
        self.assertEqual(len(cache._replies), 5)

    def test_random_use_against_a_plain_model(self) -> None:
        for seed in range(20):
            source = random.Random(seed)
            cache, model = ReplyCache(), {}
            running: list[tuple[object, bytes]] = []
            now = 0.0
            for step in range(400):
                now += source.random() * 3
                key = source.choice((HERE, THERE)), b"c%d" % source.randrange(8)
                if running and source.random() < 0.4:
                    done = running.pop(source.randrange(len(running)))
                    reply = b"%d" % step
                    cache.finish(*done, reply, now)
                    model[done] = (now, reply)
                    continue
                entry = model.get(key)
                if entry is not None and now - entry[0] < LIFETIME:
                    expected = (False, entry[1])
                elif key in running:
                    expected = WAIT
                else:
                    expected = RUN
                    running.append(key)
                self.assertEqual(cache.begin(*key, now), expected, f"seed {seed}, step {step}")


if __name__ == "__main__":
    unittest.main()
