"""The proxy: all parts built, started, drained and stopped.

Threads: the relay loop, the reaper, the notifier, one per control socket, one per module, the log's and that for
signals. The main thread waits for requests to drain or to end.

What these settings do not need is not even loaded. Whatever may be needed is loaded before `start()`: from then on
the program's file may be replaced.
"""

from __future__ import annotations

import socket
import sys
import time
from typing import TYPE_CHECKING, Callable, Optional, Protocol

from rtpp.control.commands import Executor
from rtpp.control.endpoints import Endpoint
from rtpp.control.listeners import Listener, make_listener
from rtpp.control.replycache import ReplyCache
from rtpp.log import GLOBAL, writers
from rtpp.session.garbage import FullCollections
from rtpp.session.lock import FairLock
from rtpp.session.notify import AllowedTargets, Notifier
from rtpp.session.reaper import Reaper
from rtpp.session.table import SessionTable
from rtpp.settings import Settings
from rtpp.stats import Stats

if TYPE_CHECKING:
    from rtpp.fastpath.offload import FastPath
    from rtpp.modules.host import Modules
    from rtpp.recording.spool import Spool

# Seconds a thread may compute while others wait. The default of 5 ms would hold up packets behind a busy command.
SWITCH_INTERVAL = 0.0005


class Service(Protocol):
    """A part with a thread of its own."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Proxy:
    """One proxy. `start()` in the process that serves: threads do not survive a fork."""

    def __init__(self, settings: Settings, endpoints: list[Endpoint], on_drained: Callable[[], None],
                 http: Optional[socket.socket] = None) -> None:
        """`http` is a listening socket for the status page."""
        targets = AllowedTargets(settings.notify_targets, resolve_names=settings.resolve_names)
        stats = Stats(time.monotonic())
        self._fast_path = _fast_path(settings, stats)
        self._drops_rights = bool(settings.user)
        self.table = SessionTable(settings, stats, self._fast_path)
        self._on_drained = on_drained
        self._notifier = Notifier()
        self._collections = FullCollections()
        self._reaper = Reaper(self.table, self._notifier, self._collections)
        self._spool = _spool(settings, self.table.lock)
        self._modules = self._load_modules(settings)
        self._executor = Executor(self.table, targets, self._spool, self._modules)
        cache = ReplyCache()
        only_channel = not any(endpoint.is_datagram for endpoint in endpoints)
        self._listeners: list[Listener] = []
        for endpoint in endpoints:
            on_eof = self.drain if endpoint.kind == "stdioc" or only_channel else _go_on
            self._listeners.append(make_listener(endpoint, self._executor, cache, on_eof))
        self._http = self._make_http(http) if http is not None else None

    def _make_http(self, listener: socket.socket) -> Service:
        from rtpp.http.parts import Parts  # a proxy without --http does not pay for what these import
        from rtpp.http.site import make_server

        return make_server(listener, Parts(self.table, self._spool, self._notifier, self._modules,
                                           lambda: self._executor.draining, writers))

    def _load_modules(self, settings: Settings) -> Optional[Modules]:
        if not settings.modules:
            return None
        from rtpp.modules.host import Modules

        return Modules(settings.modules, self.table, self._notifier)

    def start(self) -> None:
        sys.setswitchinterval(SWITCH_INTERVAL)
        if self._modules is not None:
            self._modules.start()
        self._notifier.start()
        if self._spool is not None:
            self._spool.start()
        self._start_fast_path()
        self.table.relay.start()
        self._reaper.start()
        for listener in self._listeners:
            listener.start()
        if self._http is not None:
            self._http.start()
        self._collections.begin(time.monotonic())

    def _start_fast_path(self) -> None:
        """What needs privileges has been done by now, and they may have been dropped."""
        if self._fast_path is not None:
            if self._drops_rights:
                self._fast_path.give_up_rights()
            with self.table.lock:
                self._fast_path.start(self.table.relay.schedule)

    def drain(self) -> None:
        """Take no new sessions, and call `on_drained` when the last one has ended. Safe from any thread."""
        GLOBAL.info("no new sessions are taken, shutting down when the last one ends")
        self._executor.draining = True
        with self.table.lock:
            self.table.on_empty = self._on_drained
            if not len(self.table):
                self._on_drained()

    def stop(self) -> None:
        """End all sessions, without notifications, and every thread."""
        for listener in self._listeners:
            listener.stop()
        if self._http is not None:
            self._http.stop()
        self._reaper.stop()
        with self.table.lock:
            self.table.end_all(time.monotonic())
        self.table.relay.stop()
        if self._fast_path is not None:
            self._fast_path.stop()
        if self._spool is not None:
            self._spool.stop()
        if self._modules is not None:
            self._modules.stop()
        self._notifier.stop()


def _fast_path(settings: Settings, stats: Stats) -> Optional[FastPath]:
    if settings.fastpath == "off":
        return None
    from rtpp.fastpath.setup import make_fast_path

    return make_fast_path(settings, stats)


def _spool(settings: Settings, lock: FairLock) -> Optional[Spool]:
    if not settings.record_dir:
        return None
    from rtpp.recording.spool import Spool

    return Spool(lock, settings.record_dir, settings.spool_dir)


def _go_on() -> None:
    GLOBAL.info("end of standard input, other control sockets go on")
