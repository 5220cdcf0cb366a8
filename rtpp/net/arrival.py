"""When datagrams arrived, by the kernel's own reading of the clock.

A program that is busy, or waits for a processor, reads late, and a recording must tell how packets came and not how
busy the host was. The kernel stamps each datagram as it comes in and hands the time over beside the data
(SO_TIMESTAMPNS, Linux). Where it does not, the time of reading has to do.
"""

from __future__ import annotations

import socket
import sys
from struct import Struct
from time import time
from typing import Any, Callable

_SO_TIMESTAMPNS = 35  # on the usual machines; where it is the number of something else, no times come
_SUPPORTED = sys.platform == "linux"
_stamp = Struct("@ll")  # seconds, nanoseconds
_ANCILLARY_BYTES = socket.CMSG_SPACE(_stamp.size) if _SUPPORTED else 0


class Arrivals:
    """`last` is when the datagram that a reader took last arrived, in seconds since 1970, `source` where from."""

    __slots__ = ("last", "source")

    def __init__(self) -> None:
        self.last = 0.0
        self.source: Any = None

    def reader(self, bound: socket.socket) -> Callable[[int], bytes]:
        """Reads a socket as its recv() does."""
        if _SUPPORTED:
            bound.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        recvmsg, unpack = bound.recvmsg, _stamp.unpack

        def recv(size: int) -> bytes:
            data, ancillary, _, self.source = recvmsg(size, _ANCILLARY_BYTES)
            if ancillary and ancillary[0][1] == _SO_TIMESTAMPNS:
                seconds, nanoseconds = unpack(ancillary[0][2])
                self.last = seconds + nanoseconds * 1e-9
            else:
                self.last = time()
            return data

        return recv

    def reader_from(self, bound: socket.socket) -> Callable[[int], tuple[bytes, Any]]:
        """Reads a socket as its recvfrom() does."""
        recv = self.reader(bound)
        return lambda size: (recv(size), self.source)
