"""The analyzer's state on its way into a slot and back.

Only the current epoch and the jitter of the current source move; everything else stays in the analyzer, untouched. What
a slot cannot hold stays in user space.
"""

from __future__ import annotations

from collections import deque
from typing import Optional

from rtpp.fastpath.layout import JITTER_BITS, WINDOW, State
from rtpp.rtp.analyzer import Analyzer
from rtpp.rtp.jitter import REMEMBERED_TIMESTAMPS
from rtpp.rtp.packet import CLOCK_RATES

_ONE = 1 << JITTER_BITS
_LARGEST_LAST, _LARGEST_MAXIMUM, _LARGEST_TOTAL = 1 << 26, 1 << 35, 1 << 34  # ticks
_LARGEST_POSITION = 1 << 31
_MASK = (1 << WINDOW) - 1


def export_state(analyzer: Analyzer) -> Optional[State]:
    """None when the slot cannot hold it."""
    analyzer.settle()
    jitter = analyzer.jitter
    if analyzer.ssrc is None or analyzer.minimum < 0 or analyzer.maximum >= _LARGEST_POSITION:
        return None
    packets = arrival = timestamp = oldest = last = maximum = total = 0
    timestamps = (0,) * REMEMBERED_TIMESTAMPS
    if jitter is not None and jitter.timestamps:
        if jitter.last >= _LARGEST_LAST or jitter.maximum >= _LARGEST_MAXIMUM or jitter.total >= _LARGEST_TOTAL:
            return None
        packets, arrival, timestamp = jitter.packets, int(jitter.arrival), jitter.timestamp
        oldest = len(jitter.timestamps) % REMEMBERED_TIMESTAMPS
        last, maximum, total = (round(figure * _ONE) for figure in (jitter.last, jitter.maximum, jitter.total))
        unused = REMEMBERED_TIMESTAMPS - len(jitter.timestamps)
        timestamps = (*jitter.timestamps, *[jitter.timestamps[0]] * unused)
    return State(analyzer.ssrc.to_bytes(4, "big"), analyzer.offset, analyzer.minimum, analyzer.maximum, analyzer.count,
                 analyzer.duplicates, analyzer.payload_type, packets, arrival, timestamp, oldest, last, maximum, total,
                 timestamps, _to_ring(analyzer.window, analyzer.maximum))


def import_state(analyzer: Analyzer, state: State, parse_errors: int) -> None:
    """Go on where the program stopped. `parse_errors` are those it counted."""
    analyzer.parse_errors += parse_errors
    analyzer.offset, analyzer.minimum, analyzer.maximum = state.offset, state.minimum, state.maximum
    analyzer.count, analyzer.duplicates = state.received, state.duplicates
    analyzer.payload_type = state.payload_type
    analyzer.clock = CLOCK_RATES[state.payload_type]
    analyzer.last_sequence_number = state.maximum & 0xFFFF
    analyzer.window = _from_ring(state.window, state.maximum)
    jitter = analyzer.jitter
    if jitter is not None and state.packets:
        jitter.packets, jitter.arrival, jitter.timestamp = state.packets, float(state.arrival), state.timestamp
        jitter.last, jitter.maximum = state.jitter / _ONE, state.jitter_maximum / _ONE
        jitter.total = state.jitter_total / _ONE
        in_order = state.timestamps[state.oldest :] + state.timestamps[: state.oldest]
        jitter.timestamps = deque(in_order, maxlen=REMEMBERED_TIMESTAMPS)
    analyzer.arm()


def _to_ring(window: int, maximum: int) -> bytes:
    """From bit n for position maximum - n to bit n % WINDOW for position n.

    The program empties a word of 64 when the maximum enters it, so what the word of the maximum still holds of
    positions a whole window earlier is left out.
    """
    reversed_bits = int(f"{window:0{WINDOW}b}"[::-1], 2)  # bit WINDOW - 1 - n for position maximum - n
    ring = _rotate_left(reversed_bits, (maximum + 1) % WINDOW)
    word = maximum % WINDOW // 64 * 64
    stale = ((1 << 63 - maximum % 64) - 1) << word + maximum % 64 + 1
    return (ring & ~stale & _MASK).to_bytes(WINDOW // 8, "little")


def _from_ring(ring: bytes, maximum: int) -> int:
    bits = _rotate_left(int.from_bytes(ring, "little"), WINDOW - (maximum + 1) % WINDOW)
    return int(f"{bits:0{WINDOW}b}"[::-1], 2)


def _rotate_left(bits: int, by: int) -> int:
    by %= WINDOW
    return (bits << by | bits >> WINDOW - by) & _MASK
