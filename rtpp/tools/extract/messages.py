"""What extractaudio says on standard error."""

from __future__ import annotations

import sys
from collections import Counter

from rtpp.tools.extract.progress import CLEAR_LINE

PROGRAM = "extractaudio"


def warn(text: str) -> None:
    """On a line of its own, also when a bar is in it."""
    print(f"{CLEAR_LINE if sys.stderr.isatty() else ''}{PROGRAM}: {text}", file=sys.stderr)


class Complaints:
    """Complaints about packets: each text at once when it is new, and how often it was true at the end."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, text: str) -> None:
        self._counts[text] += 1
        if self._counts[text] == 1:
            warn(text)

    def close(self) -> None:
        for text, count in self._counts.items():
            if count > 1:
                warn(f"{text} ({count} times in all)")
