"""The ad-hoc format: the datagrams as received, each behind a header of 30 bytes; the file has no header.

    offset  size  content, little-endian but for what networks call by its bytes
     0       2    address family: 2 IPv4, 10 IPv6
     2       2    source port, network order
     4      16    source address, network order; IPv4 uses the first four bytes
    20       8    time of arrival, double, seconds since 1970
    28       2    length of the payload
    30       n    payload

The destination is not kept. The C program writes the numbers in the order of its machine, and whatever its system
calls IPv6; we always write what it writes on x86 Linux, and read all of them.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from struct import Struct

from rtpp.net.addresses import Address
from rtpp.recording.reading import Record, RecordingError, Window, address

HEADER_SIZE = 30
FILE_HEADER = b""
INVALID = "invalid format"

_IPV4 = 2
_IPV6 = 10
_IPV6_ELSEWHERE = (23, 24, 28, 30)  # Windows, OpenBSD and NetBSD, FreeBSD, macOS
_LATEST = 1e11  # seconds; some thousand years
_SOURCE = Struct("<H2s16s")
_time_and_length = Struct("<dH").pack


def prepare(source: Address, destination: Address, family: int) -> bytes:
    """The fields that all records of packets from `source` share. Raises OSError when it is no literal of `family`."""
    packed = socket.inet_pton(family, source[0].partition("%")[0])
    number = _IPV4 if family == socket.AF_INET else _IPV6
    return _SOURCE.pack(number, source[1].to_bytes(2, "big"), packed)


def lay_out(sources: Sequence[bytes], payloads: Sequence[bytes], times: Iterable[tuple[int, int]],
            numbers: Iterator[int]) -> bytes:
    """Records. `times` of arrival are seconds since 1970 and nanoseconds; `numbers` are of no use here."""
    pieces: list[bytes] = []
    for source, payload, (seconds, nanoseconds) in zip(sources, payloads, times):
        pieces += (source, _time_and_length(seconds + nanoseconds * 1e-9, len(payload)), payload)
    return b"".join(pieces)


class AdhocReader:
    """Records of an ad-hoc file. Iterate once.

    `packets` counts the records long enough for RTP, `whole_bytes` the bytes of all whole records so far.
    """

    name = "ad-hoc"

    def __init__(self, window: Window) -> None:
        self._window = window
        self.packets = 0
        self.whole_bytes = 0

    def __iter__(self) -> Iterator[Record]:
        window = self._window
        header = self._header_layout()
        unpack = header.unpack_from
        while window.ensure(HEADER_SIZE):
            family, port, packed, time, length = unpack(window.data, window.position)
            if family == _IPV4:
                packed = packed[:4]
            elif family != _IPV6 and family not in _IPV6_ELSEWHERE:
                raise RecordingError(INVALID)
            if not 0 <= time < _LATEST:  # also what is not a number
                raise RecordingError(INVALID)
            if not window.ensure(HEADER_SIZE + length):
                missing = HEADER_SIZE + length - window.remaining
                raise RecordingError(f"input file truncated, {missing} bytes are missing")
            start = window.position + HEADER_SIZE
            window.position = start + length
            self.whole_bytes += HEADER_SIZE + length
            if length >= 12:
                self.packets += 1
            payload = window.data[start : start + length]
            source = address(packed, port[0] << 8 | port[1])
            yield Record(time, payload, window.start + start, source, None)
        if window.remaining:
            raise RecordingError(INVALID)

    def _header_layout(self) -> Struct:
        """The byte order is that of the machine that recorded: a family is a small number in only one of them."""
        window = self._window
        big = window.ensure(2) and window.data[window.position] == 0
        return Struct((">" if big else "<") + "H2s16sdH")
