"""Recordings made by code: RTP packets, frames of every link type, pcap and pcapng files in every variant."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from typing import Optional

from rtpp.recording import formats

CALLER = ("192.0.2.1", 5004)
PROXY = ("192.0.2.9", 35000)
CALLER6 = ("2001:db8::1", 5004)
PROXY6 = ("2001:db8::9", 35000)
START = 1_700_000_000.0  # seconds since 1970


def rtp(sequence: int, timestamp: int, payload: bytes, payload_type: int = 0, ssrc: int = 1) -> bytes:
    return struct.pack("!BBHII", 0x80, payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


def adhoc(packets: Iterable[tuple[float, bytes]], source: tuple[str, int] = CALLER) -> bytes:
    """An ad-hoc recording of (time, datagram)."""
    family = socket.AF_INET6 if ":" in source[0] else socket.AF_INET
    return b"".join(formats.ADHOC.record(data, source, PROXY, family, time, 0) for time, data in packets)


def pcap(packets: Iterable[tuple[float, bytes]]) -> bytes:
    """A pcap recording, as the proxy writes it."""
    return formats.PCAP.file_header + b"".join(
        formats.PCAP.record(data, CALLER, PROXY, socket.AF_INET, time, number)
        for number, (time, data) in enumerate(packets)
    )


def udp(payload: bytes, source_port: int = CALLER[1], destination_port: int = PROXY[1]) -> bytes:
    return struct.pack("!HHHH", source_port, destination_port, 8 + len(payload), 0) + payload


def ipv4(content: bytes, protocol: int = 17, options: bytes = b"", fragment: int = 0) -> bytes:
    length = 20 + len(options) + len(content)
    addresses = socket.inet_aton(CALLER[0]) + socket.inet_aton(PROXY[0])
    first = 0x45 + len(options) // 4
    return struct.pack("!BBHHHBBH8s", first, 0, length, 7, fragment, 64, protocol, 0, addresses) + options + content


def ipv6(content: bytes, protocol: int = 17) -> bytes:
    addresses = socket.inet_pton(socket.AF_INET6, CALLER6[0]) + socket.inet_pton(socket.AF_INET6, PROXY6[0])
    return struct.pack("!IHBB32s", 6 << 28, len(content), protocol, 64, addresses) + content


def ethernet(content: bytes, kind: int, tags: Iterable[int] = ()) -> bytes:
    vlans = b"".join(struct.pack("!HH", tag, 42) for tag in tags)
    return bytes(12) + vlans + struct.pack("!H", kind) + content


def pcap_file(
    frames: Iterable[tuple[float, bytes]],
    link_type: int = 1,
    order: str = "<",
    nanoseconds: bool = False,
    version: tuple[int, int] = (2, 4),
) -> bytes:
    """A pcap file of (time, frame)."""
    magic, units = (0xA1B23C4D, 10**9) if nanoseconds else (0xA1B2C3D4, 10**6)
    out = struct.pack(order + "IHHiIII", magic, *version, 0, 0, 262144, link_type)
    for time, frame in frames:
        seconds, fraction = int(time), round(time % 1 * units)
        out += struct.pack(order + "IIII", seconds, fraction, len(frame), len(frame)) + frame
    return out


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str, link_type: int = 1, resolution: Optional[int] = None, offset: int = 0) -> bytes:
    body = struct.pack(order + "HHI", link_type, 0, 0)
    if resolution is not None:
        body += struct.pack(order + "HHB3x", 9, 1, resolution)
    if offset:
        body += struct.pack(order + "HHq", 14, 8, offset)
    return block(order, 1, body + struct.pack(order + "HH", 0, 0))


def packet_block(order: str, stamp: int, frame: bytes, number: int = 0) -> bytes:
    fields = struct.pack(order + "IIIII", number, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), len(frame))
    return block(order, 6, fields + frame)
