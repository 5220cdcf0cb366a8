"""What rtppctl knows about the proxy and a session, asked for with as few commands as their limits allow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Optional

from rtpp.errors import ErrorCode
from rtpp.stats import COUNTERS
from rtpp.tools.ctl.client import Client
from rtpp.tools.ctl.failures import Failure, Refused
from rtpp.tools.ctl.replies import Number, parse_info, parse_values

MOST_NAMES_OF_G = 22
MOST_MEDIA = 16  # media numbers that are tried behind a tag
OVERVIEW = ("ttl", "nrelayed", "ndropped")  # counters of a session as a whole
PARTY = ("npkts_ina", "longest_ipi", "rtpa_nsent", "rtpa_nlost", "rtpa_ndups", "rtpa_perrs", "rtpa_jlast", "rtpa_javg",
         "rtpa_jmax")  # counters of one party
ANY_TAG = "-"  # in the place of the other party's tag, which the proxy does not look at

Numbers = dict[str, Number]


def info(client: Client) -> Numbers:
    """The summary, with the load."""
    return parse_info(client.demand("Il"))


def counters(client: Client, names: Sequence[str] = COUNTERS) -> Numbers:
    """Global counters. A proxy that lacks one of them refuses: it is another program."""
    found: Numbers = {}
    for start in range(0, len(names), MOST_NAMES_OF_G):
        asked = names[start : start + MOST_NAMES_OF_G]
        found.update(parse_values(asked, client.demand("G " + " ".join(asked))))
    return found


class Session:
    """One session as the control protocol shows it. `caller` and `callee` are the counters of each party."""

    def __init__(self, call_id: str, tag: str, overview: Numbers, caller: Numbers, callee: Numbers) -> None:
        self.call_id = call_id
        self.tag = tag
        self.overview = overview
        self.parties = {"caller": caller, "callee": callee}

    def as_json(self) -> dict[str, object]:
        return {"call_id": self.call_id, "tag": self.tag, **self.overview, **self.parties}


def sessions(client: Client, call_id: str, from_tag: str, to_tag: Optional[str] = None) -> Iterator[Session]:
    """The session of a call and a tag. SIP servers put media numbers behind tags: without one, all media are found."""
    wanted = [from_tag] if ";" in from_tag else [from_tag, *(f"{from_tag};{n}" for n in range(1, MOST_MEDIA + 1))]
    found = False
    for tag in wanted:
        try:
            yield _session(client, call_id, tag, to_tag or ANY_TAG)
            found = True
        except Refused as refused:
            if refused.code != ErrorCode.NO_SESSION:
                raise
            if tag != from_tag:
                break
    if not found:
        raise Failure(f"no session with call-id {call_id} and tag {from_tag}: tags are compared letter by letter, and "
                      "media numbers belong to them (tag;1)")


def _session(client: Client, call_id: str, tag: str, other: str) -> Session:
    """Ask from both sides: the counters of a party come to the one whose tag stands first."""
    if not tag.endswith(";") and ";" in tag and ";" not in other:
        other += tag[tag.rindex(";") :]
    reply = client.demand(command("Q", call_id, tag, other, *OVERVIEW))
    parties = [parse_values(PARTY, client.demand(command("Q", call_id, *tags, *PARTY)))
               for tags in ((tag, other), (other, tag))]
    return Session(call_id, tag, parse_values(OVERVIEW, reply), *parties)


def command(verb: str, *words: Optional[str]) -> str:
    """A command from its words; those that are None are left out. Raises Failure for a word that would become two."""
    for word in words:
        if word is not None and (not word or word == "&&" or re.search(r"[\t\r\n \0]", word)):
            raise Failure(f"{word!a} cannot be a word of a command: it is empty, has a blank or is &&")
    return " ".join([verb, *(word for word in words if word is not None)])
