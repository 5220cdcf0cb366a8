"""Encoding on several processors at once, for encodings whose blocks do not depend on each other.

Plan: child processes encode groups of blocks, in turn. Each has at most one group: it is sent the next one when its
result was taken, so nobody waits for somebody who waits, memory is bounded, and results come in order by themselves.
The file is the same to the byte as one that is written by a single process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from array import array
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Union

from rtpp.codecs.encodings import ENCODINGS
from rtpp.codecs.writer import Writer

GROUP = 1 << 16  # samples that are encoded at once, about
WORTHWHILE = 1 << 20  # samples; children cost more than they bring for fewer

Output = Union[Writer, "ParallelWriter"]


def accelerate(writer: Writer, samples: int) -> Output:
    """The writer itself, or several processes that encode for it. `samples` is how many there will be, about."""
    processors = os.cpu_count() or 1
    forks = sys.platform != "darwin" and "fork" in multiprocessing.get_all_start_methods()
    if not writer.encoding.independent_blocks or samples < WORTHWHILE or processors < 2 or not forks:
        return writer
    try:
        return ParallelWriter(writer, processors)
    except OSError:  # no more processes
        return writer


class ParallelWriter:
    """Writes as `writer` does."""

    def __init__(self, writer: Writer, processes: int) -> None:
        """Raises OSError."""
        block = writer.encoding.block_frames * writer.channels
        self._writer = writer
        self._group_size = max(1, GROUP // block) * block
        self._pending = array("h")
        self._children: list[Connection] = []
        self._sent: list[int] = [0] * processes  # samples of the group that a child has
        self._turn = 0
        context = multiprocessing.get_context("fork")
        try:
            for _ in range(processes):
                ours, theirs = context.Pipe()
                self._children.append(ours)
                arguments = (theirs, list(self._children), writer.encoding.name, writer.channels)
                context.Process(target=_encode, args=arguments, daemon=True).start()
                theirs.close()
        except OSError:
            self._dismiss()
            raise

    def write(self, samples: array[int]) -> None:
        """Append frames: a sample of each channel in turn. Raises OSError."""
        self._pending += samples
        while len(self._pending) >= self._group_size:
            group = self._pending[: self._group_size]
            del self._pending[: self._group_size]
            self._take_result()
            try:
                self._children[self._turn].send_bytes(group)
            except OSError as error:
                raise OSError("a process that encodes has ended") from error
            self._sent[self._turn] = len(group)
            self._turn = (self._turn + 1) % len(self._children)

    def close(self) -> None:
        """Complete the file. Raises OSError."""
        try:
            for _ in self._children:
                self._take_result()
                self._turn = (self._turn + 1) % len(self._children)
            self._writer.write(self._pending)
        finally:
            self._dismiss()
            self._writer.close()

    def _take_result(self) -> None:
        """Write what the child whose turn it is has encoded, if it has anything."""
        samples = self._sent[self._turn]
        if samples:
            self._sent[self._turn] = 0
            try:
                data = self._children[self._turn].recv_bytes()
            except (EOFError, OSError) as error:
                raise OSError("a process that encodes has ended") from error
            self._writer.write_encoded(data, samples)

    def _dismiss(self) -> None:
        """A child ends when nobody can send to it."""
        for child in self._children:
            child.close()


def _encode(work: Connection, others: list[Connection], encoding: str, channels: int) -> None:
    """A child: encode what comes until nothing can come any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends, and so does this
    for connection in others:
        connection.close()
    encode = ENCODINGS[encoding].make_encoder(channels, False)
    with suppress(EOFError, OSError):
        while True:
            samples = array("h")
            samples.frombytes(work.recv_bytes())
            work.send_bytes(encode(samples))
