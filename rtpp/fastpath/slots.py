"""Slots: one for each stream that the program may relay.

    slot = slots.open(flow, route)      from here on the program counts what it passes up
    slot.arm(state, ...)                the program takes packets
    slot.take()                         it takes none any more, what it counted comes back
    slots.close(slot)

No packet overtakes another: the program takes packets only while `up`, its count of those passed up, equals
`acknowledged`. `caught_up` tells whether a packet just relayed is the last that went up, so that nothing is on its way
to the socket any more; and a packet that goes up for any reason stops the program until it is relayed.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections import deque
from typing import Callable, NamedTuple, Optional

from rtpp.fastpath import bpf
from rtpp.fastpath.layout import (
    ANALYSE,
    ANY_PORT,
    CELLS,
    COUNTERS,
    DEADLINE,
    FIELDS,
    FIGURES,
    OFFSETS,
    OUT_IPV6,
    PORTS,
    PRIORITY_SHIFT,
    SLOT_SIZE,
    TABLE_SIZE,
    Counters,
    State,
)
from rtpp.fastpath.rewriting import HOPS, UDP

REST = 0.1  # seconds before a slot is used again: a processor may be in the program with it
PRIORITIES = (0, 2, 6, 4)  # by two bits of the type of service, as the kernel gives them to sockets with IP_TOS
_SPINS = 10_000

PackedAddress = tuple[bytes, int]


class Flow(NamedTuple):
    """Packets from `remote` to `local` leave from `source` to `target`."""

    local: PackedAddress
    remote: PackedAddress
    source: PackedAddress
    target: PackedAddress
    tos: int
    any_port: bool  # of the remote


class Way(NamedTuple):
    """How packets leave this machine."""

    flags: int
    interface: int
    next_hop: bytes  # struct bpf_redir_neigh; empty: the target itself
    longest: int  # UDP length that fits


def internet_sum(data: bytes) -> int:
    """Ones' complement sum of 16-bit words in the machine's byte order (RFC 1071)."""
    total: int = sum(struct.unpack(f"={len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


class Slot:
    """A stream's element of the shared memory."""

    def __init__(self, slots: Slots, number: int, cell: int, flow: Flow, way: Way) -> None:
        self._memory, self._quads, self._words = slots.memory, slots.quads, slots.words
        self.number = number
        self.cell = cell
        self.flow = flow
        self.way = way
        self.is_armed = False
        self._base = number * SLOT_SIZE
        self._figures_at = self._base + OFFSETS["forwarded"]

    @property
    def priority(self) -> int:
        """Of packets sent. Were it another than the socket's, packets could overtake each other in a full queue."""
        return 0 if self.way.flags & OUT_IPV6 else PRIORITIES[self.flow.tos >> 3 & 3]

    def get(self, name: str) -> int:
        """A counter, by one aligned load."""
        offset, code = FIELDS[name]
        view, shift = (self._quads, 3) if code == "Q" else (self._words, 2)
        value: int = view[(self._base + offset) >> shift]
        return value

    def figures(self) -> tuple[int, int, int]:
        """Packets forwarded since the slot was opened, time of the last, longest interval; while they change."""
        forwarded, _, last, interval = FIGURES.unpack_from(self._memory, self._figures_at)
        return forwarded, last, interval

    def put(self, name: str, value: int) -> None:
        """By one aligned store."""
        offset, code = FIELDS[name]
        if code == "Q":
            self._quads[(self._base + offset) >> 3] = value
        else:
            self._words[(self._base + offset) >> 2] = value

    def put_bytes(self, name: str, value: bytes) -> None:
        at = self._base + OFFSETS[name]
        self._memory[at : at + len(value)] = value

    def clear(self) -> None:
        self._memory[self._base : self._base + SLOT_SIZE] = bytes(SLOT_SIZE)

    def write_way(self) -> None:
        any_port = ANY_PORT if self.flow.any_port else 0
        self.put("flags", self.way.flags | any_port | ANALYSE | self.priority << PRIORITY_SHIFT)
        self.put("interface", self.way.interface)
        self.put("longest", self.way.longest)
        self.put_bytes("next_hop", self.way.next_hop)

    def write_flow(self) -> None:
        flow = self.flow
        source, target = flow.source[0], flow.target[0]
        before = bytes(byte ^ 0xFF for byte in flow.remote[0] + flow.local[0])
        self.put_bytes("local", flow.local[0])
        self.put_bytes("remote", flow.remote[0])
        self.put_bytes("remote_port", struct.pack("!H", flow.remote[1]))
        self.put_bytes("ports", struct.pack("!HH", flow.source[1], flow.target[1]))
        self.put("address_change", internet_sum(source + target + before))
        self.put_bytes("source", source)
        if self.way.flags & OUT_IPV6:
            self.put_bytes("source", source + target)  # the program copies both at once
            self.put_bytes("head", struct.pack("!I", 6 << 28))
        else:
            self.put_bytes("target", target)
            head = struct.pack("BB", 0x45, flow.tos)
            self.put_bytes("head", head)
            self.put("header_sum", internet_sum(head + b"\0\0\x40\0" + bytes((HOPS, UDP)) + source + target))

    def caught_up(self, data: bytes) -> Optional[int]:
        """`up` when `data`, just relayed, is the last packet that went up; None when there is more to come."""
        up, head = self.get("up"), self.get("up_head")
        return up if len(data) >= 8 and head == int.from_bytes(data[:8], sys.byteorder) else None

    def arm(self, up: int, state: State, last: int, interval: int) -> bool:
        """Let the program take packets, if nothing more went up than `up`. Times are nanoseconds."""
        self.put_bytes("ssrc", state.pack())
        for name, value in (("last", last), ("interval", interval), ("parse_errors", 0), ("frozen", 0)):
            self.put(name, value)
        self.put("acknowledged", up)
        self.put("want", 1)
        self.is_armed = True
        return self.get("up") == up

    def take(self) -> tuple[Counters, State]:
        """Stop the program on this slot; returns what it has counted since the slot was opened, and the state."""
        self.put("want", 0)
        for _ in range(_SPINS):  # a processor may be in the program right now
            if self.get("seen") == self.get("up") + self.get("forwarded"):
                break
        self.is_armed = False
        at = self._base + OFFSETS["seen"]
        counters = Counters._make(COUNTERS.unpack_from(self._memory, at))
        at = self._base + OFFSETS["ssrc"]
        return counters, State.unpack(self._memory[at : self._base + SLOT_SIZE])


class Slots:
    """All of them, and the table that leads to them. Raises OSError when the kernel gives no memory."""

    def __init__(self, count: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        table = bpf.make_array(TABLE_SIZE, 1)
        self.table, self._table_memory = table
        self.descriptor, self.memory = bpf.make_array(SLOT_SIZE, count)
        self.quads = memoryview(self.memory).cast("Q")
        self.words = memoryview(self.memory).cast("I")
        self._deadline = memoryview(self._table_memory).cast("Q")
        self._cells = memoryview(self._table_memory).cast("I")[CELLS // 4 : TABLE_SIZE // 4]
        self._free = list(range(count - 1, 0, -1))
        self._resting: deque[tuple[float, int]] = deque()  # until when, and which

    @staticmethod
    def _cell(address: PackedAddress) -> int:
        return (len(address[0]) == 16) * PORTS + socket.htons(address[1])

    @property
    def is_full(self) -> bool:
        return not self._free

    def open(self, flow: Flow, way: Way) -> Optional[Slot]:
        """None when all are in use, or the port has one."""
        now = self._clock()
        while self._resting and self._resting[0][0] <= now:
            self._free.append(self._resting.popleft()[1])
        cell = self._cell(flow.local)
        if not self._free or self._cells[cell]:
            return None
        slot = Slot(self, self._free.pop(), cell, flow, way)
        slot.clear()
        slot.write_flow()
        slot.write_way()
        self._cells[cell] = slot.number
        return slot

    def close(self, slot: Slot) -> None:
        """After `take`."""
        self._cells[slot.cell] = 0
        self._resting.append((self._clock() + REST, slot.number))

    def extend_deadline(self, until: int) -> None:
        """Monotonic nanoseconds; without this the program soon passes everything up."""
        self._deadline[DEADLINE] = until
