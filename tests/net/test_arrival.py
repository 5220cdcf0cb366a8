"""Times of arrival, from the kernel where it tells them."""

from __future__ import annotations

import select
import socket
import sys
import time
import unittest
from unittest import mock

from rtpp.net import arrival as arrival_module
from rtpp.net.arrival import Arrivals
from tests.net.stamping import arrival, ensure_time_stamps

PAUSE = 0.05  # seconds that a datagram waits to be read
ROUNDING = 1e-6  # seconds


class ArrivalsTest(unittest.TestCase):
    def pair(self, host: str = "127.0.0.1") -> tuple[socket.socket, socket.socket]:
        """Two sockets; the second is the one that receives."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sockets = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
        for each in sockets:
            self.addCleanup(each.close)
            each.bind((host, 0))
        return sockets

    def send(self, sender: socket.socket, receiver: socket.socket) -> float:
        """When the datagram was there."""
        sender.sendto(b"hello", receiver.getsockname())
        select.select([receiver], [], [])
        there = time.time()
        time.sleep(PAUSE)
        return there

    def test_data_and_source(self) -> None:
        for host in ("127.0.0.1", "::1"):
            with self.subTest(host=host):
                sender, receiver = self.pair(host)
                arrivals = Arrivals()
                self.send(sender, receiver)
                self.assertEqual(arrivals.reader_from(receiver)(9000), (b"hello", sender.getsockname()))
                self.send(sender, receiver)
                self.assertEqual(arrivals.reader(receiver)(2), b"he")

    @unittest.skipUnless(sys.platform == "linux", "only Linux is asked for times")
    def test_the_time_is_that_of_arrival(self) -> None:
        ensure_time_stamps(self)
        sender, receiver = self.pair()
        arrivals = Arrivals()
        for read in (arrivals.reader(receiver), arrivals.reader_from(receiver)):
            before = time.time()
            there = self.send(sender, receiver)
            read(9000)
            arrived = arrival(arrivals)
            self.assertTrue(before - ROUNDING <= arrived <= there + ROUNDING, (before, arrived, there))

    def test_without_the_kernels_help_it_is_the_time_of_reading(self) -> None:
        sender, receiver = self.pair()
        arrivals = Arrivals()
        with mock.patch.object(arrival_module, "ioctl", side_effect=OSError(25, "no such request")):
            for read in (arrivals.reader(receiver), arrivals.reader_from(receiver)):
                self.send(sender, receiver)
                before = time.time()
                read(9000)
                self.assertTrue(before - ROUNDING <= arrival(arrivals) <= time.time() + ROUNDING)

    def test_now(self) -> None:
        arrivals = Arrivals()
        before = time.time()
        arrivals.stamp_now()
        self.assertTrue(before - ROUNDING <= arrival(arrivals) <= time.time() + ROUNDING)

    def test_nothing_to_read(self) -> None:
        _, receiver = self.pair()
        receiver.setblocking(False)
        with self.assertRaises(BlockingIOError):
            Arrivals().reader(receiver)(9000)


if __name__ == "__main__":
    unittest.main()
