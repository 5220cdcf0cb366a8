"""What the process costs the machine."""

from __future__ import annotations

import os
import resource
import sys
import time
from typing import NamedTuple, Optional

COUNT_SECONDS = 15.0  # for which a count of descriptors that had to be made one by one is good


class Usage(NamedTuple):
    """None is what this system does not tell."""

    cpu_seconds: float
    resident_bytes: Optional[int]
    open_descriptors: Optional[int]
    most_descriptors: int


class Process:
    """This process. Reads /proc where there is one."""

    def __init__(self) -> None:
        self._counted_at = float("-inf")
        self._counted: Optional[int] = None

    def usage(self) -> Usage:
        spent = os.times()
        return Usage(spent.user + spent.system, _resident_bytes(), self._descriptors(time.monotonic()),
                     resource.getrlimit(resource.RLIMIT_NOFILE)[0])

    def _descriptors(self, now: float) -> Optional[int]:
        try:
            size = os.stat("/proc/self/fd").st_size  # their number, since Linux 6.2; 0 before
            if size:
                return size
            if now - self._counted_at > COUNT_SECONDS:
                self._counted_at, self._counted = now, len(os.listdir("/proc/self/fd"))
        except OSError:
            return None
        return self._counted


def _resident_bytes() -> Optional[int]:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        if sys.platform == "darwin":
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes there, and the most it ever was
        return None
