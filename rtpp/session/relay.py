"""The relay loop: one thread that waits for packets on every stream's socket and hands each to its stream.

One datagram per ready socket and round, so no stream starves another; a loop that has fallen behind takes as many from
each as have probably come meanwhile, which saves waits and finds the second packet of a stream with everything at hand.
A round holds `SessionTable.lock` for BATCH packets at most and never while it waits.

Sockets are added and removed by other threads, under the table lock, while the loop may be waiting. A stream that was
reported just before it was closed finds no socket and does nothing.
"""

from __future__ import annotations

import heapq
import itertools
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import Callable

from rtpp.log import GLOBAL
from rtpp.session.gathering import Gathering
from rtpp.session.lock import FairLock
from rtpp.session.poller import Watched, make_poller
from rtpp.session.session import Step
from rtpp.stats import Stats

BATCH = 64  # packets or timed steps per turn of the lock
PACKET_INTERVAL = 0.02  # seconds, of most streams: as many more packets wait in every socket as a round took of these
MAX_DEPTH = 8
SPACING = 0.002  # seconds at least between two pieces of deferred work
LONGEST_WAIT = 0.05  # seconds for which deferred work waits where no packets come


class RelayLoop:
    """Owns the poller. Start it once; `stop()` ends the thread."""

    def __init__(self, lock: FairLock, stats: Stats) -> None:
        self._lock = lock
        self._stats = stats
        self._poller = make_poller()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._poller.add(self._wake_reader, None)
        self._steps: list[tuple[float, int, Step]] = []  # a heap by time due; the number keeps the order of equals
        self._order = itertools.count()
        self._deferred: deque[Callable[[float], None]] = deque()
        self._next_deferred = 0.0  # monotonic seconds
        self._gathering = Gathering()
        self._depth = 1  # packets taken from each ready socket in the next round
        self._stopping = False
        self._failures = 0
        self.busy = 0.0  # seconds in which the loop did not wait for packets, since its start
        self._thread = threading.Thread(target=self._run, name="relay")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the loop and wait for it."""
        self._stopping = True
        self.wake()
        self._thread.join()
        self._poller.close()
        self._wake_reader.close()
        self._wake_writer.close()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def wake(self) -> None:
        """Make the loop look round. Safe from any thread."""
        try:
            self._wake_writer.send(b"\0")
        except BlockingIOError:
            pass  # plenty of wake-ups are waiting already

    def add(self, bound: socket.socket, watched: Watched) -> None:
        """Serve a stream's socket. Call it with the table lock held."""
        self._poller.add(bound, watched)
        if not self._poller.is_live:
            self.wake()

    def remove(self, bound: socket.socket) -> None:
        """Serve a socket no longer; call it before closing the socket, with the table lock held."""
        self._poller.remove(bound)
        if not self._poller.is_live:
            self.wake()

    def schedule(self, due: float, step: Step) -> None:
        """Call `step(now)` at `due`, and again at the later time it returns, if any. Needs the table lock held."""
        heapq.heappush(self._steps, (due, next(self._order), step))
        if self._steps[0][0] == due:
            self.wake()

    def defer(self, work: Callable[[float], None]) -> None:
        """Call `work(now)` soon, a while after other such work. Needs the table lock held.

        It sets no timer: one that is due soon makes every wait for packets dearer, on virtual machines by half of what
        a packet costs.
        """
        self._deferred.append(work)
        if len(self._deferred) == 1:
            self.wake()

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._round()
            except Exception:
                GLOBAL.exception("the relay loop met an unexpected error and goes on")
                time.sleep(0.01)  # should it repeat, it must not fill the log at full speed

    def _round(self) -> None:
        steps = self._steps
        longest = LONGEST_WAIT if self._deferred else None
        events = self._poller.wait(steps[0][0] - monotonic() if steps else longest)
        begin = now = monotonic()
        if self._depth > 1:
            events = [event for event in events for _ in range(self._depth)]
        if len(events) <= BATCH:
            self._serve(events, now)
        else:
            for start in range(0, len(events), BATCH):
                now = monotonic()
                self._serve(events[start : start + BATCH], now)
                self._do_due(now)
        self._do_due(now)
        elapsed = monotonic() - begin
        self.busy += elapsed
        self._depth = min(1 + int(elapsed / PACKET_INTERVAL), MAX_DEPTH)
        self._gathering.after(events, begin)

    def _do_due(self, now: float) -> None:
        """Timed steps and deferred work: amid a long round too, or a loop that has fallen behind would never settle."""
        steps = self._steps
        while steps and steps[0][0] <= now:
            with self._lock:
                self._take_steps(now)
        if self._deferred and now >= self._next_deferred:
            self._next_deferred = now + SPACING
            with self._lock:
                self._deferred.popleft()(now)

    def _serve(self, events: Sequence[tuple[int, int]], now: float) -> None:
        """Take a packet from each of these sockets."""
        lock, stats, find = self._lock, self._stats, self._poller.watched
        if lock.is_wanted():
            lock.give_way()
        relayed = 0
        with lock.plain:
            for descriptor, _ in events:
                watched = find[descriptor]
                if watched is None:
                    self._drain_wake_ups()
                    continue
                try:
                    relayed += watched.handle(watched, now)
                except Exception:
                    self._note_failure(watched)
            stats.npkts_rcvd += relayed
            stats.npkts_relayed += relayed

    def _take_steps(self, now: float) -> None:
        """Do what is due, BATCH steps at most."""
        for _ in range(BATCH):
            if not self._steps or self._steps[0][0] > now:
                return
            _, order, step = heapq.heappop(self._steps)
            try:
                again = step(now)
            except Exception:
                GLOBAL.exception("unexpected error in a timed step of the relay loop")
                continue
            if again is not None:
                heapq.heappush(self._steps, (again, order, step))

    def _drain_wake_ups(self) -> None:
        try:
            while len(os.read(self._wake_reader.fileno(), 4096)) == 4096:
                pass
        except BlockingIOError:
            pass

    def _note_failure(self, watched: Watched) -> None:
        """An unexpected error costs the one packet; the first hundred are written to the log."""
        self._failures += 1
        if self._failures <= 100:
            watched.leg.session.log.exception("unexpected error on a packet of %s, packet lost", watched)
