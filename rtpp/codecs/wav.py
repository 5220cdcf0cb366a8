"""The RIFF/WAVE family: wav, wavex (with an explicit channel layout), and rf64 and w64 for large files.

    "RIFF" size "WAVE"
      "fmt " size: tag, channels, rate, bytes a second, block size, bits a sample, what the encoding adds
      "fact" size: frames                      not for integer PCM
      "data" size: samples, padded to 2 bytes

rf64 is the same with 64-bit sizes in a "ds64" chunk at the front; w64 has 16-byte names and 64-bit sizes that
count the chunk's own header, and pads what stands before the samples to 8 bytes.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from . import ms_adpcm
from .encodings import ENCODINGS, FormatError, Layout

PLAIN_ENCODINGS = ("pcm_16", "pcm_24", "pcm_32", "pcm_u8", "float", "double", "ulaw", "alaw")
ALL_ENCODINGS = (*PLAIN_ENCODINGS, "ima_adpcm", "ms_adpcm", "gsm610")
# no floating point in w64, for the reason given in caf.py
W64_ENCODINGS = tuple(name for name in ALL_ENCODINGS if name not in ("float", "double"))

_TAGS = {"ms_adpcm": 2, "float": 3, "double": 3, "alaw": 6, "ulaw": 7, "ima_adpcm": 0x11, "gsm610": 0x31}
_PCM_TAG = 1
_EXTENSIBLE_TAG = 0xFFFE
_SUBFORMAT = bytes.fromhex("000000001000800000aa00389b71")  # follows the tag
_SPEAKERS = {1: 0x4, 2: 0x3}  # centre; left and right
_UNKNOWN_SIZE = 0xFFFFFFFF

_W64_RIFF = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
_W64_CHUNK = bytes.fromhex("f3acd3118cd100c04f8edb8a")


def _format(layout: Layout) -> bytes:
    """Contents of the "fmt " chunk."""
    encoding = layout.encoding
    tag = _TAGS.get(encoding.name, _PCM_TAG)
    rate = layout.rate * layout.block_bytes // encoding.block_frames
    head = struct.pack("<HHIIHH", tag, layout.channels, layout.rate, rate, layout.block_bytes, encoding.bits)
    if tag == _PCM_TAG:
        return head
    extra = b""
    if not encoding.is_plain:
        extra = struct.pack("<H", encoding.block_frames)
    if encoding.name == "ms_adpcm":
        pairs = ms_adpcm.COEFFICIENTS
        extra += struct.pack("<H", len(pairs)) + b"".join(struct.pack("<hh", *pair) for pair in pairs)
    return head + struct.pack("<H", len(extra)) + extra


def _extensible_format(layout: Layout) -> bytes:
    head = _format(layout)[:16]
    extra = struct.pack("<HI", layout.encoding.bits, _SPEAKERS[layout.channels]) + head[:2] + _SUBFORMAT
    return struct.pack("<H", _EXTENSIBLE_TAG) + head[2:] + struct.pack("<H", len(extra)) + extra


def _chunks(layout: Layout, format_contents: bytes) -> bytes:
    """The chunks before "data"."""
    chunks = b"fmt " + struct.pack("<I", len(format_contents)) + format_contents
    if layout.encoding.name in _TAGS:
        chunks += struct.pack("<4sII", b"fact", 4, min(layout.frames, _UNKNOWN_SIZE))
    return chunks


def _riff(layout: Layout, chunks: bytes) -> bytes:
    data_bytes = layout.data_bytes
    size = 4 + len(chunks) + 8 + data_bytes + data_bytes % 2
    return (
        struct.pack("<4sI4s", b"RIFF", min(size, _UNKNOWN_SIZE), b"WAVE")
        + chunks
        + struct.pack("<4sI", b"data", min(data_bytes, _UNKNOWN_SIZE))
    )


def wav_header(layout: Layout) -> bytes:
    return _riff(layout, _chunks(layout, _format(layout)))


def wavex_header(layout: Layout) -> bytes:
    return _riff(layout, _chunks(layout, _extensible_format(layout)))


def rf64_header(layout: Layout) -> bytes:
    chunks = _chunks(layout, _extensible_format(layout))
    padded = layout.data_bytes + layout.data_bytes % 2
    size = 4 + 8 + 28 + len(chunks) + 8 + padded
    return (
        struct.pack("<4sI4s", b"RF64", _UNKNOWN_SIZE, b"WAVE")
        + struct.pack("<4sIQQQI", b"ds64", 28, size, layout.data_bytes, layout.frames, 0)
        + chunks
        + struct.pack("<4sI", b"data", _UNKNOWN_SIZE)
    )


def w64_header(layout: Layout) -> bytes:
    format_contents = _format(layout)
    chunks = b"fmt " + _W64_CHUNK + struct.pack("<Q", 24 + len(format_contents)) + format_contents
    chunks += bytes(-len(chunks) % 8)
    if layout.encoding.name in _TAGS:
        chunks += b"fact" + _W64_CHUNK + struct.pack("<QQ", 24 + 8, layout.frames)
    size = 40 + len(chunks) + 24 + layout.data_bytes
    return (
        _W64_RIFF
        + struct.pack("<Q", size)
        + (b"wave" + _W64_CHUNK)
        + chunks
        + (b"data" + _W64_CHUNK)
        + struct.pack("<Q", 24 + layout.data_bytes)
    )


def parse(file: BinaryIO) -> tuple[Layout, int]:
    """Layout of a wav or wavex file, and the size of its blocks; leaves `file` at the first sample.

    A size that a program could not fill in (0 or the largest number) means up to the end of the file.
    Raises FormatError.
    """
    file.seek(12)
    format_contents = b""
    while True:
        head = file.read(8)
        if len(head) < 8:
            raise FormatError("WAV file without samples")
        name, size = struct.unpack("<4sI", head)
        if name == b"data":
            break
        following = file.tell() + size + size % 2
        if name == b"fmt ":
            format_contents = file.read(min(size, 40))
        file.seek(following)
    return _layout(format_contents, 0 if size == _UNKNOWN_SIZE else size)


def _layout(format_contents: bytes, data_bytes: int) -> tuple[Layout, int]:
    if len(format_contents) < 16:
        raise FormatError("WAV file without a description of its format")
    tag, channels, rate, _, block_bytes, bits = struct.unpack("<HHIIHH", format_contents[:16])
    if tag == _EXTENSIBLE_TAG and len(format_contents) >= 26:
        tag = int.from_bytes(format_contents[24:26], "little")
    if tag == _PCM_TAG:
        name = {8: "pcm_u8", 16: "pcm_16", 24: "pcm_24", 32: "pcm_32"}.get(bits)
    elif tag == _TAGS["float"]:
        name = {32: "float", 64: "double"}.get(bits)
    else:
        name = next((name for name, known in _TAGS.items() if known == tag), None)
    if name is None:
        raise FormatError(f"WAV file of format {tag:#x} with {bits} bits a sample")
    return Layout(ENCODINGS[name], channels, rate, data_bytes), block_bytes
