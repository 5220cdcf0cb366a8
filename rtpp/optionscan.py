"""Reads a command line in the GNU style, one option at a time.

The standard library's `getopt` reads the whole line before the caller sees any of it. Here the options
are handled strictly from left to right, and some of them (`-V`, `--help`) end the program at once, so that
an error to their right is never seen. Hence a generator: it raises only when it arrives at the fault.

Short options may be clustered (`-fF`), their argument may be attached (`-T60`) or follow (`-T 60`). Long ones
may be shortened as long as that is unambiguous, and take an argument as `--name=value` or `--name value`.
Operands may stand anywhere; after `--` everything is an operand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum


class Argument(Enum):
    """Whether a long option takes an argument."""

    NONE = "none"
    OPTIONAL = "optional"  # only as --name=value
    REQUIRED = "required"


class UsageError(Exception):
    """The line cannot be read: an unknown option, or an argument too few or too many."""


OPERAND = ""


def scan(
    argv: Sequence[str], flags: str, with_argument: str, long_options: Mapping[str, Argument]
) -> Iterator[tuple[str, str]]:
    """Yield (option, argument) from left to right, and (OPERAND, text) for what is no option.

    `flags` and `with_argument` are the letters of the short options. Options are named in full, with their
    dashes ("-T", "--force_asymmetric"); one without an argument has the argument "".
    Raises UsageError on reaching something that cannot be read.
    """
    words = iter(argv)
    for word in words:
        if word == "--":
            for operand in words:
                yield OPERAND, operand
        elif word.startswith("--"):
            yield _long(word[2:], words, long_options)
        elif word.startswith("-") and word != "-":
            yield from _cluster(word[1:], words, flags, with_argument)
        else:
            yield OPERAND, word


def _cluster(letters: str, words: Iterator[str], flags: str, with_argument: str) -> Iterator[tuple[str, str]]:
    for position, letter in enumerate(letters):
        if letter in with_argument:
            yield f"-{letter}", letters[position + 1 :] or _next_word(f"-{letter}", words)
            return
        if letter not in flags:
            raise UsageError(f"unknown option -{letter}")
        yield f"-{letter}", ""


def _long(text: str, words: Iterator[str], long_options: Mapping[str, Argument]) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    matches = [name] if name in long_options else [full for full in long_options if full.startswith(name)]
    if not matches:
        raise UsageError(f"unknown option --{name}")
    if len(matches) > 1:
        raise UsageError(f"option --{name} is ambiguous: " + ", ".join(f"--{full}" for full in matches))
    option, argument = f"--{matches[0]}", long_options[matches[0]]
    if equals and argument is Argument.NONE:
        raise UsageError(f"option {option} takes no argument, but was given {value!r}")
    if argument is Argument.REQUIRED and not equals:
        value = _next_word(option, words)
    return option, value


def _next_word(option: str, words: Iterator[str]) -> str:
    for word in words:
        return word
    raise UsageError(f"option {option} needs an argument")
