"""AES in counter mode, in Python and through OpenSSL, against published vectors and each other."""

from __future__ import annotations

import random
import unittest

from rtpp.rtp import aes

KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")


class Vectors(unittest.TestCase):
    def test_block(self) -> None:
        cases = [  # FIPS 197, appendix C.1, then SP 800-38A, F.1.1
            (bytes(range(16)).hex(), "00112233445566778899aabbccddeeff", "69c4e0d86a7b0430d8cdb78070b4c55a"),
            (KEY.hex(), "6bc1bee22e409f96e93d7e117393172a", "3ad77bb40d7a3660a89ecaf32466ef97"),
            (KEY.hex(), "ae2d8a571e03ac9c9eb76fac45af8e51", "f5d3d58503b9699de785895a96fdbaaf"),
        ]
        for key, plain, expected in cases:
            schedule = aes.expand_key(bytes.fromhex(key))
            self.assertEqual(aes.encrypt_block(schedule, bytes.fromhex(plain)).hex(), expected)

    def test_key_stream(self) -> None:
        salt = "f0f1f2f3f4f5f6f7f8f9fafbfcfd"  # RFC 3711, appendix B.2
        cases = [
            ("0000",
             "e03ead0935c95e80e166b16dd92b4eb4" "d23513162b02d0f72a43a2fe4a5f97ab" "41e95b3bb0a2e8dd477901e4fca894c0"),
            ("feff",
             "ec8cdf7398607cb0f2d21675ea9ea1e4" "362b7c3c6773516318a077d7fc5073ae" "6a2cc3787889374fbeb4c81b17ba6c44"),
        ]  # fmt: skip
        for crypt in (aes.python_cipher(KEY), aes.counter_cipher(KEY)):
            for start, expected in cases:
                self.assertEqual(crypt(bytes.fromhex(salt + start), bytes(48)).hex(), expected)


class TwoWays(unittest.TestCase):
    def test_openssl_and_python_agree(self) -> None:
        if aes._openssl() is None:
            self.skipTest("no OpenSSL library on this machine")
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        with self.subTest(seed=seed):
            for _ in range(40):
                key, counter = draw.randbytes(16), draw.randbytes(16)
                data = draw.randbytes(draw.choice((0, 1, 15, 16, 17, 160, 333)))
                expected = aes.python_cipher(key)(counter, data)
                self.assertEqual(aes.counter_cipher(key)(counter, data), expected)
                self.assertEqual(aes.python_cipher(key)(counter, expected), data)

    def test_the_counter_wraps(self) -> None:
        for cipher in (aes.python_cipher, aes.counter_cipher):
            crypt = cipher(KEY)
            self.assertEqual(crypt(b"\xff" * 16, bytes(32))[16:], crypt(bytes(16), bytes(16)))


if __name__ == "__main__":
    unittest.main()
