"""What the two ADPCM codecs of WAV files share: blocks of all channels, each of which starts afresh."""

from __future__ import annotations

from array import array
from typing import ClassVar

BLOCK_BYTES = 256  # for each channel: what others use at 8 kHz too


class BlockEncoder:
    """Interleaved samples to blocks of BLOCK_BYTES for each channel."""

    block_frames: ClassVar[int]
    state = None  # each block starts afresh

    def __init__(self, channels: int) -> None:
        self._channels = channels

    def encode(self, samples: array[int]) -> bytes:
        """A block for each `block_frames` frames; a short last one is filled up with zeros."""
        length = self.block_frames * self._channels
        return b"".join(
            self._encode_block(samples[start : start + length]) for start in range(0, len(samples), length)
        )

    def _encode_block(self, samples: array[int]) -> bytes:
        raise NotImplementedError

    def _signals(self, samples: array[int]) -> list[list[int]]:
        """The samples of each channel in a block, filled up."""
        signals = [samples[channel :: self._channels].tolist() for channel in range(self._channels)]
        return [signal + [0] * (self.block_frames - len(signal)) for signal in signals]


class BlockDecoder:
    """Blocks to interleaved samples."""

    name: ClassVar[str]
    header_bytes: ClassVar[int]  # for each channel

    def __init__(self, channels: int, block_bytes: int) -> None:
        """Raises ValueError when such a block would have no room for its own header."""
        if block_bytes < self.header_bytes * channels:
            raise ValueError(f"{self.name} block of {block_bytes} bytes for {channels} channels")
        self._channels = channels
        self._block_bytes = block_bytes

    def decode(self, data: bytes) -> array[int]:
        """The samples of all blocks; a short last one gives what it has, if it has a header."""
        samples = array("h")
        for start in range(0, len(data), self._block_bytes):
            block = data[start : start + self._block_bytes]
            if len(block) >= self.header_bytes * self._channels:
                samples += self._decode_block(block)
        return samples

    def _decode_block(self, block: bytes) -> array[int]:
        raise NotImplementedError
