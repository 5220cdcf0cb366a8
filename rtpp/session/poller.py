"""Waiting for packets on thousands of sockets.

Linux's epoll is used directly: the standard selectors wrap every socket and every event in objects of their own, which
costs a tenth of what it takes to set up a call. Elsewhere they serve.

Sockets are added and removed by other threads while the relay loop waits. epoll and kqueue see that at once; for
selectors that do not, `is_live` is false and the loop has to be woken up.
"""

from __future__ import annotations

import select
import selectors
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol, Union

if TYPE_CHECKING:
    from rtpp.session.session import Leg


MAX_EVENTS = 8192  # sockets per round: all that are ready, or the loop would not know how far it has fallen behind


class Watched(Protocol):
    """A stream or its connected socket: `watched.handle(watched, now)` reads one packet.

    Returns how many packets were relayed that nobody has counted yet.
    """

    @property
    def handle(self) -> Callable[[Any, float], int]: ...

    @property
    def leg(self) -> Leg: ...


class _Pollers:
    """Common to both: `watched` finds what a descriptor belongs to, by index, at next to no cost.

    None stands there for what was added so, and for what has just been removed.
    """

    def __init__(self) -> None:
        self.watched: list[Optional[Watched]] = []

    def _note(self, descriptor: int, watched: Optional[Watched]) -> None:
        if descriptor >= len(self.watched):
            self.watched.extend([None] * (descriptor + 1 - len(self.watched)))
        self.watched[descriptor] = watched


class EpollPoller(_Pollers):
    """A socket that is closed leaves epoll by itself."""

    is_live = True

    def __init__(self) -> None:
        super().__init__()
        self._epoll = select.epoll()
        self._poll = self._epoll.poll

    def add(self, bound: socket.socket, watched: Optional[Watched]) -> None:
        descriptor = bound.fileno()
        self._note(descriptor, watched)
        self._epoll.register(descriptor, select.EPOLLIN)

    def remove(self, bound: socket.socket) -> None:
        """Close the socket right after this."""
        self.watched[bound.fileno()] = None

    def wait(self, timeout: Optional[float]) -> Sequence[tuple[int, int]]:
        """Descriptors with packets, each beside a number, within `timeout` seconds (None: for ever)."""
        return self._poll(-1.0 if timeout is None else max(timeout, 0.0), MAX_EVENTS)  # PyPy takes no None

    def close(self) -> None:
        self._epoll.close()


class SelectorPoller(_Pollers):
    """The same on the standard library's selectors."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = selectors.DefaultSelector()
        self.is_live = type(self._selector).__name__ == "KqueueSelector"

    def add(self, bound: socket.socket, watched: Optional[Watched]) -> None:
        self._note(bound.fileno(), watched)
        self._selector.register(bound, selectors.EVENT_READ)

    def remove(self, bound: socket.socket) -> None:
        self.watched[bound.fileno()] = None
        self._selector.unregister(bound)

    def wait(self, timeout: Optional[float]) -> Sequence[tuple[int, int]]:
        return [(key.fd, events) for key, events in self._selector.select(timeout)]

    def close(self) -> None:
        self._selector.close()


def make_poller() -> Union[EpollPoller, SelectorPoller]:
    """The best that this system has."""
    return EpollPoller() if hasattr(select, "epoll") else SelectorPoller()
