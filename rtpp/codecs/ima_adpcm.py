"""IMA ADPCM as WAV files hold it (format tag 0x11): 4 bits a sample, in blocks that start afresh.

    for each channel: first sample (2 bytes), index of the step size (1 byte), 0
    codes of the other samples: 8 of the first channel (4 bytes, low half first), 8 of the second ...

Plan: with 89 step sizes and 16 codes, the difference that a code stands for and the index that follows it are
two small tables.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left

from . import nibbles
from .saturation import CLIP

BLOCK_BYTES = 256  # for each channel: what others use at 8 kHz too
BLOCK_FRAMES = 1 + 2 * (BLOCK_BYTES - 4)

_HEADER_BYTES = 4
_GROUP = 8  # codes of one channel in a row
_STEPS = (
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80,
    88, 97, 107, 118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598,
    658, 724, 796, 876, 963, 1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327,
    3660, 4026, 4428, 4871, 5358, 5894, 6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289,
    16818, 18500, 20350, 22385, 24623, 27086, 29794, 32767,
)  # fmt: skip
_LAST_STEP = len(_STEPS) - 1
_INDEX_CHANGES = (-1, -1, -1, -1, 2, 4, 6, 8)


def _difference(step: int, code: int) -> int:
    magnitude = step >> 3
    if code & 4:
        magnitude += step
    if code & 2:
        magnitude += step >> 1
    if code & 1:
        magnitude += step >> 2
    return -magnitude if code & 8 else magnitude


# by index of the step, then by code
_DIFFERENCES = [[_difference(step, code) for code in range(16)] for step in _STEPS]
_NEXT = [
    [max(0, min(_LAST_STEP, index + _INDEX_CHANGES[code & 7])) for code in range(16)]
    for index in range(len(_STEPS))
]


def block_frames(block_bytes: int, channels: int) -> int:
    """Frames in a block of that size."""
    return 1 + 2 * (block_bytes - _HEADER_BYTES * channels) // channels


class Encoder:
    """Interleaved samples to blocks of BLOCK_BYTES for each channel."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._indexes: list[int] = []  # they go on from block to block

    def encode(self, samples: array[int]) -> bytes:
        """A block for each BLOCK_FRAMES frames; a short last one is filled up with zeros."""
        length = BLOCK_FRAMES * self._channels
        return b"".join(
            self._encode_block(samples[start : start + length]) for start in range(0, len(samples), length)
        )

    def _encode_block(self, samples: array[int]) -> bytes:
        if not self._indexes:
            signals = (samples[channel :: self._channels] for channel in range(self._channels))
            self._indexes = [_first_index(signal) for signal in signals]
        header = b""
        rows = []
        for channel in range(self._channels):
            signal = samples[channel :: self._channels].tolist()
            signal += [0] * (BLOCK_FRAMES - len(signal))
            header += struct.pack("<hBx", signal[0], self._indexes[channel])
            codes, self._indexes[channel] = _encode_channel(signal, self._indexes[channel])
            rows.append(codes)
        groups = [row[start : start + _GROUP] for start in range(0, BLOCK_FRAMES - 1, _GROUP) for row in rows]
        return header + nibbles.join(b"".join(groups), high_first=False)


class Decoder:
    """Blocks to interleaved samples."""

    def __init__(self, channels: int, block_bytes: int) -> None:
        """Raises ValueError when such a block would have no room for its own header."""
        if block_bytes < _HEADER_BYTES * channels:
            raise ValueError(f"IMA ADPCM block of {block_bytes} bytes for {channels} channels")
        self._channels = channels
        self._block_bytes = block_bytes

    def decode(self, data: bytes) -> array[int]:
        """The samples of all blocks; a short last one gives its whole groups, if it has a header."""
        samples = array("h")
        for start in range(0, len(data), self._block_bytes):
            block = data[start : start + self._block_bytes]
            if len(block) >= _HEADER_BYTES * self._channels:
                samples += self._decode_block(block)
        return samples

    def _decode_block(self, block: bytes) -> array[int]:
        channels = self._channels
        codes = nibbles.split(block[_HEADER_BYTES * channels :], high_first=False)
        round_of_groups = _GROUP * channels
        rounds = range(0, len(codes) // round_of_groups * round_of_groups, round_of_groups)
        samples = array("h", bytes(2 * channels * (1 + _GROUP * len(rounds))))
        for channel in range(channels):
            first, index = struct.unpack_from("<hB", block, _HEADER_BYTES * channel)
            begin = _GROUP * channel
            row = b"".join(codes[start + begin : start + begin + _GROUP] for start in rounds)
            samples[channel::channels] = _decode_channel(row, first, min(index, _LAST_STEP))
        return samples


def _first_index(signal: array[int]) -> int:
    """Index of a step size that suits the first few differences."""
    differences = [abs(new - old) for old, new in zip(signal[:8], signal[1:9])]
    return min(_LAST_STEP, bisect_left(_STEPS, sum(differences) // max(1, len(differences))))


def _encode_channel(signal: list[int], index: int) -> tuple[bytearray, int]:
    """Codes of all but the first sample, and the index of the step size behind them."""
    clip = CLIP
    predicted = signal[0]
    codes = bytearray()
    for sample in signal[1:]:
        error = sample - predicted
        if error >= 0:
            code = (error << 2) // _STEPS[index]
            if code > 7:
                code = 7
        else:
            code = (-error << 2) // _STEPS[index]
            code = 15 if code > 7 else code | 8
        codes.append(code)
        predicted = clip[predicted + _DIFFERENCES[index][code]]
        index = _NEXT[index][code]
    return codes, index


def _decode_channel(codes: bytes, first: int, index: int) -> array[int]:
    clip = CLIP
    samples = array("h", [first])
    predicted = first
    for code in codes:
        predicted = clip[predicted + _DIFFERENCES[index][code]]
        index = _NEXT[index][code]
        samples.append(predicted)
    return samples
