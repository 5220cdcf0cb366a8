"""Streams with a second socket, connected to their party: same packets, same rules, on every path."""

from __future__ import annotations

import random
import socket
import time
import unittest
from typing import Any

from rtpp.session.connected import RUN
from rtpp.session.connector import SUPPORTED
from rtpp.session.session import Session
from rtpp.session.stream import Stream
from rtpp.session.table import NoSocketsError, SessionTable
from rtpp.settings import ListenAddress
from tests.rtp.plain_analyzer import PlainAnalyzer
from tests.session.harness import LOOPBACK, LOOPBACK6, Party, SessionTest, describe, local_address, rtp


@unittest.skipUnless(SUPPORTED, "connected sockets are for Linux")
class ConnectedTest(SessionTest):
    def setUp(self) -> None:
        super().setUp()
        self.table: SessionTable = self.make_table()
        self.start_relay(self.table)

    def call(self, address: ListenAddress = LOOPBACK, call_id: str = "call") -> tuple[Session, Party, Party]:
        """A complete call whose parties are known."""
        session = self.make_call(self.table, call_id, caller=address, callee=address)
        caller, callee = Party(self, address.host), Party(self, address.host)
        with self.table.lock, self.quiet():
            describe(session.caller, caller, now=time.monotonic())
            describe(session.callee, callee, now=time.monotonic())
        return session, caller, callee

    def settle(self, stream: Stream, party: Party, first: int = 1) -> int:
        """Send packets until the stream has a connected socket; returns the sequence number after the last."""
        with self.quiet():
            party.send(rtp(first), stream)
            self.wait_for(lambda: stream.latch.latched, "latching")
            with self.table.lock:
                stream.connect_at = 0
                stream.latch.sync_due = 0.0  # the next packet is judged, as one packet each second is
            party.send(rtp(first + 1), stream)
            self.wait_for(lambda: stream.connected is not None, "a connected socket")
        return first + 2

    def relayed(self, stream: Stream) -> int:
        with self.table.lock:
            stream.settle()
            return stream.relayed

    def assert_relayed(self, sender: Party, stream: Stream, receiver: Party, number: int) -> None:
        sender.send(rtp(number), stream)
        data = receiver.receive()
        while data != rtp(number):
            self.assertLess(data[2:4], rtp(number)[2:4], "an old packet may still be there, a newer one not")
            data = receiver.receive()

    def test_packets_go_both_ways(self) -> None:
        for address in (LOOPBACK, LOOPBACK6):
            with self.subTest(address.host):
                session, caller, callee = self.call(address, address.host)
                one, other = session.caller.rtp, session.callee.rtp
                after_caller, after_callee = self.settle(one, caller), self.settle(other, callee)
                self.assertIsNotNone(one.send)
                self.assert_relayed(caller, one, callee, after_caller)
                self.assert_relayed(callee, other, caller, after_callee)
                caller.send(rtp(50), one)
                source = callee.receive_from()[1]
                self.assertEqual(source[:2], local_address(other), "sent from the port of the stream")

    def test_packets_that_are_no_rtp(self) -> None:
        """Of a party that never sent RTP, a fax for example, as many as it likes, the shortest too."""
        session, caller, callee = self.call()
        stream = session.caller.rtp
        junk = (b"", b"\x80", b"\x80" * 8, b"\0" * 8, b"\x80" * 11, bytes(40))
        with self.table.lock:
            stream.connect_at = 0
            stream.latch.latched = True
            stream.latch._settle()
            session.connector.connect(stream, time.monotonic())
        self.wait_for(lambda: stream.connected is not None, "a connected socket")
        for _ in range(20):
            for data in junk:
                caller.send(data, stream)
                self.assertEqual(callee.receive(), data)
        self.assertEqual(self.relayed(stream), 120)
        assert stream.analyzer is not None
        self.assertEqual(stream.analyzer.report()[:5], (0, 0, 0, 0, 120))

    def test_one_after_another(self) -> None:
        """Streams that settle together get their sockets in turn, also when no packet comes any more."""
        streams = []
        for number in range(5):
            session, caller, callee = self.call(call_id=str(number))
            for stream, party in ((session.caller.rtp, caller), (session.callee.rtp, callee)):
                with self.quiet():
                    party.send(rtp(), stream)
                    self.wait_for(lambda stream=stream: stream.latch.latched, "latching")
                streams.append(stream)
        with self.table.lock:
            for stream in streams:
                stream.leg.session.connector.connect(stream, time.monotonic())
            self.assertEqual([stream.connected for stream in streams], [None] * 10)
        self.wait_for(lambda: all([stream.connected for stream in streams]), "connected sockets")

    def test_strangers_are_refused(self) -> None:
        session, caller, callee = self.call()
        number = self.settle(session.caller.rtp, caller)
        stranger = Party(self)
        stranger.send(rtp(number, ssrc=0xBAD), session.caller.rtp)
        self.wait_for(lambda: session.caller.rtp.ignored == 1, "the stranger's packet")
        self.assert_relayed(caller, session.caller.rtp, callee, number)
        self.assertEqual(session.caller.rtp.latch.remote, caller.address)

    def test_party_that_moves_is_followed(self) -> None:
        session, caller, callee = self.call()
        stream = session.caller.rtp
        number = self.settle(stream, caller)
        moved = Party(self)
        with self.quiet(), self.table.lock:
            stream.latch.update_time = None
        self.assert_relayed(moved, stream, callee, number)
        self.assertEqual(stream.latch.remote, moved.address)
        self.assertIsNone(stream.connected)
        self.assertEqual(self.settle(stream, moved, number + 1), number + 3)
        self.assert_relayed(moved, stream, callee, number + 3)

    def test_no_packet_is_lost_or_overtaken(self) -> None:
        """While the sockets come and go beside a stream of packets."""
        session, caller, callee = self.call()
        stream = session.caller.rtp
        self.settle(stream, caller)
        callee.waiting()
        seed = random.randrange(1 << 32)
        source = random.Random(seed)
        received: list[bytes] = []
        for number in range(10, 2010):
            caller.send(rtp(number), stream)
            if source.random() < 0.02:
                with self.table.lock:
                    session.connector.connect(stream, time.monotonic())
            disconnects = source.random() < 0.02
            while len(received) < number - (9 if disconnects else 100):
                received.append(callee.receive())
            if disconnects:
                with self.table.lock:
                    session.connector.disconnect(stream)
        while len(received) < 2000:
            received.append(callee.receive())
        self.assertEqual(received, [rtp(number) for number in range(10, 2010)], f"seed {seed}")

    def test_figures_are_those_of_every_packet(self) -> None:
        """Packets are measured in runs; whatever comes, and whenever somebody looks, nothing is left out."""
        session, caller, callee = self.call()
        stream = session.caller.rtp
        next_number = self.settle(stream, caller)
        seed = random.randrange(1 << 32)
        choose = random.Random(seed)
        plain = PlainAnalyzer(recorded=False)
        sent = [rtp(number) for number in range(1, next_number)]
        for data in sent:
            plain.update(data, 0.0)
            callee.receive()
        number, ssrc = next_number, 0x1234
        for _ in range(60):
            for _ in range(choose.choice((1, 3, 31, 32, 33, 70))):
                number += choose.choices((1, 2, 0, -1, 700), (90, 3, 3, 3, 1))[0]
                ssrc += choose.random() < 0.01
                data = bytearray(rtp(number, ssrc))
                data[0] = choose.choices((0x80, 0xA0, 0x90, 0x81, 0x00), (95, 1, 1, 1, 1))[0]
                data[1] = choose.choices((0, 0x80, 101, 200), (94, 2, 2, 1))[0]
                del data[choose.choices((172, 12, 5), (97, 2, 1))[0] :]
                sent.append(bytes(data))
                plain.update(sent[-1], 0.02 * len(sent))
                caller.send(sent[-1], stream)
                self.assertEqual(callee.receive(), sent[-1])
            with self.table.lock:
                stream.settle()
                assert stream.analyzer is not None
                report = stream.analyzer.report()._asdict()
                counted = self.table.stats.npkts_rcvd, self.table.stats.npkts_relayed, stream.received, stream.relayed
            expected = {key: value for key, value in plain.report().items() if not key.startswith("j")}
            self.assertEqual({key: report[key] for key in expected}, expected, f"seed {seed}")
            self.assertEqual(counted, (len(sent),) * 4, f"seed {seed}")

    def test_looking_follows_time_and_sequence_numbers(self) -> None:
        session, caller, callee = self.call()
        stream = session.caller.rtp
        number = self.settle(stream, caller)
        self.assert_relayed(caller, stream, callee, number)  # from the next packet on there are runs
        with self.table.lock:
            assert stream.connected is not None
            stream.connected.limit = RUN
        first = number + 1
        before = time.monotonic()
        for number in range(first, first + 10):
            self.assert_relayed(caller, stream, callee, number)
        with self.table.lock:
            stream.latch.sync_due = before
            session.caller.ttl.refreshed = stream.last_time = before - 50
            self.assertEqual(session.remaining(time.monotonic()), 60, "the run counts for the time to live")
            self.assertGreater(stream.longest_interval, 49.0)
            self.assertGreaterEqual(stream.last_time, before)
            self.assertEqual(stream.latch.sequence_number, first, "the first after it was due")
            self.assertGreater(stream.latch.sync_due, before + 1.0)

    def test_what_begins_in_a_run_sees_the_next_packet(self) -> None:
        session, caller, callee = self.call()
        stream = session.caller.rtp
        number = self.settle(stream, caller)
        seen: list[bytes] = []

        class Onlooker:
            def see(self, stream: Stream, data: bytes, source: Any, now: float) -> None:
                seen.append(data)

        for _ in range(3):
            self.assert_relayed(caller, stream, callee, number)
            self.assert_relayed(caller, stream, callee, number + 1)
            with self.table.lock:
                self.assertIs(stream.offloaded, stream.connected)
                stream.witnesses.append(Onlooker())
                stream.choose_onward()
            self.assert_relayed(caller, stream, callee, number + 2)
            with self.table.lock:
                self.assertEqual(seen.pop(), rtp(number + 2))
                stream.witnesses.clear()
                stream.choose_onward()
            number += 3
        self.assertEqual(seen, [])

    def test_unreachable_party_gets_every_packet_again_when_it_is_back(self) -> None:
        session, caller, callee = self.call()
        number = self.settle(session.callee.rtp, callee)
        self.settle(session.caller.rtp, caller)
        address = callee.address
        callee.socket.close()
        for lost in range(5):
            caller.send(rtp(10 + lost), session.caller.rtp)
        self.wait_for(lambda: self.relayed(session.caller.rtp) == 7, "packets relayed to nobody")
        back = Party(self, port=address[1])
        for sent in range(20, 25):
            caller.send(rtp(sent), session.caller.rtp)
            self.assertEqual(back.receive(), rtp(sent))
        self.assert_relayed(back, session.callee.rtp, caller, number)
        self.assertEqual(session.callee.rtp.send_errors, 0)

    def test_calls_come_before_connected_sockets(self) -> None:
        session, caller, callee = self.call()
        number = self.settle(session.caller.rtp, caller)
        connected = session.caller.rtp.connected
        assert connected is not None
        self.table._last_descriptor = max(connected.socket.fileno(), session.caller.rtcp.socket.fileno())
        with self.quiet(), self.assertRaises(NoSocketsError):
            for more in range(30):
                self.make_session(self.table, f"more {more}")
        self.assertIsNone(session.caller.rtp.connected)
        self.assert_relayed(caller, session.caller.rtp, callee, number)

    def test_type_of_service_and_close(self) -> None:
        session, caller, _ = self.call()
        self.settle(session.caller.rtp, caller)
        connected = session.caller.rtp.connected
        assert connected is not None
        session.caller.rtp.set_tos(0x60)
        self.assertEqual(connected.socket.getsockopt(socket.IPPROTO_IP, socket.IP_TOS), 0x60)
        port = session.caller.rtp.port
        with self.quiet(), self.table.lock:
            self.table.end(session, self.start)
        self.assertEqual(connected.socket.fileno(), -1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            self.wait_for(lambda: _binds(probe, port), "the port is free")

    def test_port_cannot_be_taken_by_another_program(self) -> None:
        session, caller, _ = self.call()
        self.settle(session.caller.rtp, caller)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.assertFalse(_binds(thief, session.caller.rtp.port))


def _binds(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
