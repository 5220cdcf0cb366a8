"""Built-in module `acct_rtcp_hep`: sends what RTCP says to a Homer collector, as JSON in HEP over UDP or TCP.

    modules { acct_rtcp_hep { capt_host = 192.0.2.1; capt_port = 9060; capt_ptype = udp; capt_id = 101 } }

Packets are only noted under the table lock; everything else happens on the module's thread. A collector that cannot
be reached, or takes too long, loses what is sent in the meantime, and is tried again after a pause.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Mapping
from typing import Any, Optional

from rtpp.log import GLOBAL
from rtpp.modules.hep import Capture, encode, rtcp_json
from rtpp.modules.interface import Host, Module, Parameter
from rtpp.net.addresses import Address, route_source
from rtpp.net.connections import closed_by_peer
from rtpp.session.session import Session
from rtpp.session.stream import Stream
from rtpp.settings import ListenAddress

CONNECT_SECONDS = 2.0
SEND_SECONDS = 2.0  # for the collector to take what is sent over TCP
PAUSE_SECONDS = 5.0  # before a collector that failed is tried again
MAX_ROUTES = 1000  # local addresses that are remembered


def _number(text: str, lowest: int, highest: int) -> int:
    if re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) is None or not lowest <= int(text) <= highest:
        raise ValueError(f"a whole number from {lowest} to {highest} is needed")
    return int(text)


def _host(text: str) -> str:
    if not text.isprintable() or len(text.split()) != 1:
        raise ValueError("the name or address of a host is needed")
    return text


def _transport(text: str) -> str:
    if text.lower() not in ("udp", "tcp"):
        raise ValueError("udp or tcp is needed")
    return text.lower()


class Collector:
    """A connection to the collector, made when there is something to send. Used by one thread."""

    def __init__(self, host: str, port: int, transport: str) -> None:
        self.lost = 0
        self._host = host
        self._port = port
        self._kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self._name = f"HEP collector {transport}:{host}:{port}"
        self._socket: Optional[socket.socket] = None
        self._silent_until = 0.0  # monotonic seconds
        self._failing = False
        self._failed_at = 0.0

    def send(self, message: bytes) -> None:
        """Send a message or lose it."""
        if time.monotonic() < self._silent_until:
            self.lost += 1
            return
        try:
            if self._socket is not None and self._kind == socket.SOCK_STREAM and closed_by_peer(self._socket):
                self.close()  # it was restarted, or tired of waiting
            if self._socket is None:
                self._socket = self._connect()
            self._socket.sendall(message)
        except (OSError, UnicodeError) as error:
            self._fail(error)
            return
        if self._failing and time.monotonic() >= self._failed_at + PAUSE_SECONDS:  # over UDP every other one "arrives"
            GLOBAL.info("%s: reached again, %d messages are lost", self._name, self.lost)
            self._failing = False

    def _fail(self, error: Exception) -> None:
        self.lost += 1
        if not self._failing:
            GLOBAL.error("%s: %s (logged once, tried again)", self._name, error)
        self._failing = True
        self._failed_at = time.monotonic()
        self.close()
        if self._kind == socket.SOCK_STREAM or not isinstance(error, ConnectionRefusedError):
            self._silent_until = self._failed_at + PAUSE_SECONDS

    def _connect(self) -> socket.socket:
        failure: Exception = OSError("the host has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(self._host, self._port, 0, self._kind):
            made = socket.socket(family, kind, protocol)
            try:
                made.settimeout(CONNECT_SECONDS)
                made.connect(address)
                made.settimeout(SEND_SECONDS)
                return made
            except OSError as error:
                made.close()
                failure = error
        raise failure

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def end(self) -> None:
        """There is nothing more to send."""
        self.close()
        if self.lost:
            GLOBAL.warning("%s: %d messages were lost in all", self._name, self.lost)


class AcctRtcpHep(Module):
    id = 2
    needs_configuration = True
    parameters = {
        "capt_host": Parameter(_host, "10.0.0.1"),
        "capt_port": Parameter(lambda text: _number(text, 1, 65535), 9060),
        "capt_ptype": Parameter(_transport, "udp"),
        "capt_id": Parameter(lambda text: _number(text, 0, 2**32 - 1), 101),
    }

    def __init__(self, host: Host, values: Mapping[str, Any]) -> None:
        super().__init__(host, values)
        self._collector = Collector(values["capt_host"], values["capt_port"], values["capt_ptype"])
        self._routes: dict[str, str] = {}  # our address towards a host, for wildcard listeners

    def stop(self) -> None:
        self._collector.end()

    def session_created(self, session: Session) -> None:
        for leg in session.legs:
            self.host.watch(leg.rtcp, self._see)

    def _see(self, stream: Stream, data: bytes, source: Address, now: float) -> None:
        leg = stream.leg
        self.host.later(self._report, data, time.time(), source, leg.address, stream.port, leg.session.call_id)

    def _report(self, data: bytes, seen: float, source: Address, listener: ListenAddress, port: int,
                call_id: str) -> None:
        payload = rtcp_json(data)
        if payload is None:
            return
        destination = (self._local(source, listener), port)
        capture = Capture(data, seen, source, destination, call_id)
        self._collector.send(encode(capture, payload, self.values["capt_id"]))

    def _local(self, source: Address, listener: ListenAddress) -> str:
        """Our end: for a wildcard listener the address that packets to the party leave from."""
        if not listener.is_wildcard:
            return listener.host
        host = source[0]
        if host not in self._routes:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            try:
                self._routes[host] = route_source(host, listener.family)
            except OSError:
                self._routes[host] = listener.host
        return self._routes[host]
