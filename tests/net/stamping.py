"""Time stamps of the kernel take a moment to begin after the first program on a host has asked for them."""

from __future__ import annotations

import select
import socket
import sys
import time
import unittest

from rtpp.net.arrival import STAMP, Arrivals


def arrival(arrivals: Arrivals) -> float:
    """When the datagram that was read last arrived, seconds since 1970."""
    seconds, nanoseconds = STAMP.unpack(arrivals.stamp)
    return float(seconds + nanoseconds * 1e-9)


def ensure_time_stamps(test: unittest.TestCase) -> None:
    """Have the kernel stamp packets until the end of a test."""
    if sys.platform != "linux":
        return
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    test.addCleanup(probe.close)
    probe.bind(("127.0.0.1", 0))
    arrivals = Arrivals()
    read = arrivals.reader(probe)
    end = time.monotonic() + 5
    while time.monotonic() < end:
        probe.sendto(b"probe", probe.getsockname())
        select.select([probe], [], [])
        there = time.time()
        time.sleep(0.01)
        read(100)
        if arrival(arrivals) <= there:
            return
    raise AssertionError("the kernel does not stamp packets")
