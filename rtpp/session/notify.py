"""Timeout notifications: telling the SIP server that a call has died.

A command names a target and a tag; the target must be one of those that `-n` allows. When the session times out,
the tag is sent to the target as one line. One thread sends them all, in order; connections are opened at the first
notification and kept. A target that cannot be reached loses that notification, nothing else; the queue is bounded.

    -n unix:PATH                     a local stream socket; a bare PATH means the same
    -n tcp:HOST:PORT
    -n tcp:%%CC_SELF%%:PORT          whichever host the command came from
"""

from __future__ import annotations

import os
import queue
import re
import socket
import threading
import time
from dataclasses import dataclass
from typing import Optional

from rtpp.errors import CommandError, ErrorCode, StartError
from rtpp.log import GLOBAL
from rtpp.net.connections import closed_by_peer

WILDCARD_HOST = "%%CC_SELF%%"
MAX_TARGETS = 64
MAX_WILDCARDS = 2
MAX_UNIX_PATH = 107  # bytes that fit the address of a local socket, without the final NUL
QUEUE_NOTIFICATIONS = 10_000
CONNECT_TIMEOUT = 3.0  # seconds
SEND_TIMEOUT = 3.0
SILENCE = 10.0  # seconds for which a target that let a connect time out is not tried again
SEND_TRIES = 4  # the first and three retries, each over a new connection


@dataclass(frozen=True)
class Target:
    """Where notifications go: a local path, or an IPv4 host and port (and the local address to bind to)."""

    path: str = ""
    host: str = ""
    port: int = 0
    source: str = ""

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path else f"tcp:{self.host}:{self.port}"


@dataclass(frozen=True)
class Notification:
    """A line for a target, sent when the session that holds it times out."""

    target: Target
    text: bytes


def decode_tag(text: str) -> bytes:
    """Percent-decode a notification tag; `+` is a space. Raises CommandError for a malformed escape."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise CommandError(ErrorCode.NOTIFY_TAG, f"malformed percent escape in {text!r}")
    plain = re.sub(r"%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), text.replace("+", " "))
    return plain.encode("latin-1")


def parse_target(text: str) -> Target:
    """A target as `-n` gives it; its host is not looked up. Raises StartError when it makes no sense."""
    if not text.startswith("tcp:"):
        path = text[len("unix:") :] if text.startswith("unix:") else text
        if not path:
            raise StartError(f"option -n: {text!r} names no socket: unix:PATH or tcp:HOST:PORT is needed")
        if len(os.fsencode(path)) > MAX_UNIX_PATH:
            raise StartError(f"option -n: {text!r} is too long: a socket's path has at most {MAX_UNIX_PATH} bytes")
        return Target(path=path)
    host, colon, port = text[len("tcp:") :].rpartition(":")
    if not colon or not host:
        raise StartError(f"option -n: {text!r} lacks a host or a port: tcp:HOST:PORT is needed")
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise StartError(f"option -n: {text!r} has the port {port!r}: a number from 1 to 65535 is needed")
    return Target(host=host, port=int(port))


class AllowedTargets:
    """The targets of `-n`. Raises StartError for one that makes no sense."""

    def __init__(self, texts: tuple[str, ...], *, resolve_names: bool = True) -> None:
        self._fixed: dict[str, Target] = {}
        self._wildcards: dict[str, int] = {}
        self._reached: dict[tuple[str, int], Target] = {}
        for text in texts:
            self._allow(text, resolve_names)
        if len(self._fixed) + len(self._wildcards) > MAX_TARGETS:
            raise StartError(f"option -n: {len(texts)} are too many: at most {MAX_TARGETS} targets can be given")

    def __bool__(self) -> bool:
        return bool(self._fixed or self._wildcards)

    def _allow(self, text: str, resolve_names: bool) -> None:
        target = parse_target(text)
        if target.path:
            self._fixed[str(target)] = target
            return
        if target.host == WILDCARD_HOST:
            if len(self._wildcards) == MAX_WILDCARDS:
                raise StartError(f"option -n: {text!r} is one too many: at most {MAX_WILDCARDS} wildcards can be given")
            self._wildcards[text] = target.port
            return
        flags = 0 if resolve_names else socket.AI_NUMERICHOST
        try:
            found = socket.getaddrinfo(target.host, target.port, socket.AF_INET, socket.SOCK_STREAM, 0, flags)
        except (OSError, UnicodeError) as error:
            raise StartError(f"option -n: {text!r} has no IPv4 address for {target.host!r}: {error}") from error
        self._fixed[text] = Target(host=str(found[0][4][0]), port=target.port)

    def match(self, text: str, controller: str, local: str) -> Optional[Target]:
        """The target a command names, None when it is not allowed.

        `controller` is the IPv4 address the command came from and `local` the one it came to; empty for local
        sockets and IPv6.
        """
        target = self._fixed.get(text)
        if target is None and ":" not in text:
            target = self._fixed.get(f"unix:{text}")
        if target is None and text in self._wildcards:
            host, port = controller or "127.0.0.1", self._wildcards[text]
            target = self._reached.get((host, port))
            if target is None and len(self._fixed) + len(self._reached) < MAX_TARGETS:
                source = local if controller and local != "0.0.0.0" else ""
                target = self._reached[host, port] = Target(host=host, port=port, source=source)
        return target


class Notifier:
    """Sends notifications from a thread of its own."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Optional[Notification]] = queue.Queue(QUEUE_NOTIFICATIONS)
        self._connections: dict[Target, socket.socket] = {}
        self._failing: set[Target] = set()
        self._silent_until: dict[Target, float] = {}  # monotonic seconds, by targets that let a connect time out
        self._overflowing = False
        self.lost = 0  # notifications for which there was no room
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send what is queued if that takes no longer than a second, then end."""
        try:
            self._queue.put(None, timeout=0.1)
        except queue.Full:
            return
        self._thread.join(timeout=1.0)

    @property
    def queued(self) -> int:
        """Notifications that wait, about."""
        return self._queue.qsize()

    def send(self, notification: Notification) -> None:
        """Queue a notification; never blocks."""
        try:
            self._queue.put_nowait(notification)
            self._overflowing = False
        except queue.Full:
            self.lost += 1
            if not self._overflowing:
                GLOBAL.error("notification queue is full (%d), notifications are lost", QUEUE_NOTIFICATIONS)
            self._overflowing = True

    def _run(self) -> None:
        while True:
            notification = self._queue.get()
            if notification is None:
                break
            try:
                self._deliver(notification)
            except Exception:
                GLOBAL.exception("unexpected error while notifying %s", notification.target)
        for connection in self._connections.values():
            connection.close()

    def _deliver(self, notification: Notification) -> None:
        target = notification.target
        for _ in range(SEND_TRIES):
            connection = self._connection(target)
            if connection is None:
                return
            try:
                connection.sendall(notification.text)
                self._failing.discard(target)
                return
            except OSError as error:
                GLOBAL.info("notification target %s: %s, connecting again", target, error)
                connection.close()
                del self._connections[target]
        GLOBAL.error("notification to %s lost: its connections break", target)

    def _connection(self, target: Target) -> Optional[socket.socket]:
        """The open connection to a target; a new one if there is none or the target has closed it."""
        connection = self._connections.get(target)
        if connection is not None:
            if not closed_by_peer(connection):
                return connection
            connection.close()
            del self._connections[target]
        if time.monotonic() < self._silent_until.get(target, 0.0):
            return None
        try:
            connection = self._connect(target)
        except OSError as error:
            if isinstance(error, socket.timeout):
                # Waiting for a dead host once in a while is enough: other targets wait behind it.
                self._silent_until[target] = time.monotonic() + SILENCE
            if target not in self._failing:
                GLOBAL.error("cannot connect to notification target %s: %s (logged once)", target, error)
            self._failing.add(target)
            return None
        self._connections[target] = connection
        return connection

    @staticmethod
    def _connect(target: Target) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX if target.path else socket.AF_INET, socket.SOCK_STREAM)
        try:
            connection.settimeout(CONNECT_TIMEOUT)
            if target.path:
                connection.connect(target.path)
            else:
                if target.source:
                    connection.bind((target.source, 0))
                connection.connect((target.host, target.port))
            connection.settimeout(SEND_TIMEOUT)
        except OSError:
            connection.close()
            raise
        return connection
