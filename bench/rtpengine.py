"""A peer: rtpengine of Debian's package rtpengine-daemon, all in user space (no kernel module)."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

from bench.network import Network
from bench.ng import NgController
from bench.peers import PORT_MAX, PORT_MIN, START_TIMEOUT, Peer, RunningProxy, end, start


class RtpEngine(Peer):
    sets_up = True
    outlives_overload = False  # it reads no more from a socket that has five times had fifty packets waiting

    def __init__(self) -> None:
        found = shutil.which("rtpengine")
        self.missing = "" if found else "rtpengine is not installed"
        self.name = f"rtpengine {_version(found)} (user space)" if found else "rtpengine"

    @contextmanager
    def running(self, network: Network, core: Optional[int]) -> Iterator[RunningProxy]:
        with network.relay(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            control = free.getsockname()
        with tempfile.TemporaryDirectory() as folder:
            command = ["rtpengine", "--config-file=none", "--foreground", "--table=-1", "--log-stderr", "--log-level=2",
                       f"--interface={network.relay_host}", f"--listen-ng={control[0]}:{control[1]}",
                       f"--port-min={PORT_MIN}", f"--port-max={PORT_MAX}", f"--pidfile={folder}/pid"]
            started = time.monotonic()
            process = start(command, network, core)
            try:
                with network.relay():
                    connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                connection.connect(control)
                controller = NgController(connection)
                _until_it_answers(controller, process)
                yield RunningProxy(process.pid, controller, time.monotonic() - started)
                controller.close()
            finally:
                end(process)


def _until_it_answers(controller: NgController, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + START_TIMEOUT
    while True:
        try:
            return controller.ping()
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError("rtpengine did not start") from None
            time.sleep(0.005)


def _version(program: str) -> str:
    command = [program, "--version"]
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
    return next((word for word in said.split() if word[0].isdecimal()), "").partition("-")[0]
