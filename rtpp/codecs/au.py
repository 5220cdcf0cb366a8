"""Sun and NeXT audio (au): a header of six numbers, big-endian.

    ".snd", offset of the samples, their size in bytes, encoding, rate, channels, and a remark
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from .encodings import ENCODINGS, FormatError, Layout

_CODES = {
    "ulaw": 1,
    "pcm_s8": 2,
    "pcm_16": 3,
    "pcm_24": 4,
    "pcm_32": 5,
    "float": 6,
    "double": 7,
    "alaw": 27,
}
ALL_ENCODINGS = tuple(_CODES)
_HEADER = struct.Struct(">4s5I")
_REMARK = bytes(4)  # an empty one; some readers complain when it is missing
_UNKNOWN_SIZE = 0xFFFFFFFF


def header(layout: Layout) -> bytes:
    size = min(layout.data_bytes, _UNKNOWN_SIZE)
    code = _CODES[layout.encoding.name]
    offset = _HEADER.size + len(_REMARK)
    return _HEADER.pack(b".snd", offset, size, code, layout.rate, layout.channels) + _REMARK


def parse(file: BinaryIO) -> Layout:
    """Layout of the file, `data_bytes` 0 when unknown; leaves `file` at the first sample.

    Raises FormatError.
    """
    file.seek(0)
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        raise FormatError(f"AU file of {len(head)} bytes; its header has {_HEADER.size}")
    _, offset, size, code, rate, channels = _HEADER.unpack(head)
    name = next((name for name, known in _CODES.items() if known == code), None)
    if name is None:
        raise FormatError(f"AU file with encoding {code}")
    if offset < _HEADER.size:
        raise FormatError(f"AU file whose samples start at byte {offset}, inside its header")
    file.seek(offset)
    return Layout(ENCODINGS[name], channels, rate, 0 if size == _UNKNOWN_SIZE else size)
