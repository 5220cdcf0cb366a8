"""HEP, version 3: the envelope in which a Homer collector takes captured packets. Bytes only, no sockets.

A message is `HEP3`, its whole length (16 bits) and chunks; all numbers are big-endian. A chunk:

   0                   1                   2                   3
   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
  |      vendor (0: generic)      |             type              |
  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
  | length, with these six bytes  |            content ...        |
  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

The payload for RTCP is JSON in the form that Homer's own agents use: what the report of a compound packet says, and
the names of a source description. Times and fractions stay in the units of the wire, also in `ntp_timestamp_usec`.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from struct import Struct, pack
from typing import Any, NamedTuple, Optional

from rtpp.net.addresses import Address
from rtpp.rtp import rtcp

UDP = 17
RTCP = 5  # HEP's number for the payload's protocol
MAX_CALL_ID = 1024  # bytes; of a longer one the beginning is sent
MAX_ITEMS = 16  # of a source description; a message must fit its 16 bits of length
_CHUNK = Struct("!HHH")


class Capture(NamedTuple):
    """An RTCP datagram: when (wall time) and on which way it was seen."""

    data: bytes
    time: float
    source: Address
    destination: Address
    call_id: str


def encode(capture: Capture, payload: bytes, capture_id: int) -> bytes:
    """The message for a captured datagram."""
    source, destination = (ipaddress.ip_address(end[0].partition("%")[0])
                           for end in (capture.source, capture.destination))
    is_ipv4 = source.version == 4
    microseconds = int(capture.time * 1_000_000)
    chunks = (
        (1, bytes([socket.AF_INET if is_ipv4 else 10])),  # Linux's number for IPv6, wherever we run
        (2, bytes([UDP])),
        (3 if is_ipv4 else 5, source.packed),
        (4 if is_ipv4 else 6, destination.packed),
        (7, pack("!H", capture.source[1])),
        (8, pack("!H", capture.destination[1])),
        (9, pack("!I", microseconds // 1_000_000 & 0xFFFFFFFF)),
        (10, pack("!I", microseconds % 1_000_000)),
        (11, bytes([RTCP])),
        (12, pack("!I", capture_id)),
        (17, capture.call_id.encode("latin-1", "replace")[:MAX_CALL_ID]),
        (15, payload),
    )
    body = b"".join([_CHUNK.pack(0, kind, _CHUNK.size + len(content)) + content for kind, content in chunks])
    return b"HEP3" + pack("!H", 6 + len(body)) + body


def rtcp_json(data: bytes) -> Optional[bytes]:
    """What an RTCP datagram says, None when it says nothing readable. What follows a broken packet is left out."""
    fields: dict[str, Any] = {}
    try:
        for packet in rtcp.parse(data):
            _describe(packet, fields)
    except rtcp.RtcpError:
        pass
    return json.dumps(fields, separators=(",", ":")).encode("ascii") if fields else None


def _describe(packet: rtcp.RtcpPacket, fields: dict[str, Any]) -> None:
    """Add a packet. The first report decides about the report's fields, whatever stands before it."""
    if isinstance(packet, rtcp.Skipped):
        return
    if isinstance(packet, (rtcp.SenderReport, rtcp.ReceiverReport)):
        if "report_blocks" in fields:
            return
        if isinstance(packet, rtcp.SenderReport):
            fields["sender_information"] = {
                "ntp_timestamp_sec": packet.ntp_seconds,
                "ntp_timestamp_usec": packet.ntp_fraction,
                "octets": packet.octets,
                "rtp_timestamp": packet.rtp_timestamp,
                "packets": packet.packets,
            }
        fields.update(ssrc=packet.ssrc, type=packet.packet_type, report_count=len(packet.reports),
                      report_blocks=[_block(report) for report in packet.reports])
        return
    if isinstance(packet, rtcp.SourceDescription):
        _describe_sources(packet, fields)
        return
    ssrc = packet.ssrc if isinstance(packet, rtcp.Application) else next(iter(packet.sources), 0)
    _open(fields, ssrc, packet.packet_type)


def _open(fields: dict[str, Any], ssrc: int, packet_type: int) -> None:
    """What is said of a datagram until a report is found in it."""
    if "type" not in fields:
        fields.update(ssrc=ssrc, type=packet_type, report_count=0)


def _describe_sources(packet: rtcp.SourceDescription, fields: dict[str, Any]) -> None:
    if not packet.chunks or "sdes_ssrc" in fields:
        return
    first = packet.chunks[0]
    _open(fields, first.ssrc, packet.packet_type)
    fields["sdes_ssrc"] = first.ssrc
    fields["sdes_report_count"] = len(packet.chunks)
    fields["sdes_information"] = [{"type": kind, "text": text.decode("utf-8", "replace")}
                                  for kind, text in first.items[:MAX_ITEMS]]


def _block(report: rtcp.ReportBlock) -> dict[str, int]:
    return {
        "source_ssrc": report.ssrc,
        "fraction_lost": report.fraction_lost,
        "packets_lost": report.packets_lost,
        "highest_seq_no": report.highest_sequence_number,
        "ia_jitter": report.jitter,
        "lsr": report.last_sender_report,
        "dlsr": report.delay_since_last_sender_report,
    }
