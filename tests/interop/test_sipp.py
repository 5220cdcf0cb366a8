"""SIPp as both phones, with real RTP both ways, through Kamailio and the proxy.

SIPp sends a known number of packets; the proxy must have relayed each of them and hold no session.
"""

from __future__ import annotations

import unittest

from tests.interop.rig.checks import check_no_session
from tests.interop.rig.kamailio import Kamailio
from tests.interop.rig.proxy import Proxy
from tests.interop.rig.sipp import SippPair


class SippTest(unittest.TestCase):
    kind = "udp"

    def check_calls(self, caller: str, callee: str, packets: int, calls: int = 1, host: str = "127.0.0.1") -> None:
        """Make calls in which each side sends `packets`; check what the proxy counted."""
        listen = ("-6", "::1") if host == "::1" else ("-l", host)
        with Proxy(sockets=(self.kind,), listen=listen) as proxy:
            with Kamailio(proxy.spec(self.kind), hosts=(host,)) as kamailio:
                SippPair(caller, callee, kamailio.address(), packets).run(calls)
                plays = 2 if caller == "holding_caller" else 1 if callee == "callee" else 0
                expected = 2 * calls * packets * plays
                check_no_session(proxy)
            counted = proxy.counters("nsess_created", "npkts_rcvd", "npkts_relayed", "npkts_discard")
            self.assertEqual(list(counted.values()), [calls, expected, expected, 0])

    def test_call(self) -> None:
        self.check_calls("caller", "callee", packets=50)

    def test_hold_and_resume(self) -> None:
        self.check_calls("holding_caller", "held_callee", packets=20)

    def test_cancel(self) -> None:
        self.check_calls("cancelling_caller", "cancelled_callee", packets=0)

    def test_busy(self) -> None:
        self.check_calls("refused_caller", "busy_callee", packets=0)

    def test_thirty_calls_ten_a_second(self) -> None:
        self.check_calls("caller", "callee", packets=50, calls=30)

    def test_ipv6_call(self) -> None:
        self.check_calls("caller", "callee", packets=25, host="::1")


class UnixSocketSippTest(SippTest):
    kind = "unix"
