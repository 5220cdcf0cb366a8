"""Recording and copying what the party of a leg sends.

A recording is a witness on the leg's streams: it sees packets after the source check and re-packetising, before they
are relayed, also those that are then dropped because the other party's address is not known. Blocked packets and
prompts are not recorded.

    two files     NAME.o.rtp and NAME.o.rtcp for the caller's packets, NAME.a.* for the callee's
    single file   NAME.pcap for both legs, RTP and RTCP; it ends when the last leg that uses it is stopped
    copy          each packet's payload is sent on to a host, from a port pair of the copy's own
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Callable, ClassVar, Optional

from rtpp.net.addresses import IPV4, IPV6, Address, route_source
from rtpp.net.arrival import Arrivals
from rtpp.session.session import Leg
from rtpp.session.stream import Onlooker, Stream

if TYPE_CHECKING:
    from rtpp.recording.spool import RecordingFile, Spool

SUFFIXES = {"caller": ".o", "callee": ".a"}
UNKNOWN = {IPV4: ("0.0.0.0", 0), IPV6: ("::", 0)}


class Sink(Onlooker):
    """Where the packets of one stream go.

    `needs_arrivals`: the stream must know when packets arrived.
    """

    needs_arrivals: ClassVar[bool]

    def close(self) -> None:
        """No more packets."""
        raise NotImplementedError


class SharedFile:
    """A file that several streams are recorded into; it ends with the last of them."""

    def __init__(self, spool: Spool, file: RecordingFile, name: str) -> None:
        self.spool = spool
        self.file = file
        self.name = name
        self._users = 0

    @property
    def in_use(self) -> bool:
        return self._users > 0

    def join(self) -> None:
        self._users += 1

    def leave(self) -> None:
        self._users -= 1
        if not self._users:
            self.spool.close(self.file)


class FileSink(Sink):
    """Records a stream's packets as they arrive: from the party to our port."""

    needs_arrivals = True

    def __init__(self, file: SharedFile) -> None:
        self._shared = file
        self._source: Optional[Address] = None  # the ends of the packet before this one
        self._port = 0
        self._append: Callable[[bytes, float], None]  # for packets between them
        file.join()

    def see(self, stream: Stream, data: bytes, source: Address, now: float) -> None:
        if source != self._source or stream.port != self._port:
            self._source, self._port = source, stream.port
            self._append = self.follow(stream, source)
        if stream.resizer is not None:
            _arrivals(stream).stamp_now()  # it was made here of several
        self._append(data, now)

    def follow(self, stream: Stream, source: Address) -> Callable[[bytes, float], None]:
        return self._appender(source, _local(stream, source), stream.leg.address.family, stream)

    def _appender(self, source: Address, destination: Address, family: int,
                  stream: Stream) -> Callable[[bytes, float], None]:
        file = self._shared.file
        return file.appender(file.prepare(source, destination, family), _arrivals(stream).stamp)

    def close(self) -> None:
        self._shared.leave()


class OutgoingSink(FileSink):
    """Records a stream's packets as they leave: from our port on the other side to the other party."""

    follow = Onlooker.follow  # the other party's address may change

    def see(self, stream: Stream, data: bytes, source: Address, now: float) -> None:
        peer = stream.peer
        unknown = UNKNOWN[peer.leg.address.family]
        destination = peer.latch.remote
        if destination is None or (":" in destination[0]) != (":" in unknown[0]):
            destination = unknown
        source = _local(peer, destination) if peer.socket is not None else unknown
        if stream.resizer is not None:
            _arrivals(stream).stamp_now()
        self._appender(source, destination, peer.leg.address.family, stream)(data, now)


def _arrivals(stream: Stream) -> Arrivals:
    assert stream.arrivals is not None  # LegRecording saw to it
    return stream.arrivals


def _local(stream: Stream, party: Address) -> Address:
    """Our end of a stream; for a wildcard listener the address that packets to the party leave from."""
    address = stream.leg.address
    host = address.host
    if address.is_wildcard:
        try:
            host = route_source(party[0], address.family)
        except OSError:
            pass  # no route: the wildcard stands for it
    return host, stream.port


class CopySink(Sink):
    """Sends a stream's packets to another host. Errors are ignored: the call matters more than its copy."""

    needs_arrivals = False

    def __init__(self, bound: socket.socket, destination: Address, on_close: Callable[[], None]) -> None:
        """`on_close` is called when the socket is closed."""
        self._socket = bound
        self._destination = destination
        self._on_close = on_close

    def see(self, stream: Stream, data: bytes, source: Address, now: float) -> None:
        try:
            self._socket.sendto(data, self._destination)
        except OSError:
            pass

    def close(self) -> None:
        self._socket.close()
        self._on_close()


class LegRecording:
    """All that one leg's packets are recorded or copied to. Guarded by `SessionTable.lock`."""

    def __init__(self, leg: Leg, sinks: list[tuple[Stream, Sink]], source: Optional[tuple[str, int]] = None) -> None:
        """`source` is the local address and port of a copy."""
        self.source = source
        self._sinks = sinks
        self._leg = leg
        for stream, sink in sinks:
            leg.session.log.info("starting recording %s session on port %d", stream.protocol, stream.port)
            stream.witnesses.append(sink)
            stream.choose_onward()
            if sink.needs_arrivals:
                stream.note_arrivals(True)

    def close(self) -> None:
        """Stop; the spool writes what it has."""
        for stream, sink in reversed(self._sinks):
            self._leg.session.log.info("stopping recording %s session on port %d", stream.protocol, stream.port)
            stream.witnesses.remove(sink)
            stream.choose_onward()
            if sink.needs_arrivals:
                stream.note_arrivals(False)
            sink.close()
