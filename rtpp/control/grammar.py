"""From the bytes of a command to a request: tokens, verb, modifiers, arguments and sub-commands.

    VERB[modifiers] argument ... [ && SUBVERB[modifiers] argument ... ]*

The verb is the first letter of the first token, in either case; the rest of that token are its modifiers. Call-ids
and tags are opaque bytes: text here is latin-1, which holds any byte. No I/O and no state.

Checks come in a fixed order, so that a command with several faults always gets the same answer: syntax and limits,
verb, number of arguments, modifiers on a verb that takes none, sub-commands on a verb that takes none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rtpp.errors import CommandError, ErrorCode

MAX_TOKENS = 23  # of a command, and of each sub-command
MAX_SUBCOMMANDS = 15
SUBCOMMAND_SEPARATOR = "&&"
INTEGER = r"[\v\f]*([+-]?)0*([0-9]+)"  # the other white space of strtol(3) separates tokens
MAX_DIGITS = 19
INT64_MAX = 2**63 - 1
_TO_SPACE = bytes.maketrans(b"\t\r\n", b"   ")


class Clause(NamedTuple):
    """A command or sub-command taken apart: `verb` is upper case, `arguments` are what follows the first token."""

    verb: str
    modifiers: str
    arguments: tuple[str, ...]

    @property
    def words(self) -> int:
        """Tokens, the verb included."""
        return 1 + len(self.arguments)


class Request(NamedTuple):
    """A command with its sub-commands."""

    main: Clause
    subcommands: tuple[Clause, ...]


class Verb(NamedTuple):
    """What a verb accepts: how many tokens, itself included, and whether it takes modifiers and sub-commands."""

    least: int
    most: int
    modifiers: bool
    subcommands: bool


VERBS = {
    "U": Verb(5, 8, True, True),
    "L": Verb(5, 6, True, True),
    "D": Verb(3, 4, True, False),
    "P": Verb(5, 6, True, False),
    "S": Verb(3, 4, False, False),
    "R": Verb(3, 4, True, False),
    "C": Verb(4, 5, True, False),
    "N": Verb(3, 4, True, False),
    "Q": Verb(3, 15, True, True),
    "I": Verb(1, 1, True, False),
    "G": Verb(1, 30, True, False),
    "V": Verb(1, 1, False, False),
    "VF": Verb(2, 2, False, False),
    "X": Verb(1, 1, False, False),
}


def tokenize(data: bytes) -> list[bytes]:
    """Tokens of a command. Space, tab, CR and LF separate; every other byte is ordinary."""
    return [token for token in data.translate(_TO_SPACE).split(b" ") if token]


def parse(tokens: list[bytes]) -> Request:
    """The request that the tokens make (without cookie). Raises CommandError."""
    clauses = [_clause(words) for words in _split(tokens)]
    main = clauses[0]
    if main.verb == "V" and main.modifiers[:1].upper() == "F":
        main = clauses[0] = Clause("VF", main.modifiers[1:], main.arguments)
    verb = VERBS.get(main.verb)
    if verb is None:
        raise CommandError(ErrorCode.UNKNOWN_VERB, f"no command {main.verb!r}")
    if not verb.least <= main.words <= verb.most:
        raise CommandError(ErrorCode.ARGUMENT_COUNT,
                           f"{main.verb} takes {verb.least} to {verb.most} words, not {main.words}")
    if main.modifiers and not verb.modifiers:
        raise CommandError(ErrorCode.NO_MODIFIERS_ALLOWED, f"{main.verb} takes no modifiers: {main.modifiers!r}")
    if len(clauses) > 1 and not verb.subcommands:
        raise CommandError(ErrorCode.SUBCOMMAND, f"{main.verb} takes no sub-commands")
    return Request(main, tuple(clauses[1:]))


def _split(tokens: list[bytes]) -> list[list[str]]:
    """Words of the command and of each sub-command."""
    text = b" ".join(tokens).decode("latin-1")
    words = text.split(" ")
    parts = [words]
    if SUBCOMMAND_SEPARATOR in words:
        parts = [[]]
        for word in words:
            if word == SUBCOMMAND_SEPARATOR:
                parts.append([])
            else:
                parts[-1].append(word)
    if not tokens or not all(parts):
        raise CommandError(ErrorCode.SYNTAX, "empty command or sub-command")
    if len(parts) - 1 > MAX_SUBCOMMANDS:
        raise CommandError(ErrorCode.SYNTAX, f"{len(parts) - 1} sub-commands, {MAX_SUBCOMMANDS} at most")
    longest = max(map(len, parts))
    if longest > MAX_TOKENS:
        raise CommandError(ErrorCode.SYNTAX, f"{longest} words, {MAX_TOKENS} at most")
    if "\0" in text:
        raise CommandError(ErrorCode.SYNTAX, "NUL byte in the command")
    return parts


def _clause(words: list[str]) -> Clause:
    first = words[0]
    return Clause(first[0].upper(), first[1:], tuple(words[1:]))


def integer(text: str) -> int:
    """A decimal number as strtol(3) reads it: white space and a sign may precede, what is too large is cut to 64 bits.

    Raises ValueError for anything else, also for what only int() takes.
    """
    if text.isdigit() and text.isascii() and len(text) < MAX_DIGITS:
        return int(text)
    found = re.fullmatch(INTEGER, text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is not a decimal number")
    number = min(int(found[2]), INT64_MAX) if len(found[2]) <= MAX_DIGITS else INT64_MAX
    return -number if found[1] == "-" else number
