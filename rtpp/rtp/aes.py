"""AES-128 in counter mode (FIPS 197, NIST SP 800-38A), which is its own inverse. SRTP needs no more of AES.

Plan: OpenSSL's library does it when the machine has one, called through ctypes with one context per key. Otherwise
plain Python does: the four steps of a round are four table look-ups per 32-bit word (the tables are the S-box
multiplied by the constants of MixColumns, rotated into each of the four places), about 20 microseconds a block.
That is a hundred times slower than the library and still faster than the speech it decrypts.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from struct import Struct
from typing import Callable, Optional

BLOCK = 16  # bytes; also the size of a key
ROUNDS = 10

# (first block of the counter, data) -> data combined with the key stream
CounterCipher = Callable[[bytes, bytes], bytes]

_NAMES = ("libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so")
_DARWIN_NAMES = ("libcrypto.3.dylib",)

_words = Struct("!4I")


def counter_cipher(key: bytes) -> CounterCipher:
    """A function that encrypts, or decrypts, with `key` in counter mode, by the fastest means there is."""
    library = _openssl()
    return _library_cipher(library, key) if library else python_cipher(key)


def python_cipher(key: bytes) -> CounterCipher:
    """The same without OpenSSL."""
    schedule = expand_key(key)

    def crypt(counter: bytes, data: bytes) -> bytes:
        first = int.from_bytes(counter, "big")
        blocks = (len(data) + BLOCK - 1) // BLOCK
        stream = b"".join(
            encrypt_block(schedule, (first + n & (1 << 128) - 1).to_bytes(BLOCK, "big")) for n in range(blocks)
        )[: len(data)]
        return (int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(data), "big")

    return crypt


def expand_key(key: bytes) -> list[tuple[int, ...]]:
    """The key of each round, four words each; `key` has 16 bytes."""
    box = _tables()[0]
    words = list(_words.unpack(key))
    constant = 1
    for index in range(4, 4 * (ROUNDS + 1)):
        word = words[-1]
        if index % 4 == 0:
            word = (word << 8 | word >> 24) & 0xFFFFFFFF
            a, b, c, d = (box[byte] for byte in word.to_bytes(4, "big"))
            word = (a ^ constant) << 24 | b << 16 | c << 8 | d
            constant = _double(constant)
        words.append(words[index - 4] ^ word)
    return [tuple(words[index : index + 4]) for index in range(0, len(words), 4)]


def encrypt_block(schedule: list[tuple[int, ...]], block: bytes) -> bytes:
    """One block of 16 bytes."""
    box, t0, t1, t2, t3 = _tables()
    k0, k1, k2, k3 = schedule[0]
    a, b, c, d = _words.unpack(block)
    a, b, c, d = a ^ k0, b ^ k1, c ^ k2, d ^ k3
    for k0, k1, k2, k3 in schedule[1:ROUNDS]:
        a, b, c, d = (
            t0[a >> 24] ^ t1[b >> 16 & 255] ^ t2[c >> 8 & 255] ^ t3[d & 255] ^ k0,
            t0[b >> 24] ^ t1[c >> 16 & 255] ^ t2[d >> 8 & 255] ^ t3[a & 255] ^ k1,
            t0[c >> 24] ^ t1[d >> 16 & 255] ^ t2[a >> 8 & 255] ^ t3[b & 255] ^ k2,
            t0[d >> 24] ^ t1[a >> 16 & 255] ^ t2[b >> 8 & 255] ^ t3[c & 255] ^ k3,
        )
    k0, k1, k2, k3 = schedule[ROUNDS]
    return _words.pack(
        (box[a >> 24] << 24 | box[b >> 16 & 255] << 16 | box[c >> 8 & 255] << 8 | box[d & 255]) ^ k0,
        (box[b >> 24] << 24 | box[c >> 16 & 255] << 16 | box[d >> 8 & 255] << 8 | box[a & 255]) ^ k1,
        (box[c >> 24] << 24 | box[d >> 16 & 255] << 16 | box[a >> 8 & 255] << 8 | box[b & 255]) ^ k2,
        (box[d >> 24] << 24 | box[a >> 16 & 255] << 16 | box[b >> 8 & 255] << 8 | box[c & 255]) ^ k3,
    )


def _double(value: int) -> int:
    """Times x in the field of AES, whose polynomial is x^8 + x^4 + x^3 + x + 1."""
    value <<= 1
    return value ^ 0x11B if value & 0x100 else value


@cache
def _tables() -> tuple[list[int], ...]:
    """The S-box, and the four tables of a round."""
    # the powers of 3 run through all of the field but 0; where n is the exponent of x, 255 - n is that of 1/x
    powers = [1]
    for _ in range(254):
        powers.append(powers[-1] ^ _double(powers[-1]))
    exponents = {value: exponent for exponent, value in enumerate(powers)}
    box = []
    for value in range(256):
        inverse = powers[-exponents[value] % 255] if value else 0
        turned = inverse << 8 | inverse
        box.append(0x63 ^ inverse ^ (turned >> 7 ^ turned >> 6 ^ turned >> 5 ^ turned >> 4) & 0xFF)
    column = [_double(s) << 24 | s << 16 | s << 8 | _double(s) ^ s for s in box]
    turns = [[word >> turn | word << 32 - turn & 0xFFFFFFFF for word in column] for turn in (8, 16, 24)]
    return (box, column, *turns)


@cache
def _openssl() -> Optional[ctypes.CDLL]:
    """The library, None when there is none. By full names only: macOS ends a program that asks for the short one."""
    for name in _DARWIN_NAMES if sys.platform == "darwin" else _NAMES:
        try:
            library = ctypes.CDLL(name)
            library.EVP_CIPHER_CTX_new.restype = library.EVP_aes_128_ctr.restype = ctypes.c_void_p
            library.EVP_CIPHER_CTX_free.argtypes = [ctypes.c_void_p]
            library.EVP_EncryptInit_ex.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_char_p] * 2
            library.EVP_EncryptUpdate.argtypes = [
                ctypes.c_void_p,
                ctypes.c_char_p,
                ctypes.POINTER(ctypes.c_int),
                ctypes.c_char_p,
                ctypes.c_int,
            ]
        except (OSError, AttributeError):
            continue
        return library
    return None


def _library_cipher(library: ctypes.CDLL, key: bytes) -> CounterCipher:
    return _Context(library, key).crypt


class _Context:
    """OpenSSL's state for one key."""

    def __init__(self, library: ctypes.CDLL, key: bytes) -> None:
        self._library = library
        self._written = ctypes.c_int()
        self._context: Optional[int] = library.EVP_CIPHER_CTX_new()
        algorithm = library.EVP_aes_128_ctr()
        if not self._context or not library.EVP_EncryptInit_ex(self._context, algorithm, None, key, bytes(BLOCK)):
            raise OSError("OpenSSL refuses AES-128 in counter mode")

    def crypt(self, counter: bytes, data: bytes) -> bytes:
        result = ctypes.create_string_buffer(len(data))
        if not (
            self._library.EVP_EncryptInit_ex(self._context, None, None, None, counter)
            and self._library.EVP_EncryptUpdate(
                self._context, result, ctypes.byref(self._written), data, len(data)
            )
        ):
            raise OSError("OpenSSL failed to encrypt")
        return result.raw

    def __del__(self) -> None:
        if getattr(self, "_context", None):
            self._library.EVP_CIPHER_CTX_free(self._context)
