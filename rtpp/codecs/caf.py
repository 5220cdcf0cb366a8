"""Apple's Core Audio Format (caf): chunks with 64-bit sizes, big-endian.

    "caff" version 1
      "desc" rate (double), encoding, flags, bytes and frames in a packet, channels, bits
      "data" edit count 0, samples
"""

from __future__ import annotations

import struct

from .encodings import Layout

_IDS = {"ulaw": b"ulaw", "alaw": b"alaw"}
# no floating point: sox 14.4.2 brings it to full scale when it reads caf or w64 files
ALL_ENCODINGS = ("pcm_s8", "pcm_16", "pcm_24", "pcm_32", *_IDS)
_FLAGS = 0  # of linear PCM: neither floating point nor little-endian


def header(layout: Layout) -> bytes:
    encoding = layout.encoding
    description = struct.pack(
        ">d4sIIIII",
        layout.rate,
        _IDS.get(encoding.name, b"lpcm"),
        _FLAGS,
        layout.block_bytes,
        1,
        layout.channels,
        encoding.bits,
    )
    return (
        struct.pack(">4sHH", b"caff", 1, 0)
        + struct.pack(">4sQ", b"desc", len(description))
        + description
        + struct.pack(">4sQI", b"data", 4 + layout.data_bytes, 0)
    )
