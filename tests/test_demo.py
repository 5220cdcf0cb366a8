"""`make demo` tells a story that is true."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
import wave
from array import array
from pathlib import Path

from tests.daemon.program import ENVIRONMENT, PATIENCE, ROOT, wait_until


def crossings(samples: array[int]) -> int:
    """How often a signal rises through zero: its frequency times its duration."""
    return sum(before < 0 <= after for before, after in zip(samples, samples[1:]))


class Demo(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.output = open(self.directory / "output", "w+")
        self.addCleanup(self.output.close)

    def demo(self, *options: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "demo", *options, str(self.directory)], cwd=ROOT, env=ENVIRONMENT,
            stdout=self.output, stderr=subprocess.STDOUT)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def told(self) -> str:
        return (self.directory / "output").read_text()

    def test_whole_story(self) -> None:
        self.assertEqual(self.demo().wait(6 * PATIENCE), 0, self.told())
        story = self.told()
        for wanted in (r"status page: http://127\.0\.0\.1:\d+/", "Alice heard 0 packets",
                       "Now Alice hears Bob", "packets of it, instead of Bob's",
                       r"> Q demo-call alice bob\n      < \d+ \d\d", r"call\.wav: \d\.\d s, 2 channels"):
            self.assertRegex(story, wanted)
        log = (self.directory / "rtpproxy.log").read_text()
        self.assertRegex(log, r"INFO:demo-call:\w+:\d+: caller's address filled in: 127\.0\.0\.11:\d+ \(RTP\)")
        self.assertNotIn("Traceback", log + story)
        with wave.open(str(self.directory / "call.wav")) as audio:
            both = array("h", audio.readframes(audio.getnframes()))
        callee, caller = both[::2], both[1::2]
        talk = slice(len(caller) // 2, len(caller) // 2 + 4000)  # half a second in which both talk
        self.assertAlmostEqual(crossings(caller[talk]), 200, delta=50)
        self.assertAlmostEqual(crossings(callee[talk]), 325, delta=50)

    def test_goes_on_until_told(self) -> None:
        process = self.demo("--keep")
        wait_until(lambda: "The call goes on" in self.told() or process.poll() is not None, self.told, 4 * PATIENCE)
        found = re.search(r"rtppctl -s (\S+) watch", self.told())
        assert found is not None, self.told()
        ping = [sys.executable, "-m", "rtpp.tools.rtppctl", "-s", found[1], "session", "demo-call", "alice"]
        shown = subprocess.run(ping, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True).stdout
        self.assertRegex(shown, r"(?m)^packets received +\d+ +\d+$")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(3 * PATIENCE), 0, self.told())
        self.assertTrue(os.path.exists(self.directory / "call.wav"))


if __name__ == "__main__":
    unittest.main()
