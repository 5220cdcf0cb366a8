"""Who uses which core, and how much. Linux."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds
KERNEL_THREADS = 2  # the parent of them all


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
    before = os.sched_getaffinity(0)
    pin(core)
    try:
        yield
    finally:
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


class Bystanders:
    """CPU time that went to neither the bench nor what it started, from the making of this object on.

    That is what other processes used (those that ended meanwhile are in their parents' figures) and what the host of a
    virtual machine took away. Kernel threads are not counted: they may well work for the relay.
    """

    def __init__(self) -> None:
        self._before, self._start = self._used(), time.monotonic()

    def share(self) -> float:
        """Of one core, 0 or more: 0.1 is 100 ms a second."""
        used, elapsed = self._used() - self._before, time.monotonic() - self._start
        return max(0.0, used / elapsed)

    @staticmethod
    def _used() -> float:
        ticks = int(Path("/proc/stat").read_text().split(maxsplit=9)[8])  # stolen by the host
        parents, times = {}, {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue  # it has ended
                parents[int(entry.name)] = int(fields[1])
                times[int(entry.name)] = sum(map(int, fields[11:15]))  # own and those of children that ended
        for pid, used in times.items():
            if not {os.getpid(), KERNEL_THREADS} & {pid, parents[pid]}:
                ticks += used
        return ticks * TICK


def keep_awake() -> Optional[int]:
    """While the descriptor is open idle cores do not sleep (cpuidle's latency limit is zero); None if not permitted.

    Waking up a core takes tens of microseconds, on virtual machines hundreds: more than what is measured.
    """
    try:
        descriptor = os.open("/dev/cpu_dma_latency", os.O_WRONLY)
    except OSError:
        return None
    os.write(descriptor, struct.pack("i", 0))
    return descriptor
