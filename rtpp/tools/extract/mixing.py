"""Puts channels together: those of one side into one stream of samples, two sides into one or two tracks.

Plan: blocks of up to 8192 samples, in each of which the same channels are heard from the first sample to the last.
Two blocks are averaged as one long integer each, 16 bits a sample, which costs 12 ns a sample where a loop of any
kind would cost 370:

    with u and v as unsigned numbers    (u + v) // 2 = (u & v) + (u ^ v) // 2

never leaves its 16 bits. Rounding is towards zero, so negative odd sums get one more.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple, Optional

from rtpp.tools.extract.loading import Side

BLOCK = 8192  # samples

Samples = Optional["array[int]"]  # None: all zeros


class Block(NamedTuple):
    """What is heard of each side in `length` samples."""

    length: int
    sides: tuple[Samples, Samples]


class Voice:
    """A channel that is being heard. `played` counts its samples."""

    __slots__ = ("_buffer", "_pieces", "played", "side", "start")

    def __init__(self, side: Side, start: int, pieces: Iterator[array[int]]) -> None:
        self.side = side
        self.start = start  # samples after the first channel
        self.played = 0
        self._pieces = pieces
        self._buffer = array("h")

    def available(self) -> int:
        """Samples that can be taken now: a block at least, fewer near the end, 0 at the end."""
        buffer = self._buffer
        while len(buffer) < BLOCK:
            piece = next(self._pieces, None)
            if piece is None:
                break
            buffer += piece
        return len(buffer)

    def take(self, count: int) -> array[int]:
        """The next `count` samples, which must be available."""
        taken = self._buffer[:count]
        del self._buffer[:count]
        self.played += count
        return taken


def mix(voices: list[Voice]) -> Iterator[Block]:
    """Both sides until the last voice has ended. Voices of one side are averaged in the order given."""
    waiting = sorted(voices, key=lambda voice: voice.start, reverse=True)
    order = {voice: number for number, voice in enumerate(voices)}
    active: list[Voice] = []
    position = 0
    while waiting or active:
        while waiting and waiting[-1].start <= position:
            active.append(waiting.pop())
            active.sort(key=order.__getitem__)
        count = min(BLOCK, waiting[-1].start - position) if waiting else BLOCK
        available = {voice: voice.available() for voice in active}
        active = [voice for voice in active if available[voice]]
        if not active and not waiting:
            return
        count = min([count, *(available[voice] for voice in active)])
        sides: list[Samples] = [None, None]
        for voice in active:
            samples, before = voice.take(count), sides[voice.side]
            sides[voice.side] = samples if before is None else average(before, samples)
        position += count
        yield Block(count, (sides[0], sides[1]))


def mono(block: Block) -> array[int]:
    """One track with half of each side."""
    first, second = block.sides
    silence = array("h", bytes(2 * block.length))
    return average(silence if first is None else first, silence if second is None else second)


def stereo(block: Block) -> array[int]:
    """Two tracks, sample by sample: side A, side B."""
    both = array("h", bytes(4 * block.length))
    for track, samples in enumerate(block.sides):
        if samples is not None:
            both[track::2] = samples
    return both


def average(first: array[int], second: array[int]) -> array[int]:
    """Half the sum of each two samples, rounded towards zero. Both have the same length."""
    ones, signs, halves = _masks(len(first))
    u = int.from_bytes(first.tobytes(), sys.byteorder) ^ signs
    v = int.from_bytes(second.tobytes(), sys.byteorder) ^ signs
    different = u ^ v
    lower = (u & v) + (different >> 1 & halves)
    lower += different & ~(lower >> 15) & ones
    return array("h", (lower ^ signs).to_bytes(2 * len(first), sys.byteorder))


@lru_cache(maxsize=16)
def _masks(count: int) -> tuple[int, int, int]:
    """Integers with the lowest, the highest and all but the highest bit of each of `count` samples."""
    ones = int.from_bytes(b"\x01\x00" * count, "little")
    return ones, ones << 15, ones * 0x7FFF
