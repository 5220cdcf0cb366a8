"""The relays that are compared, each started afresh for a measurement, on its core, in its own process.

All of them listen for media on the wildcard address, because the wheel can do nothing else.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

from bench.control import Address, Controller
from bench.cpu import on_core

ROOT = Path(__file__).resolve().parent.parent
VENV_PYTHON = ROOT / ".venv" / "bin" / "python"  # tests/interop/install.sh makes it and installs the wheel
PORT_MIN, PORT_MAX = 10000, 60000
DESCRIPTORS = 20000
START_TIMEOUT = 20  # seconds


class RunningPeer:
    """A relay that runs. `pid` is None for plain loopback, which nobody works for."""

    pid: Optional[int] = None

    def open_call(self, number: int, caller: Address, callee: Address) -> tuple[Address, Address]:
        """Where the caller and where the callee are to send."""
        return callee, caller

    def close_call(self, number: int) -> None:
        pass


class RunningProxy(RunningPeer):
    """A relay that obeys rtpproxy's control protocol."""

    def __init__(self, pid: int, controller: Controller) -> None:
        self.pid: int = pid
        self.controller = controller

    def open_call(self, number: int, caller: Address, callee: Address) -> tuple[Address, Address]:
        return self.controller.open_call(number, caller, callee)

    def close_call(self, number: int) -> None:
        self.controller.close_call(number)


class Peer:
    """Something to compare. `missing` says why it cannot be; empty when it can."""

    name = "none (loopback only)"
    missing = ""

    @contextmanager
    def running(self, core: Optional[int]) -> Iterator[RunningPeer]:
        """Start it on a core, stop it in the end."""
        yield RunningPeer()


class ProxyPeer(Peer):
    """A peer that can also be measured at setting up calls."""

    @contextmanager
    def running(self, core: Optional[int]) -> Iterator[RunningProxy]:
        raise NotImplementedError


class OurProxy(ProxyPeer):
    """This project, on one Python interpreter."""

    def __init__(self, python: str, options: tuple[str, ...] = ()) -> None:
        """`python` is the interpreter, a path or a command."""
        found = shutil.which(python)
        self.missing = "" if found else f"{python} is not installed"
        self.name = f"ours ({_describe(found)})" if found else python
        self._python = found or ""
        self._options = options

    @contextmanager
    def running(self, core: Optional[int]) -> Iterator[RunningProxy]:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "control")
            command = [self._python, str(ROOT / "rtpproxy.py"), "-f", "-F", "-d", "WARN", "-s", f"cunix:{path}",
                       "-m", str(PORT_MIN), "-M", str(PORT_MAX), "-L", str(DESCRIPTORS),
                       "-p", os.path.join(folder, "pid"), *self._options]
            with on_core(core):
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            try:
                controller = Controller(_connect(path, process))
                controller.ask("V")  # it serves
                yield RunningProxy(process.pid, controller)
                controller.close()
            finally:
                _end(process)


class EngineWheel(ProxyPeer):
    """The C engine of rtpproxy as the `rtp-io` wheel, in a process of its own (bench/engine.py)."""

    name = "C engine (rtp-io wheel)"

    def __init__(self) -> None:
        installed = VENV_PYTHON.exists() and not subprocess.run(
            [str(VENV_PYTHON), "-c", "import rtp.io"], stderr=subprocess.DEVNULL, check=False).returncode
        self.missing = "" if installed else "the rtp-io wheel is not in .venv: run tests/interop/install.sh"

    @contextmanager
    def running(self, core: Optional[int]) -> Iterator[RunningProxy]:
        ours, theirs = socket.socketpair()
        with ours, tempfile.TemporaryDirectory() as folder:
            command = [str(VENV_PYTHON), str(ROOT / "bench" / "engine.py"), str(theirs.fileno()), str(PORT_MIN),
                       str(PORT_MAX)]
            with on_core(core):
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL, pass_fds=[theirs.fileno()], cwd=folder)
            theirs.close()
            try:
                ours.settimeout(START_TIMEOUT)
                _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
                if not descriptors:
                    raise RuntimeError("the C engine did not start")
                controller = Controller(socket.socket(fileno=descriptors[0]))
                controller.ask("V")
                yield RunningProxy(process.pid, controller)
                controller.close()
            finally:
                _end(process)


def all_peers(pythons: Sequence[str]) -> list[Peer]:
    """Ours on each of the interpreters, the C engine, and nobody."""
    return [*map(OurProxy, pythons), EngineWheel(), Peer()]


def _describe(python: str) -> str:
    """Implementation, version, and for CPython whether it was built with optimisations: that makes a difference of
    up to two in its own code."""
    program = ("import platform, sysconfig as s; n = platform.python_implementation(); "
               "print(n, s.get_python_version() if n == 'PyPy' else platform.python_version() + "
               "', optimised' * ('--enable-optimizations' in (s.get_config_var('CONFIG_ARGS') or '')))")
    return subprocess.run([python, "-c", program], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


def _connect(path: str, process: subprocess.Popen[bytes]) -> socket.socket:
    """Connect to a control socket as soon as it is there."""
    give_up = time.monotonic() + START_TIMEOUT
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(path)
            return connection
        except OSError:
            connection.close()
            if process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError("the proxy did not start")
            time.sleep(0.02)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
