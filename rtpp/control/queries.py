"""Commands that only look: Q, G, I, V and VF."""

from __future__ import annotations

import time
from typing import Callable, Union

from rtpp.capabilities import BASIC_VERSION, CAPABILITIES, TIMEOUT_NOTIFICATION
from rtpp.control import parser
from rtpp.errors import CommandError, ErrorCode
from rtpp.rtp.analyzer import AnalyzerReport
from rtpp.session.session import Leg, Session
from rtpp.session.table import SessionTable

SUMMARY = ("ttl", "npkts_ina", "npkts_ino", "nrelayed", "ndropped")  # Q without names


def _analysis(leg: Leg) -> AnalyzerReport:
    assert leg.rtp.analyzer is not None
    return leg.rtp.analyzer.report()


# What Q knows, by name. The leg is the one of the party whose tag comes first; only RTP is reported.
SESSION_COUNTERS: dict[str, Callable[[Session, Leg], Union[int, float]]] = {
    "ttl": lambda session, leg: max(session.remaining(time.monotonic()), 0),
    "npkts_ina": lambda session, leg: leg.rtp.received,
    "npkts_ino": lambda session, leg: leg.opposite.rtp.received,
    "nrelayed": lambda session, leg: leg.rtp.relayed + leg.opposite.rtp.relayed,
    "ndropped": lambda session, leg: leg.rtp.dropped + leg.opposite.rtp.dropped,
    "longest_ipi": lambda session, leg: leg.rtp.longest_interval,
    "rtpa_jlast": lambda session, leg: _analysis(leg).jlast,
    "rtpa_jmax": lambda session, leg: _analysis(leg).jmax,
    "rtpa_javg": lambda session, leg: _analysis(leg).javg,
    "rtpa_nsent": lambda session, leg: _analysis(leg).nsent,
    "rtpa_nrcvd": lambda session, leg: _analysis(leg).nrcvd,
    "rtpa_ndups": lambda session, leg: _analysis(leg).ndups,
    "rtpa_nlost": lambda session, leg: _analysis(leg).nlost,
    "rtpa_perrs": lambda session, leg: _analysis(leg).perrs,
}


def _fields(pairs: list[tuple[str, str]], verbose: bool) -> str:
    return " ".join(f"{name}={value}" if verbose else value for name, value in pairs)


class Queries:
    """Answers from the table and the counters; `SessionTable.lock` is held by the caller."""

    def __init__(self, table: SessionTable, notifies: bool) -> None:
        self._table = table
        self._stats = table.stats
        self._features = {str(id) for id, _ in CAPABILITIES if notifies or id != TIMEOUT_NOTIFICATION}

    def query(self, session: Session, leg: Leg, command: parser.Query, room: int) -> str:
        if command.modifiers.strip("v"):
            raise CommandError(ErrorCode.QUERY_MODIFIER, f"unknown modifiers of Q: {command.modifiers!r}")
        pairs = []
        for stream in session.streams:
            stream.settle()
        for name in command.names or SUMMARY:
            if name not in SESSION_COUNTERS:
                raise CommandError(ErrorCode.UNKNOWN_SESSION_COUNTER, f"no session counter {name!r}")
            value = SESSION_COUNTERS[name](session, leg)
            pairs.append((name, f"{value:.6f}" if isinstance(value, float) else str(value)))
        text = _fields(pairs, bool(command.modifiers))
        if len(text) > room:
            raise CommandError(ErrorCode.QUERY_OVERFLOW, f"reply of {len(text)} bytes, room for {room}")
        return text

    def statistics(self, command: parser.Statistics, room: int) -> str:
        pairs = []
        self._table.offload.refresh()
        for name in command.names:
            try:
                pairs.append((name, self._stats.text(name)))
            except KeyError:
                raise CommandError(ErrorCode.UNKNOWN_COUNTER, f"no counter {name!r}")
        text = _fields(pairs, command.verbose)
        if len(text) > room:
            raise CommandError(ErrorCode.STATISTICS_OVERFLOW, f"reply of {len(text)} bytes, room for {room}")
        return text

    def info(self, command: parser.Info) -> str:
        self._table.offload.refresh()
        stats = self._stats
        lines = [
            f"sessions created: {stats.nsess_created}",
            f"active sessions: {len(self._table)}",
            f"active streams: {2 * len(self._table)}",
            f"packets received: {stats.npkts_rcvd}",
            f"packets transmitted: {stats.npkts_relayed + stats.npkts_played}",
        ]
        if stats.nstrms_fastpath:
            lines.append(f"streams on the fast path: {stats.nstrms_fastpath}")
        if command.load:
            lines.append(f"average load: {self._table.load.average:.6f}")
        return "\n".join(lines)

    @staticmethod
    def version() -> str:
        return str(BASIC_VERSION)

    def feature(self, command: parser.Feature) -> str:
        return "1" if command.id in self._features else "0"
