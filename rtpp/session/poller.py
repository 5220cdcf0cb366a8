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
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol, Union

if TYPE_CHECKING:
    from rtpp.session.session import Leg


class Watched(Protocol):
    """A stream or its connected socket: `watched.handle(watched, now)` reads one packet.

    Returns how many packets were relayed that nobody has counted yet.
    """

    @property
    def handle(self) -> Callable[[Any, float], int]: ...

    @property
    def leg(self) -> Leg: ...


class EpollPoller:
    """Sockets by descriptor. A socket that is closed leaves epoll by itself."""

    is_live = True

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._streams: list[Optional[Watched]] = []  # by descriptor: finding one must cost nothing

    def add(self, watched: socket.socket, stream: Optional[Watched]) -> None:
        descriptor = watched.fileno()
        streams = self._streams
        if descriptor >= len(streams):
            streams.extend([None] * (descriptor + 1 - len(streams)))
        streams[descriptor] = stream
        self._epoll.register(descriptor, select.EPOLLIN)

    def remove(self, watched: socket.socket) -> None:
        """Close the socket right after this."""
        self._streams[watched.fileno()] = None

    def wait(self, timeout: Optional[float]) -> list[Optional[Watched]]:
        """Streams with packets, within `timeout` seconds (None: for ever).

        None among them stands for what was added so, or for a stream that has just been removed.
        """
        events = self._epoll.poll(-1.0 if timeout is None else max(timeout, 0.0))
        streams = self._streams
        return [streams[descriptor] for descriptor, _ in events]

    def close(self) -> None:
        self._epoll.close()


class SelectorPoller:
    """The same on the standard library's selectors."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.is_live = type(self._selector).__name__ == "KqueueSelector"

    def add(self, watched: socket.socket, stream: Optional[Watched]) -> None:
        self._selector.register(watched, selectors.EVENT_READ, stream)

    def remove(self, watched: socket.socket) -> None:
        self._selector.unregister(watched)

    def wait(self, timeout: Optional[float]) -> list[Optional[Watched]]:
        return [key.data for key, _ in self._selector.select(timeout)]

    def close(self) -> None:
        self._selector.close()


def make_poller() -> Union[EpollPoller, SelectorPoller]:
    """The best that this system has."""
    return EpollPoller() if hasattr(select, "epoll") else SelectorPoller()
