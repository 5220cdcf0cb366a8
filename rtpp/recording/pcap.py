"""pcap files, as tcpdump made them first: written as little-endian Ethernet with microseconds, read in any form.

    file header, 24 bytes:   magic, version 2.4, zone 0, accuracy 0, snapshot length, link type
    record header, 16 bytes: seconds, fraction, captured length, original length
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from rtpp.recording.dissect import LINK_TYPES, NOT_IP, find_udp
from rtpp.recording.reading import BROKEN, LARGEST_PACKET, Record, RecordingError, Window, address

HEADER_SIZE = 24
FILE_HEADER = Struct("<IHHiIII").pack(0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)

# byte order and units of a second's fraction, by the first four bytes
_VARIANTS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000.0),
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000.0),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000.0),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000.0),
}
MAGICS = tuple(_VARIANTS)


class PcapReader:
    """Records of a pcap file. Iterate once.

    `packets` counts the IP packets of any protocol, `whole_bytes` the bytes of the header and all whole records.
    """

    name = "pcap"

    def __init__(self, window: Window) -> None:
        self._window = window
        self.packets = 0
        self.whole_bytes = 0
        if not window.ensure(HEADER_SIZE):
            raise RecordingError("invalid PCAP format")
        order, self._units = _VARIANTS[window.data[:4]]
        major, minor, link_type = Struct(order + "4xHH12xI").unpack_from(window.data)
        if (major, minor) != (2, 4):
            raise RecordingError(f"unsupported version of the PCAP: {major}.{minor}")
        link_type &= 0xFFFF  # the upper half tells about checksums of frames
        if link_type not in LINK_TYPES:
            raise RecordingError(f"unsupported data-link type in the PCAP: {link_type}")
        self._find_ip = LINK_TYPES[link_type]
        self._record_header = Struct(order + "IIII")
        window.position = self.whole_bytes = HEADER_SIZE

    def __iter__(self) -> Iterator[Record]:
        window, find_ip, units = self._window, self._find_ip, self._units
        unpack = self._record_header.unpack_from
        while window.ensure(16):
            seconds, fraction, captured, original = unpack(window.data, window.position)
            if captured > LARGEST_PACKET or original == 0 or not window.ensure(16 + captured):
                raise RecordingError(BROKEN)
            data = window.data
            start = window.position + 16
            end = window.position = start + captured
            self.whole_bytes += 16 + captured
            network = find_ip(data, start, end)
            if network == NOT_IP:
                continue
            self.packets += 1
            found = find_udp(data, network, end)
            if found is None:
                continue
            sender, sender_port, receiver, receiver_port, start, end = found
            yield Record(
                seconds + fraction / units,
                data[start:end],
                window.start + start,
                address(sender, sender_port),
                address(receiver, receiver_port),
            )
        if window.remaining:
            raise RecordingError(BROKEN)
