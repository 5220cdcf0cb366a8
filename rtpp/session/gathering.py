"""Gathering packets: where that pays, a busy loop sleeps for a moment before it waits, and finds several at once.

To be put aside by the kernel and called back for each packet takes a third of all that the packet costs on some hosts.
On others it is cheap, and the pause costs more than the waits it saves. No property of a host tells which. So a busy
loop tries both in turns, keeps what takes less of the processor, and tries again after a while.

A pause delays packets by a fifth of a millisecond, which no phone notices: they buffer tens. With few packets, or with
plenty at hand, there is nothing to gain, and no pause. Nor is there one while a socket is ready round after round: it
has more waiting than is taken at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from time import sleep, thread_time

PAUSE = 0.0001  # seconds; the kernel adds about half of it
DENSE = 8000  # packets/s: below that a pause is dearer than the waits it saves, on all hosts
ENOUGH = 8  # packets in one round: more come by themselves
WINDOW = 128  # packets over which rate and cost are taken
WINDOWS = 5  # of each kind in a trial: what disturbs some of them does not decide it
CHEAPER = 0.9  # of the cost without pauses, at most, is what they must come to
HELD = 10.0  # seconds between two trials, and twice as long after each that says the same again,
LONGEST = 160.0  # at most: trials delay packets


class Gathering:
    """Call `after` at the end of each round of the relay loop, in its thread."""

    __slots__ = ("_costs", "_held", "_last", "_next_trial", "_packets", "_pauses", "_pays", "_since", "_used")

    def __init__(self) -> None:
        self._packets = 0  # in this window,
        self._since = float("-inf")  # which began at this time, in monotonic seconds,
        self._used = 0.0  # and at this CPU time of the thread
        self._pauses = False  # in this window
        self._pays = False  # to pause, by the last trial
        self._next_trial = float("-inf")
        self._held = HELD / 2  # seconds for which the last trial holds: the first one, for HELD
        # Seconds of CPU for a packet, without pauses and with: the latest, where rushes that end soon cut trials short.
        self._costs: tuple[deque[float], deque[float]] = deque(maxlen=WINDOWS), deque(maxlen=WINDOWS)
        self._last: set[int] = set()  # sockets that were ready

    def after(self, events: Sequence[tuple[int, int]], now: float) -> None:
        """A round that began at `now`, in monotonic seconds, took packets from these sockets: pause, if that pays."""
        self._packets += len(events)
        if self._packets >= WINDOW:
            self._begin_window(now)
        if self._pauses:
            ready = {descriptor for descriptor, _ in events}
            if len(events) < ENOUGH and ready.isdisjoint(self._last):
                sleep(PAUSE)
            self._last = ready

    def _begin_window(self, now: float) -> None:
        """End one and decide about the next."""
        used = thread_time()
        is_dense = self._packets > DENSE * (now - self._since)
        cost = (used - self._used) / self._packets
        self._packets, self._since, self._used = 0, now, used
        if is_dense and now >= self._next_trial:
            self._pauses = self._try(cost, now)
        else:
            self._pauses = self._pays and is_dense

    def _try(self, cost: float, now: float) -> bool:
        """Amid a trial, a packet of the window that ended cost so much. Returns whether to pause in the next."""
        self._costs[self._pauses].append(cost)
        without, with_pauses = self._costs
        if min(len(without), len(with_pauses)) < WINDOWS:
            return not self._pauses
        pays = _median(with_pauses) <= CHEAPER * _median(without)
        self._held = min(2 * self._held, LONGEST) if pays == self._pays else HELD
        self._pays = pays
        self._next_trial = now + self._held
        without.clear()
        with_pauses.clear()
        return self._pays


def _median(costs: deque[float]) -> float:
    """Of an odd number. The module `statistics` would take longer to load than many others together."""
    return sorted(costs)[len(costs) // 2]
