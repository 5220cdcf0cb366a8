"""ITU-T G.722 at 64 kbit/s for audio sampled at 8 kHz (RFC 3551 payload type 9).

G.722 codes 16 kHz audio as two bands of 8 kHz each. Telephone audio fills the lower band only, so each 8 kHz
sample is coded as one sample of the lower band: 6 bits of adaptive differential PCM, with the two bits of the
upper band standing for silence. Decoding ignores the upper band.

    7   6   5   4   3   2   1   0
  +-------+-----------------------+
  | 1   1 |      lower band       |     the 4 high bits of the lower band drive the prediction
  +-------+-----------------------+

Plan: coder and decoder follow the same predictor, which knows the signal only through the codes. It is a
generator: its state, some 20 numbers, is local variables; it is sent a code and yields the next prediction
with the tables for the present step size. There are 289 step sizes; the values of all codes and the decision
levels at each of them are computed once. What remains for each sample is a search among 29 levels and the
adaptation.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Generator

from .saturation import CLIP

# decision levels of the 6-bit quantiser, and the code of each interval (table 4 of the Recommendation)
_LEVELS = (
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714,
    786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
)  # fmt: skip
_POSITIVE_CODES = tuple(range(61, 31, -1))
_NEGATIVE_CODES = (63, 62, *range(31, 3, -1))
# values of the 6-bit codes and of their 4 high bits, in 1/32768 of the step size
_FINE_VALUES = (
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400,
    -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232,
    9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688,
    1360, 1040, 728, 432, 136, -432, -136,
)  # fmt: skip
_COARSE_VALUES = (
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200,
    20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
)  # fmt: skip
# how much a coarse code moves the logarithm of the step size
_STEP_CHANGES = (-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60)
_HIGHEST_LOG_STEP = 18432
# 2048 * 2 ** (n / 32)
_POWERS = (
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
)  # fmt: skip

_UPPER_BAND_SILENCE = 0xC0


class _Step:
    """One size of the quantiser's step."""

    __slots__ = ("coarse", "fine", "levels")

    def __init__(self, log_step: int) -> None:
        shift = 8 - (log_step >> 5)
        power = _POWERS[log_step & 31]
        size = (power << -shift if shift < 0 else power >> shift) << 2
        self.levels = [level * size >> 12 for level in _LEVELS]
        self.coarse = [size * value >> 15 for value in _COARSE_VALUES]
        self.fine = [size * value >> 15 for value in _FINE_VALUES]


_STEPS = [_Step(log_step) for log_step in range((_HIGHEST_LOG_STEP >> 6) + 1)]

# sent: the 4 high bits of a code; yielded: prediction and step for the next one
_Predictor = Generator[tuple[int, _Step], int, None]


def _predictor() -> _Predictor:
    """The adaptive predictor of the lower band (section 3.6 of the Recommendation).

    d: quantised differences, r: reconstructed signal, p: partial reconstruction (zeros only), newest first;
    a: coefficients of the two poles, b: of the six zeros.
    """
    clip = CLIP
    log_step = 0
    step = _STEPS[0]
    d1 = d2 = d3 = d4 = d5 = d6 = 0
    b1 = b2 = b3 = b4 = b5 = b6 = 0
    r1 = r2 = p1 = p2 = a1 = a2 = 0
    zeros = prediction = 0
    while True:
        code = yield prediction, step
        d0 = step.coarse[code]
        log_step = (log_step * 127 >> 7) + _STEP_CHANGES[code]
        if not 0 <= log_step <= _HIGHEST_LOG_STEP:
            log_step = 0 if log_step < 0 else _HIGHEST_LOG_STEP
        step = _STEPS[log_step >> 6]
        r0 = clip[prediction + d0]
        p0 = clip[zeros + d0]

        # poles: the second adapts by the first, so it goes first
        same_sign = (p0 < 0) == (p1 < 0)
        slope = clip[-4 * a1 if same_sign else 4 * a1]
        a2 = (slope >> 7) + (128 if (p0 < 0) == (p2 < 0) else -128) + (a2 * 127 >> 7)
        if not -12288 <= a2 <= 12288:
            a2 = 12288 if a2 > 0 else -12288
        a1 = (a1 * 255 >> 8) + (192 if same_sign else -192)
        limit = 15360 - a2
        if not -limit <= a1 <= limit:
            a1 = limit if a1 > 0 else -limit

        # zeros
        b1, b2, b3 = b1 * 255 >> 8, b2 * 255 >> 8, b3 * 255 >> 8
        b4, b5, b6 = b4 * 255 >> 8, b5 * 255 >> 8, b6 * 255 >> 8
        if d0:
            up = 128 if d0 > 0 else -128
            b1 += up if d1 >= 0 else -up
            b2 += up if d2 >= 0 else -up
            b3 += up if d3 >= 0 else -up
            b4 += up if d4 >= 0 else -up
            b5 += up if d5 >= 0 else -up
            b6 += up if d6 >= 0 else -up

        # the differences are below 2**14: twice their value, a shift by 14 for 15, needs no saturation
        d1, d2, d3, d4, d5, d6 = d0, d1, d2, d3, d4, d5
        zeros = (b1 * d1 >> 14) + (b2 * d2 >> 14) + (b3 * d3 >> 14)
        zeros = clip[zeros + (b4 * d4 >> 14) + (b5 * d5 >> 14) + (b6 * d6 >> 14)]
        r1, r2, p1, p2 = clip[r0 + r0], r1, p0, p1
        prediction = clip[clip[(a1 * r1 >> 15) + (a2 * r2 >> 15)] + zeros]


class Encoder:
    """8 kHz samples to G.722, one byte for each sample."""

    def __init__(self) -> None:
        self._predictor = _predictor()
        self._expected = next(self._predictor)

    def encode(self, samples: array[int]) -> bytes:
        prediction, step = self._expected
        send = self._predictor.send
        out = bytearray()
        append = out.append
        for sample in samples:
            difference = (sample >> 1) - prediction
            if difference >= 0:
                code = _POSITIVE_CODES[bisect_right(step.levels, difference)]
            else:
                code = _NEGATIVE_CODES[bisect_right(step.levels, ~difference)]
            append(code | _UPPER_BAND_SILENCE)
            prediction, step = send(code >> 2)
        self._expected = prediction, step
        return bytes(out)


class Decoder:
    """G.722 to 8 kHz samples, one for each byte."""

    def __init__(self) -> None:
        self._predictor = _predictor()
        self._expected = next(self._predictor)

    def decode(self, data: bytes) -> array[int]:
        prediction, step = self._expected
        send = self._predictor.send
        out = array("h")
        append = out.append
        for byte in data:
            code = byte & 0x3F
            sample = prediction + step.fine[code]
            if not -16384 <= sample <= 16383:
                sample = 16383 if sample > 0 else -16384
            append(sample << 1)
            prediction, step = send(code >> 2)
        self._expected = prediction, step
        return out
