"""Every way a command can fail, each once, with its meaning.

A command that fails raises `CommandError`; the listener turns it into the reply `E<n>`, in one place.
A start that fails raises `StartError`; the program prints it and exits with status 1, in one place.
"""

from __future__ import annotations

from enum import IntEnum


class ErrorCode(IntEnum):
    """Numbers of the `E<n>` replies of the control protocol."""

    UNKNOWN_VERB = 0
    ARGUMENT_COUNT = 1
    NO_MODIFIERS_ALLOWED = 2
    SUBCOMMAND = 3
    SYNTAX = 5
    RECORD_MODIFIER = 6  # N: text after `a`; R: modifier `p`
    COPY_MODIFIER = 7  # unknown modifier of N, R or C
    DELETE_MODIFIER = 8
    STATISTICS_MODIFIER = 9
    NOTIFY_TAG = 10
    EXTERNAL_INTERFACE = 11
    INTERNAL_INTERFACE = 12
    RESIZE_VALUE = 13
    CODEC_LIST = 14
    LOCAL_ADDRESS_TEXT = 15
    ROUTED_ADDRESS_TEXT = 16
    PLAY_COUNT = 17
    INFO_MODIFIER = 18
    QUERY_MODIFIER = 19
    STATISTICS_OVERFLOW = 25
    QUERY_OVERFLOW = 26
    LOCAL_ADDRESS = 31
    ROUTED_ADDRESS = 32
    UNKNOWN_MODIFIER = 35  # of U and L; also P with `session` and no codecs known
    NO_ADDRESS_OF_FAMILY = 36
    REMOTE_ADDRESS = 37
    NO_SESSION = 50
    NO_PLAYER = 60
    UNKNOWN_SESSION_COUNTER = 62
    COPY_FAILED = 65
    UNKNOWN_COUNTER = 68
    NO_PORTS_FOR_LEG = 71
    NO_PORTS_FOR_SESSION = 72
    NOTIFY_DISABLED = 75
    INTERNAL = 89  # an unexpected exception; the log has the traceback
    OVERLOAD = 98
    DRAINING = 99


class CommandError(Exception):
    """A control command cannot be carried out; `detail` says why, for the log."""

    def __init__(self, code: ErrorCode, detail: str = "") -> None:
        super().__init__(f"E{int(code)} {code.name.lower()}" + (f": {detail}" if detail else ""))
        self.code = code
        self.detail = detail


class StartError(Exception):
    """The proxy cannot start; the text is shown to the operator."""
