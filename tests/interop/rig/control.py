"""Clients of the proxy's control sockets, one class per framing, all with `command(text) -> reply`.

A reply comes without its newline. Commands are sent the way SIP servers do it: one datagram or one
write, no newline on datagrams and one-shot sockets, and a one-shot client keeps its side open.
"""

from __future__ import annotations

import itertools
import socket
from typing import Any, Union

from tests.interop.rig.tools import family_of

Address = Union[tuple[str, int], str]
_cookies = itertools.count(1)


class ControlError(Exception):
    """The daemon broke the rules of the transport."""


class DatagramClient:
    """udp, udp6: a cookie in front of each command and reply."""

    def __init__(self, address: tuple[str, int], timeout: float = 5.0) -> None:
        self.socket = socket.socket(family_of(address[0]), socket.SOCK_DGRAM)
        self.socket.settimeout(timeout)
        self.socket.connect(address)

    def command(self, text: str) -> str:
        cookie = f"{id(self):x}_{next(_cookies)}"
        self.socket.send(f"{cookie} {text}".encode("latin-1"))
        while True:
            reply = self.socket.recv(65536).decode("latin-1")
            if reply.startswith(cookie + " "):
                return one_reply(reply[len(cookie) + 1 :])

    def close(self) -> None:
        self.socket.close()


class OneShotClient:
    """unix: one connection, one command without newline, one reply."""

    def __init__(self, address: str, timeout: float = 5.0) -> None:
        self.address, self.timeout = address, timeout

    def command(self, text: str) -> str:
        with connect(self.address, self.timeout) as link:
            link.sendall(text.encode("latin-1"))
            reply = link.recv(65536)
            if link.recv(100):
                raise ControlError("more than one segment, or no close, after the reply")
        return one_reply(reply.decode("latin-1"))

    def close(self) -> None:
        """Nothing is kept open."""


class LineClient:
    """tcp, tcp6, cunix: lines on a lasting connection; a reply must come in one piece."""

    def __init__(self, address: Address, timeout: float = 5.0) -> None:
        self.socket = connect(address, timeout)

    def command(self, text: str) -> str:
        self.socket.sendall(text.encode("latin-1") + b"\n")
        return one_reply(self.socket.recv(65536).decode("latin-1"))

    def close(self) -> None:
        self.socket.close()


def connect(address: Address, timeout: float) -> socket.socket:
    family: Any = socket.AF_UNIX if isinstance(address, str) else family_of(address[0])
    link = socket.socket(family, socket.SOCK_STREAM)
    link.settimeout(timeout)
    link.connect(address)
    return link


def one_reply(text: str) -> str:
    if not text.endswith("\n"):
        raise ControlError(f"reply without a newline at its end: {text!r}")
    return text[:-1]


def client(spec: str, timeout: float = 5.0) -> Union[DatagramClient, OneShotClient, LineClient]:
    """The client that fits a `-s` argument."""
    kind, _, place = spec.partition(":")
    if kind in ("unix", "cunix"):
        return OneShotClient(place, timeout) if kind == "unix" else LineClient(place, timeout)
    host, _, port = place.rpartition(":")
    if kind.startswith("udp"):
        return DatagramClient((host, int(port)), timeout)
    return LineClient((host, int(port)), timeout)
