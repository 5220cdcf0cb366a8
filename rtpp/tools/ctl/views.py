"""What is shown about the proxy and its sessions: lines of text from what was gathered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from rtpp.tools.ctl.gather import Numbers, Session
from rtpp.tools.ctl.tables import duration, number, printable, shorten, table
from rtpp.tools.ctl.web import Json

_PARTY_ROWS = (
    ("packets received", "npkts_ina", 0, 1),
    ("packets sent by the party", "rtpa_nsent", 0, 1),
    ("packets lost on the way", "rtpa_nlost", 0, 1),
    ("packets that came twice", "rtpa_ndups", 0, 1),
    ("packets not understood", "rtpa_perrs", 0, 1),
    ("longest gap, milliseconds", "longest_ipi", 0, 1000),
    ("jitter now, clock ticks", "rtpa_jlast", 1, 1),
    ("jitter on average", "rtpa_javg", 1, 1),
    ("jitter at most", "rtpa_jmax", 1, 1),
)
_LEG_ROWS = ("local", "advertised", "signalled", "learned", "remote", "refused", "codec", "received", "relayed",
             "dropped", "ignored", "lost", "duplicates", "loss", "jitter", "jitter_max", "idle", "rate")
_MARKS = ("on_hold", "asymmetric", "recording", "copying", "prompt")


def stats(info: Numbers, counters: Numbers) -> list[str]:
    """The summary, then every counter."""
    lines = table(("", "now"), [
        ("active sessions", number(info["sessions"])),
        ("active streams", number(info["streams"])),
        ("packets received per second", number(counters["pps_in"], 1)),
        ("load", number(info.get("load"), 3)),
    ], None, right=(1,))
    rows = [(name, number(value, 3 if isinstance(value, float) else 0)) for name, value in counters.items()
            if name != "pps_in"]
    return [*lines, "", *table(("counter", "since start"), rows, None, right=(1,))]


def session(found: Session) -> list[str]:
    """One session as the control protocol shows it."""
    overview = found.overview
    rows = [(label, *(number(party[name] * factor, decimals) for party in found.parties.values()))
            for label, name, decimals, factor in _PARTY_ROWS]
    return [
        f"call-id  {printable(found.call_id)}",
        f"tag      {printable(found.tag)}",
        f"ends in  {duration(overview['ttl'])} unless packets arrive",
        f"relayed  {number(overview['nrelayed'])} packets, dropped {number(overview['ndropped'])}",
        "",
        *table(("from", *found.parties), rows, None, right=(1, 2)),
    ]


def session_in_full(found: Json) -> list[str]:
    """One session as the status page shows it: with addresses and a diagnosis."""
    caller, callee = _leg(found, "caller"), _leg(found, "callee")
    rows = [(name.replace("_", " "), _cell(caller.get(name)), _cell(callee.get(name))) for name in _LEG_ROWS]
    rows.append(("marks", _marks(caller), _marks(callee)))
    said = found.get("diagnosis")
    return [
        f"call-id  {_cell(found.get('call_id'))}",
        f"tag      {_cell(found.get('tag'))}",
        f"state    {_cell(found.get('state'))}, {duration(found.get('age'))} old, ends in "
        f"{duration(found.get('ttl'))} unless packets arrive",
        *(f"{_cell(line.get('level'))}: {_cell(line.get('text'))}"
          for line in (said if isinstance(said, list) else []) if isinstance(line, dict)),
        "",
        *table(("", "caller", "callee"), rows, None),
    ]


def sessions(found: Sequence[Json], width: Optional[int]) -> list[str]:
    """A line for each session. The call-id is cut if need be."""
    rows = []
    for one in found:
        caller, callee = _leg(one, "caller"), _leg(one, "callee")
        rows.append((_cell(one.get("call_id")), _cell(one.get("state")), duration(one.get("age")),
                     _cell(caller.get("remote")), _cell(callee.get("remote")),
                     _worst(caller, callee, "loss"), _worst(caller, callee, "jitter")))
    header = ("CALL-ID", "STATE", "AGE", "CALLER", "CALLEE", "LOSS%", "JITTER")
    return table(header, rows, width, right=(2, 5, 6))


def problem(text: str, width: Optional[int]) -> str:
    return shorten(printable(text), width)


def _leg(session: Json, name: str) -> dict[str, Any]:
    leg = session.get(name)
    return leg if isinstance(leg, dict) else {}


def _marks(leg: dict[str, Any]) -> str:
    return ", ".join(mark.replace("_", " ") for mark in _MARKS if leg.get(mark)) or "-"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return number(value, 1)
    return printable(str(value))


def _worst(caller: dict[str, Any], callee: dict[str, Any], name: str) -> str:
    values = [leg.get(name) for leg in (caller, callee)]
    known = [value for value in values if isinstance(value, (int, float))]
    return number(max(known), 1) if known else "-"
