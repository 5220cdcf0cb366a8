"""The RTP packet (RFC 3550, section 5.1) and what its payload type says (RFC 3551).

Plan: one function, `payload_bounds`, holds every rule about what is an RTP packet. The full parse, the
cheap look that latching needs and the analyzer's long path all call it, so they can never disagree.
Nearly every packet on a wire is plain (first byte 0x80: no padding, no extension, no contributing
sources) and nothing can be wrong with a plain packet of 12 bytes or more, so hot paths test for that byte
first and skip the call.
"""

from __future__ import annotations

from struct import Struct
from typing import Optional

#   0                   1                   2                   3
#   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
#  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#  |V=2|P|X|  CC   |M|     PT      |       sequence number         |
#  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#  |                           timestamp                           |
#  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#  |           synchronization source (SSRC) identifier            |
#  +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
#  |            contributing source (CSRC) identifiers: CC x 32    |
#  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#  |  if X: defined by profile     |   length (32-bit words)       |
#  |                       header extension                        |
#  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#  |  payload                                                      |
#  |               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#  |               | if P: padding, its last byte counts them all  |
#  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
HEADER = Struct("!BBHII")
HEADER_SIZE = HEADER.size  # 12
PLAIN = 0x80  # first byte: version 2, no padding, no extension, no contributing sources
RUN_PART = slice(1, 8)  # what measuring needs of a packet with that first byte and a known source:
RUN_HEADER = Struct("!BHI")  # marker and payload type, sequence number, timestamp

_WORD = Struct("!I")


class RtpError(ValueError):
    """Bytes that are not an RTP packet.

    `reason` is a fixed text, one of seven; the message adds the two numbers that disagreed.
    """

    def __init__(self, reason: str, found: int, needed: int) -> None:
        super().__init__(f"{reason} ({found}, needed {needed})")
        self.reason = reason
        self.found = found
        self.needed = needed


def payload_bounds(data: bytes) -> tuple[int, int]:
    """Offsets of the payload's first byte and of the byte after its last one.

    Raises `RtpError` when `data` is not an RTP packet; whatever passes here is one.
    """
    size = len(data)
    if size < HEADER_SIZE:
        raise RtpError("packet is too short for RTP header", size, HEADER_SIZE)
    first = data[0]
    if first >> 6 != 2:
        raise RtpError("incorrect RTP header version", first >> 6, 2)
    start = HEADER_SIZE + 4 * (first & 0x0F)
    if first & 0x10:
        if size < start + 4:
            raise RtpError("packet is too short for extended RTP header size", size, start + 4)
        start += 4 + 4 * (data[start + 2] << 8 | data[start + 3])
    if size < start:
        raise RtpError("packet is too short for extended RTP header", size, start)
    if not first & 0x20:
        return start, size
    if size == start:
        raise RtpError("packet is too short for RTP padding size", size, start + 1)
    padding = data[size - 1]
    if padding == 0:
        raise RtpError("invalid RTP padding size", padding, 1)
    if size < start + padding:
        raise RtpError("packet is too short for RTP padding", size, start + padding)
    return start, size - padding


class RtpPacket:
    """One RTP packet, taken apart. `bytes(RtpPacket.parse(data)) == data` for every valid `data`.

    `csrc` holds the contributing sources; `extension` the whole header extension with its own 4 bytes
    of header, empty when there is none; `padding` the padding with its count byte, empty when there is
    none. `timestamp` counts ticks of the payload type's clock.
    """

    __slots__ = (
        "csrc",
        "extension",
        "marker",
        "padding",
        "payload",
        "payload_type",
        "sequence_number",
        "ssrc",
        "timestamp",
    )

    def __init__(
        self,
        payload_type: int = 0,
        sequence_number: int = 0,
        timestamp: int = 0,
        ssrc: int = 0,
        payload: bytes = b"",
        marker: bool = False,
        csrc: tuple[int, ...] = (),
        extension: bytes = b"",
        padding: bytes = b"",
    ) -> None:
        self.payload_type = payload_type
        self.sequence_number = sequence_number
        self.timestamp = timestamp
        self.ssrc = ssrc
        self.payload = payload
        self.marker = marker
        self.csrc = csrc
        self.extension = extension
        self.padding = padding

    @classmethod
    def parse(cls, data: bytes) -> RtpPacket:
        """The packet in `data`. Raises `RtpError`. RTCP is not told apart here: see `is_rtcp`."""
        start, end = payload_bounds(data)
        first, second, sequence_number, timestamp, ssrc = HEADER.unpack_from(data)
        extension_start = HEADER_SIZE + 4 * (first & 0x0F)
        return cls(
            second & 0x7F,
            sequence_number,
            timestamp,
            ssrc,
            data[start:end],
            second >= 0x80,
            tuple(word for (word,) in _WORD.iter_unpack(data[HEADER_SIZE:extension_start])),
            data[extension_start:start],
            data[end:],
        )

    def __bytes__(self) -> bytes:
        first = PLAIN | len(self.csrc)
        if self.extension:
            first |= 0x10
        if self.padding:
            first |= 0x20
        second = self.payload_type | (0x80 if self.marker else 0)
        header = HEADER.pack(first, second, self.sequence_number, self.timestamp, self.ssrc)
        return b"".join((header, *map(_WORD.pack, self.csrc), self.extension, self.payload, self.padding))

    def __repr__(self) -> str:
        return (
            f"RtpPacket(payload_type={self.payload_type}, sequence_number={self.sequence_number}, "
            f"timestamp={self.timestamp}, ssrc=0x{self.ssrc:08X}, marker={self.marker}, "
            f"payload={len(self.payload)} bytes)"
        )

    @property
    def payload_offset(self) -> int:
        """Bytes before the payload: the fixed header, contributing sources and extension."""
        return HEADER_SIZE + 4 * len(self.csrc) + len(self.extension)

    @property
    def payload_length(self) -> int:
        """Bytes of payload, padding not included."""
        return len(self.payload)


def is_rtcp(data: bytes) -> bool:
    """Whether bytes that came in on an RTP port are RTCP: version 2 and packet type 200 to 213.

    The packet type overlaps with marker + payload types 72 to 85, which RTP therefore avoids (RFC 5761).
    """
    return len(data) >= 2 and data[0] >> 6 == 2 and 200 <= data[1] <= 213


def ssrc_and_sequence(data: bytes) -> Optional[tuple[int, int]]:
    """SSRC and sequence number of what came in on an RTP port, None when it is not an RTP packet.

    None exactly when `is_rtcp(data)` or `RtpPacket.parse(data)` raises `RtpError`.
    """
    if len(data) < HEADER_SIZE:
        return None
    first, second, sequence_number, _, ssrc = HEADER.unpack_from(data)
    if first != PLAIN:
        try:
            payload_bounds(data)
        except RtpError:
            return None
    if 200 <= second <= 213:
        return None
    return ssrc, sequence_number


# Clock of the timestamps, ticks per second, by payload type (RFC 3551, tables 4 and 5). Zero where it is
# not known: reserved, video, dynamic. G.722 counts 8,000 although it samples at 16,000 Hz.
_KNOWN_CLOCKS = dict.fromkeys((0, 3, 4, 5, 7, 8, 9, 12, 13, 15, 18), 8000)
_KNOWN_CLOCKS.update({6: 16000, 10: 44100, 11: 44100, 14: 90000, 16: 11025, 17: 22050})
CLOCK_RATES: tuple[int, ...] = tuple(_KNOWN_CLOCKS.get(payload_type, 0) for payload_type in range(128))


def clock_rate(payload_type: int) -> int:
    """Timestamp ticks per second of a payload type, 0 when its clock is not known."""
    return CLOCK_RATES[payload_type]


UNKNOWN_SAMPLES = -1
G723_FRAME_SIZES = (24, 20, 4, 0)  # bytes, by the low two bits of a frame's first byte; 0 = reserved


def samples(payload_type: int, payload: bytes) -> int:
    """How long a payload lasts, in ticks of 8 kHz; -1 when it is empty or cannot be told."""
    size = len(payload)
    if size == 0:
        return UNKNOWN_SAMPLES
    if payload_type in (0, 8, 9):  # G.711, G.722: a byte a tick
        return size
    if payload_type == 18:  # G.729: 10 ms frames of 10 bytes, then perhaps a 2-byte silence descriptor
        return 80 * ((size + 9) // 10)
    if payload_type == 3:  # GSM: 20 ms frames
        return 160 * (size // 33)
    if payload_type == 4:
        return _g723_samples(payload)
    return UNKNOWN_SAMPLES


def _g723_samples(payload: bytes) -> int:
    """Each 30 ms frame of G.723.1 says its own size (RFC 3551, section 4.5.3)."""
    frames = offset = 0
    while offset < len(payload):
        size = G723_FRAME_SIZES[payload[offset] & 3]
        if size == 0:
            return UNKNOWN_SAMPLES
        frames += 1
        offset += size
    return 240 * frames
