"""Calls on a table that has modules, with what they need: a notification socket, own files of Python."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import Any

from rtpp.modules import loader
from rtpp.modules.host import LoadedModule, Modules
from rtpp.session.notify import Notifier
from rtpp.session.session import Session
from rtpp.session.table import SessionTable
from rtpp.settings import ModuleSettings
from tests.session.harness import Party, SessionTest, describe, serve


class NotificationSocket:
    """What a SIP server listens on."""

    def __init__(self, test: SessionTest, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        test.addCleanup(self._socket.close)
        self._socket.bind(path)
        self._socket.listen()
        self._socket.settimeout(5)
        self._connection: Any = None

    def line(self) -> bytes:
        """The next notification."""
        if self._connection is None:
            self._connection, _ = self._socket.accept()
            self._connection.settimeout(5)
        found = b""
        while not found.endswith(b"\n"):
            byte = self._connection.recv(1)
            assert byte, "the notifier has hung up"
            found += byte
        return found

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class ModuleTest(SessionTest):
    def setUp(self) -> None:
        super().setUp()
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.directory = os.path.realpath(holder.name)

    def settings(self, source: str, **values: Any) -> ModuleSettings:
        """As --dso or the configuration file make them."""
        name, kind = loader.load(source)
        return ModuleSettings(name, kind, {**loader.defaults(kind), **values}, self.directory)

    def write_module(self, text: str, name: str = "own.py") -> str:
        """A user's file; its path."""
        path = Path(self.directory, name)
        path.write_text("from rtpp.modules.interface import Module, ModuleError, Parameter\n" + text)
        return str(path)

    def load(self, table: SessionTable, *settings: ModuleSettings, start: bool = True) -> list[LoadedModule]:
        """Run modules on a table."""
        notifier = Notifier()
        notifier.start()
        self.addCleanup(notifier.stop)
        self.modules = Modules(settings, table, notifier)
        if start:
            self.modules.start()
            self.addCleanup(self.modules.stop)
        return self.modules._loaded

    def make_described_call(self, table: SessionTable, **options: Any) -> tuple[Session, Party, Party]:
        """A call with its two parties, caller first, each at its address."""
        session = self.make_call(table, **options)
        parties = Party(self), Party(self)
        with table.lock:
            for leg, party in zip(session.legs, parties):
                describe(leg, party)
        return session, parties[0], parties[1]

    def pass_packet(self, session: Session, party: Party, data: bytes, now: float, *, control: bool = False) -> None:
        """From the caller's or callee's socket through its stream, as the relay loop does."""
        leg = session.caller if session.caller.rtp.latch.remote == party.address else session.callee
        stream = leg.rtcp if control else leg.rtp
        party.send(data, stream)
        serve(stream, now)

    def wait_idle(self, loaded: LoadedModule) -> None:
        """Until the module's thread has done what is queued."""
        done: list[int] = []
        loaded.later(done.append, 1)
        self.wait_for(lambda: bool(done), "the module's thread")
