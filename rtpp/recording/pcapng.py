"""pcapng files, what Wireshark saves unless told otherwise. Only read.

The file is a chain of blocks, each with its length in front and behind:

    type 4, length 4, body, length 4         padded to 4 bytes

A section header begins the file (and may come again) and tells the byte order; interface descriptions tell link
types and units of time; packet blocks refer to them by number. All other blocks are stepped over.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Callable, NamedTuple, Optional

from rtpp.recording.dissect import LINK_TYPES, NOT_IP, find_udp
from rtpp.recording.reading import BROKEN, LARGEST_PACKET, Record, RecordingError, Window, address

MAGIC = b"\x0a\x0d\x0d\x0a"  # the type of a section header, the same in both byte orders
_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}

_SECTION = 0x0A0D0D0A
_INTERFACE = 1
_OLD_PACKET = 2
_SIMPLE_PACKET = 3
_PACKET = 6
_READ = (_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET)

_TIME_RESOLUTION = 9
_TIME_OFFSET = 14


class _Interface(NamedTuple):
    find_ip: Optional[Callable[[bytes, int, int], int]]  # None: a link type that we do not know
    link_type: int
    snapshot_length: int  # bytes, 0: no limit
    units: float  # of time stamps, per second
    time_offset: int  # seconds to add


class PcapngReader:
    """Records of a pcapng file. Iterate once.

    `packets` counts the IP packets of any protocol, `whole_bytes` the bytes of all whole blocks so far. Packets of
    interfaces with an unknown link type are passed over; only when nothing else was there is it an error.
    """

    name = "pcapng"

    def __init__(self, window: Window) -> None:
        self._window = window
        self.packets = 0
        self.whole_bytes = 0
        self._interfaces: list[_Interface] = []
        self._order = "<"
        self._time = 0.0  # of the last packet; simple packets have none of their own
        self._unknown_link_type: Optional[int] = None

    def __iter__(self) -> Iterator[Record]:
        window = self._window
        while window.ensure(12):
            kind, length = self._block_header()
            if kind not in _READ:
                if not window.skip(length):
                    raise RecordingError(BROKEN)
                self.whole_bytes += length
                continue
            if length > 2 * LARGEST_PACKET or not window.ensure(length):
                raise RecordingError(BROKEN)
            start = window.position + 8
            window.position += length
            found = self._read_block(kind, window.data, start, start + length - 12)
            self.whole_bytes += length
            if found is not None:
                yield found
        if window.remaining:
            raise RecordingError(BROKEN)
        if self.packets == 0 and self._unknown_link_type is not None:
            raise RecordingError(f"unsupported data-link type in the PCAP: {self._unknown_link_type}")

    def _block_header(self) -> tuple[int, int]:
        """Type and length of the next block; of 12 bytes that are in the window."""
        window = self._window
        data, position = window.data, window.position
        if data[position : position + 4] == MAGIC:
            order = _ORDERS.get(data[position + 8 : position + 12])
            if order is None:
                raise RecordingError("invalid PCAP format")
            self._order = order
            self._interfaces = []
        kind, length = Struct(self._order + "II").unpack_from(data, position)
        if length < 12 or length % 4:
            raise RecordingError(BROKEN)
        return kind, length

    def _read_block(self, kind: int, data: bytes, start: int, end: int) -> Optional[Record]:
        """The record in a block whose body lies between `start` and `end`, if any."""
        order = self._order
        if kind == _INTERFACE:
            self._add_interface(data, start, end)
            return None
        stamp: Optional[int] = None
        if kind == _SIMPLE_PACKET:
            layout, number = Struct(order + "I"), 0
        else:
            layout = Struct(order + ("HHIIII" if kind == _OLD_PACKET else "IIIII"))
        if start + layout.size > end:
            raise RecordingError(BROKEN)
        fields = layout.unpack_from(data, start)
        start += layout.size
        captured = fields[0]
        if kind != _SIMPLE_PACKET:
            number, (high, low, captured, _) = fields[0], fields[-4:]
            stamp = high << 32 | low
        if number >= len(self._interfaces):
            raise RecordingError(BROKEN)
        interface = self._interfaces[number]
        if kind == _SIMPLE_PACKET:
            captured = min(captured, interface.snapshot_length or captured)
        if start + captured > end:
            raise RecordingError(BROKEN)
        if stamp is not None:
            self._time = stamp / interface.units + interface.time_offset
        return self._record(interface, data, start, start + captured)

    def _record(self, interface: _Interface, data: bytes, start: int, end: int) -> Optional[Record]:
        if interface.find_ip is None:
            self._unknown_link_type = interface.link_type
            return None
        network = interface.find_ip(data, start, end)
        if network == NOT_IP:
            return None
        self.packets += 1
        found = find_udp(data, network, end)
        if found is None:
            return None
        sender, sender_port, receiver, receiver_port, start, end = found
        return Record(
            self._time,
            data[start:end],
            self._window.start + start,
            address(sender, sender_port),
            address(receiver, receiver_port),
        )

    def _add_interface(self, data: bytes, start: int, end: int) -> None:
        order = self._order
        if start + 8 > end:
            raise RecordingError(BROKEN)
        link_type, snapshot_length = Struct(order + "HxxI").unpack_from(data, start)
        units, time_offset = 1_000_000.0, 0
        for code, value in _options(order, data, start + 8, end):
            if code == _TIME_RESOLUTION and len(value) == 1:
                units = float((2 if value[0] & 0x80 else 10) ** (value[0] & 0x7F))
            elif code == _TIME_OFFSET and len(value) == 8:
                (time_offset,) = Struct(order + "q").unpack(value)
        self._interfaces.append(
            _Interface(LINK_TYPES.get(link_type), link_type, snapshot_length, units, time_offset)
        )


def _options(order: str, data: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Code and value of each option; the list ends with the block, or with code 0."""
    layout = Struct(order + "HH")
    while start + 4 <= end:
        code, length = layout.unpack_from(data, start)
        if code == 0 or start + 4 + length > end:
            return
        yield code, data[start + 4 : start + 4 + length]
        start += 4 + (length + 3) // 4 * 4
