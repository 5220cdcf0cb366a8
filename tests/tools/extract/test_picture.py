"""The picture of a call: well-formed, complete, and of a bounded size."""

from __future__ import annotations

import unittest
from array import array
from xml.etree import ElementTree

from rtpp.tools.extract.bins import BINS, Bins
from rtpp.tools.extract.index import Entry
from rtpp.tools.extract.measures import ChannelMeasures, SideMeasures
from rtpp.tools.extract.picture import ABSENCE_COLOUR, JITTER_COLOUR, LOSS_COLOUR, SILENCE_COLOUR, draw

SVG = "{http://www.w3.org/2000/svg}"


START = 1_700_000_000.0  # seconds since 1970


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
        # heard at 800 in the output, one behind the other: the two that are lost lie there too
        self.assertEqual(side.counts.values[10], (4, 2))

    def test_lost_packets_stand_where_they_would_be_heard(self) -> None:
        side = SideMeasures()
        channel = ChannelMeasures(side, 0)
        for number in (0, 5):
            channel.packet(160 * number, Entry(0.02 * number, 0, 0, 160 * number, number, 0, 0))
        lost, came = (0, 1), (1, 0)
        self.assertEqual(side.counts.values[::2], [came, lost, lost, lost, lost, came])

    def test_absences(self) -> None:
        side = SideMeasures()
        for second in (2.0, 2.5, 3.0, 5.0):
            side.counts.add(int(second * 8000), (1, 0))
        side.counts.add(32000, (0, 1))
        spans = [(round(begin / 8000, 1), round(end / 8000, 1)) for begin, end in side.absences(64000)]
        self.assertEqual(spans, [(0, 2), (3, 5), (5, 8)])
        self.assertEqual(SideMeasures().absences(8000), [(0, 8000)])

    def test_silences(self) -> None:
        side = SideMeasures()
        for position, value in ((0, 5000), (8000, 50), (24000, 5000), (32000, 50), (36000, 9000), (40000, 0)):
            side.hear(position, array("h", [value]) * 8000)
        self.assertEqual(side.peak, 9000)
        self.assertEqual([(begin // 8000, end // 8000) for begin, end in side.silences(56000)], [(1, 3), (5, 7)])


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
        root = ElementTree.fromstring(draw("call <1>", START, self.sides(), 80000))
        self.assertEqual(root.tag, SVG + "svg")
        texts = [text.text or "" for text in root.iter(SVG + "text")]
        self.assertIn("call <1>", texts)
        self.assertIn("Side <A> & co", texts)
        self.assertTrue(any(text.startswith("3 packets, 3 lost (50.0 %), jitter up to") for text in texts))
        self.assertIn("2023-11-14 22:13:20 UTC, 0:10 long", texts)
        # one in the legend, besides silence in half of side A and all of B, a gap, absence after it and of B
        for colour, expected in ((SILENCE_COLOUR, 3), (ABSENCE_COLOUR, 3), (LOSS_COLOUR, 2)):
            count = sum(rectangle.get("fill") == colour for rectangle in root.iter(SVG + "rect"))
            self.assertEqual(count, expected, colour)
        self.assertEqual(sum(path.get("stroke") == JITTER_COLOUR for path in root.iter(SVG + "path")), 2)

    def test_shapes_stay_inside(self) -> None:
        root = ElementTree.fromstring(draw("call", START, self.sides(), 80000))
        width, height = (float(root.get(name) or 0) for name in ("width", "height"))
        for rectangle in root.iter(SVG + "rect"):
            x, y, w, h = (float(rectangle.get(name) or 0) for name in ("x", "y", "width", "height"))
            self.assertTrue(0 <= x <= x + w <= width and 0 <= y <= y + h <= height)

    def test_lengths(self) -> None:
        for samples, ending in ((0, "0:00"), (8000 * 3599, "59:59"), (8000 * 90000, "25:00:00")):
            self.assertIn(f", {ending} long", draw("call", START, self.sides(), samples))

    def test_times_that_are_none(self) -> None:
        for start in (-1e18, 1e11, 1e300):
            self.assertIn("0:10 long", draw("call", start, self.sides(), 80000))

    def test_a_long_call_is_not_a_large_picture(self) -> None:
        measures = SideMeasures()
        noise = array("h", [20000, -20000] * 40000)
        for position in range(0, 8000 * 7200, len(noise)):
            measures.waveform.add(position, (-20000, 20000))
            measures.counts.add(position, (1, 1))
            measures.jitter.add(position, 3.5)
        self.assertLess(len(draw("call", START, [("A", measures), ("B", measures)], 8000 * 7200)), 500_000)


if __name__ == "__main__":
    unittest.main()
