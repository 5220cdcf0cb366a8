"""From a captured frame to the UDP datagram in it, through the link and network layers that people capture.

Plan: a link layer only has to say where IP begins (`find_ip`); IP says where UDP is (`find_udp`), jumping over
options and extension headers. Both work on offsets into the buffer a frame lies in and copy nothing but
addresses. Whatever does not fit in what was captured is not a datagram; nothing here raises.
"""

from __future__ import annotations

from struct import Struct
from typing import Callable, NamedTuple, Optional

NOT_IP = -1

#   Ethernet:     destination 6, source 6, type 2
#   Linux cooked: packet type 2, device type 2, address length 2, address 8, type 2
#   the same, v2: type 2, reserved 2, interface 4, device type 2, packet type 1, address length 1, address 8
#   null, loop:   address family 4, in the order of the machine or the network
_ETHERNET_TYPE = 12
_ETHERNET_SIZE = 14
_COOKED_TYPE = 14
_COOKED_SIZE = 16
_COOKED_2_SIZE = 20
_NULL_SIZE = 4

_IP_TYPES = (0x0800, 0x86DD)
_VLAN_TYPES = (0x8100, 0x88A8, 0x9100)  # each is followed by a tag of 2 bytes and another type
_NULL_FAMILIES = (2, 10, 23, 24, 28, 30)  # IPv4 everywhere; IPv6 on Linux and the others

_UDP = 17
_FRAGMENT = 44
_AUTHENTICATION = 51
_EXTENSIONS = (0, 43, 60, 135, 139, 140)  # hop-by-hop, routing, destination options, mobility, HIP, shim6

_type_at = Struct("!H").unpack_from
_ipv4 = Struct("!BxHxxHxBxx4s4s").unpack_from  # version and IHL, total length, fragment, protocol, addresses
_ipv6 = Struct("!4xHBx16s16s").unpack_from  # payload length, next header, addresses
_udp = Struct("!HHH").unpack_from


class Datagram(NamedTuple):
    """A UDP datagram inside a buffer; `start` and `end` are the offsets of its payload."""

    source: bytes
    source_port: int
    destination: bytes
    destination_port: int
    start: int
    end: int


def _ethernet(data: bytes, start: int, end: int) -> int:
    return _behind_type(data, start + _ETHERNET_TYPE, start + _ETHERNET_SIZE, end)


def _cooked(data: bytes, start: int, end: int) -> int:
    return _behind_type(data, start + _COOKED_TYPE, start + _COOKED_SIZE, end)


def _cooked_2(data: bytes, start: int, end: int) -> int:
    return _behind_type(data, start, start + _COOKED_2_SIZE, end)


def _behind_type(data: bytes, type_offset: int, header_end: int, end: int) -> int:
    """Where IP begins behind a header with an Ethernet type in it and perhaps VLAN tags behind."""
    if header_end > end:
        return NOT_IP
    (kind,) = _type_at(data, type_offset)
    while kind in _VLAN_TYPES:
        if header_end + 4 > end:
            return NOT_IP
        (kind,) = _type_at(data, header_end + 2)
        header_end += 4
    return header_end if kind in _IP_TYPES else NOT_IP


def _null(data: bytes, start: int, end: int) -> int:
    """The family is below 256, whichever end its byte is at."""
    if start + _NULL_SIZE > end:
        return NOT_IP
    family = data[start : start + _NULL_SIZE]
    small = family[0] or family[3]
    return start + _NULL_SIZE if small in _NULL_FAMILIES and family.count(0) == 3 else NOT_IP


def _raw(data: bytes, start: int, end: int) -> int:
    return start if start < end and data[start] >> 4 in (4, 6) else NOT_IP


LINK_TYPES: dict[int, Callable[[bytes, int, int], int]] = {
    0: _null,
    1: _ethernet,
    12: _raw,  # raw IP as OpenBSD and others number it
    14: _raw,
    101: _raw,
    108: _null,  # "loop"
    113: _cooked,
    228: _raw,  # IPv4 only
    229: _raw,  # IPv6 only
    276: _cooked_2,
}


def find_udp(data: bytes, start: int, end: int) -> Optional[Datagram]:
    """The datagram in the IP packet at `start`; None for other protocols and for fragments but the first.

    A datagram of which only a part was captured ends where the capture does.
    """
    if start >= end:
        return None
    version = data[start] >> 4
    if version == 4:
        return _find_in_ipv4(data, start, end)
    return _find_in_ipv6(data, start, end) if version == 6 else None


def _find_in_ipv4(data: bytes, start: int, end: int) -> Optional[Datagram]:
    if start + 20 > end:
        return None
    first, total, fragment, protocol, source, destination = _ipv4(data, start)
    header = (first & 0x0F) * 4
    if protocol != _UDP or header < 20 or fragment & 0x1FFF:
        return None
    if total >= header:  # 0 where the network card was to fill it in
        end = min(end, start + total)
    return _datagram(data, start + header, end, source, destination)


def _find_in_ipv6(data: bytes, start: int, end: int) -> Optional[Datagram]:
    if start + 40 > end:
        return None
    length, protocol, source, destination = _ipv6(data, start)
    start += 40
    if length:
        end = min(end, start + length)
    while protocol != _UDP:
        if start + 8 > end:
            return None
        if protocol in _EXTENSIONS:
            size = 8 + 8 * data[start + 1]
        elif protocol == _AUTHENTICATION:
            size = 8 + 4 * data[start + 1]
        elif protocol == _FRAGMENT and not _type_at(data, start + 2)[0] & 0xFFF8:
            size = 8
        else:
            return None
        protocol = data[start]
        start += size
    return _datagram(data, start, end, source, destination)


def _datagram(data: bytes, start: int, end: int, source: bytes, destination: bytes) -> Optional[Datagram]:
    if start + 8 > end:
        return None
    source_port, destination_port, length = _udp(data, start)
    if length >= 8:
        end = min(end, start + length)
    return Datagram(source, source_port, destination, destination_port, start + 8, end)
