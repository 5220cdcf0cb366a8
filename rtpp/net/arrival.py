"""When datagrams arrived, by the kernel's own reading of the clock.

A program that is busy, or waits for a processor, reads late, and a recording must tell how packets came and not how
busy the host was. The kernel notes when each datagram came in, and tells it of the one that was read last
(SIOCGSTAMPNS, Linux): that costs half of having it handed over with the data. Where it does not, the time of reading
has to do.
"""

from __future__ import annotations

import socket
import sys
from struct import Struct
from time import time_ns
from typing import Any, Callable

if sys.platform == "linux":
    from fcntl import ioctl
else:

    def ioctl(descriptor: int, request: int, stamp: bytearray) -> None:
        raise OSError("only Linux is asked for times")


STAMP = Struct("@ll")  # seconds since 1970 and nanoseconds, as the kernel writes them
_SIOCGSTAMPNS = 0x8907  # on the usual machines; where it is the number of something else, no times come
_NANOSECONDS = 1_000_000_000


class Arrivals:
    """`stamp` is when the datagram that a reader took last arrived: a STAMP, written anew for each."""

    __slots__ = ("stamp",)

    def __init__(self) -> None:
        self.stamp = bytearray(STAMP.size)

    def stamp_now(self) -> None:
        """For a datagram that was made here."""
        STAMP.pack_into(self.stamp, 0, *divmod(time_ns(), _NANOSECONDS))

    def reader(self, bound: socket.socket) -> Callable[[int], bytes]:
        """Reads a socket as its recv() does."""
        return self._stamping(bound, bound.recv)

    def reader_from(self, bound: socket.socket) -> Callable[[int], tuple[bytes, Any]]:
        """Reads a socket as its recvfrom() does."""
        return self._stamping(bound, bound.recvfrom)

    def _stamping(self, bound: socket.socket, read: Callable[[int], Any]) -> Callable[[int], Any]:
        descriptor, stamp = bound.fileno(), self.stamp
        try:
            ioctl(descriptor, _SIOCGSTAMPNS, stamp)  # of none, but the kernel notes them from now on
        except OSError:
            pass

        def read_and_stamp(size: int) -> Any:
            datagram = read(size)
            try:
                ioctl(descriptor, _SIOCGSTAMPNS, stamp)
            except OSError:
                self.stamp_now()
            return datagram

        return read_and_stamp
