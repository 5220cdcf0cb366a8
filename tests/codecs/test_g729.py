from __future__ import annotations

import unittest

from rtpp.codecs import g729


class Absence(unittest.TestCase):
    def test_message_names_what_is_missing(self) -> None:
        with self.assertRaises(g729.CodecUnavailable) as caught:
            g729.load(("libno-such-codec.so.0",))
        for word in ("G.729", "bcg729", "libno-such-codec.so.0", "libbcg729-0"):
            self.assertIn(word, str(caught.exception))

    def test_library_without_the_functions_does_not_count(self) -> None:
        with self.assertRaises(g729.CodecUnavailable):
            g729.load(("libc.so.6",))

    def test_coders_exist_exactly_when_available(self) -> None:
        for make in (g729.Encoder, g729.Decoder):
            if g729.available():
                make()
            else:
                self.assertRaises(g729.CodecUnavailable, make)


if __name__ == "__main__":
    unittest.main()
