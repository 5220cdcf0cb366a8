"""G.711: mu-law and A-law, 64 kbit/s (RFC 3551 payload types 0 and 8).

Plan: one table each way. Encoding truncates a 16-bit sample to the width of the law (14 bits for mu-law,
13 bits for A-law, arithmetic shift, no dither) and looks its code up; the list of codes is stretched to all
65536 samples, laid out so that a negative sample is a valid negative Python index, and `map` walks it
without a line of Python per sample. Decoding is `bytes.translate`, once for the high bytes of the samples
and once for the low ones, which runs at the speed of memory.

The codes of mu-law silence decode to +2 and -2 instead of 0, as the C program's do: the audio of a recording
stays comparable byte for byte.
"""

from __future__ import annotations

import sys
from array import array
from functools import cache

# (low bytes, high bytes) of the sample of each code
DecodingTable = tuple[bytes, bytes]

_ULAW_BIAS = 33  # in 14-bit units; makes every segment start at a power of two
_LOW, _HIGH = (0, 1) if sys.byteorder == "little" else (1, 0)


def encode_ulaw(samples: array[int]) -> bytes:
    """One mu-law byte for each 16-bit sample."""
    return bytes(map(_ulaw_codes().__getitem__, samples))


def encode_alaw(samples: array[int]) -> bytes:
    """One A-law byte for each 16-bit sample."""
    return bytes(map(_alaw_codes().__getitem__, samples))


def decode_ulaw(data: bytes) -> array[int]:
    """One 16-bit sample for each mu-law byte."""
    return _decode(data, _ulaw_samples())


def decode_alaw(data: bytes) -> array[int]:
    """One 16-bit sample for each A-law byte."""
    return _decode(data, _alaw_samples())


def _decode(data: bytes, table: DecodingTable) -> array[int]:
    low, high = table
    interleaved = bytearray(2 * len(data))
    interleaved[_LOW::2] = data.translate(low)
    interleaved[_HIGH::2] = data.translate(high)
    return array("h", bytes(interleaved))


# A code is 1 sign bit, 3 bits of segment and 4 bits of step, some of them inverted:
#
#    7   6 5 4   3 2 1 0
#  +---+-------+---------+
#  | S |segment|  step   |     mu-law inverts all bits, A-law bits 0, 2, 4 and 6
#  +---+-------+---------+     and its S is 1 for positive samples


@cache
def _ulaw_codes() -> list[int]:
    """mu-law code of each sample, negative samples as negative indexes."""
    magnitudes: list[int] = []  # code without sign of each 14-bit magnitude
    for segment in range(8):
        for step in range(16):
            magnitudes.extend([segment << 4 | step] * (2 << segment))
    # the bias shortens the first step; what lies above the last one saturates
    magnitudes = magnitudes[_ULAW_BIAS - 32 :]
    magnitudes.extend([0x7F] * (8193 - len(magnitudes)))
    positive = [code ^ 0xFF for code in magnitudes[:8192]]
    negative = [code ^ 0x7F for code in magnitudes[8192:0:-1]]
    return [code for code in positive + negative for _ in range(4)]


@cache
def _alaw_codes() -> list[int]:
    """A-law code of each sample, negative samples as negative indexes."""
    magnitudes: list[int] = []  # code without sign of each 12-bit magnitude
    for segment in range(8):
        for step in range(16):
            magnitudes.extend([segment << 4 | step] * (1 << max(1, segment)))
    positive = [code ^ 0xD5 for code in magnitudes]
    negative = [code ^ 0x55 for code in reversed(magnitudes)]
    return [code for code in positive + negative for _ in range(8)]


@cache
def _ulaw_samples() -> DecodingTable:
    samples = []
    for code in range(256):
        segment, step = (~code & 0x70) >> 4, ~code & 0x0F
        magnitude = ((2 * step + _ULAW_BIAS << segment) - _ULAW_BIAS) * 4 or 2
        samples.append(magnitude if code & 0x80 else -magnitude)
    return _split(samples)


@cache
def _alaw_samples() -> DecodingTable:
    samples = []
    for code in range(256):
        plain = code ^ 0x55
        segment, step = (plain & 0x70) >> 4, plain & 0x0F
        magnitude = (2 * step + 1 if segment == 0 else 2 * step + 33 << (segment - 1)) * 8
        samples.append(magnitude if plain & 0x80 else -magnitude)
    return _split(samples)


def _split(samples: list[int]) -> DecodingTable:
    return bytes(sample & 0xFF for sample in samples), bytes(sample >> 8 & 0xFF for sample in samples)
