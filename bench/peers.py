"""What is compared, each started afresh for a measurement, on the relays' core, in a process of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Optional, Union

from bench.control import Address, Controller
from bench.cpu import on_core
from bench.network import Namespaces, Network
from bench.ng import NgController

ROOT = Path(__file__).resolve().parent.parent
VENV_PYTHON = ROOT / ".venv" / "bin" / "python"  # tests/interop/install.sh makes it and installs the wheel
PORT_MIN, PORT_MAX = 10000, 60000
DESCRIPTORS = 20000
START_TIMEOUT = 20  # seconds


class RunningPeer:
    """A relay that runs. `pid` is None for what the kernel does alone."""

    pid: Optional[int] = None

    def open_call(self, number: int, caller: Address, callee: Address) -> tuple[Address, Address]:
        """Where the caller and where the callee are to send."""
        return callee, caller


class RunningProxy(RunningPeer):
    """A relay that obeys a controller."""

    def __init__(self, pid: int, controller: Union[Controller, NgController], start_seconds: float) -> None:
        """`start_seconds` is how long it took from the start of its process until it answered."""
        self.pid: int = pid
        self.controller = controller
        self.start_seconds = start_seconds

    def open_call(self, number: int, caller: Address, callee: Address) -> tuple[Address, Address]:
        return self.controller.open_call(number, caller, callee)


class Peer:
    """Something to compare. Without relay of its own: the kernel forwards, or just has a loopback interface."""

    name = "none (the kernel forwards)"
    missing = ""  # why it cannot be compared
    sets_up = False  # it can also be measured at setting up calls
    outlives_overload = True  # afterwards it relays as before
    settle_seconds = 0.0  # how long media must flow until it is at its best,
    settle_packets = 0  # and how many on each stream

    def is_settled(self, relay: RunningPeer, streams: int) -> bool:
        """Whether media has flown long enough for so many streams."""
        return True

    @contextmanager
    def running(self, network: Network, core: Optional[int]) -> Iterator[RunningPeer]:
        """Start it on a core, stop it in the end. Raises RuntimeError if it does not start."""
        yield RunningPeer()


class OurProxy(Peer):
    """This project, on one Python interpreter."""

    sets_up = True
    settle_packets = 170  # on each stream; after a hundred it gets a connected socket, 500 streams a second

    def __init__(self, python: str, options: tuple[str, ...] = ()) -> None:
        """`python` is the interpreter, a path or a command."""
        found = shutil.which(python)
        self.missing = "" if found else f"{python} is not installed"
        self.name = f"ours ({_describe(found)})" if found else python
        self._python = found or ""
        self._options = ["--fastpath", "off", *options]

    def is_settled(self, relay: RunningPeer, streams: int) -> bool:
        """Most have a connected socket beside the two of RTP and RTCP."""
        sockets = 0
        for name in os.listdir(f"/proc/{relay.pid}/fd"):
            with suppress(FileNotFoundError):  # closed meanwhile
                sockets += os.readlink(f"/proc/{relay.pid}/fd/{name}").startswith("socket:")
        return sockets >= 2.9 * streams

    @contextmanager
    def running(self, network: Network, core: Optional[int]) -> Iterator[RunningPeer]:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "control")
            command = [self._python, str(ROOT / "rtpproxy.py"), "-f", "-F", "-d", "WARN", "-s", f"cunix:{path}",
                       "-l", network.relay_host, "-m", str(PORT_MIN), "-M", str(PORT_MAX), "-L", str(DESCRIPTORS),
                       "-p", os.path.join(folder, "pid"), *self._options]
            started = time.monotonic()
            process = start(command, network, core)
            try:
                controller = Controller(_connect(path, process), network.relay_host)
                controller.ask("V")  # it serves
                yield RunningProxy(process.pid, controller, time.monotonic() - started)
                controller.close()
            finally:
                end(process)


class FastPath(OurProxy):
    """This project with its relay in the kernel."""

    sets_up = False  # as it is without
    settle_seconds = 2.0  # a stream is asked whether it has settled once a second

    def __init__(self, python: str, network: Network) -> None:
        super().__init__(python)
        self.name = self.name.replace("ours", "ours, fast path", 1)
        if not self.missing and not isinstance(network, Namespaces):
            self.missing = "the fast path needs network namespaces"
        self._options = ["--fastpath", "on"]

    def is_settled(self, relay: RunningPeer, streams: int) -> bool:
        """They are in the kernel, all but those that are here for a moment, to bring their figures up to date."""
        assert isinstance(relay, RunningProxy)
        assert isinstance(relay.controller, Controller)
        return int(relay.controller.ask("G nstrms_fastpath")) >= 0.9 * streams


class EngineWheel(Peer):
    """The C engine of rtpproxy as the `rtp-io` wheel, in a process of its own (bench/engine.py). It listens on the
    wildcard address and can do nothing else."""

    name = "C engine (rtp-io wheel)"
    sets_up = True

    def __init__(self) -> None:
        installed = VENV_PYTHON.exists() and not subprocess.run(
            [str(VENV_PYTHON), "-c", "import rtp.io"], stderr=subprocess.DEVNULL, check=False).returncode
        self.missing = "" if installed else "the rtp-io wheel is not in .venv: run tests/interop/install.sh"

    @contextmanager
    def running(self, network: Network, core: Optional[int]) -> Iterator[RunningPeer]:
        ours, theirs = socket.socketpair()
        with ours, tempfile.TemporaryDirectory() as folder:
            command = [str(VENV_PYTHON), str(ROOT / "bench" / "engine.py"), str(theirs.fileno()), str(PORT_MIN),
                       str(PORT_MAX)]
            started = time.monotonic()
            process = start(command, network, core, pass_fds=[theirs.fileno()], cwd=folder)
            theirs.close()
            try:
                ours.settimeout(START_TIMEOUT)
                _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
                if not descriptors:
                    raise RuntimeError("the C engine did not start")
                controller = Controller(socket.socket(fileno=descriptors[0]), network.relay_host)
                controller.ask("V")
                yield RunningProxy(process.pid, controller, time.monotonic() - started)
                controller.close()
            finally:
                end(process)


def start(command: list[str], network: Network, core: Optional[int], **options: Any) -> subprocess.Popen[bytes]:
    """Start a relay where relays are."""
    with network.relay(), on_core(core):
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, **options)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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
                raise RuntimeError("the proxy did not start") from None
            time.sleep(0.005)
