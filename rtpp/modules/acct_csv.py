"""Built-in module `acct_csv`: a line for each session that has ended, in `rtpproxy_acct.csv`.

The file is in the directory that the program was started from. It is locked while a line is written, so several
proxies can share it; the header goes into an empty file only; and a file that was moved away is made anew, so it can
be rotated at any time. Values are not quoted, as in the C program. In column names `ino` and `o` mean the callee,
`ina` and `a` the caller.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Mapping
from typing import Any, Callable, Optional

from rtpp.errors import StartError
from rtpp.modules.interface import Host, Module
from rtpp.net.addresses import Address
from rtpp.rtp.analyzer import AnalyzerReport
from rtpp.session.session import Session
from rtpp.session.stream import Stream

FILE_NAME = "rtpproxy_acct.csv"
RECORD_VERSION = "1.2"
_OPEN_TRIES = 5  # the file may be moved away between opening and locking

_ANALYSIS: tuple[tuple[str, Callable[[AnalyzerReport], str]], ...] = (
    ("nsent", lambda report: str(report.nsent)),
    ("nrcvd", lambda report: str(report.nrcvd)),
    ("ndups", lambda report: str(report.ndups)),
    ("nlost", lambda report: str(report.nlost)),
    ("perrs", lambda report: str(report.perrs)),
    ("ssrc_last", lambda report: f"0x{report.ssrc:08X}" if report.ssrc is not None else ""),
    ("ssrc_cnt", lambda report: str(report.ssrc_changes)),
    ("pt_last", lambda report: str(report.payload_type)),
)
_JITTER: tuple[tuple[str, Callable[[AnalyzerReport], str]], ...] = (
    ("jitter_last", lambda report: f"{report.jlast:f}"),
    ("jitter_max", lambda report: f"{report.jmax:f}"),
    ("jitter_avg", lambda report: f"{report.javg:f}"),
)


def record(session: Session, number: int, created: float, ended: float) -> dict[str, str]:
    """The columns of a session that has ended, in order. `created` and `ended` are wall time."""
    callee, caller = session.callee, session.caller
    fields = {
        "rec_ver": RECORD_VERSION,
        "rtpp_node_id": socket.gethostname(),
        "rtpp_pid": str(os.getpid()),
        "sess_uid": str(number),
        "call_id": session.call_id,
        "from_tag": session.tag,
        "setup_ts": f"{created:.6f}",
        "teardown_ts": f"{ended:.6f}",
    }
    for side, leg in (("ino", callee), ("ina", caller)):
        fields[f"first_rtp_ts_{side}"], fields[f"last_rtp_ts_{side}"] = _times(leg.rtp)
    for kind, from_caller, from_callee in (("rtp", caller.rtp, callee.rtp), ("rtcp", caller.rtcp, callee.rtcp)):
        fields[f"{kind}_npkts_ina"] = str(from_caller.received)
        fields[f"{kind}_npkts_ino"] = str(from_callee.received)
        fields[f"{kind}_nrelayed"] = str(from_caller.relayed + from_callee.relayed)
        fields[f"{kind}_ndropped"] = str(from_caller.dropped + from_callee.dropped)
    for figures in (_ANALYSIS, _JITTER):
        for side, leg in (("ino", callee), ("ina", caller)):
            assert leg.rtp.analyzer is not None
            report = leg.rtp.analyzer.report()
            fields.update((f"rtpa_{name}_{side}", show(report)) for name, show in figures)
    for kind, from_caller, from_callee in (("rtp", caller.rtp, callee.rtp), ("rtcp", caller.rtcp, callee.rtcp)):
        for side, stream in (("o", from_callee), ("a", from_caller)):
            host, port = _remote(stream.latch.remote)
            fields[f"rtpp_{kind}_rmt_ip_{side}"] = host
            fields[f"rtpp_{kind}_rmt_pt_{side}"] = port
    sides = (("o", callee.rtp.latch), ("a", caller.rtp.latch))
    fields.update((f"rtpp_hld_sts_{side}", "t" if latch.on_hold else "f") for side, latch in sides)
    fields.update((f"rtpp_hld_cnt_{side}", str(latch.hold_count)) for side, latch in sides)
    return fields


def _times(stream: Stream) -> tuple[str, str]:
    """Wall time of the first and the last packet, zero when there was none."""
    first = stream.first_wall_time
    return f"{first:.6f}", f"{first + stream.duration if stream.received else 0.0:.6f}"


def _remote(address: Optional[Address]) -> tuple[str, str]:
    return ("", "") if address is None else (address[0], str(address[1]))


class CsvFile:
    """Used by one thread. Every method may raise OSError."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def open(self) -> None:
        self.close()
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def write(self, fields: Mapping[str, str]) -> None:
        """Append a line, after the header if the file is empty."""
        self._lock()
        try:
            text = ",".join(fields.values()) + "\n"
            size = os.fstat(self._descriptor).st_size
            if size == 0:
                text = ",".join(fields) + "\n" + text
            try:
                self._append(text.encode("latin-1", "replace"))
            except OSError:
                os.ftruncate(self._descriptor, size)  # the disk is full: no half of a line for the next to go on with
                raise
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def _append(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]

    def _lock(self) -> None:
        """Lock the file that has the name now."""
        for _ in range(_OPEN_TRIES):
            if not self._is_current():
                self.open()
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
            if self._is_current():
                return
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
        raise OSError(f"{self._path} is moved away again and again")

    def _is_current(self) -> bool:
        if self._descriptor < 0:
            return False
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False


class AcctCsv(Module):
    id = 1

    def __init__(self, host: Host, values: Mapping[str, Any]) -> None:
        super().__init__(host, values)
        self._file = CsvFile(os.path.join(host.directory, FILE_NAME))
        self._sessions = 0
        self._failing = False

    def start(self) -> None:
        try:
            self._file.open()
        except OSError as error:
            raise StartError(f"cannot write {FILE_NAME} in {self.host.directory!r}: {error.strerror}")

    def stop(self) -> None:
        self._file.close()

    def session_ended(self, session: Session) -> None:
        self._sessions += 1
        ended = time.time()
        created = ended - (time.monotonic() - session.created)
        self.host.later(self._write, session, self._sessions, created, ended)

    def _write(self, session: Session, number: int, created: float, ended: float) -> None:
        try:
            self._file.write(record(session, number, created, ended))
            self._failing = False
        except OSError as error:
            if not self._failing:
                session.log.error("cannot write %s: %s (logged once)", FILE_NAME, error)
            self._failing = True
