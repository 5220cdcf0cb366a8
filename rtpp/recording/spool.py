"""The thread that writes recordings to disk and moves them when they end.

The relay appends packets to a queue in memory, which never blocks; this thread writes them in batches. The queue is
bounded over all files together. While a disk is full or slow, packets wait in the queue and writing is tried again
every second; what does not fit in the meantime is counted and logged as lost, once per episode. What is written always
ends with a whole record.

Recordings are written in the spool directory, if there is one, and moved to the recording directory when they end:
renamed, or copied, synchronised and renamed where the two are on different file systems. Files are locked (flock(2))
while they are written, so the next start can tell the recordings of a killed process from those of a living one, and
moves them.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import socket
import threading
import time
from collections import deque
from typing import Optional

from rtpp.log import GLOBAL, CallLog
from rtpp.recording.formats import Format
from rtpp.recording.packet import Packet

MAX_QUEUED = 64 * 1024 * 1024  # bytes of packets that wait to be written, over all recordings
PACKET_OVERHEAD = 200  # bytes a queued packet costs besides its payload
WRITE_INTERVAL = 0.2  # seconds between batches
RETRY_INTERVAL = 1.0  # seconds until a failed write is tried again
BATCH_BYTES = 1024 * 1024  # written at once at most
FINISH_TIMEOUT = 3.0  # seconds to wait for an earlier recording of the same name
SHUTDOWN_TRIES = 3  # writes tried at the end of the process before packets are given up
SUFFIXES = (b".rtp", b".rtcp", b".pcap")


_identification = itertools.count()  # of IPv4 packets, over all recordings of the process


class UnsafeNameError(ValueError):
    """A file name that would lead outside the recording directory."""


def safe_path(directory: bytes, name: str) -> bytes:
    """The path of a recording. Names come from call-ids and commands, so they are not trusted.

    A name is a relative path below the directory: never absolute, without `..` and without NUL, and through no
    symbolic link that leads elsewhere. Raises UnsafeNameError.
    """
    raw = name.encode("latin-1")
    parts = raw.split(b"/")
    if not raw or b"\0" in raw or any(part in (b"", b".", b"..") for part in parts):
        raise UnsafeNameError(f"{name!r} is not the name of a file below the recording directory")
    path = os.path.join(directory, raw)
    home = os.path.realpath(directory)
    if os.path.commonpath([home, os.path.realpath(path)]) != home:
        raise UnsafeNameError(f"{name!r} leads outside the recording directory")
    return path


class RecordingFile:
    """One file being recorded. `append` belongs to the relay, the rest to the spool's thread."""

    def __init__(self, path: bytes, final_path: bytes, layout: Format, log: CallLog) -> None:
        """Creates the file, or empties it. Raises OSError."""
        self._path = path
        self.final_path = final_path
        self._layout = layout
        self._log = log
        self.queue: deque[Packet] = deque()
        self.closing = False
        self.lost = 0
        self._unwritten = b""
        self._unwritten_cost = 0
        self._retry_at = 0.0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, layout.file_header)
        except OSError:
            os.close(self._descriptor)
            raise
        self._size = len(layout.file_header)

    def write(self, now: float) -> int:
        """Write what is queued. Returns the bytes of the queue that are free again."""
        if now < self._retry_at:
            return 0
        freed = 0
        while self.queue or self._unwritten:
            self._take_batch()
            try:
                self._write_batch()
            except OSError as error:
                self._note_failure(error, now)
                return freed
            freed += self._unwritten_cost
            self._unwritten, self._unwritten_cost = b"", 0
        if self._retry_at:
            self._log.warning("recording %s goes on", os.fsdecode(self._path))
            self._retry_at = 0.0
        return freed

    def _take_batch(self) -> None:
        records = [self._unwritten]
        size = len(self._unwritten)
        while self.queue and size < BATCH_BYTES:
            packet = self.queue.popleft()
            record = self._record(packet)
            records.append(record)
            size += len(record)
            self._unwritten_cost += cost(packet)
        self._unwritten = b"".join(records)

    def _record(self, packet: Packet) -> bytes:
        family = socket.AF_INET6 if ":" in packet.source[0] else socket.AF_INET
        try:
            return self._layout.record(packet.payload, packet.source, packet.destination, family, packet.wall_time,
                                       next(_identification) if family == socket.AF_INET else 0)
        except OSError:  # addresses of two families, as when the other party is not known: cannot be laid out
            self.lost += 1
            return b""

    def _write_batch(self) -> None:
        """All or nothing: a write cut short by a full disk is taken back, so the file ends with a whole record."""
        rest = memoryview(self._unwritten)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            os.lseek(self._descriptor, self._size, os.SEEK_SET)
            raise
        self._size += len(self._unwritten)

    def _note_failure(self, error: OSError, now: float) -> None:
        if not self._retry_at:
            self._log.error("cannot write recording %s: %s; packets are kept in memory and tried again",
                            os.fsdecode(self._path), error)
        self._retry_at = now + RETRY_INTERVAL

    @property
    def has_unwritten(self) -> bool:
        return bool(self.queue or self._unwritten)

    def give_up(self) -> None:
        """The process ends and the disk does not take the rest: say so."""
        lost = len(self.queue)
        self._log.error("recording %s: %d packets and %d bytes of records were not written",
                        os.fsdecode(self._path), lost, len(self._unwritten))

    def finish(self) -> None:
        """Close the file and move it to where it stays."""
        if self.lost:
            self._log.error("recording %s: %d packets lost, the disk did not keep up", os.fsdecode(self._path),
                            self.lost)
        os.close(self._descriptor)
        if self._path != self.final_path:
            try:
                move(self._path, self.final_path)
            except OSError as error:
                self._log.error("can't move session record from spool into permanent storage: %s: %s",
                                os.fsdecode(self.final_path), error)


def cost(packet: Packet) -> int:
    """Bytes of memory a queued packet takes."""
    return len(packet.payload) + PACKET_OVERHEAD


def move(path: bytes, final_path: bytes) -> None:
    """Rename a file, also across file systems: then no reader ever sees half of it. Raises OSError."""
    try:
        os.rename(path, final_path)
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    partial = final_path + b".partial"
    try:
        with open(path, "rb") as source, open(partial, "wb") as target:
            while data := source.read(BATCH_BYTES):
                target.write(data)
            target.flush()
            os.fsync(target.fileno())
        os.rename(partial, final_path)
    except OSError:
        if os.path.exists(partial):
            os.unlink(partial)
        raise
    os.unlink(path)


class Spool:
    """All recordings of the proxy. `open` blocks on the disk: call it without the table lock."""

    def __init__(self, record_dir: str, spool_dir: str = "") -> None:
        self._record_dir = os.fsencode(os.path.abspath(record_dir))
        self._spool_dir = os.fsencode(os.path.abspath(spool_dir)) if spool_dir else self._record_dir
        self._files: dict[bytes, RecordingFile] = {}  # by final path
        self._changed = threading.Condition()  # guards _files
        self._wake = threading.Event()
        self._stopping = False
        self._accepted = 0  # bytes, changed by the relay only
        self._freed = 0  # bytes, changed by the spool's thread only
        self._overflowing = False
        self.packets_lost = 0
        self._thread = threading.Thread(target=self._run, name="spool")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write and move everything that was accepted, then end the thread."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    @property
    def queued(self) -> int:
        """Bytes that wait to be written, about."""
        return self._accepted - self._freed

    def open(self, name: str, layout: Format, log: CallLog) -> RecordingFile:
        """Begin a recording. Raises OSError or UnsafeNameError.

        A recording of the same name that is being finished is waited for; one that goes on is not disturbed.
        """
        final_path = safe_path(self._record_dir, name)
        path = safe_path(self._spool_dir, name)
        with self._changed:
            before = self._files.get(final_path)
            if before is not None and before.closing:
                self._changed.wait_for(lambda: final_path not in self._files, FINISH_TIMEOUT)
            if final_path in self._files:
                raise FileExistsError(f"recording {name!r} is in progress")
            file = self._files[final_path] = RecordingFile(path, final_path, layout, log)
        return file

    def append(self, file: RecordingFile, packet: Packet) -> None:
        """Queue a packet; never blocks. Called under the table lock."""
        if self._accepted - self._freed > MAX_QUEUED:
            self._lose(file)
            return
        self._overflowing = False
        self._accepted += cost(packet)
        file.queue.append(packet)

    def _lose(self, file: RecordingFile) -> None:
        file.lost += 1
        self.packets_lost += 1
        if not self._overflowing:
            GLOBAL.error("recordings cannot be written fast enough: %d MiB wait, packets are lost from now on",
                         MAX_QUEUED >> 20)
        self._overflowing = True

    def close(self, file: RecordingFile) -> None:
        """End a recording: it is written to its end and moved. Never blocks."""
        file.closing = True
        self._wake.set()

    def _run(self) -> None:
        self._adopt_orphans()
        while not self._stopping:
            self._wake.wait(WRITE_INTERVAL)
            self._wake.clear()
            try:
                self._write_all(time.monotonic())
            except Exception:
                GLOBAL.exception("unexpected error while writing recordings")
        self._finish_all()

    def _write_all(self, now: float) -> None:
        with self._changed:
            files = list(self._files.values())
        for file in files:
            closing = file.closing  # read first: what is queued before it must still be written
            if file.queue or file.has_unwritten:
                self._freed += file.write(now)
            if closing and not file.has_unwritten:
                self._forget(file)

    def _forget(self, file: RecordingFile) -> None:
        file.finish()
        with self._changed:
            del self._files[file.final_path]
            self._changed.notify_all()

    def _finish_all(self) -> None:
        for file in self._files.values():
            file.closing = True
        for attempt in range(SHUTDOWN_TRIES):
            self._write_all(time.monotonic() + attempt * RETRY_INTERVAL)
            if not self._files:
                return
            time.sleep(RETRY_INTERVAL / 5)
        for file in list(self._files.values()):
            file.give_up()
            self._forget(file)

    def _adopt_orphans(self) -> None:
        """Move what a killed process left in the spool directory."""
        if self._spool_dir == self._record_dir:
            return
        try:
            paths = sorted(entry.path for entry in os.scandir(self._spool_dir)
                           if entry.is_file(follow_symlinks=False) and entry.name.endswith(SUFFIXES))
        except OSError as error:
            GLOBAL.error("cannot look into the spool directory: %s", error)
            return
        for path in paths:
            with self._changed:  # no recording of that name begins meanwhile
                if not _is_locked(path):
                    self._adopt(path)

    def _adopt(self, path: bytes) -> None:
        final_path = os.path.join(self._record_dir, os.path.relpath(path, self._spool_dir))
        try:
            move(path, final_path)
            GLOBAL.warning("moved a recording that an earlier run left in the spool directory: %s",
                           os.fsdecode(final_path))
        except OSError as error:
            GLOBAL.error("cannot move an old recording to %s: %s", os.fsdecode(final_path), error)


def _is_locked(path: bytes) -> bool:
    descriptor: Optional[int] = None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        if descriptor is not None:
            os.close(descriptor)
