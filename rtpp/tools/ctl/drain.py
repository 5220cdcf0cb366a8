"""`rtppctl drain`: no new sessions, and wait until the last one has ended.

The control protocol has no command for that, the proxy has a signal: HUP. The process is found by its pid file, so this
works on the proxy's own host only. How many sessions are left is asked over the control socket.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Callable, Optional

from rtpp.tools.ctl import gather
from rtpp.tools.ctl.client import Client
from rtpp.tools.ctl.failures import Failure, NoAnswer

INTERVAL = 0.5  # seconds between two looks


def drain(client: Client, pid_file: str, wait: Optional[float], say: Callable[[str], None]) -> None:
    """Send the signal and wait at most `wait` seconds (None: for ever, 0: not at all). Raises Failure."""
    pid = find(pid_file)
    before = gather.info(client)["sessions"]
    _signal(pid, pid_file)
    if wait == 0:
        say(f"process {pid} takes no new sessions and ends with the last one; {before} are active")
        return
    end = None if wait is None else time.monotonic() + wait
    left: Optional[float] = None
    while _is_alive(pid):
        try:
            now = gather.info(client)["sessions"]
            if now != left:
                say(f"process {pid} takes no new sessions; {now} are active")
                left = now
        except NoAnswer as failure:
            if failure.absent:
                break  # the sockets are closed: it is ending
        if end is not None and time.monotonic() > end:
            raise Failure(f"{left} sessions are still active after {wait:g} s; process {pid} goes on draining")
        time.sleep(INTERVAL)
    say("the last session has ended, and so has the proxy")


def find(pid_file: str) -> int:
    """The process that the pid file names. Raises Failure, also when it is obviously not an rtpproxy."""
    try:
        with open(pid_file, encoding="ascii", errors="replace") as file:
            text = file.read(32).strip()
    except FileNotFoundError:
        raise Failure(f"no pid file {pid_file}: rtpproxy does not run, or its option -p names another file")
    except OSError as error:
        raise Failure(f"cannot read the pid file {pid_file}: {error.strerror}")
    if not text.isdecimal() or not 1 < int(text) < 1 << 31:
        raise Failure(f"{pid_file} holds no process number: is it the pid file of rtpproxy (option -p)?")
    try:
        with open(f"/proc/{text}/cmdline", "rb") as file:
            if b"rtpproxy" not in file.read():
                raise Failure(f"process {text} of {pid_file} is not rtpproxy: the file is left from an earlier run")
    except OSError:
        pass  # no /proc here, or no such process: the signal will tell
    return int(text)


def _signal(pid: int, pid_file: str) -> None:
    try:
        os.kill(pid, signal.SIGHUP)
    except ProcessLookupError:
        raise Failure(f"process {pid} of {pid_file} does not run: the file is left from an earlier run")
    except PermissionError:
        raise Failure(f"not permitted to send process {pid} the signal HUP: be root or the user that rtpproxy runs as")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
