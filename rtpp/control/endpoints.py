"""Where commands arrive: the forms of `-s`, and the sockets they open.

    udp:HOST[:PORT]   udp6:HOST[:PORT]      datagrams, each with a cookie
    tcp:HOST[:PORT]   tcp6:HOST[:PORT]      lines, connections last
    cunix:PATH                              lines, connections last
    unix:PATH         PATH                  one command per connection
    stdio:            stdioc:               lines on standard input and output
    systemd:                                the one socket that a service manager passes

HOST `*` is every address; IPv6 literals stand without brackets, the last colon splits off the port.
"""

from __future__ import annotations

import os
import socket
import stat
from dataclasses import dataclass
from typing import Optional

from rtpp.errors import StartError
from rtpp.log import GLOBAL

DEFAULT_PORT = "22222"
MAX_PORT = 65535
BUFFER = 16 * 1024  # bytes, receive buffer of UDP and TCP control sockets
BACKLOG = 128  # of connections that wait to be accepted: a burst of SIP server processes fits
SYSTEMD_DESCRIPTOR = 3
_NETWORK = {
    "udp": (socket.AF_INET, socket.SOCK_DGRAM),
    "udp6": (socket.AF_INET6, socket.SOCK_DGRAM),
    "tcp": (socket.AF_INET, socket.SOCK_STREAM),
    "tcp6": (socket.AF_INET6, socket.SOCK_STREAM),
}
_LOCAL = ("unix", "cunix")
_OTHER = ("stdio", "stdioc", "systemd")


@dataclass(frozen=True)
class Endpoint:
    """An open place for commands. `socket` is None for standard input and output."""

    kind: str  # the prefix of its form
    text: str  # as written, for messages
    socket: Optional[socket.socket]
    path: str = ""  # of a local socket
    inode: int = 0  # of a local socket, to know ours from another one of that name

    @property
    def is_datagram(self) -> bool:
        return self.socket is not None and self.socket.type == socket.SOCK_DGRAM

    @property
    def is_one_shot(self) -> bool:
        """One command per connection."""
        return self.kind == "unix"

    def close(self) -> None:
        """Close the socket and remove its path, unless another program has put its own socket there."""
        if self.socket is not None:
            self.socket.close()
        if not self.path:
            return
        try:
            if os.stat(self.path).st_ino == self.inode:
                os.unlink(self.path)
        except OSError as error:
            GLOBAL.warning("cannot remove control socket %s: %s", self.path, error)


def kind_of(text: str) -> str:
    """The kind of control socket that a `-s` argument means."""
    prefix, colon, _ = text.partition(":")
    return prefix if colon and (prefix in _NETWORK or prefix in _LOCAL or prefix in _OTHER) else "unix"


def open_endpoint(text: str, *, resolve_names: bool = True) -> Endpoint:
    """Open what a `-s` argument names. Raises StartError."""
    kind = kind_of(text)
    rest = text[len(kind) + 1 :] if text.startswith(f"{kind}:") else text
    try:
        if kind in _NETWORK:
            return Endpoint(kind, text, _open_network(kind, rest, resolve_names))
        if kind in _LOCAL:
            return _open_local(kind, text, rest)
        if kind == "systemd":
            return Endpoint(kind, text, _inherited())
    except (OSError, ValueError, OverflowError) as error:
        raise StartError(f"control socket {text!r}: {error}") from error
    return Endpoint(kind, text, None)


def _open_network(kind: str, rest: str, resolve_names: bool) -> socket.socket:
    family, type_ = _NETWORK[kind]
    host, colon, port = rest.rpartition(":")
    if not colon:
        host, port = rest, ""
    if not host:
        raise ValueError("the host is missing; * means every address")
    if port.isdecimal() and int(port) > MAX_PORT:
        raise ValueError(f"the port is above {MAX_PORT}")  # the resolver would take it modulo 65536
    flags = socket.AI_PASSIVE | (0 if resolve_names else socket.AI_NUMERICHOST)
    address = socket.getaddrinfo(None if host == "*" else host, port or DEFAULT_PORT, family, type_, 0, flags)[0][4]
    opened = socket.socket(family, type_)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        if type_ == socket.SOCK_STREAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # restart at once
        opened.bind(address)
        if type_ == socket.SOCK_STREAM:
            opened.listen(BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened


def _open_local(kind: str, text: str, path: str) -> Endpoint:
    if not path:
        raise ValueError("the path is missing")
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise ValueError("something else than a socket is there, and is left alone")
        os.unlink(path)
    except FileNotFoundError:
        pass
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        opened.bind(path)
        opened.listen(BACKLOG)
        return Endpoint(kind, text, opened, os.path.abspath(path), os.stat(path).st_ino)
    except OSError:
        opened.close()
        raise


def _inherited() -> socket.socket:
    """The socket a service manager passed (sd_listen_fds(3)). Raises ValueError unless it is exactly one."""
    count = os.environ.get("LISTEN_FDS", "0")
    if os.environ.get("LISTEN_PID", "") != str(os.getpid()):
        count = "0"
    if count != "1":
        raise ValueError(f"expected one socket from the service manager, got {count}")
    inherited = socket.socket(fileno=SYSTEMD_DESCRIPTOR)
    inherited.setblocking(False)
    os.set_inheritable(SYSTEMD_DESCRIPTOR, False)
    return inherited
