"""The other side of SRTP: encrypts, so that there is something to decrypt."""

from __future__ import annotations

import hmac

from rtpp.rtp.aes import python_cipher
from rtpp.rtp.packet import RtpPacket
from rtpp.rtp.srtp import derive_keys, first_counter


def encrypt(key: bytes, tag_size: int, packet: bytes, rollovers: int = 0) -> bytes:
    """The SRTP packet for an RTP packet. `key` is master key and salt, `rollovers` how often its numbers wrapped."""
    keys = derive_keys(key[:16], key[16:])
    parsed = RtpPacket.parse(packet)
    counter = first_counter(keys.salt, parsed.ssrc, rollovers << 16 | parsed.sequence_number)
    start = parsed.payload_offset
    data = packet[:start] + python_cipher(keys.encryption)(counter, packet[start:])
    return data + hmac.digest(keys.authentication, data + rollovers.to_bytes(4, "big"), "sha1")[:tag_size]
