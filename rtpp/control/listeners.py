"""A thread for each control socket: takes commands from it, hands them to the executor, sends the replies.

A reply is a line; replies to commands that came together leave together. What a client does not take is queued up to a
limit; a client beyond that limit is closed, so one that never reads delays nobody.

    datagram    cookie and command in one datagram; duplicates are answered from the cache of replies
    lines       a line is a command; the connection lasts
    one-shot    what the first read brings is the command, with or without line feed; then the connection is closed
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import threading
import time
from collections import deque
from typing import Any, Callable, Optional

from rtpp.control.commands import MAX_REPLY, Executor, Origin
from rtpp.control.endpoints import Endpoint
from rtpp.control.grammar import tokenize
from rtpp.control.replycache import ReplyCache
from rtpp.log import GLOBAL

MAX_COMMAND = 8191  # bytes of a datagram or one-shot command; the rest is not looked at
MAX_LINE = 8192  # bytes of a line with its line feed; a longer one closes the connection
MAX_CONNECTIONS = 99  # per control socket
MAX_UNSENT = 64 * 1024  # bytes of replies that wait for one client
DATAGRAMS_PER_ROUND = 32
REPLIES_PER_SEND = 16


class Listener:
    """Common to all: the thread, its selector, and how it is stopped."""

    def __init__(self, endpoint: Endpoint, executor: Executor) -> None:
        self.endpoint = endpoint
        self._executor = executor
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._selector.register(self._wake_reader, selectors.EVENT_READ, None)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"control {endpoint.text}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the control socket. Waits for the command in progress."""
        self._stopping = True
        self._wake_writer.send(b"\0")
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=2.0)
        self._close()
        self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()
        self.endpoint.close()

    def _run(self) -> None:
        while not self._stopping:
            try:
                for key, events in self._selector.select():
                    if key.data is not None:
                        key.data(events)
            except Exception:
                GLOBAL.exception("unexpected error on control socket %s", self.endpoint.text)
                time.sleep(0.01)  # should it repeat, it must not fill the log at full speed

    def _close(self) -> None:
        """Close what the listener has opened besides its endpoint."""


class DatagramListener(Listener):
    """`udp:` and `udp6:`."""

    def __init__(self, endpoint: Endpoint, executor: Executor, cache: ReplyCache) -> None:
        super().__init__(endpoint, executor)
        assert endpoint.socket is not None
        self._socket = endpoint.socket
        self._cache = cache
        self._local = self._socket.getsockname()[0] if self._socket.family == socket.AF_INET else ""
        self._selector.register(self._socket, selectors.EVENT_READ, self._on_readable)

    def _on_readable(self, events: int) -> None:
        for _ in range(DATAGRAMS_PER_ROUND):
            try:
                data, source = self._socket.recvfrom(MAX_COMMAND)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error about an earlier reply
            reply = self._answer(data, source)
            if reply:
                self._send(reply, source)

    def _answer(self, data: bytes, source: Any) -> bytes:
        """The whole reply to a datagram; empty when there is none to give."""
        origin = Origin(source[0], self._local) if self._socket.family == socket.AF_INET else Origin()
        tokens = tokenize(data)
        if not tokens or b"\0" in tokens[0]:
            return self._executor.execute([], origin).encode("latin-1") + b"\n"
        cookie = tokens[0]
        room = MAX_REPLY - len(cookie) - 2  # a space and a line feed
        if room < len("E5"):
            GLOBAL.warning("command with a cookie of %d bytes dropped: no room for a reply", len(cookie))
            return b""
        run, known = self._cache.begin(source, cookie, time.monotonic())
        if not run:
            if known is None:
                return b""
            self._executor.duplicate()
            return known
        reply = b""
        try:
            text = self._executor.execute(tokens[1:], origin, room)
            if len(text) > room:
                text = "E5"
            reply = cookie + b" " + text.encode("latin-1") + b"\n"
        finally:
            self._cache.finish(source, cookie, reply, time.monotonic())
        return reply

    def _send(self, reply: bytes, source: Any) -> None:
        try:
            self._socket.sendto(reply, source)
        except OSError as error:
            GLOBAL.info("reply to %s not sent: %s", source, error)


class _Connection:
    """One client of a stream socket."""

    def __init__(self, listener: StreamListener, accepted: socket.socket, origin: Origin) -> None:
        self._listener = listener
        self.socket = accepted
        self._origin = origin
        self._input = b""
        self._unsent: deque[bytes] = deque()
        self._unsent_size = 0  # bytes
        self._closing = False
        self._has_spoken = False

    @property
    def is_idle(self) -> bool:
        """Nothing is lost if it is closed in favour of another: it never sent a command, or does not read replies."""
        return not self._has_spoken or bool(self._unsent)

    def on_event(self, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._flush()
            if events & selectors.EVENT_READ and not self._closing:
                self._receive()
        except OSError:
            self._give_up()
        if self._closing and not self._unsent:
            self._listener.forget(self)
        elif self._closing:
            self._listener.watch(self, selectors.EVENT_WRITE)  # end of input stays readable: do not spin on it

    def _receive(self) -> None:
        if self._listener.endpoint.is_one_shot:
            self._receive_one()
            return
        data = self.socket.recv(MAX_LINE - len(self._input))
        if not data:
            self._closing = True
            return
        *lines, self._input = (self._input + data).split(b"\n")
        for first in range(0, len(lines), REPLIES_PER_SEND):
            self._execute(lines[first : first + REPLIES_PER_SEND])
        if len(self._input) >= MAX_LINE:
            GLOBAL.warning("control connection closed: a line of more than %d bytes", MAX_LINE)
            self._closing = True

    def _receive_one(self) -> None:
        data = self.socket.recv(MAX_COMMAND)
        if data:
            self._execute([data])
            self._discard_input()
        self._closing = True

    def _discard_input(self) -> None:
        """Closing with input unread would reset the connection before the client has read its reply."""
        try:
            for _ in range(16):
                if not self.socket.recv(65536):
                    return
        except BlockingIOError:
            pass

    def _execute(self, lines: list[bytes]) -> None:
        """Execute commands and send the replies."""
        if self._closing:
            return
        self._has_spoken = True
        reply = b"".join([self._listener.execute(line, self._origin) for line in lines])
        if not self._unsent:
            try:
                sent = self.socket.send(reply)
            except BlockingIOError:
                sent = 0
            reply = reply[sent:]
        if reply:
            if not self._unsent:
                self._listener.watch(self, selectors.EVENT_READ | selectors.EVENT_WRITE)
            self._unsent.append(reply)
            self._unsent_size += len(reply)
            if self._unsent_size > MAX_UNSENT:
                GLOBAL.warning("control connection closed: the client does not read its replies")
                self._give_up()

    def _flush(self) -> None:
        try:
            while self._unsent:
                sent = self.socket.send(self._unsent[0])
                self._unsent_size -= sent
                self._unsent[0] = self._unsent[0][sent:]
                if self._unsent[0]:
                    return
                self._unsent.popleft()
        except BlockingIOError:
            return
        self._listener.watch(self, selectors.EVENT_READ)

    def _give_up(self) -> None:
        """Close the connection; what waits for the client is lost."""
        self._unsent.clear()
        self._closing = True


class StreamListener(Listener):
    """`tcp:`, `tcp6:`, `unix:`, `cunix:` and `systemd:`."""

    def __init__(self, endpoint: Endpoint, executor: Executor) -> None:
        super().__init__(endpoint, executor)
        assert endpoint.socket is not None
        self._socket = endpoint.socket
        self._connections: dict[_Connection, None] = {}  # oldest first
        self._spare: Optional[int] = os.open(os.devnull, os.O_RDONLY)
        self._selector.register(self._socket, selectors.EVENT_READ, self._on_connect)

    def execute(self, line: bytes, origin: Origin) -> bytes:
        return self._executor.execute(tokenize(line), origin).encode("latin-1") + b"\n"

    def watch(self, connection: _Connection, events: int) -> None:
        self._selector.modify(connection.socket, events, connection.on_event)

    def forget(self, connection: _Connection) -> None:
        if connection in self._connections:
            del self._connections[connection]
            self._selector.unregister(connection.socket)
            connection.socket.close()

    def _on_connect(self, events: int) -> None:
        try:
            accepted, source = self._socket.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and not self._make_room():
                self._turn_away()
            return  # still waiting if room was made: accepted in the next round
        if len(self._connections) >= MAX_CONNECTIONS and not self._make_room():
            GLOBAL.warning("control connection refused: %d are open on %s", MAX_CONNECTIONS, self.endpoint.text)
            accepted.close()
            return
        accepted.setblocking(False)
        origin = Origin()
        if accepted.family != socket.AF_UNIX:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_UNSENT)  # megabytes otherwise
        if accepted.family == socket.AF_INET:
            origin = Origin(source[0], accepted.getsockname()[0])
        connection = _Connection(self, accepted, origin)
        self._connections[connection] = None
        self._selector.register(accepted, selectors.EVENT_READ, connection.on_event)

    def _make_room(self) -> bool:
        """Close the oldest idle connection, if there is one."""
        idle = next((connection for connection in self._connections if connection.is_idle), None)
        if idle is None:
            return False
        self.forget(idle)
        return True

    def _turn_away(self) -> None:
        """Out of descriptors: with the one kept in reserve, accept and close, or the client would wait for ever."""
        GLOBAL.error("control connection refused on %s: out of file descriptors, see -L", self.endpoint.text)
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
        try:
            self._socket.accept()[0].close()
        except OSError:
            time.sleep(0.05)  # other threads took the descriptor: do not spin
        try:
            self._spare = os.open(os.devnull, os.O_RDONLY)
        except OSError:
            pass

    def _close(self) -> None:
        for connection in list(self._connections):
            self.forget(connection)
        if self._spare is not None:
            os.close(self._spare)


class StdioListener(Listener):
    """`stdio:` and `stdioc:`: lines on standard input, replies on standard output."""

    def __init__(self, endpoint: Endpoint, executor: Executor, on_eof: Callable[[], None]) -> None:
        super().__init__(endpoint, executor)
        self._on_eof = on_eof
        self._input = b""

    def _run(self) -> None:
        # Read without a selector: standard input may be a plain file, which epoll does not take.
        while not self._stopping:
            try:
                data = os.read(0, MAX_LINE - len(self._input))
                if not data:
                    break
                self._take(data)
            except OSError as error:
                GLOBAL.warning("control on standard input and output ends: %s", error)
                break
        if not self._stopping:
            self._on_eof()

    def _take(self, data: bytes) -> None:
        *lines, self._input = (self._input + data).split(b"\n")
        for line in lines:
            reply = self._executor.execute(tokenize(line), Origin()).encode("latin-1") + b"\n"
            while reply:
                reply = reply[os.write(1, reply) :]
        if len(self._input) >= MAX_LINE:
            raise OSError(f"a line of more than {MAX_LINE} bytes")

    def stop(self) -> None:
        """The thread may be waiting in a read that nothing ends; it dies with the process."""
        self._stopping = True
        self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()


def make_listener(endpoint: Endpoint, executor: Executor, cache: ReplyCache,
                  on_eof: Callable[[], None]) -> Listener:
    """The listener for an open endpoint; `on_eof` is called when standard input ends."""
    if endpoint.socket is None:
        return StdioListener(endpoint, executor, on_eof)
    if endpoint.is_datagram:
        return DatagramListener(endpoint, executor, cache)
    return StreamListener(endpoint, executor)
