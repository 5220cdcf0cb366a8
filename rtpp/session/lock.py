"""A lock that serves those who wait in turn.

A plain lock that is released and taken again at once by a busy thread can starve everybody else: the waiter
wakes up too late, time after time. Here whoever wants the lock first passes a gate, and waits inside it, so a
thread that comes back for the lock queues behind the one that waits.

The busy thread itself, which comes back thousands of times a second, does not pay for the gate:

    if lock.is_wanted():
        lock.give_way()
    with lock.plain:
        ...
"""

from __future__ import annotations

import threading


class FairLock:
    """Use as a context manager. Not reentrant.

    `is_wanted()` says whether somebody waits, `plain` is the lock without the gate: for one busy thread only.
    """

    __slots__ = ("_gate", "is_wanted", "plain")

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self.is_wanted = self._gate.locked
        self.plain = threading.Lock()

    def __enter__(self) -> None:
        with self._gate:
            self.plain.acquire()

    def __exit__(self, *exception: object) -> None:
        self.plain.release()

    def give_way(self) -> None:
        """Wait until whoever waits has the lock."""
        with self._gate:
            pass
