"""Overload: more packets than the proxy can keep up with. New sessions are refused, calls that stand go on, and when
the flood is over new sessions are taken again.
"""

from __future__ import annotations

import subprocess
import sys
import unittest
from contextlib import ExitStack

from tests.interop.rig.media import Media
from tests.interop.rig.proxy import Proxy
from tests.interop.rig.tools import ROOT, wait_for

STREAMS = 40
RATE = 1_000_000  # packets a second, so as many as can be sent; each is cut in two, which costs far more than relaying
LONGEST = 60.0  # seconds; the load is an average over some seconds, so it takes a while to rise
ADDRESS = r"\A\d+ 127\.0\.0\.1\Z"


class OverloadTest(unittest.TestCase):
    def setUp(self) -> None:
        stack = ExitStack()
        self.addCleanup(stack.close)
        self.proxy = stack.enter_context(Proxy("--overload_prot", "-d", "WARN", sockets=("cunix",)))
        self.sender, self.sink = Media("sender"), Media("sink")
        stack.callback(self.sender.close)
        stack.callback(self.sink.close)
        self.addCleanup(self.proxy.command, "X")
        self.ports = [self.make_call(f"c{number}") for number in range(STREAMS)]

    def make_call(self, call: str) -> str:
        self.proxy.command(f"Uz10 {call} 127.0.0.1 {self.sender.port} f")
        return self.proxy.command(f"L {call} 127.0.0.1 {self.sink.port} f t").split()[0]

    def refuses(self) -> bool:
        """Whether a new session is refused; one that is not is ended at once."""
        reply = self.proxy.command("U new 127.0.0.1 4000 f")
        if reply == "E98":
            return True
        self.assertRegex(reply, ADDRESS)
        self.proxy.command("D new f")
        return False

    def load(self) -> float:
        return float(self.proxy.command("Il").rpartition("average load: ")[2])

    def test_new_sessions_are_refused_while_it_lasts(self) -> None:
        self.proxy.command("U half 127.0.0.1 4000 f")
        self.assertFalse(self.refuses())
        sender = self.sender.rtp_socket
        command = [sys.executable, "-m", "tests.interop.rig.flood", "send", str(sender.fileno()), str(RATE),
                   "127.0.0.1", *self.ports]
        with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[sender.fileno()], cwd=ROOT) as flood:
            try:
                wait_for(self.refuses, "overload", LONGEST)
                self.assertGreater(self.load(), 0.85)
                self.assertRegex(self.proxy.command(f"U c0 127.0.0.1 {self.sender.port} f t"), ADDRESS)
                self.assertRegex(self.proxy.command("L half 127.0.0.1 5000 f t"), ADDRESS)
                self.assertIsNone(flood.poll(), "it is still going on")
            finally:
                flood.kill()
        wait_for(lambda: not self.refuses(), "the end of it", 30.0)
        self.assertLessEqual(self.load(), 0.85)
        said = [line for line in self.proxy.log_text().splitlines() if ": overloaded" in line]
        self.assertEqual(len(said), 2, said)
