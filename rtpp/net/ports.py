"""Port pairs: even port for RTP, the next one for RTCP.

Every pair of the range stands in one list, shuffled at start (or ascending with `-b`), and a cursor goes
round it. A pair is used again only when the cursor comes round, so packets of an ended call do not meet
a new one. Finding the next free slot is one `bytes.find`, at the speed of memchr(3): allocation does not
slow down as the range fills up.

The pair handed out last is never looked at again by the next search. So a range of a single pair gives
nothing, as operators of the C program know it.
"""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Iterator
from typing import Callable, TypeVar

from rtpp.net.addresses import IPV4, IPV6, Address, socket_address
from rtpp.settings import ListenAddress

RECEIVE_BUFFER = 256 * 1024  # bytes, per RTP socket; RTCP does with the system's default
BUSY = (errno.EADDRINUSE, errno.EACCES)  # this pair is not to be had; the next one may be
_NONBLOCK = getattr(socket, "SOCK_NONBLOCK", 0)

Opened = TypeVar("Opened")


class NoPortsError(Exception):
    """No pair of the range can be bound."""


class PortPool:
    """The pairs of one address family. Guarded by `SessionTable.lock`."""

    def __init__(self, first: int, last: int, *, sequential: bool = False) -> None:
        """`first` and `last` are even: the lowest and the highest port that RTP may use."""
        self._ports = list(range(first, last + 1, 2))
        if not sequential:
            random.shuffle(self._ports)
        self._slots = {port: slot for slot, port in enumerate(self._ports)}
        self._used = bytearray(len(self._ports))
        self._next = 0

    @property
    def size(self) -> int:
        """Pairs in the range."""
        return len(self._ports)

    @property
    def free(self) -> int:
        """Pairs that no session holds."""
        return self._used.count(0)

    def take(self, open_pair: Callable[[int], Opened]) -> tuple[int, Opened]:
        """Open the next free pair: returns its even port and what `open_pair(port)` returned.

        A pair that is taken by another program is passed over. Raises NoPortsError when no pair is left,
        OSError when opening fails for another reason.
        """
        start = self._next
        for slot in self._free_slots(start):
            port = self._ports[slot]
            try:
                opened = open_pair(port)
            except OSError as error:
                if error.errno not in BUSY:
                    raise
                continue
            self._used[slot] = 1
            self._next = (slot + 1) % len(self._ports)
            return port, opened
        raise NoPortsError(f"all {len(self._ports)} port pairs of the range are in use")

    def _free_slots(self, start: int) -> Iterator[int]:
        """Free slots from the cursor round to just before the slot used last."""
        last = len(self._ports) - 1
        for low, high in ((start, last if start == 0 else last + 1), (0, start - 1)):
            slot = self._used.find(0, low, max(high, 0))
            while slot >= 0:
                yield slot
                slot = self._used.find(0, slot + 1, max(high, 0))

    def release(self, port: int) -> None:
        """Give back the pair whose even port is `port`; its sockets are closed already."""
        self._used[self._slots[port]] = 0


def bind_pair(address: ListenAddress, port: int, tos: int) -> tuple[socket.socket, socket.socket]:
    """Two non-blocking sockets on `port` and `port + 1`. Raises OSError; then nothing is left open."""
    rtp = _bind(address, port, tos)
    try:
        rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        return rtp, _bind(address, port + 1, tos)
    except OSError:
        rtp.close()
        raise


def _bind(address: ListenAddress, port: int, tos: int) -> socket.socket:
    bound = socket.socket(address.family, socket.SOCK_DGRAM | _NONBLOCK)
    try:
        if not _NONBLOCK:
            bound.setblocking(False)
        if address.family == IPV6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(socket_address(address.host, port, address.family))
        if tos >= 0 and address.family == IPV4:
            set_tos(bound, tos)
    except OSError:
        bound.close()
        raise
    return bound


def set_tos(bound: socket.socket, tos: int) -> None:
    """Type of service of the packets an IPv4 socket sends; a value the kernel refuses changes nothing."""
    try:
        bound.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
    except OSError:
        pass


def connected_twin(bound: socket.socket, remote: Address) -> socket.socket:
    """A second socket on the address of `bound`, connected to `remote`. Raises OSError.

    The kernel delivers to it what comes from `remote`. The permission to share the port is withdrawn at once, or
    another program could take it.
    """
    twin = socket.socket(bound.family, socket.SOCK_DGRAM | _NONBLOCK)
    try:
        if bound.family == IPV6:
            twin.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        else:
            twin.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, bound.getsockopt(socket.IPPROTO_IP, socket.IP_TOS))
        for each in (bound, twin):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        twin.bind(bound.getsockname())
        twin.connect(remote)
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    except OSError:
        twin.close()
        raise
    finally:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    twin.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    return twin
