"""G.729, 8 kbit/s (RFC 3551 payload type 18), by way of the shared library bcg729 when the host has it.

Plan: the codec is too heavy for Python, so this is a thin `ctypes` skin. The library is looked for when the
first coder is made, not when this module is imported: a host without it misses nothing but this codec.

A payload is a row of 10-byte frames of 80 samples; a coder that detects silence ends it with a 2-byte frame
that describes the noise (annex B), or sends nothing at all.
"""

from __future__ import annotations

import ctypes
import weakref
from array import array
from collections.abc import Sequence
from functools import cache

FRAME_BYTES = 10
NOISE_BYTES = 2
FRAME_SAMPLES = 80

LIBRARY_NAMES = ("libbcg729.so.0", "libbcg729.so", "libbcg729.dylib")


class CodecUnavailable(Exception):
    """The shared library of a codec is not on this host; the text names what to install."""


def available() -> bool:
    """Whether an Encoder or Decoder can be made."""
    try:
        _library()
    except CodecUnavailable:
        return False
    return True


def load(names: Sequence[str]) -> ctypes.CDLL:
    """The first of the shared libraries that can be loaded. Raises CodecUnavailable."""
    for name in names:
        try:
            return _declare(ctypes.CDLL(name))
        except (OSError, AttributeError):  # not there, or something else of that name
            continue
    raise CodecUnavailable(
        f"G.729 needs the shared library bcg729, and none of {', '.join(names)} could be loaded "
        "(Debian package libbcg729-0)"
    )


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    library.initBcg729EncoderChannel.restype = ctypes.c_void_p
    library.initBcg729EncoderChannel.argtypes = [ctypes.c_uint8]
    library.bcg729Encoder.restype = None
    library.bcg729Encoder.argtypes = [
        ctypes.c_void_p,  # channel
        ctypes.c_char_p,  # 80 samples
        ctypes.c_char_p,  # room for 10 bytes
        ctypes.POINTER(ctypes.c_uint8),  # how many of them are used: 10, 2 or 0
    ]
    library.closeBcg729EncoderChannel.restype = None
    library.closeBcg729EncoderChannel.argtypes = [ctypes.c_void_p]
    library.initBcg729DecoderChannel.restype = ctypes.c_void_p
    library.initBcg729DecoderChannel.argtypes = []
    library.bcg729Decoder.restype = None
    library.bcg729Decoder.argtypes = [
        ctypes.c_void_p,  # channel
        ctypes.c_char_p,  # frame
        ctypes.c_uint8,  # its length
        ctypes.c_uint8,  # 1: the frame is lost, conceal it
        ctypes.c_uint8,  # 1: it describes noise
        ctypes.c_uint8,  # 1: the description follows RFC 3389
        ctypes.c_char_p,  # room for 80 samples
    ]
    library.closeBcg729DecoderChannel.restype = None
    library.closeBcg729DecoderChannel.argtypes = [ctypes.c_void_p]
    return library


@cache
def _library() -> ctypes.CDLL:
    return load(LIBRARY_NAMES)


class Encoder:
    """Samples to 10-byte frames.

    `detect_silence` turns annex B on: in pauses a frame has 2 bytes or none. Raises CodecUnavailable.
    """

    def __init__(self, detect_silence: bool = False) -> None:
        library = _library()
        self._encode = library.bcg729Encoder
        self._channel = ctypes.c_void_p(library.initBcg729EncoderChannel(detect_silence))
        weakref.finalize(self, library.closeBcg729EncoderChannel, self._channel)

    def encode(self, samples: array[int]) -> bytes:
        """A frame for each 80 samples; a short last one is filled up with zeros."""
        frames = []
        frame, length = ctypes.create_string_buffer(FRAME_BYTES), ctypes.c_uint8()
        for start in range(0, len(samples), FRAME_SAMPLES):
            piece = samples[start : start + FRAME_SAMPLES].tobytes().ljust(2 * FRAME_SAMPLES, b"\0")
            self._encode(self._channel, piece, frame, ctypes.byref(length))
            frames.append(frame.raw[: length.value])
        return b"".join(frames)


class Decoder:
    """Frames to samples. Raises CodecUnavailable when made."""

    def __init__(self) -> None:
        library = _library()
        self._decode = library.bcg729Decoder
        self._channel = ctypes.c_void_p(library.initBcg729DecoderChannel())
        weakref.finalize(self, library.closeBcg729DecoderChannel, self._channel)

    def decode(self, data: bytes) -> array[int]:
        """80 samples for each 10-byte frame, and for a 2-byte one behind them.

        A rest of any other length is ignored.
        """
        samples = array("h")
        whole = len(data) // FRAME_BYTES * FRAME_BYTES
        for start in range(0, whole, FRAME_BYTES):
            samples += self._decode_frame(data[start : start + FRAME_BYTES], 0)
        if len(data) - whole == NOISE_BYTES:
            samples += self._decode_frame(data[whole:], 1)
        return samples

    def conceal(self) -> array[int]:
        """80 samples in place of a lost frame, made from what came before."""
        return self._decode_frame(None, 0)

    def _decode_frame(self, frame: bytes | None, noise: int) -> array[int]:
        out = ctypes.create_string_buffer(2 * FRAME_SAMPLES)
        length = len(frame) if frame else 0
        self._decode(self._channel, frame, length, frame is None, noise, 0, out)
        return array("h", out.raw)
