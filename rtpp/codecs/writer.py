"""Audio files out: containers by name, and the writer that fills them.

Plan: a header is a pure function of what it tells, and its length does not depend on the counts. So the
writer puts down a header without counts, streams encoded blocks behind it, and writes the header once more
when it knows how much came. It holds less than one block in memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace

from . import aiff, au, caf, wav
from .encodings import ENCODINGS, FormatError, Layout


@dataclass(frozen=True)
class Container:
    """A file format.

    encodings: names of those it can hold.
    header: what stands before the samples.
    big_endian: byte order of the samples.
    padding: the samples are filled up with zeros to a multiple of so many bytes.
    """

    description: str
    encodings: tuple[str, ...]
    header: Callable[[Layout], bytes]
    big_endian: bool
    padding: int


def _no_header(_layout: Layout) -> bytes:
    return b""


_RAW_ENCODINGS = tuple(encoding.name for encoding in ENCODINGS.values() if encoding.is_plain)

CONTAINERS = {
    "wav": Container("WAV (Microsoft)", wav.ALL_ENCODINGS, wav.wav_header, False, 2),
    "aiff": Container("AIFF (Apple)", aiff.ALL_ENCODINGS, aiff.header, True, 2),
    "au": Container("AU (Sun and NeXT)", au.ALL_ENCODINGS, au.header, True, 1),
    "raw": Container("headerless, little-endian", _RAW_ENCODINGS, _no_header, False, 1),
    "w64": Container("Wave64 (Sony)", wav.W64_ENCODINGS, wav.w64_header, False, 1),
    "wavex": Container("WAVEX (Microsoft)", wav.PLAIN_ENCODINGS, wav.wavex_header, False, 2),
    "caf": Container("CAF (Apple)", caf.ALL_ENCODINGS, caf.header, True, 1),
    "rf64": Container("RF64 (EBU)", wav.PLAIN_ENCODINGS, wav.rf64_header, False, 2),
}


class Writer:
    """An audio file that is being written."""

    def __init__(self, path: str, container: Container, layout: Layout) -> None:
        self.encoding = layout.encoding
        self.channels = layout.channels
        self._container = container
        self._layout = layout
        self._encode = self.encoding.make_encoder(layout.channels, container.big_endian)
        self._block_samples = self.encoding.block_frames * layout.channels
        self._pending = array("h")
        self._data_bytes = 0
        self._samples = 0
        self._file = open(path, "wb")  # noqa: SIM115 - closed by close()
        try:
            self._file.write(container.header(layout))
        except BaseException:
            self._file.close()
            raise

    def write(self, samples: array[int]) -> None:
        """Append frames: a sample of each channel in turn. Raises OSError."""
        self._samples += len(samples)
        self._pending += samples
        whole = len(self._pending) // self._block_samples * self._block_samples
        if whole:
            self._append(self._encode(self._pending[:whole]))
            del self._pending[:whole]

    def write_encoded(self, data: bytes, samples: int) -> None:
        """Append whole blocks that were encoded elsewhere, of that many samples. Raises OSError.

        Not when `write` has left a part of a block.
        """
        self._samples += samples
        self._append(data)

    def close(self) -> None:
        """Complete the last block and the header; a second call does nothing. Raises OSError."""
        if self._file.closed:
            return
        with self._file as file:
            if self._pending:
                self._append(self._encode(self._pending))
            file.write(bytes(-self._data_bytes % self._container.padding))
            frames = self._samples // self._layout.channels
            header = self._container.header(
                replace(self._layout, data_bytes=self._data_bytes, frames=frames)
            )
            if header:
                file.seek(0)
                file.write(header)

    def _append(self, data: bytes) -> None:
        self._file.write(data)
        self._data_bytes += len(data)


def open_writer(path: str, container: str, encoding: str, channels: int, rate: int = 8000) -> Writer:
    """Create `path`. Names are keys of CONTAINERS and ENCODINGS; `rate` is in Hz.

    Raises FormatError, before the file is touched, for names that are not offered and for a combination that
    does not exist; OSError when the file cannot be created.
    """
    if container not in CONTAINERS:
        raise FormatError(f"unknown container {container}")
    if encoding not in ENCODINGS:
        raise FormatError(f"unknown encoding {encoding}")
    if encoding not in CONTAINERS[container].encodings:
        raise FormatError(f"{container} files cannot hold {encoding}")
    if not 1 <= channels <= ENCODINGS[encoding].most_channels:
        raise FormatError(f"{encoding} cannot hold {channels} channels")
    return Writer(path, CONTAINERS[container], Layout(ENCODINGS[encoding], channels, rate))
