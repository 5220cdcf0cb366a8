"""Medians, ratios, tables, and the place for figures in the README."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from bench import readme
from bench.tables import Table, interval, number, quiet, ratio


class FiguresTest(unittest.TestCase):
    def test_number_is_the_median(self) -> None:
        for figures, decimals, text in (([3.0, 1.0, 2.0], 0, "2"), ([1.0, 2.0], 1, "1.5"), ([None, 4.0], 0, "4"),
                                        ([12345.678], 2, "12,345.68"), ([None], 0, "-"), ([], 0, "-")):
            self.assertEqual(number(figures, decimals), text)

    def test_interval(self) -> None:
        self.assertEqual(interval([3.0, 1.04, 2.0], 1), "1.0-3.0")
        self.assertEqual(interval([None], 1), "-")

    def test_ratio_is_taken_within_rounds(self) -> None:
        self.assertEqual(ratio([1.0, 10.0, 30.0], [2.0, 10.0, 20.0], 2), "1.00")
        self.assertEqual(ratio([1.0, None], [0.5, 1.0], 1), "2.0")
        self.assertEqual(ratio([1.0], [None], 2), "-")
        self.assertEqual(ratio([1.0], [], 2), "-")

    def test_disturbed_rounds_are_left_out_if_others_suffice(self) -> None:
        self.assertEqual(quiet([1.0, 2.0], [True, False]), [None, 2.0])
        self.assertEqual(quiet([1.0, 2.0], [True, True]), [1.0, 2.0])


class TableTest(unittest.TestCase):
    def setUp(self) -> None:
        self.table = Table("Speed", ("relay", "us"))
        self.table.add("a long name", "1.0")
        self.table.add("b", "10.0")

    def test_text(self) -> None:
        self.assertEqual(self.table.text(), "Speed\n\nrelay          us\na long name   1.0\nb            10.0\n")

    def test_markdown(self) -> None:
        self.table.note = "Noted."
        self.assertEqual(self.table.markdown(), "### Speed\n\n| relay       |   us |\n| ----------- | ---: |\n"
                         "| a long name |  1.0 |\n| b           | 10.0 |\n\nNoted.\n")

    def test_readme_keeps_everything_around_the_figures(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "README")
            path.write_text(f"above\n{readme.BEGIN}\nold\n{readme.END}\nbelow\n")
            with mock.patch.object(readme, "README", path):
                readme.write([self.table], {"speed": "<svg/>"}, ["a condition"])
                once = path.read_text()
                readme.write([self.table], {"speed": "<svg/>"}, ["a condition"])
            self.assertEqual(path.read_text(), once)
        self.assertTrue(once.startswith("above\n"))
        self.assertTrue(once.endswith("below\n"))
        self.assertIn("- a condition", once)
        self.assertIn("### Speed", once)
        self.assertIn("plots/speed.svg", once)
        self.assertNotIn("old", once)


if __name__ == "__main__":
    unittest.main()
