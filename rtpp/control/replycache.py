"""Retransmitted commands: the answer of the first is sent again, and the command does not run twice.

A controller on UDP that hears nothing sends the same datagram again, cookie and all. Commands are told apart by the
sender's address and the cookie: a controller that restarts uses the same cookies again, but from another port.

An entry lives LIFETIME seconds from its reply; a hit does not renew it. What does not fit into the limits pushes out
the oldest entries: under a flood of commands the memory of old replies shrinks, not the proxy.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, Optional

LIFETIME = 35.0  # seconds; controllers give up after about 5
MAX_ENTRIES = 100_000
MAX_BYTES = 32 * 1024 * 1024  # of cookies and replies
Key = tuple[Any, bytes]  # (source address, cookie)


class ReplyCache:
    """Shared by all datagram sockets; has a lock of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[Key] = set()
        self._replies: OrderedDict[Key, tuple[float, bytes]] = OrderedDict()  # oldest first
        self._bytes = 0

    def begin(self, source: Any, cookie: bytes, now: float) -> tuple[bool, Optional[bytes]]:
        """A command arrived: whether to run it, and the reply it had before if it is a duplicate.

        (False, None) means that the first of them still runs, so this one needs no answer of its own. Whoever is told
        to run it calls `finish` in any case.
        """
        key = (source, cookie)
        with self._lock:
            self._forget_before(now - LIFETIME)
            entry = self._replies.get(key)
            if entry is not None:
                return False, entry[1]
            if key in self._running:
                return False, None
            self._running.add(key)
            return True, None

    def finish(self, source: Any, cookie: bytes, reply: bytes, now: float) -> None:
        """The command has been answered."""
        key = (source, cookie)
        with self._lock:
            self._running.discard(key)
            self._replies[key] = (now, reply)
            self._bytes += len(cookie) + len(reply)
            while len(self._replies) > MAX_ENTRIES or self._bytes > MAX_BYTES:
                self._forget_oldest()

    def _forget_before(self, time: float) -> None:
        while self._replies and next(iter(self._replies.values()))[0] <= time:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        (_, cookie), (_, reply) = self._replies.popitem(last=False)
        self._bytes -= len(cookie) + len(reply)
