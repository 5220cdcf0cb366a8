"""pcap records of datagrams that came through a socket, which does not tell their Ethernet, IP and UDP headers.

Plan: what packets between two addresses have in common (made-up Ethernet addresses, packed IP addresses, their part of
the checksums) is computed once, as a Flow, and what those of one length have in common, nearly the whole of the
headers, once for each length. What is left per packet is one sum over the payload, and packing. The sum of 16-bit words
in ones' complement arithmetic is the remainder of division by 65535, since 65536 = 1 there; so the words need not be
taken apart, and one big integer division does it. The sum of words with their bytes swapped is the sum with its bytes
swapped (RFC 1071), so all is computed in the byte order that records are packed in.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
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

#                     time  lengths,   identifi-  fragment, TTL,  checksum  addresses, ports,  checksum
#                           Ethernet,  cation     protocol                  UDP length
#                           IP length
_pack_ipv4 = Struct("<II    26s        H          4s              H         14s                H").pack
_pack_time = Struct("<II").pack
_pack_lengths = Struct("<II").pack  # captured and original


class Headers(NamedTuple):
    """What all records of packets of one length between two addresses share: what stands before the identification, and
    from the addresses to the UDP length. The sums are of what is fixed, bytes swapped."""

    start: bytes
    end: bytes
    ip_sum: int
    udp_sum: int


class Flow:
    """Packets from one address to another. A host that is not a literal of `family` raises OSError."""

    __slots__ = ("addresses", "ethernet", "is_ipv4", "lengths", "ports")

    def __init__(self, source: Address, destination: Address, family: int) -> None:
        packed_source, packed_destination = _packed(source[0], family), _packed(destination[0], family)
        self.addresses = packed_source + packed_destination
        self.ports = source[1].to_bytes(2, "big") + destination[1].to_bytes(2, "big")
        self.is_ipv4 = family == socket.AF_INET
        ethernet_type = _IPV4_TYPE if self.is_ipv4 else _IPV6_TYPE
        self.ethernet = _ethernet_address(packed_destination) + _ethernet_address(packed_source) + ethernet_type
        self.lengths: dict[int, Headers] = {}

    def headers(self, payload_length: int) -> Headers:
        """Of packets of one length, at most 65507 bytes; they are kept in `lengths`."""
        udp_length = (payload_length + 8).to_bytes(2, "big")
        end = self.addresses + self.ports + udp_length
        udp_sum = _sum(end + bytes((0, _UDP_PROTOCOL)) + udp_length)  # the pseudo header has the length once more
        if self.is_ipv4:
            fixed = _IPV4_START + (payload_length + 28).to_bytes(2, "big")
            ip_sum = _sum(fixed + _IPV4_MIDDLE + self.addresses)
        else:
            fixed = _IPV6_START + udp_length + _IPV6_MIDDLE
            ip_sum = 0  # IPv6 has no checksum of its own
        size = (IPV4_OVERHEAD if self.is_ipv4 else IPV6_OVERHEAD) + payload_length
        start = _pack_lengths(size, size) + self.ethernet + fixed
        made = self.lengths[payload_length] = Headers(start, end, ip_sum, udp_sum)
        return made


def lay_out(flows: Sequence[Flow], payloads: Sequence[bytes], times: Iterable[tuple[int, int]],
            numbers: Iterator[int]) -> bytes:
    """Records. `times` of arrival are seconds since 1970 and nanoseconds; `numbers` identify packets in IPv4.

    One function without layers: recording costs most of its time here.
    """
    pieces: list[bytes] = []
    from_bytes = int.from_bytes
    for flow, payload, (seconds, nanoseconds), number in zip(flows, payloads, times, numbers):
        size = len(payload)
        start, end, ip_sum, udp_sum = flow.lengths.get(size) or flow.headers(size)
        udp_checksum = _ONES - (from_bytes(payload, "little") + udp_sum) % _ONES  # never 0, which means "none"
        if ip_sum:
            swapped = (number & 0xFF) << 8 | number >> 8 & 0xFF
            headers = _pack_ipv4(seconds, nanoseconds // 1000, start, swapped, _IPV4_MIDDLE,
                                 -(ip_sum + swapped) % _ONES, end, udp_checksum)
        else:
            headers = _pack_time(seconds, nanoseconds // 1000) + start + end + udp_checksum.to_bytes(2, "little")
        pieces += (headers, payload)
    return b"".join(pieces)


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
