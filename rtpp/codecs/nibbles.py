"""Rows of 4-bit codes to bytes and back, without a loop over them."""

from __future__ import annotations

_HIGH = bytes(byte >> 4 for byte in range(256))
_LOW = bytes(byte & 15 for byte in range(256))


def split(data: bytes, high_first: bool) -> bytearray:
    """One byte of 0 to 15 for each half of a byte."""
    codes = bytearray(2 * len(data))
    codes[0 if high_first else 1 :: 2] = data.translate(_HIGH)
    codes[1 if high_first else 0 :: 2] = data.translate(_LOW)
    return codes


def join(codes: bytes | bytearray, high_first: bool) -> bytes:
    """The inverse of `split`; the number of codes is even."""
    first, second = codes[0::2], codes[1::2]
    high, low = (first, second) if high_first else (second, first)
    number = int.from_bytes(high, "big") << 4 | int.from_bytes(low, "big")
    return number.to_bytes(len(first), "big")
