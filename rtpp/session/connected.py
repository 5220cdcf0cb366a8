"""Connected sockets: the second socket of a stream whose party has settled, and the shortest way of a packet.

A connected UDP socket takes packets from one source only, so reading it needs no source address, and sending on it no
destination and no look-up of the route: that saves a fifth of what a packet costs. It is bound to the port of the
stream's own socket. The kernel gives it the packets of the party and everything else to the own socket, where
strangers are seen and judged as ever. When it is opened and closed is `connector.py`'s business.
"""

from __future__ import annotations

import socket
from operator import sub
from typing import TYPE_CHECKING, Callable

from rtpp.net.addresses import Address
from rtpp.rtp.packet import PLAIN, RUN_PART
from rtpp.session.stream import MAX_DATAGRAM, Onlooker, Stream, accept, take

if TYPE_CHECKING:
    from rtpp.session.session import Leg

RUN = 32  # packets
NO_SOURCE = b"none yet"  # no packet has it where its four bytes of SSRC are, or should be


class ConnectedSocket:
    """What the relay loop serves in place of the stream. It is in one of two states, each a `handle`:

        take_one    every packet goes the way of all packets, `take`
        pass_on     the stream is relayed plainly, or recorded besides: a packet is sent on at once and measured later,
                    in a *run*

    A run is up to RUN packets of one source with plain headers. What measuring needs of them waits here, a few bytes
    each in one piece of memory, until the run is full or somebody looks: to touch what the stream, its latch, its
    analyzer and its time to live keep, once for many packets and not for each, halves what Python costs. Any other
    packet ends the run first. While there are runs, this is what has taken over the stream (`Stream.offloaded`).
    """

    __slots__ = ("handle", "limit", "looks", "parts", "recv", "remote", "send", "socket", "ssrc", "stream", "times")

    is_away = False

    def __init__(self, stream: Stream, twin: socket.socket, remote: Address) -> None:
        self.stream = stream
        self.socket = twin
        self.remote = remote
        self.handle: Callable[[ConnectedSocket, float], int] = take_one
        self.ssrc = NO_SOURCE  # of the run, as packets carry it
        self.send: Callable[[bytes], int] = twin.send  # to the other party; chosen when runs begin,
        self.looks: list[Callable[[bytes, float], None]] = []  # like those who see a packet before it is sent
        self.parts = bytearray()  # of the packets in the run, as `Analyzer.update_run` takes them,
        self.times: list[float] = []  # and when they came
        self.limit = stream.port // 2 % RUN + 1  # streams that begin together shall not measure together
        self.recv: Callable[[int], bytes]
        self.choose_reader()

    def __str__(self) -> str:
        return str(self.stream)

    def choose_reader(self) -> None:
        """Read as the stream does."""
        arrivals = self.stream.arrivals
        self.recv = self.socket.recv if arrivals is None else arrivals.reader(self.socket)

    @property
    def leg(self) -> Leg:
        return self.stream.leg

    def begin_runs(self) -> None:
        """If packets are merely sent on."""
        stream = self.stream
        peer = stream.peer
        destination = peer.destination
        if stream.offloaded is None and stream.is_simple and destination is not None and stream.is_rtp:
            sendto = peer.sendto
            self.send = peer.send or (lambda data: sendto(data, destination))
            for witness in stream.witnesses:
                assert isinstance(witness, Onlooker)  # or the stream would not be simple
                self.looks.append(witness.follow(stream, self.remote))
            self.handle = pass_on
            stream.offloaded = self
            self._follow_source()

    def _follow_source(self) -> None:
        assert self.stream.analyzer is not None
        ssrc = self.stream.analyzer.ssrc
        self.ssrc = NO_SOURCE if ssrc is None else ssrc.to_bytes(4, "big")

    def end_run(self, now: float) -> None:
        """The run is full."""
        self.refresh()
        self.limit = RUN
        stream = self.stream
        if stream.received >= stream.connect_at:
            stream.leg.session.connector.connect(stream, now)

    # -- for those who look at the stream --------------------------------------------------------

    def accept(self, data: bytes, source: Address, now: float) -> None:
        """A packet that is not for a run."""
        self.refresh()
        accept(self.stream, data, source, now)
        self._follow_source()

    def refresh(self) -> None:
        """Measure the packets of the run."""
        times = self.times
        if not times:
            return
        parts, self.parts, self.times = self.parts, bytearray(), []
        stream = self.stream
        analyzer = stream.analyzer
        assert analyzer is not None
        stream.received += len(times)
        stream.relayed += len(times)
        stream.longest_interval = max(stream.longest_interval, *map(sub, times, [stream.last_time, *times]))
        stream.last_time = last = times[-1]
        stream.ttl.refreshed = max(stream.ttl.refreshed, last)
        if last >= stream.latch.sync_due:
            stream.latch.sync_run(analyzer.ssrc, parts, times)
        analyzer.update_run(parts, times)

    take_back = refresh

    def close(self) -> None:
        """No runs, until one of the next packets finds the stream plainly relayed."""
        self.refresh()
        self.handle = take_one
        self.looks.clear()
        self.stream.offloaded = None


def take_one(connected: ConnectedSocket, now: float) -> int:
    """Take one datagram, which is counted where it ends."""
    try:
        data = connected.recv(MAX_DATAGRAM)
    except OSError:
        return 0  # nothing there after all, or an ICMP error about an earlier packet
    stream = connected.stream
    take(stream, data, connected.remote, now)
    if stream.connected is connected:
        connected.begin_runs()
    return 0


def pass_on(connected: ConnectedSocket, now: float) -> int:
    """Relay one datagram. Returns how many the relay loop has to count as received and relayed."""
    try:
        data = connected.recv(MAX_DATAGRAM)
    except OSError:
        return 0
    if data[8:12] != connected.ssrc or data[0] != PLAIN:
        connected.accept(data, connected.remote, now)
        return 0
    times = connected.times
    times.append(now)
    connected.parts += data[RUN_PART]
    for look in connected.looks:
        look(data, now)
    try:
        connected.send(data)
    except OSError as error:
        connected.stream.peer.retry(data, error)
    if len(times) >= connected.limit:
        connected.end_run(now)
    return 1
