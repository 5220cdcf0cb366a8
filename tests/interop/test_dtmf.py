"""Digits that SIPp dials in a call through Kamailio reach the SIP server's notification socket, by `catch_dtmf`.

Kamailio itself does not ask for digits. So a second controller does, the way OpenSIPS would: with the command that set
up the session, said again with a notification target and the module's sub-command.
"""

from __future__ import annotations

import re
import socket
import tempfile

from rtpp.rtp.packet import RtpPacket
from tests.interop.rig.checks import check_no_session
from tests.interop.rig.kamailio import Kamailio
from tests.interop.rig.phone import Phone
from tests.interop.rig.proxy import Proxy
from tests.interop.rig.sipp import SippDialler
from tests.interop.test_kamailio import KamailioTest

DIGITS = "1590*#AD"


class DigitsTest(KamailioTest):
    def setUp(self) -> None:
        super().setUp()
        self.path = f"{self.stack.enter_context(tempfile.TemporaryDirectory())}/notify"
        self.listener = self.stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        self.listener.bind(self.path)
        self.listener.listen()
        self.listener.settimeout(10.0)

    def lines(self, count: int) -> list[str]:
        connection, _ = self.listener.accept()
        with connection, connection.makefile("r", encoding="latin-1") as stream:
            connection.settimeout(10.0)
            return [stream.readline() for _ in range(count)]

    def ask_for_digits(self, arguments: str) -> None:
        found = re.search(r"received command '(U[^']+)'", self.proxy.log_text())
        assert found is not None
        reply = self.proxy.command(f"{found[1]} unix:{self.path} session && M3:1 {arguments}", "cunix")
        self.assertRegex(reply, r"\A\d+ 127\.0\.0\.1\Z")

    def check_call(self, mode: str, expected_events: int) -> None:
        """SIPp calls our phone; before that answers, digits of the caller are asked for."""
        options = ("-n", f"unix:{self.path}", "--dso", "catch_dtmf")
        self.proxy = self.stack.enter_context(Proxy(*options, sockets=("udp", "cunix"), connections=1))
        self.kamailio = self.stack.enter_context(Kamailio(self.proxy.spec("udp")))
        bob: Phone = self.phone("bob")
        sipp = self.stack.enter_context(SippDialler(self.kamailio.address(), (bob.host, bob.port), DIGITS))
        bob.expect("INVITE")
        self.ask_for_digits(f"digits%20of%20alice {sipp.payload_type}{mode}")
        bob.respond(200, bob.sdp())
        bob.expect("ACK")
        self.assertEqual(self.lines(len(DIGITS)),
                         [f"digits of alice {digit} {sipp.volume} {sipp.duration} 0\n" for digit in DIGITS])
        bob.expect("BYE")
        bob.respond(200)
        sipp.finish()
        check_no_session(self.proxy)
        received, relayed, discarded = self.proxy.counters("npkts_rcvd", "npkts_relayed", "npkts_discard").values()
        self.assertEqual(received, relayed + discarded)
        packets = [RtpPacket.parse(data) for data in bob.media[0].receive(int(relayed))]
        self.assertTrue(bob.media[0].is_silent())
        events = {packet.timestamp for packet in packets if packet.payload_type == sipp.payload_type}
        self.assertEqual(len(events), expected_events)

    def test_digits_are_reported_and_relayed(self) -> None:
        self.check_call("", len(DIGITS))

    def test_digits_are_reported_and_swallowed(self) -> None:
        self.check_call(" h", 0)
