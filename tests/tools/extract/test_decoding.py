"""Which payload types are heard, and how long a packet lasts."""

from __future__ import annotations

import random
import unittest
from array import array

from rtpp.codecs import g729
from rtpp.tools.extract.decoding import LARGEST_PACKET, ChannelDecoder
from rtpp.tools.extract.messages import Complaints
from tests.tools.running import run


def decode(payload_type: int, payload: bytes) -> array[int] | None:
    return ChannelDecoder(Complaints()).decode(payload_type, payload)


class Durations(unittest.TestCase):
    def test_samples_of_a_payload(self) -> None:
        cases = [(0, 160, 160), (8, 240, 240), (3, 33, 160), (3, 66, 320), (9, 160, 160)]
        if g729.available():
            # frames of 10 bytes and one of 2 that describes noise; other sizes that divide a payload are other codecs
            cases += [(18, 10, 80), (18, 20, 160), (18, 12, 160), (18, 2, 80), (18, 8, 0), (18, 15, 80)]
        for payload_type, size, samples in cases:
            decoded = decode(payload_type, b"\xd5" * size)
            self.assertIsNotNone(decoded, (payload_type, size))
            self.assertEqual(len(decoded or ()), samples, (payload_type, size))

    def test_what_is_not_heard(self) -> None:
        for payload_type in (1, 4, 5, 13, 15, 19, 72, 96, 100, 101, 127):
            self.assertIsNone(decode(payload_type, bytes(30)), payload_type)
        self.assertIsNone(decode(18, bytes(11)))

    def test_a_packet_is_cut(self) -> None:
        for payload_type, size in ((0, 5000), (9, 5000), (3, 33 * 30)):
            self.assertEqual(len(decode(payload_type, b"\xd5" * size) or ()), LARGEST_PACKET)

    def test_a_channel_remembers(self) -> None:
        codec = ChannelDecoder(Complaints())
        frame = b"\xd5" * 33
        self.assertNotEqual(codec.decode(3, frame), codec.decode(3, frame))

    def test_a_codec_without_its_library_is_told_once(self) -> None:
        def play() -> None:
            complaints = Complaints()
            codec = ChannelDecoder(complaints)
            for _ in range(3):
                codec.decode(18, bytes(10))

        errors = run(play).errors
        self.assertEqual(errors.count("G.729 needs the shared library bcg729"), not g729.available())

    def test_random_payloads(self) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        codec = ChannelDecoder(Complaints())
        with self.subTest(seed=seed):
            for _ in range(400):
                payload_type = draw.choice((0, 3, 8, 9, 18, draw.randrange(128)))
                samples = codec.decode(payload_type, draw.randbytes(draw.choice((0, 1, 2, 10, 12, 33, 160, 999))))
                self.assertLessEqual(len(samples or ()), LARGEST_PACKET)


if __name__ == "__main__":
    unittest.main()
