"""A lock that serves those who wait in turn.

A plain lock that is released and taken again at once by a busy thread can starve everybody else: the waiter
wakes up too late, time after time. Here whoever wants the lock first passes a gate, and waits inside it, so a
thread that comes back for the lock queues behind the one that waits. Uncontended it costs two plain locks.
"""

from __future__ import annotations

import threading


class FairLock:
    """Use as a context manager. Not reentrant."""

    __slots__ = ("_acquire_gate", "_acquire_lock", "_release_gate", "_release_lock")

    def __init__(self) -> None:
        gate, lock = threading.Lock(), threading.Lock()
        self._acquire_gate, self._release_gate = gate.acquire, gate.release
        self._acquire_lock, self._release_lock = lock.acquire, lock.release

    def __enter__(self) -> None:
        self._acquire_gate()
        try:
            self._acquire_lock()
        finally:
            self._release_gate()

    def __exit__(self, *exception: object) -> None:
        self._release_lock()
