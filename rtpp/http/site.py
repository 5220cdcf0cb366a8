"""What is at which path, and who may ask for it."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Generator
from typing import Callable

from rtpp.http import page, response
from rtpp.http.metrics import OPENMETRICS_TYPE, PROMETHEUS_TYPE, Metrics
from rtpp.http.parts import Parts
from rtpp.http.request import HttpError, Request
from rtpp.http.response import HTML, JSON, Response
from rtpp.http.server import Answer, Server
from rtpp.http.sessions import Selection, Sessions, encode
from rtpp.http.status import Status
from rtpp.http.view import show
from rtpp.http.watch import Watch
from rtpp.log import GLOBAL

CACHE_SECONDS = 1.0  # for which the same answer is given again


class ProxySite:
    """The status page, its JSON, and metrics. `local_only`: the server listens on a loopback address.

    A page of some other site may be looked at by a browser on this host, and have its name resolve to 127.0.0.1 (DNS
    rebinding). So requests to a loopback address must name it, or localhost.
    """

    def __init__(self, parts: Parts, local_only: bool) -> None:
        self._local_only = local_only
        self._watch = Watch(parts.table)
        self._sessions = Sessions(self._watch)
        self._status = Status(parts, self._watch)
        self._metrics = Metrics(parts, self._watch)
        self._cache: dict[object, tuple[float, Response]] = {}
        self._page = Response(200, HTML, page.BYTES, page.POLICY)
        self._routes: dict[str, Callable[[Request], Answer]] = {
            "/": lambda request: self._page,
            "/metrics": self._show_metrics,
            "/healthz": self._show_health,
            "/status": self._show_status,
            "/sessions": self._list_sessions,
        }

    def due(self) -> float:
        return self._watch.due()

    def work(self, now: float) -> None:
        self._watch.step(now)

    def answer(self, request: Request) -> Answer:
        """Raises HttpError, or does so while the answer is worked on."""
        if self._local_only and not _is_local_name(request.host):
            raise HttpError(421, f"this server answers to localhost only, not to {request.host or 'no name'}")
        found = self._routes.get(request.path)
        if found is not None:
            return found(request)
        if request.path.startswith("/sessions/"):
            return self._show_session(request.path[len("/sessions/") :])
        raise HttpError(404, "there is: / /metrics /healthz /status /sessions /sessions/ID")

    def _cached(self, key: object, make: Callable[[], Response]) -> Response:
        """The answer made less than a second ago, or a new one."""
        now = time.monotonic()
        known = self._cache.get(key)
        if known is None or now - known[0] >= CACHE_SECONDS:
            known = now, make()
            self._keep(key, known)
        return known[1]

    def _keep(self, key: object, made: tuple[float, Response]) -> None:
        self._cache = {each: known for each, known in self._cache.items() if made[0] - known[0] < CACHE_SECONDS}
        self._cache[key] = made

    def _show_metrics(self, request: Request) -> Answer:
        openmetrics = "application/openmetrics-text" in request.fields.get("accept", "")
        kind = OPENMETRICS_TYPE if openmetrics else PROMETHEUS_TYPE
        return self._cached(kind, lambda: Response(200, kind, self._metrics.text(openmetrics)))

    def _show_status(self, request: Request) -> Answer:
        self._watch.note_interest()
        return self._cached("/status", lambda: Response(200, JSON, self._status.json()))

    def _show_health(self, request: Request) -> Answer:
        complaint = self._status.complaint()
        return response.text(503, complaint) if complaint else response.text(200, "ok")

    def _list_sessions(self, request: Request) -> Answer:
        try:
            selection = Selection.from_query(request.query)
        except HttpError as error:
            return _json_error(error)
        known = self._cache.get(selection)
        if known is not None and time.monotonic() - known[0] < CACHE_SECONDS:
            return known[1]
        return self._make_list(selection)

    def _make_list(self, selection: Selection) -> Generator[None, None, Response]:
        body = yield from self._sessions.page(selection)
        made = Response(200, JSON, body)
        self._keep(selection, (time.monotonic(), made))
        return made

    def _show_session(self, number: str) -> Answer:
        body = self._sessions.one(int(number)) if number.isascii() and number.isdigit() and len(number) < 18 else None
        if body is None:
            return _json_error(HttpError(404, f"no session {number[:40]} stands or has ended lately"))
        return Response(200, JSON, body)


def _json_error(error: HttpError) -> Response:
    return Response(error.status, JSON, encode({"error": error.text}) + b"\n")


def make_server(listener: socket.socket, parts: Parts) -> Server:
    """The server for a listening socket."""
    host, port = listener.getsockname()[:2]
    local = ipaddress.ip_address(host).is_loopback
    if not local:
        GLOBAL.warning("whoever reaches %s can look at all calls, there is no password: keep it behind a firewall",
                       show((host, port)))
    GLOBAL.info("status page at http://%s/", show((host, port)))
    return Server(listener, ProxySite(parts, local))


def _is_local_name(host: str) -> bool:
    if host in ("localhost", ""):  # none at all: HTTP/1.0, which no browser speaks
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
