"""The proxy's side of the module interface: builds modules, starts and stops them, and hands them what happens.

Everything a module is called with passes through here and is guarded: an exception is logged, and the call goes on.
That includes SystemExit, which would silently end the thread that it is raised on: the relay's, for example. A stream
that no module watches knows nothing of modules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Callable, Optional

from rtpp.errors import CommandError, StartError
from rtpp.log import GLOBAL, CallLog
from rtpp.modules.interface import Module, ModuleError, Watcher
from rtpp.modules.worker import Failures, Worker
from rtpp.net.addresses import Address
from rtpp.session.notify import Notification, Notifier
from rtpp.session.session import Leg, Session
from rtpp.session.stream import Stream
from rtpp.session.table import SessionTable
from rtpp.settings import ModuleSettings

_RESULT = re.compile(r"(?:(?!&&)[\x20-\x7e\xa0-\xff])*")  # what a reply can carry; && is between two results


class _GuardedWatcher:
    """A watcher as a witness of a stream."""

    __slots__ = ("_failures", "watcher")

    def __init__(self, watcher: Watcher, failures: Failures) -> None:
        self.watcher = watcher
        self._failures = failures

    def see(self, stream: Stream, data: bytes, source: Address, now: float) -> Optional[bool]:
        try:
            return self.watcher(stream, data, source, now)
        except BaseException:
            self._failures.note(f"a watcher of {stream}")
            return None


class LoadedModule:
    """One module with its host (see `interface.Host`), which is this object, and its thread."""

    log: CallLog = GLOBAL

    def __init__(self, settings: ModuleSettings, table: SessionTable, notifier: Notifier) -> None:
        kind = settings.kind
        self.name = settings.name
        self.directory = settings.directory
        self.lock: AbstractContextManager[None] = table.lock
        self.failures = Failures(self.name)
        self._notifier = notifier
        self.module: Module = kind(self, settings.values)
        tick = self.module.tick if self.module.tick_seconds > 0 else None
        self.worker = Worker(self.name, self.failures, tick, self.module.tick_seconds)

    @property
    def takes_subcommands(self) -> bool:
        return self.module.id > 0 and type(self.module).subcommand is not Module.subcommand

    def later(self, function: Callable[..., object], *arguments: object) -> bool:
        return self.worker.put((function, arguments))

    def watch(self, stream: Stream, watcher: Watcher) -> None:
        # A new list each time: a watcher may add or remove watchers while the stream goes through them.
        stream.witnesses = [*stream.witnesses, _GuardedWatcher(watcher, self.failures)]
        stream.choose_onward()

    def unwatch(self, stream: Stream, watcher: Watcher) -> None:
        stream.witnesses = [each for each in stream.witnesses
                            if not (isinstance(each, _GuardedWatcher) and each.watcher == watcher)]
        stream.choose_onward()

    def notify(self, notification: Notification) -> None:
        self._notifier.send(notification)

    def guard(self, hook: Callable[..., object], *arguments: object) -> None:
        """Call a hook of the module; what it raises goes to the log."""
        try:
            hook(*arguments)
        except BaseException:
            self.failures.note(hook.__name__)


class Modules:
    """All modules of a proxy. Raises StartError when one cannot be made or started."""

    def __init__(self, settings: Iterable[ModuleSettings], table: SessionTable, notifier: Notifier) -> None:
        self._loaded: list[LoadedModule] = []
        self._subcommands: dict[tuple[int, int], LoadedModule] = {}  # by module id and instance
        for each in settings:
            try:
                loaded = LoadedModule(each, table, notifier)
            except BaseException as error:
                raise StartError(f"module {each.name} cannot be made: {type(error).__name__}: {error}") from error
            self._loaded.append(loaded)
            if loaded.takes_subcommands:
                number = loaded.module.id
                instance = 1 + sum(taken == number for taken, _ in self._subcommands)
                self._subcommands[number, instance] = loaded
        if self._loaded:
            table.observers.append(self)

    def start(self) -> None:
        for loaded in self._loaded:
            try:
                loaded.module.start()
            except StartError as error:
                raise StartError(f"module {loaded.name}: {error}") from error
            except BaseException as error:
                raise StartError(f"module {loaded.name} cannot start: {type(error).__name__}: {error}") from error
            loaded.worker.start()
            GLOBAL.info("module %s is loaded", loaded.name)

    def stop(self) -> None:
        """Let each module finish what it has to do."""
        for loaded in self._loaded:
            loaded.worker.stop()
            loaded.guard(loaded.module.stop)

    @property
    def workers(self) -> dict[str, Worker]:
        """The threads of the modules, by module."""
        return {loaded.name: loaded.worker for loaded in self._loaded}

    # -- called with the table lock held ---------------------------------------------------------

    def session_created(self, session: Session) -> None:
        for loaded in self._loaded:
            loaded.guard(loaded.module.session_created, session)

    def session_ended(self, session: Session) -> None:
        for loaded in self._loaded:
            loaded.guard(loaded.module.session_ended, session)

    def takes(self, number: int, instance: int) -> bool:
        """Whether `M<number>:<instance>` reaches a module."""
        return (number, instance) in self._subcommands

    def run(self, number: int, instance: int, session: Session, party: Leg,
            arguments: tuple[str, ...]) -> Optional[str]:
        """The result of a sub-command, "" for plain success, None when it failed: the log says why."""
        loaded = self._subcommands[number, instance]
        try:
            result = loaded.module.subcommand(session, party, arguments)
            if _RESULT.fullmatch(result) is None:
                raise ModuleError(f"a reply cannot carry the result {result!r}")
            return result
        except (ModuleError, CommandError) as error:
            session.log.warning("module %s: %s", loaded.name, error)
        except BaseException:
            loaded.failures.note("a sub-command")
        return None
