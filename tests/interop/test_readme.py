"""README as a newcomer follows it: its commands as they are written there, on a host of their own."""

from __future__ import annotations

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from tests.daemon.program import PATIENCE
from tests.docs.commands import commands, transcript
from tests.interop.rig.namespaces import Hosts
from tests.interop.rig.packages import copy_sources, run
from tests.interop.rig.tools import program, stop, wait_for

SMALL_BENCH = "calls --quick --standing 0 --cycles 20"  # all of it takes a quarter of an hour


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
