"""The C engine in a process of its own: `engine.py FD PORT_MIN PORT_MAX`.

Sends the engine's control socket over the connected local socket FD and serves until that is closed.
Run with the interpreter of .venv, where the `rtp-io` wheel is.
"""

from __future__ import annotations

import socket
import sys

from rtp.io import rtpproxy  # type: ignore[import-untyped]


def main() -> None:
    link = socket.socket(fileno=int(sys.argv[1]))
    engine = rtpproxy(ttl=60, setup_ttl=60, port_min=int(sys.argv[2]), port_max=int(sys.argv[3]))
    socket.send_fds(link, [b"\0"], [engine.rtpp_sock.fileno()])
    link.recv(1)


if __name__ == "__main__":
    main()
