"""When datagrams arrived, by the kernel's own reading of the clock.

A program that is busy reads late, and a recording must tell how packets came and not how busy the proxy was. The kernel
stamps each datagram as it comes in and hands the time over beside the data (SO_TIMESTAMPNS, Linux). Where it does not,
the time of reading has to do.
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

Receive = Callable[[int], tuple[bytes, Any]]


class Arrivals:
    """`last` is when the datagram that one of the readers took last arrived, in seconds since 1970."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last = 0.0

    def reader(self, bound: socket.socket) -> Receive:
        """Reads a socket as its recvfrom() does."""
        if _SUPPORTED:
            bound.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        recvmsg, unpack = bound.recvmsg, _stamp.unpack

        def recvfrom(size: int) -> tuple[bytes, Any]:
            data, ancillary, _, source = recvmsg(size, _ANCILLARY_BYTES)
            for _, kind, stamp in ancillary:
                if kind == _SO_TIMESTAMPNS:
                    seconds, nanoseconds = unpack(stamp)
                    self.last = seconds + nanoseconds * 1e-9
                    return data, source
            self.last = time()
            return data, source

        return recvfrom
