"""Checks the file of --config: is it well formed, and does it ask for modules?

The format is UCL: sections as in nginx (`name { key = value; }`) or as in JSON. Only a top-level section
`modules` means anything, and there are no modules to configure, so a file that has one is refused; every
other key is ignored. That needs tokens and nesting, not values, which keeps the scanner below small.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rtpp.errors import StartError

_TOKEN = re.compile(
    r"""(?P<skip>[^\S\n]+|\#[^\n]*)
    |(?P<newline>\n)
    |(?P<comment>/\*)
    |(?P<text><<(?P<end>[A-Z]+)\n.*?^(?P=end)$
        |"(?P<double>(?:\\.|[^"\\])*)"
        |'(?P<single>(?:\\.|[^'\\])*)'
        |[^\s{}\[\];,=:"'\#]+)
    |(?P<mark>[{}\[\];,=:])""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_OPENER = {"}": "{", "]": "["}


class _SyntaxError(Exception):
    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")


def check(path: str) -> None:
    """Raise StartError when the file cannot be read or parsed, or has a section `modules`."""
    try:
        with open(path, encoding="latin-1") as file:
            text = file.read()
    except OSError as error:
        raise StartError(f"option --config: cannot read {path!r}: {error.strerror}")
    try:
        keys = top_level_keys(text)
    except _SyntaxError as error:
        raise StartError(f"option --config: cannot parse {path!r}: {error}")
    if "modules" in (key.lower() for key in keys):
        raise StartError(f"option --config: this version has no modules, but {path!r} has a section for them")


def top_level_keys(text: str) -> list[str]:
    """The names of the outermost keys, whether or not braces stand around the whole."""
    keys: list[str] = []
    openers: list[tuple[str, int]] = []
    top_level = 0
    at_start = True  # of a statement, where a word is a key
    previous = ""
    for token, value, line in _tokens(text):
        if token == "text":
            if at_start and len(openers) == top_level:
                keys.append(value)
            at_start = False
        elif token == "newline":
            at_start = at_start or previous not in ("=", ":")
            continue
        elif value in "{[":
            if value == "{" and not previous:
                top_level = 1
            openers.append((value, line))
            at_start = value == "{"
        elif value in _OPENER:
            if not openers or openers.pop()[0] != _OPENER[value]:
                raise _SyntaxError(line, f"{value!r} closes nothing")
            at_start = True
        else:
            at_start = value in ";,"
        previous = value
    if openers:
        opener, line = openers[-1]
        raise _SyntaxError(line, f"{opener!r} is never closed")
    return keys


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield (kind, value, line number) without blanks and comments; kinds are text, newline and mark."""
    position, line = 0, 1
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise _SyntaxError(line, f"the string that begins with {text[position]} has no end")
        kind = found.lastgroup or ""
        end = found.end()
        if found["comment"]:
            end = _end_of_comment(text, position, line)
        elif found["text"] is not None:
            strings = [found[name] for name in ("double", "single") if found[name] is not None]
            yield "text", strings[0] if strings else found["text"], line
        elif not found["skip"]:
            yield kind, found[0], line
        line += text.count("\n", position, end)
        position = end


def _end_of_comment(text: str, start: int, line: int) -> int:
    """The position after the comment that begins at `start`; comments nest."""
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(text, start):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    raise _SyntaxError(line, "the comment has no end")
