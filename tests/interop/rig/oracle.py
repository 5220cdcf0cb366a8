"""The C engine as an oracle: its behaviour is what ours is compared with.

The engine listens on the wildcard address and takes no option but port range and TTLs. It speaks the
stream framing: one line per command, no cookie, one reply per line. Commands may be pipelined.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ENGINE = Path(__file__).with_name("oracle_engine.py")


class Oracle:
    """Context manager: a running C engine. `commands` is its control socket, `notifications` what it
    writes to the target that commands name `notify_spec`."""

    def __init__(self, port_min: int, port_max: int, ttl: int = 60, setup_ttl: int = 60) -> None:
        self.arguments = [port_min, port_max, ttl, setup_ttl]

    def __enter__(self) -> Oracle:
        self.link, theirs = socket.socketpair()
        self.folder = tempfile.TemporaryDirectory()  # it records into its current directory
        self.log = tempfile.TemporaryFile("w+b")
        command = [sys.executable, str(ENGINE), str(theirs.fileno()), *map(str, self.arguments)]
        self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=self.folder.name, stderr=self.log)
        theirs.close()
        self.link.settimeout(10)
        spec, descriptors, _, _ = socket.recv_fds(self.link, 100, 2)
        if len(descriptors) != 2:
            raise RuntimeError(f"the C engine did not start: {self.log_text()}")
        self.notify_spec = spec.decode()
        self.commands, self.notifications = (socket.socket(fileno=fd) for fd in descriptors)
        self.commands.settimeout(5)
        self.pending = b""
        return self

    def __exit__(self, *exception: Any) -> None:
        for end in (self.link, self.commands, self.notifications):
            end.close()
        self.process.wait(10)
        self.log.close()
        self.folder.cleanup()

    def log_text(self) -> str:
        self.log.seek(0)
        return self.log.read().decode("latin-1")

    def command(self, text: str) -> str:
        """Send one command, return its reply without the final newline."""
        self.commands.sendall(text.encode("latin-1") + b"\n")
        return self.reply(text)

    def reply(self, command: str) -> str:
        """The next reply, which is the answer to `command`; only `I` is answered in several lines."""
        first = self.line()
        if not first.startswith("sessions created:"):
            return first
        more = 5 if "l" in command.split()[0].lower() else 4
        return "\n".join([first, *(self.line() for _ in range(more))])

    def line(self) -> str:
        while b"\n" not in self.pending:
            data = self.commands.recv(65536)
            if not data:
                raise ConnectionError("the C engine closed its control socket")
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode("latin-1")
