"""Deterministic audio for codec tests: the same samples on every machine and Python version."""

from __future__ import annotations

import hashlib
import math
import random
import sys
from array import array

RATE = 8000


def tone(frequency: float, amplitude: float, count: int, phase: float = 0.0) -> array[int]:
    """A sine at 8 kHz."""
    step = 2 * math.pi * frequency / RATE
    return array("h", [round(amplitude * math.sin(phase + step * n)) for n in range(count)])


def noise(seed: int, count: int, amplitude: int = 32768) -> array[int]:
    """White noise, full scale unless told otherwise."""
    draw = random.Random(seed)
    return array("h", [draw.randrange(-amplitude, amplitude) for _ in range(count)])


def speech(seed: int, count: int) -> array[int]:
    """Something that moves like speech: pulses of changing pitch through changing resonances, and pauses.

    Integer arithmetic only, so that no mathematics library can change a sample.
    """
    draw = random.Random(seed)
    out = array("h")
    first = second = 0
    while len(out) < count:
        pitch = draw.randrange(32, 110)
        gain = draw.choice((0, 300, 3000, 12000, 40000))
        # a resonance as a two-pole filter with coefficients in 1/4096
        a1, a2 = draw.randrange(2000, 7400), -draw.randrange(3500, 3900)
        hiss = draw.choice((1, 1, 200, 2000))
        for n in range(draw.randrange(160, 1600)):
            source = (gain if n % pitch == 0 else 0) + draw.randrange(-hiss, hiss)
            first, second = source + (a1 * first + a2 * second >> 12), first
            first = max(-200000, min(200000, first))
            out.append(max(-32768, min(32767, first)))
    return out[:count]


def square(period: int, count: int) -> array[int]:
    """A full-scale square wave: the worst case for every saturating adder."""
    return array("h", [32767 if n // period % 2 else -32768 for n in range(count)])


def sweep() -> array[int]:
    """Every 16-bit sample once, from the lowest up."""
    return array("h", range(-32768, 32768))


def digest(data: bytes | array[int]) -> str:
    """SHA-256 of encoded bytes, or of samples in little-endian order."""
    if isinstance(data, array):
        data = little_endian(data)
    return hashlib.sha256(data).hexdigest()


def little_endian(samples: array[int]) -> bytes:
    """Samples as files and other programs want them."""
    if sys.byteorder == "big":
        samples = samples[:]
        samples.byteswap()
    return samples.tobytes()


def snr(original: array[int], decoded: array[int]) -> float:
    """Signal to noise ratio in dB; infinite when nothing differs."""
    signal = sum(a * a for a in original)
    error = sum((a - b) ** 2 for a, b in zip(original, decoded))
    return 10 * math.log10(signal / error) if error else math.inf
