"""GSM 06.10 full rate: from 160 samples to the 76 parameters of a frame.

Plan: the steps of the standard, in its order and with its arithmetic, so that the result is the same bit for
bit as any correct coder's. The analysis filter has no feedback, so it runs stage by stage on whole lists of
samples; these filters, the correlations and the weighting filter are arithmetic on long integers that carry a
sample in each lane (see lanes.py). That makes a frame cost a third of what a loop over its samples does.
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
from .saturation import saturate, saturate_all

_LONGEST_LAG = 120
_SHORTEST_LAG = 40

# section 4.2.13: the impulse response of the weighting filter
_WEIGHTS = (-134, -374, 0, 2054, 5741, 8192, 5741, 2054, 0, -374, -134)

_FRAME = Lanes(FRAME_SAMPLES)
_FRAME_PRODUCT = Lanes(2 * FRAME_SAMPLES)
_SEGMENT_LANES = [Lanes(end - start) for start, end in SEGMENTS]
_SUBFRAME = Lanes(SUBFRAME_SAMPLES)
_HISTORY = Lanes(_LONGEST_LAG)
_LAG_PRODUCT = Lanes(_LONGEST_LAG + SUBFRAME_SAMPLES)
_WEIGHTED = Lanes(SUBFRAME_SAMPLES + len(_WEIGHTS))
_WEIGHTS_NUMBER = Lanes(len(_WEIGHTS)).join(_WEIGHTS)


class State(NamedTuple):
    """The coder's memory from frame to frame."""

    # offset compensation and pre-emphasis
    last_input: int = 0
    offset: tuple[int, int] = (0, 0)
    last_compensated: int = 0
    # short term analysis
    lattice: Sequence[int] = (0,) * 8
    ratios: Sequence[int] = (0,) * 8
    # the last 120 samples of the reconstructed short term residual
    history: Sequence[int] = (0,) * _LONGEST_LAG


class FrameEncoder:
    """Frames one after another."""

    def __init__(self) -> None:
        self.state = State()

    @property
    def state(self) -> State:
        """Of a coder that has been through the same."""
        return State(self._last_input, self._offset, self._last_compensated, tuple(self._lattice),
                     tuple(self._ratios), tuple(self._history))

    @state.setter
    def state(self, state: State) -> None:
        self._last_input, self._offset, self._last_compensated, *lists = state
        self._lattice, self._ratios, self._history = map(list, lists)

    def encode(self, samples: Sequence[int]) -> list[int]:
        """The parameters of one frame, in the order of transmission."""
        signal = self._preprocess(samples)
        autocorrelation, signal = _autocorrelate(signal)
        parameters = _quantise_ratios(_schur(autocorrelation))
        residual = self._analyse(signal, parameters)
        for start in range(0, len(residual), SUBFRAME_SAMPLES):
            parameters += self._encode_subframe(residual[start : start + SUBFRAME_SAMPLES])
        return parameters

    def _preprocess(self, samples: Sequence[int]) -> list[int]:
        """Offset compensation and pre-emphasis (sections 4.2.1 to 4.2.3).

        Offset compensation is a high pass filter whose memory of 31 bits decays by 32735/32768 a sample. It
        is kept in two halves, and the decay is written as taking 33/32768 away, so that all numbers stay
        below 2**30, where the interpreter is fastest.
        """
        rough = [self._last_input, *[sample >> 3 << 2 for sample in samples]]
        high, low = self._offset
        compensated = [self._last_compensated]
        append = compensated.append
        for old, new in zip(rough, rough[1:]):
            decayed = low - 33 * high + (16384 - 33 * low >> 15)
            high += new - old + (decayed >> 15)
            low = decayed & 32767
            append(high + (low >> 14))
        self._last_input, self._offset, self._last_compensated = rough[-1], (high, low), compensated[-1]
        return saturate_all(
            [new + (old * -28180 + 16384 >> 15) for old, new in zip(compensated, compensated[1:])]
        )

    def _analyse(self, signal: list[int], codes: list[int]) -> list[int]:
        """The short term residual: `signal` through the lattice filter (section 4.2.10)."""
        ratios = [values[code] for values, code in zip(LOG_AREA_RATIOS, codes)]
        lattice, residual = self._lattice, []
        coefficients = reflection_coefficients(self._ratios, ratios)
        self._ratios = ratios
        for (start, end), lanes, reflections in zip(SEGMENTS, _SEGMENT_LANES, coefficients):
            forward = backward = lanes.join(signal[start:end])
            for stage, reflection in enumerate(reflections):
                # what the stage sees of `backward` is one sample old
                backward, lattice[stage] = lanes.delay(backward, lattice[stage])
                forward, backward = (
                    lanes.add_scaled(forward, reflection, backward),
                    lanes.add_scaled(backward, reflection, forward),
                )
            residual += lanes.split(forward)
        return residual

    def _encode_subframe(self, residual: list[int]) -> list[int]:
        """Long term prediction and what remains, in 17 parameters (sections 4.2.11 to 4.2.18)."""
        history = self._history
        lag, gain_code = _predict(residual, history)
        gain = GAINS[gain_code]
        start = _LONGEST_LAG - lag
        predicted = [gain * past + 16384 >> 15 for past in history[start : start + SUBFRAME_SAMPLES]]
        remainder = saturate_all([new - old for new, old in zip(residual, predicted)])
        grid, maximum, pulses = _encode_remainder(remainder)
        values = PULSES[maximum]
        for position, code in zip(range(grid, SUBFRAME_SAMPLES, 3), pulses):
            predicted[position] += values[code]
        self._history = history[SUBFRAME_SAMPLES:] + saturate_all(predicted)
        return [lag, gain_code, grid, maximum, *pulses]


def _autocorrelate(signal: list[int]) -> tuple[list[int], list[int]]:
    """Nine autocorrelations, and the signal as scaling has left it (section 4.2.4)."""
    number = _FRAME.join(signal)
    shift = max(0, _magnitude(signal).bit_length() - 11)
    if shift:
        number = _FRAME.add_scaled(0, 16384 >> (shift - 1), number)
        signal = _FRAME.split(number)
    products = _FRAME_PRODUCT.split(number * _FRAME.join(signal[::-1]))
    middle = FRAME_SAMPLES - 1
    correlations = [product << 1 for product in products[middle : middle + 9]]
    if shift:
        signal = _FRAME.split(number << shift)
        if max(signal) > 32767:  # the coder everybody uses lets this one value wrap around
            signal = [-32768 if sample > 32767 else sample for sample in signal]
    return correlations, signal


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


def _predict(residual: list[int], history: list[int]) -> tuple[int, int]:
    """Lag and coded gain of the long term predictor (section 4.2.11)."""
    shift = max(0, _magnitude(residual).bit_length() - 9)
    scaled = [sample >> shift for sample in reversed(residual)]
    products = _LAG_PRODUCT.split(_SUBFRAME.join(scaled) * _HISTORY.join(history))
    # place 39 holds the correlation with the longest lag, place 119 that with the shortest
    correlations = products[_LONGEST_LAG - 1 : SUBFRAME_SAMPLES - 2 : -1]
    highest = max(correlations)
    if highest <= 0:
        return _SHORTEST_LAG, 0
    lag = _SHORTEST_LAG + correlations.index(highest)
    correlation = highest << 1 >> (6 - shift)

    start = _LONGEST_LAG - lag
    best = [sample >> 3 for sample in history[start : start + SUBFRAME_SAMPLES]]
    power = sum(map(mul, best, best)) << 1
    if correlation <= 0:
        return lag, 0
    if correlation >= power:
        return lag, 3
    shift = 31 - power.bit_length()
    ratio = correlation << shift >> 16
    whole = power << shift >> 16
    for code, level in enumerate(GAIN_LEVELS):
        if ratio <= whole * level >> 15:
            return lag, code
    return lag, 3


def _encode_remainder(remainder: list[int]) -> tuple[int, int, list[int]]:
    """Grid, coded block maximum and coded pulses of a sub-frame (sections 4.2.13 to 4.2.15)."""
    products = _WEIGHTED.split(_SUBFRAME.join(remainder) * _WEIGHTS_NUMBER)
    delay = len(_WEIGHTS) // 2
    weighted = saturate_all([product + 4096 >> 13 for product in products[delay : delay + SUBFRAME_SAMPLES]])

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
