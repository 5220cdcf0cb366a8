"""The picture of a call: well-formed, complete, and of a bounded size."""

from __future__ import annotations

import unittest
from array import array
from xml.etree import ElementTree

from rtpp.tools.extract.bins import BINS, Bins
from rtpp.tools.extract.index import Entry
from rtpp.tools.extract.measures import ChannelMeasures, SideMeasures
from rtpp.tools.extract.picture import JITTER_COLOUR, LOSS_COLOUR, SILENCE_COLOUR, draw

SVG = "{http://www.w3.org/2000/svg}"


class Filling(unittest.TestCase):
    def test_bins_halve(self) -> None:
        bins: Bins[int] = Bins(lambda a, b: a + b)
        for position in range(0, 100_000, 10):
            bins.add(position * 10, 1)
            self.assertLessEqual(len(bins.values), BINS)
        self.assertEqual(sum(value or 0 for value in bins.values), 10_000)
        self.assertGreater(len(bins.values), BINS // 2 - 1)

    def test_holes_stay(self) -> None:
        bins: Bins[int] = Bins(max)
        bins.add(0, 1)
        bins.add(80 * 5, 2)
        self.assertEqual(bins.values, [1, None, None, None, None, 2])


class Measuring(unittest.TestCase):
    def test_loss_and_jitter(self) -> None:
        side = SideMeasures()
        channel = ChannelMeasures(side, 800)
        for time, number in ((0.0, 65534), (0.02, 65535), (0.08, 2), (0.11, 3)):
            channel.packet(0, Entry(100 + time, 0, 0, 160 * (number if number > 9 else number + 65536), number, 0, 0))
        self.assertEqual((side.packets, side.packets_lost), (4, 2))
        self.assertAlmostEqual(side.largest_jitter, 10 / 16, places=3)
        self.assertEqual(side.lost.values[10], 2)

    def test_silences(self) -> None:
        side = SideMeasures()
        for position, value in ((0, 5000), (8000, 50), (24000, 5000), (32000, 50), (36000, 9000), (40000, 0)):
            side.hear(position, array("h", [value]) * 8000)
        self.assertEqual(side.peak, 9000)
        self.assertEqual([(begin // 8000, end // 8000) for begin, end in side.silences()], [(1, 3)])


class Drawing(unittest.TestCase):
    def sides(self) -> list[tuple[str, SideMeasures]]:
        measures = SideMeasures()
        for position in range(0, 80000, 8000):
            measures.hear(position, array("h", [3000, -3000] * 4000 if position < 40000 else [0] * 8000))
        channel = ChannelMeasures(measures, 0)
        for n in (0, 1, 5):
            channel.packet(160 * n, Entry(n * 0.025, 0, 0, 160 * n, n, 0, 0))
        return [("Side <A> & co", measures), ("Side B", SideMeasures())]

    def test_it_is_svg_with_everything_in_it(self) -> None:
        root = ElementTree.fromstring(draw("call <1>", self.sides(), 80000))
        self.assertEqual(root.tag, SVG + "svg")
        texts = [text.text or "" for text in root.iter(SVG + "text")]
        self.assertIn("call <1>", texts)
        self.assertIn("Side <A> & co", texts)
        self.assertTrue(any(text.startswith("3 packets, 3 lost, jitter up to") for text in texts))
        self.assertIn("0:10 in all", texts)
        for colour in (SILENCE_COLOUR, LOSS_COLOUR):
            count = sum(rectangle.get("fill") == colour for rectangle in root.iter(SVG + "rect"))
            self.assertEqual(count, 2, colour)  # one in the legend
        self.assertEqual(sum(path.get("stroke") == JITTER_COLOUR for path in root.iter(SVG + "path")), 2)

    def test_shapes_stay_inside(self) -> None:
        root = ElementTree.fromstring(draw("call", self.sides(), 80000))
        width, height = (float(root.get(name) or 0) for name in ("width", "height"))
        for rectangle in root.iter(SVG + "rect"):
            x, y, w, h = (float(rectangle.get(name) or 0) for name in ("x", "y", "width", "height"))
            self.assertTrue(0 <= x <= x + w <= width and 0 <= y <= y + h <= height)

    def test_lengths(self) -> None:
        for samples, ending in ((0, "0:00"), (8000 * 3599, "59:59"), (8000 * 90000, "25:00:00")):
            self.assertIn(f"{ending} in all", draw("call", self.sides(), samples))

    def test_a_long_call_is_not_a_large_picture(self) -> None:
        measures = SideMeasures()
        noise = array("h", [20000, -20000] * 40000)
        for position in range(0, 8000 * 7200, len(noise)):
            measures.waveform.add(position, (-20000, 20000))
            measures.lost.add(position, 1)
            measures.jitter.add(position, 3.5)
        self.assertLess(len(draw("call", [("A", measures), ("B", measures)], 8000 * 7200)), 500_000)


if __name__ == "__main__":
    unittest.main()
