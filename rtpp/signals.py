"""Signals as requests to the main thread.

All signals that mean something are blocked in every thread, and one thread does nothing but `sigwait` for
them. So no handler ever interrupts other code, a signal is seen within a millisecond whatever the main thread
is busy with, and the second request to end works even when the shutdown itself hangs.

    TERM INT USR1 USR2 XCPU XFSZ VTALRM PROF    end now (exit 0); the second one: exit 128 + number at once
    HUP                                         drain: end when the last session is gone
    QUIT ILL TRAP ABRT FPE BUS SEGV SYS         log, exit 128 + number, clean nothing up
    PIPE                                        ignored

A genuine fault of the interpreter (SEGV, ILL, FPE, BUS) is not waited for: the system ends a process that
faults while the signal is blocked, with a core dump, and a shell reports the same 128 + number. A write
beyond the file size limit fails as an error of that write; only an XFSZ that somebody sends ends the program.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
from enum import Enum

from rtpp.log import GLOBAL as log


class Request(Enum):
    """What the main thread is asked to do."""

    END = "end"  # destroy all sessions and exit
    DRAIN = "drain"  # refuse new sessions, exit with the last one


END_SIGNALS = ("TERM", "INT", "USR1", "USR2", "XCPU", "XFSZ", "VTALRM", "PROF")
DRAIN_SIGNALS = ("HUP",)
ABORT_SIGNALS = ("QUIT", "ILL", "TRAP", "ABRT", "FPE", "BUS", "SEGV", "SYS")


def _numbers(names: tuple[str, ...]) -> frozenset[signal.Signals]:
    """The named signals that this system has."""
    known = signal.Signals.__members__
    return frozenset(known[f"SIG{name}"] for name in names if f"SIG{name}" in known)


class SignalWatch:
    """Hands signals over as requests, in their order, without repeating one that was made before."""

    def __init__(self) -> None:
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._ends = _numbers(END_SIGNALS)
        self._drains = _numbers(DRAIN_SIGNALS)
        self._watched = self._ends | self._drains | _numbers(ABORT_SIGNALS)

    def start(self) -> None:
        """Begin. Call it in the main thread, after going to the background, before any other thread starts.

        A thread inherits which signals are blocked: an older one, even that of the log, would be hit by them.
        """
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, self._watched)
        threading.Thread(target=self._run, name="signals", daemon=True).start()

    def wait(self) -> Request:
        """The next request; blocks until there is one."""
        return self._requests.get()

    def request(self, request: Request) -> None:
        """Wake the main thread with a request that comes from the program itself, in any thread."""
        self._requests.put(request)

    def _run(self) -> None:
        made: set[Request] = set()
        while True:
            number = signal.Signals(signal.sigwait(self._watched))
            if number in self._ends or number in self._drains:
                request = Request.END if number in self._ends else Request.DRAIN
                if request is Request.END and request in made:
                    os._exit(128 + number)
                log.info("%s received: %s", number.name, request.value)
                if request not in made:
                    made.add(request)
                    self._requests.put(request)
            else:
                self._abort(number)

    def _abort(self, number: signal.Signals) -> None:
        try:
            log.critical("%s received: aborting", number.name)
            logging.shutdown()  # the line just written is still on its way
        finally:
            os._exit(128 + number)
