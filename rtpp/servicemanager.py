"""Tells the service manager how the proxy does, by the protocol of sd_notify(3): no library is needed.

Messages are datagrams of lines `NAME=value` to the local socket that NOTIFY_SOCKET names; a name that begins with `@`
is abstract. Without NOTIFY_SOCKET nothing here does anything, not even a thread.

    READY=1      the proxy serves
    STATUS=      how many sessions there are, when that changes
    WATCHDOG=1   the proxy is alive; only if the manager asks for it (WATCHDOG_USEC)
    STOPPING=1   all calls are being ended

A sign of life is the relay loop's own: each beat passes a step through the loop, for which the table lock is needed,
too. So it stays away when the loop hangs or when somebody keeps the lock, on which every command waits. A control
socket that waits for a slow name look-up or disk is no reason to end all calls, so control threads are not asked.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Mapping

from rtpp.log import GLOBAL
from rtpp.session.table import SessionTable

STATUS_INTERVAL = 5.0  # seconds between two looks at the table
SEND_TIMEOUT = 1.0  # seconds; a manager that does not read must not hold anything up for long


def notify_address(environment: Mapping[str, str]) -> str:
    """The address of the manager's socket, "" when there is none that we can reach."""
    name = environment.get("NOTIFY_SOCKET", "")
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else ""


def watchdog_seconds(environment: Mapping[str, str]) -> float:
    """How often the manager wants a sign of life at least; 0 when it wants none from this process."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isascii() and text.isdecimal() else 0.0


class ServiceManager:
    """Make it in the process that serves. `ready()` begins, `stopping()` ends."""

    def __init__(self, environment: Mapping[str, str], table: SessionTable) -> None:
        self._address = notify_address(environment)
        self._watchdog = watchdog_seconds(environment)
        self._table = table
        self._status = ""
        self._draining = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="service manager", daemon=True)

    def ready(self) -> None:
        """The proxy serves: say so, and from now on how it does."""
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.settimeout(SEND_TIMEOUT)
            self._send("READY=1", f"MAINPID={os.getpid()}", *self._news())
            self._thread.start()

    def draining(self) -> None:
        """No new sessions are taken: the next status says so."""
        self._draining = ", draining"

    def stopping(self) -> None:
        """The proxy ends."""
        if self._address:
            self._stop.set()
            self._thread.join(SEND_TIMEOUT)
            self._send("STOPPING=1", "STATUS=ending")
            self._socket.close()

    def _run(self) -> None:
        interval = min(STATUS_INTERVAL, self._watchdog / 2) if self._watchdog else STATUS_INTERVAL
        while not self._stop.wait(interval):
            lines = self._news()
            if self._watchdog and self._relay_comes_round(interval):
                lines.append("WATCHDOG=1")
            if lines:
                self._send(*lines)

    def _news(self) -> list[str]:
        """The status, if it is another than last time."""
        count = len(self._table)
        status = f"STATUS={count} session{'' if count == 1 else 's'}, {2 * count} streams{self._draining}"
        if status == self._status:
            return []
        self._status = status
        return [status]

    def _relay_comes_round(self, seconds: float) -> bool:
        came = threading.Event()
        with self._table.lock:
            self._table.relay.schedule(time.monotonic(), lambda now: came.set())
        return came.wait(seconds)

    def _send(self, *lines: str) -> None:
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            GLOBAL.warning("the service manager cannot be told %s: %s", " ".join(lines), error)
