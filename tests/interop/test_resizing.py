"""Modifier z beside the C engine: both re-packetise the same streams, in real time, into the same packets.

Compared are whole packets, byte for byte. Left out is what differs on purpose (rtpp/rtp/resizer.py): G.722, which the
C engine cuts at half its size; the end of each stream, which it keeps; pauses so long that ours sends the end of a
talkspurt in them.
"""

from __future__ import annotations

import random
import socket
import time
import unittest
from contextlib import ExitStack
from typing import NamedTuple

from rtpp.rtp.packet import RtpPacket, samples
from tests.interop.rig.media import Media
from tests.interop.rig.oracle import Oracle
from tests.interop.rig.proxy import Proxy
from tests.interop.rig.tools import free_range, wait_for

G729 = 18
FRAMES = {0: (10, 80), 8: (10, 80), 3: (20, 33), G729: (10, 10), 4: (30, 24)}  # milliseconds and bytes of a frame
PACKETS = 40  # of each stream
DTMF = 101
LATE = 0.008  # seconds; a packet that is overtaken is late by no more: what waits for it is not yet sent by time
SETTLE = 0.2
COUNTERS = "npkts_resizer_in npkts_rcvd npkts_discard"

Event = tuple[float, bytes]  # when a datagram is sent


class Stream(NamedTuple):
    """How a party talks, and what `z` says. `trouble`: "none", "sizes" or "network"."""

    payload_type: int
    milliseconds: int
    frames: int  # in a packet
    trouble: str

    def events(self, choose: random.Random) -> list[Event]:
        number, timestamp, at = choose.choice((1000, 65520)), choose.choice((5000, (1 << 32) - 2000)), 0.0
        sent: list[Event] = []
        for _ in range(PACKETS):
            frames = self.frames
            if self.trouble == "sizes" and choose.random() < 0.3:
                frames = choose.randint(1, 6)
            payload = self.payload(choose, frames)
            packet = RtpPacket(self.payload_type, number & 0xFFFF, timestamp & 0xFFFFFFFF, 7, payload,
                               choose.random() < 0.1)
            sent.append((at, bytes(packet)))
            ticks = samples(self.payload_type, payload)
            number, timestamp, at = number + 1, timestamp + ticks, at + ticks / 8000
        return self.through_network(choose, sent) if self.trouble == "network" else sent

    def payload(self, choose: random.Random, frames: int) -> bytes:
        """Frames that tell themselves apart. The low bits of a frame of G.723.1 are its size, so they stay zero."""
        _, size = FRAMES[self.payload_type]
        ends = self.payload_type == G729 and self.trouble == "sizes" and choose.random() < 0.1
        silence = b"\1\2" if ends else b""  # a silence descriptor, which nothing may follow
        return b"".join(bytes([4 * choose.randrange(64)]) * size for _ in range(frames)) + silence

    def through_network(self, choose: random.Random, sent: list[Event]) -> list[Event]:
        """Packets are lost, repeated, accompanied by a digit, or change places with the next."""
        arriving: list[Event] = []
        while sent:
            at, data = sent.pop(0)
            chance = choose.random()
            if chance < 0.06:
                continue
            if chance < 0.12 and sent:
                arriving += [(at + LATE, sent.pop(0)[1]), (at + LATE, data)]
                continue
            arriving.append((at, data))
            if chance < 0.16:
                arriving.append((at + 0.002, data))
            elif chance < 0.2:
                arriving.append((at + 0.002, bytes(RtpPacket(DTMF, 9, 9, 7, b"\5\12\1\xe0"))))
        return arriving


def streams(choose: random.Random) -> list[Stream]:
    found = []
    for payload_type, (duration, _) in FRAMES.items():
        for milliseconds in (5, 10, 20, 30, 40, 60, 100):
            for trouble in ("none", "sizes", "network"):
                frames = choose.choice([count for count in (1, 2, 3, 6) if count * duration <= 60])
                found.append(Stream(payload_type, milliseconds, frames, trouble))
    return found


class Call:
    """One on each side, with a sink for each."""

    def __init__(self, number: int, stream: Stream, sides: tuple[Proxy, Oracle], stack: ExitStack) -> None:
        self.sender = Media("sender")
        self.name = f"c{number}"
        stack.callback(self.sender.close)
        self.ports, self.sinks = [], []
        for side in sides:
            sink = Media("sink")
            stack.callback(sink.close)
            sink.rtp_socket.setblocking(False)
            self.say(side, stream.milliseconds)
            self.ports.append(int(side.command(f"L {self.name} 127.0.0.1 {sink.port} f t").split()[0]))
            self.sinks.append(sink.rtp_socket)

    def say(self, side: object, milliseconds: int) -> None:
        assert isinstance(side, (Proxy, Oracle))
        side.command(f"Uz{milliseconds} {self.name} 127.0.0.1 {self.sender.port} f")

    def send(self, data: bytes, turn: int) -> None:
        """To both, now one first, now the other."""
        for port in self.ports[:: 1 if turn % 2 else -1]:
            self.sender.rtp_socket.sendto(data, ("127.0.0.1", port))

    def heard(self) -> list[list[bytes]]:
        """What has arrived, from our side first."""
        return [drain(sink) for sink in self.sinks]


def drain(source: socket.socket) -> list[bytes]:
    packets = []
    while True:
        try:
            packets.append(source.recv(9000))
        except BlockingIOError:
            return packets


class ResizingTest(unittest.TestCase):
    def setUp(self) -> None:
        self.stack = ExitStack()
        self.addCleanup(self.stack.close)
        self.proxy = self.stack.enter_context(Proxy(sockets=("cunix",), port_range=free_range(1000)))
        self.engine = self.stack.enter_context(Oracle(*free_range(1000)))
        self.sides = self.proxy, self.engine
        self.addCleanup(self.proxy.command, "X")
        self.sent = 0

    def call(self, stream: Stream) -> Call:
        self.sent += 1
        return Call(self.sent, stream, self.sides, self.stack)

    def wait_until_taken(self, packets: int) -> None:
        for side in self.sides:
            wait_for(lambda side=side: side.command("G npkts_rcvd") == str(packets), "every packet")

    def test_same_packets(self) -> None:
        seed = random.SystemRandom().randrange(1 << 32)
        choose = random.Random(seed)
        calls = [(self.call(stream), stream) for stream in streams(choose)]
        schedule = [(at, number, data) for number, (_, stream) in enumerate(calls)
                    for at, data in stream.events(choose)]
        schedule.sort(key=lambda event: event[0])
        start = time.monotonic() + SETTLE
        for turn, (at, number, data) in enumerate(schedule):
            time.sleep(max(start + at - time.monotonic(), 0))
            calls[number][0].send(data, turn)
        self.wait_until_taken(len(schedule))
        time.sleep(SETTLE)  # the ends of the streams
        for call, stream in calls:
            with self.subTest(stream, seed=seed):
                ours, theirs = call.heard()
                self.assertGreater(len(theirs), 2)
                self.assertEqual([data.hex() for data in ours[: len(theirs)]], [data.hex() for data in theirs])
        self.assertEqual(*(side.command(f"Gv {COUNTERS}") for side in self.sides))

    def test_another_duration_in_a_call(self) -> None:
        """Numbers run on, and nothing that waits is lost."""
        call = self.call(Stream(0, 20, 6, "none"))
        for number, milliseconds in enumerate((20, 60, 20, 60, 40, 999, 10)):
            for side in self.sides:
                call.say(side, milliseconds)
            call.send(bytes(RtpPacket(0, 1000 + number, 480 * number, 7, bytes([number]) * 480)), number)
            self.wait_until_taken(number + 1)
        ours, theirs = call.heard()
        self.assertEqual([data.hex() for data in ours], [data.hex() for data in theirs])
        self.assertEqual([RtpPacket.parse(data).sequence_number for data in ours],
                         list(range(1000, 1000 + len(ours))))
        self.assertEqual(*(side.command(f"Gv {COUNTERS} npkts_resizer_out") for side in self.sides))
