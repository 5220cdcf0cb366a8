"""Small things that every part of the rig needs: programs, free ports, waiting, temporary folders."""

from __future__ import annotations

import itertools
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Optional, TypeVar

T = TypeVar("T")
INSTALL = "run tests/interop/install.sh"
ROOT = Path(__file__).resolve().parents[3]


def program(name: str) -> str:
    """Path of an installed program; a missing one is a failure that says what to do, never a skip."""
    beside_python = Path(sys.executable).with_name(name)
    found = str(beside_python) if beside_python.exists() else shutil.which(name)
    if not found:
        raise RuntimeError(f"{name} is not installed: {INSTALL}")
    return found


def wait_for(check: Callable[[], Optional[T]], what: str, timeout: float = 10.0) -> T:
    """The first true value that `check` returns, asked every 20 ms."""
    deadline = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(0.02)


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def bracketed(host: str) -> str:
    """The host as it stands in a SIP URI."""
    return f"[{host}]" if ":" in host else host


def free_range(width: int = 400) -> tuple[int, int]:
    """First and last port of a range for media, below those that the kernel hands out. It keeps apart from
    the last few that were given, as those may be in use by programs that run side by side."""
    for attempt in itertools.count(1):
        first = random.SystemRandom().randrange(10000, 32000 - width, 200)
        apart = all(first + width <= low or high < first for low, high in _given)
        if apart and _is_free(first, width):
            break
        if attempt % 50 == 0:
            del _given[:1]  # the oldest is the least likely to be in use still
    _given.append((first, first + width - 1))
    del _given[:-4]
    return _given[-1]


_given: list[tuple[int, int]] = []


def _is_free(first: int, width: int) -> bool:
    for port in range(first, first + width, max(width // 20, 1)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                return False
    return True


def stop(process: subprocess.Popen[bytes], timeout: float = 8.0) -> int:
    """End a program politely; its exit status. One that does not end is killed, and that is a failure."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise RuntimeError(f"process {process.args!r} did not end {timeout:g} s after SIGTERM")
