"""One file being recorded: the queue that the relay fills, and what writes it to the disk.

Packets wait in three stages. The relay keeps copies of what it read until a batch is full: laying out records many at
a time, with everything they need at hand, costs half of doing it one by one. A batch of records then waits, in a list,
to be written. The spool's thread takes what is in the list from its front, while the relay appends to it; both are
single operations of the interpreter, so no lock is needed between them. It writes many batches at once: each write
lets the relay loop's thread in and waits for it again, which costs more than the write.
"""

from __future__ import annotations

import itertools
import os
from typing import Any, Callable

from rtpp.log import CallLog
from rtpp.net.addresses import Address
from rtpp.net.arrival import STAMP
from rtpp.recording.formats import Format
from rtpp.recording.storage import create

MAX_QUEUED = 64 * 1024 * 1024  # bytes of records that wait to be written, over all recordings
MAX_FILE_BATCHES = 1000  # that wait for one file: one that cannot be written leaves room for the others
BATCH = 32  # packets, that are laid out together
BATCH_OVERHEAD = 128  # bytes of memory that a batch which waits costs besides its records
WRITE_INTERVAL = 1.0  # seconds between writes of a file, or between attempts
WRITTEN_BATCHES = 128  # written at once at most

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
    """`prepare`, `appender` and `lay_out` need the table lock; the rest belongs to the spool's thread."""

    def __init__(self, path: bytes, final_path: bytes, layout: Format, log: CallLog, budget: Budget,
                 now: float) -> None:
        """Creates the file, or empties it. Raises OSError."""
        self.path = path
        self.final_path = final_path
        self.log = log
        self.ended = False
        self.failing = False  # the last write failed
        self.lost = 0
        self._layout = layout
        self._budget = budget
        self._prepared: list[Any] = []  # of the packets that are not laid out yet: what `prepare` made of addresses,
        self._payloads: list[bytes] = []
        self._stamps = bytearray()  # and when they arrived
        self._queue: list[tuple[int, bytes]] = []  # batches: packets, and their records
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

    def appender(self, prepared: Any, stamp: bytearray) -> Callable[[bytes, float], None]:
        """What takes packets between two addresses, for which `prepare` was called. It never blocks.

        Each has arrived when `stamp` says, a STAMP; the time it is given with is of no interest.
        """
        payloads, add_payload = self._payloads, self._payloads.append
        add_prepared, add_stamp = self._prepared.append, self._stamps.extend

        def append(payload: bytes, _: float) -> None:
            add_prepared(prepared)
            add_stamp(stamp)
            add_payload(b"%b" % payload)  # a copy: what was read is the head of a large piece, and would scatter memory
            if len(payloads) >= BATCH:
                self.lay_out()

        return append

    @property
    def is_laid_out(self) -> bool:
        """Whether all packets are."""
        return not self._payloads

    def lay_out(self) -> None:
        """Make records of the packets so far, for the spool to write, unless too much waits already."""
        packets, budget = len(self._payloads), self._budget
        if not packets:
            return
        if budget.waiting > MAX_QUEUED or len(self._queue) >= MAX_FILE_BATCHES:
            self._lose(packets)
        else:
            records = self._layout.lay_out(self._prepared, self._payloads, STAMP.iter_unpack(self._stamps),
                                           _identification)
            budget.accepted += len(records) + BATCH_OVERHEAD
            self._queue.append((packets, records))
        for waiting in (self._prepared, self._payloads, self._stamps):
            waiting.clear()

    def _lose(self, packets: int) -> None:
        if not self.lost:
            self.log.error("recording %s: packets are lost from now on, %d wait to be written", self, self.unwritten)
        self.lost += packets
        self._budget.lost += packets

    # -- the spool's side ------------------------------------------------------------------------

    @property
    def unwritten(self) -> int:
        """Packets."""
        return sum(packets for packets, _ in self._queue) + self._unwritten_packets

    def write_queue(self, now: float) -> None:
        """Write what is queued. Raises OSError: then the rest stays queued, and is due again after a while."""
        self.due = now + WRITE_INTERVAL
        self.failing = True
        while self._queue or self._unwritten:
            if not self._unwritten:
                self._take_batches()
            self._write(self._unwritten)
            self._budget.freed += self._unwritten_cost
            self._unwritten, self._unwritten_packets, self._unwritten_cost = b"", 0, 0
        self.failing = False

    def _take_batches(self) -> None:
        batches = self._queue[:WRITTEN_BATCHES]
        del self._queue[: len(batches)]
        self._unwritten = b"".join([records for _, records in batches])
        self._unwritten_packets = sum(packets for packets, _ in batches)
        self._unwritten_cost = len(self._unwritten) + len(batches) * BATCH_OVERHEAD

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
