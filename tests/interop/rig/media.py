"""One media stream of a phone: a pair of UDP sockets that sends and takes numbered RTP and RTCP packets.

Every packet carries its sender's name and number, so a receiver can tell exactly which ones came through.
"""

from __future__ import annotations

import random
import socket
import struct
import time
from typing import Optional

from tests.interop.rig.tools import family_of

SAMPLES = 160  # 20 ms at 8 kHz


def rtp(sequence: int, timestamp: int, ssrc: int, payload: bytes, payload_type: int = 0) -> bytes:
    """An RTP packet, version 2, no extras (RFC 3550 section 5.1)."""
    return struct.pack("!BBHII", 0x80, payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


def rtcp(ssrc: int, text: bytes) -> bytes:
    """An empty receiver report and a source description whose name item is `text` (RFC 3550 section 6)."""
    item = struct.pack("!IBB", ssrc, 1, len(text)) + text
    chunk = item + b"\0" * (4 - len(item) % 4)
    return struct.pack("!BBHI", 0x80, 201, 1, ssrc) + struct.pack("!BBH", 0x81, 202, len(chunk) // 4) + chunk


class Media:
    """Sockets on an even port and the one above it; `target` is where the other side wants RTP."""

    def __init__(self, name: str, host: str = "127.0.0.1") -> None:
        self.name, self.host = name, host
        self.target: Optional[tuple[str, int]] = None
        self.ssrc = random.getrandbits(32) | 1
        self.sequence = random.randrange(60000)
        self.sent = self.reports = 0  # packets sent: RTP, RTCP
        self._open()

    def _open(self) -> None:
        while True:
            self.rtp_socket = self._socket(0)
            self.port = self.rtp_socket.getsockname()[1]
            if self.port % 2 == 0 and self.port < 65000:
                try:
                    self.rtcp_socket = self._socket(self.port + 1)
                    return
                except OSError:
                    pass
            self.rtp_socket.close()

    def _socket(self, port: int) -> socket.socket:
        opened = socket.socket(family_of(self.host), socket.SOCK_DGRAM)
        opened.settimeout(2.0)
        try:
            opened.bind((self.host, port))
        except OSError:
            opened.close()
            raise
        return opened

    def move(self) -> None:
        """Another pair of ports, as a phone that changed networks."""
        self.close()
        self._open()

    def close(self) -> None:
        self.rtp_socket.close()
        self.rtcp_socket.close()

    def send(self, count: int, pause: float = 0.002) -> list[bytes]:
        """Send `count` RTP packets; the packets."""
        if self.target is None:
            raise RuntimeError(f"{self.name} does not know where to send")
        packets = []
        for _ in range(count):
            self.sequence = (self.sequence + 1) & 0xFFFF
            payload = f"{self.name}:{self.sequence}:".encode().ljust(SAMPLES, b".")
            packets.append(rtp(self.sequence, self.sequence * SAMPLES, self.ssrc, payload))
            self.rtp_socket.sendto(packets[-1], self.target)
            self.sent += 1
            time.sleep(pause)
        return packets

    def send_report(self) -> bytes:
        """Send one RTCP packet to the port above the target's."""
        if self.target is None:
            raise RuntimeError(f"{self.name} does not know where to send")
        packet = rtcp(self.ssrc, f"{self.name}@interop".encode())
        self.rtcp_socket.sendto(packet, (self.target[0], self.target[1] + 1))
        self.reports += 1
        return packet

    def receive(self, count: int) -> list[bytes]:
        """Take `count` RTP packets; each must come from the target."""
        return [self._take(self.rtp_socket, 0) for _ in range(count)]

    def receive_report(self) -> bytes:
        return self._take(self.rtcp_socket, 1)

    def _take(self, source: socket.socket, offset: int) -> bytes:
        try:
            packet, address = source.recvfrom(9000)
        except socket.timeout:
            raise AssertionError(f"{self.name}: no packet arrived") from None
        if self.target is not None and address[1] != self.target[1] + offset:
            raise AssertionError(f"{self.name}: packet from {address}, not from {self.target}")
        return packet

    def is_silent(self, seconds: float = 0.15) -> bool:
        """Whether nothing arrives for a while."""
        self.rtp_socket.settimeout(seconds)
        try:
            self.rtp_socket.recv(9000)
        except socket.timeout:
            return True
        finally:
            self.rtp_socket.settimeout(2.0)
        return False
