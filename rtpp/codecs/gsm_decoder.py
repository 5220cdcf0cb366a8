"""GSM 06.10 full rate: from the 76 parameters of a frame to 160 samples.

Plan: the residual of a sub-frame and its long term prediction are lists, built at once. The synthesis lattice
feeds back from sample to sample, so it runs sample by sample: its eight stages are written out, their state
lives in local variables, and saturation is one look-up in a list that takes negative indexes as they come.
"""

from __future__ import annotations

from collections.abc import Sequence

from .gsm_tables import (
    GAINS,
    LOG_AREA_RATIOS,
    PULSES,
    SEGMENTS,
    SUBFRAME_SAMPLES,
    reflection_coefficients,
)
from .saturation import CLIP

_LONGEST_LAG = 120


class FrameDecoder:
    """The decoder's memory from frame to frame."""

    def __init__(self) -> None:
        self._ratios = [0] * 8
        self._lag = 40
        # the last 120 samples of the short term residual
        self._history = [0] * _LONGEST_LAG
        self._lattice = [0] * 8
        self._last_output = 0

    def decode(self, parameters: Sequence[int]) -> list[int]:
        """The samples of one frame."""
        ratios = [values[code] for values, code in zip(LOG_AREA_RATIOS, parameters)]
        residual: list[int] = []
        for start in range(8, 76, 17):
            residual += self._decode_subframe(parameters[start : start + 17])
        coefficients = reflection_coefficients(self._ratios, ratios)
        self._ratios = ratios
        output: list[int] = []
        for (start, end), reflections in zip(SEGMENTS, coefficients):
            output += self._synthesise(residual[start:end], reflections)
        return self._postprocess(output)

    def _decode_subframe(self, parameters: Sequence[int]) -> list[int]:
        """The short term residual of 40 samples (sections 4.3.1 and 4.3.2)."""
        lag, gain_code, grid, maximum = parameters[:4]
        if 40 <= lag <= _LONGEST_LAG:
            self._lag = lag
        gain, clip = GAINS[gain_code], CLIP
        start = _LONGEST_LAG - self._lag
        past = self._history[start : start + SUBFRAME_SAMPLES]
        residual = [gain * sample + 16384 >> 15 for sample in past]
        values = PULSES[maximum]
        for position, code in zip(range(grid, SUBFRAME_SAMPLES, 3), parameters[4:]):
            residual[position] = clip[residual[position] + values[code]]
        self._history = self._history[SUBFRAME_SAMPLES:] + residual
        return residual

    def _synthesise(self, residual: list[int], reflections: list[int]) -> list[int]:
        """`residual` through the lattice filter (section 4.3.3); s travels up, v0 to v7 are the delays."""
        r0, r1, r2, r3, r4, r5, r6, r7 = reflections
        v0, v1, v2, v3, v4, v5, v6, v7 = self._lattice
        clip, output = CLIP, []
        for s in residual:
            s = clip[s - (r7 * v7 + 16384 >> 15)]
            s = clip[s - (r6 * v6 + 16384 >> 15)]
            v7 = clip[v6 + (r6 * s + 16384 >> 15)]
            s = clip[s - (r5 * v5 + 16384 >> 15)]
            v6 = clip[v5 + (r5 * s + 16384 >> 15)]
            s = clip[s - (r4 * v4 + 16384 >> 15)]
            v5 = clip[v4 + (r4 * s + 16384 >> 15)]
            s = clip[s - (r3 * v3 + 16384 >> 15)]
            v4 = clip[v3 + (r3 * s + 16384 >> 15)]
            s = clip[s - (r2 * v2 + 16384 >> 15)]
            v3 = clip[v2 + (r2 * s + 16384 >> 15)]
            s = clip[s - (r1 * v1 + 16384 >> 15)]
            v2 = clip[v1 + (r1 * s + 16384 >> 15)]
            s = clip[s - (r0 * v0 + 16384 >> 15)]
            v1 = clip[v0 + (r0 * s + 16384 >> 15)]
            v0 = s
            output.append(s)
        self._lattice = [v0, v1, v2, v3, v4, v5, v6, v7]
        return output

    def _postprocess(self, signal: list[int]) -> list[int]:
        """De-emphasis, doubling, and truncation to 13 bits (sections 4.3.5 to 4.3.7)."""
        last, clip, output = self._last_output, CLIP, []
        for sample in signal:
            last = clip[sample + (last * 28180 + 16384 >> 15)]
            output.append(clip[last + last] & -8)
        self._last_output = last
        return output
