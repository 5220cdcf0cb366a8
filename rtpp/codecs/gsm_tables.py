"""GSM 06.10 full rate: the tables of the standard, and what coder and decoder both derive from them.

Plan: the standard describes every step in 16-bit saturating arithmetic. Whatever depends on a coded
parameter only (at most 64 values) is computed here once, by the standard's own steps, so that the coder and
the decoder look it up.

A frame of 20 ms (160 samples) is 76 parameters:

    8 log area ratios (LAR)  the spectrum, one set for the frame      6 6 5 5 4 4 3 3 bits
    4 sub-frames of 40 samples, each
        lag, gain            long term prediction: 40..120 samples    7 2
        grid, block maximum  which third of the residual is kept      2 6
        13 pulses            the residual in 1/8 of the maximum       3 each
"""

from __future__ import annotations

from .saturation import saturate

FRAME_SAMPLES = 160
SUBFRAME_SAMPLES = 40
PARAMETER_BITS = (6, 6, 5, 5, 4, 4, 3, 3) + 4 * ((7, 2, 2, 6) + 13 * (3,))
FRAME_BITS = sum(PARAMETER_BITS)  # 260

# table 4.1 of the standard: quantisation of the log area ratios
LAR_SLOPES = (20480, 20480, 20480, 20480, 13964, 15360, 8534, 9036)
LAR_OFFSETS = (0, 0, 2048, -2560, 94, -1792, -341, -1144)
LAR_LOWEST = (-32, -32, -16, -16, -8, -8, -4, -4)
LAR_HIGHEST = (31, 31, 15, 15, 7, 7, 3, 3)
LAR_INVERSE_SLOPES = (13107, 13107, 13107, 13107, 19223, 17476, 31454, 29708)

# tables 4.3a and 4.3b: gain of the long term predictor, decision levels and values
GAIN_LEVELS = (6554, 16384, 26214)
GAINS = (3277, 11469, 21299, 32767)

# tables 4.5 and 4.6: mantissa of the block maximum, its inverse and itself
MANTISSA_INVERSES = (29128, 26215, 23832, 21846, 20165, 18725, 17476, 16384)
MANTISSAS = (18431, 20479, 22527, 24575, 26623, 28671, 30719, 32767)

# samples of a frame that share a set of interpolated reflection coefficients
SEGMENTS = ((0, 13), (13, 27), (27, 40), (40, 160))


def _log_area_ratio(index: int, code: int) -> int:
    """The value of LAR number `index` (section 4.2.8)."""
    ratio = saturate((code + LAR_LOWEST[index] << 10) - (LAR_OFFSETS[index] << 1))
    ratio = LAR_INVERSE_SLOPES[index] * ratio + 16384 >> 15
    return saturate(ratio + ratio)


def _block_maximum(code: int) -> tuple[int, int]:
    """Exponent and mantissa of a coded block maximum (section 4.2.15)."""
    exponent = (code >> 3) - 1 if code > 15 else 0
    mantissa = code - (exponent << 3)
    if mantissa == 0:
        return -4, 7
    while mantissa <= 7:
        mantissa = mantissa << 1 | 1
        exponent -= 1
    return exponent, mantissa - 8


def _pulse(block_maximum: tuple[int, int], code: int) -> int:
    """The value of a coded pulse (section 4.2.16)."""
    exponent, mantissa = block_maximum
    shift = 6 - exponent
    value = MANTISSAS[mantissa] * ((code << 1) - 7 << 12) + 16384 >> 15
    return saturate(value + (1 << shift >> 1)) >> shift


# LOG_AREA_RATIOS[i][code] is the value of LAR i
LOG_AREA_RATIOS = tuple(
    tuple(_log_area_ratio(index, code) for code in range(1 << PARAMETER_BITS[index])) for index in range(8)
)
BLOCK_MAXIMA = tuple(_block_maximum(code) for code in range(64))
# PULSES[block maximum][code] is the value of a pulse
PULSES = tuple(tuple(_pulse(maximum, code) for code in range(8)) for maximum in BLOCK_MAXIMA)


def reflection_coefficients(previous: list[int], ratios: list[int]) -> list[list[int]]:
    """The 8 coefficients of each of the SEGMENTS.

    The log area ratios glide from those of the previous frame to those of this one (section 4.2.9).
    """
    pairs = list(zip(previous, ratios))
    return [
        [_reflection((old >> 2) + (new >> 2) + (old >> 1)) for old, new in pairs],
        [_reflection((old >> 1) + (new >> 1)) for old, new in pairs],
        [_reflection((old >> 2) + (new >> 2) + (new >> 1)) for old, new in pairs],
        [_reflection(new) for new in ratios],
    ]


def _reflection(ratio: int) -> int:
    """Log area ratio to reflection coefficient, in three straight pieces."""
    magnitude = abs(ratio)
    if magnitude < 11059:
        return ratio << 1
    magnitude = magnitude + 11059 if magnitude < 20070 else min(32767, (magnitude >> 2) + 26112)
    return magnitude if ratio >= 0 else -magnitude
