"""Turns recordings of a call into an audio file.

Plan: both recordings are read once into channels (loading.py), the channels are played side by side on one time
scale (timeline.py, decoding.py), mixed (mixing.py) and written as they come, so memory does not grow with the call.
Standard output has the figures that other programs read; everything else goes to standard error.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import chain
from typing import Optional

from rtpp.codecs.encodings import FormatError
from rtpp.codecs.writer import Writer, open_writer
from rtpp.recording.reading import Address
from rtpp.tools.extract import picture
from rtpp.tools.extract.decoding import ChannelDecoder
from rtpp.tools.extract.index import Entry
from rtpp.tools.extract.loading import Channel, Recordings, Side, first_destination, scan
from rtpp.tools.extract.measures import ChannelMeasures, SideMeasures
from rtpp.tools.extract.messages import Complaints, warn
from rtpp.tools.extract.mixing import Block, Voice, mix, mono, stereo
from rtpp.tools.extract.options import HELP, USAGE, BadValue, HelpWanted, Options, UsageError, parse
from rtpp.tools.extract.parallel import accelerate
from rtpp.tools.extract.progress import Progress
from rtpp.tools.extract.timeline import RATE, play, start_offsets

EXIT_FAILURE = 1
EXIT_NO_OUTPUT = 2
LOADING_SHARE = 0.3  # of the time that all takes
LOWEST_PRIORITY = 20
NOWHERE = ("", 0)  # no packet goes there


class Failure(Exception):
    """The end of the program. The text is shown."""

    def __init__(self, text: str, status: int = EXIT_FAILURE) -> None:
        super().__init__(text)
        self.status = status


def main() -> None:
    try:
        options = parse(sys.argv[1:])
    except HelpWanted:
        sys.stdout.write(HELP)
        return
    except UsageError as error:
        if str(error):
            warn(str(error))
        sys.stderr.write(USAGE)
        sys.exit(EXIT_FAILURE)
    except BadValue as error:
        warn(str(error))
        sys.exit(EXIT_FAILURE)
    if options.low_priority:
        with suppress(OSError):
            os.nice(LOWEST_PRIORITY)
    try:
        if options.scan_only:
            scan_inputs(options)
        else:
            Extraction(options).run()
    except Failure as failure:
        warn(str(failure))
        sys.exit(failure.status)
    except KeyboardInterrupt:
        sys.exit(130)


def single_file(options: Options) -> Optional[str]:
    """The file that holds both sides, when there is that and none of one side."""
    path = options.single_file
    if path is None or not os.path.exists(path):
        return None
    return None if any(side and os.path.exists(side) for side in (options.answering, options.originating)) else path


def scan_inputs(options: Options) -> None:
    """Print how many packets each input holds."""
    single = single_file(options)
    paths = (single,) if single else (options.answering, options.originating)
    for path in paths:
        if path is not None:
            print(f"{path}: {scan(path)}")


class Extraction:
    """One run: recordings in, audio out."""

    def __init__(self, options: Options) -> None:
        self._options = options
        answering, originating = options.answering, options.originating
        self._split_at: Optional[Address] = None
        single = single_file(options)
        if single:
            answering = originating = single
            self._split_at = first_destination(single) or NOWHERE
        self._inputs = (
            (Side.ANSWERING, answering, options.answering_crypto),
            (Side.ORIGINATING, originating, options.originating_crypto),
        )
        self._recordings = Recordings()
        self._progress = Progress(sys.stderr)
        self._complaints = Complaints()
        self._loaded: list[str] = []
        self._start_time = 0.0  # of the call, seconds since 1970
        self._measures = {side: SideMeasures() for side in Side} if options.plot else {}

    def run(self) -> None:
        """Raises Failure. What it wrote is complete, or gone."""
        try:
            self._load()
            voices, length = self._voices()
            written = self._write(voices, length)
        finally:
            self._progress.close()
            self._recordings.close()
        self._complaints.close()
        if written:
            self._report(voices, written)
            self._finish(voices)

    def _load(self) -> None:
        named = [(side, path, crypto) for side, path, crypto in self._inputs if path is not None]
        for number, (side, path, crypto) in enumerate(named):

            def report(fraction: float, number: int = number) -> None:
                self._progress.show((number + fraction) / len(named) * LOADING_SHARE, "reading")

            if self._recordings.load(path, side, crypto, report, self._split_at):
                self._loaded.append(path)
        self._progress.close()
        if not self._loaded:
            names = " nor ".join(path or "(null)" for _, path, _ in self._inputs)
            raise Failure(f"cannot load neither {names}")
        for _, path, _ in named:
            if self._options.need_all_inputs and path not in self._loaded:
                raise Failure(f"cannot load {path}")

    def _voices(self) -> tuple[list[Voice], int]:
        """The channels on their time scale, and about how many samples they last."""
        channels = self._recordings.channels
        spans = [channel.packets.time_span() for channel in channels]
        self._start_time = min((first for first, _ in spans), default=0.0)
        if self._options.synchronous:
            starts = start_offsets([first for first, _ in spans])
            voices = [
                Voice(channel.side, start, self._play(channel, start)) for channel, start in zip(channels, starts)
            ]
            ends = [start + (last - first) * RATE for start, (first, last) in zip(starts, spans)]
        else:
            voices = [Voice(side, 0, self._play_in_a_row(side)) for side in Side]
            ends = [sum(last - first for first, last in spans) * RATE]
        return voices, int(max(ends, default=0))

    def _play_in_a_row(self, side: Side) -> Iterator[array[int]]:
        """All channels of one side, one after another."""
        position = 0
        for channel in self._recordings.channels:
            if channel.side == side:
                for piece in self._play(channel, position):
                    yield piece
                    position += len(piece)

    def _play(self, channel: Channel, start: int) -> Iterator[array[int]]:
        """The samples of a channel that begins at `start` in the output."""
        decoder, payload = ChannelDecoder(self._complaints), self._recordings.payload

        def decode(entry: Entry) -> Optional[array[int]]:
            return decoder.decode(entry.payload_type, payload(entry))

        watcher = ChannelMeasures(self._measures[channel.side], start).packet if self._measures else None
        return play(channel.packets, decode, self._options.synchronous, watcher)

    def _write(self, voices: list[Voice], length: int) -> int:
        """Mix and write; how many samples of all tracks were written. Without any sample there is no file."""
        mixed = mix(voices)
        first = next(mixed, None)
        if first is None:
            return 0
        writer = accelerate(self._open(), length * (2 if self._options.stereo else 1))
        written = position = 0
        combine = stereo if self._options.stereo else mono
        try:
            with closing(writer):
                for block in chain([first], mixed):
                    tracks = combine(block)
                    writer.write(tracks)
                    written += len(tracks)
                    self._measure(block, position)
                    position += block.length
                    done = position / max(length, position)
                    self._progress.show(LOADING_SHARE + (1 - LOADING_SHARE) * done, "writing")
        except BaseException as error:
            self._remove_output()
            if isinstance(error, OSError):
                raise Failure(f"{self._options.outfile}: can't write: {error.strerror or error}") from error
            raise
        return written

    def _open(self) -> Writer:
        options = self._options
        try:
            inputs = [os.stat(path) for _, path, _ in self._inputs if path is not None and os.path.exists(path)]
            if os.path.exists(options.outfile) and any(os.path.samestat(os.stat(options.outfile), i) for i in inputs):
                raise OSError("it is an input")
            return open_writer(options.outfile, options.container, options.encoding, 2 if options.stereo else 1, RATE)
        except (OSError, FormatError) as error:
            warn(f"{options.outfile}: {getattr(error, 'strerror', None) or error}")
            raise Failure(f"{options.outfile}: can't open output file", EXIT_NO_OUTPUT) from error

    def _remove_output(self) -> None:
        if os.path.isfile(self._options.outfile):
            with suppress(OSError):
                os.remove(self._options.outfile)

    def _measure(self, block: Block, position: int) -> None:
        for side, measures in self._measures.items():
            samples = block.sides[side]
            if samples is not None:
                measures.hear(position, samples)

    def _report(self, voices: list[Voice], written: int) -> None:
        played = {side: sum(voice.played for voice in voices if voice.side == side) for side in Side}
        print(
            f"samples decoded: O: {played[Side.ORIGINATING]}, A: {played[Side.ANSWERING]}, written: {written // 2}",
            file=sys.stderr,
        )

    def _finish(self, voices: list[Voice]) -> None:
        """What is to be done once the output is there: picture, links, and only then deletion."""
        options = self._options
        if options.plot is not None:
            self._draw(options.plot, max(voice.start + voice.played for voice in voices))
        for link in options.links:
            try:
                os.link(options.outfile, link)
            except OSError as error:
                warn(f"can't link {options.outfile} to {link}: {error.strerror}")
        if options.delete_inputs:
            for path in dict.fromkeys(self._loaded):
                try:
                    os.remove(path)
                except OSError as error:
                    warn(f"can't remove {path}: {error.strerror}")

    def _draw(self, path: str, samples: int) -> None:
        names = {Side.ANSWERING: "Side A, answering", Side.ORIGINATING: "Side B, originating"}
        sides = [(names[side], self._measures[side]) for side in Side]
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(picture.draw(os.path.basename(self._options.outfile), self._start_time, sides, samples))
        except OSError as error:
            raise Failure(f"{path}: can't write the picture: {error.strerror}") from error


if __name__ == "__main__":
    main()
