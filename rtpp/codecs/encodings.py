"""The ways to write samples in an audio file, by name.

Plan: an encoding turns whole blocks of frames into whole blocks of bytes; for the plain ones a block is one
frame. A file's container (wav, au, ...) decides the byte order and which encodings it can hold.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Optional

from . import adpcm, g711, gsm, ima_adpcm, ms_adpcm, pcm
from .guessing import Coder

Encode = Callable[["array[int]"], bytes]
Decode = Callable[[bytes], "array[int]"]


class FormatError(Exception):
    """A file that cannot be written or read in this format; the text says why."""


@dataclass(frozen=True)
class Encoding:
    """How samples are written.

    name: as users give it.
    description: for the lists of help texts.
    bits: of a sample, as headers state it; 0 when it is no whole number.
    block_frames: frames in a block.
    block_bytes: size of a block, for each channel.
    most_channels: how many channels the encoding can interleave.
    make_encoder: of (channels, big_endian).
    make_decoder: of (channels, big_endian, bytes in a block as the file's header tells).
    make_coder: for a number of channels what several processes can encode with, None where one is fast enough.
    """

    name: str
    description: str
    bits: int
    block_frames: int
    block_bytes: int
    most_channels: int
    make_encoder: Callable[[int, bool], Encode]
    make_decoder: Callable[[int, bool, int], Decode]
    make_coder: Callable[[int], Optional[Coder]] = lambda _channels: None

    @property
    def is_plain(self) -> bool:
        """Every sample stands for itself."""
        return self.block_frames == 1


def _ordered(
    name: str,
    description: str,
    width: int,
    encode: Callable[..., bytes],
    decode: Callable[..., array[int]],
    detail: Any,
) -> Encoding:
    """A plain encoding that has a byte order."""
    return Encoding(
        name,
        description,
        8 * width,
        1,
        width,
        2,
        lambda _channels, big: lambda samples: encode(samples, detail, big),
        lambda _channels, big, _block: lambda data: decode(data, detail, big),
    )


def _bytewise(name: str, description: str, encode: Encode, decode: Decode) -> Encoding:
    """A plain encoding of one byte for each sample."""
    return Encoding(
        name, description, 8, 1, 1, 2, lambda _channels, _big: encode, lambda _channels, _big, _block: decode
    )


_integers = partial(_ordered, encode=pcm.encode_integers, decode=pcm.decode_integers)
_floats = partial(_ordered, encode=pcm.encode_floats, decode=pcm.decode_floats)

ENCODINGS = {
    encoding.name: encoding
    for encoding in (
        _integers("pcm_s8", "signed 8 bit PCM", 1, detail=1),
        _integers("pcm_16", "signed 16 bit PCM", 2, detail=2),
        _integers("pcm_24", "signed 24 bit PCM", 3, detail=3),
        _integers("pcm_32", "signed 32 bit PCM", 4, detail=4),
        _bytewise("pcm_u8", "unsigned 8 bit PCM", pcm.encode_unsigned_bytes, pcm.decode_unsigned_bytes),
        _floats("float", "32 bit floating point", 4, detail="f"),
        _floats("double", "64 bit floating point", 8, detail="d"),
        _bytewise("ulaw", "G.711 mu-law", g711.encode_ulaw, g711.decode_ulaw),
        _bytewise("alaw", "G.711 A-law", g711.encode_alaw, g711.decode_alaw),
        Encoding(
            "ima_adpcm",
            "IMA ADPCM",
            4,
            ima_adpcm.BLOCK_FRAMES,
            adpcm.BLOCK_BYTES,
            2,
            lambda channels, _big: ima_adpcm.Encoder(channels).encode,
            lambda channels, _big, block: ima_adpcm.Decoder(channels, block).decode,
        ),
        Encoding(
            "ms_adpcm",
            "Microsoft ADPCM",
            4,
            ms_adpcm.BLOCK_FRAMES,
            adpcm.BLOCK_BYTES,
            2,
            lambda channels, _big: ms_adpcm.Encoder(channels).encode,
            lambda channels, _big, block: ms_adpcm.Decoder(channels, block).decode,
            make_coder=ms_adpcm.Encoder,
        ),
        Encoding(
            "gsm610",
            "GSM 6.10 full rate",
            0,
            gsm.BLOCK_SAMPLES,
            gsm.BLOCK_BYTES,
            1,
            lambda _channels, _big: gsm.block_encoder(),
            lambda _channels, _big, _block: gsm.block_decoder(),
            make_coder=lambda _channels: gsm.slow_block_encoder(),
        ),
    )
}


@dataclass(frozen=True)
class Layout:
    """What a header tells. `data_bytes` and `frames` are 0 until the file is complete."""

    encoding: Encoding
    channels: int
    rate: int
    data_bytes: int = 0
    frames: int = 0

    @property
    def block_bytes(self) -> int:
        """Size of a block of all channels."""
        return self.encoding.block_bytes * self.channels
