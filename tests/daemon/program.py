"""The whole program as a child process, with clients for its control sockets.

Each program has a directory of its own for its pid file, local sockets and log, and a free range of ports.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Sequence
from typing import Any, Callable, Optional, Union

from tests.ports import free_ports

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(ROOT, os.environ.get("RTPPROXY_PROGRAM", "rtpproxy.py"))
EVERYWHERE = os.environ.get("RTPPROXY_OPTIONS", "").split()  # options of all programs of a run
PATIENCE = 10.0  # seconds after which a test fails rather than waits; the machine may be busy
HAS_PROC = os.path.isdir("/proc/self/task")
_cookies = itertools.count(1)
_byte_code = tempfile.TemporaryDirectory(prefix="rtpproxy-test-")  # compile once, not in each program
ENVIRONMENT = {name: value for name, value in os.environ.items()
               if name not in ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")}
ENVIRONMENT["PYTHONPYCACHEPREFIX"] = _byte_code.name


def wait_until(condition: Callable[[], Any], what: Union[str, Callable[[], str]], seconds: float = PATIENCE) -> None:
    """Poll until the condition is true; fails after a while, and says `what` did not come true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain: {what() if callable(what) else what}")
        time.sleep(0.005)


class Program:
    """One rtpproxy. `options` may contain `{dir}`, the program's own directory.

    Starts at once and waits until it serves, unless `wait` is false. Call `close()` at the end in any case.
    """

    def __init__(self, options: str, *, pairs: int = 50, wait: bool = True, foreground: bool = True,
                 pid_file: str = "{dir}/pid", **popen: Any) -> None:
        self.directory = tempfile.mkdtemp(prefix="rtpproxy-test-")
        os.chmod(self.directory, 0o755)
        self.first_port = free_ports(2 * pairs)
        self.pid_path = pid_file.replace("{dir}", self.directory)
        flags = ["-F", "-p", self.pid_path, "-m", str(self.first_port), "-M", str(self.first_port + 2 * pairs)]
        if foreground:
            flags.append("-f")
        given = [word.replace("{dir}", self.directory) for word in options.split()]
        self._log = open(f"{self.directory}/log", "ab")
        popen.setdefault("stderr", self._log)
        popen.setdefault("stdin", subprocess.DEVNULL)
        popen.setdefault("env", ENVIRONMENT)
        self._old_pid = self._read_pid()
        self.process = subprocess.Popen([sys.executable, SCRIPT, *flags, *given, *EVERYWHERE], **popen)
        self.pid = self.process.pid
        if wait:
            wait_until(self._is_up, lambda: f"the program serves; its log:\n{self.log()}")

    def _is_up(self) -> bool:
        if self.process.poll() not in (None, 0):
            raise AssertionError(f"the program ended with {self.process.returncode}:\n{self.log()}")
        text = self._read_pid()
        if text == self._old_pid or not text.endswith("\n"):
            return False
        self.pid = int(text)
        return True

    def _read_pid(self) -> str:
        try:
            with open(self.pid_path, encoding="ascii") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return ""

    def log(self) -> str:
        with open(f"{self.directory}/log", encoding="utf-8", errors="replace") as file:
            return file.read()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def status(self) -> int:
        """The exit status, once the program has ended."""
        return self.process.wait(PATIENCE)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; returns the exit status."""
        self.send_signal(number)
        return self.status()

    def close(self) -> None:
        """End the program whatever it does, and remove its directory."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr, self._log):
            if pipe is not None:
                pipe.close()
        shutil.rmtree(self.directory)

    # -- what the system says about it -------------------------------------------------------------

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def memory(self) -> int:
        """Resident set, kilobytes."""
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


class ProgramCase(unittest.TestCase):
    """Programs started by a test are ended with it, and have logged no unexpected exception."""

    maxDiff = None

    def program(self, options: str, **keywords: Any) -> Program:
        program = Program(options, **keywords)
        self.addCleanup(program.close)
        self.addCleanup(self.check_log, program)
        return program

    def check_log(self, program: Program) -> None:
        text = program.log()
        self.assertNotIn("Traceback", text)
        self.assertNotIn("unexpected error", text)

    def refused(self, options: str, **keywords: Any) -> str:
        """Starts a program that must fail with status 1; returns what it says on standard error."""
        program = self.program(options, wait=False, **keywords)
        self.assertEqual(program.status(), 1, program.log())
        self.assertNotEqual(program.log(), "")
        return program.log()


class Datagrams:
    """A controller on UDP. `ask` makes a cookie of its own for each command."""

    def __init__(self, port: int, host: str = "127.0.0.1", family: socket.AddressFamily = socket.AF_INET) -> None:
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE)
        self.socket.connect((host, port))

    def raw(self, data: bytes) -> bytes:
        """What comes back for a datagram."""
        self.socket.send(data)
        return self.socket.recv(65536)

    def ask(self, command: str) -> str:
        cookie = b"cookie%d" % next(_cookies)
        reply = self.raw(cookie + b" " + command.encode("latin-1"))
        if not (reply.startswith(cookie + b" ") and reply.endswith(b"\n")):
            raise AssertionError(f"malformed reply {reply!r}")
        return reply[len(cookie) + 1 : -1].decode("latin-1")

    def hears_nothing(self, seconds: float = 0.05) -> bool:
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(65536)
        except socket.timeout:
            return True
        finally:
            self.socket.settimeout(PATIENCE)
        return False

    def close(self) -> None:
        self.socket.close()


Target = Union[str, tuple[str, int]]  # path of a local socket, or host and port


class Lines:
    """A controller on a stream: `tcp:`, `tcp6:`, `cunix:`, or a pair of pipes."""

    def __init__(self, target: Target) -> None:
        self.socket = connect(target)
        self._input = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> bytes:
        """The next reply with its line feed; empty at the end of the connection."""
        while b"\n" not in self._input:
            data = self.receive()
            if not data:
                rest, self._input = self._input, b""
                return rest
            self._input += data
        line, _, self._input = self._input.partition(b"\n")
        return line + b"\n"

    def receive(self) -> bytes:
        """What comes next, empty at the end, be it by a reset."""
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:
            return b""

    def ask(self, command: str) -> str:
        self.send(command.encode("latin-1") + b"\n")
        return self.line()[:-1].decode("latin-1")

    def close(self) -> None:
        self.socket.close()


def connect(target: Target, receive_buffer: int = 0) -> socket.socket:
    if isinstance(target, str):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    else:
        client = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        client.settimeout(PATIENCE)
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.connect(target)
    except BaseException:
        client.close()
        raise
    return client


def one_shot(path: str, data: bytes) -> bytes:
    """One command on a `unix:` socket, without ending the write side: everything that comes until the close."""
    with connect(path) as client:
        if data:
            client.sendall(data)
        parts: list[bytes] = []
        while True:
            part = client.recv(65536)
            if not part:
                return b"".join(parts)
            parts.append(part)


def start_command(*options: str) -> Sequence[str]:
    """The command line of a program that a test starts by itself."""
    return (sys.executable, SCRIPT, *options)


def counters(client: Union[Datagrams, Lines], *names: str) -> dict[str, Optional[float]]:
    """Global counters by name."""
    return dict(zip(names, map(float, client.ask("G " + " ".join(names)).split())))
