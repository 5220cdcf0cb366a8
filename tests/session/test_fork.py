"""Copying the packets of a call into another one, as recording servers want it."""

from __future__ import annotations

import unittest

from rtpp.session.fork import Fork
from rtpp.session.session import Session
from rtpp.session.stream import Stream
from tests.session.harness import Party, SessionTest, describe, rtcp, rtp, serve


class ForkTest(SessionTest):
    """A call between two parties, and a session whose both parties are a recording server."""

    def setUp(self) -> None:
        super().setUp()
        quiet = self.quiet()
        quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)
        self.table = self.make_table()
        self.source = self.make_call(self.table, "source")
        self.target = self.make_call(self.table, "target")
        names = ("caller", "callee", "record_caller", "record_callee")
        self.rtp = {name: Party(self) for name in names}
        self.rtcp = {name: Party(self) for name in names}
        for leg, name in zip((*self.source.legs, *self.target.legs), names):
            describe(leg, self.rtp[name], self.rtcp[name])

    def fork(self, *, crossed: bool = True) -> Fork:
        with self.table.lock:
            self.target.fork = Fork(self.source, self.target, crossed)
            self.target.choose_handlers()
        return self.target.fork

    def pass_on(self, data: bytes, party: Party, stream: Stream, seconds: float = 0.0) -> None:
        party.send(data, stream)
        serve(stream, self.start + seconds)

    def heard(self) -> dict[str, list[bytes]]:
        """What has arrived, by who got it and on which protocol."""
        found = {f"{name} RTP": party.waiting() for name, party in self.rtp.items()}
        found.update({f"{name} RTCP": party.waiting() for name, party in self.rtcp.items()})
        return {name: packets for name, packets in found.items() if packets}

    def everybody_speaks(self, session: Session, one: str, other: str, number: int = 1) -> None:
        for name, leg in ((one, session.caller), (other, session.callee)):
            self.pass_on(rtp(number) + name.encode(), self.rtp[name], leg.rtp)
            self.pass_on(rtcp() + name.encode(), self.rtcp[name], leg.rtcp)


class Copies(ForkTest):
    def test_crossed(self) -> None:
        self.fork()
        self.everybody_speaks(self.source, "caller", "callee")
        from_caller, from_callee = rtp() + b"caller", rtp() + b"callee"
        self.assertEqual(self.heard(), {
            "callee RTP": [from_caller], "record_callee RTP": [from_caller],
            "caller RTP": [from_callee], "record_caller RTP": [from_callee],
            "callee RTCP": [rtcp() + b"caller"], "record_callee RTCP": [rtcp() + b"caller"],
            "caller RTCP": [rtcp() + b"callee"], "record_caller RTCP": [rtcp() + b"callee"],
        })

    def test_straight(self) -> None:
        self.fork(crossed=False)
        self.everybody_speaks(self.source, "caller", "callee")
        heard = self.heard()
        self.assertEqual(heard["record_caller RTP"], [rtp() + b"caller"])
        self.assertEqual(heard["record_callee RTCP"], [rtcp() + b"callee"])

    def test_copies_leave_through_the_targets_own_ports(self) -> None:
        self.fork()
        self.pass_on(rtp(), self.rtp["caller"], self.source.caller.rtp)
        _, source = self.rtp["record_callee"].receive_from()
        self.assertEqual(source, ("127.0.0.1", self.target.callee.rtp.port))

    def test_copies_are_not_counted_as_relayed(self) -> None:
        self.fork()
        self.pass_on(rtp(), self.rtp["caller"], self.source.caller.rtp)
        self.assert_packets(self.table, received=1, relayed=1)
        self.assert_query(self.source, ina=1, relayed=1)
        self.assert_query(self.target)

    def test_targets_own_parties_are_not_heard(self) -> None:
        self.fork()
        self.everybody_speaks(self.target, "record_caller", "record_callee")
        self.assertEqual(self.heard(), {})
        self.assert_packets(self.table, received=4, discarded=4)
        self.assert_query(self.target, ina=1, ino=1, dropped=2)

    def test_copies_keep_the_target_alive(self) -> None:
        self.fork()
        self.pass_on(rtp(), self.rtp["caller"], self.source.caller.rtp, 30)
        self.assertEqual(self.target.remaining(self.start + 30), 60)
        self.pass_on(rtp(), self.rtp["record_caller"], self.target.caller.rtp, 50)
        self.assertEqual(self.target.remaining(self.start + 50), 40)  # blocked packets do not

    def test_target_without_address_or_second_leg(self) -> None:
        half = self.make_session(self.table, "half")
        with self.table.lock:
            half.fork = Fork(self.source, half, True)
            half.choose_handlers()
        self.everybody_speaks(self.source, "caller", "callee")
        self.assert_packets(self.table, received=4, relayed=4)
        self.complete(self.table, half)
        describe(half.callee, self.rtp["record_callee"], self.rtcp["record_callee"])
        self.heard()
        self.everybody_speaks(self.source, "caller", "callee", 2)
        self.assertEqual(self.heard()["record_callee RTP"], [rtp(2) + b"caller"])

    def test_source_that_completes_later(self) -> None:
        late = self.make_session(self.table, "late")
        describe(late.callee, self.rtp["callee"])
        with self.table.lock:
            self.target.fork = Fork(late, self.target, True)
            self.target.choose_handlers()
        self.pass_on(rtp(), self.rtp["callee"], late.callee.rtp)
        self.assertEqual(self.heard(), {})
        self.complete(self.table, late)
        self.pass_on(rtp(2), self.rtp["callee"], late.callee.rtp)
        self.assertEqual(self.heard(), {"record_caller RTP": [rtp(2)]})

    def test_two_targets(self) -> None:
        self.fork()
        second = self.make_call(self.table, "second")
        describe(second.callee, self.rtcp["record_caller"])
        with self.table.lock:
            second.fork = Fork(self.source, second, True)
            second.choose_handlers()
        self.pass_on(rtp(), self.rtp["caller"], self.source.caller.rtp)
        self.assertEqual(self.heard(), {"callee RTP": [rtp()], "record_callee RTP": [rtp()],
                                        "record_caller RTCP": [rtp()]})


class Endings(ForkTest):
    def test_closed(self) -> None:
        fork = self.fork()
        with self.table.lock:
            fork.close()
            fork.close()
            self.target.fork = None
            self.target.choose_handlers()
        self.everybody_speaks(self.source, "caller", "callee")
        self.everybody_speaks(self.target, "record_caller", "record_callee")
        self.assertEqual(len(self.heard()), 8)  # two ordinary calls again
        for stream in (*self.source.streams, *self.target.streams):
            self.assertIsNone(stream.onward)

    def test_target_ends(self) -> None:
        self.fork()
        with self.table.lock:
            self.table.end(self.target, self.start)
        self.everybody_speaks(self.source, "caller", "callee")
        self.assertEqual(sorted(self.heard()), ["callee RTCP", "callee RTP", "caller RTCP", "caller RTP"])
        for stream in self.source.streams:
            self.assertEqual((stream.witnesses, stream.onward), ([], None))

    def test_source_ends(self) -> None:
        """Nothing more comes; the target stays until it is deleted or times out."""
        self.fork()
        with self.table.lock:
            self.table.end(self.source, self.start)
            self.assertFalse(self.target.ended)
        self.everybody_speaks(self.target, "record_caller", "record_callee")
        self.assertEqual(self.heard(), {})
        with self.table.lock:
            self.table.end(self.target, self.start)
            self.assertEqual(len(self.table), 0)

    def test_each_may_end_in_any_order_with_the_other_gone(self) -> None:
        for first in ("source", "target"):
            with self.subTest(first=first):
                source = self.make_call(self.table, f"{first} source")
                target = self.make_call(self.table, f"{first} target")
                with self.table.lock:
                    target.fork = Fork(source, target, True)
                    target.choose_handlers()
                    for session in (source, target) if first == "source" else (target, source):
                        self.table.end(session, self.start)
                    self.assertEqual(self.table.call(f"{first} source") + self.table.call(f"{first} target"), ())


if __name__ == "__main__":
    unittest.main()
