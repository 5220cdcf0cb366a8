"""A module's own thread: calls from a bounded queue, one after the other, and a timer.

The queue is bounded because a collector may be dead for days: what does not fit is lost, counted, and logged once per
episode.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from typing import Callable, Optional

from rtpp.log import GLOBAL

QUEUE_CALLS = 10_000
STOP_SECONDS = 2.0  # for what is still queued at the end
SILENCE_SECONDS = 60.0  # after an error was logged, until one from the same place is logged again
MAX_PLACES = 100

Call = tuple[Callable[..., object], tuple[object, ...]]


class Failures:
    """Writes what a module raises to the log: from each place in its code at once, then every minute at most.

    A watcher may fail on every packet of every call.
    """

    def __init__(self, name: str) -> None:
        self.count = 0
        self._name = name
        self._places: dict[tuple[str, int], _Place] = {}

    def note(self, what: str) -> None:
        """Call it while the exception is handled."""
        self.count += 1
        place = self._place()
        if time.monotonic() < place.silent_until:
            place.unsaid += 1
            return
        more = f", and {place.unsaid} more since the last line about it" if place.unsaid else ""
        place.silent_until, place.unsaid = time.monotonic() + SILENCE_SECONDS, 0
        GLOBAL.exception("module %s: unexpected error in %s%s", self._name, what, more)

    def _place(self) -> _Place:
        """The line that raised."""
        trace = sys.exc_info()[2]
        assert trace is not None
        while trace.tb_next is not None:
            trace = trace.tb_next
        where = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        if where not in self._places and len(self._places) >= MAX_PLACES:
            self._places.clear()
        return self._places.setdefault(where, _Place())


class _Place:
    """A line of code that raises."""

    __slots__ = ("silent_until", "unsaid")

    def __init__(self) -> None:
        self.silent_until = 0.0  # monotonic seconds
        self.unsaid = 0  # errors since the last line in the log


class Worker:
    """Start it once; `stop()` ends the thread."""

    def __init__(self, name: str, failures: Failures, tick: Optional[Callable[[], object]],
                 tick_seconds: float) -> None:
        """`tick` is called every `tick_seconds`, if it is given."""
        self.lost = 0  # calls for which there was no room
        self._name = name
        self._failures = failures
        self._tick = tick
        self._tick_seconds = tick_seconds
        self._overflowing = False
        self._calls: queue.Queue[Optional[Call]] = queue.Queue(QUEUE_CALLS)
        self._thread = threading.Thread(target=self._run, name=f"module {name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Do what is queued if that takes no longer than STOP_SECONDS, then end."""
        end = time.monotonic() + STOP_SECONDS
        try:
            self._calls.put(None, timeout=STOP_SECONDS)
            self._thread.join(timeout=max(end - time.monotonic(), 0.1))
        except queue.Full:
            pass
        if self._thread.is_alive():
            GLOBAL.error("module %s: does not come to an end, about %d calls are lost", self._name, self._calls.qsize())

    @property
    def queued(self) -> int:
        """Calls that wait, about."""
        return self._calls.qsize()

    def put(self, call: Call) -> bool:
        """Queue a call; never blocks. False when there is no room."""
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            self.lost += 1
            if not self._overflowing:
                GLOBAL.error("module %s: queue is full (%d), what it was to do is lost", self._name, QUEUE_CALLS)
            self._overflowing = True
            return False
        self._overflowing = False
        return True

    def _run(self) -> None:
        due = time.monotonic() + self._tick_seconds
        while True:
            try:
                call = self._calls.get(timeout=max(due - time.monotonic(), 0.0) if self._tick else None)
            except queue.Empty:
                call = None
            else:
                if call is None:
                    return
                self._guard(call[0], call[1])
            if self._tick is not None and time.monotonic() >= due:
                self._guard(self._tick, ())
                due = time.monotonic() + self._tick_seconds

    def _guard(self, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
        try:
            function(*arguments)
        except BaseException:  # SystemExit, too, would end the thread
            self._failures.note(f"{getattr(function, '__name__', function)} on its thread")
