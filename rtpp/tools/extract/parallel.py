"""Encoding on several processors at once, for encodings that are slow.

Plan: child processes encode groups of blocks, in turn, each as if its group were the first (see guessing.py). The
results are taken in the order of the groups: a child is told what a single coder would remember at that point, and
answers with what that one would have written and what it would remember afterwards. Each child has at most one group:
it is sent the next one when its result was taken, so nobody waits for somebody who waits, and memory is bounded. The
file is the same to the byte as one that is written by a single process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from array import array
from collections import deque
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Union

from rtpp.codecs.guessing import Coder, Guess
from rtpp.codecs.writer import Writer

GROUP = 1 << 19  # samples that are encoded at once, about
PIECE_BLOCKS = 4  # of a group, between looks at what a coder remembers
WORTHWHILE = 1 << 20  # samples; children cost more than they bring for fewer

Output = Union[Writer, "ParallelWriter"]


def accelerate(writer: Writer, samples: int) -> Output:
    """The writer itself, or several processes that encode for it. `samples` is how many there will be, about."""
    processors = os.cpu_count() or 1
    forks = sys.platform != "darwin" and "fork" in multiprocessing.get_all_start_methods()
    if samples < WORTHWHILE or processors < 2 or not forks:
        return writer
    coder = writer.encoding.make_coder(writer.channels)
    if coder is None:
        return writer
    try:
        return ParallelWriter(writer, coder, processors)
    except OSError:  # no more processes
        return writer


class ParallelWriter:
    """Writes as `writer` does."""

    def __init__(self, writer: Writer, coder: Coder, processes: int) -> None:
        """`coder` is a new one of the writer's encoding. Raises OSError."""
        block = writer.encoding.block_frames * writer.channels
        self._writer = writer
        self._group_size = max(1, GROUP // block) * block
        self._pending = array("h")
        self._idle: list[Connection] = []
        self._busy: deque[tuple[Connection, int]] = deque()  # in the order of their groups, and samples of these
        self._state = coder.state  # of a coder that has encoded what is in the file
        context = multiprocessing.get_context("fork")
        try:
            for _ in range(processes):
                ours, theirs = context.Pipe()
                self._idle.append(ours)
                arguments = (theirs, list(self._idle), coder, PIECE_BLOCKS * block)
                context.Process(target=_encode, args=arguments, daemon=True).start()
                theirs.close()
        except OSError:
            self._dismiss()
            raise

    def write(self, samples: array[int]) -> None:
        """Append frames: a sample of each channel in turn. Raises OSError."""
        self._pending += samples
        while len(self._pending) >= self._group_size:
            self._send(self._pending[: self._group_size])
            del self._pending[: self._group_size]

    def close(self) -> None:
        """Complete the file. Raises OSError."""
        try:
            if self._pending:
                self._send(self._pending)
            while self._busy:
                self._take_result()
        finally:
            self._dismiss()
            self._writer.close()

    def _send(self, group: array[int]) -> None:
        """Let a child encode a group."""
        if not self._idle:
            self._take_result()
        child = self._idle.pop()
        self._busy.append((child, len(group)))
        try:
            child.send_bytes(group)
        except OSError as error:
            raise OSError("a process that encodes has ended") from error

    def _take_result(self) -> None:
        """Write what has become of the oldest group."""
        child, samples = self._busy.popleft()
        self._idle.append(child)
        try:
            child.send(self._state)
            data, self._state = child.recv()
        except (EOFError, OSError) as error:
            raise OSError("a process that encodes has ended") from error
        self._writer.write_encoded(data, samples)

    def _dismiss(self) -> None:
        """A child ends when nobody can send to it."""
        for child in (*self._idle, *(child for child, _ in self._busy)):
            child.close()


def _encode(work: Connection, others: list[Connection], coder: Coder, piece: int) -> None:
    """A child: encode what comes until nothing can come any more. `piece`: see Guess."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends, and so does this
    for connection in others:
        connection.close()
    blank = coder.state
    with suppress(EOFError, OSError):
        while True:
            samples = array("h")
            samples.frombytes(work.recv_bytes())
            coder.state = blank
            guess = Guess(coder, samples, piece)
            work.send(guess.correct(work.recv()))
