"""Sessions as JSON: which ones, in which order, and all there is to say about each.

Selecting and sorting go by what the watch has measured in its last walk; the sessions that make the page are read
afresh. Both go in slices, `yield` in between: the server works on something else there, or gives way to the relay.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterable, Mapping
from typing import Any, Callable, NamedTuple, Optional

from rtpp.http.diagnosis import PROBLEM_STATES, STATES, diagnose, state_of
from rtpp.http.history import CALL_INTERVAL
from rtpp.http.request import HttpError
from rtpp.http.view import LegView, SessionView, codec_name, look_at, show
from rtpp.http.watch import UNKNOWN, Ended, Entry, Side, Watch

MAX_LIMIT = 500
DEFAULT_LIMIT = 100
SLICE = 8  # sessions read, or written as JSON, at a time
SELECT_SLICE = 200  # sessions compared with what is searched for at a time
MAX_AGE = 1.0  # seconds; a list made from an older walk waits for the next one

# How to sort: the key, and whether the greatest comes first unless the request says otherwise.
SORTS: dict[str, tuple[Callable[[Entry], Any], bool]] = {
    "age": (lambda entry: entry.number, True),
    "call_id": (lambda entry: entry.session.call_id, False),
    "state": (lambda entry: STATES.index(entry.state), False),
    "idle": (lambda entry: entry.idle, True),
    "loss": (lambda entry: entry.loss, True),
    "jitter": (lambda entry: max(entry.caller.jitter, entry.callee.jitter), True),
    "rate": (lambda entry: entry.caller.rate + entry.callee.rate, True),
}
ORDERS = ("ascending", "descending")


class Selection(NamedTuple):
    """Which sessions to list. `from_query` raises HttpError for parameters that make no sense."""

    offset: int
    limit: int
    sort: str
    descending: bool
    search: str
    state: str
    call_id: Optional[str]
    ended: bool

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Selection:
        known = {"offset", "limit", "sort", "order", "search", "state", "call_id", "ended"}
        for name in query:
            if name not in known:
                raise HttpError(400, f"no such parameter: {name}")
        sort = _one_of(query, "sort", "age", SORTS)
        order = _one_of(query, "order", ORDERS[SORTS[sort][1]], ORDERS)
        state = _one_of(query, "state", "", ("", "problem", *STATES))
        ended = _one_of(query, "ended", "0", ("0", "1"))
        return cls(_number(query, "offset", 0, 0, 10**9), _number(query, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT), sort,
                   order == "descending", query.get("search", "").lower(), state, query.get("call_id"), ended == "1")

    def takes(self, entry: Entry) -> bool:
        """Whether a session is among those asked for."""
        if self.state and entry.state != self.state and not (self.state == "problem" and entry.state in PROBLEM_STATES):
            return False
        if self.call_id is not None and entry.session.call_id != self.call_id:
            return False
        return not self.search or any(self.search in text.lower() for text in _texts(entry))


def _one_of(query: Mapping[str, str], name: str, default: str, allowed: Iterable[str]) -> str:
    value = query.get(name, default)
    if value not in allowed:
        raise HttpError(400, f"{name} is one of {', '.join(filter(None, allowed))}")
    return value


def _number(query: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 12 and lowest <= int(text) <= highest):
        raise HttpError(400, f"{name} is a number from {lowest} to {highest}")
    return int(text)


def _texts(entry: Entry) -> Iterable[str]:
    """Where a search looks."""
    session = entry.session
    yield session.call_id
    yield session.tag
    for leg in session.legs:
        latch = leg.rtp.latch
        yield str(leg.rtp.port)
        for address in (latch.signalled, latch.remote):
            yield show(address) or ""


class Sessions:
    """Makes the answers. Used by the thread of the HTTP server."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._table = watch.table

    def page(self, selection: Selection) -> Generator[None, None, bytes]:
        """A page of sessions."""
        begun = time.monotonic()
        if begun - self._watch.walked_at > MAX_AGE:
            self._watch.want()
            while self._watch.walked_at < begun - MAX_AGE:
                yield
        with self._table.lock:
            ended = {each.entry.number: each for each in self._watch.ended} if selection.ended else {}
            entries = [each.entry for each in ended.values()] if selection.ended else list(self._watch.entries.values())
        for number, each in enumerate(ended.values()):
            if each.entry.state == UNKNOWN:
                each.entry.state = state_of(diagnose(each.view))
            if number % SLICE == 0:
                yield
        matching: list[Entry] = []
        for start in range(0, len(entries), SELECT_SLICE):
            matching += filter(selection.takes, entries[start : start + SELECT_SLICE])
            yield
        matching.sort(key=SORTS[selection.sort][0], reverse=selection.descending)
        page = matching[selection.offset : selection.offset + selection.limit]
        rows: list[bytes] = []
        for start in range(0, len(page), SLICE):
            part = page[start : start + SLICE]
            rows += map(encode, [self._ended_row(ended[entry.number]) for entry in part] if selection.ended
                        else self._rows(part))
            yield
        head = {"time": round(time.time(), 3), "total": len(entries), "matching": len(matching),
                "offset": selection.offset, "limit": selection.limit}
        return encode(head)[:-1] + b',"sessions":[' + b",\n".join(rows) + b"]}\n"

    def one(self, number: int) -> Optional[bytes]:
        """A session with its history, None if it is not known."""
        with self._table.lock:
            entry = self._watch.entries.get(number)
            if entry is None:
                ended = next((each for each in self._watch.ended if each.entry.number == number), None)
                if ended is None:
                    return None
                entry, row = ended.entry, self._ended_row(ended, details=True)
            else:
                for leg in entry.session.legs:
                    leg.rtp.settle()  # loss and jitter of what the kernel relays, which are some seconds old otherwise
                view = look_at(entry.session, time.monotonic())
                row = describe(entry, view, details=True)
        history = entry.history
        row["history"] = {"interval": CALL_INTERVAL, **{
            party: {what: history.column(f"{party} {what}") if history else [] for what in ("rate", "loss", "jitter")}
            for party in ("caller", "callee")}}
        return encode(row) + b"\n"

    def _rows(self, entries: list[Entry]) -> list[dict[str, Any]]:
        now = time.monotonic()
        with self._table.lock:
            views = [(entry, look_at(entry.session, now)) for entry in entries]
        return [describe(entry, view) for entry, view in views]

    @staticmethod
    def _ended_row(ended: Ended, details: bool = False) -> dict[str, Any]:
        return describe(ended.entry, ended.view, ended.time, details)


def describe(entry: Entry, view: SessionView, ended: Optional[float] = None, details: bool = False) -> dict[str, Any]:
    """All there is to say about a session; the names are those of docs/http.md. `ended` is wall time."""
    findings = diagnose(view)
    return {
        "id": entry.number, "call_id": view.call_id, "tag": view.tag, "created": round(entry.created, 3),
        "age": round(view.age, 1), "ended": ended and round(ended, 3), "timed_out": view.timed_out,
        "complete": view.complete, "ttl": 0 if view.has_ended else view.ttl, "state": state_of(findings),
        "diagnosis": [{"level": each.level, "party": each.party, "text": each.text} for each in findings],
        "caller": describe_leg(view.caller, entry.caller, view.has_ended, details),
        "callee": describe_leg(view.callee, entry.callee, view.has_ended, details),
    }


def describe_leg(leg: LegView, side: Side, has_ended: bool, details: bool) -> dict[str, Any]:
    """One leg of it."""
    told: dict[str, Any] = {
        "local": show((leg.host, leg.port)) if leg.port else None, "advertised": leg.advertised or None,
        "signalled": show(leg.signalled), "learned": show(leg.learned), "remote": show(leg.remote),
        "refused": show(leg.refused), "latched": leg.latched, "asymmetric": leg.asymmetric, "on_hold": leg.on_hold,
        "received": leg.received, "relayed": leg.relayed, "dropped": leg.dropped, "ignored": leg.ignored,
        "send_errors": leg.send_errors, "idle": _rounded(leg.idle, 1),
        "rate": 0.0 if has_ended else round(side.rate, 1),
        "lost": leg.lost, "duplicates": leg.duplicates, "loss": round(leg.loss, 2), "not_rtp": leg.not_rtp,
        "jitter": _rounded(leg.jitter, 2), "jitter_max": _rounded(leg.jitter_max, 2),
        "jitter_average": _rounded(leg.jitter_average, 2), "payload_type": leg.payload_type,
        "codec": codec_name(leg.payload_type), "ssrc": leg.ssrc, "ssrc_changes": leg.ssrc_changes,
        "recording": leg.recording, "copying": leg.copying, "prompt": leg.prompt, "fast_path": leg.fast_path,
    }
    if details:
        rtcp = leg.rtcp
        told["rtcp"] = {"received": rtcp.received, "relayed": rtcp.relayed, "dropped": rtcp.dropped,
                        "ignored": rtcp.ignored, "signalled": show(rtcp.signalled), "learned": show(rtcp.learned),
                        "remote": show(rtcp.remote)}
    return told


def _rounded(value: Optional[float], digits: int) -> Optional[float]:
    return None if value is None else round(value, digits)


_UNSAFE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def encode(value: object) -> bytes:
    """JSON in ASCII that is harmless even where it is taken for HTML."""
    return json.dumps(value, separators=(",", ":")).translate(_UNSAFE).encode("ascii")
