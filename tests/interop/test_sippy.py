"""Sippy's B2BUA and its client classes: a user agent on each side, updates by U only, notifications.

The B2BUA asks to be told of dead calls on its own command socket; when the phones vanish it must hang up
both sides.
"""

from __future__ import annotations

import subprocess
import tempfile
import unittest
from contextlib import ExitStack

from tests.interop.rig.b2bua import B2bua
from tests.interop.rig.call import hang_up, renegotiate, set_up, talk
from tests.interop.rig.checks import check_all_relayed, check_no_session
from tests.interop.rig.phone import Phone
from tests.interop.rig.proxy import Proxy
from tests.interop.rig.tools import ROOT, program, wait_for

NOWHERE = ("127.0.0.1", 9)  # the callee answers whoever calls


class B2buaTest(unittest.TestCase):
    kind = "udp"

    def setUp(self) -> None:
        self.stack = ExitStack()
        self.addCleanup(self.stack.close)

    def start(self, *options: str, streams: int = 1, connections: int = 0) -> tuple[Proxy, Phone, Phone]:
        """The proxy, a B2BUA that it may notify, and two phones with a call between them."""
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.command_socket = f"{folder}/b2bua.sock"
        proxy = Proxy("-n", self.command_socket, *options, sockets=(self.kind,), connections=connections)
        self.stack.enter_context(proxy)
        bob = self.stack.enter_context(Phone("bob", NOWHERE, streams=streams))
        callee = f"bob@127.0.0.1:{bob.port}"
        b2bua = self.stack.enter_context(B2bua(proxy.spec(self.kind), callee, self.command_socket))
        wait_for(lambda: "'Ib'" in proxy.log_text(), "the B2BUA's heartbeat")
        alice = self.stack.enter_context(Phone("alice", b2bua.address(), streams=streams))
        set_up(alice, bob, uri=f"sip:{callee}")
        return proxy, alice, bob

    def test_call(self) -> None:
        proxy, alice, bob = self.start()
        talk(alice, bob, 20)
        hang_up(alice, bob)
        check_no_session(proxy)
        check_all_relayed(proxy, alice, bob)

    def test_two_streams_and_callee_hangs_up(self) -> None:
        proxy, alice, bob = self.start(streams=2)
        self.assertEqual(proxy.sessions(), 2)
        talk(alice, bob)
        hang_up(bob, alice)
        check_no_session(proxy)
        check_all_relayed(proxy, alice, bob)

    def test_caller_moves_to_a_new_address(self) -> None:
        proxy, alice, bob = self.start()
        talk(alice, bob)
        alice.media[0].move()
        renegotiate(alice, bob)
        talk(bob, alice)
        hang_up(alice, bob)
        check_no_session(proxy)
        check_all_relayed(proxy, alice, bob)

    def test_phones_vanish(self) -> None:
        """No media for the TTL: the notification makes the B2BUA send BYE to both."""
        proxy, alice, bob = self.start("-T", "2", connections=1)
        talk(alice, bob)
        for phone in (alice, bob):
            phone.expect("BYE")
            phone.respond(200)
        check_no_session(proxy)
        self.assertEqual(proxy.counters("nsess_timeout"), {"nsess_timeout": 1})

    def test_phones_of_two_streams_vanish(self) -> None:
        proxy, alice, bob = self.start("-T", "2", streams=2, connections=1)
        for phone in (alice, bob):
            phone.expect("BYE")
            phone.respond(200)
        check_no_session(proxy)


class ConnectedSocketB2buaTest(B2buaTest):
    kind = "cunix"


class ClientClassesTest(unittest.TestCase):
    """Sippy's own client over every transport: version, capabilities, heartbeat, a session's life."""

    def test_every_transport(self) -> None:
        for kind in ("udp", "udp6", "tcp", "tcp6", "unix", "cunix"):
            with self.subTest(kind=kind), Proxy(sockets=(kind,)) as proxy:
                self.assertRegex(self.converse(proxy.spec(kind)), CONVERSATION)
                check_no_session(proxy)

    def converse(self, spec: str) -> str:
        script = [program("python"), str(ROOT / "tests/interop/rig/sippy_conversation.py"), spec]
        done = subprocess.run(script, capture_output=True, text=True, timeout=30, cwd=ROOT)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        return done.stdout


CONVERSATION = r"""\Aonline True copy True stat True
callee c=IN IP4 127.0.0.1 \| m=audio PORT RTP/AVP 0 8 101 \| m=video PORT RTP/AVP 96
caller c=IN IP4 127.0.0.1 \| m=audio PORT RTP/AVP 0 8 101 \| m=video PORT RTP/AVP 96
stats \((60|59), 0, 0, 0, 0\)
created 2 active 0
\Z"""
