"""Encoding from the middle: a part of a recording is encoded before it is known what comes before it.

Plan: a coder remembers something of all it has heard, but coders that hear the same forget what was different before,
GSM's to the last bit within seconds. So a part is encoded by a coder that remembers nothing, piece by piece, and once
the real memory is known it is encoded again from its start, only until both coders remember the same after a piece:
from there on they write the same. Whatever the signal is, the result is what one coder would have written.
"""

from __future__ import annotations

from array import array
from typing import Any, Protocol


class Coder(Protocol):
    """An encoder that can go on where another one was.

    `state` is all that it remembers: it can be set, and coders whose states are equal encode alike.
    """

    state: Any

    def encode(self, samples: array[int]) -> bytes:
        """Whole blocks; a short last one is filled up with zeros."""


class Guess:
    """A part, encoded as if nothing came before it."""

    def __init__(self, coder: Coder, samples: array[int], piece: int) -> None:
        """`coder` is new; `piece` is how many samples of whole blocks are encoded between looks at its state."""
        self._coder = coder
        self._pieces = [samples[start : start + piece] for start in range(0, len(samples), piece)]
        self._states = [coder.state]  # before each piece, and after the last
        self._encoded: list[bytes] = []
        for each in self._pieces:
            self._encoded.append(coder.encode(each))
            self._states.append(coder.state)

    def correct(self, state: Any) -> tuple[bytes, Any]:
        """What a coder of that state makes of the part, and its state afterwards."""
        coder = self._coder
        coder.state = state
        for number, samples in enumerate(self._pieces):
            if state == self._states[number]:
                return b"".join(self._encoded), self._states[-1]
            self._encoded[number] = coder.encode(samples)
            state = coder.state
        return b"".join(self._encoded), state
