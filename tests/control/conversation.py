"""A conversation with the control protocol, without sockets for commands: options of a command line, then commands.

Everything behind the command is real: a session table with sockets on loopback, filled by the executor. Only the
clock belongs to the test, so that times to live read the same on any machine.

Transcripts are written with the ports of the documents they come from. The range really used is wherever the system
has room; ports in replies are translated to the transcript's before they are compared. `...` stands for an address
and a port, where the test does not care about them.
"""

from __future__ import annotations

import logging
import re
import shlex
import unittest
from typing import Optional, Union
from unittest import mock

from rtpp import cli
from rtpp.control.commands import Executor, Origin
from rtpp.control.grammar import tokenize
from rtpp.modules.host import Modules
from rtpp.recording.spool import Spool
from rtpp.session.notify import AllowedTargets, Notifier
from rtpp.session.session import Session
from rtpp.session.table import SessionTable
from rtpp.stats import Stats
from tests.ports import free_ports

SOMEWHERE = "127.0.0.1 4"  # what `...` stands for
LOCAL = Origin()  # of commands that do not come over IPv4


class Clock:
    """Monotonic seconds that only the test moves."""

    def __init__(self) -> None:
        self.now = 5000.25

    def __call__(self) -> float:
        return self.now


class ErrorLog(logging.Handler):
    """Keeps what is logged, and prints nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self.unexpected: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        if record.exc_info:
            self.unexpected.append(self.format(record))


class Conversation:
    """One proxy's control protocol. `nominal` is the first port as the transcript has it."""

    def __init__(self, options: str = "-l 127.0.0.1", *, nominal: int = 41000, pairs: int = 24) -> None:
        count = 2 * pairs
        self._nominal, self._count = nominal, count
        self._first = free_ports(count)
        own = f"-f -F -b -s udp:127.0.0.1:0 -m {self._first} -M {self._first + count}"
        self.settings = cli.parse(shlex.split(own) + shlex.split(options))
        self.clock = Clock()
        self.table = SessionTable(self.settings, Stats(self.clock.now))
        targets = AllowedTargets(self.settings.notify_targets)
        self.spool: Optional[Spool] = None
        if self.settings.record_dir:
            self.spool = Spool(self.table.lock, self.settings.record_dir, self.settings.spool_dir)
            self.spool.start()
        self.notifier = Notifier()
        self.modules = Modules(self.settings.modules, self.table, self.notifier)
        self.modules.start()
        self.executor = Executor(self.table, targets, self.spool, self.modules)
        self.log = ErrorLog()
        logging.getLogger("rtpproxy").addHandler(self.log)

    def close(self) -> None:
        """Release everything. Fails when anything unexpected was logged."""
        with self.table.lock:
            self.table.end_all(self.clock.now)
        self.modules.stop()
        if self.spool is not None:
            self.spool.stop()
        relay = self.table.relay
        if not relay._thread.is_alive():
            relay._thread.start()  # a loop that never ran cannot be joined
        relay.stop()
        logging.getLogger("rtpproxy").removeHandler(self.log)
        if self.log.unexpected:
            raise AssertionError("unexpected errors were logged:\n" + "\n".join(self.log.unexpected))

    def say(self, command: Union[str, bytes], origin: Origin = LOCAL) -> str:
        """The reply to a command, with ports as in the transcript."""
        if isinstance(command, str):
            command = self.expand(command).encode("latin-1")
        with mock.patch("time.monotonic", self.clock):
            reply = self.executor.execute(tokenize(command), origin)
        return self.translate(reply)

    def expand(self, command: str) -> str:
        return command.replace(" ... ", f" {SOMEWHERE} ")

    def translate(self, reply: str) -> str:
        """A reply with the ports of the transcript in place of the real ones."""

        def nominal(found: re.Match[str]) -> str:
            offset = int(found[2]) - self._first
            return f"{found[1]}{self._nominal + offset}" if 0 <= offset < self._count else found[0]

        return re.sub(r"(^|&& )([0-9]{4,5})(?![0-9])", nominal, reply)

    def real_port(self, nominal: int) -> int:
        """The port that a port of the transcript stands for."""
        return self._first + nominal - self._nominal

    def wait(self, seconds: float) -> list[Session]:
        """Let time pass, second by second; returns the sessions that time out."""
        expired: list[Session] = []
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.now = min(self.clock.now + 1.0, end)
            with self.table.lock:
                expired += self.table.expire(self.clock.now, 1000)[0]
        return expired

    def counters(self, *names: str) -> dict[str, int]:
        """Values of global counters, without the protocol, so that none of them changes by asking."""
        with self.table.lock:
            return {name: getattr(self.table.stats, name) for name in names}


class ConversationCase(unittest.TestCase):
    """Tests that talk. Each conversation is closed at the end, and no exception may be in its log."""

    maxDiff = None

    def talk(self, options: str = "-l 127.0.0.1", *, nominal: int = 41000, pairs: int = 24) -> Conversation:
        conversation = Conversation(options, nominal=nominal, pairs=pairs)
        self.addCleanup(conversation.close)
        return conversation

    def check_replies(self, conversation: Conversation, transcript: str) -> None:
        """Say each `command -> reply` line and compare; `#` begins a comment."""
        for line in transcript.strip().splitlines():
            line = line.partition("#")[0].strip()
            if not line:
                continue
            command, _, expected = (part.strip() for part in line.partition("->"))
            self.assertEqual(conversation.say(command), expected, f"reply to: {command}")

