"""Decryption of SRTP (RFC 3711) with the AES counter mode suites of RFC 4568, for recordings.

Plan: keys are derived once per stream. For each packet: estimate its index (how often the sequence number has
wrapped is not sent), look it up in the replay window, check the authentication tag, and only then move the window
and decrypt. A packet that fails changes nothing.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple, Optional

from rtpp.rtp.aes import BLOCK, counter_cipher
from rtpp.rtp.packet import HEADER, HEADER_SIZE, PLAIN, RtpError, payload_bounds

KEY_SIZE = 16  # bytes
SALT_SIZE = 14
REPLAY_WINDOW = 128  # packets
TAG_SIZES = {"AES_CM_128_HMAC_SHA1_80": 10, "AES_CM_128_HMAC_SHA1_32": 4}  # bytes, by suite

_AUTHENTICATION_KEY_SIZE = 20
_LABELS = range(3)  # of the keys for encryption, authentication and salting of SRTP


class SrtpError(ValueError):
    """A packet that does not decrypt: forged, repeated, too old, of another source, or not SRTP."""


class SessionKeys(NamedTuple):
    """What RFC 3711, section 4.3, derives from the master key."""

    encryption: bytes
    authentication: bytes
    salt: bytes


def derive_keys(master_key: bytes, master_salt: bytes) -> SessionKeys:
    """Keys for SRTP, with a key derivation rate of zero."""
    crypt = counter_cipher(master_key)
    sizes = (KEY_SIZE, _AUTHENTICATION_KEY_SIZE, SALT_SIZE)
    salt = int.from_bytes(master_salt, "big")
    return SessionKeys(
        *(
            crypt(((salt ^ label << 48) << 16).to_bytes(BLOCK, "big"), bytes(size))
            for label, size in zip(_LABELS, sizes)
        )
    )


def first_counter(salt: bytes, ssrc: int, index: int) -> bytes:
    """The counter block of a packet's first block (section 4.1.1)."""
    return (int.from_bytes(salt, "big") << 16 ^ ssrc << 64 ^ index << 16).to_bytes(BLOCK, "big")


class SrtpReceiver:
    """Decrypts one stream: that of the first packet's SSRC.

    `key` is the master key with the master salt behind, 30 bytes; `tag_size` comes from `TAG_SIZES`.
    """

    def __init__(self, key: bytes, tag_size: int) -> None:
        if len(key) != KEY_SIZE + SALT_SIZE:
            raise ValueError(f"a key and salt of {len(key)} bytes, needed {KEY_SIZE + SALT_SIZE}")
        self._keys = derive_keys(key[:KEY_SIZE], key[KEY_SIZE:])
        self._crypt = counter_cipher(self._keys.encryption)
        self._tag_size = tag_size
        self._ssrc: Optional[int] = None
        self._highest = -1  # index, -1: none yet
        self._seen = 0  # bit n: index `_highest` - n came

    def decrypt(self, data: bytes) -> bytes:
        """The RTP packet in an SRTP packet. Raises SrtpError."""
        end = len(data) - self._tag_size
        if end < HEADER_SIZE:
            raise SrtpError(f"{len(data)} bytes are too short for SRTP")
        first, _, sequence_number, _, ssrc = HEADER.unpack_from(data)
        start = HEADER_SIZE if first == PLAIN else _payload_start(data[:end])
        if self._ssrc is None:
            self._ssrc = ssrc
        elif ssrc != self._ssrc:
            raise SrtpError(f"the packet is of 0x{ssrc:08X}, the stream of 0x{self._ssrc:08X}")
        index = self._estimate_index(sequence_number)
        behind = self._highest - index
        if behind >= REPLAY_WINDOW or (behind >= 0 and self._seen >> behind & 1):
            raise SrtpError("the packet is a repetition, or too old to tell")
        authenticated = data[:end] + (index >> 16).to_bytes(4, "big")
        tag = hmac.digest(self._keys.authentication, authenticated, "sha1")[: self._tag_size]
        if not hmac.compare_digest(tag, data[end:]):
            raise SrtpError("the authentication tag is wrong")
        self._remember(index)
        return data[:start] + self._crypt(first_counter(self._keys.salt, ssrc, index), data[start:end])

    def _estimate_index(self, sequence_number: int) -> int:
        """The index nearest to the highest one (section 3.3.1). The first packet is in the first round."""
        if self._highest < 0:
            return sequence_number
        rollovers, highest = self._highest >> 16, self._highest & 0xFFFF
        if sequence_number - highest > 32768:
            rollovers -= 1
        elif highest - sequence_number > 32768:
            rollovers += 1
        if not 0 <= rollovers < 1 << 32:
            raise SrtpError("the packet is from before the first one")
        return rollovers << 16 | sequence_number

    def _remember(self, index: int) -> None:
        ahead = index - self._highest
        if ahead > 0:
            self._seen = (self._seen << min(ahead, REPLAY_WINDOW) | 1) & (1 << REPLAY_WINDOW) - 1
            self._highest = index
        else:
            self._seen |= 1 << -ahead


def _payload_start(data: bytes) -> int:
    """Contributing sources and header extension stay readable; the padding bit speaks of what is encrypted."""
    try:
        return payload_bounds(bytes((data[0] & ~0x20,)) + data[1:])[0]
    except RtpError as error:
        raise SrtpError(str(error)) from error
