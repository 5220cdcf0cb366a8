"""Makes a prompt: one file for each codec that the proxy can play it in, named by payload type.

Plan: samples are read in chunks of whole blocks, 160 samples or 20 ms each, and handed to all encoders. Only the
last block can be short; G.711 takes it as it is, the others get it filled up with silence.
"""

from __future__ import annotations

import getopt
import os
import sys
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, closing
from io import FileIO
from typing import Callable, NamedTuple, Optional

from rtpp.codecs import g711, g722, g729, gsm
from rtpp.codecs.encodings import FormatError
from rtpp.codecs.reader import Reader, open_reader

PROGRAM = "makeann"
USAGE = "usage: makeann [-l limit [-L]] [-v] infile [outfile_template]\n"
HELP = (
    USAGE
    + """
Encodes a prompt with every codec that rtpproxy can play, each into a file of its own: outfile_template, or infile,
with the RTP payload type behind (.0 PCMU, .3 GSM, .8 PCMA, .9 G.722, .18 G.729). infile is headerless 16-bit
little-endian audio, WAV or AU; mono, 8000 samples per second.

  -l limit   stop after so many samples
  -L         begin again at the end of infile, until the limit
  -v         let G.729 leave silence out
  --help     this text

More in makeann(1).
"""
)
RATE = 8000  # samples per second
BLOCK = 160  # samples
CHUNK = 100 * BLOCK  # samples read at once

Encode = Callable[["array[int]"], bytes]


class Failure(Exception):
    """The end of the program. The text is shown."""


class Options(NamedTuple):
    """What the user wants. `limit` is in samples, None: all there are."""

    source: str
    template: str
    limit: Optional[int]
    loop: bool
    silence_detection: bool


class Output(NamedTuple):
    """A file and what goes into it."""

    path: str
    file: FileIO
    encode: Encode
    whole_blocks: bool  # the encoder takes nothing less


def main() -> None:
    if "--help" in sys.argv[1:]:
        sys.stdout.write(HELP)
        return
    try:
        make(parse(sys.argv[1:]))
    except getopt.GetoptError as error:
        if error.msg:
            sys.stderr.write(f"{PROGRAM}: {error}\n")
        sys.exit(USAGE.rstrip())
    except Failure as failure:
        sys.exit(f"{PROGRAM}: {failure}")


def parse(arguments: list[str]) -> Options:
    """Raises getopt.GetoptError for what the usage explains and Failure for the rest."""
    given, rest = getopt.gnu_getopt(arguments, "l:Lv")
    limit, flags = None, {name for name, _ in given}
    for name, value in given:
        if name == "-l":
            if not value.isdecimal() or not int(value):
                raise Failure("limit parameter have to be a number greater than zero")
            limit = int(value)
    if "-L" in flags and limit is None:
        raise Failure("limit have to be specified in the loop mode")
    if not 1 <= len(rest) <= 2:
        raise getopt.GetoptError("")
    return Options(rest[0], rest[-1], limit, "-L" in flags, "-v" in flags)


def make(options: Options) -> None:
    """Write all outputs. Raises Failure."""
    if options.silence_detection:
        sys.stderr.write(f"{PROGRAM}: warning: silence detection is on: the G.729 prompt will have gaps\n")
    with ExitStack() as stack:
        source = stack.enter_context(closing(_open_source(options.source)))
        outputs = [
            Output(path, stack.enter_context(_create(path, options.source)), encode, whole_blocks)
            for path, encode, whole_blocks in _encoders(options)
        ]
        for chunk in read_chunks(source, options):
            write(chunk, outputs)


def write(chunk: array[int], outputs: list[Output]) -> None:
    """Encode a chunk into every output."""
    filled = chunk + array("h", bytes(2 * (-len(chunk) % BLOCK)))
    for path, file, encode, whole_blocks in outputs:
        try:
            rest = memoryview(encode(filled if whole_blocks else chunk))
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as error:
            raise Failure(f"can't write to {path}: {error.strerror}") from error


def _encoders(options: Options) -> Iterator[tuple[str, Encode, bool]]:
    """Path, encoder and whether it takes only whole blocks, for each codec that there is."""
    template = options.template
    yield f"{template}.0", g711.encode_ulaw, False
    yield f"{template}.3", gsm.encoder(), True
    try:
        yield f"{template}.18", g729.Encoder(options.silence_detection).encode, True
    except g729.CodecUnavailable as error:
        if options.silence_detection:
            raise Failure(str(error)) from error
    yield f"{template}.8", g711.encode_alaw, False
    yield f"{template}.9", g722.Encoder().encode, True


def _create(path: str, source: str) -> FileIO:
    """Unbuffered: chunks are large, and so every error appears where it can be told which file it is of."""
    try:
        if os.path.exists(path) and os.path.samefile(path, source):
            raise Failure(f"can't open {path} for writing: it is the input")
        return open(path, "wb", buffering=0)
    except OSError as error:
        raise Failure(f"can't open {path} for writing: {error.strerror}") from error


def read_chunks(source: Reader, options: Options) -> Iterator[array[int]]:
    """The prompt's samples in whole blocks, except at the end. A loop goes on inside a block. Raises Failure."""
    left = sys.maxsize if options.limit is None else options.limit
    empty = True
    chunk = array("h")
    while left:
        try:
            samples = source.read(min(left, CHUNK - len(chunk)))
            if not samples and options.loop and not empty:
                source.rewind()
                continue
        except OSError as error:
            raise Failure(f"can't read {options.source}: {error.strerror}") from error
        if not samples:
            break
        empty = False
        chunk += samples
        left -= len(samples)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = array("h")
    if left and options.loop:
        raise Failure(f"{options.source} has no samples to repeat")
    if chunk:
        yield chunk


def _open_source(path: str) -> Reader:
    try:
        return open_reader(path)
    except OSError as error:
        raise Failure(f"can't open {path} for reading: {error.strerror}") from error
    except FormatError as error:
        raise Failure(f"can't read {path}: {error}") from error


if __name__ == "__main__":
    main()
