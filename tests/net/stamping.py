"""Time stamps of the kernel take a moment to begin after the first program on a host has asked for them."""

from __future__ import annotations

import select
import socket
import sys
import time
import unittest

from rtpp.net.arrival import Arrivals


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
        if arrivals.last <= there:
            return
    raise AssertionError("the kernel does not stamp packets")
