"""What the program takes, what it makes of it, and what it leaves alone."""

from __future__ import annotations

import os
import random
import struct

from rtpp.fastpath.measures import export_state
from rtpp.fastpath.slots import Slot
from rtpp.rtp.analyzer import Analyzer
from tests.fastpath.kernel import (
    LOCAL,
    LOCAL6,
    LOCAL_PORT,
    REMOTE,
    REMOTE6,
    REMOTE_PORT,
    SOURCE,
    SOURCE6,
    SOURCE_PORT,
    TAKEN,
    TARGET,
    TARGET6,
    TARGET_PORT,
    UP,
    KernelTest,
    frame,
    internet_checksum,
    pack,
    udp,
)

FAMILIES = [(False, False), (True, True), (False, True), (True, False)]
MUTATIONS = 4000


def rtp(number: int, size: int = 160) -> bytes:
    return struct.pack("!BBHII", 0x80, 0, number, 160 * number, 77) + bytes(size)


class ProgramTest(KernelTest):
    def armed(self, *, ipv6_in: bool = False, ipv6_out: bool = False, any_port: bool = False) -> Slot:
        """A slot that takes packets from number 3 on."""
        slot = self.open(ipv6_in=ipv6_in, ipv6_out=ipv6_out, any_port=any_port)
        self.ends = (REMOTE6, LOCAL6) if ipv6_in else (REMOTE, LOCAL)
        self.analyzer = Analyzer()
        for number in (1, 2):
            self.analyzer.update(rtp(number), 0.02 * number)
        self.assertEqual(self.run_program(frame(rtp(2), *self.ends)).verdict, UP)
        self.arm(slot, rtp(2))
        return slot

    def arm(self, slot: Slot, last: bytes) -> None:
        up, state = slot.caught_up(last), export_state(self.analyzer)
        assert up is not None
        assert state is not None
        self.assertTrue(slot.arm(up, state, 0, 0))

    def test_packets_that_leave(self) -> None:
        for ipv6_in, ipv6_out in FAMILIES:
            for size in (0, 1, 160, 1200):
                with self.subTest(ipv6_in=ipv6_in, ipv6_out=ipv6_out, size=size):
                    slot = self.armed(ipv6_in=ipv6_in, ipv6_out=ipv6_out)
                    run = self.run_program(frame(rtp(3, size), *self.ends))
                    self.assertEqual(run.verdict, TAKEN)
                    self.check_packet(run.packet[14:], rtp(3, size), ipv6_out)
                    self.assertEqual((slot.get("forwarded"), slot.get("octets")), (1, 12 + size))
                    self.close(slot)
                    self._cleanups.pop()

    def check_packet(self, packet: bytes, payload: bytes, is_ipv6: bool) -> None:
        ports = (SOURCE_PORT, TARGET_PORT)
        if is_ipv6:
            datagram = udp(SOURCE6, TARGET6, ports, payload)
            expected = struct.pack("!IHBB", 6 << 28, len(datagram), 17, 64) + pack(SOURCE6) + pack(TARGET6)
        else:
            datagram = udp(SOURCE, TARGET, ports, payload)
            expected = struct.pack("!BBHHHBBH", 0x45, 0xB8, 20 + len(datagram), 0, 0x4000, 64, 17, 0)
            expected += pack(SOURCE) + pack(TARGET)
            expected = expected[:10] + struct.pack("!H", internet_checksum(expected)) + expected[12:]
        self.assertEqual(packet.hex(), (expected + datagram).hex())

    def test_what_does_not_concern_the_slot(self) -> None:
        slot = self.armed()
        others = {
            "another local port": frame(rtp(3), ports=(REMOTE_PORT, LOCAL_PORT + 2)),
            "another source": frame(rtp(3), "192.0.2.3"),
            "another local address": frame(rtp(3), REMOTE, "192.0.2.7"),
            "another source port": frame(rtp(3), ports=(REMOTE_PORT + 1, LOCAL_PORT)),
            "IPv6": frame(rtp(3), REMOTE6, LOCAL6),
        }
        seen = slot.get("seen")
        for name, packet in others.items():
            with self.subTest(name):
                self.assertEqual(self.run_program(packet)[:2], (UP, packet))
                self.assertEqual(slot.get("seen"), seen)

    def test_any_port_of_an_asymmetric_party(self) -> None:
        self.armed(any_port=True)
        self.assertEqual(self.run_program(frame(rtp(3), ports=(1234, LOCAL_PORT))).verdict, TAKEN)

    def test_a_packet_that_goes_up_stops_the_program(self) -> None:
        slot = self.armed()
        stranger = struct.pack("!BBHII", 0x80, 0, 9, 9, 78) + bytes(20)
        self.assertEqual(self.run_program(frame(stranger)).verdict, UP)
        self.assertEqual(self.run_program(frame(rtp(3))).verdict, UP, "it must not overtake")
        self.assertIsNone(slot.caught_up(stranger))
        self.assertIsNotNone(slot.caught_up(rtp(3)))
        self.assertEqual(slot.take()[0].frozen, 1)

    def test_dead_process(self) -> None:
        self.armed()
        self.slots.extend_deadline(5)
        try:
            self.assertEqual(self.run_program(frame(rtp(3)), 6).verdict, UP)
        finally:
            self.slots.extend_deadline(1 << 62)

    def test_too_large_for_the_way_out(self) -> None:
        self.armed()
        self.assertEqual(self.run_program(frame(rtp(3, 1480 - 8 - 12 + 1))).verdict, UP)

    def test_no_checksum(self) -> None:
        """IPv4 may have none, which then stays so; IPv6 must have one."""
        for ipv6_out, verdict in ((False, TAKEN), (True, UP)):
            with self.subTest(ipv6_out=ipv6_out):
                slot = self.armed(ipv6_out=ipv6_out)
                packet = frame(rtp(3))
                run = self.run_program(packet[:40] + b"\0\0" + packet[42:])
                self.assertEqual(run.verdict, verdict)
                if verdict == TAKEN:
                    self.assertEqual(run.packet[40:42], b"\0\0")
                self.close(slot)
                self._cleanups.pop()

    def test_damaged_packets(self) -> None:
        """Whatever is taken is a whole UDP datagram of the flow, and leaves as one; all else stays as it is."""
        seed = int(os.environ.get("RTPPROXY_SEED") or random.SystemRandom().randrange(1 << 32))
        source = random.Random(seed)
        slot = self.armed()
        good = frame(rtp(3))
        for number in range(MUTATIONS):
            packet = self.damaged(good, source)
            expected = _is_of_the_flow(packet)
            before = slot.get("forwarded")
            run = self.run_program(packet)
            taken = slot.get("forwarded") > before
            with self.subTest(seed=seed, number=number, packet=packet.hex()):
                self.assertEqual(run.verdict, TAKEN if taken else UP)
                if taken:
                    self.assertTrue(expected)
                    self.assertEqual(run.packet[42:], packet[42 : len(run.packet)])
                else:
                    self.assertEqual(run.packet, packet)
            if not taken and slot.is_armed:  # as the relay does, once it has read what went up
                slot.take()
                slot.put("acknowledged", slot.get("up"))
                slot.put("frozen", 0)
                slot.put("want", 1)
                slot.is_armed = True

    @staticmethod
    def damaged(packet: bytes, source: random.Random) -> bytes:
        data = bytearray(packet)
        for _ in range(source.choice([0, 1, 1, 2, 5])):
            data[source.randrange(12, min(len(data), 60))] = source.choice([0, 1, 0x45, 0x46, 0x20, 0xFF,
                                                                            source.randrange(256)])
        if source.random() < 0.2:
            del data[source.randrange(54, len(data)) :]  # the kernel takes no shorter ones to test with
        if source.random() < 0.1:
            data += bytes(source.randrange(1, 30))  # Ethernet's padding
        return bytes(data)


def _is_of_the_flow(packet: bytes) -> bool:
    """By the book: an IPv4 packet without options that is no fragment, and a UDP datagram that fills it."""
    if len(packet) < 42 or packet[12:14] != b"\x08\x00" or packet[14] != 0x45 or packet[23] != 17:
        return False
    total, fragment = struct.unpack("!HxxH", packet[16:22])
    source_port, port, length = struct.unpack("!HHH", packet[34:40])
    return (fragment & 0x3FFF == 0 and packet[26:34] == pack(REMOTE) + pack(LOCAL)
            and (source_port, port) == (REMOTE_PORT, LOCAL_PORT) and length == total - 20 >= 8)
