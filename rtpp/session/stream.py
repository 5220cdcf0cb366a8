"""A stream: one socket of a leg, where its party is, and what passed.

The relay loop calls `stream.handle(stream, now)` when the socket is readable, and counts as received and relayed as
many packets as that returns: those that nobody has counted yet. The handler is chosen when the stream's needs change,
so that a packet walks through no stage that has nothing to do:

    discard     the session has one leg only: read and throw away
    relay       read a packet; `accept` judges the source, analyses and sends through the peer (the short path,
                written out in one function)
                -> `onward`, when set, takes the packet over after analysis: resizing, gate, witnesses

A stream that has settled gets a second socket, connected to its party (rtpp/session/connected.py).

Packets received on a stream leave through `peer`, the stream of the same protocol on the other leg.
Everything here is guarded by `SessionTable.lock`.
"""

from __future__ import annotations

import errno
import socket
import time
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol
from weakref import ref

from rtpp.log import CallLog
from rtpp.net.addresses import IPV6, Address, is_local
from rtpp.net.arrival import Arrivals
from rtpp.net.ports import set_tos
from rtpp.rtp.analyzer import Analyzer
from rtpp.rtp.analyzer import Outcome as Analysis
from rtpp.rtp.latching import Latch, Outcome
from rtpp.rtp.resizer import Pushed, Resizer
from rtpp.session.ttl import TimeToLive
from rtpp.stats import Stats

if TYPE_CHECKING:
    from rtpp.session.connected import ConnectedSocket
    from rtpp.session.offload import Offloaded
    from rtpp.session.session import Leg

MAX_DATAGRAM = 8192  # bytes; longer datagrams are cut by the read
DISCARD_BATCH = 64  # datagrams thrown away per wake-up and socket
SMALL_PACKET = 128  # bytes; with -2 packets below this go out twice
SEND_RETRIES = 3
NEVER = float("-inf")
CONNECT_AFTER = 100  # packets: a stream that lasts is worth a socket of its own to its party
SSRC_CHANGED = Analysis.SSRC_CHANGED  # looking up an enumeration member costs much more than a name


class Witness(Protocol):
    """Something that sees the packets of a stream pass: a recording, a copy, a module."""

    def see(self, stream: Stream, data: bytes, source: Address, now: float) -> Optional[bool]:
        """Called under the table lock for each packet about to be relayed; must not block.

        True: the packet goes no further and counts as dropped. Other witnesses see it all the same.
        """


class Onlooker:
    """A witness that lets every packet go on."""

    def see(self, stream: Stream, data: bytes, source: Address, now: float) -> None:
        raise NotImplementedError

    def follow(self, stream: Stream, source: Address) -> Callable[[bytes, float], None]:
        """What sees the packets of runs, which are all from one source: given a packet and the time."""
        return lambda data, now: self.see(stream, data, source, now)


class Stream:
    """RTP or RTCP of one leg. Times are monotonic seconds unless they are called wall time."""

    __slots__ = ("_leg", "_log", "_send_twice", "analyzer", "arrivals", "connect_at", "connected", "destination",
                 "dropped", "first_time", "first_wall_time", "flushing", "gated", "handle", "ignored", "is_rtp",
                 "is_simple", "last_time", "latch", "longest_interval", "offloaded", "onward", "peer", "port",
                 "received", "recvfrom", "relayed", "resizer", "send", "send_errors", "sendto", "socket", "stats",
                 "ttl", "witnesses")

    peer: Stream

    def __init__(self, leg: Leg, is_rtp: bool, stats: Stats, log: CallLog, ttl: TimeToLive, send_twice: bool) -> None:
        self._leg = ref(leg)
        self.is_rtp = is_rtp
        self.stats = stats
        self.ttl = ttl
        self._log = log
        self._send_twice = send_twice
        self.latch = Latch(leg.actor, is_rtp, log)
        self.analyzer = Analyzer() if is_rtp else None
        self.socket: Optional[socket.socket] = None
        self.port = 0
        self.recvfrom: Callable[[int], tuple[bytes, Any]]
        self.arrivals: Optional[Arrivals] = None  # when packets arrive, if somebody wants to know
        self.sendto: Callable[[bytes, Any], int]
        self.destination: Optional[Address] = None  # where packets to the party go; None: they are dropped
        self.offloaded: Optional[Offloaded] = None  # somebody else relays what they can
        self.connected: Optional[ConnectedSocket] = None
        self.connect_at: float = CONNECT_AFTER  # packets received when it is time for a connected socket
        self.send: Optional[Callable[[bytes], int]] = None  # of the connected socket, while it leads to `destination`
        self.handle: Callable[[Stream, float], int] = discard
        self.onward: Optional[Callable[[bytes, Address, float], None]] = None
        self.is_simple = True  # packets are sent on as they are, and at most looked at
        self.gated = False  # packets from this party are dropped after analysis
        self.witnesses: list[Witness] = []
        self.resizer: Optional[Resizer] = None
        self.flushing = False  # the relay loop will call `_flush`
        self.received = 0  # packets that passed the source check
        self.relayed = 0
        self.dropped = 0
        self.ignored = 0  # packets refused by the source check
        self.send_errors = 0
        self.first_wall_time = 0.0
        self.first_time = NEVER
        self.last_time = NEVER
        self.longest_interval = 0.0

    def __str__(self) -> str:
        return f"{self.leg.actor}'s {self.protocol} stream"

    @property
    def leg(self) -> Leg:
        """Whoever looks keeps the session alive, as the table does until it ends; see `Session`."""
        leg = self._leg()
        assert leg is not None
        return leg

    @property
    def protocol(self) -> str:
        return "RTP" if self.is_rtp else "RTCP"

    # -- set-up ----------------------------------------------------------------------------------

    def attach(self, bound: socket.socket, port: int) -> None:
        """Use a bound socket; the one used before is closed by its owner."""
        self.socket = bound
        self.port = port
        self.recvfrom = self.reader(bound)
        self.sendto = bound.sendto

    def reader(self, bound: socket.socket) -> Callable[[int], tuple[bytes, Any]]:
        """What reads packets from a socket of this stream."""
        return bound.recvfrom if self.arrivals is None else self.arrivals.reader_from(bound)

    def note_arrivals(self, wanted: bool) -> None:
        """Keep `arrivals`, or no longer: that doubles the cost of reading."""
        self.arrivals = Arrivals() if wanted else None
        if self.socket is not None:
            self.recvfrom = self.reader(self.socket)
        if self.connected is not None:
            self.connected.choose_reader()

    def detach(self) -> Optional[socket.socket]:
        """Give up the socket. Packets are dropped until another is attached."""
        self.reclaim()
        self.peer.reclaim()
        self.leg.session.connector.disconnect(self)
        bound, self.socket = self.socket, None
        self.destination = None
        return bound

    def release(self) -> None:
        """The session is over: let go of what leads back here."""
        self.witnesses.clear()
        self.onward = None
        del self.peer

    def set_tos(self, tos: int) -> None:
        """Type of service of the packets to the party, IPv4 only."""
        self.peer.reclaim()
        if self.socket is not None:
            set_tos(self.socket, tos)
        if self.connected is not None:
            set_tos(self.connected.socket, tos)

    def reclaim(self) -> None:
        """Relay here from now on, and know all there is to know: something is about to change."""
        if self.offloaded is not None:
            self.offloaded.close()

    def settle(self) -> None:
        """Bring the figures up to date."""
        if self.offloaded is not None:
            self.offloaded.take_back()

    def choose_onward(self) -> None:
        """Take the short path again, or leave it, after a change of what the stream needs."""
        self.reclaim()
        session = self.leg.session
        prompt = self.is_rtp and self.leg.opposite.player is not None
        self.gated = prompt or session.fork is not None
        if self.resizer is not None:
            self.onward = self._deliver
        elif self.gated or self.witnesses or self._send_twice:
            self.onward = self._pass
        else:
            self.onward = None
        self.is_simple = self.onward is None or not (
            self.gated or self._send_twice or self.resizer is not None
            or any(not isinstance(witness, Onlooker) for witness in self.witnesses))

    def choose_destination(self) -> None:
        """Decide where packets to the party go, after its address, our socket or a sister socket changed.

        A packet sent to a port of the same session would come back and go round for ever: it is dropped
        and counted instead. So is a packet whose destination is of another family than the socket.
        """
        self.reclaim()
        self.peer.reclaim()
        remote = self.latch.remote
        if self.connected is not None and self.connected.remote != remote:
            self.leg.session.connector.disconnect(self)
        if remote is None or self.socket is None:
            self.destination = None
        elif (":" in remote[0]) != (self.leg.address.family == IPV6):
            self.destination = None
            self._log.warning("%s: cannot send from %s to %s: another address family", self, self.leg.address.host,
                              remote[0])
        elif self.leg.session.owns(remote):
            self.destination = None
            self._log.warning("%s: %s:%d is a port of this session, packets to it are dropped", self, remote[0],
                              remote[1])
        else:
            self.destination = remote
            player = self.leg.player
            if self.is_rtp and player is not None:
                player.listener_found(time.monotonic())
        self.choose_send()

    def choose_send(self) -> None:
        """Send through the connected socket if there is one and packets go where it leads."""
        connected = self.connected
        self.send = connected.socket.send if connected is not None and self.destination == connected.remote else None

    def is_at(self, address: Address) -> bool:
        """Whether `address` is where this stream's own socket receives."""
        if self.socket is None or address[1] != self.port:
            return False
        local = self.leg.address
        if not local.is_wildcard:
            return bool(address[0] == local.host)
        return (":" in address[0]) == (local.family == IPV6) and is_local(address[0], local.family)

    # -- packets ---------------------------------------------------------------------------------

    def judge(self, data: bytes, source: Address, now: float) -> bool:
        """Source check of a packet that the short path could not accept by itself."""
        outcome = self.latch.judge(data, source, now)
        if outcome is Outcome.REFUSED:
            self.ignored += 1
            self.stats.npkts_discard += 1
            return False
        if outcome is Outcome.FILLED:
            self.choose_destination()
            rtcp = self.leg.rtcp
            if self.is_rtp and rtcp.latch.guess(source):
                rtcp.choose_destination()
        elif self.received >= self.connect_at and source == self.latch.expected:
            self.leg.session.connector.connect(self, now)
        return True

    def follow_source(self, data: bytes, source: Address, now: float) -> None:
        """The packet has another SSRC than the one before."""
        analyzer = self.analyzer
        assert analyzer is not None
        assert analyzer.changed_from is not None
        self._log.info("SSRC changed from 0x%08X/%d to 0x%08X/%d", *analyzer.changed_from, analyzer.ssrc,
                       analyzer.last_sequence_number)
        self.latch.latch(data, now, source)

    @property
    def duration(self) -> float:
        """Seconds from the first packet to the last."""
        return self.last_time - self.first_time if self.received else 0.0

    def note_interval(self, now: float) -> None:
        """A packet came after a longer pause than any before, or is the first."""
        if self.first_time == NEVER:
            self.first_time, self.first_wall_time = now, time.time()
        else:
            self.longest_interval = now - self.last_time

    def drop(self) -> None:
        """A packet is not relayed."""
        self.dropped += 1
        self.stats.npkts_discard += 1

    def resize(self, milliseconds: int) -> None:
        """Re-packetise what the party sends, 0: no longer. Then what waits for more audio is lost."""
        if milliseconds == (self.resizer.milliseconds if self.resizer is not None else 0):
            return
        if milliseconds:
            self._log.info("RTP packets from %s will be resized to %d milliseconds", self.leg.actor, milliseconds)
            if self.resizer is not None:
                self.resizer.aim_at(milliseconds)
                return
            self.resizer = Resizer(milliseconds)
        elif self.resizer is not None:
            self._log.info("Resizing of RTP packets from %s has been disabled", self.leg.actor)
            self.stats.npkts_resizer_discard += self.resizer.discard()
            self.resizer = None
        self.choose_onward()

    def _deliver(self, data: bytes, source: Address, now: float) -> None:
        """Re-packetising, and the stages after it."""
        resizer = self.resizer
        assert resizer is not None
        pushed = resizer.push(data, now)
        if pushed is Pushed.NOT_TAKEN:
            self._pass(data, source, now)
        else:
            self.stats.npkts_resizer_in += 1
            if pushed is Pushed.LATE:
                self.stats.npkts_resizer_discard += 1
        self._send_resized(resizer, source, now)
        due = resizer.due
        if due is not None and not self.flushing:
            self.flushing = True
            self.leg.session.schedule(due, self._flush)

    def _send_resized(self, resizer: Resizer, source: Address, now: float) -> None:
        packet = resizer.pop(now)
        while packet is not None:
            self.stats.npkts_resizer_out += 1
            self._pass(packet, source, now)
            packet = resizer.pop(now)

    def _flush(self, now: float) -> Optional[float]:
        """Send the end of a talkspurt when its time has come; returns when to look again."""
        resizer, remote = self.resizer, self.latch.remote
        due = resizer.due if resizer is not None else None
        if resizer is not None and remote is not None and due is not None and due <= now:
            self._send_resized(resizer, remote, now)
            due = resizer.due
        self.flushing = due is not None
        return due

    def _pass(self, data: bytes, source: Address, now: float) -> None:
        """The stages after re-packetising."""
        if self.gated:
            self.drop()
            return
        swallowed: Optional[bool] = False
        for witness in self.witnesses:
            swallowed = witness.see(self, data, source, now) or swallowed
        if swallowed:
            self.drop()
            return
        self.ttl.refreshed = now
        peer = self.peer
        if peer.destination is None:
            self.drop()
            return
        self.relayed += 1
        self.stats.npkts_relayed += 1
        peer.emit(data)

    def emit(self, data: bytes) -> None:
        """Send a packet to the party, twice if that was asked for and it is small."""
        destination = self.destination
        if destination is None:
            return
        copies = 2 if self._send_twice and len(data) < SMALL_PACKET else 1
        for _ in range(copies):
            try:
                if self.send is not None:
                    self.send(data)
                else:
                    self.sendto(data, destination)
            except OSError as error:
                self.retry(data, error)

    def retry(self, data: bytes, error: OSError) -> None:
        """The kernel refused a packet: try again where that helps, else count it. Logged once per stream.

        A connected socket refuses a packet only to report that an earlier one was not welcome: send it all the same.
        """
        attempts = SEND_RETRIES if error.errno in (errno.EPERM, errno.ENOBUFS) else int(self.send is not None)
        for _ in range(attempts):
            try:
                self.sendto(data, self.destination)
                return
            except OSError as again:
                error = again
        if not self.send_errors:
            assert self.destination is not None  # otherwise nothing is sent
            self._log.warning("%s: cannot send to %s:%d: %s (logged once)", self, *self.destination[:2], error.strerror)
        self.send_errors += 1


def relay(stream: Stream, now: float) -> int:
    """Take one datagram of a complete session from the socket to the other party. It is counted where it ends."""
    try:
        data, source = stream.recvfrom(MAX_DATAGRAM)
    except OSError:
        return 0  # nothing there after all, or an ICMP error about an earlier packet
    take(stream, data, source, now)
    return 0


def take(stream: Stream, data: bytes, source: Address, now: float) -> None:
    """A datagram came to a socket of the stream."""
    offloaded = stream.offloaded
    if offloaded is None:
        accept(stream, data, source, now)
    else:
        offloaded.accept(data, source, now)


def accept(stream: Stream, data: bytes, source: Address, now: float) -> None:
    """The short path of a datagram that came from `source`."""
    stats = stream.stats
    stats.npkts_rcvd += 1
    latch = stream.latch
    if (source != latch.expected or now >= latch.sync_due) and not stream.judge(data, source, now):
        return
    stream.received += 1
    if now - stream.last_time > stream.longest_interval:
        stream.note_interval(now)
    stream.last_time = now
    analyzer = stream.analyzer
    if analyzer is not None and analyzer.update(data, now) is SSRC_CHANGED:
        stream.follow_source(data, source, now)
    if stream.onward is not None:
        stream.onward(data, source, now)
        return
    stream.ttl.refreshed = now
    peer = stream.peer
    destination = peer.destination
    if destination is None:
        stream.drop()
        return
    stream.relayed += 1
    stats.npkts_relayed += 1
    try:
        send = peer.send
        if send is not None:
            send(data)
        else:
            peer.sendto(data, destination)
    except OSError as error:
        peer.retry(data, error)


def discard(stream: Stream, now: float) -> int:
    """Throw away what arrives before the session has its second leg."""
    for _ in range(DISCARD_BATCH):
        try:
            stream.recvfrom(1)
        except BlockingIOError:
            break
        except OSError:
            continue
        stream.stats.npkts_discard += 1
    return 0
