"""The program loaded into the kernel, and packets to run it on; they go nowhere."""

from __future__ import annotations

import socket
import struct
import unittest

from rtpp.fastpath import bpf
from rtpp.fastpath.layout import OUT_IPV6, TO_SOCKET
from rtpp.fastpath.program import build
from rtpp.fastpath.slots import REST, Flow, Slot, Slots, Way

LOCAL, REMOTE, SOURCE, TARGET = "192.0.2.1", "192.0.2.2", "198.51.100.1", "198.51.100.2"
LOCAL6, REMOTE6, SOURCE6, TARGET6 = "2001:db8::1", "2001:db8::2", "2001:db8:1::1", "2001:db8:1::2"
LOCAL_PORT, REMOTE_PORT, SOURCE_PORT, TARGET_PORT = 40000, 5000, 40002, 6000
FOR_EVER = 1 << 62  # nanoseconds
SLOTS = 16
TO_A_SOCKET = Way(TO_SOCKET, 0, b"", 1480)
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
    return bytes(12) + b"\x08\x00" + with_header_checksum(header) + datagram


def with_header_checksum(header: bytes) -> bytes:
    """An IPv4 header without options."""
    return header[:10] + struct.pack("!H", internet_checksum(header[:10] + b"\0\0" + header[12:])) + header[12:]


def flow(*, ipv6_in: bool = False, ipv6_out: bool = False, any_port: bool = False, tos: int = 0xB8,
         local_port: int = LOCAL_PORT) -> Flow:
    local, remote = (LOCAL6, REMOTE6) if ipv6_in else (LOCAL, REMOTE)
    source, target = (SOURCE6, TARGET6) if ipv6_out else (SOURCE, TARGET)
    return Flow((pack(local), local_port), (pack(remote), REMOTE_PORT), (pack(source), SOURCE_PORT),
                (pack(target), TARGET_PORT), tos, any_port)


class KernelTest(unittest.TestCase):
    """Skipped where the kernel or the lack of privileges forbids it."""

    slots: Slots
    program: int
    now = 0.0  # of the slots' clock

    @classmethod
    def setUpClass(cls) -> None:
        try:
            cls.slots = Slots(SLOTS, lambda: cls.now)
            code = build(cls.slots.table, cls.slots.descriptor, times_from_packets=True)
            cls.program = bpf.load_program(code.assemble())
        except PermissionError as error:
            raise unittest.SkipTest(f"needs CAP_BPF: {error}") from error
        cls.slots.extend_deadline(FOR_EVER)

    def open(self, *, ipv6_in: bool = False, ipv6_out: bool = False, any_port: bool = False, tos: int = 0xB8) -> Slot:
        way = TO_A_SOCKET._replace(flags=TO_SOCKET | OUT_IPV6) if ipv6_out else TO_A_SOCKET
        slot = self.slots.open(flow(ipv6_in=ipv6_in, ipv6_out=ipv6_out, any_port=any_port, tos=tos), way)
        assert slot is not None
        self.addCleanup(self.close, slot)
        return slot

    def close(self, slot: Slot) -> None:
        slot.take()
        self.slots.close(slot)
        self.rest()

    def rest(self) -> None:
        type(self).now += REST

    def run_program(self, packet: bytes, time: int = 1_000_000_000, repeat: int = 1) -> bpf.TestRun:
        return bpf.test_run(self.program, packet, time, repeat)
