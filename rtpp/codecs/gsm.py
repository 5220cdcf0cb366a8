"""GSM 06.10 full rate, 13.2 kbit/s: frames as RTP carries them (RFC 3551 payload type 3) and as WAV files do.

Plan: a frame is 76 numbers of 2 to 7 bits. Both packings write them one after another into one long integer:
RTP from the highest bit down behind a signature of 4 bits, WAV from the lowest bit up, two frames in a block.

    RTP   33 bytes   1101 | LAR 1 (6 bits) | LAR 2 (6) | ...             one frame, 160 samples
    WAV   65 bytes   first frame (260 bits), second frame (260 bits)     two frames, 320 samples

`encoder` and its like give the fastest coder there is: libgsm's, or ours when the host has none. They differ in nothing
but time.
"""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import Callable, Optional

from . import libgsm
from .gsm_decoder import FrameDecoder
from .gsm_encoder import FrameEncoder, State
from .gsm_tables import FRAME_BITS, FRAME_SAMPLES, PARAMETER_BITS

FRAME_BYTES = 33
BLOCK_BYTES = 65
BLOCK_SAMPLES = 2 * FRAME_SAMPLES

_SIGNATURE = 0xD
_MASKS = [(1 << bits) - 1 for bits in PARAMETER_BITS]
# how far each parameter is from bit 0 in the two packings
_RISING_SHIFTS = [0, *accumulate(PARAMETER_BITS[:-1])]
_FALLING_SHIFTS = [FRAME_BITS - end for end in accumulate(PARAMETER_BITS)]


def encoder() -> Callable[[array[int]], bytes]:
    """Samples to 33-byte frames, as Encoder does."""
    library = libgsm.library()
    return libgsm.Coder(library, libgsm.RTP_FRAMES).encode if library else Encoder().encode


def decoder() -> Callable[[bytes], array[int]]:
    """33-byte frames to samples, as Decoder does."""
    library = libgsm.library()
    return libgsm.Coder(library, libgsm.RTP_FRAMES).decode if library else Decoder().decode


def block_encoder() -> Callable[[array[int]], bytes]:
    """Samples to 65-byte blocks, as BlockEncoder does."""
    library = libgsm.library()
    return libgsm.Coder(library, libgsm.WAV_FRAMES).encode if library else BlockEncoder().encode


def block_decoder() -> Callable[[bytes], array[int]]:
    """65-byte blocks to samples, as BlockDecoder does."""
    library = libgsm.library()
    return libgsm.Coder(library, libgsm.WAV_FRAMES).decode if library else BlockDecoder().decode


def slow_block_encoder() -> Optional[BlockEncoder]:
    """Ours if it is the fastest, None if the library is there."""
    return None if libgsm.library() else BlockEncoder()


class Encoder:
    """Samples to 33-byte frames."""

    def __init__(self) -> None:
        self._frames = FrameEncoder()

    def encode(self, samples: array[int]) -> bytes:
        """A frame for each 160 samples; a short last one is filled up with zeros."""
        return b"".join(
            _join(_FALLING_SHIFTS, self._frames.encode(frame), _SIGNATURE << FRAME_BITS).to_bytes(
                FRAME_BYTES, "big"
            )
            for frame in _split(samples, FRAME_SAMPLES)
        )


class Decoder:
    """33-byte frames to samples."""

    def __init__(self) -> None:
        self._frames = FrameDecoder()

    def decode(self, data: bytes) -> array[int]:
        """160 samples for each whole frame; zeros for one without the signature.

        Bytes behind the last whole frame are ignored.
        """
        samples = array("h")
        for start in range(0, len(data) - FRAME_BYTES + 1, FRAME_BYTES):
            number = int.from_bytes(data[start : start + FRAME_BYTES], "big")
            if number >> FRAME_BITS == _SIGNATURE:
                samples.extend(self._frames.decode(_parameters(_FALLING_SHIFTS, number)))
            else:
                samples.extend([0] * FRAME_SAMPLES)
        return samples


class BlockEncoder:
    """Samples to the 65-byte blocks of WAV files (format tag 0x31, also known as WAV49)."""

    def __init__(self) -> None:
        self._frames = FrameEncoder()

    @property
    def state(self) -> State:
        """All that it remembers."""
        return self._frames.state

    @state.setter
    def state(self, state: State) -> None:
        self._frames.state = state

    def encode(self, samples: array[int]) -> bytes:
        """A block for each 320 samples; a short last one is filled up with zeros."""
        blocks = []
        for block in _split(samples, BLOCK_SAMPLES):
            first = _join(_RISING_SHIFTS, self._frames.encode(block[:FRAME_SAMPLES]), 0)
            second = _join(_RISING_SHIFTS, self._frames.encode(block[FRAME_SAMPLES:]), 0)
            blocks.append((second << FRAME_BITS | first).to_bytes(BLOCK_BYTES, "little"))
        return b"".join(blocks)


class BlockDecoder:
    """The 65-byte blocks of WAV files to samples."""

    def __init__(self) -> None:
        self._frames = FrameDecoder()

    def decode(self, data: bytes) -> array[int]:
        """320 samples for each whole block; bytes behind the last whole block are ignored."""
        samples = array("h")
        for start in range(0, len(data) - BLOCK_BYTES + 1, BLOCK_BYTES):
            number = int.from_bytes(data[start : start + BLOCK_BYTES], "little")
            samples.extend(self._frames.decode(_parameters(_RISING_SHIFTS, number)))
            samples.extend(self._frames.decode(_parameters(_RISING_SHIFTS, number >> FRAME_BITS)))
        return samples


def _split(samples: array[int], length: int) -> list[array[int]]:
    """Pieces of equal length, the last one filled up with zeros."""
    pieces = [samples[start : start + length] for start in range(0, len(samples), length)]
    if pieces:
        pieces[-1].extend([0] * (length - len(pieces[-1])))
    return pieces


def _join(shifts: list[int], parameters: list[int], number: int) -> int:
    for parameter, shift in zip(parameters, shifts):
        number |= parameter << shift
    return number


def _parameters(shifts: list[int], number: int) -> list[int]:
    return [number >> shift & mask for shift, mask in zip(shifts, _MASKS)]
