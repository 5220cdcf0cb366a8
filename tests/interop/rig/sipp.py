"""SIPp as both phones: a pair of scenarios that must both end well, with real RTP out of a file.

SIPp sends a file of G.711 audio as RTP, 20 ms a packet, to where the SDP that it got says. Both sides
send the same number of packets, so the proxy's counters can be checked exactly.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.interop.rig.tools import bracketed, free_range, program
from tests.ports import free_port

SCENARIOS = Path(__file__).with_name("scenarios")
PACKET = 160  # bytes of G.711 in 20 ms


class SippPair:
    """`run(calls)` makes that many calls, `rate` a second, and returns when all have ended well.

    Each side sends `packets` RTP packets in each call.
    """

    def __init__(self, caller: str, callee: str, server: tuple[str, int], packets: int = 50) -> None:
        self.caller, self.callee, self.server, self.packets = caller, callee, server, packets

    def run(self, calls: int = 1, rate: int = 10) -> None:
        host = self.server[0]
        with tempfile.TemporaryDirectory(prefix="sipp-") as folder:
            port = free_port()
            Path(folder, "audio").write_bytes(bytes(range(256)) * (self.packets * PACKET // 256 + 1))
            with Path(folder, "audio").open("r+b") as audio:
                audio.truncate(self.packets * PACKET)
            Path(folder, "users.csv").write_text(f"SEQUENTIAL\n{bracketed(host)}:{port};\n")
            common = ["-m", str(calls), "-i", host, "-mi", host, "-nostdin", "-timeout", "25s", "-timeout_error"]
            callee = self._start(folder, self.callee, port, [*common, host])
            server = f"{bracketed(host)}:{self.server[1]}"
            users = ["-inf", f"{folder}/users.csv", "-r", str(rate)]
            caller = self._start(folder, self.caller, free_port(), [*common, *users, server])
            try:
                for name, process in (("caller", caller), ("callee", callee)):
                    if process.wait(40):
                        output = Path(folder, f"{process.args[2]}.out").read_text("latin-1")
                        raise AssertionError(f"SIPp {name} ended with {process.returncode}: {output[-3000:]}")
            finally:
                for process in (caller, callee):
                    if process.poll() is None:
                        process.kill()
                        process.wait()

    def _start(self, folder: str, scenario: str, port: int, options: list[str]) -> Any:
        values = {"AUDIO": f"{folder}/audio", "PAUSE": str(self.packets * 20 + 400)}
        return start(folder, scenario, values, ["-p", str(port), *options])


class SippDialler:
    """Context manager: a caller that dials `digits` as telephone events (RFC 4733) once the call is up, a fifth of a
    second each, and hangs up a while later. `finish()` returns when it has ended well."""

    payload_type = 96
    duration = 1600  # ticks of each event, as SIPp makes them
    volume = 10

    def __init__(self, server: tuple[str, int], callee: tuple[str, int], digits: str) -> None:
        self.server, self.callee, self.digits = server, callee, digits

    def __enter__(self) -> SippDialler:
        self.folder = tempfile.TemporaryDirectory(prefix="sipp-")
        host, port = self.callee
        Path(self.folder.name, "users.csv").write_text(f"SEQUENTIAL\n{bracketed(host)}:{port};\n")
        values = {"DIGITS": self.digits, "PAUSE": str(600 + 400 * len(self.digits))}
        options = ["-m", "1", "-i", host, "-mi", host, "-nostdin", "-timeout", "25s", "-timeout_error",
                   "-inf", f"{self.folder.name}/users.csv", "-p", str(free_port()), f"{host}:{self.server[1]}"]
        self.process = start(self.folder.name, "dialling_caller", values, options)
        return self

    def finish(self) -> None:
        if self.process.wait(40):
            output = Path(self.folder.name, "dialling_caller.xml.out").read_text("latin-1")
            raise AssertionError(f"SIPp ended with {self.process.returncode}: {output[-3000:]}")

    def __exit__(self, *exception: Any) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()


def start(folder: str, scenario: str, values: dict[str, str], options: list[str]) -> Any:
    """SIPp with a scenario in which words are replaced by `values`."""
    text = (SCENARIOS / f"{scenario}.xml").read_text()
    for word, value in values.items():
        text = text.replace(word, value)
    file = Path(folder, f"{scenario}.xml")
    file.write_text(text)
    with Path(folder, f"{scenario}.xml.out").open("wb") as output:
        return subprocess.Popen(
            [program("sipp"), "-sf", str(file), "-mp", str(free_range(200)[0]), *options, "-trace_err"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
        )
