"""RTCP packets, taken apart (RFC 3550, section 6).

Plan: `parse` walks over the compound packet of one datagram and yields a typed record for each packet it
knows; feedback, extended reports (RFC 3611) and unknown types come as `Skipped`, with their length. It
raises at the first packet that contradicts itself, after what came before it was yielded: statistics want
the good part. Nothing is read beyond the datagram, and every step moves at least 4 bytes on.

`fraction_lost` and times are left in the units of the wire, which is what monitoring systems expect.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple, Union

SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
GOODBYE = 203
APPLICATION = 204

#   0                   1                   2                   3
#   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
#  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#  |V=2|P|  count  |  packet type  | length (32-bit words less one)|
#  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
_HEADER = Struct("!BBH")
_WORD = Struct("!I")

#  sender information
#  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#  |                       SSRC of the sender                      |
#  |              NTP timestamp, seconds since 1900                |
#  |              NTP timestamp, fraction                          |
#  |                         RTP timestamp                         |
#  |                     sender's packet count                     |
#  |                      sender's octet count                     |
#  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
_SENDER = Struct("!IIIIII")

#  report block
#  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#  |                   SSRC of the source reported                 |
#  | fraction lost |   cumulative number of packets lost (signed)  |
#  |           extended highest sequence number received           |
#  |                      interarrival jitter                      |
#  |                         last SR (LSR)                         |
#  |                   delay since last SR (DLSR)                  |
#  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
_REPORT = Struct("!IIIIII")


class RtcpError(ValueError):
    """Bytes that are not RTCP. The message adds the two numbers that disagreed."""

    def __init__(self, reason: str, found: int, needed: int) -> None:
        super().__init__(f"{reason} ({found}, needed {needed})")
        self.reason = reason
        self.found = found
        self.needed = needed


class ReportBlock(NamedTuple):
    """How one source is received by the sender of the report."""

    ssrc: int
    fraction_lost: int  # since the last report, 1/256
    packets_lost: int  # since the beginning; below zero when duplicates outnumber losses
    highest_sequence_number: int  # 16 bits, and 16 bits of wraps above them
    jitter: int  # ticks of the source's clock
    last_sender_report: int  # middle 32 bits of its NTP timestamp; 0: none received
    delay_since_last_sender_report: int  # 1/65536 seconds


class SenderReport(NamedTuple):
    """What a party sent, and how it receives others."""

    ssrc: int
    ntp_seconds: int  # since 1900
    ntp_fraction: int  # 1/2**32 seconds
    rtp_timestamp: int
    packets: int
    octets: int  # of payload
    reports: tuple[ReportBlock, ...]

    @property
    def packet_type(self) -> int:
        return SENDER_REPORT


class ReceiverReport(NamedTuple):
    """How a party that sends nothing receives others."""

    ssrc: int
    reports: tuple[ReportBlock, ...]

    @property
    def packet_type(self) -> int:
        return RECEIVER_REPORT


class SourceItems(NamedTuple):
    """What one source says about itself: (item type, text), type 1 being the canonical name."""

    ssrc: int
    items: tuple[tuple[int, bytes], ...]


class SourceDescription(NamedTuple):
    """Names of sources."""

    chunks: tuple[SourceItems, ...]

    @property
    def packet_type(self) -> int:
        return SOURCE_DESCRIPTION


class Goodbye(NamedTuple):
    """Sources that leave."""

    sources: tuple[int, ...]
    reason: bytes

    @property
    def packet_type(self) -> int:
        return GOODBYE


class Application(NamedTuple):
    """A packet that one application defined for itself."""

    subtype: int
    ssrc: int
    name: bytes  # 4 bytes of ASCII
    content: bytes

    @property
    def packet_type(self) -> int:
        return APPLICATION


class Skipped(NamedTuple):
    """A packet of a type that is not read here: `length` bytes with its header."""

    packet_type: int
    length: int


RtcpPacket = Union[SenderReport, ReceiverReport, SourceDescription, Goodbye, Application, Skipped]


def parse(data: bytes) -> Iterator[RtcpPacket]:
    """The packets of a compound packet, in order. Raises `RtcpError` where they end to make sense."""
    offset = 0
    while offset < len(data):
        packet_type, count, end, body = _frame(data, offset)
        if packet_type == SENDER_REPORT:
            yield _sender_report(body, count)
        elif packet_type == RECEIVER_REPORT:
            yield _receiver_report(body, count)
        elif packet_type == SOURCE_DESCRIPTION:
            yield _source_description(body, count)
        elif packet_type == GOODBYE:
            yield _goodbye(body, count)
        elif packet_type == APPLICATION:
            _need(body, 8, "application packet")
            yield Application(count, _WORD.unpack_from(body)[0], body[4:8], body[8:])
        else:
            yield Skipped(packet_type, end - offset)
        offset = end


def _frame(data: bytes, offset: int) -> tuple[int, int, int, bytes]:
    """Packet type, count, end in `data` and body, without padding, of the packet at `offset`."""
    size = len(data) - offset
    if size < _HEADER.size:
        raise RtcpError("packet is too short for RTCP header", size, _HEADER.size)
    first, packet_type, words = _HEADER.unpack_from(data, offset)
    if first >> 6 != 2:
        raise RtcpError("incorrect RTCP header version", first >> 6, 2)
    length = 4 * (words + 1)
    if size < length:
        raise RtcpError("packet is shorter than its RTCP length", size, length)
    body = data[offset + _HEADER.size : offset + length]
    if first & 0x20:
        _need(body, 1, "padding")
        padding = body[-1]
        if padding == 0:
            raise RtcpError("invalid RTCP padding size", padding, 1)
        _need(body, padding, "padding")
        body = body[:-padding]
    return packet_type, first & 0x1F, offset + length, body


def _need(body: bytes, size: int, what: str) -> None:
    if len(body) < size:
        raise RtcpError(f"packet is too short for RTCP {what}", len(body), size)


def _reports(body: bytes, offset: int, count: int) -> tuple[ReportBlock, ...]:
    """`count` report blocks from `offset`. What follows them is for a profile of its own and not read."""
    _need(body, offset + count * _REPORT.size, "report blocks")
    reports = []
    for index in range(count):
        ssrc, loss, *rest = _REPORT.unpack_from(body, offset + index * _REPORT.size)
        lost = (loss & 0xFFFFFF) - (loss << 1 & 0x1000000)
        reports.append(ReportBlock(ssrc, loss >> 24, lost, *rest))
    return tuple(reports)


def _sender_report(body: bytes, count: int) -> SenderReport:
    _need(body, _SENDER.size, "sender information")
    ssrc, seconds, fraction, timestamp, packets, octets = _SENDER.unpack_from(body)
    reports = _reports(body, _SENDER.size, count)
    return SenderReport(ssrc, seconds, fraction, timestamp, packets, octets, reports)


def _receiver_report(body: bytes, count: int) -> ReceiverReport:
    _need(body, _WORD.size, "receiver report")
    return ReceiverReport(_WORD.unpack_from(body)[0], _reports(body, _WORD.size, count))


def _source_description(body: bytes, count: int) -> SourceDescription:
    """`count` chunks: an SSRC, items of type, length and text, a zero, and zeros up to the next word."""
    chunks = []
    offset = 0
    for _ in range(count):
        _need(body, offset + _WORD.size, "source description")
        (ssrc,) = _WORD.unpack_from(body, offset)
        offset += _WORD.size
        items = []
        while offset < len(body) and body[offset]:
            _need(body, offset + 2, "source description item")
            start = offset + 2
            offset = start + body[offset + 1]
            _need(body, offset, "source description item")
            items.append((body[start - 2], body[start:offset]))
        _need(body, offset + 1, "end of source description items")
        offset += 4 - offset % 4
        chunks.append(SourceItems(ssrc, tuple(items)))
    return SourceDescription(tuple(chunks))


def _goodbye(body: bytes, count: int) -> Goodbye:
    """`count` sources, then perhaps a reason with its length in front."""
    size = count * _WORD.size
    _need(body, size, "goodbye")
    sources = tuple(word for (word,) in _WORD.iter_unpack(body[:size]))
    if len(body) == size:
        return Goodbye(sources, b"")
    end = size + 1 + body[size]
    _need(body, end, "reason for leaving")
    return Goodbye(sources, body[size + 1 : end])
