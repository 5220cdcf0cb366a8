"""What tshark saw on the loopback interface while a block ran: an independent eye on our packets.

Capturing needs root, or the capture capability on dumpcap.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.interop.rig.tools import program, wait_for
from tests.ports import free_port


@dataclass(frozen=True)
class RtpStream:
    """One line of tshark's RTP statistics."""

    source_port: int
    target_port: int
    ssrc: str
    packets: int
    lost: int
    mean_jitter: float  # milliseconds
    max_jitter: float


class Capture:
    """Context manager. `capture_filter` is libpcap's, for example "udp portrange 20000-20999".

    Packets are looked at with tshark's own decoders; the first look ends the capture. `decode_as` tells
    what is spoken on which port, as tshark's `-d` option: "udp.port==4000,rtp".

    The capture takes its time to start and to write, so a marker packet goes before everything and another
    one after it, each until it shows up in the file.
    """

    def __init__(self, capture_filter: str) -> None:
        self.marker_port = free_port()
        self.filter = f"({capture_filter}) or udp dst port {self.marker_port}"

    def __enter__(self) -> Capture:
        self.folder = tempfile.TemporaryDirectory(prefix="capture-")
        self.file = f"{self.folder.name}/packets.pcap"
        self.log = Path(self.folder.name, "log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [program("tshark"), "-i", "lo", "-f", self.filter, "-w", self.file, "-B", "8"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._mark("start")
        return self

    def _mark(self, what: str) -> None:
        mark = f"{what} {self.file}".encode()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

            def seen() -> bool:
                if self.process.poll() is not None:
                    raise RuntimeError(f"tshark ended: {self.log.read_text()}")
                sender.sendto(mark, ("127.0.0.1", self.marker_port))
                return Path(self.file).exists() and mark in Path(self.file).read_bytes()

            wait_for(seen, f"{what} of the capture")

    def stop(self) -> None:
        """End the capture; everything sent before is in the file."""
        if self.process.poll() is None:
            self._mark("end")
            self.process.send_signal(signal.SIGINT)
            self.process.wait(10)

    def __exit__(self, *exception: Any) -> None:
        self.stop()
        self.folder.cleanup()

    def _read(self, *options: str, decode_as: tuple[str, ...] = ()) -> str:
        self.stop()
        decoders = [word for rule in decode_as for word in ("-d", rule)]
        command = [program("tshark"), "-n", "-r", self.file, *decoders, *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def fields(self, display_filter: str, *names: str, decode_as: tuple[str, ...] = ()) -> list[list[str]]:
        """The named fields of each packet that passes the display filter."""
        options = [word for name in names for word in ("-e", name)]
        ours = f"({display_filter}) && !(udp.dstport == {self.marker_port})"
        text = self._read("-Y", ours, "-T", "fields", *options, decode_as=decode_as)
        return [line.split("\t") for line in text.splitlines()]

    def rtp_streams(self, decode_as: tuple[str, ...] = ()) -> list[RtpStream]:
        text = self._read("-q", "-z", "rtp,streams", decode_as=decode_as)
        row = re.compile(
            r"\s([\d.:a-f]+)\s+(\d+)\s+([\d.:a-f]+)\s+(\d+)\s+(0x\w+)\s.*?\s(\d+)\s+(-?\d+) \([-\d.]+%\)"
            r"(?:\s+[-\d.]+){4}\s+([\d.]+)\s+([\d.]+)"
        )
        return [
            RtpStream(int(found[2]), int(found[4]), found[5], int(found[6]), int(found[7]), float(found[8]),
                      float(found[9]))
            for found in map(row.search, text.splitlines())
            if found
        ]
