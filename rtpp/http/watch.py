"""Keeps an eye on the sessions: numbers them, walks through them every few seconds, and remembers the last that ended.

The walk measures each call's rate, loss and jitter, for the lists' order and the small curves. It must not be felt by
the relay, which shares lock and interpreter with it: so it goes in slices of a few sessions, each with a short hold of
the lock, and the server's loop does other things, or nothing, in between. Nothing is kept of a session but its trend:
few objects that live long, so that the garbage collector has nothing to look for.

Between two walks the figures are a few seconds old; what is shown of a single session is read when it is asked for.
Why a call has no audio is found out only while somebody looks, and only of calls that are not plainly well: a walk that
nobody wants costs a few microseconds a session.
"""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple, Optional

from rtpp.http.diagnosis import OK, POOR_JITTER, POOR_LOSS, SETUP, SILENT_SECONDS, diagnose, state_of
from rtpp.http.histogram import Histogram
from rtpp.http.history import CALL_INTERVAL, CALL_POINTS, PROXY_INTERVAL, PROXY_POINTS, History
from rtpp.http.parts import port_usage
from rtpp.http.view import MILLISECONDS, USUAL_CLOCK, SessionView, look_at
from rtpp.log import GLOBAL
from rtpp.session.session import Session
from rtpp.session.stream import NEVER, Stream
from rtpp.session.table import SessionTable

SLICE = 20  # sessions per hold of the lock
JUDGED_SLICE = 6  # the same when their states are wanted
UNKNOWN = ""  # state of a session that has ended: who wants it finds it out
INTEREST_SECONDS = 10.0  # for which states are kept up to date after somebody has looked
REMEMBERED = 200  # sessions that have ended
LOSS_BOUNDS = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # share of the packets
JITTER_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5)  # seconds
CALL_COLUMNS = tuple(f"{party} {what}" for party in ("caller", "callee") for what in ("rate", "loss", "jitter"))
PROXY_COLUMNS = ("sessions", "created", "rate", "loss", "jitter", "load", "ports")


class Side:
    """The trend of one leg's RTP: what came lately."""

    __slots__ = ("_lost", "_received", "_sent", "average_jitter", "interval_loss", "interval_lost", "interval_sent",
                 "jitter", "rate", "total_loss")

    def __init__(self) -> None:
        self._received = self._sent = self._lost = 0
        self.rate = 0.0  # packets per second
        self.interval_sent = self.interval_lost = 0
        self.interval_loss = 0.0  # percent
        self.total_loss = 0.0  # percent, since the call began
        self.jitter = self.average_jitter = 0.0  # milliseconds

    def measure(self, stream: Stream, elapsed: float) -> None:
        """Take the figures of a stream, `elapsed` seconds after those before. Call it with the table lock held."""
        if stream.offloaded is not None:
            stream.offloaded.refresh()
        if stream.received == self._received:
            self.rate = self.interval_loss = 0.0
            self.interval_sent = self.interval_lost = 0
            return
        analyzer = stream.analyzer
        assert analyzer is not None  # every RTP stream has one
        result = analyzer.report()
        lost = max(result.nlost, 0)
        self.rate = (stream.received - self._received) / elapsed
        self.interval_sent, self.interval_lost = result.nsent - self._sent, max(lost - self._lost, 0)
        self.interval_loss = 100.0 * self.interval_lost / self.interval_sent if self.interval_sent > 0 else 0.0
        self.total_loss = 100.0 * lost / result.nsent if result.nsent else 0.0
        tick = MILLISECONDS / (analyzer.clock or USUAL_CLOCK)
        self.jitter, self.average_jitter = result.jlast * tick, result.javg * tick
        self._received, self._sent, self._lost = stream.received, result.nsent, lost


class Entry:
    """What the watch knows about one session."""

    __slots__ = ("callee", "caller", "created", "history", "idle", "loss", "measured_at", "number", "session", "state")

    def __init__(self, number: int, session: Session, created: float) -> None:
        self.number = number
        self.session = session
        self.created = created  # wall time
        self.measured_at = session.created  # monotonic seconds
        self.caller, self.callee = Side(), Side()
        self.state = SETUP
        self.idle = 0.0  # seconds, of the side that is silent longer
        self.loss = 0.0  # percent, of the worse side, since the call began
        self.history: Optional[History] = None

    def measure(self, now: float) -> None:
        """Take the figures of both sides. Call it with the table lock held."""
        session = self.session
        elapsed = max(now - self.measured_at, 0.001)
        self.measured_at = now
        one, other = session.caller.rtp, session.callee.rtp
        self.caller.measure(one, elapsed)
        self.callee.measure(other, elapsed)
        self.loss = max(self.caller.total_loss, self.callee.total_loss)
        self.idle = now - max(min(one.last_time, other.last_time), session.created)

    def needs_judgement(self) -> bool:
        """Whether it takes a diagnosis to tell the state; most calls are plainly well. Call it after `measure`."""
        session = self.session
        if not session.complete:
            self.state = SETUP
            return False
        self.state = OK
        for leg, side in ((session.caller, self.caller), (session.callee, self.callee)):
            stream = leg.rtp
            if stream.destination is None or stream.send_errors or not stream.received or self.idle >= SILENT_SECONDS:
                return True
            if side.total_loss >= POOR_LOSS or side.average_jitter >= POOR_JITTER:
                return True
        return False

    def remember(self) -> None:
        """Put the latest figures into the history."""
        if self.history is None:
            self.history = History(CALL_COLUMNS, CALL_POINTS)
        self.history.add(*(figure for side in (self.caller, self.callee)
                           for figure in (side.rate, side.interval_loss, side.jitter)))


class Ended(NamedTuple):
    """A session that is over, as it was at its end."""

    entry: Entry
    view: SessionView
    time: float  # wall time


class Watch:
    """An observer of the table. All but the observer's methods belong to the thread of the HTTP server."""

    def __init__(self, table: SessionTable) -> None:
        self.table = table
        self.entries: dict[int, Entry] = {}  # by number, oldest first; guarded by the table's lock, as is `ended`
        self.ended: deque[Ended] = deque(maxlen=REMEMBERED)
        self.stream_loss = Histogram(LOSS_BOUNDS)
        self.stream_jitter = Histogram(JITTER_BOUNDS)
        self.history = History(PROXY_COLUMNS, PROXY_POINTS)
        self.walked_at = NEVER  # monotonic seconds, when the last complete walk began
        self.loss = 0.0  # percent of the packets between the last two walks
        self.jitter = 0.0  # milliseconds, average over the streams that flow
        self.relayed_rate = 0.0  # packets per second between the last two walks
        self.complete = 0  # sessions with both legs
        self.states: dict[str, int] = {}  # sessions by state
        self._relayed_before = 0
        self._numbers: dict[Session, int] = {}
        self._last_number = 0
        self._peak = 0
        self._created_before = 0
        self._walk: Optional[_Walk] = None
        self._wanted = False
        self._judge_until = NEVER
        self._next_call_point = self._next_proxy_point = time.monotonic()
        table.observers.append(self)

    # -- called with the table lock held -----------------------------------------------------------

    def session_created(self, session: Session) -> None:
        self._last_number += 1
        self._numbers[session] = self._last_number
        self.entries[self._last_number] = Entry(self._last_number, session, time.time())
        self._peak = max(self._peak, len(self.entries))

    def session_ended(self, session: Session) -> None:
        number = self._numbers.pop(session, None)
        if number is None:
            return
        try:
            self._take_leave(self.entries.pop(number))
        except Exception:
            GLOBAL.exception("unexpected error while remembering a session that has ended")

    def _take_leave(self, entry: Entry) -> None:
        now = time.monotonic()
        view = look_at(entry.session, now)
        entry.measure(now)
        entry.state = UNKNOWN
        for leg in (view.caller, view.callee):
            if view.complete and leg.received:
                self.stream_loss.add(leg.loss / 100.0)
                if leg.jitter_average is not None:
                    self.stream_jitter.add(leg.jitter_average / 1000.0)
        self.ended.append(Ended(entry, view, time.time()))

    # -- the walk ----------------------------------------------------------------------------------

    def want(self) -> None:
        """Walk now, whatever the time, and judge the sessions."""
        self._wanted = True
        self.note_interest()

    def note_interest(self) -> None:
        """Somebody looks: for some time the walks find out the states of the sessions, too, which costs more."""
        self._judge_until = time.monotonic() + INTEREST_SECONDS

    def due(self) -> float:
        """When `step` wants to be called; monotonic seconds."""
        return NEVER if self._walk is not None or self._wanted else self._next_call_point

    def step(self, now: float) -> None:
        """Do a slice of the walk, if one is under way or due."""
        if self._walk is None:
            if now < self.due():
                return
            self._begin(now)
        walk = self._walk
        assert walk is not None
        if walk.waiting:
            self._look(walk, now)
        if not walk.waiting:
            self._finish(walk, now)

    def _begin(self, now: float) -> None:
        self._wanted = False
        with self.table.lock:
            entries = list(self.entries.values())
        self._walk = _Walk(entries, now, remembers=now >= self._next_call_point, judges=now < self._judge_until)
        while self._next_call_point <= now:
            self._next_call_point += CALL_INTERVAL

    def _look(self, walk: _Walk, now: float) -> None:
        """One slice. What is read under the lock is judged without it."""
        size = JUDGED_SLICE if walk.judges else SLICE
        views: list[tuple[Entry, SessionView]] = []
        slice_ = [entry for entry in walk.waiting[-size:] if not entry.session.ended]
        del walk.waiting[-size:]
        with self.table.lock:
            for entry in slice_:
                entry.measure(now)
                if walk.judges and entry.needs_judgement():
                    views.append((entry, look_at(entry.session, now)))
        for entry, view in views:
            entry.state = state_of(diagnose(view))
        for entry in slice_:
            if walk.remembers:
                entry.remember()
            walk.add(entry)

    def _finish(self, walk: _Walk, now: float) -> None:
        elapsed = walk.began - self.walked_at
        relayed = self.table.stats.npkts_relayed
        self.relayed_rate = (relayed - self._relayed_before) / elapsed
        self._relayed_before = relayed
        self._walk = None
        self.walked_at = walk.began
        self.complete = walk.complete
        if walk.judges:
            self.states = walk.states
        self.loss = 100.0 * walk.lost / walk.sent if walk.sent > 0 else 0.0
        self.jitter = walk.jitter / walk.streams if walk.streams else 0.0
        if now < self._next_proxy_point:
            return
        while self._next_proxy_point <= now:
            self._next_proxy_point += PROXY_INTERVAL
        with self.table.lock:
            stats, load = self.table.stats, self.table.load.average
            created = stats.nsess_created - self._created_before
            used = sum(used for used, _ in port_usage(self.table).values())
            self._created_before = stats.nsess_created
            peak, self._peak = self._peak, len(self.entries)
        self.history.add(peak, created, stats.pps_in, self.loss, self.jitter, load, used)

    def last_hour(self) -> tuple[int, int]:
        """Sessions created, and the most that stood at once. Call it with the table lock held."""
        created = sum(self.history.column("created")) + self.table.stats.nsess_created - self._created_before
        return int(created), int(max([self._peak, *self.history.column("sessions")]))


class _Walk:
    """One round through the sessions, and what it adds up."""

    def __init__(self, entries: list[Entry], began: float, *, remembers: bool, judges: bool) -> None:
        entries.reverse()
        self.waiting = entries  # the next one last
        self.began = began
        self.remembers = remembers  # it puts a point into the histories
        self.judges = judges  # it finds out states
        self.sent = self.lost = self.streams = self.complete = 0
        self.jitter = 0.0
        self.states: dict[str, int] = {}

    def add(self, entry: Entry) -> None:
        """One session, just measured."""
        if self.judges:
            self.states[entry.state] = self.states.get(entry.state, 0) + 1
        self.complete += entry.session.complete
        for side in (entry.caller, entry.callee):
            self.sent += side.interval_sent
            self.lost += side.interval_lost
            if side.rate and side.jitter:
                self.jitter += side.jitter
                self.streams += 1
