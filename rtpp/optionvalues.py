"""Checks the arguments of options, one function each: text in, value out, `StartError` when it will not do.

Every message names the option, quotes the argument as given, and says what would be right.
What concerns the listen addresses (-l, -6, -A) is in `listenoptions`.
"""

from __future__ import annotations

import grp
import pwd
import re
import socket

from rtpp.errors import StartError
from rtpp.log import LEVELS
from rtpp.settings import Settings

MAX_INTEGER = 2**31 - 1

_INTEGER = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]{1,18})", re.ASCII)
_SCHEDULING = ("fifo", "rr")
_FACILITIES = (
    *("AUTH", "AUTHPRIV", "CRON", "DAEMON", "FTP", "KERN", "LPR", "MAIL", "NEWS", "SYSLOG", "USER", "UUCP"),
    *(f"LOCAL{number}" for number in range(8)),
)


def refuse(option: str, value: str, why: str) -> StartError:
    """The error for an argument that will not do, in the one form that all of them have."""
    return StartError(f"option {option}: {value!r} {why}")


def integer(option: str, text: str, lowest: int, highest: int = MAX_INTEGER) -> int:
    """A decimal number in lowest..highest: white space and a sign may precede, nothing may follow."""
    found = _INTEGER.fullmatch(text)
    if found is None or not lowest <= int(found[1]) <= highest:
        limits = f"of at least {lowest}" if highest == MAX_INTEGER else f"from {lowest} to {highest}"
        raise refuse(option, text, f"is not a whole number {limits}")
    return int(found[1])


def socket_mode(option: str, text: str) -> int:
    """The mode of control socket paths: a decimal number, as the C program reads it."""
    try:
        return integer(option, text, 0, 0o7777)
    except StartError:
        raise refuse(option, text, "is not a decimal number from 0 to 4095 (write 511 for octal 0777)")


def scheduling(option: str, text: str) -> str:
    """The real-time scheduling policy, "fifo" or "rr"."""
    if text not in _SCHEDULING:
        raise refuse(option, text, "is not a scheduling policy: fifo or rr is needed")
    return text


def log_level(option: str, text: str) -> tuple[str, str]:
    """`level[:facility]` as (level, facility) in capitals, the facility without its `LOG_`."""
    level, colon, facility = text.upper().partition(":")
    facility = facility[len("LOG_") :] if facility.startswith("LOG_") else facility
    if level not in LEVELS:
        raise refuse(option, text, "names no log level: one of " + ", ".join(LEVELS) + " is needed")
    if colon and facility not in _FACILITIES:
        raise refuse(option, text, "names no log facility: one of " + ", ".join(_FACILITIES) + " is needed")
    return level, facility or Settings.log_facility


def run_as(option: str, text: str) -> tuple[str, str]:
    """`user[:group]` or `:group` as (user, group), "" for the part not given; both must exist."""
    user, _, group = text.partition(":")
    if not user and not group:
        raise refuse(option, text, "names nobody: USER, USER:GROUP or :GROUP is needed")
    try:
        if user:
            pwd.getpwnam(user)
        if group:
            grp.getgrnam(group)
    except (KeyError, UnicodeError) as error:
        raise refuse(option, text, f"is not known on this host: {error.args[0]}")
    return user, group


def choice(option: str, text: str, words: tuple[str, ...]) -> str:
    """One of the words. Raises StartError."""
    if text not in words:
        raise refuse(option, text, f"is not {', '.join(words[:-1])} or {words[-1]}")
    return text


def http_address(option: str, text: str) -> tuple[str, int]:
    """`PORT`, `ADDRESS:PORT` or `[IPV6]:PORT` as (host, port); the host of a bare port is the loopback address."""
    found = re.fullmatch(r"(?:(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]]+)):)?([0-9]{1,5})", text, re.ASCII)
    if found is None or int(found[3]) > 65535:
        raise refuse(option, text, "is not [ADDRESS:]PORT; an IPv6 address stands in brackets")
    return found[1] or found[2] or "127.0.0.1", int(found[3])


def resolve(host: str, family: socket.AddressFamily, resolve_names: bool) -> str:
    """The numeric literal, in canonical form, of a literal or (if allowed) a name; raises OSError."""
    flags = 0 if resolve_names else socket.AI_NUMERICHOST
    try:
        found = socket.getaddrinfo(host, None, family, socket.SOCK_DGRAM, 0, flags)
    except UnicodeError:
        raise OSError("not a host name") from None
    address = found[0][4]
    if len(address) == 4 and address[3]:
        raise OSError("addresses with a zone are not supported")
    return str(address[0])
