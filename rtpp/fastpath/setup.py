"""Whether there can be a kernel fast path here, what is missing if not, and how to grant it."""

from __future__ import annotations

import errno
import os
import resource
import sys
from typing import Optional

from rtpp.errors import StartError
from rtpp.fastpath import bpf
from rtpp.fastpath.interfaces import Interfaces
from rtpp.fastpath.offload import FastPath
from rtpp.fastpath.program import build
from rtpp.fastpath.slots import Slots
from rtpp.fastpath.trial import try_out
from rtpp.log import GLOBAL
from rtpp.settings import Settings
from rtpp.stats import Stats

MOST_SLOTS = 16384  # of 576 bytes, which the kernel takes at once

_REASONS = {
    errno.ENOSYS: "this kernel has no bpf()",
    errno.EPERM: "no permission: it needs CAP_BPF and CAP_NET_ADMIN, in a systemd unit "
                 "AmbientCapabilities=CAP_BPF CAP_NET_ADMIN; containers often forbid bpf()",
    errno.EINVAL: "the kernel is too old: it needs 5.10",
    errno.EACCES: "the kernel's verifier refused the program",
    errno.E2BIG: "the kernel is too old: it needs 5.10",
}


class Unavailable(Exception):
    """There is no fast path; the text says why."""


def make_fast_path(settings: Settings, stats: Stats) -> Optional[FastPath]:
    """As `--fastpath` says, which is not "off". Raises StartError when it must be there and cannot."""
    try:
        return _make(settings, stats)
    except Unavailable as error:
        if settings.fastpath == "on":
            raise StartError(f"--fastpath on: {error}")
        GLOBAL.info("no kernel fast path, packets are relayed through sockets: %s", error)
        return None


def _make(settings: Settings, stats: Stats) -> FastPath:
    if not sys.platform.startswith("linux") or sys.byteorder != "little" or not bpf.is_supported():
        raise Unavailable("it is for Linux on little-endian machines")
    _lift_memory_limit()
    pairs = (settings.port_max - settings.port_min) // 2 + 1
    try:
        slots = Slots(min(pairs + 1, MOST_SLOTS))
        interfaces = _attach(slots, loopback=settings.fastpath == "on")
    except OSError as error:
        detail = f" ({error.strerror})" if isinstance(error, bpf.VerifierError) else ""
        raise Unavailable(_REASONS.get(error.errno or 0, str(error)) + detail) from error
    if not interfaces.names:
        interfaces.close()
        raise Unavailable("there is no interface that it could be attached to")
    GLOBAL.info("kernel fast path: %s on %s; packets of settled calls pass by netfilter", interfaces.way,
                ", ".join(interfaces.names))
    return FastPath(slots, interfaces, settings, stats)


def _attach(slots: Slots, *, loopback: bool) -> Interfaces:
    """Load the program, try it, run it. Raises OSError."""
    try:
        program = bpf.load_program(build(slots.table, slots.descriptor).assemble())
    finally:
        for descriptor in (slots.table, slots.descriptor):
            os.close(descriptor)  # the program and the mapping hold what they stand for
    try:
        if not try_out(program, slots):
            raise Unavailable("the program does not do what it should on this kernel")
        return Interfaces(program, loopback=loopback)
    except (OSError, Unavailable):
        os.close(program)
        raise


def _lift_memory_limit() -> None:
    """Kernels before 5.11 count maps against it."""
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        pass
