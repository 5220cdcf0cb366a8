"""Payloads to samples at 8 kHz, for the payload types that extractaudio can play."""

from __future__ import annotations

from array import array
from typing import Callable, Optional

from rtpp.codecs import g711, g722, g729, gsm
from rtpp.tools.extract.messages import Complaints

LARGEST_PACKET = 4096  # samples; what a packet holds beyond them is cut off

_G729_FRAME_SIZES = (10, 8, 15, 2)  # bytes; a payload is taken for frames of the first that divides it

Decode = Callable[[bytes], "array[int]"]


class ChannelDecoder:
    """The decoders of one channel, which remember what they decoded before."""

    def __init__(self, complaints: Complaints) -> None:
        self._complaints = complaints
        self._decoders: dict[int, Optional[Decode]] = {0: g711.decode_ulaw, 8: g711.decode_alaw}

    def decode(self, payload_type: int, payload: bytes) -> Optional[array[int]]:
        """None when nothing can be made of it."""
        if payload_type not in self._decoders:
            self._decoders[payload_type] = self._create(payload_type)
        decode = self._decoders[payload_type]
        if decode is None or (payload_type == 18 and not _is_g729(payload)):
            return None
        decoded = decode(payload)
        return decoded[:LARGEST_PACKET] if len(decoded) > LARGEST_PACKET else decoded

    def _create(self, payload_type: int) -> Optional[Decode]:
        if payload_type == 3:
            return gsm.decoder()
        if payload_type == 9:
            return g722.Decoder().decode
        if payload_type == 18:
            try:
                return g729.Decoder().decode
            except g729.CodecUnavailable as error:
                self._complaints.add(str(error))
        return None


def _is_g729(payload: bytes) -> bool:
    return any(len(payload) % size == 0 for size in _G729_FRAME_SIZES)
