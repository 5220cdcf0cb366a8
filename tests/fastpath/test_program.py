"""What the program takes, what it makes of it, and what it leaves alone."""

from __future__ import annotations

import os
import random
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import Optional

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
    SLOTS,
    SOURCE,
    SOURCE6,
    SOURCE_PORT,
    TAKEN,
    TARGET,
    TARGET6,
    TARGET_PORT,
    TO_A_SOCKET,
    UP,
    KernelTest,
    flow,
    frame,
    internet_checksum,
    pack,
    udp,
    with_header_checksum,
)

FAMILIES = [(False, False), (True, True), (False, True), (True, False)]
MUTATIONS = 4000
RACES, LAPS = 200, 30_000  # rounds of two processors at one slot at most, and packets of each in a round
COLLISIONS = 10  # that suffice


def rtp(number: int, size: int = 160) -> bytes:
    return struct.pack("!BBHII", 0x80, 0, number, 160 * number, 77) + bytes(size)


class ProgramTest(KernelTest):
    def armed(self, *, ipv6_in: bool = False, ipv6_out: bool = False, any_port: bool = False,
              slot: Optional[Slot] = None) -> Slot:
        """A slot that takes packets from number 3 on."""
        slot = slot or self.open(ipv6_in=ipv6_in, ipv6_out=ipv6_out, any_port=any_port)
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
            expected = with_header_checksum(expected + pack(SOURCE) + pack(TARGET))
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

    def test_what_the_stack_would_drop(self) -> None:
        """It is left to the stack."""
        for ipv6_in, offset, change in ((False, 24, 0xFF), (False, 22, 1), (True, 14, 0x50), (True, 14, 0x45)):
            with self.subTest(ipv6_in=ipv6_in, offset=offset):
                slot = self.armed(ipv6_in=ipv6_in)
                seen = slot.get("seen")
                packet = bytearray(frame(rtp(3), *self.ends))
                packet[offset] = change
                self.assertEqual(self.run_program(bytes(packet))[:2], (UP, bytes(packet)))
                cut = frame(rtp(3), *self.ends)[:-1]
                self.assertEqual(self.run_program(cut)[:2], (UP, cut))
                self.assertEqual(slot.get("seen"), seen)
                self.close(slot)
                self._cleanups.pop()

    def test_hops_and_type_of_service_do_not_matter(self) -> None:
        """What is for this host arrives with whatever is left of them, and leaves as the slot says."""
        for hops, tos in ((1, 0), (0, 3), (255, 0xFF)):
            slot = self.armed()
            packet = bytearray(frame(rtp(3)))
            packet[15], packet[22] = tos, hops
            run = self.run_program(bytes(packet[:14]) + with_header_checksum(bytes(packet[14:34])) + packet[34:])
            self.assertEqual(run.verdict, TAKEN)
            self.check_packet(run.packet[14:], rtp(3), is_ipv6=False)
            self.close(slot)
            self._cleanups.pop()

    def test_a_fragment_stops_the_program(self) -> None:
        """The packet that it begins is relayed here, and none that follows may overtake it."""
        slot = self.armed()
        packet = bytearray(frame(rtp(3)))
        packet[20] = 0x20  # more fragments
        first = bytes(packet[:14]) + with_header_checksum(bytes(packet[14:34])) + bytes(packet[34:])
        up = slot.get("up")
        self.assertEqual(self.run_program(first)[:2], (UP, first))
        self.assertEqual(slot.get("up"), up + 1)
        self.assertEqual(self.run_program(frame(rtp(4))).verdict, UP)

    def test_two_processors_at_once(self) -> None:
        """One of them goes up, so that no figure is lost: what was taken is what was counted."""
        packet = frame(rtp(2))
        same = flow()._replace(source=flow().remote, target=flow().local)  # what leaves could come in again
        collisions = 0
        for _ in range(RACES):
            if collisions == COLLISIONS:
                break
            slot = self.armed(slot=self.slots.open(same, TO_A_SOCKET))
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda _: self.run_program(packet, repeat=LAPS), range(2)))
            counters, state = slot.take()
            self.assertEqual(counters.seen, 1 + 2 * LAPS)
            self.assertEqual(counters.seen, counters.up + counters.forwarded)
            self.assertEqual(state.received + state.duplicates, 2 + counters.forwarded)
            self.assertEqual(counters.octets, 172 * counters.forwarded)
            collisions += counters.up > 1
            self.slots.close(slot)
            self.rest()
        if len(os.sched_getaffinity(0)) > 1:
            self.assertEqual(collisions, COLLISIONS, "they were at it at once")

    def test_priority_is_that_of_a_socket(self) -> None:
        for tos in range(256):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
                expected = sender.getsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY)
            slot = self.open(tos=tos)
            self.assertEqual(slot.priority, expected, tos)
            self.close(slot)
            self._cleanups.pop()

    def test_slots_run_out(self) -> None:
        """Then there is none to be had until one is given back, and has rested."""
        taken = []
        while (slot := self.slots.open(flow(local_port=41000 + len(taken)), TO_A_SOCKET)) is not None:
            taken.append(slot)
        self.assertEqual(len(taken), SLOTS - 1)
        self.slots.close(taken[0])
        self.assertIsNone(self.slots.open(flow(local_port=41000), TO_A_SOCKET), "a processor may still be at it")
        for slot in taken[1:]:
            self.slots.close(slot)
        self.rest()
        self.assertIsNotNone(slot := self.slots.open(flow(local_port=41000), TO_A_SOCKET))
        self.assertIsNone(self.slots.open(flow(local_port=41000), TO_A_SOCKET), "the port has one")
        assert slot is not None
        self.slots.close(slot)
        self.rest()

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
        if source.random() < 0.8:  # or no other damage to the header would be looked at
            data[14:34] = with_header_checksum(bytes(data[14:34]))
        if source.random() < 0.2:
            del data[source.randrange(54, len(data)) :]  # the kernel takes no shorter ones to test with
        if source.random() < 0.1:
            data += bytes(source.randrange(1, 30))  # Ethernet's padding
        return bytes(data)


def _is_of_the_flow(packet: bytes) -> bool:
    """By the book: a whole IPv4 packet without options that is no fragment, and a UDP datagram that fills it."""
    if len(packet) < 42 or packet[12:14] != b"\x08\x00" or packet[14] != 0x45 or packet[23] != 17:
        return False
    if internet_checksum(packet[14:34]):
        return False
    total, fragment = struct.unpack("!HxxH", packet[16:22])
    source_port, port, length = struct.unpack("!HHH", packet[34:40])
    return (fragment & 0x3FFF == 0 and packet[26:34] == pack(REMOTE) + pack(LOCAL)
            and (source_port, port) == (REMOTE_PORT, LOCAL_PORT) and len(packet) - 34 >= length == total - 20 >= 8)
