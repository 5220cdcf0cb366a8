"""Audio files in: what a prompt is made of, as mono samples at 8 kHz.

Plan: the first bytes tell a wav or au file; a format that we know but do not read is refused by its name, as
its bytes would otherwise play as noise; anything else is headerless 16-bit little-endian samples. Samples are
decoded in pieces, whole blocks at a time, so that a long file takes no more memory than a short one.
"""

from __future__ import annotations

from array import array
from typing import BinaryIO

from . import au, wav
from .encodings import ENCODINGS, FormatError, Layout

RATE = 8000
_PIECE_BYTES = 8192
_FOREIGN = (
    (b"FORM", "AIFF"),
    (b"caff", "CAF"),
    (b"RF64", "RF64"),
    (b"riff", "Wave64"),
    (b"RIFX", "big-endian WAV"),
    (b"OggS", "Ogg"),
    (b"fLaC", "FLAC"),
    (b"ID3", "MP3"),
)


class Reader:
    """An audio file that is being read."""

    def __init__(self, file: BinaryIO, layout: Layout, block_bytes: int, big_endian: bool) -> None:
        """`file` is at its first sample; `layout.data_bytes` is 0 when the samples go on to its end."""
        self._file = file
        self._layout = layout
        self._block_bytes = block_bytes
        self._big_endian = big_endian
        self._start = file.tell()
        self.rewind()

    def rewind(self) -> None:
        """Go on with the first sample."""
        encoding = self._layout.encoding
        self._decode = encoding.make_decoder(1, self._big_endian, self._block_bytes)
        self._ready = array("h")
        self._left = self._layout.data_bytes
        self._file.seek(self._start)

    def read(self, count: int) -> array[int]:
        """The next `count` samples, fewer only at the end. Raises OSError."""
        while len(self._ready) < count and self._fill():
            pass
        samples = self._ready[:count]
        del self._ready[:count]
        return samples

    def close(self) -> None:
        self._file.close()

    def _fill(self) -> bool:
        """Decode some more; False at the end."""
        size = max(1, _PIECE_BYTES // self._block_bytes) * self._block_bytes
        if self._layout.data_bytes:
            size = min(size, self._left)
        data = self._file.read(size)
        self._left -= len(data)
        self._ready += self._decode(data)
        return bool(data)


def open_reader(path: str) -> Reader:
    """Open a wav, au or headerless file.

    Raises FormatError for a file of another kind, of more than one channel or another rate, OSError when it
    cannot be read.
    """
    file = open(path, "rb")  # noqa: SIM115 - handed to the Reader
    try:
        return _reader(file)
    except BaseException:
        file.close()
        raise


def _reader(file: BinaryIO) -> Reader:
    head = file.read(12)
    big_endian = False
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        layout, block_bytes = wav.parse(file)
    elif head[:4] == b".snd":
        layout, big_endian = au.parse(file), True
        block_bytes = layout.block_bytes
    else:
        for signature, name in _FOREIGN:
            if head.startswith(signature):
                raise FormatError(f"{name} files cannot be read; WAV, AU and raw ones can")
        file.seek(0)
        layout = Layout(ENCODINGS["pcm_16"], 1, RATE)
        block_bytes = layout.block_bytes
    if layout.channels != 1:
        raise FormatError(f"{layout.channels} channels; only mono files can be read")
    if layout.rate != RATE:
        raise FormatError(f"{layout.rate} Hz; only files of {RATE} Hz can be read")
    if layout.encoding.is_plain or layout.encoding.most_channels == 1:
        block_bytes = layout.block_bytes  # what the encoding says, whatever the header does
    try:
        return Reader(file, layout, block_bytes, big_endian)
    except ValueError as error:
        raise FormatError(str(error))
