"""SIPp as both phones: a pair of scenarios that must both end well, with real RTP out of a file.

SIPp sends a file of G.711 audio as RTP, 20 ms a packet, to where the SDP that it got says. Both sides
send the same number of packets, so the proxy's counters can be checked exactly.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.interop.rig.tools import bracketed, free_port, program

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
            port = free_port(host)
            Path(folder, "audio").write_bytes(bytes(range(256)) * (self.packets * PACKET // 256 + 1))
            with Path(folder, "audio").open("r+b") as audio:
                audio.truncate(self.packets * PACKET)
            Path(folder, "users.csv").write_text(f"SEQUENTIAL\n{bracketed(host)}:{port};\n")
            common = ["-m", str(calls), "-i", host, "-mi", host, "-nostdin", "-timeout", "25s", "-timeout_error"]
            callee = self._start(folder, self.callee, port, 10000, [*common, host])
            server = f"{bracketed(host)}:{self.server[1]}"
            users = ["-inf", f"{folder}/users.csv", "-r", str(rate)]
            caller = self._start(folder, self.caller, free_port(host), 20000, [*common, *users, server])
            try:
                for name, process in (("caller", caller), ("callee", callee)):
                    if process.wait(40):
                        output = Path(folder, f"{process.args[2]}.out").read_text("latin-1")
                        raise AssertionError(f"SIPp {name} failed ({process.returncode}): {output[-2500:]}")
            finally:
                for process in (caller, callee):
                    if process.poll() is None:
                        process.kill()
                        process.wait()

    def _start(self, folder: str, scenario: str, port: int, media: int, options: list[str]) -> Any:
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        pause = str(self.packets * 20 + 400)
        text = text.replace("AUDIO", f"{folder}/audio").replace("PAUSE", pause)
        file = Path(folder, f"{scenario}.xml")
        file.write_text(text)
        ports = ["-p", str(port), "-mp", str(media)]
        with Path(folder, f"{scenario}.xml.out").open("wb") as output:
            return subprocess.Popen(
                [program("sipp"), "-sf", str(file), *ports, *options, "-trace_err"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
            )
