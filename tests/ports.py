"""Ports for what a test starts: each process that runs tests has a share of its own, so that those side by side never
choose the same one. All are below those that the kernel hands out by itself."""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import socket
import tempfile
from typing import IO, Optional

FIRST, SHARE, SHARES = 2048, 2400, 12
SINGLE = 60  # of a share, at its end: for sockets that listen, apart from the ranges for media


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


HAS_IPV6 = _has_ipv6()  # this host can bind the IPv6 loopback address


def _take_share() -> tuple[int, Optional[IO[str]]]:
    """The first port of this process's own share, and the lock on it."""
    for share in range(SHARES):
        try:
            lock = open(f"{tempfile.gettempdir()}/rtpproxy-tests-{share}.lock", "a", encoding="ascii")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        return FIRST + share * SHARE, lock
    return FIRST + os.getpid() % SHARES * SHARE, None


_first, _lock = _take_share()
_singles = itertools.cycle(range(_first + SHARE - SINGLE, _first + SHARE))


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A port for a socket that listens, free on every address. It comes again after all others of the share."""
    for port in itertools.islice(_singles, SINGLE):
        if _is_free(port, kind):
            return port
    raise AssertionError("no free port")


def free_ports(count: int) -> int:
    """An even port from which `count` UDP ports are free."""
    for _ in range(1000):
        first = random.randrange(_first, _first + SHARE - SINGLE - count, 2)
        if all(_is_free(port, socket.SOCK_DGRAM) for port in range(first, first + count)):
            return first
    raise AssertionError(f"no {count} free ports in a row")


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family, kind) as probe:
                if kind == socket.SOCK_STREAM:  # as servers do: what lingers of old connections does not matter
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError:
            if family == socket.AF_INET or HAS_IPV6:
                return False
    return True
