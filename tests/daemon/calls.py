"""A call through a running program: two phones on loopback, and what each has sent."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from rtpp.recording.formats import open_recording
from tests.daemon.program import Datagrams


class Call:
    """`talk` sends packets both ways and checks that each arrives, so it also says that the relay does not wait."""

    def __init__(self, client: Datagrams, call_id: str = "call", tag: str = "from") -> None:
        self.client, self.call_id, self.tag = client, call_id, tag
        self.caller, self.callee = _phone(), _phone()
        self.sent = 0  # packets of each phone
        offer = client.ask(f"U {call_id} 127.0.0.1 {self.caller.getsockname()[1]} {tag}")
        answer = client.ask(f"L {call_id} 127.0.0.1 {self.callee.getsockname()[1]} {tag} to")
        self.to_caller, self.to_callee = int(offer.split()[0]), int(answer.split()[0])

    def talk(self, count: int, size: int = 160) -> None:
        for _ in range(count):
            for sender, port, receiver in ((self.caller, self.to_callee, self.callee),
                                           (self.callee, self.to_caller, self.caller)):
                data = packet(self.sent, size)
                sender.sendto(data, ("127.0.0.1", port))
                if receiver.recv(9000) != data:
                    raise AssertionError("another packet came out than went in")
            self.sent += 1

    def packets(self, size: int = 160) -> list[bytes]:
        """What each phone has sent."""
        return [packet(number, size) for number in range(self.sent)]

    def end(self) -> None:
        reply = self.client.ask(f"D {self.call_id} {self.tag}")
        if reply != "0":
            raise AssertionError(f"the call cannot be ended: {reply}")

    def close(self) -> None:
        self.caller.close()
        self.callee.close()


def packet(number: int, size: int) -> bytes:
    return struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, 160 * number, 7).ljust(12 + size, b"\xd5")


def payloads(path: Path) -> list[bytes]:
    """Of a recording's packets, in order. An ad-hoc recording begins with nothing."""
    if not path.stat().st_size:
        return []
    with open(path, "rb") as file:
        return [record.payload for record in open_recording(file)]


def _phone() -> socket.socket:
    phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    phone.bind(("127.0.0.1", 0))
    phone.settimeout(10)
    return phone
