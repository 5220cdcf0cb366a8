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
from .adpcm import BLOCK_BYTES, BlockDecoder, BlockEncoder
from .saturation import CLIP

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


class Encoder(BlockEncoder):
    """Interleaved samples to blocks. The first step of a block is where the one before came to."""

    block_frames = BLOCK_FRAMES

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self._indexes: list[int] = []

    def _encode_block(self, samples: array[int]) -> bytes:
        signals = self._signals(samples)
        if not self._indexes:
            self._indexes = [_first_index(signal) for signal in signals]
        header = b""
        rows = []
        for channel, signal in enumerate(signals):
            header += struct.pack("<hBx", signal[0], self._indexes[channel])
            codes, self._indexes[channel] = _encode_channel(signal, self._indexes[channel])
            rows.append(codes)
        groups = [row[start : start + _GROUP] for start in range(0, BLOCK_FRAMES - 1, _GROUP) for row in rows]
        return header + nibbles.join(b"".join(groups), high_first=False)


class Decoder(BlockDecoder):
    """Blocks to interleaved samples; of a short last one the whole groups."""

    name = "IMA ADPCM"
    header_bytes = _HEADER_BYTES

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


def _first_index(signal: list[int]) -> int:
    """Index of a step size that suits the first few differences."""
    differences = [abs(new - old) for old, new in zip(signal[:8], signal[1:9])]
    return min(_LAST_STEP, bisect_left(_STEPS, sum(differences) // len(differences)))


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
