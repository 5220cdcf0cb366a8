"""Signals sent to a real process that does nothing but wait for requests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from rtpp.signals import ABORT_SIGNALS, END_SIGNALS

PROGRAM = """
import sys, threading
from rtpp import log
from rtpp.signals import Request, SignalWatch

watch = SignalWatch()
watch.start()
log.start("DBUG", to_stderr=True, facility=None)
threading.Thread(target=threading.Event().wait, daemon=True).start()
if "self" in sys.argv:
    watch.request(Request.DRAIN)
print("up", flush=True)
while True:
    request = watch.wait()
    print(request.value, flush=True)
    if request is Request.END and "hang" in sys.argv:
        threading.Event().wait()
    if request is Request.END:
        break
"""


class SignalsOfAProcess(unittest.TestCase):
    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(self.stop, process)
        assert process.stdout is not None
        self.assertEqual(process.stdout.readline(), "up\n")
        return process

    def stop(self, process: subprocess.Popen[str]) -> None:
        if process.poll() is None:
            process.kill()
        process.communicate()

    def read(self, process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    def test_each_ending_signal_makes_one_request(self) -> None:
        for name in END_SIGNALS:
            with self.subTest(name):
                process = self.start()
                process.send_signal(signal.Signals[f"SIG{name}"])
                self.assertEqual(self.read(process), "end")
                self.assertEqual(process.wait(5), 0)

    def test_each_aborting_signal_is_logged_and_sets_the_exit_status(self) -> None:
        for name in ABORT_SIGNALS:
            with self.subTest(name):
                process = self.start()
                number = signal.Signals[f"SIG{name}"]
                process.send_signal(number)
                _, log = process.communicate(timeout=5)
                self.assertEqual(process.returncode, 128 + number)
                self.assertIn("CRIT:GLOBAL:_abort:", log)
                self.assertIn(f"SIG{name} received", log)

    def test_drain_then_end(self) -> None:
        process = self.start()
        for _ in range(3):
            process.send_signal(signal.SIGHUP)
        self.assertEqual(self.read(process), "drain")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.read(process), "end")  # the further HUPs asked for nothing new
        self.assertEqual(process.wait(5), 0)

    def test_second_end_while_the_shutdown_hangs(self) -> None:
        for name in ("TERM", "INT"):
            with self.subTest(name):
                process = self.start("hang")
                process.send_signal(signal.SIGTERM)
                self.assertEqual(self.read(process), "end")
                process.send_signal(signal.Signals[f"SIG{name}"])
                self.assertEqual(process.wait(5), 128 + signal.Signals[f"SIG{name}"])

    def test_broken_pipe_is_ignored_and_other_signals_keep_their_default(self) -> None:
        process = self.start()
        process.send_signal(signal.SIGPIPE)
        process.send_signal(signal.SIGWINCH)
        time.sleep(0.05)
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGALRM)
        self.assertEqual(process.wait(5), -signal.SIGALRM)

    def test_request_from_the_program_itself(self) -> None:
        process = self.start("self")
        self.assertEqual(self.read(process), "drain")

    def test_reaction_takes_milliseconds(self) -> None:
        process = self.start()
        begin = time.monotonic()
        os.kill(process.pid, signal.SIGHUP)
        self.assertEqual(self.read(process), "drain")
        self.assertLess(time.monotonic() - begin, 0.5)  # typically 1 ms; the machine may be busy

    def test_a_genuine_fault_ends_the_process(self) -> None:
        program = PROGRAM.replace("while True:", "import ctypes\nctypes.string_at(0)\nwhile True:")
        command = [sys.executable, "-c", program]
        process = subprocess.run(command, capture_output=True, timeout=20, check=False)
        self.assertIn(process.returncode, (-signal.SIGSEGV, -signal.SIGBUS))


class DrainOfTheProxy(unittest.TestCase):
    def test_end_while_draining_is_a_first_request_to_end(self) -> None:
        """The last session ends because of TERM: that must not count as another TERM."""
        with tempfile.TemporaryDirectory() as directory:
            path, pid_file = os.path.join(directory, "control"), os.path.join(directory, "pid")
            process = subprocess.Popen(
                [sys.executable, "rtpproxy.py", "-f", "-F", "-d", "crit", "-p", pid_file,
                 "-l", "127.0.0.1", "-s", f"cunix:{path}"]
            )
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            deadline = time.monotonic() + 10
            while not os.path.exists(pid_file) and time.monotonic() < deadline:
                time.sleep(0.01)
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(10)
                client.connect(path)
                client.sendall(b"U call 127.0.0.1 4000 tag\n")
                self.assertRegex(client.recv(100), rb"^[1-9]\d* 127\.0\.0\.1\n$")
                process.send_signal(signal.SIGHUP)
                reply, number = b"", 0
                while reply != b"E99\n" and time.monotonic() < deadline:
                    client.sendall(b"U other%d 127.0.0.1 4000 tag\n" % number)
                    reply, number = client.recv(100), number + 1
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(10), 0)
            self.assertEqual(os.listdir(directory), [])


if __name__ == "__main__":
    unittest.main()
