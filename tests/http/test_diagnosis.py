"""What is said about a call: a table of views and sentences."""

from __future__ import annotations

import random
import unittest
from typing import Any

from rtpp.http.diagnosis import LEVELS, STATES, diagnose, kind_of, seconds, state_of
from rtpp.http.view import LegView, SessionView

PUBLIC = ("203.0.113.7", 4000)
PRIVATE = ("10.0.0.7", 4000)
LEARNED = ("192.0.2.1", 4000)
SEED = random.randrange(1 << 32)


def leg(**values: Any) -> LegView:
    """A leg whose party talks, unless the values say otherwise."""
    usual: dict[str, Any] = {"host": "198.51.100.1", "port": 35000, "signalled": PUBLIC, "remote": PUBLIC,
                             "reachable": True, "latched": True, "received": 1000, "relayed": 1000, "sent": 1000,
                             "idle": 0.02, "jitter": 1.0, "jitter_max": 2.0, "jitter_average": 1.0, "payload_type": 0}
    return LegView(**{**usual, **values})


def silent(**values: Any) -> LegView:
    """A leg whose party never sent anything."""
    return leg(**{"received": 0, "relayed": 0, "sent": 0, "idle": None, "latched": False, **values})


def quiet(idle: float, **values: Any) -> LegView:
    """A leg whose party has stopped."""
    return leg(idle=idle, **values)


FINE = leg()
V6 = ("2001:db8::7", 4000, 0, 0)

# name: (view, state, what the first sentence is)
CASES: dict[str, tuple[SessionView, str, str]] = {
    "well": (SessionView(age=30, caller=FINE, callee=FINE), "ok", "audio goes both ways"),
    "not answered": (SessionView(age=12.6, ttl=48, complete=False, caller=silent(), callee=silent()), "setup",
                     "waiting for the answer for 12 s; without one the session ends in 48 s"),
    "answered just now": (SessionView(age=2, caller=FINE, callee=silent()), "ok",
                          "answered just now, no media from both sides yet"),
    "stopped, behind NAT": (
        SessionView(age=60, caller=FINE, callee=quiet(12, signalled=PRIVATE, learned=LEARNED, remote=LEARNED)),
        "one-way", "no packets from callee for 12 s; last address 192.0.2.1:4000; was signalled 10.0.0.7:4000 "
        "(private): party behind NAT"),
    "stopped where it was signalled": (SessionView(age=600, caller=quiet(240), callee=FINE), "one-way",
                                       "no packets from caller for 4 min; last address 203.0.113.7:4000"),
    "stopped, and others knock": (
        SessionView(age=60, caller=FINE, callee=quiet(12, ignored=300, refused=("192.0.2.9", 5004))), "one-way",
        "no packets from callee for 12 s; last address 203.0.113.7:4000; 300 packets from elsewhere refused, the last "
        "one from 192.0.2.9:5004: 203.0.113.7:4000 is expected"),
    "never heard, behind NAT": (
        SessionView(age=12, caller=FINE, callee=silent(signalled=PRIVATE, remote=PRIVATE)), "one-way",
        "no packets from callee since the call began 12 s ago; was signalled 10.0.0.7:4000 (private): party behind "
        "NAT, waiting to learn it; it was told to send to 198.51.100.1:35000: check that firewalls let UDP through"),
    "never heard, asymmetric": (
        SessionView(age=12, caller=FINE, callee=silent(signalled=PRIVATE, remote=PRIVATE, asymmetric=True)), "one-way",
        "no packets from callee since the call began 12 s ago; was signalled 10.0.0.7:4000 (private): party behind "
        "NAT, but its address is not learned: it is asymmetric; it was told to send to 198.51.100.1:35000: check that "
        "firewalls let UDP through"),
    "asymmetric, refused": (
        SessionView(age=12, caller=FINE, callee=silent(asymmetric=True, ignored=1, refused=("192.0.2.9", 5004))),
        "one-way", "no packets from callee since the call began 12 s ago; 1 packet from elsewhere refused, the last "
        "one from 192.0.2.9:5004: 203.0.113.7 is expected"),
    "we are private": (
        SessionView(age=12, caller=silent(host="10.1.1.1"), callee=leg(host="10.1.1.1")), "one-way",
        "no packets from caller since the call began 12 s ago; was signalled 203.0.113.7:4000; it was told to send to "
        "10.1.1.1:35000 (private), which it cannot reach from the public network: set -A"),
    "we are private and advertised": (
        SessionView(age=12, caller=silent(host="10.1.1.1", advertised="198.51.100.9"), callee=FINE), "one-way",
        "no packets from caller since the call began 12 s ago; was signalled 203.0.113.7:4000; it was told to send to "
        "198.51.100.9:35000: check that firewalls let UDP through"),
    "all private": (
        SessionView(age=12, caller=silent(host="10.1.1.1", signalled=PRIVATE, remote=PRIVATE), callee=FINE), "one-way",
        "no packets from caller since the call began 12 s ago; was signalled 10.0.0.7:4000 (private); it was told to "
        "send to 10.1.1.1:35000: check that firewalls let UDP through"),
    "wildcard": (
        SessionView(age=12, caller=silent(host="0.0.0.0"), callee=FINE), "one-way",
        "no packets from caller since the call began 12 s ago; was signalled 203.0.113.7:4000; it was told to send to "
        "port 35000: check the address in its session description, and firewalls"),
    "nothing signalled, IPv6": (
        SessionView(age=12, caller=silent(host="2001:db8::1", signalled=None, remote=None, reachable=False),
                    callee=silent(host="2001:db8::1", signalled=V6, remote=V6)), "silent",
        "no packets from either side yet: does media reach this host at all?"),
    "both stopped": (SessionView(age=60, caller=quiet(12), callee=quiet(9)), "silent",
                     "no packets from either side for 9 s"),
    "on hold": (SessionView(age=60, caller=leg(on_hold=True), callee=quiet(30)), "hold",
                "on hold by caller: no packets from callee, as is usual then"),
    "both on hold": (SessionView(age=60, caller=quiet(30, on_hold=True), callee=quiet(30, on_hold=True)), "hold",
                     "on hold by caller and callee: no packets from either side, as is usual then"),
    "lossy": (SessionView(age=60, caller=FINE, callee=leg(sent=1000, lost=52)), "poor",
              "5.2 % of callee's packets are lost on the way here"),
    "too few to tell": (SessionView(age=60, caller=FINE, callee=leg(sent=40, lost=10)), "ok", "audio goes both ways"),
    "more than was sent": (SessionView(age=60, caller=FINE, callee=leg(sent=1000, lost=-10)), "ok",
                           "audio goes both ways"),
    "uneven": (SessionView(age=60, caller=leg(jitter_average=73.4), callee=FINE), "poor",
               "caller's packets come unevenly: jitter 73 ms"),
    "cannot send": (SessionView(age=60, caller=FINE, callee=leg(send_errors=1234)), "faulty",
                    "1,234 packets to callee could not be sent: no route, or a firewall of this host"),
    "could not send at first": (SessionView(age=60, caller=FINE, callee=leg(send_errors=1)), "ok",
                                "1 packet to callee could not be sent: no route, or a firewall of this host"),
    "to itself": (SessionView(age=60, caller=FINE, callee=leg(reachable=False)), "faulty",
                  "packets to callee cannot be sent: 203.0.113.7:4000 is a port of this call itself, or of another "
                  "address family than ours"),
    "not known yet": (
        SessionView(age=2, caller=FINE, callee=silent(signalled=None, remote=None, reachable=False)), "ok",
        "nowhere to send to callee yet: no address was signalled, and none can be learned before its first packet"),
    "not RTP": (SessionView(age=60, caller=FINE, callee=leg(not_rtp=900)), "ok",
                "900 packets from callee not RTP: encrypted media, fax over UDP, or a wrong port"),
    "twice": (SessionView(age=60, caller=FINE, callee=leg(duplicates=500)), "ok", "500 packets from callee came twice"),
    "strangers": (
        SessionView(age=60, caller=FINE, callee=leg(ignored=400, refused=("192.0.2.9", 5004))), "ok",
        "packets for callee's stream from another address: 400 packets from elsewhere refused, the last one from "
        "192.0.2.9:5004: 203.0.113.7:4000 is expected"),
    "found behind NAT": (
        SessionView(age=60, caller=FINE, callee=leg(signalled=PRIVATE, learned=LEARNED, remote=LEARNED)), "ok",
        "callee was signalled 10.0.0.7:4000 (private) and found at 192.0.2.1:4000: behind NAT"),
    "found elsewhere": (SessionView(age=60, caller=FINE, callee=leg(learned=LEARNED, remote=LEARNED)), "ok",
                        "callee was signalled 203.0.113.7:4000 and found at 192.0.2.1:4000"),
    "a copy": (SessionView(age=60, is_fork=True, caller=silent(), callee=silent()), "ok",
               "receives a copy of another call"),
    "ended well": (SessionView(age=60, has_ended=True, caller=FINE, callee=leg(idle=1.0)), "ok",
                   "audio went both ways"),
    "ended one-way": (
        SessionView(age=60, has_ended=True, caller=FINE, callee=silent(host="0.0.0.0")), "one-way",
        "not one packet from callee in 60 s; was signalled 203.0.113.7:4000; it was told to send to port 35000: check "
        "the address in its session description, and firewalls"),
    "ended after a silence": (
        SessionView(age=60, has_ended=True, caller=FINE, callee=quiet(20)), "one-way",
        "no packets from callee in the last 20 s of the call; last address 203.0.113.7:4000"),
    "timed out": (SessionView(age=60, has_ended=True, timed_out=True, caller=quiet(60), callee=quiet(60)), "silent",
                  "no packets from either side at the end"),
    "never answered": (SessionView(age=60, has_ended=True, timed_out=True, complete=False), "setup",
                       "the call was never answered and timed out, after 60 s"),
    "given up": (SessionView(age=9, has_ended=True, complete=False), "setup",
                 "the call ended before it was answered, after 9 s"),
}


class Sentences(unittest.TestCase):
    maxDiff = None

    def test_table(self) -> None:
        for name, (view, state, text) in CASES.items():
            with self.subTest(name):
                findings = diagnose(view)
                self.assertEqual(findings[0].text, text)
                self.assertEqual(state_of(findings), state)

    def test_both_parties_are_named_when_both_are_silent(self) -> None:
        view = SessionView(age=60, caller=quiet(12), callee=quiet(9))
        self.assertEqual([each.party for each in diagnose(view)], [None, "caller", "callee"])

    def test_any_view_can_be_judged(self) -> None:
        """The worst comes first, whatever a session looks like."""
        source = random.Random(SEED)
        addresses = [None, PUBLIC, PRIVATE, LEARNED, V6, ("fe80::1%eth0", 9, 0, 2), ("host.example", 1)]

        def some_leg() -> LegView:
            flag = lambda: source.random() < 0.5  # noqa: E731
            number = lambda: source.choice((0, 1, 49, 1000, 10**7))  # noqa: E731
            remote = source.choice(addresses)
            return LegView(
                source.choice(("0.0.0.0", "::", "10.0.0.1", "198.51.100.1")), source.choice((0, 35000)), "",
                source.choice(addresses), source.choice(addresses), remote, source.choice(addresses[1:]), flag(),
                flag(), flag(), flag(), number() if remote else 0, number(), number(), number() if remote else 0,
                number(), source.choice((None, 0.0, 5.0, 1e6)), number(), number() - 5, number(), number(), None, None,
                source.choice((None, 0.0, 400.0)))

        for _ in range(3000):
            view = SessionView("c", "t", source.choice((0.0, 12.5, 1e6)), source.random() < 0.8, 5,
                               source.random() < 0.3, source.random() < 0.3, source.random() < 0.1, some_leg(),
                               some_leg())
            try:
                findings = diagnose(view)
            except Exception as error:
                self.fail(f"seed {SEED}: {view} raised {error!r}")
            levels = [LEVELS.index(each.level) for each in findings]
            self.assertEqual(levels, sorted(levels), f"seed {SEED}: {view}")
            self.assertIn(state_of(findings), STATES)
            self.assertTrue(findings[0].text)
            self.assertNotIn("None", " ".join(each.text for each in findings), f"seed {SEED}: {view}")


class Words(unittest.TestCase):
    def test_durations(self) -> None:
        for value, text in [(0.4, "0 s"), (59.9, "59 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"),
                            (7200, "2 h 0 min"), (100000, "27 h 46 min")]:
            self.assertEqual(seconds(value), text)

    def test_kinds_of_addresses(self) -> None:
        cases = {"10.1.2.3": "private", "172.16.0.1": "private", "172.32.0.1": "", "192.168.1.1": "private",
                 "100.64.0.1": "private", "100.128.0.1": "", "127.0.0.1": "loopback", "::1": "loopback",
                 "169.254.1.1": "link-local", "fe80::1%eth0": "link-local", "fd00::1": "private", "2001:db8::1": "",
                 "192.0.2.1": "", "host.example": "", "": ""}
        for host, kind in cases.items():
            self.assertEqual(kind_of(host), kind, host)


if __name__ == "__main__":
    unittest.main()
