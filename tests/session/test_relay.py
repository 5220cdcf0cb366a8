"""The relay loop with real sockets, while commands come and go beside it."""

from __future__ import annotations

import random
import selectors
import socket
import threading
import time
import unittest
from typing import Any, Callable, Optional, Union
from unittest import mock

from rtpp.net.addresses import IPV4, Address
from rtpp.session.lock import FairLock
from rtpp.session.poller import EpollPoller, SelectorPoller, make_poller
from rtpp.session.relay import BATCH, RelayLoop
from rtpp.session.session import Session
from rtpp.session.stream import Stream
from rtpp.session.table import SessionTable
from rtpp.stats import Stats
from tests.session.harness import Party, SessionTest, describe, rtcp, rtp

# A port may stay open for a moment after it was closed: poll(2) holds on to what it waits for until it is woken up.


def can_be_bound(port: int) -> bool:
    with socket.socket(IPV4, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def is_refused(connected: Party) -> bool:
    """Whether nobody listens where a connected party sends to."""
    try:
        connected.socket.send(rtp())
        connected.socket.send(rtp())
    except ConnectionRefusedError:
        return True
    return False


class Failing:
    """A witness that fails on every packet but those that begin with `except_for`."""

    def __init__(self, except_for: bytes) -> None:
        self.except_for = except_for

    def see(self, stream: Stream, data: bytes, source: Address, now: float) -> None:
        if not data.startswith(self.except_for):
            raise RuntimeError("this witness fails")


class RelayTest(SessionTest):
    make_poller: Callable[[], Union[EpollPoller, SelectorPoller]] = staticmethod(make_poller)

    def setUp(self) -> None:
        super().setUp()
        with mock.patch("rtpp.session.relay.make_poller", self.make_poller):
            self.table: SessionTable = self.make_table()
        self.start_relay(self.table)

    def call(self, call_id: str = "call") -> tuple[Session, Party, Party]:
        """A complete call whose parties are known."""
        session = self.make_call(self.table, call_id)
        caller, callee = Party(self), Party(self)
        with self.table.lock, self.quiet():
            describe(session.caller, caller)
            describe(session.callee, callee)
        return session, caller, callee

    def expect_packets(self, received: int = 0, relayed: int = 0, discarded: int = 0) -> None:
        stats = self.table.stats

        def found() -> tuple[int, int, int]:
            with self.table.lock:
                return stats.npkts_rcvd, stats.npkts_relayed, stats.npkts_discard

        self.wait_for(lambda: sum(found()) >= received + relayed + discarded, "packet counters")
        self.assertEqual(found(), (received, relayed, discarded))


class Loop(RelayTest):
    def test_relays_both_ways_and_both_protocols(self) -> None:
        session, caller, callee = self.call()
        for sender, enters, leaves, receiver in ((caller, session.caller.rtp, session.callee.rtp, callee),
                                                 (callee, session.callee.rtp, session.caller.rtp, caller)):
            for number in range(20):
                sender.send(rtp(number), enters)
                self.assertEqual(receiver.receive_from(), (rtp(number), ("127.0.0.1", leaves.port)))
        control, other_control = Party(self), Party(self)
        with self.table.lock:
            describe(session.caller, caller, control)
            describe(session.callee, callee, other_control)
        control.send(rtcp(), session.caller.rtcp)
        self.assertEqual(other_control.receive_from(), (rtcp(), ("127.0.0.1", session.callee.rtcp.port)))
        other_control.send(rtcp(), session.callee.rtcp)
        self.assertEqual(control.receive_from(), (rtcp(), ("127.0.0.1", session.caller.rtcp.port)))
        self.expect_packets(received=42, relayed=42)
        self.assert_query(session, ina=20, ino=20, relayed=40)

    def test_many_calls_at_once(self) -> None:
        calls = [self.call(str(number)) for number in range(18)]
        for number in range(10):
            for session, caller, callee in calls:
                caller.send(b"%d from caller" % number, session.caller.rtp)
                callee.send(b"%d from callee" % number, session.callee.rtp)
        for _, caller, callee in calls:
            self.assertEqual([callee.receive() for _ in range(10)], [b"%d from caller" % n for n in range(10)])
            self.assertEqual([caller.receive() for _ in range(10)], [b"%d from callee" % n for n in range(10)])
        self.expect_packets(received=360, relayed=360)

    def test_discards_until_complete(self) -> None:
        session = self.make_session(self.table)
        caller, callee = Party(self), Party(self)
        with self.table.lock:
            describe(session.caller, caller)
        for _ in range(3 * BATCH):
            callee.send(rtp(), session.callee.rtp)
        self.expect_packets(discarded=3 * BATCH)
        self.complete(self.table, session)
        callee.send(rtp(5), session.callee.rtp)
        self.assertEqual(caller.receive(), rtp(5))
        self.expect_packets(received=1, relayed=1, discarded=3 * BATCH)

    def test_new_port_replaces_the_old_one(self) -> None:
        session, caller, callee = self.call()
        old = session.caller.rtp.port
        with self.table.lock:
            self.table.open(session.caller)
        self.assertNotEqual(session.caller.rtp.port, old)
        for port in (old, old + 1):
            self.wait_for(lambda port=port: can_be_bound(port), "the old port to be closed")
        caller.send(rtp(), session.caller.rtp)
        self.assertEqual(callee.receive(), rtp())
        callee.send(rtp(), session.callee.rtp)
        self.assertEqual(caller.receive_from(), (rtp(), ("127.0.0.1", session.caller.rtp.port)))

    def test_ended_call_hears_no_more(self) -> None:
        session, caller, _ = self.call()
        caller.socket.connect(("127.0.0.1", session.caller.rtp.port))
        with self.table.lock:
            self.table.end(session, self.start)
        self.wait_for(lambda: is_refused(caller), "the port to be closed")
        self.expect_packets()

    def test_failure_costs_one_packet(self) -> None:
        broken, caller, callee = self.call("broken")
        fine, other_caller, other_callee = self.call("fine")
        with self.table.lock:
            broken.caller.rtp.witnesses.append(Failing(except_for=b"good"))
            broken.caller.rtp.choose_onward()
        with self.assertLogs("rtpproxy", "ERROR") as log:
            caller.send(b"bad", broken.caller.rtp)
            other_caller.send(rtp(), fine.caller.rtp)
            self.assertEqual(other_callee.receive(), rtp())
            caller.send(b"good", broken.caller.rtp)
            self.assertEqual(callee.receive(), b"good")
        self.assertEqual(len(log.records), 1)
        self.assertIn("caller's RTP stream", log.output[0])
        self.assertIn("this witness fails", log.output[0])
        self.assertEqual(log.records[0].call_id, "broken")

    def test_failures_do_not_fill_the_log(self) -> None:
        broken, caller, callee = self.call("broken")
        with self.table.lock:
            broken.caller.rtp.witnesses.append(Failing(except_for=b"good"))
            broken.caller.rtp.choose_onward()
        with self.assertLogs("rtpproxy", "ERROR") as log:
            for _ in range(150):
                caller.send(b"bad", broken.caller.rtp)
            caller.send(b"good", broken.caller.rtp)
            self.assertEqual(callee.receive(), b"good")
        self.assertEqual(len(log.records), 100)

    def test_send_error_of_one_call_does_not_stop_others(self) -> None:
        broken, caller, _ = self.call("broken")
        fine, other_caller, other_callee = self.call("fine")
        quiet = self.quiet()
        quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)
        with self.table.lock:
            describe(broken.callee, ("127.0.0.1", 0))
        for number in range(50):
            caller.send(rtp(number), broken.caller.rtp)
            other_caller.send(rtp(number), fine.caller.rtp)
        for number in range(50):
            self.assertEqual(other_callee.receive(), rtp(number))
        self.expect_packets(received=100, relayed=100)

    def test_own_port_does_not_make_a_packet_go_round(self) -> None:
        session, caller, callee = self.call()
        with self.table.lock, self.quiet():
            describe(session.callee, ("127.0.0.1", session.caller.port))
        caller.send(rtp(), session.caller.rtp)
        self.expect_packets(received=1, discarded=1)
        callee.send(rtp(), session.callee.rtp)  # so this is where the callee is
        self.assertEqual(caller.receive(), rtp())
        caller.send(rtp(2), session.caller.rtp)
        self.assertEqual(callee.receive(), rtp(2))
        self.expect_packets(received=3, relayed=2, discarded=1)

    def test_commands_beside_a_flood(self) -> None:
        """Sessions come and go, ports move, packets fly; each packet is still counted once, and none is an error."""
        seed = random.randrange(1 << 32)
        lasting, caller, callee = self.call("lasting")
        flooding = True

        def flood(party: Party, target: Stream) -> None:
            chance = random.Random(seed)
            first = self.table.settings.port_min
            while flooding:
                party.send(rtp(), target)
                party.socket.sendto(b"stray", ("127.0.0.1", chance.randrange(first, first + 80)))
                time.sleep(0.0002)

        threads = [threading.Thread(target=flood, args=arguments)
                   for arguments in ((caller, lasting.caller.rtp), (callee, lasting.callee.rtp))]
        with self.assert_no_errors():
            for thread in threads:
                thread.start()
            try:
                self.churn(random.Random(seed))
                self.wait_for(lambda: lasting.caller.rtp.relayed > 50, "packets of the call that lasts")
            finally:
                flooding = False
                for thread in threads:
                    thread.join()
        with self.table.lock:
            stats = self.table.stats
            self.assertEqual(stats.npkts_rcvd, stats.npkts_relayed + stats.npkts_discard, f"seed {seed}")
            self.assertEqual(len(self.table), 1)

    def churn(self, chance: random.Random) -> None:
        sessions: list[Session] = []
        for number in range(400):
            with self.table.lock:
                if sessions and (len(sessions) > 8 or chance.random() < 0.4):
                    session = sessions.pop(chance.randrange(len(sessions)))
                    if chance.random() < 0.5:
                        self.table.open(chance.choice(session.legs))
                    self.table.end(session, self.start)
                else:
                    address = self.table.settings.addresses[0]
                    session = self.table.create(str(number), "tag", (address, address), self.start)
                    self.table.open(session.caller)
                    self.table.complete(session, self.start)
                    sessions.append(session)
            if number % 4 == 0:
                time.sleep(0.0005)
        with self.table.lock:
            for session in sessions:
                self.table.end(session, self.start)


def poll_only() -> SelectorPoller:
    with mock.patch("selectors.DefaultSelector", selectors.PollSelector):
        return SelectorPoller()


class LoopWithSelector(Loop):
    """As on systems without epoll."""

    make_poller = SelectorPoller


class LoopWithPoll(Loop):
    """As on systems without epoll and kqueue: changes are told to the waiting loop."""

    make_poller = staticmethod(poll_only)


class TimedSteps(RelayTest):
    def test_in_order_of_their_times_and_again_when_asked(self) -> None:
        calls: list[tuple[str, float]] = []
        done = threading.Event()
        start = time.monotonic()

        def repeating(now: float) -> Optional[float]:
            calls.append(("repeating", now))
            return now + 0.02 if len(calls) < 4 else None

        def late(now: float) -> Optional[float]:
            calls.append(("late", now))
            done.set()
            return None

        with self.table.lock:
            self.table.relay.schedule(start + 0.1, late)
            self.table.relay.schedule(start + 0.01, repeating)
        self.assertTrue(done.wait(5))
        self.assertEqual([name for name, _ in calls], ["repeating"] * 4 + ["late"])
        times = [at for _, at in calls]
        self.assertEqual(times, sorted(times))
        self.assertGreaterEqual(times[0], start + 0.01)
        self.assertGreaterEqual(times[-1], start + 0.1)
        for earlier, later in zip(times, times[1:3]):
            self.assertGreaterEqual(later, earlier + 0.02)

    def test_due_already(self) -> None:
        done = threading.Event()

        def step(now: float) -> None:
            done.set()

        with self.table.lock:
            self.table.relay.schedule(0.0, step)
        self.assertTrue(done.wait(5))

    def test_equal_times_keep_their_order(self) -> None:
        calls: list[int] = []
        due = time.monotonic() + 0.02
        count = 3 * BATCH

        def make(number: int) -> None:
            def step(now: float) -> None:
                calls.append(number)

            self.table.relay.schedule(due, step)

        with self.table.lock:
            for number in range(count):
                make(number)
        self.wait_for(lambda: len(calls) == count, "all steps")
        self.assertEqual(calls, list(range(count)))

    def test_failure_ends_that_step_only(self) -> None:
        done = threading.Event()

        def failing(now: float) -> Optional[float]:
            raise RuntimeError("this step fails")

        def fine(now: float) -> Optional[float]:
            done.set()
            return None

        with self.assertLogs("rtpproxy", "ERROR") as log:
            with self.table.lock:
                self.table.relay.schedule(0.0, failing)
                self.table.relay.schedule(0.0, fine)
            self.assertTrue(done.wait(5))
        self.assertEqual(len(log.records), 1)
        session, caller, callee = self.call()
        caller.send(rtp(), session.caller.rtp)
        self.assertEqual(callee.receive(), rtp())

    def test_packets_go_on_beside_steps(self) -> None:
        session, caller, callee = self.call()
        ticking = True

        def step(now: float) -> Optional[float]:
            return now + 0.001 if ticking else None

        with self.table.lock:
            self.table.relay.schedule(0.0, step)
        for number in range(100):
            caller.send(rtp(number), session.caller.rtp)
            self.assertEqual(callee.receive(), rtp(number))
        ticking = False


class Waking(RelayTest):
    def test_stop_ends_a_waiting_loop_at_once(self) -> None:
        table = SessionTable(self.table.settings, self.table.stats)
        before = {thread.ident for thread in threading.enumerate()}
        table.relay.start()
        start = time.monotonic()
        table.relay.stop()
        self.assertLess(time.monotonic() - start, 1.0)
        self.assertEqual({thread.ident for thread in threading.enumerate()}, before)

    def test_wake_up_storm_is_harmless(self) -> None:
        session, caller, callee = self.call()
        with self.table.lock:
            for _ in range(100_000):
                self.table.relay.wake()
        caller.send(rtp(), session.caller.rtp)
        self.assertEqual(callee.receive(), rtp())


class Turns(RelayTest):
    def test_command_is_served_beside_a_flood(self) -> None:
        """The loop gives the lock away after each batch."""
        session, _, _ = self.call()
        flooding = True

        def flood() -> None:
            with socket.socket(IPV4, socket.SOCK_DGRAM) as stranger:
                while flooding:
                    stranger.sendto(rtp(), ("127.0.0.1", session.caller.rtp.port))

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            longest = 0.0
            for _ in range(50):
                before = time.monotonic()
                with self.table.lock:
                    longest = max(longest, time.monotonic() - before)
        finally:
            flooding = False
            thread.join()
        self.assertLess(longest, 0.5)

    def test_what_is_due_is_done_amid_a_long_round(self) -> None:
        done: list[str] = []

        class Served:
            leg = None

            def handle(self, watched: Any, now: float) -> int:
                done.append("packet")
                return 0

        loop = RelayLoop(FairLock(), Stats(0.0))
        for each in (loop._poller, loop._wake_reader, loop._wake_writer):
            self.addCleanup(each.close)
        receiver, sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with receiver, sender:
            loop.add(receiver, Served())
            sender.send(rtp())
            loop._depth = 3 * BATCH  # so often is it served in one round
            with mock.patch("rtpp.session.relay.SPACING", 0.0):
                for _ in range(2):
                    loop.defer(lambda now: done.append("deferred"))
                loop.schedule(0.0, lambda now: done.append("step"))
                loop._drain_wake_ups()
                loop._round()
        packets = ["packet"] * BATCH
        self.assertEqual(done, [*packets, "step", "deferred", *packets, "deferred", *packets])


if __name__ == "__main__":
    unittest.main()
