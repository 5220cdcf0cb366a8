"""Where the proxy answers differently from the C engine on purpose: all of them, each with its reason.

The differential test sends both the same commands. A command that a `SKIPPED` pattern matches is not sent; of
a reply to a command that a `MASKED` pattern matches only the form is compared, by the pattern given. Nothing else
may differ, but for port numbers, notification names and times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """`command` is searched in the command with single spaces between its words; `reply` is what both
    replies must match in full."""

    command: str
    reason: str
    reply: str = ""

    def applies(self, command: str) -> bool:
        words = [word for word in re.split("[ \t\r\n]", command) if word]
        return re.search(self.command, " ".join(words)) is not None


SKIPPED = [
    Difference(
        r"(^[uUlL]|&& [lL])[^ ]*[lLrR](?!(0|[1-9]\d*)(\.(0|[1-9]\d*)){3}(?![\d.]))[\d.]",
        "set-up: whether the C program takes l127.1 or l0.0.0.03 depends on the host's network interfaces",
    ),
    Difference(
        r"\d{10,}",
        "safety: numbers beyond 32 bits wrap around in the C program, so that z4294967297 means 1 ms and "
        "ttl=99999999999 an arbitrary time; ours refuses them or takes them at their value",
    ),
    Difference(
        r"^[uUlL][^ ]* [^ ]+ [^ ]+ \* ",
        "sanity: the C program takes a remote port of `*` for 0; ours takes numbers only",
    ),
    Difference(
        r"^[cC][^ ]* [^ ]+ udp:[^ ]*:0 ",
        "sanity: a copy to port 0 is refused at all times; the C program accepts it, and ignores it, while the leg is "
        "copied or recorded already",
    ),
    Difference(
        r"^[cC][^ ]* [^ ]+ shared ",
        "safety: ours refuses to write two recordings into one file, which copies may be told to do; the C program "
        "lets them overwrite each other",
    ),
    Difference(
        r"^[uUlL][^ ]*[cC],|&& [lL][^ ]*[cC],",
        "sanity: a list of payload types without any is none, so that P with `session` is E35; the C program finds no "
        "file for it (E60)",
    ),
    Difference(
        r"^[pP][+-]?0+ [^ ]+ [^ ]+ session ",
        "sanity: P0 only stops a prompt and needs no payload types; the C program answers E35 where it knows none",
    ),
    Difference(
        r"&& [dD][^ ]* &&",
        "sanity: after a sub-command has deleted the session, the C program carries out later sub-commands on what "
        "is left of it: `port` is its reply to `U ... && D && S ttl=5`; ours says that they failed, "
        "`port && 0 && -1`",
    ),
    Difference(
        r"^[uU][^ ]* [^ ]+ [^ ]+ [^ ]+ ;",
        "sanity: the C program takes a to-tag that is not there as an empty one, which finds the media streams of a "
        "session whose from-tag is empty but for its media number; no SIP message has an empty tag",
    ),
]

MASKED: list[Difference] = []

# Counters that are left out where packets may arrive late across the first wrap of a stream's sequence numbers: the C
# program's unsigned arithmetic then makes those sent and lost four thousand million too large, and takes such a packet,
# when it comes again, for a new one; ours counts on.
UNCOMPARED_ACROSS_WRAP = ("rtpa_nsent", "rtpa_nlost", "rtpa_nrcvd", "rtpa_ndups")


def is_skipped(command: str) -> bool:
    return any(difference.applies(command) for difference in SKIPPED)


def form_of_reply(command: str) -> str:
    """The pattern that is compared instead of the reply's text, "" for nearly all commands."""
    return next((difference.reply for difference in MASKED if difference.applies(command)), "")
