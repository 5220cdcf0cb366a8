"""Program: run the C engine of the `rtp-io` wheel and hand its sockets to whoever started us.

    python oracle_engine.py FD PORT_MIN PORT_MAX TTL SETUP_TTL

The engine lives in this process (it keeps global state, so one process per engine). Its control socket
and its notification socket go to the parent over the inherited unix socket FD; the text that goes with
them is the notification target's name as commands must spell it. The engine ends when the parent
closes FD.
"""

from __future__ import annotations

import os
import socket
import sys

from rtp.io import rtpproxy


def main() -> None:
    link_fd, port_min, port_max, ttl, setup_ttl = (int(word) for word in sys.argv[1:])
    link = socket.socket(fileno=link_fd)
    engine = rtpproxy(ttl=ttl, setup_ttl=setup_ttl, port_min=port_min, port_max=port_max)
    sockets = [engine.rtpp_sock.fileno(), engine.rtpp_nsock.fileno()]
    socket.send_fds(link, [engine.rtpp_nsock_spec.encode()], sockets)
    link.recv(1)
    os._exit(0)  # the engine's own shutdown waits for its threads and prints; nothing here needs it


if __name__ == "__main__":
    main()
