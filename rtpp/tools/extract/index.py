"""The packets of a channel in playing order, without their payloads.

Plan: a packet takes 30 bytes here and its payload stays in the file it was read from. Entries lie in chunks of
about a thousand; new ones nearly always go behind the last, and a late one is put in place inside one chunk. The
chunks of all channels share a store that keeps the latest used ones in memory, 18 MB at most, and the others in a
temporary file without a name. So a recording of any length needs the same memory.

What is earlier than what: a packet goes behind the last one that has a smaller timestamp or a smaller sequence
number. Timestamps are extended beyond 32 bits when they come in, so that they may wrap; sequence numbers wrap every
20 minutes and are only told apart by their neighbours. To find a place from the end, whole chunks are passed over
by their smallest numbers.
"""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO, NamedTuple, Optional

CHUNK_PACKETS = 1024
CHUNKS_IN_MEMORY = 600  # about 18 MB

# time, offset and size of the payload, timestamp, sequence number, payload type, file
_ENTRY = Struct("<dQHqHBB")
_ORDER_KEYS = Struct("<qH")  # timestamp and sequence number alone
_KEYS_OFFSET = 18


_ALL = (1 << 32) - 1
_HALF = 1 << 31


class Entry(NamedTuple):
    """One packet. `time` is in seconds since 1970; `file` is the number that `insert` was given."""

    time: float
    offset: int
    size: int
    timestamp: int  # its low 32 bits are what the packet said
    sequence_number: int
    payload_type: int
    file: int


class _Chunk:
    """Entries one behind the other, in memory or at `place` in the store's file."""

    __slots__ = ("changed", "entries", "least_number", "least_timestamp", "place", "size")

    def __init__(self) -> None:
        self.entries: Optional[bytearray] = bytearray()  # None: in the file
        self.place = 0
        self.size = 0  # bytes, when in the file
        self.changed = True  # since it was written
        self.least_timestamp = 1 << 62
        self.least_number = 1 << 16


class ChunkStore:
    """The chunks of all channels."""

    def __init__(self, chunks_in_memory: int = CHUNKS_IN_MEMORY) -> None:
        self._limit = chunks_in_memory
        self._loaded: OrderedDict[_Chunk, None] = OrderedDict()
        self._file: Optional[BinaryIO] = None
        self._end = 0

    def add(self) -> _Chunk:
        """A new chunk, in memory."""
        chunk = _Chunk()
        self._keep(chunk)
        return chunk

    def load(self, chunk: _Chunk) -> bytearray:
        """Its entries. They stay in memory until as many others as fit were used."""
        if chunk.entries is None:
            assert self._file is not None  # it was written there
            self._file.seek(chunk.place)
            chunk.entries = bytearray(self._file.read(chunk.size))
        self._keep(chunk)
        return chunk.entries

    def close(self) -> None:
        """Forget everything."""
        self._loaded.clear()
        if self._file is not None:
            self._file.close()

    def _keep(self, chunk: _Chunk) -> None:
        self._loaded[chunk] = None
        self._loaded.move_to_end(chunk)
        if len(self._loaded) > self._limit:
            self._write(self._loaded.popitem(last=False)[0])

    def _write(self, chunk: _Chunk) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the store)
        entries = chunk.entries
        chunk.entries = None
        if chunk.changed and entries is not None:
            chunk.place, chunk.size, chunk.changed = self._end, len(entries), False
            self._file.seek(self._end)
            self._file.write(entries)
            self._end += len(entries)


class PacketIndex:
    """The packets of one channel."""

    __slots__ = ("_chunks", "_last_number", "_last_timestamp", "_latest_timestamp", "_store", "count")

    def __init__(self, store: ChunkStore) -> None:
        self._store = store
        self._chunks: list[_Chunk] = []
        self._last_timestamp = self._last_number = -1  # in playing order
        self._latest_timestamp = -1  # in order of insertion
        self.count = 0

    def insert(
        self, time: float, offset: int, size: int, timestamp: int, number: int, payload_type: int, file: int
    ) -> bool:
        """Put a packet in its place. False when its sequence number is there already: a duplicate."""
        if number == self._last_number:
            return False
        if self._latest_timestamp >= 0:
            timestamp = self._latest_timestamp + ((timestamp - self._latest_timestamp + _HALF & _ALL) - _HALF)
        else:
            timestamp += 1 << 32
        self._latest_timestamp = timestamp
        entry = _ENTRY.pack(time, offset, size, timestamp, number, payload_type, file)
        if self._last_timestamp >= timestamp and self._last_number >= number:
            return self._insert_late(entry, timestamp, number)
        chunk = self._chunks[-1] if self._chunks else None
        if chunk is None or chunk.entries is None or len(chunk.entries) >= CHUNK_PACKETS * _ENTRY.size:
            chunk = self._store.add()
            self._chunks.append(chunk)
        assert chunk.entries is not None  # looked at above
        chunk.entries += entry
        chunk.changed = True
        self._last_timestamp, self._last_number = timestamp, number
        if timestamp < chunk.least_timestamp:
            chunk.least_timestamp = timestamp
        if number < chunk.least_number:
            chunk.least_number = number
        self.count += 1
        return True

    def _insert_late(self, entry: bytes, timestamp: int, number: int) -> bool:
        for position in range(len(self._chunks) - 1, -1, -1):
            chunk = self._chunks[position]
            if chunk.least_timestamp >= timestamp and chunk.least_number > number:
                continue
            entries = self._store.load(chunk)
            for offset in range(len(entries) - _ENTRY.size, -1, -_ENTRY.size):
                other_timestamp, other_number = _ORDER_KEYS.unpack_from(entries, offset + _KEYS_OFFSET)
                if other_number == number:
                    return False
                if other_timestamp < timestamp or other_number < number:
                    self._put(position, offset + _ENTRY.size, entry, timestamp, number)
                    return True
        self._put(0, 0, entry, timestamp, number)
        return True

    def _put(self, position: int, offset: int, entry: bytes, timestamp: int, number: int) -> None:
        """Into a chunk, which becomes two when it grows too large."""
        chunk = self._chunks[position]
        entries = self._store.load(chunk)
        entries[offset:offset] = entry
        self.count += 1
        chunk.changed = True
        chunk.least_timestamp = min(chunk.least_timestamp, timestamp)
        chunk.least_number = min(chunk.least_number, number)
        if len(entries) > 2 * CHUNK_PACKETS * _ENTRY.size:
            half = CHUNK_PACKETS * _ENTRY.size
            second = self._store.add()
            second.entries = entries[half:]
            del entries[half:]
            _measure(chunk)
            _measure(second)
            self._chunks.insert(position + 1, second)

    def time_span(self) -> tuple[float, float]:
        """When the first and the last packet in playing order arrived. Not for an empty index."""
        first, last = self._store.load(self._chunks[0]), self._store.load(self._chunks[-1])
        return _ENTRY.unpack_from(first)[0], _ENTRY.unpack_from(last, len(last) - _ENTRY.size)[0]

    def __iter__(self) -> Iterator[Entry]:
        for chunk in self._chunks:
            yield from map(Entry._make, _ENTRY.iter_unpack(bytes(self._store.load(chunk))))


def _measure(chunk: _Chunk) -> None:
    """Set the smallest numbers of a chunk in memory anew."""
    assert chunk.entries is not None  # the caller has just used them
    fields = list(_ENTRY.iter_unpack(chunk.entries))
    chunk.least_timestamp = min(field[3] for field in fields)
    chunk.least_number = min(field[4] for field in fields)
