"""rtnetlink: interfaces, local addresses, routes, and filters of kernels that have no tcx (RFC 3549, rtnetlink(7))."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import NamedTuple, Optional

_ERROR, _DONE = 2, 3
_NEWLINK, _GETLINK, _GETADDR, _GETROUTE = 16, 18, 22, 26
_NEWQDISC, _NEWTFILTER, _DELTFILTER, _GETTFILTER = 36, 44, 45, 46
_REQUEST, _ACK, _DUMP, _NEW = 1, 4, 0x300, 0x600
_MULTI = 2
_GROUPS = 1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x40000 | 1 << 31  # links; addresses, routes, rules; next hops
_CLSACT_PARENT, _CLSACT_HANDLE, _CLSACT_INGRESS = 0xFFFFFFF1, 0xFFFF0000, 0xFFFFFFF2
_EVERY_PROTOCOL = 3
_FIRST_PRIORITY, _PRIORITIES = 0x5254, 16  # another instance takes the next one
UP = 1
ETHERNET, LOOPBACK = 1, 772
UNICAST, LOCAL = 1, 2  # types of routes


class Link(NamedTuple):
    name: str
    kind: int
    is_up: bool
    mtu: int
    has_master: bool


class Route(NamedTuple):
    kind: int
    interface: int
    gateway: Optional[bytes]
    source: Optional[bytes]  # the local address that the kernel prefers
    mtu: int  # 0: that of the interface


class Filter(NamedTuple):
    """A program attached the old way; `owner` is the name it was given."""

    interface: int
    priority: int
    owner: str


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", len(data) + 4, kind) + data + bytes(-len(data) % 4)


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        if size < 4:
            break
        found[kind & 0x3FFF] = data[4:size]
        data = data[-(-size // 4) * 4 :]
    return found


class Netlink:
    """Asks the kernel. All methods raise OSError."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def _request(self, kind: int, flags: int, body: bytes) -> list[bytes]:
        """The payloads of the answer."""
        self._sequence += 1
        self._socket.send(struct.pack("=IHHII", 16 + len(body), kind, flags | _REQUEST, self._sequence, 0) + body)
        answers: list[bytes] = []
        while True:
            data = self._socket.recv(1 << 17)
            while data:
                size, answer, answer_flags, sequence, _ = struct.unpack_from("=IHHII", data)
                payload, data = data[16:size], data[-(-size // 4) * 4 :]
                if sequence != self._sequence:
                    continue
                if answer == _ERROR:
                    code = -struct.unpack_from("=i", payload)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                if answer in (_ERROR, _DONE):
                    return answers
                answers.append(payload)
                if not answer_flags & _MULTI and not flags & _ACK:
                    return answers

    @staticmethod
    def events() -> socket.socket:
        """A socket that becomes readable when links, addresses, routes or rules change."""
        events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        events.bind((0, _GROUPS))
        events.setblocking(False)
        return events

    def links(self) -> dict[int, Link]:
        found = {}
        for payload in self._request(_GETLINK, _DUMP, bytes(16)):
            _, kind, index, flags, _ = struct.unpack_from("=BxHiII", payload)
            attributes = _attributes(payload[16:])
            name = attributes[3].rstrip(b"\0").decode()
            found[index] = Link(name, kind, bool(flags & UP), struct.unpack("=I", attributes[4])[0], 10 in attributes)
        return found

    def addresses(self) -> set[tuple[int, bytes]]:
        """Local addresses, each with the index of its interface."""
        found = set()
        for payload in self._request(_GETADDR, _DUMP, bytes(8)):
            attributes = _attributes(payload[8:])
            address = attributes.get(2) or attributes.get(1)
            if address:
                found.add((struct.unpack_from("=I", payload, 4)[0], address))
        return found

    def route(self, target: bytes, source: bytes = b"") -> Route:
        """How a packet from `source` to `target` leaves; both are packed addresses."""
        family = socket.AF_INET6 if len(target) == 16 else socket.AF_INET
        body = struct.pack("=BBBBBBBBI", family, len(target) * 8, len(source) * 8, 0, 0, 0, 0, 0, 0)
        body += _attribute(1, target) + (_attribute(2, source) if source else b"")
        payload = self._request(_GETROUTE, 0, body)[0]
        attributes = _attributes(payload[12:])
        gateway = attributes.get(5) or attributes.get(18, b"")[2:] or None  # 18: of the other family
        mtu = _attributes(attributes.get(8, b"")).get(2)
        interface = struct.unpack("=I", attributes[4])[0] if 4 in attributes else 0
        return Route(payload[7], interface, gateway, attributes.get(7), struct.unpack("=I", mtu)[0] if mtu else 0)

    # -- filters: they outlive the process, hence the owner's name on each ---------------------------

    def attach(self, program: int, interface: int, owner: str) -> Filter:
        header = struct.pack("=BxxxiIII", 0, interface, _CLSACT_HANDLE, _CLSACT_PARENT, 0)
        try:
            self._request(_NEWQDISC, _ACK | _NEW, header + _attribute(1, b"clsact\0"))
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise
        options = (_attribute(6, struct.pack("=I", program)) + _attribute(7, owner.encode() + b"\0")
                   + _attribute(8, struct.pack("=I", 1)))  # direct action
        for priority in range(_FIRST_PRIORITY, _FIRST_PRIORITY + _PRIORITIES):
            info = priority << 16 | socket.htons(_EVERY_PROTOCOL)
            header = struct.pack("=BxxxiIII", 0, interface, 1, _CLSACT_INGRESS, info)
            try:
                self._request(_NEWTFILTER, _ACK | _NEW, header + _attribute(1, b"bpf\0") + _attribute(2, options))
                return Filter(interface, priority, owner)
            except OSError as error:
                if error.errno != errno.EEXIST:
                    raise
        raise OSError(errno.EEXIST, "every priority of filters is taken")

    def detach(self, attached: Filter) -> None:
        info = attached.priority << 16 | socket.htons(_EVERY_PROTOCOL)
        self._request(_DELTFILTER, _ACK, struct.pack("=BxxxiIII", 0, attached.interface, 0, _CLSACT_INGRESS, info))

    def filters(self, interface: int) -> list[Filter]:
        found = []
        header = struct.pack("=BxxxiIII", 0, interface, 0, _CLSACT_INGRESS, 0)
        for payload in self._request(_GETTFILTER, _DUMP, header):
            attributes = _attributes(payload[20:])
            options = _attributes(attributes.get(2, b""))
            if attributes.get(1) == b"bpf\0" and 7 in options:
                priority = struct.unpack_from("=I", payload, 16)[0] >> 16
                found.append(Filter(interface, priority, options[7].rstrip(b"\0").decode()))
        return found
