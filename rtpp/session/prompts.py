"""Prompt files: raw frames of one codec, named NAME.PAYLOAD_TYPE, made by makeann.

Files are read once and shared by all players, and read again when they have changed on disk. The cache is bounded;
a file that does not fit any more is simply read for each player.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import NamedTuple

MAX_FILE = 64 * 1024 * 1024  # bytes; over two hours of G.711
MAX_CACHED = 256 * 1024 * 1024  # bytes of all prompts kept

# Bytes and milliseconds of a frame by payload type; other payload types cannot be played.
FRAMES = {0: (8, 1), 8: (8, 1), 9: (8, 1), 18: (10, 10), 4: (24, 30), 3: (33, 20)}


class Prompt(NamedTuple):
    """What a prompt file holds. Durations are milliseconds."""

    payload_type: int
    data: bytes

    def packet_layout(self, packet_time: int) -> tuple[int, int]:
        """Bytes and duration of a packet: as many frames as reach `packet_time`."""
        size, duration = FRAMES[self.payload_type]
        frames = -(-packet_time // duration)
        return size * frames, duration * frames


class PromptCache:
    """Safe to use from any thread; reads disks, so not under the table lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, tuple[tuple[int, int, int], bytes]] = OrderedDict()  # oldest use first
        self._size = 0

    def load(self, name: str, payload_type: int) -> Prompt:
        """The prompt for one codec. Raises OSError, or ValueError for a codec that cannot be played."""
        if payload_type not in FRAMES:
            raise ValueError(f"payload type {payload_type} cannot be played")
        path = f"{name}.{payload_type}".encode("latin-1")
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            state = os.fstat(descriptor)
            version = (state.st_ino, state.st_size, state.st_mtime_ns)
            with self._lock:
                entry = self._entries.get(path)
                if entry is not None and entry[0] == version:
                    self._entries.move_to_end(path)
                    return Prompt(payload_type, entry[1])
            if state.st_size > MAX_FILE:
                raise ValueError(f"{path!r} has {state.st_size} bytes, {MAX_FILE} at most")
            data = file.read(MAX_FILE)
        self._keep(path, version, data)
        return Prompt(payload_type, data)

    def _keep(self, path: bytes, version: tuple[int, int, int], data: bytes) -> None:
        with self._lock:
            self._drop(path)
            self._entries[path] = (version, data)
            self._size += len(data)
            while self._size > MAX_CACHED:
                self._drop(next(iter(self._entries)))

    def _drop(self, path: bytes) -> None:
        entry = self._entries.pop(path, None)
        if entry is not None:
            self._size -= len(entry[1])
