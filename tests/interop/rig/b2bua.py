"""Sippy's back-to-back user agent: two calls, one to each phone, with the media proxied between them."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.interop.rig.tools import program
from tests.ports import free_port


class B2bua:
    """Context manager. Calls to it go to `callee` ("user@host:port"), media through `proxy` (a `-s` name).

    `command_socket` is where it takes notifications of dead calls: give it to the daemon's `-n`.
    """

    def __init__(self, proxy: str, callee: str, command_socket: str) -> None:
        self.proxy, self.callee, self.command_socket = proxy, callee, command_socket
        self.port = free_port()

    def __enter__(self) -> B2bua:
        self.folder = tempfile.TemporaryDirectory(prefix="b2bua-")
        self.log = Path(self.folder.name, "output").open("wb")
        options = ["-f", "-l", "127.0.0.1", "-p", str(self.port), "-u", "--acct_enable=off"]
        places = ["-c", self.command_socket, "-L", f"{self.folder.name}/log", "-P", f"{self.folder.name}/pid"]
        routes = ["-s", self.callee, "-r", self.proxy]
        self.process = subprocess.Popen(
            [program("b2bua_radius"), *options, *routes, *places],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            cwd=self.folder.name,
        )
        return self

    def __exit__(self, *exception: Any) -> None:
        try:
            self.process.kill()  # on SIGTERM it waits for its workers for seconds
            self.process.wait()
        finally:
            self.log.close()
            self.folder.cleanup()

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def log_text(self) -> str:
        return Path(self.folder.name, "output").read_text("latin-1")
