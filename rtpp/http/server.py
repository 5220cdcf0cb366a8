"""A small HTTP server on a thread of its own, for a few people who look and a scraper: bounded in everything.

The relay shares the interpreter with this thread, so what matters is how much and how long it computes, not how fast it
answers. Rounds are short: a few clients, one slice of one answer that takes long, and after each round it rests for
several times as long as it worked. However many clients hammer at it, it takes a fifth of a processor at most, in
pieces of about a millisecond.

    connections    64; one more, and the one that has been idle longest gives way; if all are busy, 503
    a request      8 KiB of header fields, which must be there 10 s after its first byte; no body
    an answer      must be taken within 30 s
    idle           a connection without a request is closed after 60 s
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Generator
from typing import Callable, Optional, Protocol, Union

from rtpp.errors import StartError
from rtpp.http.request import MAX_HEAD, HttpError, Request, parse
from rtpp.http.response import Response, encode, text
from rtpp.log import GLOBAL

MAX_CONNECTIONS = 64
BACKLOG = 128  # connections that wait to be accepted
ACCEPTS_PER_ROUND = 8
CLIENTS_PER_ROUND = 8
READ_SIZE = 4096
WRITE_SIZE = 64 * 1024
HEAD_SECONDS = 10.0
ANSWER_SECONDS = 30.0
IDLE_SECONDS = 60.0
SWEEP_SECONDS = 1.0  # between looks for connections whose time is over
REST = 4  # times as long as a round took
SHORTEST_REST, LONGEST_REST = 0.0005, 0.05  # seconds

Answer = Union[Response, Generator[None, None, Response]]


def listen(host: str, port: int, *, resolve_names: bool) -> socket.socket:
    """A listening socket. Raises StartError."""
    flags = socket.AI_PASSIVE | (0 if resolve_names else socket.AI_NUMERICHOST)
    try:
        found = socket.getaddrinfo(None if host == "*" else host, port, socket.AF_INET if host == "*" else 0,
                                   socket.SOCK_STREAM, 0, flags)
        listener = socket.socket(found[0][0], socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(found[0][4])
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except (OSError, UnicodeError) as error:
        raise StartError(f"option --http: cannot listen on {host} port {port}: {error}") from error
    return listener


class Site(Protocol):
    """What is served."""

    def answer(self, request: Request) -> Answer:
        """A response, or a generator that returns it and yields whenever it has worked long enough at one go."""

    def due(self) -> float:
        """When `work` wants to be called; monotonic seconds."""

    def work(self, now: float) -> None:
        """Do some of what the site has to do by itself, briefly."""


class _Connection:
    """One client. `deadline` is when it is given up, whatever it is at."""

    __slots__ = ("answer", "client", "deadline", "head_only", "input", "keep_alive", "mask", "output", "queued",
                 "served", "since")

    def __init__(self, client: socket.socket, now: float) -> None:
        self.client = client
        self.input = b""
        self.output = memoryview(b"")
        self.answer: Optional[Generator[None, None, Response]] = None  # being worked on
        self.head_only = False
        self.keep_alive = True
        self.queued = False  # the loop has something to do for it
        self.mask = selectors.EVENT_READ
        self.since = now  # it last sent or took something
        self.served = now  # the loop last attended to it
        self.deadline = now + HEAD_SECONDS

    @property
    def is_idle(self) -> bool:
        """No request has come in whole that is not answered."""
        return not self.queued and not self.output


class Server:
    """`start()` in the process that serves; `stop()` ends the thread and closes everything."""

    def __init__(self, listener: socket.socket, site: Site) -> None:
        """`listener` is bound and listens."""
        self._listener = listener
        self._site = site
        listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, None)
        self._connections: set[_Connection] = set()
        self._queue: deque[_Connection] = deque()
        self._next_sweep = 0.0
        self._stopping = False
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._selector.register(self._wake_reader, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wake_writer.send(b"\0")
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)
        for connection in list(self._connections):
            self._close(connection)
        self._selector.close()
        for each in (self._listener, self._wake_reader, self._wake_writer):
            each.close()

    # -- the loop ----------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._round()
            except Exception:
                GLOBAL.exception("unexpected error in the HTTP server, which goes on")
                time.sleep(0.05)  # should it repeat, it must not fill the log at full speed

    def _round(self) -> None:
        ready = self._selector.select(self._pause())
        began = time.monotonic()
        clients: list[tuple[_Connection, int]] = []
        for key, mask in ready:
            if key.fileobj is self._listener:
                self._accept(began)
            elif isinstance(key.data, _Connection):
                clients.append((key.data, mask))
        # Who was served longest ago comes first: the selector names them in an order that a few busy clients can lead.
        clients.sort(key=lambda client: client[0].served)
        for connection, mask in clients[:CLIENTS_PER_ROUND]:
            connection.served = began
            if connection in self._connections:  # it may just have given way to a new one
                self._serve(connection, mask, began)
        if self._queue:
            connection = self._queue.popleft()
            connection.queued = False
            self._advance(connection, began)
        if self._site.due() <= began:
            self._site.work(began)
        if began >= self._next_sweep:
            self._sweep(began)
        worked = time.monotonic() - began
        time.sleep(min(max(worked * REST, SHORTEST_REST), LONGEST_REST))

    def _pause(self) -> float:
        """How long to wait for clients."""
        if self._queue:
            return 0.0
        now = time.monotonic()
        due = min(self._site.due(), self._next_sweep if self._connections else now + IDLE_SECONDS)
        return max(due - now, 0.0)

    def _sweep(self, now: float) -> None:
        self._next_sweep = now + SWEEP_SECONDS
        for connection in [each for each in self._connections if each.deadline <= now]:
            self._close(connection)

    # -- connections -------------------------------------------------------------------------------

    def _accept(self, now: float) -> None:
        for _ in range(ACCEPTS_PER_ROUND):
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # none any more, or no descriptors: those who wait are accepted later
            client.setblocking(False)
            connection = _Connection(client, now)
            if len(self._connections) >= MAX_CONNECTIONS and not self._make_room():
                _refuse(client)
                continue
            self._connections.add(connection)
            self._selector.register(client, selectors.EVENT_READ, connection)

    def _make_room(self) -> bool:
        """Close the connection that has been idle longest. Returns whether there was one."""
        idle = [connection for connection in self._connections if connection.is_idle]
        if idle:
            self._close(min(idle, key=lambda connection: connection.since))
        return bool(idle)

    def _close(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        if connection.answer is not None:
            connection.answer.close()
        if connection.queued:
            self._queue.remove(connection)
        if connection.mask:
            self._selector.unregister(connection.client)
        connection.client.close()

    def _listen_for(self, connection: _Connection, mask: int) -> None:
        """Which events of a client are of interest; 0 for none."""
        if mask == connection.mask:
            return
        if not mask:
            self._selector.unregister(connection.client)
        elif not connection.mask:
            self._selector.register(connection.client, mask, connection)
        else:
            self._selector.modify(connection.client, mask, connection)
        connection.mask = mask

    # -- requests and answers ----------------------------------------------------------------------

    def _serve(self, connection: _Connection, mask: int, now: float) -> None:
        writes = mask & connection.mask & selectors.EVENT_WRITE
        self._attempt(self._write if writes else self._read, connection, now)

    def _attempt(self, action: Callable[..., None], connection: _Connection, *arguments: object) -> None:
        """Do something with a client; one that has broken off is closed."""
        try:
            action(connection, *arguments)
        except BlockingIOError:
            return
        except OSError:
            self._close(connection)

    def _read(self, connection: _Connection, now: float) -> None:
        data = connection.client.recv(READ_SIZE)
        if not data:
            self._close(connection)
            return
        connection.deadline = min(connection.deadline, now + HEAD_SECONDS)  # further bytes give no further time
        connection.since = now
        connection.input += data
        self._take_request(connection, now)

    def _take_request(self, connection: _Connection, now: float) -> None:
        """Begin to answer the request that has come in, if it is whole."""
        connection.input = connection.input.lstrip(b"\r\n")  # some clients end a request with one line too many
        head, end, rest = connection.input.partition(b"\r\n\r\n")
        if not end and len(connection.input) <= MAX_HEAD:
            self._listen_for(connection, selectors.EVENT_READ)
            return
        connection.input = rest
        connection.deadline = now + ANSWER_SECONDS
        try:
            if not end or len(head) > MAX_HEAD:
                raise HttpError(431, f"more than {MAX_HEAD} bytes of header fields")
            request = parse(head)
            connection.head_only = request.method == "HEAD"
            connection.keep_alive = request.keep_alive
            answer = self._site.answer(request)
        except HttpError as error:
            connection.keep_alive = False
            answer = text(error.status, error.text)
        except Exception:
            answer = _failed()
        if isinstance(answer, Response):
            self._send(connection, answer, now)
        else:
            connection.answer = answer
            self._put_off(connection)

    def _put_off(self, connection: _Connection) -> None:
        """Go on with a client in one of the next rounds."""
        connection.queued = True
        self._queue.append(connection)
        self._listen_for(connection, 0)

    def _advance(self, connection: _Connection, now: float) -> None:
        """Do one slice of an answer, or take the next request."""
        if connection.answer is None:
            self._attempt(self._take_request, connection, now)
            return
        try:
            next(connection.answer)
        except StopIteration as end:
            answer: Response = end.value
        except HttpError as error:
            answer = text(error.status, error.text)
        except Exception:
            answer = _failed()
        else:
            self._put_off(connection)
            return
        connection.answer = None
        self._attempt(self._send, connection, answer, now)

    def _send(self, connection: _Connection, response: Response, now: float) -> None:
        connection.output = memoryview(
            encode(response, head_only=connection.head_only, keep_alive=connection.keep_alive))
        connection.head_only = False
        try:
            self._write(connection, now)
        except BlockingIOError:
            self._listen_for(connection, selectors.EVENT_WRITE)

    def _write(self, connection: _Connection, now: float) -> None:
        """Send what the client takes. Raises OSError."""
        sent = connection.client.send(connection.output[:WRITE_SIZE])
        connection.output = connection.output[sent:]
        if connection.output:
            self._listen_for(connection, selectors.EVENT_WRITE)
            return
        if not connection.keep_alive:
            _shut_down(connection.client)
            self._close(connection)
            return
        connection.since = now
        connection.deadline = now + IDLE_SECONDS
        if connection.input:
            connection.deadline = now + HEAD_SECONDS
            self._put_off(connection)
        else:
            self._listen_for(connection, selectors.EVENT_READ)


def _failed() -> Response:
    GLOBAL.exception("unexpected error while answering an HTTP request")
    return text(500, "unexpected error; the log says more")


def _refuse(client: socket.socket) -> None:
    try:
        client.send(encode(text(503, "too many clients"), head_only=False, keep_alive=False))
        _shut_down(client)
    except OSError:
        pass
    client.close()


def _shut_down(client: socket.socket) -> None:
    """No more from us; what the client has sent meanwhile is read, since a reset would take back the answer."""
    client.shutdown(socket.SHUT_WR)
    try:
        while client.recv(READ_SIZE):
            pass
    except BlockingIOError:
        pass
