"""SRTP: published vectors, index estimation, replays, forgeries."""

from __future__ import annotations

import random
import unittest

from rtpp.rtp.packet import RtpPacket
from rtpp.rtp.srtp import TAG_SIZES, SrtpError, SrtpReceiver, derive_keys
from tests.rtp.srtp_sender import encrypt

KEY = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de4139" "0ec675ad498afeebb6960b3aabe6")


def rtp(number: int, payload: bytes = b"payload", ssrc: int = 7) -> bytes:
    return bytes(RtpPacket(0, number & 0xFFFF, 160 * number & 0xFFFFFFFF, ssrc, payload))


class Vectors(unittest.TestCase):
    def test_key_derivation(self) -> None:  # RFC 3711, appendix B.3
        keys = derive_keys(KEY[:16], KEY[16:])
        self.assertEqual(keys.encryption.hex(), "c61e7a93744f39ee10734afe3ff7a087")
        self.assertEqual(keys.salt.hex(), "30cbbc08863d8c85d49db34a9ae1")
        self.assertEqual(keys.authentication.hex(), "cebe321f6ff7716b6fd4ab49af256a156d38baa4")

    def test_packet(self) -> None:  # the one that implementations of SRTP compare with each other
        plain = "800f1234decafbadcafebabe" + "ab" * 16
        packet = "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb"
        self.assertEqual(SrtpReceiver(KEY, 10).decrypt(bytes.fromhex(packet)).hex(), plain)
        self.assertEqual(encrypt(KEY, 10, bytes.fromhex(plain)).hex(), packet)


class Decryption(unittest.TestCase):
    def test_every_suite_and_header(self) -> None:
        packets = [
            RtpPacket(0, 1, 160, 7, b"payload"),
            RtpPacket(0, 2, 320, 7, b""),
            RtpPacket(8, 3, 480, 7, b"payload", marker=True, csrc=(1, 2, 3)),
            RtpPacket(8, 4, 640, 7, b"payload", extension=bytes.fromhex("bede000100000000")),
            RtpPacket(8, 5, 800, 7, b"payload", csrc=(1,), padding=b"\0\0\3"),
        ]
        for tag_size in TAG_SIZES.values():
            receiver = SrtpReceiver(KEY, tag_size)
            for packet in packets:
                self.assertEqual(receiver.decrypt(encrypt(KEY, tag_size, bytes(packet))), bytes(packet))

    def test_numbers_that_wrap(self) -> None:
        receiver = SrtpReceiver(KEY, 10)
        order = [65530, 65535, 65534, 65537, 65533, 65536, 98300, 131000, 131080, 131070, 131072]
        for number in order:
            packet = rtp(number)
            self.assertEqual(receiver.decrypt(encrypt(KEY, 10, packet, number >> 16)), packet)

    def test_replays(self) -> None:
        receiver = SrtpReceiver(KEY, 10)
        for number in (1000, 1001, 1127):
            receiver.decrypt(encrypt(KEY, 10, rtp(number)))
        for number in (1127, 1001, 1000, 999, 1):
            with self.assertRaises(SrtpError):
                receiver.decrypt(encrypt(KEY, 10, rtp(number)))
        receiver.decrypt(encrypt(KEY, 10, rtp(1002)))  # late, but inside the window
        receiver.decrypt(encrypt(KEY, 10, rtp(1128)))
        with self.assertRaises(SrtpError):
            receiver.decrypt(encrypt(KEY, 10, rtp(1000)))

    def test_the_window_is_as_documented(self) -> None:
        for behind, accepted in ((127, True), (128, False)):
            receiver = SrtpReceiver(KEY, 10)
            receiver.decrypt(encrypt(KEY, 10, rtp(1000)))
            late = encrypt(KEY, 10, rtp(1000 - behind))
            if accepted:
                receiver.decrypt(late)
            else:
                with self.assertRaises(SrtpError):
                    receiver.decrypt(late)

    def test_a_failed_packet_changes_nothing(self) -> None:
        receiver = SrtpReceiver(KEY, 10)
        receiver.decrypt(encrypt(KEY, 10, rtp(1)))
        forged = bytearray(encrypt(KEY, 10, rtp(30000)))
        forged[-1] ^= 1
        with self.assertRaises(SrtpError):
            receiver.decrypt(bytes(forged))
        receiver.decrypt(encrypt(KEY, 10, rtp(2)))

    def test_what_is_refused(self) -> None:
        receiver = SrtpReceiver(KEY, 10)
        receiver.decrypt(encrypt(KEY, 10, rtp(5)))
        cases = [
            b"",
            rtp(6)[:21],
            encrypt(KEY, 4, rtp(6)),
            encrypt(KEY, 10, rtp(6, ssrc=8)),
            encrypt(bytes(30), 10, rtp(6)),
            encrypt(KEY, 10, rtp(6), rollovers=1),
            encrypt(KEY, 10, rtp(65000), rollovers=0xFFFFFFFF),  # from before the first one
            b"\x8f" + bytes(11) + bytes(10),  # contributing sources that are not there
            b"\x00" + bytes(40),
        ]
        for data in cases:
            with self.assertRaises(SrtpError, msg=data.hex()):
                receiver.decrypt(data)
        for size in (0, 16, 29, 31):
            with self.assertRaises(ValueError):
                SrtpReceiver(bytes(size), 10)

    def test_random_damage(self) -> None:
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        receiver = SrtpReceiver(KEY, 10)
        with self.subTest(seed=seed):
            for number in range(200):
                data = bytearray(encrypt(KEY, 10, rtp(number)))
                data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
                with self.assertRaises(SrtpError):
                    receiver.decrypt(bytes(data[: draw.choice((len(data), draw.randrange(len(data))))]))


if __name__ == "__main__":
    unittest.main()
