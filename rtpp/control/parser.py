"""From a request to a typed command: every argument checked and converted, nothing executed.

The order of checks is part of the protocol: for U the notification tag comes first, then the modifiers from left to
right, the address family, the remote address, and last the sub-commands, where any fault is the same error.
"""

from __future__ import annotations

import re
from typing import Callable, NamedTuple, Optional, Union

from rtpp.control.grammar import Clause, Request, integer
from rtpp.control.modifiers import LegModifiers, parse_modifiers
from rtpp.errors import CommandError, ErrorCode
from rtpp.net.addresses import IPV4, IPV6, Address, AddressBook, numeric, socket_address
from rtpp.session.notify import decode_tag
from rtpp.settings import WILDCARDS

IPV4_SIZES, IPV6_SIZES = range(7, 16), range(2, 46)  # a remote address of another length is not looked at
MAX_COUNTER_NAMES = 11
MAX_SECONDS = 2**31 - 1


class Remote(NamedTuple):
    """Where a party says it is. On hold it says nowhere, and the addresses mean nothing."""

    on_hold: bool
    rtp: Address
    rtcp: Address


class Tags(NamedTuple):
    """Which session of which call, and from whose point of view."""

    call_id: str
    from_tag: str
    to_tag: Optional[str]


class SetUp(NamedTuple):
    """U (`creates`) and L: open a leg's port, learn about the other leg's party."""

    creates: bool
    tags: Tags
    modifiers: LegModifiers
    remote: Optional[Remote]  # None: no address given that could be used
    notify: Optional[tuple[str, bytes]]  # target as written, decoded tag
    subcommands: tuple[Subcommand, ...]


class Delete(NamedTuple):
    tags: Tags
    weak: bool


class Play(NamedTuple):
    """`codecs` as written: the word `session` or payload types. 0 passes stop, below zero is for ever."""

    tags: Tags
    passes: int
    prompt: str
    codecs: str


class StopPlaying(NamedTuple):
    tags: Tags


class Record(NamedTuple):
    tags: Tags
    single_file: bool


class Copy(NamedTuple):
    tags: Tags
    target: str
    single_file: bool
    wants_address: bool


class StopRecording(NamedTuple):
    tags: Tags
    both_legs: bool


class Query(NamedTuple):
    """`modifiers` are checked only when the session was found."""

    tags: Tags
    modifiers: str
    names: tuple[str, ...]
    subcommands: tuple[Subcommand, ...]


class Info(NamedTuple):
    load: bool


class Statistics(NamedTuple):
    verbose: bool
    names: tuple[str, ...]


class Version(NamedTuple):
    """The protocol's version."""


class Feature(NamedTuple):
    id: str


class DeleteAll(NamedTuple):
    """X."""


class SubDelete(NamedTuple):
    weak: bool


class SubSet(NamedTuple):
    """`key` is "ttl" (seconds) or "tos"; `reverse` means the leg of the party that did not send the command."""

    reverse: bool
    key: str
    value: int


class SubLookup(NamedTuple):
    modifiers: LegModifiers
    remote: Optional[Remote]


class SubCopy(NamedTuple):
    source: Tags


class SubModule(NamedTuple):
    """For the `instance`-th module, from 1 on, of those loaded that have this number."""

    number: int
    instance: int
    arguments: tuple[str, ...]


Subcommand = Union[SubDelete, SubSet, SubLookup, SubCopy, SubModule]
Command = Union[SetUp, Delete, Play, StopPlaying, Record, Copy, StopRecording, Query, Info, Statistics, Version,
                Feature, DeleteAll]


def parse_command(request: Request, book: AddressBook) -> Command:
    """Raises CommandError."""
    return _PARSERS[request.main.verb](request, book)


def parse_remote(host: str, port: str, ipv6: bool) -> Optional[Remote]:
    """The remote address of U and L; None when its length says that it is no literal. Raises CommandError."""
    family = IPV6 if ipv6 else IPV4
    if len(host) not in (IPV6_SIZES if ipv6 else IPV4_SIZES):
        return None
    try:
        address = numeric(host, family)
        number = integer(port)
        if number < 0:
            raise ValueError(f"{port!r} is not a port")
    except ValueError as error:
        raise CommandError(ErrorCode.REMOTE_ADDRESS, str(error))
    rtp = socket_address(address, number % 65536, family)
    rtcp = socket_address(address, (number + 1) % 65536, family)
    return Remote(address in WILDCARDS, rtp, rtcp)


def _tags(clause: Clause, first: int) -> Tags:
    """Tags in the last one or two places; the call-id is always the first argument."""
    arguments = clause.arguments
    return Tags(arguments[0], arguments[first], arguments[first + 1] if len(arguments) > first + 1 else None)


def _only(clause: Clause, allowed: str, code: ErrorCode) -> str:
    """The modifiers in lower case. Raises CommandError when one is not in `allowed`."""
    modifiers = clause.modifiers.lower()
    for letter in modifiers:
        if letter not in allowed:
            raise CommandError(code, f"unknown modifier {letter!r} of {clause.verb}")
    return modifiers


# -- U and L -----------------------------------------------------------------------------------------


def _set_up(request: Request, book: AddressBook) -> SetUp:
    clause = request.main
    call_id, host, port, from_tag, *rest = clause.arguments
    to_tag, notify = _notify(call_id, rest)
    modifiers = parse_modifiers(clause.modifiers, book)
    remote = parse_remote(host, port, modifiers.ipv6)
    creates = clause.verb == "U"
    subcommands = _subcommands(request, book, with_legs=creates and to_tag is not None)
    return SetUp(creates, Tags(call_id, from_tag, to_tag), modifiers, remote, notify, subcommands)


def _notify(call_id: str, words: list[str]) -> tuple[Optional[str], Optional[tuple[str, bytes]]]:
    """To-tag, and notification target with its tag, from what follows the from-tag.

    Kamailio writes two forms that say something else than it means. The socket and tag of a first offer come as one
    word, `tcp:HOST:PORT;TAG`, in the place of the to-tag; and its old versions give a to-tag and a socket but no tag,
    which reads as a socket and a tag: then the call-id serves as the tag.
    """
    if len(words) == 1 and words[0].startswith(("tcp:", "unix:")) and ";" in words[0]:
        target, _, tag = words[0].partition(";")
        return None, (target, decode_tag(tag) + b"\n")
    if len(words) == 2 and words[1].startswith(("tcp:", "unix:")) and not words[0].startswith(("tcp:", "unix:", "/")):
        return words[0], (words[1], call_id.encode("latin-1") + b"\n")
    to_tag = words[0] if len(words) in (1, 3) else None
    if len(words) < 2:
        return to_tag, None
    return to_tag, (words[-2], decode_tag(words[-1]) + b"\n")


# -- commands on sessions ----------------------------------------------------------------------------


def _delete(request: Request, book: AddressBook) -> Delete:
    modifiers = _only(request.main, "w", ErrorCode.DELETE_MODIFIER)
    return Delete(_tags(request.main, 1), "w" in modifiers)


def _play(request: Request, book: AddressBook) -> Play:
    clause = request.main
    try:
        count = integer(clause.modifiers) if clause.modifiers else 1
    except ValueError as error:
        raise CommandError(ErrorCode.PLAY_COUNT, str(error))
    return Play(_tags(clause, 3), count, clause.arguments[1], clause.arguments[2])


def _stop_playing(request: Request, book: AddressBook) -> StopPlaying:
    return StopPlaying(_tags(request.main, 1))


def _record(request: Request, book: AddressBook) -> Record:
    modifiers = request.main.modifiers.lower()
    for letter in modifiers:
        if letter != "s":
            code = ErrorCode.RECORD_MODIFIER if letter == "p" else ErrorCode.COPY_MODIFIER
            raise CommandError(code, f"unknown modifier {letter!r} of R")
    return Record(_tags(request.main, 1), "s" in modifiers)


def _copy(request: Request, book: AddressBook) -> Copy:
    modifiers = _only(request.main, "sp", ErrorCode.COPY_MODIFIER)
    return Copy(_tags(request.main, 2), request.main.arguments[1], "s" in modifiers, "p" in modifiers)


def _stop_recording(request: Request, book: AddressBook) -> StopRecording:
    modifiers = request.main.modifiers.lower()
    if modifiers and modifiers[0] != "a":
        raise CommandError(ErrorCode.COPY_MODIFIER, f"unknown modifier {modifiers[0]!r} of N")
    if len(modifiers) > 1:
        raise CommandError(ErrorCode.RECORD_MODIFIER, f"text after modifier a of N: {modifiers[1:]!r}")
    return StopRecording(_tags(request.main, 1), bool(modifiers))


def _query(request: Request, book: AddressBook) -> Query:
    arguments = request.main.arguments
    names = arguments[3:]
    if len(names) > MAX_COUNTER_NAMES:
        raise CommandError(ErrorCode.ARGUMENT_COUNT, f"{len(names)} counter names, {MAX_COUNTER_NAMES} at most")
    return Query(_tags(request.main, 1), request.main.modifiers.lower(), names,
                 _subcommands(request, book, with_legs=False))


# -- commands on the whole proxy ---------------------------------------------------------------------


def _info(request: Request, book: AddressBook) -> Info:
    return Info("l" in _only(request.main, "bl", ErrorCode.INFO_MODIFIER))


def _statistics(request: Request, book: AddressBook) -> Statistics:
    return Statistics("v" in _only(request.main, "v", ErrorCode.STATISTICS_MODIFIER), request.main.arguments)


def _version(request: Request, book: AddressBook) -> Version:
    return Version()


def _feature(request: Request, book: AddressBook) -> Feature:
    return Feature(request.main.arguments[0])


def _delete_all(request: Request, book: AddressBook) -> DeleteAll:
    return DeleteAll()


_PARSERS: dict[str, Callable[[Request, AddressBook], Command]] = {
    "U": _set_up,
    "L": _set_up,
    "D": _delete,
    "P": _play,
    "S": _stop_playing,
    "R": _record,
    "C": _copy,
    "N": _stop_recording,
    "Q": _query,
    "I": _info,
    "G": _statistics,
    "V": _version,
    "VF": _feature,
    "X": _delete_all,
}


# -- sub-commands ------------------------------------------------------------------------------------


def _subcommands(request: Request, book: AddressBook, *, with_legs: bool) -> tuple[Subcommand, ...]:
    """`with_legs`: the main command is a U with a to-tag, which L and C need."""
    return tuple([_subcommand(clause, book, with_legs) for clause in request.subcommands])


def _subcommand(clause: Clause, book: AddressBook, with_legs: bool) -> Subcommand:
    """Any fault of a sub-command is the same error."""
    try:
        if clause.verb == "D" and clause.words == 1:
            return SubDelete("w" in _only(clause, "w", ErrorCode.SUBCOMMAND))
        if clause.verb == "S" and clause.words == 2 and len(clause.modifiers) <= 1:
            return _sub_set(clause)
        if clause.verb == "L" and clause.words == 3 and with_legs:
            modifiers = parse_modifiers(clause.modifiers, book)
            return SubLookup(modifiers, parse_remote(clause.arguments[0], clause.arguments[1], modifiers.ipv6))
        if clause.verb == "C" and clause.words == 4 and with_legs and not clause.modifiers:
            return SubCopy(_tags(clause, 1))
        if clause.verb == "M":
            return _sub_module(clause)
    except CommandError as error:
        raise CommandError(ErrorCode.SUBCOMMAND, str(error))
    raise CommandError(ErrorCode.SUBCOMMAND, f"not a sub-command here: {clause.verb}{clause.modifiers}")


def _sub_set(clause: Clause) -> SubSet:
    key, equals, text = clause.arguments[0].partition("=")
    try:
        value = integer(text)
    except ValueError as error:
        raise CommandError(ErrorCode.SUBCOMMAND, str(error))
    if key not in ("ttl", "tos") or not equals or not 0 < value <= MAX_SECONDS:
        raise CommandError(ErrorCode.SUBCOMMAND, f"S takes ttl=N or tos=N with N above 0, not {clause.arguments[0]!r}")
    return SubSet(clause.modifiers.lower() == "r", key, value)


def _sub_module(clause: Clause) -> SubModule:
    found = re.fullmatch(r"0*([1-9][0-9]{0,8}):0*([1-9][0-9]{0,8})", clause.modifiers, re.ASCII)
    if found is None:
        raise CommandError(ErrorCode.SUBCOMMAND, f"M takes MODULE:INSTANCE, both above 0, not {clause.modifiers!r}")
    return SubModule(int(found[1]), int(found[2]), clause.arguments)
