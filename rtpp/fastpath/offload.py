"""Streams on the fast path: which may go there, when they go, and how their figures come back.

A stream that is offered gets a slot. From then on each of its packets that comes to the socket is relayed here, and
when it was the last on its way, the analyzer's state goes into the slot and the program takes what follows. Whatever
the program does not like it passes up, which brings the stream back here, and the packet after that sends it off again.
"""

from __future__ import annotations

import socket
import time
from typing import Optional

from rtpp.fastpath.interfaces import Interfaces
from rtpp.fastpath.measures import export_state, import_state
from rtpp.fastpath.slots import Flow, PackedAddress, Slot, Slots
from rtpp.log import GLOBAL
from rtpp.net.addresses import IPV4, IPV6, Address
from rtpp.rtp.latching import RESYNC
from rtpp.session.session import Leg, Schedule
from rtpp.session.stream import CONNECT_AFTER, Stream, accept
from rtpp.settings import Settings
from rtpp.stats import Stats

HEARTBEAT = 1.0  # seconds
LOOK_ROUND = 0.1  # seconds between looks at whether the network has changed
CHECKED_AT_ONCE, CHECK_AGAIN = 50, 0.002  # streams whose way is looked up then, and seconds until the next
SETTLE_SOME = 0.05  # seconds
GRACE = 3_000_000_000  # nanoseconds without a heartbeat after which the program passes everything up
SETTLED_WITHIN = 20.0  # seconds in which the loss and jitter of every stream are brought up to date


class FastStream:
    """A stream with its slot."""

    def __init__(self, path: FastPath, stream: Stream, slot: Slot) -> None:
        self._path = path
        self._stream = stream
        self.slot = slot
        self._forwarded = 0  # packets and errors that have been counted
        self._errors = 0

    @property
    def is_away(self) -> bool:
        return self.slot.is_armed

    def accept(self, data: bytes, source: Address, now: float) -> None:
        """A packet came to the socket."""
        self.take_back()
        accept(self._stream, data, source, now)
        latch = self._stream.latch
        if self._stream.offloaded is self and (source == latch.expected or latch.asymmetric):
            self._arm(data)

    def _arm(self, data: bytes) -> None:
        stream = self._stream
        up = self.slot.caught_up(data)
        if up is None or not may_be_offloaded(stream):
            return
        assert stream.analyzer is not None
        state = export_state(stream.analyzer)
        if state is None:
            return
        self._path.stats.nstrms_fastpath += 1
        if self.slot.arm(up, state, int(stream.last_time * 1e9), int(stream.longest_interval * 1e9)):
            self._path.stats.nmoves_fastpath += 1
        else:
            self.take_back()

    def take_back(self) -> None:
        """All figures as if every packet had come through here."""
        if not self.slot.is_armed:
            return
        counters, state = self.slot.take()
        self._path.stats.nstrms_fastpath -= 1
        stream = self._stream
        assert stream.analyzer is not None
        import_state(stream.analyzer, state, counters.parse_errors)
        self._count(counters.forwarded, counters.last, counters.interval)
        latch = stream.latch
        if latch.ssrc == stream.analyzer.ssrc and stream.last_time >= latch.sync_due:
            latch.sequence_number = stream.analyzer.maximum & 0xFFFF
            latch.sync_due = stream.last_time + RESYNC

    def refresh(self) -> None:
        """The packet counters."""
        if self.slot.is_armed:
            self._count(*self.slot.figures())

    def _count(self, forwarded: int, last: int, interval: int) -> None:
        packets = forwarded - self._forwarded
        if not packets:
            return
        self._forwarded = forwarded
        stream, stats = self._stream, self._path.stats
        stats.npkts_rcvd += packets
        stats.npkts_relayed += packets
        stream.received += packets
        stream.relayed += packets
        stream.last_time = max(stream.last_time, last / 1e9)
        stream.ttl.refreshed = max(stream.ttl.refreshed, stream.last_time)
        stream.longest_interval = max(stream.longest_interval, interval / 1e9)
        errors = self.slot.get("errors")
        stream.peer.send_errors += errors - self._errors
        self._errors = errors

    def close(self) -> None:
        self.take_back()
        self.slot.put("want", 0)
        self._path.forget(self)
        self._stream.offloaded = None
        self._stream.connect_at = self._stream.received + CONNECT_AFTER


class FastPath:
    """All streams on the fast path."""

    is_on = True

    def __init__(self, slots: Slots, interfaces: Interfaces, settings: Settings, stats: Stats) -> None:
        self._slots = slots
        self._interfaces = interfaces
        self._settings = settings
        self.stats = stats
        self._streams: dict[FastStream, None] = {}
        self._unsettled: list[FastStream] = []
        self._settle_due = 0.0  # how many of them
        self._unchecked: list[FastStream] = []  # since the network changed
        self._was_full = False

    def start(self, schedule: Schedule) -> None:
        """From now on the program takes packets."""
        for step in (self._beat, self._settle_some, self._look_round):
            schedule(time.monotonic(), step)

    def stop(self) -> None:
        self._interfaces.close()

    def give_up_rights(self) -> None:
        """The process drops its privileges."""
        self._interfaces.give_up_rights()

    def offer(self, stream: Stream, now: float) -> bool:
        flow = self._flow(stream) if may_be_offloaded(stream) else None
        if flow is None or self._may_come_back(flow.target):
            return False
        if not self._interfaces.sees(flow.remote[0], flow.local[0]):
            return False
        way = self._interfaces.resolve(flow.remote[0], flow.source[0], flow.target[0])
        if way is None:
            return False
        slot = self._slots.open(flow, way)
        if slot is None:
            if self._slots.is_full:
                self._note_full()
            return False
        stream.reclaim()
        offloaded = FastStream(self, stream, slot)
        stream.offloaded = offloaded
        self._streams[offloaded] = None
        return True

    def _note_full(self) -> None:
        if not self._was_full:
            self._was_full = True
            GLOBAL.info("kernel fast path: all %d places are taken, other streams are relayed through sockets (said "
                        "once)", len(self._streams))

    def _may_come_back(self, target: PackedAddress) -> bool:
        """Packets to one of our own ports could go round in the kernel for ever."""
        in_range = self._settings.port_min <= target[1] <= self._settings.port_max + 1
        return in_range and self._interfaces.is_local(target[0])

    def _flow(self, stream: Stream) -> Optional[Flow]:
        peer = stream.peer
        remote, target = _pack(stream.latch.expected), _pack(peer.destination)
        if remote is None or target is None:
            return None
        local, source = self._local(stream.leg, remote), self._local(peer.leg, target)
        if local is None or source is None:
            return None
        tos = max(peer.leg.tos, 0) & 0xFF  # the kernel cuts larger ones, too
        return Flow((local, stream.port), remote, (source, peer.port), target, tos, stream.latch.asymmetric)

    def _local(self, leg: Leg, remote: PackedAddress) -> Optional[bytes]:
        """The address of ours that packets to and from a party carry."""
        if leg.address.is_wildcard:
            return self._interfaces.source_of(remote[0])
        return socket.inet_pton(leg.address.family, leg.address.host)

    def forget(self, offloaded: FastStream) -> None:
        self._slots.close(offloaded.slot)
        del self._streams[offloaded]

    def refresh(self) -> None:
        for offloaded in self._streams:
            offloaded.refresh()

    def _beat(self, now: float) -> float:
        """Say that we live."""
        self._slots.extend_deadline(int(now * 1e9) + GRACE)
        return now + HEARTBEAT

    def _settle_some(self, now: float) -> float:
        """Bring loss and jitter of a few streams up to date, and their way: no event tells what a route learned about
        the size of packets that fit."""
        self._settle_due += len(self._streams) * SETTLE_SOME / SETTLED_WITHIN
        while self._settle_due >= 1:
            self._settle_due -= 1
            if not self._unsettled:
                self._unsettled = list(self._streams)
            offloaded = self._unsettled.pop()
            if offloaded in self._streams and offloaded.is_away:
                offloaded.take_back()
                self._check_way(offloaded)
        return now + SETTLE_SOME

    def _look_round(self, now: float) -> float:
        """Follow the network: a few streams at a time, for packets and commands wait."""
        if self._interfaces.changed():
            try:
                self._interfaces.refresh()
            except OSError as error:
                GLOBAL.warning("kernel fast path: cannot read the state of the network: %s", error)
            self._unchecked = list(self._streams)
        for offloaded in self._unchecked[-CHECKED_AT_ONCE:]:
            if offloaded in self._streams:
                self._check_way(offloaded)
        del self._unchecked[-CHECKED_AT_ONCE:]
        return now + (CHECK_AGAIN if self._unchecked else LOOK_ROUND if self._streams else HEARTBEAT)

    def _check_way(self, offloaded: FastStream) -> None:
        """Relay it here if its packets are to leave in another way."""
        flow = offloaded.slot.flow
        if self._interfaces.resolve(flow.remote[0], flow.source[0], flow.target[0]) != offloaded.slot.way:
            offloaded.close()


def may_be_offloaded(stream: Stream) -> bool:
    """Whether packets of the stream are relayed plainly, from one address to another."""
    latch, peer = stream.latch, stream.peer
    is_settled = latch.asymmetric or (latch.ssrc is not None and not latch.in_window(time.monotonic()))
    return (stream.is_rtp and stream.onward is None and latch.expected is not None and is_settled
            and stream.socket is not None and peer.socket is not None and peer.destination is not None)


def _pack(address: Optional[Address]) -> Optional[PackedAddress]:
    """None for an address that only means something together with an interface."""
    if address is None or "%" in address[0]:
        return None
    return socket.inet_pton(IPV6 if ":" in address[0] else IPV4, address[0]), address[1]
