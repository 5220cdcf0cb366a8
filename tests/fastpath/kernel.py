"""The program loaded into the kernel, and packets to run it on; they go nowhere."""

from __future__ import annotations

import socket
import struct
import unittest

from rtpp.fastpath import bpf
from rtpp.fastpath.layout import OUT_IPV6, TO_SOCKET
from rtpp.fastpath.program import build
from rtpp.fastpath.slots import Flow, Slot, Slots, Way

LOCAL, REMOTE, SOURCE, TARGET = "192.0.2.1", "192.0.2.2", "198.51.100.1", "198.51.100.2"
LOCAL6, REMOTE6, SOURCE6, TARGET6 = "2001:db8::1", "2001:db8::2", "2001:db8:1::1", "2001:db8:1::2"
LOCAL_PORT, REMOTE_PORT, SOURCE_PORT, TARGET_PORT = 40000, 5000, 40002, 6000
FOR_EVER = 1 << 62  # nanoseconds
TAKEN, UP, FAILED = 0, -1, 2  # verdicts


def pack(host: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)


def internet_checksum(data: bytes) -> int:
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def udp(source: str, target: str, ports: tuple[int, int], payload: bytes) -> bytes:
    """A UDP datagram with its checksum."""
    length = 8 + len(payload)
    pseudo = pack(source) + pack(target) + (struct.pack("!IHBB", length, 0, 0, 17) if ":" in source
                                            else struct.pack("!BBH", 0, 17, length))
    header = struct.pack("!HHHH", *ports, length, 0)
    checksum = internet_checksum(pseudo + header + payload) or 0xFFFF
    return header[:6] + struct.pack("!H", checksum) + payload


def frame(payload: bytes, source: str = REMOTE, target: str = LOCAL,
          ports: tuple[int, int] = (REMOTE_PORT, LOCAL_PORT)) -> bytes:
    """An Ethernet frame, as it comes in."""
    datagram = udp(source, target, ports, payload)
    if ":" in source:
        header = struct.pack("!IHBB", 6 << 28, len(datagram), 17, 60) + pack(source) + pack(target)
        return bytes(12) + b"\x86\xdd" + header + datagram
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 1, 0, 60, 17, 0) + pack(source) + pack(target)
    header = header[:10] + struct.pack("!H", internet_checksum(header)) + header[12:]
    return bytes(12) + b"\x08\x00" + header + datagram


class KernelTest(unittest.TestCase):
    """Skipped where the kernel or the lack of privileges forbids it."""

    slots: Slots
    program: int

    @classmethod
    def setUpClass(cls) -> None:
        try:
            cls.slots = Slots(16)
            code = build(cls.slots.table, cls.slots.descriptor, times_from_packets=True)
            cls.program = bpf.load_program(code.assemble())
        except PermissionError as error:
            raise unittest.SkipTest(f"needs CAP_BPF: {error}") from error
        cls.slots.extend_deadline(FOR_EVER)

    def open(self, *, ipv6_in: bool = False, ipv6_out: bool = False, any_port: bool = False) -> Slot:
        local, remote = (LOCAL6, REMOTE6) if ipv6_in else (LOCAL, REMOTE)
        source, target = (SOURCE6, TARGET6) if ipv6_out else (SOURCE, TARGET)
        flow = Flow((pack(local), LOCAL_PORT), (pack(remote), REMOTE_PORT), (pack(source), SOURCE_PORT),
                    (pack(target), TARGET_PORT), 0xB8, any_port)
        slot = self.slots.open(flow, Way((OUT_IPV6 if ipv6_out else 0) | TO_SOCKET, 0, b"", 1480))
        assert slot is not None
        self.addCleanup(self.close, slot)
        return slot

    def close(self, slot: Slot) -> None:
        slot.take()
        self.slots.close(slot)
        self.slots._free.append(slot.number)
        self.slots._resting.clear()

    def run_program(self, packet: bytes, time: int = 1_000_000_000) -> bpf.TestRun:
        return bpf.test_run(self.program, packet, time)
