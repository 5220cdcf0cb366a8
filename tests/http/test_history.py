"""Histograms, and histories that forget their beginning."""

from __future__ import annotations

import unittest

from rtpp.http.histogram import Histogram
from rtpp.http.history import History


class HistogramTest(unittest.TestCase):
    def test_where_values_belong(self) -> None:
        cases: list[tuple[float, list[int]]] = [
            (-1.0, [1, 1, 1, 1]), (0.0, [1, 1, 1, 1]), (0.001, [0, 1, 1, 1]), (0.5, [0, 1, 1, 1]), (0.6, [0, 0, 1, 1]),
            (1.0, [0, 0, 1, 1]), (1.5, [0, 0, 0, 1]),
        ]
        for value, counts in cases:
            histogram = Histogram((0.0, 0.5, 1.0))
            histogram.add(value)
            self.assertEqual([count for _, count in histogram.cumulative()], counts, value)
            self.assertEqual((histogram.count, histogram.total), (1, value))

    def test_bounds(self) -> None:
        self.assertEqual([bound for bound, _ in Histogram((1.0, 2.0)).cumulative()], [1.0, 2.0, float("inf")])


class HistoryTest(unittest.TestCase):
    def test_columns(self) -> None:
        history = History(("a", "b"), 3)
        self.assertEqual(history.column("a"), [])
        for number in range(5):
            history.add(number, number / 10)
        self.assertEqual(history.column("a"), [2.0, 3.0, 4.0])
        self.assertEqual(history.column("b"), [0.2, 0.3, 0.4])


if __name__ == "__main__":
    unittest.main()
