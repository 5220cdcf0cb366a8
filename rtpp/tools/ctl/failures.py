"""How rtppctl can fail. Every text names what was wrong and, where it is known, what would be right."""

from __future__ import annotations

import re

from rtpp.errors import ErrorCode


class Failure(Exception):
    """The end of a command. The text is shown."""


class NoAnswer(Failure):
    """The proxy cannot be reached. `absent`: nothing is there at all, so it is not just late."""

    def __init__(self, text: str, *, absent: bool = False) -> None:
        super().__init__(text)
        self.absent = absent


class StrangeAnswer(Failure):
    """What answered does not speak the protocol."""


class Refused(Failure):
    """The proxy answered with an error. `code` is its number."""

    def __init__(self, command: str, reply: str) -> None:
        self.code = int(reply[1:])
        super().__init__(f"the proxy refuses {command!r} with {reply}: {meaning(self.code)}")


MEANINGS = {
    ErrorCode.UNKNOWN_VERB: "there is no such command",
    ErrorCode.ARGUMENT_COUNT: "too few or too many words for this command",
    ErrorCode.NO_MODIFIERS_ALLOWED: "this command takes no modifiers (letters after the first)",
    ErrorCode.SUBCOMMAND: "the part after && is not understood, or this command takes none",
    ErrorCode.SYNTAX: "not a command, or more words than a command may have",
    ErrorCode.RECORD_MODIFIER: "R takes no p, and N takes nothing after a",
    ErrorCode.COPY_MODIFIER: "unknown modifier: R takes s, C takes s and p, N takes a",
    ErrorCode.DELETE_MODIFIER: "unknown modifier: D takes w",
    ErrorCode.STATISTICS_MODIFIER: "unknown modifier: G takes v",
    ErrorCode.NOTIFY_TAG: "the notification tag is not percent-encoded as it should be",
    ErrorCode.EXTERNAL_INTERFACE: "e needs a bridge (-l INTERNAL/EXTERNAL), and at most two e or i are taken",
    ErrorCode.INTERNAL_INTERFACE: "i needs a bridge (-l INTERNAL/EXTERNAL), and at most two e or i are taken",
    ErrorCode.RESIZE_VALUE: "z needs milliseconds from 1 to 999 behind it",
    ErrorCode.CODEC_LIST: "c needs payload types behind it, once",
    ErrorCode.LOCAL_ADDRESS_TEXT: "l needs an address, [IPv6 address] or {label} behind it",
    ErrorCode.ROUTED_ADDRESS_TEXT: "r needs an address or [IPv6 address] behind it",
    ErrorCode.PLAY_COUNT: "P needs a number of times behind it, or nothing",
    ErrorCode.INFO_MODIFIER: "unknown modifier: I takes b and l",
    ErrorCode.QUERY_MODIFIER: "unknown modifier: Q takes v",
    ErrorCode.STATISTICS_OVERFLOW: "the reply would be too long: ask for fewer counters",
    ErrorCode.QUERY_OVERFLOW: "the reply would be too long: ask for fewer counters",
    ErrorCode.LOCAL_ADDRESS: "the address after l cannot be used, or no -l or -6 has this label",
    ErrorCode.ROUTED_ADDRESS: "this host has no route to the address after r",
    ErrorCode.UNKNOWN_MODIFIER: "unknown modifier; or the codecs of the session are not known: name payload types",
    ErrorCode.NO_ADDRESS_OF_FAMILY: "the proxy has no address of this family: start it with -l (IPv4) or -6 (IPv6)",
    ErrorCode.REMOTE_ADDRESS: "the party's address or port is not a number",
    ErrorCode.NO_SESSION: "no such session, or nothing in it to act on (recording needs -r at the proxy)",
    ErrorCode.NO_PLAYER: "no file of this prompt in a codec of the session: see makeann(1)",
    ErrorCode.UNKNOWN_SESSION_COUNTER: "no session counter of this name",
    ErrorCode.COPY_FAILED: "the copy cannot be made: a wrong target, or no -r at the proxy",
    ErrorCode.UNKNOWN_COUNTER: "no counter of this name",
    ErrorCode.NO_PORTS_FOR_LEG: "no ports left: widen -m to -M, or raise the limit of open files with -L",
    ErrorCode.NO_PORTS_FOR_SESSION: "no ports left: widen -m to -M, or raise the limit of open files with -L",
    ErrorCode.NOTIFY_DISABLED: "notifications are wanted, but the proxy was started without -n",
    ErrorCode.INTERNAL: "a fault in the proxy: its log has the details",
    ErrorCode.OVERLOAD: "the proxy is overloaded and takes no new sessions",
    ErrorCode.DRAINING: "the proxy is draining and takes no new sessions",
}


def is_error(reply: str) -> bool:
    return re.fullmatch(r"E[0-9]{1,3}", reply) is not None


def meaning(code: int) -> str:
    """An error reply in words."""
    try:
        return MEANINGS[ErrorCode(code)]
    except ValueError:
        return "an error that this rtppctl does not know: a newer or another proxy answers"
