"""What a module is: the one interface that built-in modules and a user's own are written against.

A module is a class derived from `Module`. It lives in three places, and must know which one it is in:

    under the table lock   `session_created`, `session_ended`, `subcommand` and watchers. The relay waits for them, so
                           they must be quick and never block: what takes time goes to `host.later`.
    on its own thread      what was given to `host.later`, and `tick`. It may block; calls do not notice.
    on the main thread     `start`, before anything else runs, and `stop`, after the last session has ended.

Whatever a module raises is written to the log and hurts nobody but itself. docs/modules.md has an example.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Callable, NamedTuple, Optional, Protocol

from rtpp.log import CallLog
from rtpp.net.addresses import Address
from rtpp.session.notify import Notification
from rtpp.session.session import Leg, Session
from rtpp.session.stream import Stream

# Sees a packet of a stream before it is relayed: the stream, the datagram, where it came from and when (monotonic
# seconds). When it returns True the packet is swallowed: not relayed, and counted as dropped.
Watcher = Callable[[Stream, bytes, Address, float], Optional[bool]]


class ModuleError(Exception):
    """A module cannot do what it was asked for; the text says why, for the log. The sub-command answers -1."""


class Parameter(NamedTuple):
    """A key of the module's section in the configuration file.

    `convert` makes a value of the text; it raises ValueError, whose message completes "NAME = TEXT: ...".
    """

    convert: Callable[[str], Any]
    default: Any


class Host(Protocol):
    """The proxy as a module sees it."""

    @property
    def log(self) -> CallLog:
        """For lines about no call; `session.log` is for those about one."""

    @property
    def directory(self) -> str:
        """Where the program was started: relative names of files begin here."""

    @property
    def lock(self) -> AbstractContextManager[None]:
        """The table lock. On its own thread a module holds it, shortly, to look at a session that has not ended."""

    def later(self, function: Callable[..., object], *arguments: object) -> bool:
        """Call a function on the module's thread; never blocks. False: the queue is full and the call is lost."""

    def watch(self, stream: Stream, watcher: Watcher) -> None:
        """Show a watcher the stream's packets from now on. Needs the table lock."""

    def unwatch(self, stream: Stream, watcher: Watcher) -> None:
        """Show them no longer. Needs the table lock."""

    def notify(self, notification: Notification) -> None:
        """Send a line to a target of the notification socket (`session.notification.target`); never blocks."""


class Module:
    """Derive from it and override what is needed. One instance serves all sessions."""

    id: int = 0  # `M<id>:<instance>` reaches `subcommand`; 0: nothing does. Below 100 is for built-in modules
    parameters: Mapping[str, Parameter] = {}
    needs_configuration: bool = False  # makes no sense without a section in the configuration file
    tick_seconds: float = 0.0  # how often `tick` is called; 0: never

    def __init__(self, host: Host, values: Mapping[str, Any]) -> None:
        """`values` has every key of `parameters`, converted. Do nothing here that could fail: that is for `start`."""
        self.host = host
        self.values = values

    def start(self) -> None:
        """The proxy is about to serve. Raise StartError when it had better not."""

    def stop(self) -> None:
        """The last session has ended and the module's thread has done all it had to do."""

    def tick(self) -> None:
        """Called on the module's thread every `tick_seconds`, later when that is busy."""

    def session_created(self, session: Session) -> None:
        """A session is there, as yet with the callee's leg only. Its streams can be watched."""

    def session_ended(self, session: Session) -> None:
        """A session is over. Nothing in it changes any more, so the module's thread may read it without the lock."""

    def subcommand(self, session: Session, party: Leg, arguments: tuple[str, ...]) -> str:
        """`M<id>:<instance> arguments` after U, L or Q. `party` is the leg of the party that the command describes.

        Returns the text of the result, "" for plain success. Raises ModuleError.
        """
        raise ModuleError("takes no sub-commands")
