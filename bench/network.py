"""Where the phones and the relay are: three network namespaces as if on three hosts, or, without root, on loopback.

    callers 198.18.1.2 -- 198.18.1.1 relay 198.18.2.1 -- 198.18.2.2 callees

The namespaces have no names: they are gone with this process, however it ends. The two links are veth pairs. A packet
that a phone sends is taken from the link by the relay's core (receive packet steering), as the interrupt of a network
card would have it done, so all that relaying costs the kernel happens on that core and can be measured there. The
phone's sending and reading is the other core's; the delivery of what the relay sends, up to the phone's socket, is the
relay core's, for all peers alike.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Optional

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """All on loopback."""

    relay_host = caller_host = callee_host = "127.0.0.1"
    steered = False  # the kernel's work for the relay is done on the relay's core
    description = "all on loopback (namespaces need root and iproute2)"

    def caller(self) -> AbstractContextManager[None]:
        """Sockets opened and processes started meanwhile are the callers'."""
        return nullcontext()

    def relay(self) -> AbstractContextManager[None]:
        return nullcontext()

    def callee(self) -> AbstractContextManager[None]:
        return nullcontext()


class Namespaces(Network):
    """Three hosts. Raises OSError where that is not permitted."""

    relay_host, caller_host, callee_host = "198.18.1.1", "198.18.1.2", "198.18.2.2"  # RFC 2544, for benchmarks

    def __init__(self, relay_core: Optional[int]) -> None:
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            self._caller, self._relay, self._callee = (self._new() for _ in range(3))
        finally:
            _enter(self._home)
        self._link("v1", self._caller, "198.18.1.2", "198.18.1.1")
        self._link("v2", self._callee, "198.18.2.2", "198.18.2.1")
        with self.relay(), open("/proc/sys/net/ipv4/ip_forward", "w") as file:
            file.write("1")
        self.steered = relay_core is not None and self._steer(relay_core)
        self.description = "callers, relay and callees in network namespaces, joined by veth pairs" + (
            "; the relay's core takes packets from the link" if self.steered else "")

    def caller(self) -> AbstractContextManager[None]:
        return self._inside(self._caller)

    def relay(self) -> AbstractContextManager[None]:
        return self._inside(self._relay)

    def callee(self) -> AbstractContextManager[None]:
        return self._inside(self._callee)

    @contextmanager
    def _inside(self, namespace: int) -> Iterator[None]:
        _enter(namespace)
        try:
            yield
        finally:
            _enter(self._home)

    def _new(self) -> int:
        """A namespace, and this process in it."""
        if _libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        _run("ip link set lo up")
        return os.open("/proc/self/ns/net", os.O_RDONLY)

    def _link(self, name: str, phones: int, phone_host: str, relay_host: str) -> None:
        with self.relay():
            _run(f"ip link add {name} type veth peer name phones netns /proc/{os.getpid()}/fd/{phones}")
            _run(f"ip address add {relay_host}/24 dev {name}; ip link set {name} up")
        with self._inside(phones):
            _run(f"ip address add {phone_host}/24 dev phones; ip link set phones up")
            _run(f"ip route add default via {relay_host}")

    def _steer(self, core: int) -> bool:
        """The files in /sys are those of the namespace it was mounted in."""
        with self.relay():
            write = f"echo {1 << core:x} > /sys/class/net/$each/queues/rx-0/rps_cpus"
            write = f"for each in v1 v2; do {write} || exit 1; done"
            script = f"mount -t sysfs none /sys && {write}"
            return not subprocess.run(["unshare", "--mount", "sh", "-c", script], stderr=subprocess.DEVNULL,
                                      check=False).returncode


def choose(relay_core: Optional[int]) -> Network:
    """The best that is permitted."""
    try:
        return Namespaces(relay_core)
    except (OSError, subprocess.CalledProcessError):
        return Network()


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _run(command: str) -> None:
    subprocess.run(["sh", "-e", "-c", command], check=True, stderr=subprocess.PIPE)
