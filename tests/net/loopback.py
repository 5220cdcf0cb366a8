"""What tests with real sockets need to know about this machine's loopback interface."""

from __future__ import annotations

import random
import socket


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


HAS_IPV6 = _has_ipv6()


def free_pairs(count: int) -> int:
    """An even port from which on `count` pairs of UDP ports are free on every address, of IPv4 and of IPv6.

    Below the range of which the kernel hands out ports, so that they stay free unless another test picks the same.
    """
    while True:
        first = random.randrange(10000, 30000, 2)
        if all(_is_free(port) for port in range(first, first + 2 * count)):
            return first


def _is_free(port: int) -> bool:
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        if family == socket.AF_INET6 and not HAS_IPV6:
            continue
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True
