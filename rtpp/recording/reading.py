"""What all readers of recordings share: the window they look at a file through, the record, the error.

Plan: a recording is read from front to back through a window of a quarter of a megabyte, so a file of any size
needs the same memory. A reader is an iterable that yields whole records only and raises `RecordingError` where
the file stops making sense; what came before that point was good, and `whole_bytes` says where it is.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import BinaryIO, NamedTuple, Optional

WINDOW_SIZE = 1 << 18  # bytes read at once
LARGEST_PACKET = 1 << 18  # bytes; what claims to be larger is a broken length (the limit that Wireshark has)
BROKEN = "broken or truncated PCAP file"

Address = tuple[str, int]


class RecordingError(ValueError):
    """A recording that cannot be read, or not further than this. The text is shown to the user."""


class Record(NamedTuple):
    """One UDP datagram out of a recording.

    `time` is when it arrived, in seconds since 1970. `offset` is where `payload` begins in the file. `destination`
    is None in formats that do not keep it.
    """

    time: float
    payload: bytes
    offset: int
    source: Address
    destination: Optional[Address]


class Window:
    """The part of a file that a reader looks at: `data`, with `position` at the next byte to read."""

    __slots__ = ("data", "file", "position", "start")

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.data = b""
        self.position = 0
        self.start = 0  # offset in the file of the first byte of `data`

    def ensure(self, count: int) -> bool:
        """Have `count` bytes behind `position`. False at the end of the file; then `data` ends where it does."""
        if len(self.data) - self.position >= count:
            return True
        self.start += self.position
        self.data = self.data[self.position :] + self.file.read(max(WINDOW_SIZE, count))
        self.position = 0
        return len(self.data) >= count

    def skip(self, count: int) -> bool:
        """Step over `count` bytes, however many. False when the file ends before."""
        while count > WINDOW_SIZE:
            if not self.ensure(WINDOW_SIZE):
                return False
            self.position += WINDOW_SIZE
            count -= WINDOW_SIZE
        if not self.ensure(count):
            return False
        self.position += count
        return True

    @property
    def offset(self) -> int:
        """Where in the file `position` is."""
        return self.start + self.position

    @property
    def remaining(self) -> int:
        """Bytes behind `position` that are in memory; all there are, after `ensure` returned False."""
        return len(self.data) - self.position


@lru_cache(maxsize=4096)
def address(packed: bytes, port: int) -> Address:
    """Host (4 or 16 bytes) and port as text and number. Recordings repeat few of them."""
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, packed), port
