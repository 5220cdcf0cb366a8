"""What a process uses, and on which core it runs. Linux."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Optional


@dataclass(frozen=True)
class Cores:
    """Which core relays run on and which the generator; None when there is only one core, then nothing is pinned."""

    relay: Optional[int]
    generator: Optional[int]

    @classmethod
    def choose(cls) -> Cores:
        allowed = sorted(os.sched_getaffinity(0))
        return cls(allowed[-1], allowed[0]) if len(allowed) > 1 else cls(None, None)


def pin(core: Optional[int]) -> None:
    """Keep the calling process, and what it starts from now on, on one core."""
    if core is not None:
        os.sched_setaffinity(0, {core})


@contextmanager
def on_core(core: Optional[int]) -> Iterator[None]:
    """What is started meanwhile stays on that core."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    pin(core)
    yield
    os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads, also those that have ended, to the nanosecond.

    The clock is that of clock_getcpuclockid(3), which the standard library does not have for other processes.
    """
    scheduler_clock = 2
    return time.clock_gettime(~pid << 3 | scheduler_clock)


def resident_bytes(pid: int) -> int:
    """Memory of a process; what the kernel spends on its sockets is not in it."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
