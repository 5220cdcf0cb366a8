"""Full collections of Python's garbage: when they may be."""

from __future__ import annotations

import gc
import unittest

from rtpp.session.garbage import FEW, LONGEST, PAUSE, FullCollections


class FullCollectionsTest(unittest.TestCase):
    def test_few_sessions_now_and_then_many_hardly_ever(self) -> None:
        full: list[int] = []

        def note(phase: str, info: dict[str, int]) -> None:
            if phase == "start" and info["generation"] == 2:
                full.append(1)

        collections = FullCollections()
        gc.callbacks.append(note)
        self.addCleanup(gc.callbacks.remove, note)
        for sessions, now, expected in ((0, PAUSE - 1, False), (FEW, PAUSE, True), (0, PAUSE + 1, False),
                                        (FEW + 1, PAUSE + LONGEST - 1, False), (FEW + 1, PAUSE + LONGEST, True)):
            full.clear()
            self.assertIs(collections.consider(sessions, now), expected, (sessions, now))
            self.assertGreaterEqual(len(full), int(expected))


if __name__ == "__main__":
    unittest.main()
