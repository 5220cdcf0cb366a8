"""GSM 06.10 full rate: from 160 samples to the 76 parameters of a frame.

Plan: the steps of the standard, in its order and with its arithmetic, so that the result is the same bit for
bit as any correct coder's. The analysis filter has no feedback, so it runs stage by stage on whole lists of
samples; these filters, the correlations and the weighting filter are arithmetic on long integers that carry a
sample in each lane (see lanes.py). That makes a frame cost a quarter of what a loop over its samples does.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul
from typing import NamedTuple

from .gsm_tables import (
    BLOCK_MAXIMA,
    FRAME_SAMPLES,
    GAIN_LEVELS,
    GAINS,
    LAR_HIGHEST,
    LAR_LOWEST,
    LAR_OFFSETS,
    LAR_SLOPES,
    LOG_AREA_RATIOS,
    MANTISSA_INVERSES,
    PULSES,
    SEGMENTS,
    SUBFRAME_SAMPLES,
    reflection_coefficients,
)
from .lanes import Lanes
from .saturation import saturate

_LONGEST_LAG = 120
_SHORTEST_LAG = 40

# section 4.2.13: the impulse response of the weighting filter
_WEIGHTS = (-134, -374, 0, 2054, 5741, 8192, 5741, 2054, 0, -374, -134)

_FRAME = Lanes(FRAME_SAMPLES)
_SEGMENT_LANES = [Lanes(end - start) for start, end in SEGMENTS]
_SUBFRAME = Lanes(SUBFRAME_SAMPLES)
_SUBFRAME_STARTS = range(0, FRAME_SAMPLES, SUBFRAME_SAMPLES)
_HIGHEST_ORDER = 8  # of the autocorrelation
_ORDERS = Lanes(_HIGHEST_ORDER + 1)
_LONG_SUBFRAME = Lanes(SUBFRAME_SAMPLES + _HIGHEST_ORDER)
_HISTORY = Lanes(_LONGEST_LAG)
_LAGS = Lanes(_LONGEST_LAG - _SHORTEST_LAG + 1)
_WEIGHTS_NUMBER = Lanes(len(_WEIGHTS)).join(_WEIGHTS)
_WEIGHTS_ROUNDING = _SUBFRAME.join([4096] * SUBFRAME_SAMPLES)


class State(NamedTuple):
    """The coder's memory from frame to frame."""

    # offset compensation and pre-emphasis
    last_input: int = 0
    offset: int = 0
    last_compensated: int = 0
    # short term analysis
    lattice: Sequence[int] = (0,) * 8
    ratios: Sequence[int] = (0,) * 8
    # the last 120 samples of the reconstructed short term residual, in lanes
    history: int = 0


class FrameEncoder:
    """Frames one after another."""

    def __init__(self) -> None:
        self.state = State()

    @property
    def state(self) -> State:
        """Of a coder that has been through the same."""
        return State(self._last_input, self._offset, self._last_compensated, tuple(self._lattice),
                     tuple(self._ratios), self._history)

    @state.setter
    def state(self, state: State) -> None:
        self._last_input, self._offset, self._last_compensated, lattice, ratios, self._history = state
        self._lattice, self._ratios = list(lattice), list(ratios)

    def encode(self, samples: Sequence[int]) -> list[int]:
        """The parameters of one frame, in the order of transmission."""
        autocorrelation, signal = _autocorrelate(self._preprocess(samples))
        parameters = _quantise_ratios(_schur(autocorrelation))
        residual = self._analyse(signal, parameters)
        values = _FRAME.split(residual)
        backwards = _FRAME.join(values[::-1])
        for start in _SUBFRAME_STARTS:
            parameters += self._encode_subframe(
                values[start : start + SUBFRAME_SAMPLES],
                _SUBFRAME.cut(residual, start),
                _SUBFRAME.cut(backwards, FRAME_SAMPLES - SUBFRAME_SAMPLES - start),
            )
        return parameters

    def _preprocess(self, samples: Sequence[int]) -> int:
        """Offset compensation and pre-emphasis (sections 4.2.1 to 4.2.3), in lanes.

        Offset compensation is a high pass filter whose memory, in 1/32768, decays by 32735/32768 a sample.
        """
        rough = [self._last_input, *[sample >> 3 << 2 for sample in samples]]
        memory = self._offset
        compensated: list[int] = []
        append = compensated.append
        for old, new in zip(rough, rough[1:]):
            memory += (new - old << 15) + (16384 - 33 * memory >> 15)
            append(memory + 16384 >> 15)
        new = _FRAME.join(compensated)
        old = (new << 32) + self._last_compensated - (compensated[-1] << 32 * FRAME_SAMPLES)
        self._last_input, self._offset, self._last_compensated = rough[-1], memory, compensated[-1]
        return _FRAME.add_scaled(new, -28180, old)

    def _analyse(self, signal: int, codes: list[int]) -> int:
        """The short term residual: `signal` through the lattice filter (section 4.2.10), both in lanes."""
        ratios = [values[code] for values, code in zip(LOG_AREA_RATIOS, codes)]
        lattice, residual = self._lattice, 0
        coefficients = reflection_coefficients(self._ratios, ratios)
        self._ratios = ratios
        for (start, _), lanes, reflections in zip(SEGMENTS, _SEGMENT_LANES, coefficients):
            forward = backward = lanes.cut(signal, start)
            for stage, reflection in enumerate(reflections):
                # what the stage sees of `backward` is one sample old
                backward, lattice[stage] = lanes.delay(backward, lattice[stage])
                forward, backward = (
                    lanes.add_scaled(forward, reflection, backward),
                    lanes.add_scaled(backward, reflection, forward),
                )
            residual += forward << 32 * start
        return residual

    def _encode_subframe(self, values: list[int], residual: int, backwards: int) -> list[int]:
        """Long term prediction and what remains, in 17 parameters (sections 4.2.11 to 4.2.18).

        The residual comes as a list, in lanes, and in lanes from its end to its beginning.
        """
        history = self._history
        lag, gain_code, past = _predict(values, backwards, history)
        predicted = _SUBFRAME.add_scaled(0, GAINS[gain_code], past)
        grid, maximum, codes = _encode_remainder(_SUBFRAME.saturate(residual - predicted))
        pulses, heights = [0] * SUBFRAME_SAMPLES, PULSES[maximum]
        pulses[grid : grid + 37 : 3] = [heights[code] for code in codes]
        rebuilt = _SUBFRAME.saturate(predicted + _SUBFRAME.join(pulses))
        kept = _HISTORY.cut(history, SUBFRAME_SAMPLES)
        self._history = kept + (rebuilt << 32 * (_LONGEST_LAG - SUBFRAME_SAMPLES))
        return [lag, gain_code, grid, maximum, *codes]


def _autocorrelate(signal: int) -> tuple[list[int], int]:
    """Nine autocorrelations, and the signal as scaling has left it (section 4.2.4), in lanes."""
    shift = max(0, _magnitude(_FRAME.split(signal)).bit_length() - 11)
    if shift:
        signal = _FRAME.add_scaled(0, 16384 >> (shift - 1), signal)
    # the product of 40 samples and, from end to beginning, the same and 8 more has the nine sums in its middle
    backwards = _FRAME.join(_FRAME.split(signal)[::-1]) << 32 * _HIGHEST_ORDER
    products = 0
    for start in _SUBFRAME_STARTS:
        longer = _LONG_SUBFRAME.cut(backwards, FRAME_SAMPLES - SUBFRAME_SAMPLES - start)
        products += _SUBFRAME.cut(signal, start) * longer
    sums = _ORDERS.split(_ORDERS.cut(products, SUBFRAME_SAMPLES - 1))
    if shift:
        signal <<= shift
        if not _FRAME.fit(signal):  # the coder everybody uses lets this one value wrap around
            signal = _FRAME.join([-32768 if sample > 32767 else sample for sample in _FRAME.split(signal)])
    return [value << 1 for value in reversed(sums)], signal


def _magnitude(values: list[int]) -> int:
    """The largest absolute value, saturated."""
    return min(32767, max(*values, -min(values)))


def _schur(autocorrelation: list[int]) -> list[int]:
    """Reflection coefficients by the Schur recursion (section 4.2.5)."""
    reflections = [0] * 8
    if autocorrelation[0] == 0:
        return reflections
    shift = 31 - autocorrelation[0].bit_length()
    forward = [value << shift >> 16 for value in autocorrelation]
    backward = forward[1:8]
    for stage in range(8):
        numerator = abs(forward[1])
        if forward[0] < numerator:
            break
        reflection = min(32767, (numerator << 15) // forward[0]) if numerator else 0
        if forward[1] > 0:
            reflection = -reflection
        reflections[stage] = reflection
        if stage == 7:
            break
        forward[0] = saturate(forward[0] + (forward[1] * reflection + 16384 >> 15))
        for m in range(7 - stage):
            ahead, behind = forward[m + 2], backward[m]
            forward[m + 1] = saturate(ahead + (behind * reflection + 16384 >> 15))
            backward[m] = saturate(behind + (ahead * reflection + 16384 >> 15))
    return reflections


def _quantise_ratios(reflections: list[int]) -> list[int]:
    """Reflection coefficients to coded log area ratios (sections 4.2.6 and 4.2.7)."""
    codes = []
    for index, reflection in enumerate(reflections):
        ratio = abs(reflection)
        if ratio < 22118:
            ratio >>= 1
        elif ratio < 31130:
            ratio -= 11059
        else:
            ratio = ratio - 26112 << 2
        if reflection < 0:
            ratio = -ratio
        code = saturate((LAR_SLOPES[index] * ratio >> 15) + LAR_OFFSETS[index] + 256) >> 9
        lowest = LAR_LOWEST[index]
        codes.append(max(lowest, min(LAR_HIGHEST[index], code)) - lowest)
    return codes


def _predict(values: list[int], backwards: int, history: int) -> tuple[int, int, int]:
    """Lag and coded gain of the long term predictor (section 4.2.11), and the past at that lag, in lanes."""
    shift = max(0, _magnitude(values).bit_length() - 9)
    products = _SUBFRAME.shift_right(backwards, shift) * history
    # place 39 holds the correlation with the longest lag, place 119 that with the shortest
    correlations = _LAGS.split(_LAGS.cut(products, SUBFRAME_SAMPLES - 1))
    correlations.reverse()
    highest = max(correlations)
    lag = _SHORTEST_LAG + (correlations.index(highest) if highest > 0 else 0)
    past = _SUBFRAME.cut(history, _LONGEST_LAG - lag)
    return lag, _gain_code(highest, past, shift), past


def _gain_code(highest: int, past: int, shift: int) -> int:
    """The gain of the predictor, coded; `highest` is the correlation with the residual divided by 2**shift."""
    correlation = highest << 1 >> (6 - shift)

    if correlation <= 0:
        return 0
    eighths = _SUBFRAME.split(_SUBFRAME.shift_right(past, 3))
    power = sum(map(mul, eighths, eighths)) << 1
    if correlation >= power:
        return 3
    shift = 31 - power.bit_length()
    ratio = correlation << shift >> 16
    whole = power << shift >> 16
    for code, level in enumerate(GAIN_LEVELS):
        if ratio <= whole * level >> 15:
            return code
    return 3


def _encode_remainder(remainder: int) -> tuple[int, int, list[int]]:
    """Grid, coded block maximum and coded pulses of a sub-frame in lanes (sections 4.2.13 to 4.2.15)."""
    products = _SUBFRAME.cut(remainder * _WEIGHTS_NUMBER, len(_WEIGHTS) // 2)
    quotients = _SUBFRAME.shift_right(products + _WEIGHTS_ROUNDING, 13)
    weighted = _SUBFRAME.split(_SUBFRAME.saturate(quotients))

    quarters = [sample >> 2 for sample in weighted]
    energies = list(map(mul, quarters, quarters))
    sums = [sum(energies[grid : grid + 37 : 3]) for grid in range(4)]
    grid = sums.index(max(sums))

    selected = weighted[grid : grid + 37 : 3]
    largest = _magnitude(selected)
    exponent = min(6, (largest >> 9).bit_length())
    maximum = (largest >> (exponent + 5)) + (exponent << 3)
    exponent, mantissa = BLOCK_MAXIMA[maximum]
    inverse = MANTISSA_INVERSES[mantissa]
    shift = 6 - exponent
    return grid, maximum, [((sample << shift) * inverse >> 27) + 4 for sample in selected]
