"""Signals: how the operator ends the proxy.

All signals we care about are blocked in every thread and the main thread waits for them, so no handler ever runs in
the middle of something. A fault of the processor (SIGSEGV and the like) that is blocked still kills the process at
once, as it must; the same signals sent by somebody are reported and end it with status 128 + signal.

    TERM INT USR1 USR2 XCPU XFSZ VTALRM PROF    end all sessions and exit with 0; a second one exits at once
    HUP                                         no new sessions, exit with 0 when the last one has ended
    QUIT ILL TRAP ABRT FPE BUS SEGV SYS         exit at once with 128 + signal, nothing is cleaned up
"""

from __future__ import annotations

import os
import signal
import threading
from typing import NoReturn

from rtpp.log import GLOBAL, LogWriter


def _known(*names: str) -> frozenset[signal.Signals]:
    return frozenset(signal.Signals[f"SIG{name}"] for name in names if f"SIG{name}" in signal.Signals.__members__)


STOP = _known("TERM", "INT", "USR1", "USR2", "XCPU", "XFSZ", "VTALRM", "PROF")
DRAIN = _known("HUP")
FATAL = _known("QUIT", "ILL", "TRAP", "ABRT", "FPE", "BUS", "SEGV", "SYS")
_ALL = STOP | DRAIN | FATAL


def block() -> None:
    """Call it before any thread is started: threads inherit it."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)


def wait(writer: LogWriter) -> signal.Signals:
    """The next signal to act on, one of STOP or DRAIN. Does not return for the others."""
    number = signal.Signals(signal.sigwait(_ALL))
    GLOBAL.info("got %s", number.name)
    if number in FATAL:
        GLOBAL.critical("exit at once because of %s", number.name)
        _exit_at_once(number, writer)
    return number


def exit_on_next_stop(writer: LogWriter) -> None:
    """From now on, while the proxy shuts down, a further signal ends the process at once."""

    def watch() -> NoReturn:
        _exit_at_once(signal.Signals(signal.sigwait(_ALL - DRAIN)), writer)

    threading.Thread(target=watch, name="signals", daemon=True).start()


def raise_stop() -> None:
    """Ask the main thread to stop, as an operator would. Safe from any thread."""
    os.kill(os.getpid(), signal.SIGTERM)


def _exit_at_once(number: signal.Signals, writer: LogWriter) -> NoReturn:
    writer.close()
    os._exit(128 + number)
