from __future__ import annotations
import unittest
from tests.interop.rig.call import hang_up, set_up, talk
from tests.interop.rig.kamailio import Kamailio
from tests.interop.rig.phone import Phone
from tests.interop.rig.proxy import Proxy


class TryTest(unittest.TestCase):
    def test_basic(self) -> None:
        with Proxy() as proxy, Kamailio(proxy.spec()) as kamailio:
            with Phone("alice", kamailio.address()) as a, Phone("bob", kamailio.address()) as b:
                set_up(a, b)
                talk(a, b)
                print(a.media[0].target, b.media[0].target, proxy.command("G npkts_rcvd npkts_relayed"))
                hang_up(a, b)
                print(kamailio.statistics(a.call_id))
