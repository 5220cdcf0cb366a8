"""GSM 06.10 by the shared library libgsm, when the host has it: the bits of gsm.py, some thirty times faster.

Plan: a thin `ctypes` skin. The library codes a frame at a time. With its option WAV49 a block of a WAV file is two
frames: the byte that both have a part in is written with the second and read with the first.
"""

from __future__ import annotations

import ctypes
import weakref
from array import array
from collections.abc import Sequence
from functools import cache
from itertools import cycle
from typing import Optional

from .gsm_tables import FRAME_SAMPLES

LIBRARY_NAMES = ("libgsm.so.1", "libgsm.so", "libgsm.1.dylib", "libgsm.dylib")

# bytes that a coder writes, and that a decoder reads, frame by frame
RTP_FRAMES = (33,), (33,)
WAV_FRAMES = (32, 33), (33, 32)

Packing = tuple[tuple[int, ...], tuple[int, ...]]

_WAV49 = 4  # number of the option
_INPUT_BYTES = 2 * FRAME_SAMPLES
_SILENCE = bytes(_INPUT_BYTES)


class Coder:
    """A coder's memory from frame to frame, in one direction: for `encode` or for `decode`, never for both."""

    def __init__(self, library: ctypes.CDLL, frames: Packing) -> None:
        """`frames` is RTP_FRAMES or WAV_FRAMES. Raises MemoryError."""
        self._encode, self._decode = library.gsm_encode, library.gsm_decode
        self._written, self._read = frames
        self._handle = ctypes.c_void_p(library.gsm_create())
        if not self._handle:
            raise MemoryError("libgsm has no memory for a coder")
        weakref.finalize(self, library.gsm_destroy, self._handle)
        if frames == WAV_FRAMES:
            library.gsm_option(self._handle, _WAV49, ctypes.byref(ctypes.c_int(1)))

    def encode(self, samples: array[int]) -> bytes:
        """Whole blocks of frames; the last one is filled up with zeros."""
        data = samples.tobytes()
        data += bytes(-len(data) % (_INPUT_BYTES * len(self._written)))
        out = ctypes.create_string_buffer(max(self._written))
        frames = []
        for start, size in zip(range(0, len(data), _INPUT_BYTES), cycle(self._written)):
            self._encode(self._handle, data[start : start + _INPUT_BYTES], out)
            frames.append(out.raw[:size])
        return b"".join(frames)

    def decode(self, data: bytes) -> array[int]:
        """The samples of all whole blocks; zeros for a frame without the signature."""
        left = len(data) // sum(self._read) * len(self._read)  # frames
        out = ctypes.create_string_buffer(_INPUT_BYTES)
        start = 0
        pieces = []
        for _, size in zip(range(left), cycle(self._read)):
            failed = self._decode(self._handle, data[start : start + size], out)
            pieces.append(_SILENCE if failed else out.raw)
            start += size
        return array("h", b"".join(pieces))


@cache
def library() -> Optional[ctypes.CDLL]:
    """The library, None when the host has none."""
    return load(LIBRARY_NAMES)


def load(names: Sequence[str]) -> Optional[ctypes.CDLL]:
    """The first of the shared libraries that is there and can do all this."""
    for name in names:
        try:
            found = ctypes.CDLL(name)
            _declare(found)
        except (OSError, AttributeError):  # not there, or something else of that name
            continue
        if _can_pack_for_wav(found):
            return found
    return None


def _declare(library: ctypes.CDLL) -> None:
    library.gsm_create.restype = ctypes.c_void_p
    library.gsm_create.argtypes = []
    library.gsm_destroy.restype = None
    library.gsm_destroy.argtypes = [ctypes.c_void_p]
    library.gsm_option.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]
    library.gsm_encode.restype = None
    library.gsm_encode.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]  # coder, samples, frame
    library.gsm_decode.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]  # coder, frame, samples


def _can_pack_for_wav(library: ctypes.CDLL) -> bool:
    """Some libraries are compiled without."""
    handle = ctypes.c_void_p(library.gsm_create())
    if not handle:
        return False
    refused = library.gsm_option(handle, _WAV49, ctypes.byref(ctypes.c_int(1)))
    library.gsm_destroy(handle)
    return bool(refused != -1)
