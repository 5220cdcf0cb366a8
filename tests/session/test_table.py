"""The session table: finding, creating, opening, ending, and what is counted and said at the end."""

from __future__ import annotations

import errno
import gc
import os
import random
import resource
import socket
import unittest
import weakref
from typing import Optional

from rtpp.net.addresses import IPV4
from rtpp.session.connector import SUPPORTED
from rtpp.session.fork import Fork
from rtpp.session.player import Player
from rtpp.session.prompts import Prompt
from rtpp.session.session import Session
from rtpp.session.table import NoSocketsError, SessionTable
from rtpp.settings import ListenAddress
from tests.ports import HAS_IPV6
from tests.session.harness import LOOPBACK, LOOPBACK6, Party, SessionTest, describe, rtcp, rtp, serve

NOWHERE = ListenAddress(IPV4, "192.0.2.1")  # an address no machine has


def find_plainly(own_tags: list[str], first: str, second: Optional[str]) -> Optional[tuple[str, bool]]:
    """The rule, told step by step."""
    for own in own_tags:
        if own == first:
            return own, True
        if second is not None:
            if own == second:
                return own, False
            begins = own[: len(second) + 1] == second + ";"
            if begins and ";" in first and own.split(";")[-1] == first.split(";")[-1]:
                return own, False
    return None


class Finding(SessionTest):
    def test_by_tags(self) -> None:
        table = self.make_table()
        for tag in ("f;1", "f;2"):
            self.make_session(table, "media", tag)
        for tag in ("f", "*"):
            self.make_session(table, "plain", tag)
        rows: list[tuple[str, str, Optional[str], Optional[tuple[str, bool]]]] = [
            # call-id, from-tag, to-tag, own tag of the session and whether the tags came in its order
            ("plain", "f", None, ("f", True)),
            ("plain", "f", "t", ("f", True)),
            ("plain", "t", "f", ("f", False)),
            ("plain", "t", None, None),
            ("plain", "F", None, None),
            ("plain", "", None, None),
            ("plain", "", "", None),
            ("plain", "*", None, ("*", True)),
            ("*", "*", "*", None),
            ("nobody", "f", "t", None),
            ("media", "f;1", None, ("f;1", True)),
            ("media", "f;2", "t;2", ("f;2", True)),
            ("media", "t;2", "f", ("f;2", False)),
            ("media", "t;1", "f", ("f;1", False)),
            ("media", "f", "t", None),
            ("media", "t", "f", None),
            ("media", "t;1", "f;2", ("f;2", False)),
            ("media", "t;9", "f", None),
            ("media", "t;x;2", "f", ("f;2", False)),
            ("media", "f;1", "f;2", ("f;1", True)),
            ("media", "f;2", "f;1", ("f;1", False)),  # the older session matches first
        ]
        for call_id, from_tag, to_tag, expected in rows:
            with self.subTest(call_id=call_id, from_tag=from_tag, to_tag=to_tag), table.lock:
                found = table.find(call_id, from_tag, to_tag)
                self.assertEqual(None if found is None else (found[0].tag, found[1]), expected)

    def test_random_tags(self) -> None:
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)

        def tag() -> str:
            return "".join(chance.choice("ab;;12") for _ in range(chance.randrange(5)))

        for number in range(40):
            table = self.make_table()
            tags = list(dict.fromkeys(tag() for _ in range(chance.randrange(1, 6))))
            for own in tags:
                self.make_session(table, "call", own)
            for _ in range(50):
                first, second = tag(), chance.choice((None, tag(), tag()))
                with table.lock:
                    found = table.find("call", first, second)
                plain = find_plainly(tags, first, second)
                self.assertEqual(None if found is None else (found[0].tag, found[1]), plain,
                                 f"seed {seed}, table {number}: {tags} {first!r} {second!r}")
            with table.lock:
                table.end_all(self.start)  # gives its ports back

    def test_sessions_of_a_call_oldest_first(self) -> None:
        table = self.make_table()
        sessions = [self.make_session(table, "call", f"f;{number}") for number in range(5)]
        self.make_session(table, "other")
        with table.lock:
            self.assertEqual(table.call("call"), tuple(sessions))
            self.assertEqual(table.call("nobody"), ())
            self.assertEqual(len(table), 6)
            self.assertEqual(len(list(table)), 6)
            table.end(sessions[2], self.start)
            self.assertEqual(table.call("call"), (*sessions[:2], *sessions[3:]))


class Opening(SessionTest):
    def test_new_session_has_the_callees_leg(self) -> None:
        table = self.make_table(setup_ttl=7, ttl=3)
        session = self.make_session(table)
        self.assertEqual((session.caller.port, session.complete, session.ended), (0, False, False))
        self.assertIn(session.callee.port, range(table.settings.port_min, table.settings.port_max + 1, 2))
        self.assertEqual(session.callee.rtcp.port, session.callee.port + 1)
        self.assertEqual(session.remaining(self.start), 7)
        self.assertEqual(self.counters(table), {"nsess_created": 1})
        self.complete(table, session)
        self.assertNotEqual(session.caller.port, session.callee.port)
        self.assertEqual(session.remaining(self.start), 3)
        self.assertEqual(self.counters(table), {"nsess_created": 1, "nsess_complete": 1})

    def test_no_ports_for_a_session(self) -> None:
        table = self.make_table(pairs=3, sequential_ports=True)
        for number in range(3):
            self.make_session(table, str(number))
        with self.assertRaisesRegex(NoSocketsError, "in use"):
            self.make_session(table, "one too many")
        self.assertEqual(self.counters(table), {"nsess_created": 3})
        with table.lock:
            self.assertIsNone(table.find("one too many", "from", None))
            self.assertEqual(len(table), 3)
            self.assertEqual(len(table.expire(self.start + 61, 10)[0]), 3)

    def test_no_ports_for_a_leg(self) -> None:
        table = self.make_table(pairs=2)
        session, other = self.make_session(table), self.make_session(table, "other")
        port, sockets = session.callee.port, [stream.socket for stream in session.callee.streams]
        with table.lock:
            for leg in session.legs:
                with self.assertRaises(NoSocketsError):
                    table.open(leg)
        self.assertEqual((session.caller.port, session.callee.port), (0, port))
        self.assertEqual([stream.socket for stream in session.callee.streams], sockets)
        Party(self).send(rtp(), session.callee.rtp)
        serve(session.callee.rtp, self.start)  # still open
        with table.lock:
            table.end(other, self.start)

    def test_address_that_is_not_ours(self) -> None:
        table = self.make_table()
        with self.assertRaisesRegex(NoSocketsError, "192.0.2.1"):
            self.make_session(table, callee=NOWHERE)
        self.assertEqual(self.counters(table), {})
        session = self.make_session(table)
        port = session.callee.port
        with table.lock:
            with self.assertRaises(NoSocketsError):
                table.open(session.callee, NOWHERE)
            self.assertEqual((session.callee.port, session.callee.address), (port, LOOPBACK))
            self.assertEqual(table.addresses.local("192.0.2.1", IPV4), NOWHERE)
            self.assertIsNot(table.addresses.local("192.0.2.1", IPV4), NOWHERE)  # was not remembered

    def test_address_is_remembered_once_bound(self) -> None:
        table = self.make_table()
        late = ListenAddress(IPV4, "127.0.0.1", advertised="late.example.com")
        self.make_session(table, callee=late)
        with table.lock:
            self.assertIs(table.addresses.local("127.0.0.1", IPV4), late)

    def test_sequential_ports(self) -> None:
        table = self.make_table(pairs=3, sequential_ports=True)
        first = table.settings.port_min
        sessions = [self.make_session(table, str(number)) for number in range(2)]
        self.assertEqual([session.callee.port for session in sessions], [first, first + 2])
        with table.lock:
            table.end(sessions[0], self.start)
            table.open(sessions[1].callee)
            self.assertEqual(sessions[1].callee.port, first + 4)
            table.open(sessions[1].caller)
        self.assertEqual(sessions[1].caller.port, first)

    def test_moving_a_leg_releases_its_pair(self) -> None:
        table = self.make_table(pairs=3)
        session = self.make_call(table)
        used = {session.caller.port, session.callee.port}
        for _ in range(10):
            before = session.caller.port
            with table.lock:
                table.open(session.caller)
            self.assertNotEqual(session.caller.port, before)
            used.add(session.caller.port)
            with table.lock:
                self.assertEqual(table.ports[IPV4].free, 1)
        self.assertEqual(len(used), 3)

    @unittest.skipUnless(HAS_IPV6, "no IPv6 on the loopback interface")
    def test_families_have_ports_of_their_own(self) -> None:
        table = self.make_table(pairs=2, sequential_ports=True)
        four, six = self.make_call(table, "four"), self.make_call(table, "six", caller=LOOPBACK6, callee=LOOPBACK6)
        self.assertEqual([leg.port for leg in four.legs], [leg.port for leg in six.legs])
        with table.lock:
            table.end(four, self.start)
            with self.assertRaises(NoSocketsError):
                table.open(six.caller)
            table.open(six.caller, LOOPBACK)  # from one family to the other
            self.assertEqual((table.ports[IPV4].free, table.ports[six.callee.address.family].free), (1, 1))
            table.end(six, self.start)
            self.assertEqual([pool.free for pool in table.ports.values()], [2, 2])

    def test_too_many_open_files(self) -> None:
        table = self.make_table()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(0)
        os.close(lowest)
        free = table.ports[IPV4].free
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, hard))  # one socket of the pair, not the other
        try:
            with self.assertRaisesRegex(NoSocketsError, os.strerror(errno.EMFILE)):
                self.make_session(table)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        again = os.dup(0)
        os.close(again)
        self.assertEqual((again, table.ports[IPV4].free), (lowest, free))
        self.make_session(table)


class Ending(SessionTest):
    def test_everything_is_released(self) -> None:
        table = self.make_table(pairs=2)
        for _ in range(5):
            session = self.make_call(table)
            ports = [leg.port for leg in session.legs]
            sockets = [stream.socket for stream in session.streams]
            with table.lock:
                self.assertEqual(table.ports[IPV4].free, 0)
                table.end(session, self.start)
                self.assertEqual(table.ports[IPV4].free, 2)
                self.assertEqual((len(table), list(table), table.call("call")), (0, [], ()))
            self.assertTrue(session.ended)
            self.assertEqual([each.fileno() for each in sockets if each is not None], [-1] * 4)
            for port in ports:
                with socket.socket(IPV4, socket.SOCK_DGRAM) as other:
                    other.bind(("127.0.0.1", port))

    def test_all(self) -> None:
        table = self.make_table()
        for number in range(5):
            self.make_call(table, f"call {number % 2}", f"tag {number}")
        with table.lock:
            table.end_all(self.start + 2)
            self.assertEqual((len(table), table.ports[IPV4].free), (0, table.ports[IPV4].size))
        self.assertEqual(self.counters(table), {"nsess_created": 5, "nsess_complete": 5, "nsess_destroyed": 5,
                                                "nsess_nortp": 5, "nsess_nortcp": 5, "total_duration": 10.0})
        with table.lock:
            table.end_all(self.start + 3)
            self.assertEqual(table.expire(self.start + 1000, 10), ([], False))

    def test_last_end_is_told(self) -> None:
        table = self.make_table()
        told: list[int] = []
        table.on_empty = lambda: told.append(len(table))
        one, other = self.make_session(table, "one"), self.make_session(table, "other")
        with table.lock:
            table.end(one, self.start)
            self.assertEqual(told, [])
            table.end(other, self.start)
        self.assertEqual(told, [0])

    def test_life_times_add_up(self) -> None:
        table = self.make_table()
        sessions = [self.make_session(table, str(number), now=self.start + number) for number in range(3)]
        with table.lock:
            for session in sessions:
                table.end(session, self.start + 10.5)
        self.assertEqual(self.counters(table), {"nsess_created": 3, "nsess_destroyed": 3, "total_duration": 28.5})


class Accounts(SessionTest):
    """What an ended session adds to the counters."""

    def end_after(self, heard: str, *, complete: bool = True) -> dict[str, float]:
        """Counters after a session from which RTP (`o`, `a`) or RTCP (`O`, `A`) of caller or callee was heard."""
        table = self.make_table()
        session = self.make_call(table) if complete else self.make_session(table)
        streams = {"o": session.caller.rtp, "O": session.caller.rtcp, "a": session.callee.rtp,
                   "A": session.callee.rtcp}
        party = Party(self)
        for number, letter in enumerate(heard):
            party.send(rtp(number), streams[letter])
            serve(streams[letter], self.start)
        with table.lock:
            table.end(session, self.start)
        return {name[6:]: value for name, value in self.counters(table).items()
                if name[6:] in ("nortp", "owrtp", "nortcp", "owrtcp")}

    def test_one_way_and_no_way(self) -> None:
        rows = [("", "nortp nortcp"), ("o", "owrtp nortcp"), ("a", "owrtp nortcp"), ("oa", "nortcp"),
                ("O", "nortp owrtcp"), ("A", "nortp owrtcp"), ("OA", "nortp"), ("oO", "owrtp owrtcp"),
                ("oaOA", ""), ("ooo", "owrtp nortcp"), ("oA", "owrtp owrtcp")]
        with self.quiet():
            for heard, expected in rows:
                with self.subTest(heard=heard):
                    self.assertEqual(self.end_after(heard), dict.fromkeys(expected.split(), 1))

    def test_incomplete_sessions_are_not_judged(self) -> None:
        self.assertEqual(self.end_after("", complete=False), {})
        self.assertEqual(self.end_after("aA", complete=False), {})

    def test_refused_packets_are_not_heard(self) -> None:
        table = self.make_table()
        session = self.make_call(table)
        party, stranger = Party(self), Party(self)
        with self.quiet():
            party.send(rtp(), session.caller.rtp)
            serve(session.caller.rtp, self.start)
            stranger.send(rtp(ssrc=9), session.caller.rtp)
            serve(session.caller.rtp, self.start)
        self.assertEqual((session.caller.rtp.received, session.caller.rtp.ignored), (1, 1))

    def test_analysis_of_both_legs(self) -> None:
        table = self.make_table()
        session = self.make_call(table)
        caller, callee = Party(self), Party(self)
        with self.quiet():
            describe(session.caller, caller)
            describe(session.callee, callee)
            for party, leg, numbers in ((caller, session.caller, (1, 2, 2, 5)), (callee, session.callee, (7, 8))):
                for number in numbers:
                    party.send(rtp(number), leg.rtp)
                    serve(leg.rtp, self.start)
            caller.send(rtcp(), session.caller.rtp)
            serve(session.caller.rtp, self.start)
            self.assertNotIn("rtpa_nsent", self.counters(table))  # only at the end
            with table.lock:
                table.end(session, self.start)
        found = {name: value for name, value in self.counters(table).items() if name.startswith("rtpa_")}
        self.assertEqual(found, {"rtpa_nsent": 7, "rtpa_nrcvd": 5, "rtpa_ndups": 1, "rtpa_nlost": 2, "rtpa_perrs": 1})

    def test_summary_in_the_log(self) -> None:
        table = self.make_table()
        session = self.make_call(table)
        caller, callee, stranger = Party(self), Party(self), Party(self)
        with self.quiet():
            describe(session.caller, caller)
            for at, number in ((0.0, 1), (0.5, 2), (0.75, 2), (1.0, 4)):
                caller.send(rtp(number, ssrc=0xABCDEF), session.caller.rtp)
                serve(session.caller.rtp, self.start + at)
            stranger.send(rtp(ssrc=5), session.caller.rtp)
            serve(session.caller.rtp, self.start)
            callee.send(rtcp(), session.callee.rtcp)
            serve(session.callee.rtcp, self.start)
        ports = f"{session.callee.port}/{session.caller.port}"
        with self.assertLogs("rtpproxy", "INFO") as log, table.lock:
            table.end(session, self.start)
        lines = [record.getMessage() for record in log.records]
        self.assertIn("RTP stats: 0 in from callee, 4 in from caller, 0 relayed, 4 dropped, 1 ignored", lines)
        self.assertIn("RTCP stats: 1 in from callee, 0 in from caller, 1 relayed, 0 dropped, 0 ignored", lines)
        self.assertIn(f"session on ports {ports} is cleaned up", lines)
        times = [line for line in lines if line.startswith("RTP times")]
        self.assertEqual(len(times), 1)
        self.assertRegex(times[0], r"^RTP times: caller: first in at \d+\.\d{6}, duration 1\.000000, "
                                   r"longest IPI 0\.500000$")
        self.assertIn("RTP stream from caller: SSRC=0x00ABCDEF, ssrc_changes=1, psent=4, precvd=3, plost=1, pdups=1",
                      lines)
        self.assertEqual({record.call_id for record in log.records}, {"call"})

    def test_stream_without_any_rtp_in_the_log(self) -> None:
        table = self.make_table()
        session = self.make_call(table)
        with self.quiet():
            Party(self).send(b"junk", session.caller.rtp)
            serve(session.caller.rtp, self.start)
        with self.assertLogs("rtpproxy", "INFO") as log, table.lock:
            table.end(session, self.start)
        self.assertIn("RTP stream from caller: SSRC=NONE, ssrc_changes=0, psent=0, precvd=0, plost=0, pdups=0",
                      [record.getMessage() for record in log.records])


class Expiring(SessionTest):
    def expire(self, table: SessionTable, seconds: float, limit: int = 100) -> list[str]:
        with table.lock:
            return [session.call_id for session in table.expire(int(self.start) + seconds, limit)[0]]

    def test_half_open_and_complete(self) -> None:
        table = self.make_table(ttl=3, setup_ttl=5)
        self.make_session(table, "half")
        self.make_call(table, "complete")
        for second in (1, 2, 3, 3.9):
            self.assertEqual(self.expire(table, second), [])
        self.assertEqual(self.expire(table, 4), ["complete"])
        self.assertEqual(self.expire(table, 5), [])
        self.assertEqual(self.expire(table, 6), ["half"])
        self.assertEqual(self.expire(table, 100), [])
        found = self.counters(table)
        self.assertEqual((found["nsess_timeout"], found["nsess_destroyed"]), (2, 2))

    def test_completion_may_shorten_or_lengthen_life(self) -> None:
        for ttl, setup_ttl in ((2, 50), (50, 2)):
            with self.subTest(ttl=ttl):
                table = self.make_table(ttl=ttl, setup_ttl=setup_ttl)
                session = self.make_session(table)
                self.complete(table, session, self.start + 1)
                self.assertEqual(self.expire(table, ttl + 1), [])
                self.assertEqual(self.expire(table, ttl + 2), ["call"])

    def test_refreshed_sessions_stay(self) -> None:
        table = self.make_table(ttl=3, setup_ttl=3)
        session = self.make_call(table)
        for second in range(1, 20):
            session.refresh(self.start + second)
            self.assertEqual(self.expire(table, second), [])
        self.assertEqual(self.expire(table, 22), [])
        self.assertEqual(self.expire(table, 23), ["call"])

    def test_command_changes_the_time_to_live(self) -> None:
        table = self.make_table(ttl=60)
        session = self.make_call(table)
        with table.lock:
            session.caller.ttl.set(2, self.start + 10)
            table.schedule(session)
        self.assertEqual(session.remaining(self.start + 10), 2)
        self.assertEqual(self.expire(table, 12), [])
        self.assertEqual(self.expire(table, 13), ["call"])

    def test_with_independent_legs_the_earlier_counts(self) -> None:
        table = self.make_table(ttl=60, setup_ttl=2, independent_ttl=True)
        session = self.make_session(table)
        with table.lock:
            session.caller.ttl.set(9, self.start)
            table.schedule(session)
        self.assertEqual(self.expire(table, 2), [])
        self.assertEqual(self.expire(table, 3), ["call"])

    def test_some_at_a_time(self) -> None:
        table = self.make_table(ttl=3, setup_ttl=3)
        for number in range(10):
            self.make_session(table, str(number))
        found = [self.expire(table, 4, 4) for _ in range(4)]
        self.assertEqual([len(some) for some in found], [4, 4, 2, 0])
        self.assertEqual(sorted(name for some in found for name in some), sorted(map(str, range(10))))

    def test_those_that_live_on_count_too(self) -> None:
        table = self.make_table(ttl=3, setup_ttl=3)
        sessions = [self.make_session(table, str(number)) for number in range(10)]
        with table.lock:
            for session in sessions:
                session.refresh(self.start + 2)
            looks = [table.expire(self.start + 4, 4) for _ in range(3)]
        self.assertEqual(looks, [([], True), ([], True), ([], False)])

    def test_late_tick_catches_up(self) -> None:
        table = self.make_table(ttl=3, setup_ttl=3)
        for number in range(5):
            self.make_session(table, str(number), now=self.start + number)
        self.assertEqual(self.expire(table, 1000), ["0", "1", "2", "3", "4"])

    def test_ended_by_command_is_not_a_timeout(self) -> None:
        table = self.make_table(ttl=3, setup_ttl=3)
        session = self.make_session(table)
        with table.lock:
            table.end(session, self.start)
        self.assertEqual(self.expire(table, 100), [])
        self.assertNotIn("nsess_timeout", self.counters(table))

    def test_memory_is_free_at_once(self) -> None:
        """Without the collector of cycles, which would have to look at all sessions."""
        table = self.make_table()
        source = self.make_call(table, "source")

        def plain(session: Session) -> None:
            pass

        def busy(session: Session) -> None:
            session.caller.rtp.resize(20)
            session.callee.start_player(Player(session.callee, Prompt(0, bytes(800)), 10, 1), self.start)
            session.caller.hold()
            session.fork = Fork(source, session, crossed=False)

        def connected(session: Session) -> None:
            party = Party(self)
            describe(session.caller, party, now=self.start)
            session.caller.rtp.latch.latch(rtp(), self.start)
            session.connector._connect(session.caller.rtp, self.start)
            self.assertEqual(session.caller.rtp.connected is not None, SUPPORTED)

        gc.disable()
        self.addCleanup(gc.enable)
        for prepare in (plain, busy, connected):
            with self.subTest(prepare.__name__), self.quiet():
                session = self.make_call(table, prepare.__name__)
                parts = [weakref.ref(session), *map(weakref.ref, session.legs)]
                with table.lock:
                    prepare(session)
                    table.end(session, self.start)
                table.relay._take_steps(self.start + 1)  # those that waited find nothing to do
                del session
                self.assertEqual([part() for part in parts], [None] * 3)

    def test_failure_to_end_one_session_leaves_the_others_alone(self) -> None:
        class Broken:
            def close(self) -> None:
                raise RuntimeError("this recording cannot be closed")

        table = self.make_table(ttl=3, setup_ttl=3)
        sessions: list[Session] = [self.make_session(table, str(number)) for number in range(5)]
        sessions[2].caller.recording = Broken()  # type: ignore[assignment]
        with self.assertLogs("rtpproxy", "ERROR") as log:
            found = self.expire(table, 4)
        self.assertEqual(sorted(found), ["0", "1", "2", "3", "4"])
        self.assertIn("this recording cannot be closed", log.output[0])
        with table.lock:
            self.assertEqual((len(table), table.ports[IPV4].free), (0, table.ports[IPV4].size))


if __name__ == "__main__":
    unittest.main()
