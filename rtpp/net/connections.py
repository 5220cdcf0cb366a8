"""Connections to which we only write."""

from __future__ import annotations

import socket

MAX_READS = 16  # at a time; a peer that writes without end must not keep us reading


def closed_by_peer(connection: socket.socket) -> bool:
    """Whether the peer has hung up. What it wrote to us is read and thrown away."""
    timeout = connection.gettimeout()
    connection.setblocking(False)
    try:
        return not all(connection.recv(4096) for _ in range(MAX_READS))
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(timeout)
