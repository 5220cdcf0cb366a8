"""Asks the proxy: one command, one reply, over any of its control sockets.

    udp:HOST[:PORT]  udp6:HOST[:PORT]           a datagram with a cookie; sent again until an answer comes
    tcp:HOST[:PORT]  tcp6:HOST[:PORT]           a connection for each command
    unix:PATH  cunix:PATH  PATH                 the same, local

On a connection the command is sent, the sending side is closed, and everything up to the end is the reply. So replies
of several lines need no special treatment, and one that lasts is used like one that does not. The cookie
of a datagram makes sending it again harmless: the proxy answers a duplicate without executing it.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import socket
import stat
import time
from typing import Any, NoReturn, Optional

from rtpp.control.endpoints import DEFAULT_PORT, kind_of
from rtpp.tools.ctl.failures import Failure, NoAnswer, Refused, StrangeAnswer, is_error

FIRST_WAIT = 0.3  # seconds for an answer to a datagram, before it is sent again; doubles each time
MAX_REPLY = 65536  # bytes; the proxy never sends so much
_FAMILIES = {"udp": socket.AF_INET, "udp6": socket.AF_INET6, "tcp": socket.AF_INET, "tcp6": socket.AF_INET6}


class Client:
    """Where the proxy is and how long to wait for it. `timeout` is in seconds, for a command as a whole."""

    def __init__(self, text: str, timeout: float) -> None:
        self.text = text
        self.timeout = timeout
        self._kind = kind_of(text)
        rest = text[len(self._kind) + 1 :] if text.startswith(f"{self._kind}:") else text
        if self._kind not in (*_FAMILIES, "unix", "cunix"):
            raise Failure(f"the control socket {text!r} is not one that others can use: name one of udp:HOST:PORT, "
                          "udp6:, tcp:, tcp6:, unix:PATH or cunix:PATH that the proxy serves with -s")
        if not rest:
            raise Failure(f"the control socket {text!r} lacks " + ("a host" if self._kind in _FAMILIES else "a path"))
        self._path = rest if self._kind not in _FAMILIES else ""
        host, colon, port = rest.rpartition(":")
        self._host, self._port = (host, port or DEFAULT_PORT) if colon else (rest, DEFAULT_PORT)
        if not self._path and not self._host:
            raise Failure(f"the control socket {text!r} lacks a host: {self._kind}:HOST:PORT is needed")

    def ask(self, command: str) -> str:
        """The reply to a command, whatever it says, without its line feed. Raises Failure."""
        if re.search(r"[\r\n\0]", command):
            raise Failure("a command is one line, without line ends and NUL bytes")
        try:
            data = self._by_datagram(command) if self._kind.startswith("udp") else self._by_connection(command)
        except OSError as error:
            self._explain(error)
        return data.decode("utf-8", "backslashreplace")

    def demand(self, command: str) -> str:
        """The same; raises Refused if the reply is an error."""
        reply = self.ask(command)
        if is_error(reply):
            raise Refused(command, reply)
        return reply

    # -- transports -------------------------------------------------------------------------------

    def _by_datagram(self, command: str) -> bytes:
        cookie = secrets.token_hex(8).encode()
        end = time.monotonic() + self.timeout
        wait = FIRST_WAIT
        strange: Optional[bytes] = None
        with socket.socket(_FAMILIES[self._kind], socket.SOCK_DGRAM) as client:
            client.connect(self._resolve(socket.SOCK_DGRAM))
            while time.monotonic() < end:
                client.send(cookie + b" " + os.fsencode(command))
                resend = min(end, time.monotonic() + wait)
                wait *= 2
                while (left := resend - time.monotonic()) > 0:
                    client.settimeout(left)
                    try:
                        data = client.recv(MAX_REPLY)
                    except socket.timeout:
                        break
                    if data.startswith(cookie + b" ") and data.endswith(b"\n"):
                        return data[len(cookie) + 1 : -1]
                    strange = data
        if strange is not None:
            self._complain(strange)
        raise socket.timeout

    def _by_connection(self, command: str) -> bytes:
        end = time.monotonic() + self.timeout
        family = socket.AF_UNIX if self._path else _FAMILIES[self._kind]
        reply = b""
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(self.timeout)
            client.connect(self._path or self._resolve(socket.SOCK_STREAM))
            client.sendall(os.fsencode(command) + b"\n")
            client.shutdown(socket.SHUT_WR)
            while len(reply) <= MAX_REPLY:
                client.settimeout(max(end - time.monotonic(), 0.001))
                data = client.recv(MAX_REPLY)
                if not data:
                    break
                reply += data
        if not reply.endswith(b"\n") or len(reply) > MAX_REPLY:
            self._complain(reply)
        return reply[:-1]

    def _resolve(self, type_: socket.SocketKind) -> Any:
        host = {"udp": "127.0.0.1", "tcp": "127.0.0.1", "udp6": "::1", "tcp6": "::1"}[self._kind] \
            if self._host == "*" else self._host
        try:
            return socket.getaddrinfo(host, self._port, _FAMILIES[self._kind], type_)[0][4]
        except (OSError, UnicodeError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise Failure(f"the control socket {self.text!r} names no host and port that are known: {reason}")

    # -- what went wrong --------------------------------------------------------------------------

    def _complain(self, data: bytes) -> NoReturn:
        if not data:
            raise StrangeAnswer(f"{self.text} closed the connection without a reply: it may have too many clients, or "
                                "not be a control socket of rtpproxy")
        text = ascii(data[:60].decode("latin-1"))
        raise StrangeAnswer(f"{self.text} answered with something that is no reply of rtpproxy: {text}")

    def _explain(self, error: OSError) -> NoReturn:
        """Say what an error of the system means here."""
        if isinstance(error, socket.timeout):
            raise NoAnswer(f"no answer from {self.text} within {self.timeout:g} s: the proxy hangs, or a firewall or "
                           "another kind of server is in between")
        if self._path:
            self._explain_local(error)
        if error.errno == errno.ECONNREFUSED:
            raise NoAnswer(f"nothing listens on {self.text}: rtpproxy does not run, or its option -s says something "
                           "else", absent=True)
        if error.errno == errno.EMSGSIZE:
            raise Failure("the command is too long for a datagram")
        raise NoAnswer(f"cannot reach {self.text}: {error.strerror or error}")

    def _explain_local(self, error: OSError) -> NoReturn:
        path = self._path
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise NoAnswer(f"no control socket at {path}: rtpproxy does not run, or its option -s says something else",
                           absent=True)
        if error.errno in (errno.EACCES, errno.EPERM):
            raise NoAnswer(f"not permitted to use {path}{_owner(path)}: use rtppctl as its owner or as root, or start "
                           "rtpproxy with -u USER:GROUP -w 504 (octal 0770) to admit a group")
        if error.errno == errno.ECONNREFUSED and not _is_socket(path):
            raise NoAnswer(f"{path} is not a socket: look at the option -s of rtpproxy")
        if error.errno == errno.ECONNREFUSED:
            raise NoAnswer(f"nobody serves the control socket {path} any more: rtpproxy has ended", absent=True)
        if error.errno == errno.EPROTOTYPE:
            raise NoAnswer(f"{path} is a socket of another kind, not a control socket of rtpproxy")
        raise NoAnswer(f"cannot use the control socket {path}: {error.strerror or error}")


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _owner(path: str) -> str:
    """Owner and mode of a file for a message, as far as they can be seen."""
    try:
        status = os.stat(path)
    except OSError:
        return ", or to look into its directory"
    return f" (owner {status.st_uid}:{status.st_gid}, mode {stat.S_IMODE(status.st_mode):04o})"
