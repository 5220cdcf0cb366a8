"""Our daemon, as its own process, with the checks that every test wants at its end.

When the block ends the daemon must still live, hold no session, have the threads and descriptors that it
started with, leave nothing behind, and exit with status 0 within seconds of SIGTERM.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Optional

from tests.interop.rig.control import client
from tests.interop.rig.tools import ROOT, free_range, stop, wait_for
from tests.ports import free_port

EVERYWHERE = os.environ.get("RTPPROXY_OPTIONS", "").split()  # for all proxies of a run
PROGRAM = [sys.executable, str(ROOT / os.environ.get("RTPPROXY_PROGRAM", "rtpproxy.py"))]


class Proxy:
    """`Proxy("-T", "3", sockets=("udp", "unix"))`: the sockets are kinds, their places are chosen here.

    `spec("unix")` is the socket's name as SIP servers spell it. `connections` is the number of connections to
    notification targets that may stay open at the end.
    """

    def __init__(
        self,
        *options: str,
        sockets: tuple[str, ...] = ("udp",),
        listen: tuple[str, ...] = ("-l", "127.0.0.1"),
        connections: int = 0,
        port_range: tuple[int, int] = (0, 0),
        command_line: Optional[list[str]] = None,
    ) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="rtpproxy-")
        self.specs = {kind: self._place(kind) for kind in sockets}
        first, last = self.media_ports = port_range if port_range[0] else free_range()
        self.arguments = [*(command_line or PROGRAM), "-f", "-F", "-d", "DBUG", "-p", f"{self.folder.name}/pid"]
        for spec in self.specs.values():
            self.arguments += ["-s", spec]
        self.arguments += ["-m", str(first), "-M", str(last), *listen, *options, *EVERYWHERE]
        self.connections = connections
        self.killed = False

    def _place(self, kind: str) -> str:
        if kind in ("unix", "cunix"):
            return f"{kind}:{self.folder.name}/{kind}.sock"
        host = "::1" if kind.endswith("6") else "127.0.0.1"
        port = free_port(socket.SOCK_STREAM if kind.startswith("tcp") else socket.SOCK_DGRAM)
        return f"{kind}:{host}:{port}"

    def __enter__(self) -> Proxy:
        self.start()
        return self

    def __exit__(self, kind: Any, *exception: Any) -> None:
        try:
            if kind is None and not self.killed:
                self.check_idle()
                status = stop(self.process)
                if status != 0:
                    raise AssertionError(f"the proxy exited with {status}\n{self.log_text()[-3000:]}")
            elif kind is not None:
                sys.stderr.write(f"--- log of the proxy, last lines\n{self.log_text()[-3000:]}\n---\n")
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.log.close()
            self.folder.cleanup()

    def start(self) -> None:
        """Start, or start again after `kill()`, at the same places."""
        self.log = Path(self.folder.name, "log").open("ab")
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stderr=self.log, cwd=ROOT)
        self.killed = False
        wait_for(self._answers, "start of the proxy")
        self.resources_at_start = self.resources()

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the proxy did not start: {self.log_text()}")
        try:
            return all(self.command("V", kind) == "20040107" for kind in self.specs)
        except OSError:
            return False

    def kill(self) -> None:
        """The worst that can happen to it: SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()
        self.killed = True

    def spec(self, kind: str = "udp") -> str:
        return self.specs[kind]

    def command(self, text: str, kind: str = "") -> str:
        """Send one command over the first socket, or over the named kind."""
        link = client(self.specs[kind or next(iter(self.specs))], timeout=2.0)
        try:
            return link.command(text)
        finally:
            link.close()

    def counters(self, *names: str) -> dict[str, float]:
        values = self.command("G " + " ".join(names)).split()
        return {name: float(value) for name, value in zip(names, values)}

    def sessions(self) -> int:
        count = self.counters("nsess_created", "nsess_destroyed")
        return int(count["nsess_created"] - count["nsess_destroyed"])

    def resources(self) -> tuple[int, int]:
        """Numbers of threads and of descriptors."""
        home = f"/proc/{self.process.pid}"
        return len(os.listdir(f"{home}/task")), len(os.listdir(f"{home}/fd"))

    def check_idle(self) -> None:
        """No session, and no more threads and descriptors than at the start."""
        if self.process.poll() is not None:
            raise AssertionError(f"the proxy died with status {self.process.returncode}\n{self.log_text()[-3000:]}")
        if self.sessions():
            raise AssertionError(f"{self.sessions()} sessions left")
        threads, descriptors = self.resources_at_start
        allowed = (threads, descriptors + self.connections)
        wait_for(
            lambda: all(now <= then for now, then in zip(self.resources(), allowed)),
            f"threads and descriptors at most {allowed}, now {self.resources()}",
        )

    def log_text(self) -> str:
        return Path(self.folder.name, "log").read_text("latin-1")
