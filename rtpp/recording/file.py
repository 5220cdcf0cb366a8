"""One file being recorded: the queue that the relay fills, and what writes it to the disk.

The relay's side is `appender`: a record is laid out while its packet is in the processor's caches, and appended to a
list, after a look at how much waits. The spool's side takes a batch from the front of the list; both are single
operations of the interpreter, so no lock is needed between them. Batches are large: each write lets the relay loop's
thread in and waits for it again, which costs more than the write.
"""

from __future__ import annotations

import itertools
import os
from typing import Any, Callable

from rtpp.log import CallLog
from rtpp.net.addresses import Address
from rtpp.recording.formats import Format
from rtpp.recording.storage import create

MAX_QUEUED = 64 * 1024 * 1024  # bytes of records that wait to be written, over all recordings
MAX_FILE_PACKETS = 30_000  # that wait for one file: one that cannot be written leaves room for the others
RECORD_OVERHEAD = 64  # bytes of memory that a queued record costs besides its own
WRITE_INTERVAL = 1.0  # seconds between writes of a file, or between attempts
BATCH_PACKETS = 4000  # written at once at most

_identification = itertools.count()  # of IPv4 packets, over all recordings of the process


class Budget:
    """How much all recordings together keep in memory.

    Bytes accepted are counted by the relay, under the table lock, bytes freed by the spool's thread only.
    """

    __slots__ = ("accepted", "freed", "lost")

    def __init__(self) -> None:
        self.accepted = 0
        self.freed = 0
        self.lost = 0  # packets

    @property
    def waiting(self) -> int:
        """Bytes."""
        return self.accepted - self.freed


class RecordingFile:
    """`prepare` and `appender` belong to the relay, the rest to the spool's thread."""

    def __init__(self, path: bytes, final_path: bytes, layout: Format, log: CallLog, budget: Budget,
                 now: float) -> None:
        """Creates the file, or empties it. Raises OSError."""
        self.path = path
        self.final_path = final_path
        self.log = log
        self.closing = False
        self.failing = False  # the last write failed
        self.due = now + WRITE_INTERVAL
        self.lost = 0
        self._layout = layout
        self._budget = budget
        self._queue: list[bytes] = []
        self._unwritten = layout.file_header
        self._unwritten_packets = 0
        self._unwritten_cost = 0
        self._descriptor = create(path)
        self._size = 0
        try:
            self.write_queue(now)
        except OSError:
            pass  # a full disk: it waits as packets do

    def __str__(self) -> str:
        return os.fsdecode(self.path)

    # -- the relay's side ------------------------------------------------------------------------

    def prepare(self, source: Address, destination: Address, family: int) -> Any:
        """What packets between two addresses share, for `appender`. Raises OSError when they cannot be recorded."""
        return self._layout.prepare(source, destination, family)

    def appender(self, addresses: Any) -> Callable[[bytes, float], None]:
        """What queues packets between two addresses: given one and the time of its arrival, seconds since 1970.

        `addresses` is what `prepare` made of them. It never blocks; call it under the table lock.
        """
        budget, queue, assemble = self._budget, self._queue, self._layout.assemble
        enqueue = queue.append

        def append(payload: bytes, wall: float) -> None:
            if budget.accepted - budget.freed > MAX_QUEUED or len(queue) >= MAX_FILE_PACKETS:
                self.lose()
                return
            record = assemble(addresses, payload, wall, _identification)
            budget.accepted += len(record) + RECORD_OVERHEAD
            enqueue(record)

        return append

    def lose(self) -> None:
        """A packet cannot be recorded."""
        if not self.lost:
            self.log.error("recording %s: packets are lost from now on, %d wait to be written", self, len(self._queue))
        self.lost += 1
        self._budget.lost += 1

    # -- the spool's side ------------------------------------------------------------------------

    @property
    def unwritten(self) -> int:
        """Packets."""
        return len(self._queue) + self._unwritten_packets

    def write_queue(self, now: float) -> None:
        """Write what is queued. Raises OSError: then the rest stays queued, and is due again after a while."""
        self.due = now + WRITE_INTERVAL
        self.failing = True
        while self._queue or self._unwritten:
            if not self._unwritten:
                self._take_batch()
            self._write(self._unwritten)
            self._budget.freed += self._unwritten_cost
            self._unwritten, self._unwritten_packets, self._unwritten_cost = b"", 0, 0
        self.failing = False

    def _take_batch(self) -> None:
        batch = self._queue[:BATCH_PACKETS]
        del self._queue[: len(batch)]
        self._unwritten = b"".join(batch)
        self._unwritten_packets = len(batch)
        self._unwritten_cost = len(self._unwritten) + len(batch) * RECORD_OVERHEAD

    def _write(self, data: bytes) -> None:
        """All or nothing: a write cut short by a full disk is taken back, so the file ends with a whole record."""
        rest = memoryview(data)
        position = self._size
        try:
            while rest:
                written = os.pwrite(self._descriptor, rest, position)
                rest, position = rest[written:], position + written
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size = position

    def close(self) -> None:
        """No more is written. What could not be is counted as lost, and lost packets are logged."""
        if self.unwritten:
            self.log.error("recording %s: the last %d packets could not be written", self, self.unwritten)
            self._budget.lost += self.unwritten
        if self.lost:
            self.log.error("recording %s: %d packets were lost, the disk did not keep up", self, self.lost)
        os.close(self._descriptor)
