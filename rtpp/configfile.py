"""Reads the file of --config: which modules to load, and their parameters.

The format is UCL: sections as in nginx (`name { key = value; }`) or as in JSON. Only top-level sections `modules`
mean anything; every other key is ignored, but must be well formed. Macros (`.include`) are refused: to ignore one
could mean to ignore modules.

    modules {
        catch_dtmf { }                                   # built-in
        "acct_rtcp_hep" { capt_host = 192.0.2.1; capt_port = 9060 }
        mine { load = "/etc/rtpproxy/mine.py"; }         # a file of Python
    }

Values are kept as text: a module knows what it needs. Errors name the line.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import NamedTuple, Optional, Union

from rtpp.errors import StartError
from rtpp.modules import loader
from rtpp.settings import ModuleSettings

MAX_DEPTH = 100  # of sections and lists in one another
_TOKEN = re.compile(
    r"""(?P<skip>[^\S\n]+|\#[^\n]*)
    |(?P<newline>\n)
    |(?P<comment>/\*)
    |(?P<text><<(?P<end>[A-Z]+)\n(?P<here>.*?)^(?P=end)$
        |"(?P<double>(?:\\.|[^"\\])*)"
        |'(?P<single>(?:\\.|[^'\\])*)'
        |[^\s{}\[\];,=:"'\#]+)
    |(?P<mark>[{}\[\];,=:])""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_HERE_DOCUMENT = re.compile(r"<<([A-Z]+)\n")
_OPENER = {"}": "{", "]": "["}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)


class Section(NamedTuple):
    """Entries in the order of the file; a key may occur several times."""

    entries: list[Entry]


class Entry(NamedTuple):
    """`value` is text, a section, or None for a list, which nothing here has use for."""

    key: str
    value: Union[str, Section, None]
    line: int


class Token(NamedTuple):
    """`kind` is text, newline or mark; the end of the file is a mark without text. `start` and `end` are places."""

    kind: str
    text: str
    line: int
    start: int
    end: int


class _SyntaxError(Exception):
    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")


def modules(path: str) -> tuple[ModuleSettings, ...]:
    """The modules that a file asks for. Raises StartError."""
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            text = file.read()
    except OSError as error:
        raise StartError(f"option --config: cannot read {path!r}: {error.strerror}")
    try:
        return tuple(_modules(_Parser(text).file()))
    except _SyntaxError as error:
        raise StartError(f"option --config: cannot parse {path!r}: {error}")
    except _ConfigurationError as error:
        raise StartError(f"option --config: {path!r}, {error}")


class _ConfigurationError(Exception):
    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")


def _modules(top: Section) -> Iterator[ModuleSettings]:
    for entry in top.entries:
        if entry.key.lower() == "modules":
            for each in _section(entry).entries:
                yield _module(each)


def _section(entry: Entry) -> Section:
    if not isinstance(entry.value, Section):
        raise _ConfigurationError(entry.line, f"{entry.key!r} is not a section in braces")
    return entry.value


def _module(module: Entry) -> ModuleSettings:
    """One module's section. `load` says where the module is, else its name does."""
    line = module.line
    try:
        parameters: list[Entry] = []
        source = module.key
        for entry in _section(module).entries:
            line = entry.line
            if not isinstance(entry.value, str):
                raise StartError(f"{entry.key!r} has a section or a list as its value, not a text")
            if entry.key == "load":
                source = entry.value
            else:
                parameters.append(entry)
        _, kind = loader.load(source)
        values = loader.defaults(kind)
        for entry in parameters:
            line = entry.line
            values[entry.key] = loader.value(kind, entry.key, str(entry.value))
    except StartError as error:
        raise _ConfigurationError(line, f"module {module.key!r}: {error}")
    return ModuleSettings(module.key, kind, values, os.getcwd())


class _Parser:
    """Recursive descent over the tokens."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._depth = 0
        self._next = next(self._tokens)

    def file(self) -> Section:
        """All of it, whether or not braces stand around the whole."""
        self._skip_newlines()
        if self._next.text == "{" and self._next.kind == "mark":
            top = self._group()
            assert isinstance(top, Section)
            rest = self._entries()
            top = Section(top.entries + rest.entries)
        else:
            top = self._entries()
        if self._next.text:
            raise _SyntaxError(self._next.line, f"{self._next.text!r} closes nothing")
        return top

    def _take(self) -> Token:
        token = self._next
        if token.kind != "mark" or token.text:
            self._next = next(self._tokens)
        return token

    def _at(self, marks: str) -> bool:
        return self._next.kind == "mark" and self._next.text in marks and bool(self._next.text)

    def _skip_newlines(self) -> None:
        while self._next.kind == "newline":
            self._take()

    def _entries(self) -> Section:
        """Up to a closing mark or the end of the file."""
        entries: list[Entry] = []
        while True:
            if self._next.kind == "newline" or self._at(";,"):
                self._take()
            elif self._next.kind == "text":
                entries.append(self._entry())
            elif self._at("{[=:"):
                raise _SyntaxError(self._next.line, f"a name is needed before {self._next.text!r}")
            else:
                return Section(entries)

    def _entry(self) -> Entry:
        """`key value`, `key = value`, or `key [name ...] {`, where each name is a section around the next."""
        key = self._take()
        if key.text.startswith("."):
            raise _SyntaxError(key.line, f"macros like {key.text!r} are not understood")
        words: list[Token] = []
        separated = False
        value: Union[str, Section, None] = None
        while True:
            if self._next.kind == "text":
                words.append(self._take())
            elif self._at("=:"):
                mark = self._take()
                if separated or words:
                    words.append(mark)
                elif not separated:
                    self._skip_newlines()
                separated = True
            elif self._next.kind == "newline" and not words and not separated:
                self._skip_newlines()
                if not self._at("{"):
                    break
            elif self._at("{["):
                value = self._group()
                for word in reversed(words):
                    value = Section([Entry(_plain(word), value, word.line)])
                return Entry(_plain(key), value, key.line)
            else:
                break
        return Entry(_plain(key), self._joined(words), key.line)

    def _joined(self, words: list[Token]) -> str:
        """Several words are one text, as they stand in the file."""
        if len(words) == 1:
            return _plain(words[0])
        return self._text[words[0].start : words[-1].end] if words else ""

    def _group(self) -> Optional[Section]:
        """What stands in braces, or in brackets: that is checked and forgotten."""
        opener = self._take()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _SyntaxError(opener.line, f"more than {MAX_DEPTH} sections in one another")
        found = None
        if opener.text == "{":
            found = self._entries()
        else:
            self._items()
        if not self._next.text:
            raise _SyntaxError(opener.line, f"{opener.text!r} is never closed")
        if _OPENER[self._next.text] != opener.text:
            raise _SyntaxError(self._next.line, f"{self._next.text!r} closes nothing")
        self._take()
        self._depth -= 1
        return found

    def _items(self) -> None:
        while not self._at("}]") and self._next.text:
            if self._at("{["):
                self._group()
            else:
                self._take()


def _plain(token: Token) -> str:
    """The text of a token without quotes and escapes."""
    found = _TOKEN.fullmatch(token.text)
    if found is None:
        return token.text
    if found["here"] is not None:
        return found["here"].rstrip("\n")
    if found["double"] is not None:
        return _ESCAPE.sub(_unescape, found["double"])
    if found["single"] is not None:
        return found["single"].replace("\\'", "'")
    return token.text


def _unescape(found: re.Match[str]) -> str:
    try:
        return str(json.loads(f'"{found[0]}"'))
    except ValueError:
        return found[1]


def _tokens(text: str) -> Iterator[Token]:
    """Yield tokens without blanks and comments, and the end of the file for ever."""
    position, line = 0, 1
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise _SyntaxError(line, f"the string that begins with {text[position]} has no end")
        end = found.end()
        if found["comment"]:
            end = _end_of_comment(text, position, line)
        elif not found["skip"]:
            unended = _HERE_DOCUMENT.match(text, position) if found["here"] is None else None
            if unended is not None:
                raise _SyntaxError(line, f"the text that begins with <<{unended[1]} has no end")
            kind = "text" if found["text"] is not None else "newline" if found["newline"] else "mark"
            yield Token(kind, found[0], line, position, end)
        line += text.count("\n", position, end)
        position = end
    while True:
        yield Token("mark", "", line, position, position)


def _end_of_comment(text: str, start: int, line: int) -> int:
    """The position after the comment that begins at `start`; comments nest."""
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(text, start):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    raise _SyntaxError(line, "the comment has no end")
