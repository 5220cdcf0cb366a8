"""The thread that, once a second, ends dead sessions, tells those who asked to be told, and keeps the rates."""

from __future__ import annotations

import threading
import time

from rtpp.log import GLOBAL
from rtpp.session.garbage import FullCollections
from rtpp.session.notify import Notifier
from rtpp.session.table import SessionTable

SESSIONS_PER_TURN = 50  # how many sessions are looked at per turn of the lock


class Reaper:
    """Start it once; `stop()` ends the thread."""

    def __init__(self, table: SessionTable, notifier: Notifier, collections: FullCollections) -> None:
        self._table = table
        self._notifier = notifier
        self._collections = collections
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reaper")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            now = time.monotonic()
            if self._stop.wait(int(now) + 1 - now):
                return
            try:
                self._tick()
            except Exception:
                GLOBAL.exception("unexpected error while ending dead sessions")

    def _tick(self) -> None:
        now = time.monotonic()
        with self._table.lock:
            self._table.offload.refresh()
            self._table.stats.measure_rates(now)
            self._table.load.update(self._table.relay.busy, now)
            sessions = len(self._table)
        self._collections.consider(sessions, now)
        more = True
        while more:
            with self._table.lock:
                expired, more = self._table.expire(now, SESSIONS_PER_TURN)
            for session in expired:
                if session.notification is not None:
                    self._notifier.send(session.notification)
