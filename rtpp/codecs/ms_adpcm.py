"""Microsoft ADPCM as WAV files hold it (format tag 2): 4 bits a sample, in blocks that start afresh.

    for each channel: which of the 7 predictors        1 byte
    for each channel: first step size                  2 bytes
    for each channel: second sample                    2 bytes
    for each channel: first sample                     2 bytes
    codes of the other samples, channels in turn, high half of a byte first

Plan: the coder picks the predictor whose error has the least energy over the block. That energy is a
quadratic form of six correlations, so trying all seven costs little more than trying one. Then it codes
sample by sample with the decoder's arithmetic.
"""

from __future__ import annotations

import struct
from array import array
from operator import mul

from . import nibbles
from .adpcm import BLOCK_BYTES, BlockDecoder, BlockEncoder
from .saturation import CLIP, saturate

BLOCK_FRAMES = 2 + 2 * (BLOCK_BYTES - 7)
COEFFICIENTS = ((256, 0), (512, -256), (0, 0), (192, 64), (240, 0), (460, -208), (392, -232))

_HEADER_BYTES = 7
_ADAPTATION = (230, 230, 230, 230, 307, 409, 512, 614, 768, 614, 512, 409, 307, 230, 230, 230)
_SIGNED = (0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1)
_SMALLEST_STEP = 16
_LARGEST_STEP = 1 << 20  # far above what a coder reaches; keeps damaged files from growing numbers


class Encoder(BlockEncoder):
    """Interleaved samples to blocks."""

    block_frames = BLOCK_FRAMES

    def _encode_block(self, samples: array[int]) -> bytes:
        channels = self._channels
        codes = bytearray((BLOCK_FRAMES - 2) * channels)
        headers = []
        for channel, signal in enumerate(self._signals(samples)):
            predictor = _best_predictor(signal)
            step = _first_step(signal, predictor)
            headers.append((predictor, step, signal[1], signal[0]))
            codes[channel::channels] = _encode_channel(signal, predictor, step)
        predictors, *fields = zip(*headers)
        header = bytes(predictors) + struct.pack(f"<{3 * channels}h", *(x for field in fields for x in field))
        return header + nibbles.join(codes, high_first=True)


class Decoder(BlockDecoder):
    """Blocks to interleaved samples."""

    name = "MS ADPCM"
    header_bytes = _HEADER_BYTES

    def _decode_block(self, block: bytes) -> array[int]:
        channels = self._channels
        codes = nibbles.split(block[_HEADER_BYTES * channels :], high_first=True)
        del codes[len(codes) // channels * channels :]
        fields = struct.unpack_from(f"<{3 * channels}h", block, channels)
        samples = array("h", bytes(2 * (2 * channels + len(codes))))
        for channel in range(channels):
            predictor = COEFFICIENTS[min(block[channel], len(COEFFICIENTS) - 1)]
            step, second, first = fields[channel::channels]
            row = codes[channel::channels]
            samples[channel::channels] = _decode_channel(row, predictor, step, second, first)
        return samples


def _best_predictor(signal: list[int]) -> int:
    """Index of the coefficients that leave the least energy.

    What they predict from is the decoded signal: its noise passes through them too, so that coefficients of
    larger energy must win by more.
    """
    new, old, older = signal[2:], signal[1:-1], signal[:-2]
    new_new, new_old, new_older = sum(map(mul, new, new)), sum(map(mul, new, old)), sum(map(mul, new, older))
    # the same sums one sample earlier
    old_old = new_new - new[-1] * new[-1] + old[0] * old[0]
    old_older = new_old - new[-1] * old[-1] + old[0] * older[0]
    older_older = old_old - old[-1] * old[-1] + older[0] * older[0]
    energies = []
    for a, b in COEFFICIENTS:
        # sum of (new - a / 256 * old - b / 256 * older) ** 2
        energy = new_new - (a * new_old + b * new_older) / 128
        energy += (a * a * old_old + b * b * older_older + 2 * a * b * old_older) / 65536
        energies.append(energy * (1 + (a * a + b * b) / 65536))
    return energies.index(min(energies))


def _first_step(signal: list[int], predictor: int) -> int:
    """A step size that suits the first few errors."""
    a, b = COEFFICIENTS[predictor]
    errors = [
        abs(new - (a * old + b * older >> 8)) for older, old, new in zip(signal, signal[1:], signal[2:10])
    ]
    return max(_SMALLEST_STEP, min(32767, sum(errors) // (2 * len(errors))))


def _encode_channel(signal: list[int], predictor: int, step: int) -> bytearray:
    a, b = COEFFICIENTS[predictor]
    clip, adaptation = CLIP, _ADAPTATION
    older, old = signal[:2]
    codes = bytearray()
    append = codes.append
    for sample in signal[2:]:
        predicted = a * old + b * older >> 8
        code = (sample - predicted + (step >> 1)) // step
        if not -8 <= code <= 7:
            code = -8 if code < 0 else 7
        # the code leads towards the sample, or past it by half a step: within reach of the table
        older, old = old, clip[predicted + code * step]
        append(code & 15)
        step = step * adaptation[code] >> 8  # a negative code counts from the end
        if step < _SMALLEST_STEP:
            step = _SMALLEST_STEP
    return codes


def _decode_channel(
    codes: bytearray, predictor: tuple[int, int], step: int, second: int, first: int
) -> array[int]:
    a, b = predictor
    older, old = first, second
    samples = array("h", [first, second])
    for code in codes:
        older, old = old, saturate((a * old + b * older >> 8) + _SIGNED[code] * step)
        samples.append(old)
        step = max(_SMALLEST_STEP, min(_LARGEST_STEP, step * _ADAPTATION[code] >> 8))
    return samples
