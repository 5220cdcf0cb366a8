"""The analyzer's state survives the way into a slot and back."""

from __future__ import annotations

import os
import random
import unittest

from rtpp.fastpath.layout import WINDOW, State
from rtpp.fastpath.measures import export_state, import_state
from rtpp.rtp.analyzer import Analyzer
from tests.fastpath.test_accounting import Sender


class MeasuresTest(unittest.TestCase):
    def test_there_and_back(self) -> None:
        """After any packet, a stream that went there and back goes on like one that did not."""
        seed = int(os.environ.get("RTPPROXY_SEED") or random.SystemRandom().randrange(1 << 32))
        source = random.Random(seed)
        moves = 0
        for stream in range(60):
            stayed, moved = Analyzer(), Analyzer()
            for time, packet in Sender(source).packets(source.choice([20, 100, 400])):
                stayed.update(packet, time / 1e9)
                moved.update(packet, time / 1e9)
                if source.random() < 0.3 and (state := export_state(moved)) is not None:
                    import_state(moved, State.unpack(state.pack()), 0)
                    moves += 1
            with self.subTest(seed=seed, stream=stream):
                for name, value in stayed.report()._asdict().items():
                    found = getattr(moved.report(), name)
                    if isinstance(value, float):
                        self.assertAlmostEqual(found, value, delta=1e-5 + value * 1e-6, msg=name)
                    else:
                        self.assertEqual(found, value, name)
        self.assertGreater(moves, 500)

    def test_what_a_slot_cannot_hold(self) -> None:
        analyzer = Analyzer()
        self.assertIsNone(export_state(analyzer), "no packet yet")
        for number in (2, 65530, 3):  # late across the first wrap: positions below zero
            analyzer.update(b"\x80\x00" + number.to_bytes(2, "big") + bytes(4) + b"\0\0\0\1" + bytes(20), 1.0)
        self.assertIsNone(export_state(analyzer))

    def test_window(self) -> None:
        """Bit n % WINDOW is position n; what is older than the word of the maximum is gone from that word."""
        analyzer = Analyzer()
        for number in range(100, 100 + 3 * WINDOW):
            analyzer.update(b"\x80\x00" + (number & 0xFFFF).to_bytes(2, "big") + (number * 160).to_bytes(4, "big")
                            + b"\0\0\0\1" + bytes(20), number * 0.02)
        state = export_state(analyzer)
        assert state is not None
        ring, maximum = int.from_bytes(state.window, "little"), state.maximum
        for position in range(maximum - WINDOW + 64, maximum + 1):
            self.assertTrue(ring >> position % WINDOW & 1, position)
        for position in range(maximum + 1, (maximum | 63) + 1):
            self.assertFalse(ring >> position % WINDOW & 1, position)
