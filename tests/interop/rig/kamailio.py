"""Kamailio with its `rtpproxy` module, from the configuration beside this file."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.interop.rig.tools import bracketed, program, stop, wait_for
from tests.ports import free_port

RIG = Path(__file__).parent


class Kamailio:
    """Context manager. `proxies` are control sockets as the daemon's `-s` spells them, one set.

    `tries` commands a second apart go to a silent proxy before it counts as dead; after `disable` seconds
    it is asked again.
    """

    template = "kamailio.cfg"

    def __init__(
        self, *proxies: str, hosts: tuple[str, ...] = ("127.0.0.1",), tries: int = 4, disable: int = 3
    ) -> None:
        self.proxies, self.tries, self.disable = proxies, tries, disable
        self.hosts = hosts
        self.port = free_port()

    def __enter__(self) -> Kamailio:
        self.folder = tempfile.TemporaryDirectory(prefix="kamailio-")
        config = Path(self.folder.name, "kamailio.cfg")
        config.write_text(self._config())
        command = [program("kamailio"), "-f", str(config), "-m", "64", "-M", "8"]
        checked = subprocess.run([*command, "-c"], capture_output=True)
        if checked.returncode:
            raise RuntimeError(f"kamailio refuses its configuration: {checked.stderr.decode()[-2000:]}")
        self.log = Path(self.folder.name, "log").open("wb")
        places = ["-Y", self.folder.name, "-P", f"{self.folder.name}/pid"]
        self.process = subprocess.Popen(
            [*command, "-DD", "-E", *places],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        wait_for(self._ready, "start of kamailio")
        return self

    def __exit__(self, *exception: Any) -> None:
        try:
            stop(self.process)
        finally:
            with suppress(ProcessLookupError):  # children that outlived a main process that had to be killed
                os.killpg(self.process.pid, signal.SIGKILL)
            self.log.close()
            self.folder.cleanup()

    def _config(self) -> str:
        listen = "\n".join(f"listen=udp:{bracketed(host)}:{self.port}" for host in self.hosts)
        values = {
            "LISTEN": listen,
            "PROXIES": " ".join(self.proxies),
            "TRIES": str(self.tries),
            "DISABLE": str(self.disable),
            "FOLDER": self.folder.name,
        }
        return re.sub(r"@(\w+)@", lambda match: values.get(match[1], match[0]), (RIG / self.template).read_text())

    def _ready(self) -> bool:
        """Every process has asked every proxy for its version."""
        if self.process.poll() is not None:
            raise RuntimeError(f"kamailio did not start: {self.log_text()[-3000:]}")
        text = self.log_text()
        processes = 2 * len(self.hosts)  # `children` each
        return text.count("support for it enabled") >= processes * len(self.proxies)

    def address(self, host: str = "") -> tuple[str, int]:
        """Where phones send their SIP messages."""
        return host or self.hosts[0], self.port

    def log_text(self) -> str:
        return Path(self.folder.name, "log").read_text("latin-1")

    def statistics(self, call_id: str) -> list[int]:
        """The five numbers that Kamailio's `$rtppstat` showed at the BYE of a call."""

        def find() -> Any:
            return re.search(rf"QSTAT {re.escape(call_id)} \[([\d ]+)", self.log_text())

        return [int(word) for word in wait_for(find, "the statistics in Kamailio's log", 3)[1].split()]


class HepCollector(Kamailio):
    """Kamailio as a collector of HEP messages over UDP and TCP, by its module `sipcapture`; it keeps what it reads."""

    template = "collector.cfg"

    def _config(self) -> str:
        return super()._config().replace("@PORT@", str(self.port))

    def _ready(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"kamailio did not start: {self.log_text()[-3000:]}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def messages(self) -> list[dict[str, str]]:
        """Of every message that came: the chunks in words, by their numbers, and `version`."""
        found = []
        for line in re.findall(r"<script>: HEP (.*)", self.log_text()):
            words, _, payload = line.partition(" 15=")
            found.append({**dict(word.split("=", 1) for word in words.split(" ")), "15": payload})
        return found
