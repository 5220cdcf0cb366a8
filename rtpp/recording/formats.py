"""The formats of recordings, in one place: what the proxy writes and what the tools read.

Writing: `ADHOC` and `PCAP` turn datagrams into the bytes of records; files are records one after another
behind the format's file header. Reading: `open_recording` looks at the first bytes, never at the name, and gives a
reader that streams (see `reading.py`). `survey` tells how far a file, perhaps left behind by a crash, can be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Callable, NamedTuple, Optional, Union

from rtpp.net.addresses import Address
from rtpp.recording import adhoc, frames, pcap, pcapng
from rtpp.recording.adhoc import AdhocReader
from rtpp.recording.pcap import PcapReader
from rtpp.recording.pcapng import PcapngReader
from rtpp.recording.reading import RecordingError, Window

Reader = Union[AdhocReader, PcapReader, PcapngReader]


class Format(NamedTuple):
    """How recordings are written.

    `prepare(source, destination, family)` is what all packets between two addresses, as recvfrom() gives them, have in
    common; it raises OSError for hosts that are not literals of the family. `lay_out(prepared, payloads, times,
    numbers)` is datagrams as they go to the file: for each there is what `prepare` made, and a time of arrival, in
    seconds since 1970 and nanoseconds; `numbers` are the identifications of IPv4 packets, of which the low 16 bits are
    used.
    """

    name: str
    file_header: bytes
    prepare: Callable[[Address, Address, int], Any]
    lay_out: Callable[[Sequence[Any], Sequence[bytes], Iterable[tuple[int, int]], Iterator[int]], bytes]

    def record(self, payload: bytes, source: Address, destination: Address, family: int, wall: float,
               number: int) -> bytes:
        """One datagram by itself; `wall` is the time of arrival in seconds since 1970, to the microsecond."""
        seconds, microseconds = divmod(round(wall * 1_000_000), 1_000_000)
        prepared = self.prepare(source, destination, family)
        return self.lay_out((prepared,), (payload,), ((seconds, microseconds * 1000),), iter((number,)))


ADHOC = Format("ad-hoc", adhoc.FILE_HEADER, adhoc.prepare, adhoc.lay_out)
PCAP = Format("pcap", pcap.FILE_HEADER, frames.Flow, frames.lay_out)


class Survey(NamedTuple):
    """How far a recording can be read.

    `packets` is what the reader of its format counts; `whole_bytes` ends behind the last whole record, at most
    `size`; `error` says what is wrong there, None when nothing is.
    """

    format: str
    packets: int
    whole_bytes: int
    size: int
    error: Optional[str]


def open_recording(file: BinaryIO) -> Reader:
    """A reader for a file that is open at its start.

    Raises RecordingError when it is empty or its header cannot be read; the reader raises it when iterated to where
    the file is broken.
    """
    window = Window(file)
    if not window.ensure(1):
        raise RecordingError("the file is empty")
    magic = window.data[:4]
    if magic in pcap.MAGICS:
        return PcapReader(window)
    if magic == pcapng.MAGIC:
        return PcapngReader(window)
    return AdhocReader(window)


def survey(path: str) -> Survey:
    """Read a recording through. Raises OSError when it cannot be opened or read."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        try:
            reader = open_recording(file)
        except RecordingError as broken:
            return Survey("unknown", 0, 0, size, str(broken))
        error = None
        try:
            for _ in reader:
                pass
        except RecordingError as broken:
            error = str(broken)
        return Survey(reader.name, reader.packets, reader.whole_bytes, size, error)
