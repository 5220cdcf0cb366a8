"""Two proxies behind one Kamailio set; one dies in the middle of the traffic.

Kamailio spreads calls over the set by call-id. After the death the other proxy's calls must not lose a
packet, new calls must all go to it, and the dead one is used again when it is back.
"""

from __future__ import annotations

import time
import unittest
from contextlib import ExitStack
from typing import Optional

from tests.interop.rig.call import hang_up, set_up, talk
from tests.interop.rig.checks import check_no_session
from tests.interop.rig.kamailio import Kamailio
from tests.interop.rig.phone import Phone
from tests.interop.rig.proxy import Proxy

Pair = tuple[Phone, Phone]
DISABLE = 2  # seconds that Kamailio leaves a dead proxy alone


class FailoverTest(unittest.TestCase):
    def setUp(self) -> None:
        self.stack = ExitStack()
        self.addCleanup(self.stack.close)
        self.proxies = [self.stack.enter_context(Proxy()) for _ in range(2)]
        specs = [proxy.spec() for proxy in self.proxies]
        self.kamailio = self.stack.enter_context(Kamailio(*specs, tries=2, disable=DISABLE))

    def call(self) -> Pair:
        phones = [self.stack.enter_context(Phone(name, self.kamailio.address())) for name in ("alice", "bob")]
        set_up(phones[0], phones[1])
        return phones[0], phones[1]

    def proxy_of(self, call: Pair) -> Optional[Proxy]:
        """The proxy whose port the call's media go to."""
        target = call[0].media[0].target
        assert target
        for proxy in self.proxies:
            if proxy.media_ports[0] <= target[1] <= proxy.media_ports[1]:
                return proxy
        return None

    def test_one_of_two_dies(self) -> None:
        calls = [self.call() for _ in range(8)]
        while {self.proxy_of(call) for call in calls} != set(self.proxies):
            self.assertLess(len(calls), 60, "every call went to the same proxy")
            calls.append(self.call())
        for call in calls:
            talk(*call, 3)
        victim, survivor = self.proxies
        survivors = [call for call in calls if self.proxy_of(call) is survivor]
        relayed = survivor.counters("npkts_relayed")["npkts_relayed"]

        for phone in (phone for call in calls for phone in call):
            phone.media[0].send(2, pause=0)
        victim.kill()
        for call in survivors:
            for phone in call:
                phone.media[0].receive(2)
            talk(*call, 10)
        sent = len(survivors) * (2 * 2 + 2 * 10 + 2)
        self.assertEqual(survivor.counters("npkts_relayed")["npkts_relayed"] - relayed, sent)

        for _ in range(8):
            new = self.call()
            self.assertIs(self.proxy_of(new), survivor)
            talk(*new, 5)
            calls.append(new)

        for call in calls:  # while it is dead: later Kamailio would tell it of calls that it never had
            hang_up(*call)
        check_no_session(survivor)

        victim.start()
        time.sleep(DISABLE + 0.2)
        calls = [self.call()]
        while self.proxy_of(calls[-1]) is not victim:
            self.assertLess(len(calls), 60, "no call goes through the restarted proxy")
            calls.append(self.call())
        for call in calls:
            talk(*call, 3)
            hang_up(*call)
        check_no_session(victim)
        check_no_session(survivor)
