"""The program: from the command line to the exit status."""

from __future__ import annotations

import os
import resource
import socket
import sys
from typing import NoReturn, Optional

from rtpp import cli, daemon, log
from rtpp.advice import ControlSocket, advice
from rtpp.control.endpoints import Endpoint, open_endpoint
from rtpp.errors import StartError
from rtpp.log import GLOBAL, LogWriter
from rtpp.proxy import Proxy
from rtpp.servicemanager import ServiceManager
from rtpp.settings import Settings
from rtpp.signals import Request, SignalWatch


def main() -> NoReturn:
    """Run `rtpproxy` with the arguments of this process."""
    daemon.open_standard_descriptors()
    try:
        run(cli.parse(sys.argv[1:]))
    except StartError as error:
        sys.exit(f"rtpproxy: {error}")
    sys.exit(0)


def run(settings: Settings) -> None:
    """Serve until a signal ends it. Raises StartError."""
    daemon.set_open_files(settings)
    daemon.raise_core_limit()
    endpoints = _open_endpoints(settings)
    http = _open_http(settings)
    ready = daemon.background(settings)
    watch = SignalWatch()
    watch.start()
    writer = _start_log(settings)
    try:
        proxy = _build(settings, endpoints, http, watch)
        pid_file = daemon.PidFile(settings.pid_file)
        daemon.set_scheduling(settings)
        daemon.set_nice(settings)
        pid_file.open()
        daemon.drop_privileges(settings)
        proxy.start()
        pid_file.write()
        ready.ready()
        _advise(settings, endpoints)
        manager = ServiceManager(os.environ, proxy.table)
        manager.ready()
        GLOBAL.info("rtpproxy is serving")
        while watch.wait() is Request.DRAIN:
            proxy.drain()
            manager.draining()
        manager.stopping()
        proxy.stop()
        pid_file.remove()
        GLOBAL.info("rtpproxy has ended")
    except StartError:
        raise
    except Exception:
        GLOBAL.exception("unexpected error, rtpproxy ends")
        writer.close()
        os._exit(1)  # without the main thread the others would go on, deaf to signals
    finally:
        writer.close()


def _open_endpoints(settings: Settings) -> list[Endpoint]:
    endpoints = []
    for text in settings.control_sockets:
        endpoint = open_endpoint(text, resolve_names=settings.resolve_names)
        if endpoint.path:
            daemon.hand_over_socket(settings, endpoint.path)
        endpoints.append(endpoint)
    return endpoints


def _open_http(settings: Settings) -> Optional[socket.socket]:
    if settings.http is None:
        return None
    from rtpp.http.server import listen  # a start without --http does not pay for what it imports

    return listen(*settings.http, resolve_names=settings.resolve_names)


def _build(settings: Settings, endpoints: list[Endpoint], http: Optional[socket.socket], watch: SignalWatch) -> Proxy:
    try:
        return Proxy(settings, endpoints, on_drained=lambda: watch.request(Request.END), http=http)
    except OSError as error:
        raise StartError(f"cannot open what every proxy needs: {error}")


def _advise(settings: Settings, endpoints: list[Endpoint]) -> None:
    """Say which settings are likely to be wrong on this host."""
    control = [ControlSocket(endpoint.text, endpoint.socket.getsockname()[0]) for endpoint in endpoints
               if endpoint.socket is not None and endpoint.socket.family in (socket.AF_INET, socket.AF_INET6)]
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    for level, text in advice(settings, control, 0 if limit == resource.RLIM_INFINITY else limit):
        GLOBAL.log(level, "%s", text)


def _start_log(settings: Settings) -> LogWriter:
    level = settings.log_level or ("DBUG" if settings.foreground else "WARN")
    return log.start(level, to_stderr=settings.foreground or not settings.redirect,
                     facility=None if settings.foreground else settings.log_facility)


if __name__ == "__main__":
    main()
