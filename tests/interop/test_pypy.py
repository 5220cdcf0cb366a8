"""The program on PyPy: a call with media, its figures, and a module."""

from __future__ import annotations

import unittest
from contextlib import ExitStack

from tests.interop.rig.media import Media
from tests.interop.rig.proxy import Proxy
from tests.interop.rig.tools import ROOT, program


class PypyTest(unittest.TestCase):
    def test_call(self) -> None:
        with ExitStack() as stack:
            command_line = [program("pypy3"), str(ROOT / "rtpproxy.py")]
            proxy = stack.enter_context(Proxy("--dso", "catch_dtmf", "--fastpath", "off", command_line=command_line))
            caller, callee = Media("caller"), Media("callee")
            for phone in (caller, callee):
                stack.callback(phone.close)
            offer = proxy.command(f"U c 127.0.0.1 {caller.port} f")
            answer = proxy.command(f"L c 127.0.0.1 {callee.port} f t")
            callee.target, caller.target = (("127.0.0.1", int(reply.split()[0])) for reply in (offer, answer))
            for sender, receiver in ((caller, callee), (callee, caller)):
                sent = sender.send(150)
                self.assertEqual(receiver.receive(150), sent)
                report = sender.send_report()
                self.assertEqual(receiver.receive_report(), report)
            self.assertEqual(proxy.command("Q c f t npkts_ina npkts_ino rtpa_nrcvd rtpa_nlost && M3:1 x"),
                             "150 150 150 0 && -1")
            self.assertEqual(proxy.command("D c f t"), "0")
