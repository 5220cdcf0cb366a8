"""Three hosts on one machine: caller - proxy - callee, in network namespaces of their own, joined by veth pairs.

    caller  192.0.2.2    2001:db8:1::2  --  192.0.2.1     2001:db8:1::1
                                            198.51.100.1  2001:db8:2::1  --  198.51.100.2  2001:db8:2::2  callee
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import unittest
from types import TracebackType
from typing import Optional

CALLER, CALLEE = "192.0.2.2", "198.51.100.2"
TO_CALLER, TO_CALLEE = "192.0.2.1", "198.51.100.1"  # of the proxy
CALLER6, CALLEE6 = "2001:db8:1::2", "2001:db8:2::2"
TO_CALLER6, TO_CALLEE6 = "2001:db8:1::1", "2001:db8:2::1"
_CLONE_NEWNET = 0x40000000


class Hosts:
    """`with Hosts() as hosts:`; `hosts.caller` and its like are names of namespaces."""

    def __init__(self) -> None:
        self.caller, self.proxy, self.callee = (f"rtpp{os.getpid()}{letter}" for letter in "apb")

    def __enter__(self) -> Hosts:
        if os.geteuid():
            raise unittest.SkipTest("network namespaces need root")
        try:
            for host in (self.caller, self.proxy, self.callee):
                _ip("netns", "add", host)
                _ip("-n", host, "link", "set", "lo", "up")
            self._join(self.caller, "out", (CALLER, CALLER6), "left", (TO_CALLER, TO_CALLER6))
            self._join(self.callee, "out", (CALLEE, CALLEE6), "right", (TO_CALLEE, TO_CALLEE6))
        except subprocess.CalledProcessError as error:
            self.__exit__(None, None, None)
            raise unittest.SkipTest(f"no network namespaces here: {error.stderr}") from error
        return self

    def _join(self, host: str, device: str, addresses: tuple[str, str], other: str, others: tuple[str, str]) -> None:
        _ip("link", "add", device, "netns", host, "type", "veth", "peer", "name", other, "netns", self.proxy)
        for name, link, (ipv4, ipv6) in ((host, device, addresses), (self.proxy, other, others)):
            _ip("-n", name, "addr", "add", f"{ipv4}/24", "dev", link)
            _ip("-n", name, "addr", "add", f"{ipv6}/64", "dev", link, "nodad")
            _ip("-n", name, "link", "set", link, "up")

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        for host in (self.caller, self.proxy, self.callee):
            subprocess.run(["ip", "netns", "del", host], check=False, capture_output=True)

    @staticmethod
    def command(host: str, *words: str) -> list[str]:
        """A command line that runs on a host."""
        return ["ip", "netns", "exec", host, *words]

    @staticmethod
    def socket(host: str, address: str, kind: socket.SocketKind = socket.SOCK_DGRAM) -> socket.socket:
        """A socket of a host, bound to an address of its own."""
        with inside(f"/var/run/netns/{host}"):
            made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
        made.bind((address, 0))
        made.settimeout(5)
        return made

    @staticmethod
    def wire(host: str, device: str) -> socket.socket:
        """A socket for whole Ethernet frames on a device of a host."""
        with inside(f"/var/run/netns/{host}"):
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        made.bind((device, 0))
        return made


class inside:
    """This thread is in another network for a while: that of a file of its kind below /proc or /var/run/netns."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def __enter__(self) -> None:
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(self._namespace, os.O_RDONLY)
        _enter(there)
        os.close(there)

    def __exit__(self, *error: object) -> None:
        _enter(self._home)
        os.close(self._home)


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
