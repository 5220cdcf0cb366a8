"""Linear samples in files: integers of 8 to 32 bits and floating point numbers, either byte order.

Plan: a wider integer is the 16-bit sample with zeros below it, so bytes are moved in strides instead of
computing numbers. Reading keeps the 16 highest bits. Floating point runs from -1 to 1.
"""

from __future__ import annotations

import sys
from array import array

_FLIP_SIGN = bytes(byte ^ 0x80 for byte in range(256))
_HOST_IS_BIG = sys.byteorder == "big"


def _swapped(values: array[int] | array[float], big_endian: bool) -> bytes:
    if big_endian != _HOST_IS_BIG:
        values = values[:]
        values.byteswap()
    return values.tobytes()


def encode_integers(samples: array[int], width: int, big_endian: bool) -> bytes:
    """Signed integers of `width` bytes, 1 to 4."""
    narrow = _swapped(samples, big_endian=True)
    high, low = narrow[0::2], narrow[1::2]
    if width == 1:
        return high
    out = bytearray(width * len(samples))
    out[0 if big_endian else width - 1 :: width] = high
    out[1 if big_endian else width - 2 :: width] = low
    return bytes(out)


def decode_integers(data: bytes, width: int, big_endian: bool) -> array[int]:
    """The 16 highest bits of each integer; an incomplete last one is ignored."""
    count = len(data) // width
    data = data[: count * width]
    narrow = bytearray(2 * count)
    narrow[0::2] = data[0 if big_endian else width - 1 :: width]
    if width > 1:
        narrow[1::2] = data[1 if big_endian else width - 2 :: width]
    samples = array("h", bytes(narrow))
    if not _HOST_IS_BIG:
        samples.byteswap()
    return samples


def encode_unsigned_bytes(samples: array[int]) -> bytes:
    return encode_integers(samples, 1, big_endian=True).translate(_FLIP_SIGN)


def decode_unsigned_bytes(data: bytes) -> array[int]:
    return decode_integers(data.translate(_FLIP_SIGN), 1, big_endian=True)


def encode_floats(samples: array[int], typecode: str, big_endian: bool) -> bytes:
    """`typecode` is "f" for 4 bytes or "d" for 8, as in `array`."""
    return _swapped(array(typecode, [sample / 32768 for sample in samples]), big_endian)


def decode_floats(data: bytes, typecode: str, big_endian: bool) -> array[int]:
    """What is beyond full scale, or no number, becomes full scale."""
    values = array(typecode)
    values.frombytes(data[: len(data) // values.itemsize * values.itemsize])
    if big_endian != _HOST_IS_BIG:
        values.byteswap()
    return array("h", [int(max(-32768.0, min(32767.0, value * 32768))) for value in values])
