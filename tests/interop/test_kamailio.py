"""Calls through Kamailio and the proxy, each step as SIP servers and phones do it in the field.

Both phones check that exactly the other's packets arrive, in order, from the address that the SDP named;
at the end of each call the proxy's counters must show every packet as relayed and no session left.
"""

from __future__ import annotations

import unittest
from contextlib import ExitStack

from tests.interop.rig.call import hang_up, renegotiate, set_up, talk
from tests.interop.rig.checks import check_all_relayed, check_no_session
from tests.interop.rig.kamailio import Kamailio
from tests.interop.rig.phone import Phone
from tests.interop.rig.proxy import Proxy
from tests.interop.rig.tools import wait_for


class KamailioTest(unittest.TestCase):
    """A proxy, a Kamailio and two phones for each test."""

    kind = "udp"

    def setUp(self) -> None:
        self.stack = ExitStack()
        self.addCleanup(self.stack.close)

    def start(self, *options: str, streams: int = 1, tries: int = 4) -> tuple[Proxy, Phone, Phone]:
        self.proxy = self.stack.enter_context(Proxy(*options, sockets=(self.kind,)))
        self.kamailio = self.stack.enter_context(Kamailio(self.proxy.spec(self.kind), tries=tries, disable=2))
        alice, bob = (self.phone(name, streams=streams) for name in ("alice", "bob"))
        return self.proxy, alice, bob

    def phone(self, name: str, host: str = "127.0.0.1", streams: int = 1) -> Phone:
        return self.stack.enter_context(Phone(name, self.kamailio.address(host), host, streams))

    def media_port_is_the_proxys(self, *phones: Phone) -> None:
        first, last = self.proxy.media_ports
        for phone in phones:
            for stream in phone.media:
                self.assertTrue(stream.target and first <= stream.target[1] <= last, stream.target)


class CallTest(KamailioTest):
    def test_call_with_media_both_ways(self) -> None:
        proxy, alice, bob = self.start()
        set_up(alice, bob)
        self.media_port_is_the_proxys(alice, bob)
        talk(alice, bob, 20)
        hang_up(alice, bob)
        self.assertEqual(self.kamailio.statistics(alice.call_id)[1:], [20, 20, 40, 0])
        check_no_session(proxy)
        check_all_relayed(proxy, alice, bob)
        counted = proxy.counters("nsess_created", "nsess_complete", "nsess_nortp", "nsess_owrtp", "ncmds_errs")
        self.assertEqual(list(counted.values()), [1, 1, 0, 0, 0])

    def test_callee_hangs_up(self) -> None:
        proxy, alice, bob = self.start()
        set_up(alice, bob)
        talk(alice, bob)
        hang_up(bob, alice)
        check_no_session(proxy)
        check_all_relayed(proxy, alice, bob)

    def test_two_media_streams(self) -> None:
        proxy, alice, bob = self.start(streams=2)
        set_up(alice, bob)
        self.media_port_is_the_proxys(alice, bob)
        self.assertEqual(proxy.sessions(), 2)
        talk(alice, bob)
        hang_up(alice, bob)
        check_no_session(proxy)
        check_all_relayed(proxy, alice, bob)

    def test_caller_moves_to_a_new_address(self) -> None:
        proxy, alice, bob = self.start()
        set_up(alice, bob)
        talk(alice, bob)
        targets = alice.media[0].target, bob.media[0].target
        alice.media[0].move()
        renegotiate(alice, bob)
        self.assertEqual((alice.media[0].target, bob.media[0].target), targets, "ports must not change")
        talk(bob, alice)  # the new address is used before it has sent anything
        hang_up(alice, bob)
        check_no_session(proxy)
        check_all_relayed(proxy, alice, bob)

    def test_callee_moves_to_a_new_address(self) -> None:
        proxy, alice, bob = self.start()
        set_up(alice, bob)
        talk(alice, bob)
        targets = alice.media[0].target, bob.media[0].target
        bob.media[0].move()
        renegotiate(bob, alice)
        self.assertEqual((alice.media[0].target, bob.media[0].target), targets, "ports must not change")
        talk(alice, bob)
        hang_up(bob, alice)
        check_no_session(proxy)
        check_all_relayed(proxy, alice, bob)

    def test_hold_and_resume(self) -> None:
        proxy, alice, bob = self.start()
        set_up(alice, bob, R)
        talk(alice, bob)
        renegotiate(alice, bob, hold=True, headers=R)
        self.assertIn("on hold", proxy.log_text())
        renegotiate(alice, bob, headers=R)
        talk(alice, bob)
        hang_up(alice, bob)
        check_no_session(proxy)
        check_all_relayed(proxy, alice, bob)

    def test_busy(self) -> None:
        proxy, alice, bob = self.start()
        alice.invite(bob.uri)
        bob.expect("INVITE")
        self.assertEqual(proxy.sessions(), 1)
        bob.respond(486)
        alice.acknowledge(alice.expect("486"))
        bob.expect("ACK")
        check_no_session(proxy)

    def test_cancel(self) -> None:
        proxy, alice, bob = self.start()
        alice.invite(bob.uri)
        invite = bob.expect("INVITE")
        bob.respond(180)
        alice.expect("180")
        alice.cancel()
        alice.expect("200")
        bob.expect("CANCEL")
        bob.respond(200)
        bob.pending = invite
        bob.respond(487)
        alice.acknowledge(alice.expect("487"))
        bob.expect("ACK")
        check_no_session(proxy)

    def test_many_calls_at_once(self) -> None:
        proxy, alice, bob = self.start()
        calls = [(alice, bob)] + [(self.phone("carol"), self.phone("dave")) for _ in range(11)]
        for caller, callee in calls:
            set_up(caller, callee)
        self.assertEqual(proxy.sessions(), 12)
        for caller, callee in calls:
            talk(caller, callee, 5)
        for caller, callee in calls:
            hang_up(caller, callee)
        check_no_session(proxy)
        check_all_relayed(proxy, *(phone for call in calls for phone in call))

    def test_garbage_after_the_repacketising_flag(self) -> None:
        """With flag z and two streams Kamailio 5.6 puts uninitialised memory into the second command."""
        proxy, alice, bob = self.start(streams=2)
        set_up(alice, bob, (("X-Flags", "rz20"),))
        log = proxy.log_text()
        self.assertRegex(log, r"(?m)received command .*UZ20")
        self.media_port_is_the_proxys_first_stream(alice, bob)
        for phone in (alice, bob):
            del phone.media[1:]
        talk(alice, bob)
        hang_up(alice, bob)
        check_no_session(proxy)

    def media_port_is_the_proxys_first_stream(self, *phones: Phone) -> None:
        first, last = self.proxy.media_ports
        for phone in phones:
            target = phone.media[0].target
            self.assertTrue(target and first <= target[1] <= last, target)

    def test_recording_and_prompt_commands(self) -> None:
        """Without a directory or a prompt: E replies, and the call goes on."""
        proxy, alice, bob = self.start()
        set_up(alice, bob, (("X-Rec", "1"), ("X-Play", "/nowhere/prompt"), ("X-Stop", "1")))
        talk(alice, bob)
        hang_up(alice, bob)
        check_no_session(proxy)
        check_all_relayed(proxy, alice, bob)
        self.assertEqual(proxy.command("V", self.kind), "20040107")

    def test_proxy_killed_and_restarted(self) -> None:
        proxy, alice, bob = self.start("-T", "5", tries=1)
        set_up(alice, bob)
        talk(alice, bob)
        proxy.kill()
        carol, dave = self.phone("carol"), self.phone("dave")
        set_up(carol, dave)
        self.assertIn(f"OFFER FAILED {carol.call_id}", self.kamailio.log_text())
        self.assertEqual(carol.media[0].target, ("127.0.0.1", dave.media[0].port), "SDP must pass unchanged")
        hang_up(carol, dave)
        proxy.start()
        self.back_in_service()
        hang_up(alice, bob)  # a call that the proxy has forgotten
        wait_for(lambda: proxy.sessions() == 0, "no session left", 8.0)  # also of calls that came too early

    def back_in_service(self) -> None:
        """Calls go through the proxy again, once Kamailio has asked it again."""

        def works() -> bool:
            erin, frank = self.phone("erin"), self.phone("frank")
            set_up(erin, frank)
            through = erin.media[0].target != ("127.0.0.1", frank.media[0].port)
            if through:
                talk(erin, frank)
            hang_up(erin, frank)
            return through

        wait_for(works, "calls through the restarted proxy", 8.0)


R = (("X-Flags", "r"),)  # take the address from the SDP, not from the SIP packet's source


class UnixSocketCallTest(CallTest):
    """The same calls, with the daemon behind a one-shot local socket."""

    kind = "unix"


class BridgeTest(KamailioTest):
    """Flag x: one party speaks IPv6, the other IPv4. IPv4 is the internal side."""

    def start_bridge(self) -> Proxy:
        listen = ("-l", "127.0.0.1", "-6", "/::1")
        self.proxy = self.stack.enter_context(Proxy(listen=listen))
        self.kamailio = self.stack.enter_context(Kamailio(self.proxy.spec(), hosts=("127.0.0.1", "::1")))
        return self.proxy

    def test_ipv6_caller_to_ipv4_callee(self) -> None:
        self.check_call("::1", "127.0.0.1")

    def test_ipv4_caller_to_ipv6_callee(self) -> None:
        self.check_call("127.0.0.1", "::1")

    def check_call(self, caller_host: str, callee_host: str) -> None:
        proxy = self.start_bridge()
        alice, bob = self.phone("alice", caller_host), self.phone("bob", callee_host)
        set_up(alice, bob, (("X-Flags", "rx"),))
        self.media_port_is_the_proxys(alice, bob)
        hosts = [phone.media[0].target[0] for phone in (alice, bob) if phone.media[0].target]
        self.assertEqual(hosts, [caller_host, callee_host])
        talk(alice, bob)
        hang_up(alice, bob)
        check_no_session(proxy)
        check_all_relayed(proxy, alice, bob)
