"""Commands R, C and N: record, copy, and stop.

Opening a file or resolving a name can take long, so it is done without the table lock: the first part of a command
finds the legs, the second opens what is needed, and the third, with the lock again, attaches it if the session is
still there.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Optional

from rtpp.control import parser
from rtpp.control.grammar import integer
from rtpp.errors import CommandError, ErrorCode
from rtpp.net.addresses import IPV4, IPV6, Address, route_source, socket_address
from rtpp.session.recording import SUFFIXES, CopySink, FileSink, LegRecording, OutgoingSink, SharedFile, Sink
from rtpp.session.session import Leg, Session
from rtpp.session.stream import Stream
from rtpp.session.table import NoSocketsError, SessionTable
from rtpp.settings import ListenAddress

if TYPE_CHECKING:
    from rtpp.recording.spool import Spool

UDP = "udp:"


class Recordings:
    """Starts and stops recordings; `spool` is None when there is no recording directory."""

    def __init__(self, table: SessionTable, spool: Optional[Spool]) -> None:
        self._table = table
        self._settings = table.settings
        self._spool = spool

    def record(self, matches: list[tuple[Session, Leg]], single_file: bool) -> bool:
        """Record legs in files named for their calls. Returns whether any is recorded. Takes the lock itself."""
        single_file = single_file and self._settings.record_pcap
        recorded = [self._record(session, leg, single_file) for session, leg in matches]
        return any(recorded)

    def _record(self, session: Session, leg: Leg, single_file: bool) -> bool:
        with self._table.lock:
            if leg.recording is not None:
                return not single_file
            if single_file and session.shared_file is not None and session.shared_file.in_use:
                self._attach(session, leg, self._shared_sinks(leg, session.shared_file))
                return True
        names = recording_names(session.call_id, session.tag)
        if "/" in names[0]:
            session.log.error("not recorded: %r in the call-id or tag would lead to another directory", "/")
            return False
        for name in names:
            try:
                if single_file:
                    return self._record_single(session, leg, f"{name}.pcap")
                return self._record_pair(session, leg, name + SUFFIXES[leg.actor])
            except (OSError, ValueError) as error:
                session.log.error("cannot record: %s", error)
                if not isinstance(error, FileExistsError):
                    break
        return False

    def _open(self, session: Session, name: str) -> SharedFile:
        if self._spool is None:
            raise OSError("directory for saving local recordings is not configured, see -r")
        from rtpp.recording.formats import ADHOC, PCAP  # loaded already, with the spool

        layout = PCAP if self._settings.record_pcap else ADHOC
        return SharedFile(self._spool, self._spool.open(name, layout, session.log), name)

    def _record_pair(self, session: Session, leg: Leg, name: str) -> bool:
        """RTP and RTCP in a file each."""
        files: list[tuple[Stream, SharedFile]] = []
        try:
            files.append((leg.rtp, self._open(session, f"{name}.rtp")))
            if self._settings.record_rtcp:
                files.append((leg.rtcp, self._open(session, f"{name}.rtcp")))
        except (OSError, ValueError):
            with self._table.lock:
                for _, file in files:
                    file.spool.close(file.file)
            raise
        with self._table.lock:
            sinks: list[tuple[Stream, Sink]] = [(stream, FileSink(file)) for stream, file in files]
            return self._attach(session, leg, sinks)

    def _record_single(self, session: Session, leg: Leg, name: str) -> bool:
        """RTP and RTCP of both legs in one file."""
        file = self._open(session, name)
        with self._table.lock:
            session.shared_file = None if session.ended else file
            return self._attach(session, leg, self._shared_sinks(leg, file))

    def _shared_sinks(self, leg: Leg, file: SharedFile) -> list[tuple[Stream, Sink]]:
        sinks: list[tuple[Stream, Sink]] = [(leg.rtp, FileSink(file))]
        if self._settings.record_rtcp:
            sinks.append((leg.rtcp, OutgoingSink(file)))
        return sinks

    @staticmethod
    def _attach(session: Session, leg: Leg, sinks: list[tuple[Stream, Sink]],
                source: Optional[tuple[str, int]] = None) -> bool:
        """Needs the lock. The session may have ended, or the leg been recorded, while the lock was free."""
        if session.ended or leg.recording is not None:
            for _, sink in sinks:
                sink.close()
            return leg.recording is not None
        leg.recording = LegRecording(leg, sinks, source)
        return True

    # -- C ---------------------------------------------------------------------------------------

    def copy(self, session: Session, leg: Leg, command: parser.Copy) -> str:
        """The reply to C. Takes the lock itself. Raises CommandError."""
        try:
            if command.target.startswith(UDP):
                source = self._copy_to_host(session, leg, command.target)
                return f"{source[1]} {source[0]}" if command.wants_address else "0"
            if command.wants_address:
                raise ValueError("modifier p needs a target udp:HOST:PORT")
            if not self._copy_to_file(session, leg, command):
                raise ValueError("the session has ended")
        except (OSError, ValueError, NoSocketsError) as error:
            raise CommandError(ErrorCode.COPY_FAILED, f"cannot copy to {command.target!r}: {error}")
        return "0"

    def _copy_to_file(self, session: Session, leg: Leg, command: parser.Copy) -> bool:
        single_file = command.single_file and self._settings.record_pcap
        with self._table.lock:
            if leg.recording is not None:
                return True
            shared = session.shared_file
            if single_file and shared is not None and shared.in_use and shared.name == command.target:
                self._attach(session, leg, self._shared_sinks(leg, shared))
                return True
        if single_file:
            return self._record_single(session, leg, command.target)
        return self._record_pair(session, leg, command.target)

    def _copy_to_host(self, session: Session, leg: Leg, target: str) -> tuple[str, int]:
        """Returns the address and port that copies come from; of a leg that is recorded in files, where they would."""
        destination, family = _resolve(target)
        address = self._address_towards(destination[0], family)
        with self._table.lock:
            if leg.recording is not None and leg.recording.source is not None:
                return leg.recording.source
            if session.ended:
                raise ValueError("the session has ended")
            port, (rtp, rtcp) = self._table.take_pair(address, leg.tos)
            pool = self._table.ports[family]
            to_rtcp = socket_address(destination[0], destination[1] + 1, family)
            sinks: list[tuple[Stream, Sink]] = [
                (leg.rtp, CopySink(rtp, destination, lambda: None)),
                (leg.rtcp, CopySink(rtcp, to_rtcp, lambda: pool.release(port))),
            ]
            self._attach(session, leg, sinks, (address.host, port))
            return address.host, port

    def _address_towards(self, host: str, family: socket.AddressFamily) -> ListenAddress:
        """The local address that reaches a host. Raises OSError."""
        return self._table.addresses.local(route_source(host, family), family)

    # -- N ---------------------------------------------------------------------------------------

    @staticmethod
    def stop(legs: list[Leg]) -> bool:
        """Stop recording and copying legs. Needs the lock. Returns whether there was anything to stop."""
        recorded = [leg for leg in legs if leg.recording is not None]
        for leg in recorded:
            leg.stop_recording()
        return bool(recorded)


def recording_names(call_id: str, tag: str) -> list[str]:
    """What the files of a recorded session may be called, without suffixes, in order of preference.

    A tag may end in `;` and a number of the call's media stream. Like the C program's, names of the first stream are
    without it. The other streams would be written into the same files, so their names have it, as has that of a first
    stream beside one without a number.
    """
    party, _, medium = tag.partition(";")
    short, full = f"{call_id}={party}", f"{call_id}={tag}"
    if medium == "1":
        return [short, full]
    return [full if medium else short]


def _resolve(target: str) -> tuple[Address, socket.AddressFamily]:
    """Address of a `udp:HOST:PORT` target. Raises ValueError or OSError.

    A name's IPv4 address is preferred, for the C program knows no other: recorders listen there.
    """
    host, colon, port = target[len(UDP) :].rpartition(":")
    if not colon or not host or not 1 <= integer(port) <= 65534:
        raise ValueError("expected udp:HOST:PORT with a port from 1 to 65534")
    found = {family: str(address[0]) for family, _, _, _, address in reversed(
        socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM))}
    family = IPV4 if IPV4 in found else IPV6
    return socket_address(found[family], int(port), family), family
