"""When datagrams arrived: a recording must tell how packets came and not how busy the proxy was.

The kernel stamps each datagram as it comes in and hands the time over beside the data (SO_TIMESTAMPNS, Linux), but
reading it costs more than all else that recording a packet takes. A relay loop that waits for packets most of the time
knows it nearly as well: what is there when its wait ends has just arrived. So the kernel is asked only when the round
before took so long that packets may have waited meanwhile. Where the kernel does not tell, the time of reading has to
do.
"""

from __future__ import annotations

import socket
import sys
from struct import Struct
from time import monotonic, time
from typing import Any, Callable

PUNCTUAL = 0.0005  # seconds that a time of arrival may be off

_SO_TIMESTAMPNS = 35  # on the usual machines; where it is the number of something else, no times come
_SUPPORTED = sys.platform == "linux"
_stamp = Struct("@ll")  # seconds, nanoseconds
_ANCILLARY_BYTES = socket.CMSG_SPACE(_stamp.size) if _SUPPORTED else 0

_Ancillary = list[tuple[int, int, bytes]]


class Round:
    """The present round of the relay loop: when its wait for packets ended, in monotonic seconds, and whether packets
    may have been there for longer than PUNCTUAL by then."""

    __slots__ = ("began", "late")

    def __init__(self) -> None:
        self.began = 0.0
        self.late = True


class Arrivals:
    """`last` is when the datagram that a reader took last arrived, in seconds since 1970."""

    __slots__ = ("_round", "last")

    def __init__(self, round_: Round) -> None:
        self._round = round_
        self.last = 0.0

    def reader(self, bound: socket.socket) -> Callable[[int], bytes]:
        """Reads a socket as its recv() does. For the relay loop, in a round."""
        _have_stamps(bound)
        recv, recvmsg, now = bound.recv, bound.recvmsg, self._round

        def read(size: int) -> bytes:
            if now.late:
                data, ancillary, _, _ = recvmsg(size, _ANCILLARY_BYTES)
                self._note(ancillary)
                return data
            data = recv(size)
            self.last = time() - monotonic() + now.began
            return data

        return read

    def reader_from(self, bound: socket.socket) -> Callable[[int], tuple[bytes, Any]]:
        """Reads a socket as its recvfrom() does, at any time."""
        _have_stamps(bound)
        recvmsg = bound.recvmsg

        def read(size: int) -> tuple[bytes, Any]:
            data, ancillary, _, source = recvmsg(size, _ANCILLARY_BYTES)
            self._note(ancillary)
            return data, source

        return read

    def _note(self, ancillary: _Ancillary) -> None:
        if ancillary and ancillary[0][1] == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _stamp.unpack(ancillary[0][2])
            self.last = seconds + nanoseconds * 1e-9
        else:
            self.last = time()


def _have_stamps(bound: socket.socket) -> None:
    if _SUPPORTED:
        bound.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
