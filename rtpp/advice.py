"""Settings that cannot work, or rarely as they were meant, with the fix for each: said once, when the proxy starts.

Nothing here is refused: every one of these settings is right somewhere. What is only worth a thought is a note (level
INFO), what most likely does harm a warning (WARN). A function of the settings and of what the system says, without
looking at the system itself.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Union

from rtpp.session.table import RESERVED_DESCRIPTORS
from rtpp.settings import ListenAddress, Settings

OTHER_DESCRIPTORS = 30  # log, selectors, control sockets and the like
DESCRIPTORS_PER_SESSION = 4  # RTP and RTCP on two legs
PAIRS_PER_SESSION = 2

# RFC 1918, RFC 6598 (carriers), RFC 3927 and RFC 4291 (link-local), RFC 4193 (unique local).
_PRIVATE = tuple(ipaddress.ip_network(text) for text in (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fe80::/10", "fc00::/7"))

_Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


class Advice(NamedTuple):
    """`level` is one of the logging module's."""

    level: int
    text: str


class ControlSocket(NamedTuple):
    """A control socket on the network: as written, and the numeric address that it is bound to."""

    text: str
    host: str


def advice(settings: Settings, control: Sequence[ControlSocket], open_files: int) -> list[Advice]:
    """What is to be said. `open_files` is how many descriptors the process may have, 0: any number."""
    return [*_listen_addresses(settings), *_control_sockets(control), *_descriptors(settings, open_files)]


def _listen_addresses(settings: Settings) -> Iterator[Advice]:
    outward = settings.bridge[1:] if settings.bridge else settings.addresses
    for address in outward:
        if address.is_wildcard and address.advertised:
            yield _warning("-A %s has no effect: replies carry no address while media is received on all addresses; "
                           "give -l ADDRESS as well", address.advertised)
        elif address.is_wildcard:
            yield _warning("media is received on all addresses (%s), so replies carry none and the SIP server puts in "
                           "its own: right only if it runs on this host; otherwise give -l ADDRESS, and behind a NAT "
                           "-A PUBLIC_ADDRESS as well", address.host)
        elif not address.advertised and _is_private(_numeric(address)):
            yield _note("media is received on the private address %s: right for parties in that network; for others, "
                        "behind a NAT or in a cloud, give -A PUBLIC_ADDRESS", address.host)
        elif not address.advertised and _numeric(address).is_loopback:
            yield _note("media is received on %s: only parties on this host can use it; for others give -l ADDRESS",
                        address.host)


def _control_sockets(control: Sequence[ControlSocket]) -> Iterator[Advice]:
    for text, host in control:
        address = ipaddress.ip_address(host.partition("%")[0])
        if address.is_unspecified:
            yield _warning("control socket %s takes commands from everybody who reaches this host, and has no "
                           "password: give it the one address that the SIP server uses, or let only the SIP server "
                           "through the firewall", text)
        elif not address.is_loopback and not _is_private(address):
            yield _warning("control socket %s is on a public address and has no password: use 127.0.0.1 or a private "
                           "address, or let only the SIP server through the firewall", text)


def _descriptors(settings: Settings, open_files: int) -> Iterator[Advice]:
    pairs = (settings.port_max - settings.port_min) // 2 + 1
    by_ports = pairs // PAIRS_PER_SESSION
    by_files = max(open_files - RESERVED_DESCRIPTORS - OTHER_DESCRIPTORS, 0) // DESCRIPTORS_PER_SESSION
    if open_files and by_files < by_ports:
        wanted = by_ports * DESCRIPTORS_PER_SESSION + RESERVED_DESCRIPTORS + OTHER_DESCRIPTORS
        yield _warning("%d open files are enough for about %d sessions, the ports from %d to %d for %d: give -L %d, or "
                       "a smaller range with -m and -M", open_files, by_files, settings.port_min,
                       settings.port_max + 1, by_ports, wanted)


def _numeric(address: ListenAddress) -> _Address:
    return ipaddress.ip_address(address.host.partition("%")[0])


def _is_private(address: _Address) -> bool:
    return any(address in network for network in _PRIVATE)


def _note(text: str, *values: object) -> Advice:
    return Advice(logging.INFO, text % values)


def _warning(text: str, *values: object) -> Advice:
    return Advice(logging.WARNING, text % values)
