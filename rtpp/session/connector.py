"""When streams get a connected socket (`connected.py`), or leave this process, and when they come back.

No packet overtakes another at the change: once the connected socket is there, nothing more from the party arrives at
the own one, which is read until it is empty; then what reached the new socket before it was connected is read
together with its sources; and only then does the relay loop begin to serve it.

Connected sockets are a luxury: when descriptors run out, calls come first and they are closed (`shed`).
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any, Callable, Protocol

from rtpp.net.ports import connected_twin
from rtpp.session.connected import ConnectedSocket
from rtpp.session.stream import CONNECT_AFTER, MAX_DATAGRAM, Stream, take

if TYPE_CHECKING:
    from rtpp.session.offload import Offload

SUPPORTED = sys.platform == "linux"  # elsewhere two sockets on one port share packets in other ways
SHED = 32  # sockets closed at a time
PAUSE = 10.0  # seconds after that in which none is opened
OFFER_AGAIN = 500  # packets
MAX_BACKLOG = 2000  # packets read at the change; a receive buffer holds fewer


class Poller(Protocol):
    """The relay loop."""

    def add(self, bound: socket.socket, watched: Any) -> None:
        """Serve a socket."""

    def remove(self, bound: socket.socket) -> None:
        """Serve it no longer."""

    def defer(self, work: Callable[[float], None]) -> None:
        """Do it soon, without holding up packets."""


class Connector:
    """Opens and closes connected sockets. Guarded by `SessionTable.lock`."""

    def __init__(self, poller: Poller, offload: Offload, last_descriptor: int) -> None:
        """`last_descriptor` is the highest that a connected socket may have."""
        self._poller = poller
        self._offload = offload
        self._last_descriptor = last_descriptor
        self._not_before = 0.0  # monotonic seconds
        self._open: dict[Stream, None] = {}  # oldest first

    def connect(self, stream: Stream, now: float) -> None:
        """A stream has settled: it may leave this process, or gets a connected socket when its turn comes."""
        stream.connect_at = stream.received + OFFER_AGAIN if self._offload.is_on else float("inf")
        if stream.offloaded not in (None, stream.connected):
            return  # it has left already
        if self._offload.offer(stream, now):
            return
        if SUPPORTED and stream.connected is None and now >= self._not_before:
            self._poller.defer(lambda now: self._connect(stream, now))

    def _connect(self, stream: Stream, now: float) -> None:
        remote = stream.latch.expected
        if stream.socket is None or stream.connected is not None or remote is None or now < self._not_before:
            return
        try:
            twin = connected_twin(stream.socket, remote)
        except OSError:
            return  # the own socket serves as before
        if twin.fileno() > self._last_descriptor:
            twin.close()
            return
        stream.connected = ConnectedSocket(stream, twin, remote)
        stream.choose_send()
        _end_runs(stream.peer)  # its packets leave through the new socket from now on
        self._open[stream] = None
        self._poller.add(twin, stream.connected)
        for each in (stream.socket, twin):
            _read_all(each, stream, now)

    def disconnect(self, stream: Stream) -> None:
        """Close the connected socket of a stream, if it has one; its own one serves all again."""
        connected = stream.connected
        if connected is not None:
            for each in (stream, stream.peer):
                _end_runs(each)
            stream.connected = stream.send = None
            stream.connect_at = stream.received + CONNECT_AFTER
            del self._open[stream]
            self._poller.remove(connected.socket)
            connected.socket.close()

    def shed(self, now: float) -> bool:
        """Descriptors are short: close some connected sockets. Returns whether there were any."""
        self._not_before = now + PAUSE
        oldest = list(self._open)[:SHED]
        for stream in oldest:
            if stream.connected is not None:
                _read_all(stream.connected.socket, stream, now)
            self.disconnect(stream)
        return bool(oldest)


def _end_runs(stream: Stream) -> None:
    """Where its packets go is about to change."""
    if stream.connected is not None and stream.offloaded is stream.connected:
        stream.connected.close()


def _read_all(bound: socket.socket, stream: Stream, now: float) -> None:
    """Relay what waits in a socket."""
    recvfrom = stream.reader(bound)
    for _ in range(MAX_BACKLOG):
        try:
            data, source = recvfrom(MAX_DATAGRAM)
        except OSError:
            return  # empty, or closed because one of the packets moved the stream
        take(stream, data, source, now)
