"""Whether a peer has hung up, whatever it has written before."""

from __future__ import annotations

import select
import socket
import unittest

from rtpp.net.connections import MAX_READS, closed_by_peer


class ClosedTest(unittest.TestCase):
    def pair(self) -> tuple[socket.socket, socket.socket]:
        """Our end of a TCP connection and the peer's."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = socket.create_connection(server.getsockname())
            peer, _ = server.accept()
        self.addCleanup(ours.close)
        self.addCleanup(peer.close)
        ours.settimeout(5.0)
        return ours, peer

    def wait_for_news(self, ours: socket.socket) -> None:
        self.assertTrue(select.select([ours], [], [], 5.0)[0])

    def test_open(self) -> None:
        ours, peer = self.pair()
        self.assertFalse(closed_by_peer(ours))
        self.assertEqual(ours.gettimeout(), 5.0)
        peer.sendall(b"thank you")
        self.wait_for_news(ours)
        self.assertFalse(closed_by_peer(ours))
        self.assertEqual(select.select([ours], [], [], 0)[0], [], "what it said was read")

    def test_closed(self) -> None:
        ours, peer = self.pair()
        peer.sendall(b"good bye")
        peer.close()
        self.wait_for_news(ours)
        self.assertTrue(closed_by_peer(ours))

    def test_reset(self) -> None:
        ours, peer = self.pair()
        ours.sendall(b"never read")
        select.select([peer], [], [], 5.0)
        peer.close()
        self.wait_for_news(ours)
        self.assertTrue(closed_by_peer(ours))

    def test_a_peer_that_writes_and_writes(self) -> None:
        """It is read a little at a time: nobody can keep us here."""
        ours, peer = socket.socketpair()
        with ours, peer:
            peer.sendall(bytes(4096 * (MAX_READS + 2)))
            self.assertFalse(closed_by_peer(ours))
            self.assertEqual(len(ours.recv(1 << 20)), 2 * 4096)


if __name__ == "__main__":
    unittest.main()
