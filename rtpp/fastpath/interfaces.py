"""Where the program runs and where packets go: interfaces and routes, followed as they change."""

from __future__ import annotations

import os
import socket
import struct
from typing import Optional, Union

from rtpp.fastpath import bpf
from rtpp.fastpath.layout import HAS_NEXT_HOP, OUT_IPV6, TO_SOCKET
from rtpp.fastpath.netlink import ETHERNET, LOCAL, LOOPBACK, UNICAST, Filter, Link, Netlink
from rtpp.fastpath.slots import Way
from rtpp.log import GLOBAL

OWNER = "rtpproxy-"  # and the process id: the name of filters on kernels without tcx
TCX, CLSACT = "tcx", "clsact"


class Interfaces:
    """Attached when made; raises OSError when it cannot ask the kernel."""

    def __init__(self, program: int, *, loopback: bool, ways: tuple[str, ...] = (TCX, CLSACT)) -> None:
        self._program: Optional[int] = program
        self._kinds = (ETHERNET, LOOPBACK) if loopback else (ETHERNET,)
        self._ways = ways
        self._netlink = Netlink()
        self._events = Netlink.events()
        self.way = ""  # how the program is attached, "" before it is
        self._attached: dict[int, Union[int, Filter]] = {}
        self._links: dict[int, Link] = {}
        self._local: set[bytes] = set()
        self.refresh()

    @property
    def names(self) -> list[str]:
        """Of those that the program runs on."""
        return sorted(self._links[index].name for index in self._attached)

    def changed(self) -> bool:
        """Whether links, addresses, routes or rules have changed since the last call."""
        changed = False
        try:
            while self._events.recv(65536):
                changed = True
        except BlockingIOError:
            pass
        except OSError:  # more events than the socket holds
            changed = True
        return changed

    def refresh(self) -> None:
        """Look at everything again, and attach to interfaces that are new. Raises OSError."""
        self._links = self._netlink.links()
        addresses = self._netlink.addresses()
        self._local = {address for _, address in addresses}
        addressed = {index for index, _ in addresses}
        for index in [index for index in self._attached if index not in self._links]:
            attached = self._attached.pop(index)
            if not isinstance(attached, Filter):
                os.close(attached)
        for index, link in self._links.items():
            wanted = link.kind in self._kinds and link.is_up and not link.has_master and index in addressed
            if wanted and index not in self._attached and self._program is not None:
                self._attach(index, link.name)

    def _attach(self, index: int, name: str) -> None:
        assert self._program is not None
        problem: Optional[OSError] = None
        for way in (self.way,) if self.way else self._ways:
            try:
                if way == TCX:
                    self._attached[index] = bpf.attach_tcx(self._program, index)
                else:
                    self._remove_leftovers(index)
                    self._attached[index] = self._netlink.attach(self._program, index, f"{OWNER}{os.getpid()}")
                self.way = way
                return
            except OSError as error:
                problem = error
        GLOBAL.info("kernel fast path: cannot attach to %s: %s", name, problem)

    def _remove_leftovers(self, index: int) -> None:
        """Filters of processes that were killed."""
        for each in self._netlink.filters(index):
            if each.owner.startswith(OWNER) and not os.path.exists(f"/proc/{each.owner[len(OWNER):]}"):
                self._netlink.detach(each)

    def is_local(self, address: bytes) -> bool:
        """Whether it is one of this machine."""
        return address in self._local or (len(address) == 4 and address[0] == 127)

    def source_of(self, target: bytes) -> Optional[bytes]:
        """The local address from which packets to `target` leave when nobody says which."""
        try:
            return self._netlink.route(target).source
        except OSError:
            return None

    def sees(self, remote: bytes, local: bytes) -> bool:
        """Whether the program runs where packets from `remote` come in, if they do so where those to it go out."""
        try:
            return self._netlink.route(remote, local).interface in self._attached
        except OSError:
            return False

    def resolve(self, remote: bytes, source: bytes, target: bytes) -> Optional[Way]:
        """How packets that came from `remote` leave from `source` to `target`; None: through the socket."""
        try:
            route = self._netlink.route(target, source)
        except OSError:
            return None
        link = self._links.get(route.interface)
        if link is None or route.kind not in (UNICAST, LOCAL):
            return None
        is_ipv6 = len(target) == 16
        longest = (route.mtu or link.mtu) - (40 if is_ipv6 else 20)
        flags = OUT_IPV6 if is_ipv6 else 0
        if route.kind == LOCAL:
            if not self.is_local(remote):
                return Way(flags, route.interface, b"", longest)
            same_family = len(remote) == len(target)
            return Way(flags | TO_SOCKET, 0, b"", longest) if same_family else None
        gateway = route.gateway or target
        family = socket.AF_INET6 if len(gateway) == 16 else socket.AF_INET
        return Way(flags | HAS_NEXT_HOP, route.interface, struct.pack("=I16s", family, gateway), longest)

    def give_up_rights(self) -> None:
        """Nothing is attached from now on; what is attached stays so without any privilege."""
        if self._program is not None:
            os.close(self._program)
            self._program = None

    def close(self) -> None:
        """Detach."""
        for attached in self._attached.values():
            try:
                if isinstance(attached, Filter):
                    self._netlink.detach(attached)
                else:
                    os.close(attached)
            except OSError as error:  # without rights: inert soon, and removed by the next start
                GLOBAL.debug("kernel fast path: cannot detach: %s", error)
        self._attached.clear()
        self._netlink.close()
        self._events.close()
