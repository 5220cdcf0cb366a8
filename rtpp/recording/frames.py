"""Ethernet, IP and UDP headers for datagrams that came through a socket, which does not tell them.

Plan: what two addresses have in common over all packets between them (made-up Ethernet addresses, packed IP
addresses, their part of the checksums) is computed once, as a Flow. What is left per packet is one sum over the
payload. The sum of 16-bit words in ones' complement arithmetic is the remainder of division by 65535, since
65536 = 1 there; so the words need not be taken apart, and one big integer division does it.
"""

from __future__ import annotations

import socket
from struct import Struct
from typing import Any, NamedTuple

IPV4_OVERHEAD = 14 + 20 + 8  # bytes of headers
IPV6_OVERHEAD = 14 + 40 + 8

_UDP_PROTOCOL = 17
_ONES = 0xFFFF
_TTL_AND_UDP = 127 << 8 | _UDP_PROTOCOL

# Ethernet, then IP, then UDP; IPv4: version, IHL and TOS, total length, identification, fragment, TTL and
# protocol, checksum, addresses; IPv6: version, class and label, payload length, protocol, hop limit, addresses
_pack_ipv4 = Struct("!14sHHHHHH8sHHHH").pack
_pack_ipv6 = Struct("!14sIHBB32sHHHH").pack


class Flow(NamedTuple):
    """What all packets from one address to another share."""

    is_ipv4: bool
    ethernet: bytes
    addresses: bytes  # packed source and destination
    source_port: int
    destination_port: int
    ip_sum: int  # of the fixed words of the IPv4 header
    udp_sum: int  # of pseudo header and UDP header without lengths


def flow(source: tuple[Any, ...], destination: tuple[Any, ...], family: int) -> Flow:
    """Addresses are (host, port, ...); a host that is not a literal of `family` raises OSError."""
    packed_source, packed_destination = _packed(source[0], family), _packed(destination[0], family)
    addresses = packed_source + packed_destination
    ethernet_type = b"\x08\x00" if family == socket.AF_INET else b"\x86\xdd"
    address_sum = int.from_bytes(addresses, "big")
    return Flow(
        family == socket.AF_INET,
        _ethernet_address(packed_destination) + _ethernet_address(packed_source) + ethernet_type,
        addresses,
        source[1],
        destination[1],
        (0x4500 + _TTL_AND_UDP + address_sum) % _ONES,
        (_UDP_PROTOCOL + source[1] + destination[1] + address_sum) % _ONES,
    )


def ipv4_frame(between: Flow, payload: bytes, identification: int) -> bytes:
    """An Ethernet frame with `payload`, at most 65507 bytes. `identification` counts packets and may be any int."""
    _, ethernet, addresses, source_port, destination_port, ip_sum, udp_sum = between
    length = len(payload) + 8
    identification &= 0xFFFF
    return (
        _pack_ipv4(
            ethernet,
            0x4500,
            length + 20,
            identification,
            0,
            _TTL_AND_UDP,
            -(ip_sum + length + 20 + identification) % _ONES,
            addresses,
            source_port,
            destination_port,
            length,
            _udp_checksum(udp_sum, payload, length),
        )
        + payload
    )


def ipv6_frame(between: Flow, payload: bytes) -> bytes:
    """An Ethernet frame with `payload`, at most 65527 bytes."""
    _, ethernet, addresses, source_port, destination_port, _, udp_sum = between
    length = len(payload) + 8
    return (
        _pack_ipv6(
            ethernet,
            6 << 28,
            length,
            _UDP_PROTOCOL,
            64,
            addresses,
            source_port,
            destination_port,
            length,
            _udp_checksum(udp_sum, payload, length),
        )
        + payload
    )


def _udp_checksum(fixed: int, payload: bytes, length: int) -> int:
    """`fixed` is the sum of what all packets share; `length` stands in two headers. Never 0, which means "none"."""
    total = int.from_bytes(payload, "big")
    if length & 1:
        total <<= 8
    return _ONES - (total + fixed + 2 * length) % _ONES


def _packed(host: str, family: int) -> bytes:
    return socket.inet_pton(family, host.partition("%")[0])


def _ethernet_address(packed: bytes) -> bytes:
    """Six bytes made from an IP address: two zeros and IPv4, or IPv6 folded by exclusive or."""
    if len(packed) == 4:
        return b"\0\0" + packed
    folded = bytearray(6)
    for index, byte in enumerate(packed):
        folded[index % 6] ^= byte
    return bytes(folded)
