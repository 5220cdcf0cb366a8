"""The session table: finds sessions by call-id and tags, creates them and ends them.

`SessionTable.lock` guards the table, all sessions with their legs and streams, the port pools, the address book
and the packet and session counters. A command holds it while it executes, the expiry thread for a few sessions at
a time, the relay loop for a bounded batch of packets. Nothing that can block happens under it.
"""

from __future__ import annotations

import errno
import resource
import socket
import time
from collections.abc import Iterator
from typing import Callable, Optional, Protocol

from rtpp.net.addresses import IPV4, IPV6, AddressBook
from rtpp.net.ports import NoPortsError, PortPool, bind_pair
from rtpp.session.connector import Connector
from rtpp.session.load import LoadMeter
from rtpp.session.lock import FairLock
from rtpp.session.offload import NoOffload, Offload
from rtpp.session.relay import RelayLoop
from rtpp.session.report import close_accounts
from rtpp.session.session import Leg, Session
from rtpp.session.ttl import ExpiryWheel
from rtpp.settings import ListenAddress, Settings
from rtpp.stats import Stats

RESERVED_DESCRIPTORS = 32  # never taken by media sockets: left for control connections, recordings and prompts


class NoSocketsError(Exception):
    """No pair of sockets can be had for a leg; the text says why."""


class Observer(Protocol):
    """Is told about sessions, with the table lock held: it must be quick, and must not raise."""

    def session_created(self, session: Session) -> None:
        """The session is in the table, with the callee's leg only."""

    def session_ended(self, session: Session) -> None:
        """The session is over and has released all it had."""


class SessionTable:
    """All sessions of the proxy. Every method needs `lock` held unless it says otherwise."""

    def __init__(self, settings: Settings, stats: Stats, offload: Optional[Offload] = None) -> None:
        self.settings = settings
        self.stats = stats
        self.lock = FairLock()
        self.relay = RelayLoop(self.lock, stats)
        self.addresses = AddressBook(settings.addresses, settings.bridge)
        self.ports: dict[socket.AddressFamily, PortPool] = {
            family: PortPool(settings.port_min, settings.port_max, sequential=settings.sequential_ports)
            for family in (IPV4, IPV6)
        }
        self.offload = offload or NoOffload()
        self._last_descriptor = _last_media_descriptor()
        self._connector = Connector(self.relay, self.offload, self._last_descriptor)
        self.on_empty: Optional[Callable[[], None]] = None  # called when the last session has ended
        self.observers: list[Observer] = []
        self.load = LoadMeter()
        self._calls: dict[str, list[Session]] = {}
        self._wheel: ExpiryWheel[Session] = ExpiryWheel()

    # -- finding ---------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Sessions in existence."""
        return self.stats.nsess_created - self.stats.nsess_destroyed

    def __iter__(self) -> Iterator[Session]:
        for sessions in self._calls.values():
            yield from sessions

    def call(self, call_id: str) -> tuple[Session, ...]:
        """The sessions of a call, oldest first."""
        return tuple(self._calls.get(call_id, ()))

    def find(self, call_id: str, from_tag: str, to_tag: Optional[str]) -> Optional[tuple[Session, bool]]:
        """The session of a call that the tags name, and whether they come in the order of its creation.

        The first session that matches wins. Swapped tags match when the to-tag is the session's own, or when
        both carry the same media number, which then stands on the from-tag only.
        """
        for session in self._calls.get(call_id, ()):
            own = session.tag
            if own == from_tag:
                return session, True
            if to_tag is None:
                continue
            if own == to_tag:
                return session, False
            _, semicolon, media = own.rpartition(";")
            same_media = semicolon and ";" in from_tag and from_tag.rpartition(";")[2] == media
            if same_media and own.startswith(to_tag + ";"):
                return session, False
        return None

    # -- creating --------------------------------------------------------------------------------

    def create(self, call_id: str, tag: str, addresses: tuple[ListenAddress, ListenAddress], now: float) -> Session:
        """A new session whose callee's leg has ports. Raises NoSocketsError; then nothing has changed."""
        session = Session(call_id, tag, addresses, self.settings, self.stats, self.relay.schedule, self._connector,
                          now)
        self.open(session.callee)
        self._calls.setdefault(call_id, []).append(session)
        self.stats.nsess_created += 1
        self._wheel.file(session, session.over_at)
        session.log.info("new session on port %d, tag %s", session.callee.port, tag)
        for observer in self.observers:
            observer.session_created(session)
        return session

    def open(self, leg: Leg, address: Optional[ListenAddress] = None) -> None:
        """Give a leg a new pair of sockets, on another address if one is given; its old pair is released.

        Raises NoSocketsError; then the leg is as it was.
        """
        address = address or leg.address
        port, pair = self.take_pair(address, leg.tos)
        self.close(leg)
        self.addresses.remember(address)
        leg.address = address
        for stream, bound, number in zip(leg.streams, pair, (port, port + 1)):
            stream.attach(bound, number)
            self.relay.add(bound, stream)
        for stream in leg.session.streams:
            if stream.latch.remote is not None:
                stream.choose_destination()

    def take_pair(self, address: ListenAddress, tos: int) -> tuple[int, tuple[socket.socket, socket.socket]]:
        """A bound pair of sockets and its even port. Raises NoSocketsError."""
        while True:
            try:
                return self.ports[address.family].take(lambda port: self._bind(address, port, tos))
            except (NoPortsError, OSError) as error:
                short = isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)
                if not short or not self._connector.shed(time.monotonic()):
                    raise NoSocketsError(f"cannot open a port on {address.host}: {error}") from error

    def _bind(self, address: ListenAddress, port: int, tos: int) -> tuple[socket.socket, socket.socket]:
        """A bound pair. Descriptors are numbered from below: a high number means that few are left."""
        pair = bind_pair(address, port, tos)
        if pair[1].fileno() > self._last_descriptor:
            for bound in pair:
                bound.close()
            raise OSError(errno.EMFILE, "too many open files, see -L")
        return pair

    def complete(self, session: Session, now: float) -> None:
        """The second leg is there."""
        self.stats.nsess_complete += 1
        session.make_complete(now)
        self.schedule(session)

    def schedule(self, session: Session) -> None:
        """Look at a session when its time is over, after a command changed how long that is."""
        self._wheel.file(session, session.over_at)

    # -- ending ----------------------------------------------------------------------------------

    def close(self, leg: Leg) -> None:
        """Close a leg's sockets, if it has any, and give back its ports."""
        port, family = leg.rtp.port, leg.address.family
        bound = [stream.detach() for stream in leg.streams]
        for each in bound:
            if each is not None:
                self.relay.remove(each)
                each.close()
        if bound[0] is not None:
            self.ports[family].release(port)

    def end(self, session: Session, now: float) -> None:
        """Take a session out of the table and release all it has."""
        sessions = self._calls[session.call_id]
        sessions.remove(session)
        if not sessions:
            del self._calls[session.call_id]
        self._wheel.remove(session)
        session.ended = True
        try:
            self._stop_extras(session)
        except Exception:
            session.log.exception("unexpected error while ending the session, which ends nevertheless")
        for leg in session.legs:
            self.close(leg)
        close_accounts(session, self.stats, now)
        for observer in self.observers:
            observer.session_ended(session)
        session.release()
        if self.on_empty is not None and not len(self):
            self.on_empty()

    @staticmethod
    def _stop_extras(session: Session) -> None:
        if session.fork is not None:
            session.fork.close()
        for leg in session.legs:
            leg.stop_player()
            leg.stop_recording()
            leg.rtp.resize(0)

    def end_all(self, now: float) -> None:
        for session in list(self):
            self.end(session, now)

    def expire(self, now: float, limit: int) -> tuple[list[Session], bool]:
        """Look at `limit` sessions whose time may be over, and end those whose it is. `now` is monotonic seconds.

        Returns those that ended, and whether there are more to look at.
        """
        expired: list[Session] = []
        for looked_at, session in enumerate(self._wheel.due(int(now)), 1):
            if session.remaining(now) >= 0:
                self.schedule(session)
            else:
                session.log.info("session timeout")
                self.stats.nsess_timeout += 1
                self.end(session, now)
                expired.append(session)
            if looked_at == limit:
                return expired, True
        return expired, False


def _last_media_descriptor() -> int:
    """The highest number that a media socket may have under the present limit of open files."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return 2**31 - 1
    return limit - min(RESERVED_DESCRIPTORS, limit // 4) - 1
