"""The program: command line in, exit status out."""

from __future__ import annotations

import signal
import sys
import time

from rtpp import cli, log
from rtpp.control.endpoints import open_endpoint
from rtpp.errors import StartError
from rtpp.proxy import Proxy


def main() -> None:
    try:
        settings = cli.parse(sys.argv[1:])
        endpoints = [open_endpoint(t) for t in settings.control_sockets]
        log.start(settings.log_level or "DBUG", to_stderr=True, facility=None)
        proxy = Proxy(settings, endpoints)
        proxy.start()
    except StartError as error:
        sys.exit(f"rtpproxy: {error}")
    stop = []
    signal.signal(signal.SIGTERM, lambda *a: stop.append(1))
    while not stop:
        time.sleep(0.1)
    proxy.stop()


if __name__ == "__main__":
    main()
