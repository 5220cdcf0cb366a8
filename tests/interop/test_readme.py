"""README as a newcomer follows it: its commands as they are written there, on a host of their own."""

from __future__ import annotations

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from tests.daemon.program import PATIENCE
from tests.docs.commands import commands, transcript
from tests.interop.rig.call import hang_up, set_up, talk
from tests.interop.rig.checks import check_all_relayed, check_no_session
from tests.interop.rig.kamailio import Kamailio
from tests.interop.rig.namespaces import Hosts
from tests.interop.rig.packages import copy_sources, run
from tests.interop.rig.phone import Phone
from tests.interop.rig.proxy import Proxy
from tests.interop.rig.tools import ROOT, program, stop, wait_for

SMALL_BENCH = "calls --quick --standing 0 --cycles 20"  # all of it takes a quarter of an hour


class ReadmeKamailio(Kamailio):
    """With the configuration that README gives, and around it what it calls usual."""

    def _config(self) -> str:
        frame = super()._config().partition("request_route")[0]
        frame = "\n".join(line for line in frame.splitlines() if '"rtpproxy.so"' not in line and '_sock"' not in line)
        text = Path(ROOT, "README").read_text("utf-8").replace("udp:127.0.0.1:22222", self.proxies[0])
        shown, = re.findall(r"^\*\*Kamailio\*\*\n\n```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        loads, _, routes = shown.partition("request_route")
        usual = "if (has_totag()) loose_route(); else record_route();\n    t_relay();"
        assert routes.count("# ...") == 1
        return re.sub("# [.]{3}.*", usual, f"{_before_parameters(frame, loads)}\nrequest_route{routes}")


def _before_parameters(frame: str, loads: str) -> str:
    """Modules are loaded before the first parameter is set."""
    first = frame.index("modparam")
    return frame[:first] + loads + frame[first:]


class WithKamailio(unittest.TestCase):
    def test_call(self) -> None:
        with Proxy(sockets=("udp",)) as proxy, ReadmeKamailio(proxy.spec("udp")) as kamailio, \
                Phone("alice", kamailio.address(), "127.0.0.1", 1) as alice, \
                Phone("bob", kamailio.address(), "127.0.0.1", 1) as bob:
            set_up(alice, bob)
            talk(alice, bob)
            hang_up(alice, bob)
            check_no_session(proxy)
            check_all_relayed(proxy, alice, bob)


class Readme(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="rtpproxy-readme-")
        self.addCleanup(directory.cleanup)
        self.sources = copy_sources(Path(directory.name, "rtpproxy"))

    def test_first_screen(self) -> None:
        """The demo, a proxy, a look at it, and a call by hand."""
        demo, serve, look, netcat = [command for command in commands() if command.document == "README"][:4]
        with Hosts() as hosts:
            def here(words: list[str]) -> list[str]:
                return hosts.command(hosts.proxy, *words)

            self.assertIn("2 channels, one for each party", run(*here(demo.words), cwd=self.sources))
            proxy = subprocess.Popen(here(serve.words), cwd=self.sources, stdin=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            self.addCleanup(stop, proxy)
            wait_for(lambda: subprocess.run(here(look.words), cwd=self.sources, capture_output=True).returncode == 0,
                     "rtppctl gets an answer", PATIENCE)
            self.assertRegex(run(*here(look.words), cwd=self.sources), r"(?m)^active sessions +0$")
            self.assertEqual(netcat.program, "nc")
            program("nc")
            with subprocess.Popen(here(netcat.words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                  bufsize=1) as terminal:
                assert terminal.stdin is not None
                assert terminal.stdout is not None
                for typed, reply in transcript("nc"):
                    terminal.stdin.write(f"{typed}\n")
                    self.assertRegex(terminal.stdout.readline(),  # ports are others each time
                                     rf"\A{re.sub(r'[0-9]{5}', '[0-9]+', re.escape(reply))}\n\Z")
                terminal.terminate()
            self.assertEqual(stop(proxy), 0)

    def test_bench(self) -> None:
        self.assertIn("start-up ms", run("make", "bench", f"BENCH={SMALL_BENCH}", cwd=self.sources))


if __name__ == "__main__":
    unittest.main()
