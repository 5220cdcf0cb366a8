"""When each packet of a channel is heard.

Plan: two clocks count samples: the sender's, in timestamps, and the recorder's, in seconds. A timestamp ahead of
what was played is a gap, filled with silence; when the recorder's clock runs more than 0.2 s ahead although the
timestamps go on (the sender was held up, its clock is slow), silence makes up for half of the lag, again and
again until it is small. A timestamp that left the recorder's clock behind by more than a second is not believed.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import Callable, Optional

from rtpp.tools.extract.index import Entry

RATE = 8000  # samples per second
LONGEST_SILENCE = 4000  # samples that are put in at once
LARGEST_LAG = 0.2  # seconds between the clocks
LONGEST_PAUSE = 86400.0  # seconds between two packets; more is a clock that was set, not a pause

_TIMESTAMP_MASK = 0xFFFFFFFF
_HALF_OF_TIMESTAMPS = 1 << 31
_SILENCE = array("h", bytes(2 * LONGEST_SILENCE))

# a packet's samples, None when they cannot be decoded
Decode = Callable[[Entry], Optional["array[int]"]]

# told of each packet, and how many samples of its channel are heard before it
Watcher = Callable[[int, Entry], None]


def play(
    entries: Iterable[Entry], decode: Decode, synchronous: bool, watcher: Optional[Watcher] = None
) -> Iterator[array[int]]:
    """The samples of one channel, in pieces. Unless `synchronous` nothing is put in for time that passed."""
    start_time = previous_time = 0.0
    start_ticks = next_ticks = 0  # timestamps: that belongs to `start_time`, that is expected next
    counted = 0  # samples by the clocks
    position = 0  # samples that went out
    for number, entry in enumerate(entries):
        timestamp = entry.timestamp
        if number == 0:
            start_time = previous_time = entry.time
            start_ticks = next_ticks = timestamp
        if abs(entry.time - previous_time) > LONGEST_PAUSE:
            start_time += entry.time - previous_time
        previous_time = entry.time
        elapsed = entry.time - start_time
        if (timestamp - start_ticks & _TIMESTAMP_MASK) // RATE > elapsed + 1.0:
            next_ticks = timestamp
            start_ticks = int(timestamp - elapsed * RATE) & _TIMESTAMP_MASK
        while True:
            gap = timestamp - next_ticks & _TIMESTAMP_MASK
            if 0 < gap < _HALF_OF_TIMESTAMPS:
                silence = min(gap, LONGEST_SILENCE)
                next_ticks = next_ticks + silence & _TIMESTAMP_MASK
            elif elapsed - counted / RATE > LARGEST_LAG:
                silence = min(int((elapsed * RATE - counted) / 2), LONGEST_SILENCE)
            else:
                break
            counted += silence
            if synchronous:
                position += silence
                yield _SILENCE[:silence]
        if watcher is not None:
            watcher(position, entry)
        decoded = decode(entry)
        if decoded:
            next_ticks = next_ticks + len(decoded) & _TIMESTAMP_MASK
            counted += len(decoded)
            position += len(decoded)
            yield decoded


def start_offsets(start_times: list[float]) -> list[int]:
    """How many samples after the earliest one each of several channels starts."""
    if not start_times:
        return []
    base = latest = min(start_times)
    offsets = {}
    for time in sorted(set(start_times)):
        if time - latest > LONGEST_PAUSE:
            base += time - latest
        latest = time
        offsets[time] = int((time - base) * RATE)
    return [offsets[time] for time in start_times]
