"""The threads that write recordings to disk and move them when they end.

The relay appends packets to queues in memory, which never blocks (see `file.py`); the spool's thread writes each file
about once a second, all at different times, and at its end. The queues are bounded, over all files together and for
each one. While a disk is full or slow, packets wait and writing is tried again every second; what does not fit in the
meantime is counted and logged as lost. What is written always ends with a whole record.

Recordings are written in the spool directory, if there is one, and moved to the recording directory when they end. A
move to another file system is a copy and can take long, so another thread, the mover, does it, and first of all moves
what a killed process left behind.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from queue import SimpleQueue
from typing import Any, Callable, Optional

from rtpp.log import GLOBAL, CallLog
from rtpp.recording.file import MAX_QUEUED, WRITE_INTERVAL, Budget, RecordingFile
from rtpp.recording.formats import Format
from rtpp.recording.storage import UnsafeNameError, copy, orphans, rename, safe_path, unused

__all__ = ["RecordingFile", "Spool", "UnsafeNameError"]

ROUND = 0.02  # seconds between looks at what is due: few files at once, or the relay waits for its processor
FINISH_TIMEOUT = 3.0  # seconds to wait for an earlier recording of the same name
SHUTDOWN_TRIES = 3  # writes tried at the end of the process before packets are given up
SHUTDOWN_PAUSE = 0.2  # seconds between them


class Spool:
    """All recordings of the proxy. `open` blocks on the disk: call it without the table lock."""

    def __init__(self, lock: AbstractContextManager[Any], record_dir: str, spool_dir: str = "") -> None:
        """`lock` is the one under which packets are appended."""
        self._lock = lock
        self._record_dir = os.fsencode(os.path.realpath(record_dir))
        self._spool_dir = os.fsencode(os.path.realpath(spool_dir)) if spool_dir else self._record_dir
        self._budget = Budget()
        self._turns: deque[RecordingFile] = deque()  # in the order in which they are due, and some that have ended
        self._ended: list[RecordingFile] = []  # to be written to their end and moved
        self._changed = threading.Condition()  # guards the next two
        self._going_on: set[bytes] = set()  # final paths of recordings,
        self._taken: set[bytes] = set()  # and those of files that are not yet moved, too
        self._failing: set[RecordingFile] = set()
        self._overflowing = False
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="spool")
        self._moves: SimpleQueue[Optional[Callable[[], None]]] = SimpleQueue()
        self._mover = threading.Thread(target=self._move_all, name="mover")

    @property
    def packets_lost(self) -> int:
        """Packets that are in no recording, because the disk was too slow or full."""
        return self._budget.lost

    @property
    def queued(self) -> int:
        """Bytes that wait to be written, about."""
        return self._budget.waiting

    def start(self) -> None:
        if self._spool_dir != self._record_dir:
            self._find_orphans()
            self._mover.start()
        self._thread.start()

    def stop(self) -> None:
        """Write and move everything that was accepted, then end the threads."""
        self._stopping = True
        self._wake.set()
        self._thread.join()
        if self._mover.is_alive():
            self._moves.put(None)
            self._mover.join()

    def open(self, name: str, layout: Format, log: CallLog) -> RecordingFile:
        """Begin a recording. Raises OSError or UnsafeNameError.

        A recording of the same name that is being finished or moved is waited for; one that goes on is not disturbed.
        """
        final_path = safe_path(self._record_dir, name)
        path = safe_path(self._spool_dir, name)
        with self._changed:
            if final_path not in self._going_on:
                self._changed.wait_for(lambda: final_path not in self._taken, FINISH_TIMEOUT)
            if final_path in self._taken:
                raise FileExistsError(f"recording {name!r} is in progress")
            self._taken.add(final_path)
            self._going_on.add(final_path)
        try:
            if os.path.exists(final_path) and os.path.getsize(final_path):
                log.warning("recording %s replaces an earlier one", os.fsdecode(final_path))
            file = RecordingFile(path, final_path, layout, log, self._budget, time.monotonic())
        except BaseException:
            self._release(final_path)
            raise
        self._turns.append(file)
        self._wake.set()
        return file

    def close(self, file: RecordingFile) -> None:
        """End a recording: it is written to its end and moved. Never blocks; call it under the lock."""
        file.lay_out()
        file.ended = True
        with self._changed:
            self._going_on.discard(file.final_path)
        self._ended.append(file)
        self._wake.set()

    def _release(self, final_path: bytes) -> None:
        with self._changed:
            self._going_on.discard(final_path)
            self._taken.discard(final_path)
            self._changed.notify_all()

    # -- the spool's thread ----------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(ROUND if self._turns or self._ended else None)
            self._wake.clear()
            try:
                self._write_due(time.monotonic())
            except Exception:
                GLOBAL.exception("unexpected error while writing recordings")
        self._finish_all()

    def _write_due(self, now: float) -> None:
        for file in self._ended[:]:
            if not file.failing or now >= file.due:
                self._write(file, now)
            if not file.unwritten:  # a header alone is not worth waiting for, nor its descriptor
                self._finish(file)
        due = self._take_due(now)
        self._lay_out([file for file in due if not file.is_laid_out])
        for file in due:
            self._write(file, now)
        self._note_overflow()

    def _take_due(self, now: float) -> list[RecordingFile]:
        """Files whose turn it is: few, so those that began together will not be due together again."""
        due: list[RecordingFile] = []
        most = 1 + int(len(self._turns) * ROUND / WRITE_INTERVAL)
        while self._turns and (self._turns[0].ended or self._turns[0].due <= now) and len(due) < most:
            file = self._turns.popleft()
            if not file.ended:
                due.append(file)
                self._turns.append(file)
        return due

    def _lay_out(self, files: Sequence[RecordingFile]) -> None:
        """What has come since the last full batch."""
        if files:
            with self._lock:
                for file in files:
                    file.lay_out()

    def _write(self, file: RecordingFile, now: float) -> None:
        try:
            file.write_queue(now)
        except OSError as error:
            if not self._failing:
                GLOBAL.error("cannot write recording %s: %s; packets are kept in memory and tried again", file, error)
            self._failing.add(file)
            return
        if file in self._failing:
            self._note_recovery(file)

    def _note_recovery(self, file: RecordingFile) -> None:
        self._failing.discard(file)
        if not self._failing:
            GLOBAL.warning("recordings are written again")

    def _note_overflow(self) -> None:
        waiting = self._budget.waiting
        if waiting > MAX_QUEUED and not self._overflowing:
            GLOBAL.error("recordings cannot be written fast enough: %d MiB wait, more is lost", MAX_QUEUED >> 20)
            self._overflowing = True
        elif waiting < MAX_QUEUED // 2 and self._overflowing:
            GLOBAL.warning("recordings are complete again from now on; %d packets have been lost since the start",
                           self._budget.lost)
            self._overflowing = False

    def _finish_all(self) -> None:
        with self._lock:
            for file in list(self._turns):
                if not file.ended:
                    self.close(file)
        self._turns.clear()
        for _ in range(SHUTDOWN_TRIES):
            self._write_due(float("inf"))
            if not self._ended:
                return
            time.sleep(SHUTDOWN_PAUSE)
        for file in self._ended[:]:
            self._finish(file)

    def _finish(self, file: RecordingFile) -> None:
        """Close a file and move it to where it stays."""
        file.close()
        if file in self._failing:
            self._note_recovery(file)
        self._ended.remove(file)
        self._move(file.path, file.final_path, file.log)

    def _move(self, path: bytes, final_path: bytes, log: CallLog) -> None:
        try:
            if path != final_path and not rename(path, final_path):
                self._moves.put(partial(self._copy, path, final_path, log))
                return
        except OSError as error:
            _complain(path, final_path, log, error)
        self._release(final_path)

    # -- the mover -------------------------------------------------------------------------------

    def _move_all(self) -> None:
        for move in iter(self._moves.get, None):
            try:
                move()
            except Exception:
                GLOBAL.exception("unexpected error while moving a recording")

    def _copy(self, path: bytes, final_path: bytes, log: CallLog) -> None:
        try:
            copy(path, final_path)
        except OSError as error:
            _complain(path, final_path, log, error)
        self._release(final_path)

    def _find_orphans(self) -> None:
        """Have the mover move what a killed process left in the spool directory."""
        try:
            for name in orphans(self._spool_dir, self._record_dir):
                self._taken.add(os.path.join(self._record_dir, name))  # no recording of that name begins meanwhile
                self._moves.put(partial(self._adopt, name))
        except OSError as error:
            GLOBAL.error("cannot look into the spool directory: %s", error)

    def _adopt(self, name: bytes) -> None:
        path, wanted = os.path.join(self._spool_dir, name), os.path.join(self._record_dir, name)
        final_path = unused(wanted)  # never over a recording that is there
        try:
            if final_path != wanted and os.path.samefile(path, wanted):
                return  # one directory under two names
            if not rename(path, final_path):
                copy(path, final_path)
            GLOBAL.warning("moved a recording that an earlier run left in the spool directory: %s",
                           os.fsdecode(final_path))
        except OSError as error:
            _complain(path, final_path, GLOBAL, error)
        finally:
            self._release(wanted)


def _complain(path: bytes, final_path: bytes, log: CallLog, error: OSError) -> None:
    log.error("can't move session record from spool into permanent storage: %s to %s: %s", os.fsdecode(path),
              os.fsdecode(final_path), error)
