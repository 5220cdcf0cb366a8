"""Replies of the control protocol, taken apart. Functions of text; what cannot be a reply raises StrangeAnswer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Union

from rtpp.tools.ctl.failures import StrangeAnswer

Number = Union[int, float]

# Lines of `I`, by the names used here. The load comes only with `Il`.
INFO_LINES = {
    "sessions created": "created",
    "active sessions": "sessions",
    "active streams": "streams",
    "packets received": "received",
    "packets transmitted": "transmitted",
    "average load": "load",
}
_LINE = re.compile(r"([a-z ]{1,40}): ([0-9]{1,20}(?:\.[0-9]{1,20})?)")
_NUMBER = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")


def parse_info(reply: str) -> dict[str, Number]:
    """The figures of `I` or `Il`. Lines of a newer proxy that are not known are passed over."""
    found: dict[str, Number] = {}
    for line in reply.split("\n"):
        match = _LINE.fullmatch(line)
        if match is None:
            raise StrangeAnswer(f"the summary has a line that is not understood: {line[:60]!a}")
        if match[1] in INFO_LINES:
            found[INFO_LINES[match[1]]] = parse_number(match[2])
    missing = [name for name in ("created", "sessions", "streams", "received", "transmitted") if name not in found]
    if missing:
        raise StrangeAnswer(f"the summary lacks {', '.join(missing)}")
    return found


def parse_values(names: Sequence[str], reply: str) -> dict[str, Number]:
    """The values of `G` or `Q`, which come in the order of the names asked for."""
    words = reply.split(" ")
    if len(words) != len(names):
        raise StrangeAnswer(f"{len(names)} numbers were asked for, the reply is {reply[:60]!a}")
    return {name: parse_number(word) for name, word in zip(names, words)}


def parse_number(text: str) -> Number:
    if not _NUMBER.fullmatch(text):
        raise StrangeAnswer(f"the reply has {text[:60]!a} where a number belongs")
    return float(text) if "." in text else int(text)
