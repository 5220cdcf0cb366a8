"""Reads recordings into channels, one per SSRC, and reports what the network did to them.

Plan: a file is read once from front to back. Each packet is decrypted if need be, parsed, counted by the analyzer
and entered in the index of its channel; its payload stays in the file and is read again when it is played. Only what
had to be decrypted is kept apart, in a temporary file.

A single file of both sides is read once for each: what came to the address that the first packet came to is one side,
the rest is the other. The file does not tell who called; whoever was heard first is taken for the originating side.

A file that turns out to be broken still gives its figures and the packets before the break: they are played when
the other file is good.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import BinaryIO, Callable, NamedTuple, Optional

from rtpp.recording import adhoc
from rtpp.recording.formats import open_recording
from rtpp.recording.reading import Address, Record, RecordingError
from rtpp.rtp.analyzer import Analyzer, AnalyzerError, AnalyzerReport, Outcome
from rtpp.rtp.packet import HEADER, HEADER_SIZE, PLAIN, RtpError, is_rtcp, payload_bounds, samples
from rtpp.rtp.srtp import SrtpError, SrtpReceiver
from rtpp.tools.extract.index import ChunkStore, Entry, PacketIndex
from rtpp.tools.extract.messages import Complaints, warn
from rtpp.tools.extract.options import CryptoSpec

_SAMPLE_A_BYTE = (0, 8, 9)  # G.711 and G.722
_LARGEST_PAYLOAD = 65535
_PACKETS_A_REPORT = 2048


class Side(IntEnum):
    """Whose packets a recording holds."""

    ANSWERING = 0
    ORIGINATING = 1


class Channel(NamedTuple):
    """The packets of one SSRC."""

    side: Side
    ssrc: int
    packets: PacketIndex


class Recordings:
    """All that was loaded. `channels` are in the order of their first packets in the files."""

    def __init__(self) -> None:
        self._store = ChunkStore()
        self._files: list[BinaryIO] = []
        self._channels: dict[int, Channel] = {}

    @property
    def channels(self) -> list[Channel]:
        return list(self._channels.values())

    def payload(self, entry: Entry) -> bytes:
        """The payload of a packet that is in a channel."""
        return os.pread(self._files[entry.file].fileno(), entry.size, entry.offset)

    def close(self) -> None:
        self._store.close()
        for file in self._files:
            file.close()

    def load(
        self,
        path: str,
        side: Side,
        crypto: Optional[CryptoSpec],
        progress: Callable[[float], None],
        split_at: Optional[Address] = None,
    ) -> bool:
        """Read a recording and print its figures. False, after a warning, when something is wrong with it.

        `progress` is told the fraction that was read. `split_at` is where the originating side's packets went in a file
        that holds both sides.
        """
        file = open_regular(path)
        if file is None:
            return False
        self._files.append(file)
        try:
            reader = open_recording(file)
        except RecordingError as error:
            warn(str(error))
            return False
        loading = _Loading(self, side, progress, os.fstat(file.fileno()).st_size)
        if crypto:
            loading.decrypt(SrtpReceiver(crypto.key, crypto.tag_size))
        good = loading.run(_of_side(reader, side, split_at) if split_at else reader)
        print(figures(loading.analyzer.report()))
        return good

    def add_file(self, file: BinaryIO) -> int:
        """Have payloads in another file. Its number."""
        self._files.append(file)
        return len(self._files) - 1

    @property
    def latest_file(self) -> int:
        return len(self._files) - 1

    def channel(self, ssrc: int, side: Side) -> Channel:
        """The channel of an SSRC; `side` counts when it is new."""
        channel = self._channels.get(ssrc)
        if channel is None:
            channel = self._channels[ssrc] = Channel(side, ssrc, PacketIndex(self._store))
        return channel


class _Loading:
    """One file on its way in."""

    def __init__(self, recordings: Recordings, side: Side, progress: Callable[[float], None], size: int) -> None:
        self.analyzer = Analyzer(recorded=True)
        self._recordings = recordings
        self._side = side
        self._progress = progress
        self._size = size
        self._complaints = Complaints()
        self._loaded = 0
        self._file_number = recordings.latest_file
        self._receiver: Optional[SrtpReceiver] = None
        self._decrypted: Optional[BinaryIO] = None

    def decrypt(self, receiver: SrtpReceiver) -> None:
        """Expect SRTP."""
        self._receiver = receiver
        self._decrypted = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the recordings)
        self._file_number = self._recordings.add_file(self._decrypted)

    def run(self, records: Iterable[Record]) -> bool:
        """Load it all. False when the file is broken somewhere, or its packets make no sense."""
        try:
            self._load_records(records)
        except RecordingError as error:
            text = str(error)
            warn(f"{text}, {self._loaded} packets loaded" if text == adhoc.INVALID else text)
            return False
        except AnalyzerError:
            warn("update_rtpp_stats() failed")
            return False
        finally:
            self._complaints.close()
            if self._decrypted is not None:
                self._decrypted.flush()
        return True

    def _load_records(self, records: Iterable[Record]) -> None:
        update, channel_of, side = self.analyzer.update, self._recordings.channel, self._side
        current, current_ssrc, number = None, -1, self._file_number
        for count, (time, data, offset, _, _) in enumerate(records):
            if not count % _PACKETS_A_REPORT:
                self._progress(offset / self._size)
            if len(data) < HEADER_SIZE:
                continue
            if self._receiver is not None:
                try:
                    data = self._receiver.decrypt(data)
                except SrtpError:
                    self._complaints.add("decryption failed")
                    continue
            if update(data, time) is Outcome.NOT_RTP:
                self._complain_about(data)
                continue
            first, second, sequence_number, timestamp, ssrc = HEADER.unpack_from(data)
            payload_type = second & 0x7F
            start, end = (HEADER_SIZE, len(data)) if first == PLAIN else payload_bounds(data)
            duration = (end - start) if payload_type in _SAMPLE_A_BYTE else 0
            duration = duration or samples(payload_type, data[start:end])
            if duration <= 0:
                self._complaints.add(f"pack->parsed.nsamples = {duration}")
                continue
            if ssrc != current_ssrc or current is None:
                current, current_ssrc = channel_of(ssrc, side), ssrc
            if self._decrypted is not None:
                offset = self._decrypted.tell() - start
                self._decrypted.write(data[start:end])
            size = min(end - start, _LARGEST_PAYLOAD)
            current.packets.insert(time, offset + start, size, timestamp, sequence_number, payload_type, number)
            self._loaded += 1

    def _complain_about(self, data: bytes) -> None:
        try:
            payload_bounds(data)
        except RtpError as error:
            self._complaints.add(f"rtp_packet_parse_raw() failed: {error.reason}")


def _of_side(records: Iterable[Record], side: Side, split_at: Address) -> Iterator[Record]:
    """The RTP packets of one side out of a recording of both."""
    originating = side == Side.ORIGINATING
    for record in records:
        if (record.destination == split_at) is originating and not is_rtcp(record.payload):
            yield record


def first_destination(path: str) -> Optional[Address]:
    """Where the first RTP packet of a recording went, None when there is none or that is not recorded."""
    try:
        with open(path, "rb") as file:
            return next((record.destination for record in open_recording(file) if not is_rtcp(record.payload)), None)
    except (OSError, RecordingError):
        return None


def open_regular(path: str) -> Optional[BinaryIO]:
    """A file with something in it, None after a warning. What is not a plain file cannot be read twice."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            warn(f"{path}: not a regular file")
            return None
        if status.st_size == 0:
            warn(f"{path}: the file is empty")
            return None
        return open(path, "rb")
    except (OSError, ValueError) as error:
        warn(f"can't open {path} for reading: {getattr(error, 'strerror', None) or error}")
        return None


def scan(path: str) -> int:
    """How many packets a recording holds, -1 when it cannot be read to its end."""
    file = open_regular(path)
    if file is None:
        return -1
    with file:
        try:
            reader = open_recording(file)
            for _ in reader:
                pass
        except RecordingError as error:
            warn(f"{path}: {error}")
            return -1
    return reader.packets


def figures(report: AnalyzerReport) -> str:
    """Two lines about the last epoch and about all of them, and one about jitter if there is any to tell."""
    lines = [
        f"pcount={report.pcount}, min_seq={report.min_seq}, max_seq={report.max_seq}, "
        f"seq_offset={report.seq_offset}, ssrc=0x{report.ssrc or 0:08X}, duplicates={report.duplicates}",
        f"ssrc_changes={report.ssrc_changes}, psent={report.nsent}, precvd={report.nrcvd}, plost={report.nlost}",
    ]
    if report.has_jitter:
        lines.append(
            f"last_jitter={report.jlast:f},average_jitter={report.javg:f},max_jitter={report.jmax:f}"
        )
    return "\n".join(lines)
