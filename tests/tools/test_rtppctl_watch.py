"""`rtppctl watch` on a terminal."""

from __future__ import annotations

import os
import signal

from tests.daemon.program import Lines, ProgramCase
from tests.tools.calling import Terminal


class Watch(ProgramCase):
    def setUp(self) -> None:
        self.proxy = self.program("-l 127.0.0.1 -s cunix:{dir}/s -d CRIT")
        self.socket = f"{self.proxy.directory}/s"

    def terminal(self, *words: str, columns: int = 80, rows: int = 24) -> Terminal:
        terminal = Terminal(["-s", self.socket, "watch", *words], columns, rows)
        self.addCleanup(terminal.close)
        return terminal

    def test_shows_and_refreshes(self) -> None:
        terminal = self.terminal("-n", "0.1")
        terminal.wait_for(r"(?m)^0 sessions, 0 streams")
        client = Lines(self.socket)
        self.addCleanup(client.close)
        client.ask("U call 127.0.0.1 4 alice")
        lines = terminal.wait_for(r"(?m)^1 sessions, 2 streams")
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertLessEqual(len(lines), 24)
        self.assertNotIn("\x1b[2J", terminal.read())  # nothing is cleared before it is drawn: no flicker
        terminal.press("q")
        self.assertEqual(terminal.process.wait(10), 0)
        self.assertTrue(terminal.restored())
        self.assertTrue(terminal.read().endswith("\x1b[?25h\x1b[?1049l"), terminal.read()[-50:])

    def test_resize(self) -> None:
        terminal = self.terminal("-n", "600")
        terminal.wait_for("TOTAL")
        count = len(terminal.pictures())
        terminal.resize(40, 5)
        lines = terminal.wait_for("sessions", count)
        self.assertLessEqual(max(map(len, lines)), 40)
        self.assertEqual(len(lines), 5)
        terminal.press("q")
        self.assertEqual(terminal.process.wait(10), 0)

    def test_the_proxy_goes_away(self) -> None:
        terminal = self.terminal("-n", "0.1")
        terminal.wait_for("0 sessions")
        self.proxy.stop()
        self.assertTrue(any(line.startswith("! no control socket") for line in terminal.wait_for("(?m)^! no control")))
        terminal.process.send_signal(signal.SIGTERM)
        self.assertEqual(terminal.process.wait(10), 128 + signal.SIGTERM)
        self.assertTrue(terminal.restored())

    def test_ctrl_c(self) -> None:
        terminal = self.terminal()
        terminal.wait_for("sessions")
        terminal.process.send_signal(signal.SIGINT)
        self.assertEqual(terminal.process.wait(10), 130)
        self.assertTrue(terminal.restored())
        self.assertNotIn("Traceback", terminal.read())
        self.assertFalse(os.path.exists("core"))
