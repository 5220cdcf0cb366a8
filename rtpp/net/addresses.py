"""Addresses: literals in commands, the local addresses sockets are bound to, the route to a party."""

from __future__ import annotations

import socket
from typing import Any, Optional

from rtpp.settings import ListenAddress

IPV4, IPV6 = socket.AF_INET, socket.AF_INET6
Address = tuple[Any, ...]  # what recvfrom() gives: (host, port) or (host, port, flow, scope)


def canonical(host: str, family: socket.AddressFamily) -> str:
    """A numeric literal as the kernel writes it, so that addresses can be compared as text.

    Raises ValueError when `host` is no literal of the family.
    """
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, host))
    except (OSError, UnicodeError) as error:
        raise ValueError(f"{host!r} is not an address of family {family.name}") from error


def numeric(text: str, family: socket.AddressFamily) -> str:
    """Like `canonical`, but IPv4 may be in the short forms of inet_aton(3): `999` is 0.0.3.231."""
    if family == IPV4:
        try:
            return socket.inet_ntoa(socket.inet_aton(text))
        except OSError as error:
            raise ValueError(f"{text!r} is not an IPv4 address") from error
    return canonical(text, family)


def socket_address(host: str, port: int, family: socket.AddressFamily) -> Address:
    """An address in the form in which recvfrom() reports it."""
    return (host, port) if family == IPV4 else (host, port, 0, 0)


def is_local(host: str, family: socket.AddressFamily) -> bool:
    """Whether `host` is an address of this machine: only these can be bound."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(socket_address(host, 0, family))
        except OSError:
            return False
    return True


def route_source(host: str, family: socket.AddressFamily) -> str:
    """The local address the kernel would send from to reach `host`. Raises OSError when there is no route.

    Connecting a datagram socket sends nothing; the port does not matter.
    """
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(socket_address(host, 9, family))
        return str(probe.getsockname()[0])


class AddressBook:
    """The local addresses media may use: listed on the command line, or met in commands since.

    The first listed address is the default; with bridging that is the internal one.
    Guarded by `SessionTable.lock` once sessions exist; parsing only reads it.
    """

    def __init__(
        self, addresses: tuple[ListenAddress, ...], bridge: Optional[tuple[ListenAddress, ListenAddress]] = None
    ) -> None:
        self._listed = list(addresses)
        self.bridge = bridge
        self.default = addresses[0]

    def of_family(self, family: socket.AddressFamily) -> Optional[ListenAddress]:
        """The default address if it is of the family, else the address of the family met last."""
        if self.default.family == family:
            return self.default
        return next((a for a in reversed(self._listed) if a.family == family), None)

    def labelled(self, label: str) -> Optional[ListenAddress]:
        return next((a for a in self._listed if a.label == label), None)

    def local(self, host: str, family: socket.AddressFamily) -> ListenAddress:
        """The listed address equal to `host` (the latest, if it is listed twice), else a new one without label."""
        for address in reversed(self._listed):
            if address.host == host and address.family == family:
                return address
        return ListenAddress(family, host)

    def remember(self, address: ListenAddress) -> None:
        """Keep an address that was bound successfully: it serves commands that name only a family."""
        if address not in self._listed:
            self._listed.append(address)

