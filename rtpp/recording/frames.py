"""Ethernet, IP and UDP headers for datagrams that came through a socket, which does not tell them.

Plan: what packets between two addresses have in common (made-up Ethernet addresses, packed IP addresses, their part of
the checksums) is computed once, as a Flow, and what those of one length have in common, nearly the whole of the
headers, once for each length. What is left per packet is one sum over the payload. The sum of 16-bit words in ones'
complement arithmetic is the remainder of division by 65535, since 65536 = 1 there; so the words need not be taken
apart, and one big integer division does it. The sum of words with their bytes swapped is the sum with its bytes swapped
(RFC 1071), so all is computed in the byte order that records are packed in.
"""

from __future__ import annotations

import socket
from struct import Struct
from typing import NamedTuple

from rtpp.net.addresses import Address

IPV4_OVERHEAD = 14 + 20 + 8  # bytes of headers
IPV6_OVERHEAD = 14 + 40 + 8

_UDP_PROTOCOL = 17
_ONES = 0xFFFF
_IPV4_TYPE, _IPV6_TYPE = b"\x08\x00", b"\x86\xdd"
_IPV4_START = b"\x45\x00"  # version and header length, type of service
_IPV4_MIDDLE = b"\x00\x00" + bytes((127, _UDP_PROTOCOL))  # flags and fragment, TTL, protocol
_IPV6_START = b"\x60\x00\x00\x00"  # version, traffic class, flow label
_IPV6_MIDDLE = bytes((_UDP_PROTOCOL, 64))  # next header, hop limit

#                     Ethernet,  identifi-  fragment, TTL,  checksum  addresses, ports,  checksum
#                     IP length  cation     protocol                  UDP length
_pack_ipv4 = Struct("<18s        H          4s              H         14s                H").pack


class Headers(NamedTuple):
    """What all packets of one length between two addresses share; the sums are of what is fixed, bytes swapped."""

    start: bytes
    end: bytes
    ip_sum: int
    udp_sum: int


class Flow:
    """Packets from one address to another. A host that is not a literal of `family` raises OSError."""

    __slots__ = ("_lengths", "addresses", "ethernet", "is_ipv4", "ports")

    def __init__(self, source: Address, destination: Address, family: int) -> None:
        packed_source, packed_destination = _packed(source[0], family), _packed(destination[0], family)
        self.addresses = packed_source + packed_destination
        self.ports = source[1].to_bytes(2, "big") + destination[1].to_bytes(2, "big")
        self.is_ipv4 = family == socket.AF_INET
        ethernet_type = _IPV4_TYPE if self.is_ipv4 else _IPV6_TYPE
        self.ethernet = _ethernet_address(packed_destination) + _ethernet_address(packed_source) + ethernet_type
        self._lengths: dict[int, Headers] = {}

    def headers(self, payload: bytes, identification: int) -> bytes:
        """What stands before `payload`, at most 65507 bytes, in an Ethernet frame.

        `identification` counts IPv4 packets: any number.
        """
        start, end, ip_sum, udp_sum = self._lengths.get(len(payload)) or self._headers(len(payload))
        udp_checksum = _ONES - (int.from_bytes(payload, "little") + udp_sum) % _ONES  # never 0, which means "none"
        if not ip_sum:
            return start + end + udp_checksum.to_bytes(2, "little")
        swapped = (identification & 0xFF) << 8 | identification >> 8 & 0xFF
        ip_checksum = -(ip_sum + swapped) % _ONES
        return _pack_ipv4(start, swapped, _IPV4_MIDDLE, ip_checksum, end, udp_checksum)

    def _headers(self, payload_length: int) -> Headers:
        udp_length = (payload_length + 8).to_bytes(2, "big")
        end = self.addresses + self.ports + udp_length
        udp_sum = _sum(end + bytes((0, _UDP_PROTOCOL)) + udp_length)  # the pseudo header has the length once more
        if self.is_ipv4:
            fixed = _IPV4_START + (payload_length + 28).to_bytes(2, "big")
            ip_sum = _sum(fixed + _IPV4_MIDDLE + self.addresses)
        else:
            fixed = _IPV6_START + udp_length + _IPV6_MIDDLE
            ip_sum = 0  # IPv6 has no checksum of its own
        made = self._lengths[payload_length] = Headers(self.ethernet + fixed, end, ip_sum, udp_sum)
        return made


def _sum(data: bytes) -> int:
    return int.from_bytes(data, "little")


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
