"""AIFF, and AIFF-C where the samples are not integers: chunks like those of WAV, big-endian.

    "FORM" size "AIFF" or "AIFC"
      "FVER" version                           AIFF-C only
      "COMM" channels, frames, bits, rate (80-bit floating point), in AIFF-C also the encoding and its name
      "SSND" offset 0, block size 0, samples
"""

from __future__ import annotations

import struct

from .encodings import Layout

_COMPRESSIONS = {"float": b"fl32", "double": b"fl64"}
ALL_ENCODINGS = ("pcm_s8", "pcm_16", "pcm_24", "pcm_32", *_COMPRESSIONS)
_AIFC_VERSION = 0xA2805140


def _extended(number: int) -> bytes:
    """A positive integer as an 80-bit floating point number."""
    length = number.bit_length()
    return struct.pack(">HQ", 16383 + length - 1, number << (64 - length))


def header(layout: Layout) -> bytes:
    encoding = layout.encoding
    compression = _COMPRESSIONS.get(encoding.name)
    common = struct.pack(">HIH", layout.channels, min(layout.frames, 0xFFFFFFFF), encoding.bits)
    common += _extended(layout.rate)
    chunks = b""
    if compression:
        chunks = struct.pack(">4sII", b"FVER", 4, _AIFC_VERSION)
        common += compression + bytes(2)  # an empty name: length 0 and a byte of padding
    chunks += struct.pack(">4sI", b"COMM", len(common)) + common
    padded = layout.data_bytes + layout.data_bytes % 2
    size = min(4 + len(chunks) + 16 + padded, 0xFFFFFFFF)
    return (
        struct.pack(">4sI4s", b"FORM", size, b"AIFC" if compression else b"AIFF")
        + chunks
        + struct.pack(">4sIII", b"SSND", min(8 + layout.data_bytes, 0xFFFFFFFF), 0, 0)
    )
