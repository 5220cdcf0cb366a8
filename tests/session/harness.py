"""A session table with real sockets on the loopback interface, and the parties that call each other through it.

Two ways to drive it: `serve` takes one datagram through a stream at a time of the test's choosing, `start_relay`
starts the real relay loop.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import time
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, Optional

from rtpp.net.addresses import IPV4, IPV6
from rtpp.rtp.packet import RtpPacket
from rtpp.session.session import Leg, Session
from rtpp.session.stream import Stream
from rtpp.session.table import SessionTable
from rtpp.settings import ListenAddress, Settings
from rtpp.stats import COUNTERS, Stats
from tests.ports import free_ports

PATIENCE = 5.0  # seconds for which something that must happen is waited for
LOOPBACK = ListenAddress(IPV4, "127.0.0.1")
LOOPBACK6 = ListenAddress(IPV6, "::1")
PAIRS = 40  # in the range of a table unless the test says otherwise


def rtp(sequence_number: int = 1, ssrc: int = 0x1234, size: int = 160) -> bytes:
    """An RTP packet of `size` bytes of G.711."""
    return bytes(RtpPacket(0, sequence_number & 0xFFFF, 160 * sequence_number & 0xFFFFFFFF, ssrc, b"\xff" * size))


def rtcp() -> bytes:
    """A receiver report without reports."""
    return b"\x80\xc9\x00\x01\x00\x00\x12\x34"


class Party:
    """A telephone: one UDP socket."""

    def __init__(self, test: unittest.TestCase, host: str = "127.0.0.1", port: int = 0) -> None:
        family = IPV6 if ":" in host else IPV4
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        test.addCleanup(self.socket.close)
        self.socket.bind((host, port))
        self.socket.settimeout(PATIENCE)

    @property
    def address(self) -> Any:
        return self.socket.getsockname()

    def send(self, data: bytes, to: Any) -> None:
        """To a stream, or to an address."""
        self.socket.sendto(data, local_address(to) if isinstance(to, Stream) else to)

    def receive(self) -> bytes:
        return self.socket.recvfrom(65536)[0]

    def receive_from(self) -> tuple[bytes, Any]:
        return self.socket.recvfrom(65536)

    def waiting(self) -> list[bytes]:
        """All that has arrived.

        A busy machine may deliver a little after the send call. Loopback keeps the order of what one thread sends, so
        all that it sent before is there when a packet of our own is.
        """
        last = os.urandom(16)
        self.socket.sendto(last, self.address)
        return list(iter(self.receive, last))


def local_address(stream: Stream) -> Any:
    """Where a party sends to reach a stream."""
    host = stream.leg.address.host
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), stream.port


def serve(stream: Stream, now: float) -> None:
    """Hand one datagram, which has been sent already, to the stream as the relay loop does."""
    assert stream.socket is not None
    ready = select.select([stream.socket], [], [], PATIENCE)[0]
    assert ready, f"nothing has arrived for {stream}"
    stream.handle(stream, now)


class SessionTest(unittest.TestCase):
    """Makes tables and calls, and cleans them up. Its clock starts at `start`; tests pass times to all they call."""

    start = 1000.25

    def setUp(self) -> None:
        self._running: list[SessionTable] = []

    def make_table(self, *, pairs: int = PAIRS, **options: Any) -> SessionTable:
        options.setdefault("addresses", (LOOPBACK,))
        first = free_ports(2 * pairs)
        settings = Settings(port_min=first, port_max=first + 2 * pairs - 2, **options)
        table = SessionTable(settings, Stats(self.start))
        self.addCleanup(self._clean_up, table)
        return table

    def start_relay(self, table: SessionTable) -> None:
        table.relay.start()
        self._running.append(table)

    def _clean_up(self, table: SessionTable) -> None:
        with table.lock:
            table.end_all(self.start)
        if table not in self._running:
            table.relay.start()
        table.relay.stop()

    def make_session(self, table: SessionTable, call_id: str = "call", tag: str = "from", *,
                     caller: ListenAddress = LOOPBACK, callee: ListenAddress = LOOPBACK,
                     now: Optional[float] = None) -> Session:
        """With the callee's leg only, as after the first U."""
        with table.lock:
            return table.create(call_id, tag, (caller, callee), self.start if now is None else now)

    def make_call(self, table: SessionTable, call_id: str = "call", tag: str = "from", *,
                  now: Optional[float] = None, **addresses: ListenAddress) -> Session:
        """With both legs; nothing is known about the parties."""
        session = self.make_session(table, call_id, tag, now=now, **addresses)
        self.complete(table, session, now)
        return session

    def complete(self, table: SessionTable, session: Session, now: Optional[float] = None) -> None:
        """As the first L does."""
        with table.lock:
            table.open(session.caller)
            table.complete(session, self.start if now is None else now)

    def counters(self, table: SessionTable) -> dict[str, float]:
        """Those that are not zero."""
        with table.lock:
            return {name: getattr(table.stats, name) for name in COUNTERS if getattr(table.stats, name)}

    def assert_packets(self, table: SessionTable, received: int = 0, relayed: int = 0, discarded: int = 0) -> None:
        """The packet counters of the whole table."""
        stats = table.stats
        with table.lock:
            found = stats.npkts_rcvd, stats.npkts_relayed, stats.npkts_discard
        self.assertEqual(found, (received, relayed, discarded), "packets received, relayed, discarded")

    def assert_query(self, session: Session, ina: int = 0, ino: int = 0, relayed: int = 0, dropped: int = 0) -> None:
        """What Q shows, asked by the caller."""
        caller, callee = session.caller.rtp, session.callee.rtp
        found = (caller.received, callee.received, caller.relayed + callee.relayed, caller.dropped + callee.dropped)
        self.assertEqual(found, (ina, ino, relayed, dropped), "npkts_ina, npkts_ino, nrelayed, ndropped")

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), end, f"waited in vain for: {what}")
            time.sleep(0.002)

    @contextmanager
    def quiet(self, level: int = logging.CRITICAL) -> Iterator[None]:
        """Let no log lines below `level` out."""
        logger = logging.getLogger("rtpproxy")
        before = logger.level
        logger.setLevel(level)
        try:
            yield
        finally:
            logger.setLevel(before)

    @contextmanager
    def assert_no_errors(self) -> Iterator[None]:
        """Nothing at level ERR or above is logged, from any thread."""
        found: list[str] = []
        handler = logging.Handler(logging.ERROR)
        handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
        logger = logging.getLogger("rtpproxy")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
        self.assertEqual(found, [])


def describe(leg: Leg, party: Any, control: Any = None, now: float = SessionTest.start) -> None:
    """Tell a session where the party of a leg is, as a command does; RTCP one port above unless said."""
    address = party.address if isinstance(party, Party) else party
    if control is None:
        control = (address[0], (address[1] + 1) % 65536, *address[2:])
    elif isinstance(control, Party):
        control = control.address
    leg.prefill(address, control, now)
