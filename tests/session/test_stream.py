"""Packets through one session, one at a time, on real sockets: relaying, counting, learning, sending."""

from __future__ import annotations

import errno
import os
import random
import socket
import sys
import unittest
from typing import Any, Optional

from rtpp.net.addresses import IPV4, IPV6, Address
from rtpp.net.ports import set_tos
from rtpp.session.player import Player
from rtpp.session.prompts import Prompt
from rtpp.session.session import Leg, Session
from rtpp.session.stream import DISCARD_BATCH, MAX_DATAGRAM, Stream
from rtpp.session.table import SessionTable
from rtpp.settings import ListenAddress
from tests.ports import HAS_IPV6
from tests.rtp.latching_model import ACCEPT, LegModel
from tests.rtp.test_latching import Scenario
from tests.session.harness import LOOPBACK, LOOPBACK6, Party, SessionTest, describe, rtcp, rtp, serve

IP_RECVTOS = getattr(socket, "IP_RECVTOS", 13 if sys.platform == "linux" else None)  # named since Python 3.10


class StreamTest(SessionTest):
    """A call between `self.caller` and `self.callee`, whose addresses are known for RTP and RTCP."""

    options: dict[str, Any] = {}

    def setUp(self) -> None:
        super().setUp()
        quiet = self.quiet()
        quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)
        self.table: SessionTable = self.make_table(**self.options)
        self.session: Session = self.make_call(self.table)
        self.caller, self.callee = Party(self), Party(self)
        self.caller_rtcp, self.callee_rtcp = Party(self), Party(self)
        describe(self.session.caller, self.caller, self.caller_rtcp)
        describe(self.session.callee, self.callee, self.callee_rtcp)

    def pass_on(self, data: bytes, party: Party, stream: Stream, now: Optional[float] = None) -> None:
        party.send(data, stream)
        serve(stream, self.start if now is None else now)

    def play(self, leg: Leg) -> None:
        """A prompt begins; none of its packets is sent, for the relay loop is not running."""
        leg.start_player(Player(leg, Prompt(0, bytes(800)), 10, 1), self.start)


class Relaying(StreamTest):
    def test_both_ways_and_both_protocols(self) -> None:
        session = self.session
        ways = [
            (self.caller, session.caller.rtp, session.callee.rtp, self.callee),
            (self.callee, session.callee.rtp, session.caller.rtp, self.caller),
            (self.caller_rtcp, session.caller.rtcp, session.callee.rtcp, self.callee_rtcp),
            (self.callee_rtcp, session.callee.rtcp, session.caller.rtcp, self.caller_rtcp),
        ]
        for sender, enters, leaves, receiver in ways:
            with self.subTest(str(enters)):
                data = rtp(random.randrange(1000))
                self.pass_on(data, sender, enters)
                self.assertEqual(receiver.receive_from(), (data, ("127.0.0.1", leaves.port)))
                self.assertIs(enters.peer, leaves)
        self.assert_packets(self.table, received=4, relayed=4)
        self.assert_query(session, ina=1, ino=1, relayed=2)

    def test_any_payload(self) -> None:
        payloads = [b"", b"x", b"\x00" * 12, bytes(range(256)) * 5, rtcp(), rtp(1)[:11], rtp(), b"\x80",
                    b"GET / HTTP/1.0\r\n\r\n", bytes(MAX_DATAGRAM - 1), bytes(MAX_DATAGRAM)]
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        payloads += [chance.randbytes(chance.randrange(300)) for _ in range(100)]
        for data in payloads:
            self.pass_on(data, self.caller, self.session.caller.rtp)
            self.assertEqual(self.callee.receive(), data, f"seed {seed}")
        self.assert_packets(self.table, received=len(payloads), relayed=len(payloads))
        self.assert_query(self.session, ina=len(payloads), relayed=len(payloads))

    def test_longer_datagrams_are_cut(self) -> None:
        data = random.Random(1).randbytes(MAX_DATAGRAM + 100)
        self.pass_on(data, self.caller, self.session.caller.rtp)
        self.assertEqual(self.callee.receive(), data[:MAX_DATAGRAM])

    def test_nothing_there_after_all(self) -> None:
        for stream in self.session.streams:
            stream.handle(stream, self.start)
        self.assert_packets(self.table)

    def test_closed_in_the_meantime(self) -> None:
        """The loop may learn of a packet just before a command closes the socket."""
        self.caller.send(rtp(), self.session.caller.rtp)
        with self.table.lock:
            self.table.end(self.session, self.start)
        for stream in self.session.streams:
            stream.handle(stream, self.start)
        self.assert_packets(self.table)

    def test_intervals(self) -> None:
        stream = self.session.caller.rtp
        self.assertEqual((stream.duration, stream.longest_interval), (0.0, 0.0))
        for at in (1.0, 1.0, 1.5, 4.0, 4.25):
            self.pass_on(rtp(), self.caller, stream, self.start + at)
        self.assertEqual((stream.duration, stream.longest_interval), (3.25, 2.5))
        self.assertGreater(stream.first_wall_time, 1e9)


class Counting(StreamTest):
    """Every packet ends in exactly one counter."""

    def test_refused_source(self) -> None:
        stranger = Party(self)
        for number, (party, stream) in enumerate(((self.caller, self.session.caller.rtp),
                                                  (self.caller_rtcp, self.session.caller.rtcp))):
            self.pass_on(rtp(), party, stream)
            self.pass_on(rtp(ssrc=99), stranger, stream)
            self.assertEqual((stream.received, stream.ignored), (1, 1))
            self.assert_packets(self.table, received=2 + 2 * number, relayed=1 + number, discarded=1 + number)
        self.assert_query(self.session, ina=1, relayed=1)
        self.assertEqual(len(self.callee.waiting()), 1)

    def test_no_address_of_the_other_party(self) -> None:
        call = self.make_call(self.table, "nowhere")
        describe(call.caller, self.caller, self.caller_rtcp)
        self.pass_on(rtp(), self.caller, call.caller.rtp)
        self.assert_packets(self.table, received=1, discarded=1)
        self.assert_query(call, ina=1, dropped=1)
        self.pass_on(rtcp(), self.caller_rtcp, call.caller.rtcp)
        self.assert_packets(self.table, received=2, discarded=2)
        self.assert_query(call, ina=1, dropped=1)  # RTCP is not asked for
        self.assertEqual(call.caller.rtcp.dropped, 1)

    def test_second_leg_missing_after_completion(self) -> None:
        """A new port for the only leg completes a session."""
        half = self.make_session(self.table, "half")
        with self.table.lock:
            self.table.open(half.callee)
            self.table.complete(half, self.start)
        describe(half.callee, self.callee)
        describe(half.caller, self.caller)
        self.pass_on(rtp(), self.callee, half.callee.rtp)
        self.assert_packets(self.table, received=1, discarded=1)
        self.assert_query(half, ino=1, dropped=1)
        with self.table.lock:
            self.table.open(half.caller)
        self.pass_on(rtp(2), self.callee, half.callee.rtp)
        self.assertEqual(self.caller.receive(), rtp(2))
        self.assert_packets(self.table, received=2, relayed=1, discarded=1)

    def test_incomplete_session(self) -> None:
        half = self.make_session(self.table, "half")
        describe(half.caller, self.caller, self.caller_rtcp)
        for party, stream in ((self.callee, half.callee.rtp), (self.callee_rtcp, half.callee.rtcp)):
            for data in (rtp(), b"", b"junk" * 100):
                party.send(data, stream)
            serve(stream, self.start + 5)
        self.assert_packets(self.table, discarded=6)
        self.assert_query(half)
        self.assertEqual(half.remaining(self.start + 5), self.table.settings.setup_ttl - 5)  # no refresh
        self.assertIsNone(half.callee.rtp.latch.remote)  # nothing is learned
        self.assertEqual(self.caller.waiting() + self.caller_rtcp.waiting(), [])

    def test_incomplete_session_does_not_hold_up_the_loop(self) -> None:
        half = self.make_session(self.table, "half")
        count = DISCARD_BATCH + 10
        for _ in range(count):
            self.callee.send(b"", half.callee.rtp)
        serve(half.callee.rtp, self.start)
        self.assert_packets(self.table, discarded=DISCARD_BATCH)
        serve(half.callee.rtp, self.start)
        self.assert_packets(self.table, discarded=count)

    def test_blocked_while_something_else_is_sent(self) -> None:
        stream = self.session.caller.rtp
        self.play(self.session.callee)
        self.pass_on(rtp(), self.caller, stream, self.start + 9)
        self.assert_packets(self.table, received=1, discarded=1)
        self.assert_query(self.session, ina=1, dropped=1)
        self.assertEqual(self.session.remaining(self.start + 9), 51)  # no refresh
        self.pass_on(rtp(), self.callee, self.session.callee.rtp)  # the listener is heard
        self.pass_on(rtcp(), self.caller_rtcp, self.session.caller.rtcp)  # RTCP is not blocked
        self.assert_packets(self.table, received=3, relayed=2, discarded=1)
        self.session.callee.stop_player()
        self.pass_on(rtp(2), self.caller, stream)
        self.assertEqual(self.callee.receive(), rtp(2))

    def test_analysis(self) -> None:
        for number in (1, 2, 2, 5):
            self.pass_on(rtp(number), self.caller, self.session.caller.rtp)
        self.pass_on(b"junk", self.caller, self.session.caller.rtp)
        stranger = Party(self)
        self.pass_on(rtp(6, ssrc=7), stranger, self.session.caller.rtp)
        analyzer = self.session.caller.rtp.analyzer
        assert analyzer is not None
        report = analyzer.report()
        self.assertEqual((report.nsent, report.nrcvd, report.ndups, report.nlost, report.perrs), (5, 3, 1, 2, 1))
        self.assertIsNone(self.session.caller.rtcp.analyzer)


class Refreshing(StreamTest):
    """Which packets keep a session alive. `-T 60`."""

    def remaining(self, seconds: float, session: Optional[Session] = None) -> int:
        return (session or self.session).remaining(self.start + seconds)

    def test_relayed(self) -> None:
        for number, (party, stream) in enumerate(((self.caller, self.session.caller.rtp),
                                                  (self.callee_rtcp, self.session.callee.rtcp)), start=1):
            at = 10.0 * number
            self.pass_on(rtp(), party, stream, self.start + at)
            self.assertEqual(self.remaining(at), 60)
            self.assertEqual(self.remaining(at + 3), 57)

    def test_dropped_for_want_of_an_address(self) -> None:
        call = self.make_call(self.table, "nowhere")
        self.pass_on(rtp(), self.caller, call.caller.rtp, self.start + 10)
        self.assertEqual(self.remaining(10, call), 60)

    def test_refused(self) -> None:
        self.pass_on(rtp(), self.caller, self.session.caller.rtp, self.start)
        self.pass_on(rtp(ssrc=9), Party(self), self.session.caller.rtp, self.start + 10)
        self.assertEqual(self.remaining(10), 50)


class IndependentTtl(StreamTest):
    options = {"independent_ttl": True, "ttl": 3, "setup_ttl": 3}

    def test_one_way_call_ends(self) -> None:
        for second in range(1, 4):
            self.pass_on(rtp(second), self.caller, self.session.caller.rtp, self.start + second)
            self.assertEqual(self.session.caller.ttl.remaining(self.start + second), 3)
            self.assertEqual(self.session.remaining(self.start + second), 3 - second)
        with self.table.lock:
            self.assertEqual(self.table.expire(self.start + 3, 9), ([], False))
            self.assertEqual(self.table.expire(self.start + 4, 9), ([self.session], False))
        found = self.counters(self.table)
        self.assertEqual((found["nsess_owrtp"], found["nsess_nortcp"], found["nsess_timeout"]), (1, 1, 1))

    def test_rtcp_counts_for_its_leg(self) -> None:
        self.pass_on(rtp(), self.caller, self.session.caller.rtp, self.start + 3)
        self.pass_on(rtcp(), self.callee_rtcp, self.session.callee.rtcp, self.start + 3)
        self.assertEqual(self.session.remaining(self.start + 3), 3)

    def test_command_refreshes_both(self) -> None:
        self.session.refresh(self.start + 3)
        self.assertEqual(self.session.remaining(self.start + 3), 3)


class SharedTtl(StreamTest):
    options = {"ttl": 3, "setup_ttl": 3}

    def test_one_way_call_lives(self) -> None:
        for second in range(1, 10):
            self.pass_on(rtp(second), self.caller, self.session.caller.rtp, self.start + second)
            with self.table.lock:
                self.assertEqual(self.table.expire(self.start + second, 9), ([], False))


class Twice(StreamTest):
    options = {"send_twice": True}

    def test_below_128_bytes(self) -> None:
        for size, copies in ((0, 2), (1, 2), (127, 2), (128, 1), (129, 1), (1000, 1)):
            for party, stream, listener in ((self.caller, self.session.caller.rtp, self.callee),
                                            (self.callee_rtcp, self.session.callee.rtcp, self.caller_rtcp)):
                with self.subTest(size=size, stream=str(stream)):
                    data = random.Random(size).randbytes(size)
                    self.pass_on(data, party, stream)
                    self.assertEqual(listener.waiting(), [data] * copies)
        self.assert_packets(self.table, received=12, relayed=12)
        self.assert_query(self.session, ina=6, relayed=6)

    def test_nowhere_to_send(self) -> None:
        call = self.make_call(self.table, "nowhere")
        self.pass_on(b"", self.caller, call.caller.rtp)
        self.assert_packets(self.table, received=1, discarded=1)
        self.assert_query(call, ina=1, dropped=1)

    def test_before_completion(self) -> None:
        half = self.make_session(self.table, "half")
        self.pass_on(b"", self.caller, half.callee.rtp)
        self.assert_packets(self.table, discarded=1)


class TypeOfService(StreamTest):
    options = {"tos": 0x68}

    def received_tos(self, sender: Party, stream: Stream, receiver: Party) -> int:
        assert IP_RECVTOS is not None
        receiver.socket.setsockopt(socket.IPPROTO_IP, IP_RECVTOS, 1)
        self.pass_on(rtp(), sender, stream)
        _, ancillary, _, _ = receiver.socket.recvmsg(2048, socket.CMSG_SPACE(4))
        self.assertEqual([(level, kind) for level, kind, _ in ancillary], [(socket.IPPROTO_IP, socket.IP_TOS)])
        return ancillary[0][2][0]

    @unittest.skipIf(IP_RECVTOS is None, "the system does not tell the type of service")
    def test_of_packets_sent(self) -> None:
        session = self.session
        self.assertEqual(self.received_tos(self.caller, session.caller.rtp, self.callee), 0x68)
        self.assertEqual(self.received_tos(self.callee_rtcp, session.callee.rtcp, self.caller_rtcp), 0x68)
        for stream in session.callee.streams:
            assert stream.socket is not None
            set_tos(stream.socket, 0x20)
        session.callee.tos = 0x20
        self.assertEqual(self.received_tos(self.caller, session.caller.rtp, self.callee), 0x20)
        self.assertEqual(self.received_tos(self.callee, session.callee.rtp, self.caller), 0x68)
        with self.table.lock:
            self.table.open(session.callee)  # a new port keeps what was set
        self.assertEqual(self.received_tos(self.caller, session.caller.rtp, self.callee), 0x20)
        self.assertEqual(self.received_tos(self.caller_rtcp, session.caller.rtcp, self.callee_rtcp), 0x20)


class Learning(StreamTest):
    """What latching means for where packets go."""

    def test_moved_party_is_answered_where_it_is(self) -> None:
        moved = Party(self)
        self.pass_on(rtp(1), self.caller, self.session.caller.rtp)
        self.pass_on(rtp(2), moved, self.session.caller.rtp)
        self.pass_on(rtp(1), self.callee, self.session.callee.rtp)
        self.assertEqual((self.caller.waiting(), moved.waiting()), ([], [rtp(1)]))

    def test_rtcp_follows_by_a_guess(self) -> None:
        # Another host is needed: on the host already known there is nothing to guess.
        try:
            stranger = Party(self, "127.0.0.2")
        except OSError as error:
            self.skipTest(f"127.0.0.2: {error}")
        call = self.make_call(self.table, "guess")
        describe(call.callee, self.callee, self.callee_rtcp)
        describe(call.caller, self.caller, self.caller_rtcp)
        self.pass_on(rtp(), stranger, call.caller.rtp)
        self.pass_on(rtcp(), self.callee_rtcp, call.callee.rtcp)
        guessed = call.caller.rtcp.destination
        assert guessed is not None
        self.assertEqual(guessed, ("127.0.0.2", stranger.address[1] + 1))
        self.assertEqual(self.caller_rtcp.waiting(), [])
        really = Party(self, "127.0.0.2")
        self.pass_on(rtcp(), really, call.caller.rtcp)  # any first packet corrects the guess
        self.pass_on(rtcp(), self.callee_rtcp, call.callee.rtcp)
        self.assertEqual(really.waiting(), [rtcp()])

    def test_no_address_known_at_all(self) -> None:
        call = self.make_call(self.table, "nothing")
        self.pass_on(rtp(1), self.caller, call.caller.rtp)
        self.pass_on(rtp(1), self.callee, call.callee.rtp)
        self.pass_on(rtp(2), self.caller, call.caller.rtp)
        self.assertEqual((self.caller.waiting(), self.callee.waiting()), ([rtp(1)], [rtp(2)]))
        for leg, party in ((call.caller, self.caller), (call.callee, self.callee)):
            self.assertEqual(leg.rtcp.destination, ("127.0.0.1", party.address[1] + 1))
        self.assert_packets(self.table, received=3, relayed=2, discarded=1)

    def test_hold_does_not_stop_media(self) -> None:
        self.session.caller.hold()
        self.pass_on(rtp(1), self.callee, self.session.callee.rtp)
        self.pass_on(rtp(1), self.caller, self.session.caller.rtp)
        self.assertEqual((self.caller.waiting(), self.callee.waiting()), ([rtp(1)], [rtp(1)]))
        self.assertEqual([stream.latch.hold_count for stream in self.session.caller.streams], [1, 1])

    def test_hold_without_address(self) -> None:
        call = self.make_call(self.table, "held")
        call.caller.hold()
        self.pass_on(rtp(1), self.callee, call.callee.rtp)
        self.assert_query(call, ino=1, dropped=1)
        self.pass_on(rtp(1), self.caller, call.caller.rtp)
        self.pass_on(rtp(2), self.callee, call.callee.rtp)
        self.assertEqual(self.caller.waiting(), [rtp(2)])

    def test_new_address_of_an_unheard_party_is_used_at_once(self) -> None:
        elsewhere = Party(self)
        describe(self.session.callee, elsewhere)
        self.pass_on(rtp(), self.caller, self.session.caller.rtp)
        self.assertEqual((self.callee.waiting(), elsewhere.waiting()), ([], [rtp()]))

    def test_asymmetric_party_is_answered_where_commands_said(self) -> None:
        self.session.caller.set_asymmetric(True)
        other_port = Party(self)
        self.pass_on(rtp(1), other_port, self.session.caller.rtp)
        self.pass_on(rtp(1), self.callee, self.session.callee.rtp)
        self.assertEqual((self.caller.waiting(), other_port.waiting()), ([rtp(1)], []))
        self.assertEqual(self.callee.waiting(), [rtp(1)])

    def test_ssrc_change_of_a_latched_party_is_followed(self) -> None:
        stream = self.session.caller.rtp
        self.pass_on(rtp(1, ssrc=1), self.caller, stream)
        self.pass_on(rtp(900, ssrc=2), self.caller, stream)
        moved = Party(self)
        self.pass_on(rtp(2, ssrc=1), moved, stream)
        self.assertEqual(stream.ignored, 1)
        self.pass_on(rtp(901, ssrc=2), moved, stream)
        self.assertEqual(stream.destination, moved.address)

    def test_against_the_model(self) -> None:
        """Random commands and packets from three sockets, through one leg of many sessions."""
        seed = random.randrange(1 << 32)
        parties = [Party(self) for _ in range(3)]
        for number in range(60):
            chance = random.Random(seed + number)
            call = self.make_call(self.table, f"model {number}")
            describe(call.callee, self.callee, self.callee_rtcp)
            try:
                self.check_against_model(call, Scenario(chance), parties)
            except AssertionError as error:
                raise AssertionError(f"seed {seed + number}") from error
            with self.table.lock:
                self.table.end(call, self.start)

    def check_against_model(self, call: Session, scenario: Scenario, parties: list[Party]) -> None:
        model, chance, leg = LegModel(), scenario.chance, call.caller
        for _ in range(30):
            scenario.step()
            party, now = chance.choice(parties), scenario.now
            if chance.random() < 0.2:
                known = chance.choice(parties).address
                describe(leg, party, known, now)
                model.rtp.prefill(party.address, now)
                model.rtcp.prefill(known, now)
            else:
                is_rtp, packet = chance.random() < 0.75, scenario.packet()
                stream, account = (leg.rtp, model.rtp) if is_rtp else (leg.rtcp, model.rtcp)
                before = stream.received
                self.pass_on(packet.data, party, stream, now)
                accepted = model.receive(account, packet, party.address, now) == ACCEPT
                self.assertEqual(stream.received - before, int(accepted))
                listener = self.callee if is_rtp else self.callee_rtcp
                self.assertEqual(listener.waiting(), [packet.data] * accepted)
            self.assertEqual((leg.rtp.destination, leg.rtcp.destination), (model.rtp.addr, model.rtcp.addr))


class OwnPorts(StreamTest):
    """A session does not send to itself: the packet would come back for ever."""

    def test_each_of_its_ports(self) -> None:
        for stream in self.session.streams:
            with self.subTest(str(stream)):
                call = self.session
                call.callee.prefill(("127.0.0.1", stream.port), ("127.0.0.1", 9), self.start)
                self.assertIsNone(call.callee.rtp.destination)
                before = call.caller.rtp.dropped
                self.pass_on(rtp(), self.caller, call.caller.rtp)
                self.assertEqual(call.caller.rtp.dropped, before + 1)
                self.assertEqual(call.callee.rtp.latch.remote, ("127.0.0.1", stream.port))

    def test_ports_of_other_sessions_are_somebody_else(self) -> None:
        other = self.make_call(self.table, "other")
        describe(self.session.callee, ("127.0.0.1", other.caller.rtp.port))
        self.assertIsNotNone(self.session.callee.rtp.destination)
        self.pass_on(rtp(), self.caller, self.session.caller.rtp)
        serve(other.caller.rtp, self.start)
        self.assertEqual(other.caller.rtp.received, 1)

    def test_leg_without_ports_owns_none(self) -> None:
        half = self.make_session(self.table, "half")
        describe(half.callee, ("127.0.0.1", 0))
        self.assertEqual(half.callee.rtp.destination, ("127.0.0.1", 0))

    def test_own_port_number_on_another_host(self) -> None:
        describe(self.session.callee, ("127.0.0.2", self.session.caller.rtp.port))
        self.assertEqual(self.session.callee.rtp.destination, ("127.0.0.2", self.session.caller.rtp.port))

    def test_wildcard_listener(self) -> None:
        wildcard = ListenAddress(IPV4, "0.0.0.0")
        call = self.make_call(self.table, "wildcard", caller=wildcard, callee=wildcard)
        for host, own in (("127.0.0.1", True), ("192.0.2.1", False)):
            describe(call.callee, (host, call.caller.rtp.port))
            self.assertEqual(call.callee.rtp.destination is None, own, host)

    def test_port_that_becomes_ours_and_is_given_up(self) -> None:
        half = self.make_session(self.table, "half")
        describe(half.callee, ("127.0.0.1", half.callee.port))
        self.assertIsNone(half.callee.rtp.destination)
        before = half.callee.port
        with self.table.lock:
            self.table.open(half.callee)
        self.assertEqual(half.callee.rtp.destination, ("127.0.0.1", before))
        with self.table.lock:
            self.table.open(half.caller)
        settings = self.table.settings
        used = {leg.port for session in self.table for leg in session.legs}
        free = next(port for port in range(settings.port_min, settings.port_max, 2) if port not in used)
        describe(half.callee, ("127.0.0.1", free))
        with self.table.lock:
            while half.caller.port != free:
                self.table.open(half.caller)
        self.assertIsNone(half.callee.rtp.destination)


@unittest.skipUnless(HAS_IPV6, "no IPv6 on the loopback interface")
class Families(StreamTest):
    def test_ipv6_on_both_sides(self) -> None:
        call = self.make_call(self.table, "six", caller=LOOPBACK6, callee=LOOPBACK6)
        caller, callee = Party(self, "::1"), Party(self, "::1")
        describe(call.caller, caller)
        describe(call.callee, callee)
        self.pass_on(rtp(), caller, call.caller.rtp)
        data, source = callee.receive_from()
        self.assertEqual((data, source[:2]), (rtp(), ("::1", call.callee.rtp.port)))
        self.assertFalse(call.caller.rtp.latch.untrusted)  # the source is the address that was told

    def test_bridging(self) -> None:
        for one, other, hosts in ((LOOPBACK, LOOPBACK6, ("127.0.0.1", "::1")),
                                  (LOOPBACK6, LOOPBACK, ("::1", "127.0.0.1"))):
            with self.subTest(hosts=hosts):
                call = self.make_call(self.table, str(hosts), caller=one, callee=other)
                caller, callee = Party(self, hosts[0]), Party(self, hosts[1])
                describe(call.caller, caller)
                describe(call.callee, callee)
                self.pass_on(rtp(1), caller, call.caller.rtp)
                self.pass_on(rtp(2), callee, call.callee.rtp)
                self.assertEqual((caller.waiting(), callee.waiting()), ([rtp(2)], [rtp(1)]))

    def test_address_of_the_other_family_is_not_sent_to(self) -> None:
        """It is accepted, and packets are dropped until the party is heard."""
        self.session.callee.prefill(("::1", 4000, 0, 0), ("::1", 4001, 0, 0), self.start)
        self.pass_on(rtp(1), self.caller, self.session.caller.rtp)
        self.assert_packets(self.table, received=1, discarded=1)
        self.pass_on(rtp(1), self.callee, self.session.callee.rtp)
        self.pass_on(rtp(2), self.caller, self.session.caller.rtp)
        self.assertEqual(self.callee.waiting(), [rtp(2)])

    def test_leg_that_moves_to_the_other_family(self) -> None:
        callee = Party(self, "::1")
        describe(self.session.callee, callee)
        self.assertIsNone(self.session.callee.rtp.destination)
        with self.table.lock:
            self.table.open(self.session.callee, LOOPBACK6)
        self.assertEqual(self.session.callee.address.family, IPV6)
        self.pass_on(rtp(), self.caller, self.session.caller.rtp)
        self.assertEqual(callee.waiting(), [rtp()])


class SendErrors(StreamTest):
    options = {"send_twice": True}

    def test_cost_nothing_but_the_packet(self) -> None:
        addresses: list[Address] = [("127.0.0.1", 0), ("255.255.255.255", 4000)]
        for number, address in enumerate(addresses, start=1):
            with self.subTest(address):
                call = self.make_call(self.table, f"error {number}")
                describe(call.caller, self.caller)
                describe(call.callee, address)
                for packet in range(3):
                    self.pass_on(rtp(packet), self.caller, call.caller.rtp)
                self.assertEqual(call.callee.rtp.send_errors, 3)
                self.assert_query(call, ina=3, relayed=3)
                self.pass_on(rtp(), self.callee, call.callee.rtp)  # a stranger to this call, whom it now knows
                self.assertEqual(self.caller.waiting(), [rtp()])
        self.assert_packets(self.table, received=8, relayed=8)

    def test_small_packets_too(self) -> None:
        describe(self.session.callee, ("127.0.0.1", 0))
        self.pass_on(b"", self.caller, self.session.caller.rtp)
        self.assertEqual(self.session.callee.rtp.send_errors, 2)

    def test_logged_once(self) -> None:
        describe(self.session.callee, ("127.0.0.1", 0))
        with self.assertLogs("rtpproxy", "WARNING") as log:
            for _ in range(5):
                self.pass_on(rtp(), self.caller, self.session.caller.rtp)
        self.assertEqual(len(log.output), 1)
        self.assertIn("cannot send to 127.0.0.1:0: ", log.output[0])

    def test_refusals_that_may_pass_are_tried_again(self) -> None:
        """A firewall's EPERM and a full queue's ENOBUFS: three more times; nothing else is."""
        stream = self.session.callee.rtp
        really = stream.sendto
        for code, refusals, sent, errors in ((errno.EPERM, 3, 1, 0), (errno.ENOBUFS, 1, 1, 0), (errno.EPERM, 4, 0, 1),
                                             (errno.ENOBUFS, 9, 0, 1), (errno.EACCES, 1, 0, 1)):
            with self.subTest(errno.errorcode[code], refusals=refusals):
                left = [refusals]

                def refuse(data: bytes, to: Any, left: list[int] = left, code: int = code) -> int:
                    if left[0]:
                        left[0] -= 1
                        raise OSError(code, os.strerror(code))
                    return really(data, to)

                stream.sendto, stream.send_errors = refuse, 0
                self.pass_on(rtp(), self.caller, self.session.caller.rtp)
                self.assertEqual((len(self.callee.waiting()), stream.send_errors), (sent, errors))

    def test_port_that_nobody_listens_on(self) -> None:
        gone = Party(self)
        describe(self.session.callee, gone)
        gone.socket.close()
        for number in range(5):
            self.pass_on(rtp(number), self.caller, self.session.caller.rtp)
        self.session.callee.rtp.handle(self.session.callee.rtp, self.start)
        self.assert_packets(self.table, received=5, relayed=5)


class Noting:
    """A witness."""

    def __init__(self) -> None:
        self.seen: list[tuple[Stream, bytes, Address, float]] = []

    def see(self, stream: Stream, data: bytes, source: Address, now: float) -> None:
        self.seen.append((stream, data, source, now))


class Witnesses(StreamTest):
    def watch(self, leg: Leg) -> Noting:
        witness = Noting()
        for stream in leg.streams:
            stream.witnesses.append(witness)
            stream.choose_onward()
        return witness

    def test_see_what_passes(self) -> None:
        witness = self.watch(self.session.caller)
        caller = self.session.caller
        self.pass_on(rtp(1), self.caller, caller.rtp, self.start + 1)
        self.pass_on(rtp(1), self.callee, self.session.callee.rtp)
        self.pass_on(rtcp(), self.caller_rtcp, caller.rtcp, self.start + 2)
        self.assertEqual(witness.seen, [(caller.rtp, rtp(1), self.caller.address, self.start + 1),
                                        (caller.rtcp, rtcp(), self.caller_rtcp.address, self.start + 2)])
        self.assertEqual(self.callee.waiting(), [rtp(1)])
        self.assert_packets(self.table, received=3, relayed=3)
        self.assert_query(self.session, ina=1, ino=1, relayed=2)

    def test_see_what_has_nowhere_to_go(self) -> None:
        call = self.make_call(self.table, "nowhere")
        witness = self.watch(call.caller)
        self.pass_on(rtp(1), self.caller, call.caller.rtp)
        self.assertEqual(len(witness.seen), 1)
        self.assert_query(call, ina=1, dropped=1)

    def test_do_not_see_refused_or_blocked_packets(self) -> None:
        witness = self.watch(self.session.caller)
        self.pass_on(rtp(1), self.caller, self.session.caller.rtp)
        self.pass_on(rtp(1, ssrc=5), Party(self), self.session.caller.rtp)
        self.play(self.session.callee)
        self.pass_on(rtp(2), self.caller, self.session.caller.rtp)
        self.assertEqual(len(witness.seen), 1)

    def test_seen_packets_refresh_the_time_to_live(self) -> None:
        self.watch(self.session.caller)
        self.pass_on(rtp(1), self.caller, self.session.caller.rtp, self.start + 30)
        self.assertEqual(self.session.remaining(self.start + 30), 60)

    def test_short_path_again_afterwards(self) -> None:
        witness = self.watch(self.session.caller)
        for stream in self.session.caller.streams:
            stream.witnesses.remove(witness)
            stream.choose_onward()
            self.assertIsNone(stream.onward)
        self.pass_on(rtp(1), self.caller, self.session.caller.rtp)
        self.assertEqual((witness.seen, self.callee.waiting()), ([], [rtp(1)]))


class NoTypeOfService(TypeOfService):
    options = {"tos": -1}

    @unittest.skipIf(IP_RECVTOS is None, "the system does not tell the type of service")
    def test_of_packets_sent(self) -> None:
        self.assertEqual(self.received_tos(self.caller, self.session.caller.rtp, self.callee), 0)


class DefaultTypeOfService(TypeOfService):
    options: dict[str, Any] = {}

    @unittest.skipIf(IP_RECVTOS is None, "the system does not tell the type of service")
    def test_of_packets_sent(self) -> None:
        self.assertEqual(self.received_tos(self.caller, self.session.caller.rtp, self.callee), 184)
        self.assertEqual(self.received_tos(self.callee_rtcp, self.session.callee.rtcp, self.caller_rtcp), 184)


if __name__ == "__main__":
    unittest.main()
