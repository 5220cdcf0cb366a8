"""The relay program: run on every packet that comes in through an interface, it takes those of armed slots.

    find the slot by the local port, compare addresses
    gate: wanted, not frozen, everything that went up has been relayed, no other processor is at it, this process is
    alive, the packet fits
    measure (accounting.py)
    rewrite (rewriting.py) and redirect to the next hop, whose hardware address the kernel knows

Every other packet goes on untouched, as if the program were not there. Those of a flow are counted on their way up,
lest one that follows overtakes them; only what has IP options or extension headers is not. What the stack would drop
(a wrong checksum of the header, a packet that ends too early) is left to it; checksums of UDP are not verified, since
they may not be there yet (CHECKSUM_PARTIAL): a wrong one leaves as a wrong one.

Registers: R6 context, R7 packet, R8 time, R9 slot.
"""

from __future__ import annotations

from rtpp.fastpath.accounting import SCRATCH, UDP_LENGTH, UDP_OFFSET, measure
from rtpp.fastpath.assembler import R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10, Assembler
from rtpp.fastpath.kernel import (
    BATCH,
    DATA,
    DATA_END,
    IPV4,
    IPV6,
    IS_TAGGED,
    LENGTH,
    MAP_LOOKUP,
    MONOTONIC_TIME,
    NEXT,
    PACKET_TYPE,
    PASS,
    PRIORITY,
    PROTOCOL,
    PULL_DATA,
    REDIRECT_TO_NEIGHBOUR,
    STOP,
    TAG,
    TIMESTAMP,
)
from rtpp.fastpath.layout import (
    ANALYSE,
    ANY_PORT,
    CELLS,
    DEADLINE,
    HAS_NEXT_HOP,
    OFFSETS,
    OUT_IPV6,
    PORTS,
    PRIORITY_SHIFT,
    TO_SOCKET,
)
from rtpp.fastpath.rewriting import IPV4_UDP, IPV6_UDP, UDP, fold, rewrite

NEXT_HOP_SIZE = 20
VLAN_ID = 0xFFF  # bits of a tag
FRAGMENT, LATER_FRAGMENT = 0xFF3F, 0xFF1F  # bits of the IPv4 flags and offset, as they stand in memory


def build(table: int, slots: int, *, times_from_packets: bool = False) -> Assembler:
    """`table` and `slots` are descriptors of the maps. `times_from_packets` is for tests that make their own time."""
    code = Assembler()
    code.mov(R6, R1)
    code.load(4, R0, R6, PACKET_TYPE)
    code.jump("!=", R0, 0, "next")  # not for this host
    code.load(4, R0, R6, TAG)
    code.jump("&", R0, VLAN_ID, "next")
    code.load(4, R0, R6, PROTOCOL)
    code.jump("==", R0, IPV6, "IPv6")
    code.jump("!=", R0, IPV4, "next")
    _match_ipv4(code, table, slots)
    _match_ipv6(code, table, slots)
    _gate(code, table, times_from_packets)
    measure(code)
    _commit(code)
    rewrite(code, UDP_OFFSET)
    _send(code)
    _pass_on(code)
    return code


def _match_ipv4(code: Assembler, table: int, slots: int) -> None:
    _reach(code, IPV4_UDP + 8)
    code.load(1, R0, R7, 14)
    code.jump("!=", R0, 0x45, "next")  # options
    code.load(1, R0, R7, 23)
    code.jump("!=", R0, UDP, "next")
    code.load(2, R0, R7, 20)
    code.jump("&", R0, LATER_FRAGMENT, "next")  # it has no ports
    _find_slot(code, table, slots, 0, IPV4_UDP)
    _compare(code, 4, 30, "local")
    _compare(code, 4, 26, "remote")
    _compare_port(code, IPV4_UDP)
    _check_header(code)
    code.load(2, R0, R7, 20)
    code.jump("&", R0, FRAGMENT, "up from IPv4")
    _check_tag(code, "up from IPv4")
    _check_length(code, IPV4_UDP, 16, 20, "up from IPv4")
    _gather(code, IPV4_UDP)
    code.load(2, R0, R7, IPV4_UDP + 6)
    code.jump("!=", R0, 0, "has checksum")
    code.load(4, R1, R9, OFFSETS["flags"])
    code.jump("&", R1, OUT_IPV6, "up from IPv4")  # IPv6 needs one
    code.label("has checksum")
    code.add(R7, IPV4_UDP)
    code.goto("flow")


def _match_ipv6(code: Assembler, table: int, slots: int) -> None:
    code.label("IPv6")
    _reach(code, IPV6_UDP + 8)
    code.load(1, R0, R7, 14)
    code.rsh(R0, 4)
    code.jump("!=", R0, 6, "next")
    code.load(1, R0, R7, 20)
    code.jump("!=", R0, UDP, "next")  # extension headers, fragments among them
    _find_slot(code, table, slots, 1, IPV6_UDP)
    for half in (0, 8):
        _compare(code, 8, 38 + half, "local", half)
        _compare(code, 8, 22 + half, "remote", half)
    _compare_port(code, IPV6_UDP)
    _check_tag(code, "up from IPv6")
    _check_length(code, IPV6_UDP, 18, 0, "up from IPv6")
    _gather(code, IPV6_UDP)
    code.load(2, R0, R7, IPV6_UDP + 6)
    code.jump("==", R0, 0, "next")  # a checksum is mandatory
    code.add(R7, IPV6_UDP)


def _reach(code: Assembler, size: int) -> None:
    """R7: the packet, of which `size` bytes can be read; one that is in pieces is pulled together once."""
    reached = code.new_label()
    code.load(4, R7, R6, DATA)
    code.load(4, R8, R6, DATA_END)
    code.mov(R0, R7)
    code.add(R0, size)
    code.jump("<=", R0, R8, reached)
    code.load(4, R2, R6, LENGTH)
    code.jump("<", R2, size, "next")
    code.mov(R1, R6)
    code.mov(R2, size)
    code.call(PULL_DATA)
    code.jump("!=", R0, 0, "next")
    code.load(4, R7, R6, DATA)
    code.load(4, R8, R6, DATA_END)
    code.mov(R0, R7)
    code.add(R0, size)
    code.jump(">", R0, R8, "next")
    code.label(reached)


def _check_tag(code: Assembler, otherwise: str) -> None:
    """A tag that is no VLAN's says a priority only: such a packet is for the socket."""
    code.load(4, R0, R6, IS_TAGGED)
    code.jump("!=", R0, 0, otherwise)


def _gather(code: Assembler, udp: int) -> None:
    """Have the RTP header in reach, too: many network cards put what they know as headers into the first piece, and
    all that follows into another."""
    gathered = code.new_label()
    code.load(4, R0, R6, DATA_END)
    code.mov(R1, R7)
    code.add(R1, udp + 20)
    code.jump("<=", R1, R0, gathered)
    code.load(4, R2, R6, LENGTH)
    code.jump("<", R2, udp + 20, gathered)  # it has none
    code.mov(R1, R6)
    code.mov(R2, udp + 20)
    code.call(PULL_DATA)
    code.load(4, R7, R6, DATA)
    code.load(4, R0, R6, DATA_END)
    code.mov(R1, R7)
    code.add(R1, udp + 8)
    code.jump(">", R1, R0, "next")
    code.label(gathered)


def _find_slot(code: Assembler, table: int, slots: int, family: int, udp: int) -> None:
    """R9: the slot of the local port."""
    code.load(2, R1, R7, udp + 2)
    code.lsh(R1, 2)
    code.map_value(R2, table, CELLS + family * PORTS * 4)
    code.add(R2, R1)
    code.load(4, R0, R2, 0)
    code.jump("==", R0, 0, "next")
    code.store(4, R10, SCRATCH, R0)
    code.mov(R2, R10)
    code.add(R2, SCRATCH)
    code.map_descriptor(R1, slots)
    code.call(MAP_LOOKUP)
    code.jump("==", R0, 0, "next")
    code.mov(R9, R0)


def _compare(code: Assembler, size: int, offset: int, field: str, part: int = 0) -> None:
    """Go on only if the packet at `offset` has what the slot says."""
    code.load(size, R0, R7, offset)
    code.load(size, R1, R9, OFFSETS[field] + part)
    code.jump("!=", R0, R1, "next")


def _compare_port(code: Assembler, udp: int) -> None:
    any_port = code.new_label()
    code.load(4, R1, R9, OFFSETS["flags"])
    code.jump("&", R1, ANY_PORT, any_port)
    _compare(code, 2, udp, "remote_port")
    code.label(any_port)


def _check_header(code: Assembler) -> None:
    """The IPv4 header's checksum: the sum of all its words is 0xFFFF."""
    code.load(4, R0, R7, 14)
    for offset in (18, 22, 26, 30):
        code.load(4, R1, R7, offset)
        code.add(R0, R1)
    fold(code, 3)
    code.jump("!=", R0, 0xFFFF, "next")


def _check_length(code: Assembler, udp: int, ip_length: int, ip_header: int, odd: str) -> None:
    """The UDP length is what the IP header says, and there is as much; remembered on the stack, as is where the UDP
    header is. A shorter datagram is one all the same, for the stack."""
    code.load(2, R1, R7, udp + 4)
    code.network_order(R1, 16)
    code.load(2, R2, R7, ip_length)
    code.network_order(R2, 16)
    code.sub(R2, ip_header)
    code.jump("!=", R1, R2, odd)
    code.jump("<", R1, 8, "next")
    code.load(4, R0, R6, LENGTH)
    code.sub(R0, udp)
    code.jump("<", R0, R1, "next")
    code.store(8, R10, UDP_LENGTH, R1)
    code.store(8, R10, UDP_OFFSET, udp)


def _gate(code: Assembler, table: int, times_from_packets: bool) -> None:
    """May this packet be taken? From here on R7 is the UDP header.

    `seen` is one more than `up` and `forwarded` together if no other processor has a packet of the slot in hand. It is
    read first: whoever comes later sees that we are here, and goes up, which `up` then shows.
    """
    code.label("flow")
    _count(code, "seen")
    code.mov(R1, 0)
    code.load(4, R0, R6, BATCH)
    code.jump("!=", R0, 0, "short")  # several packets in one, of which the first would be remembered as the last
    code.load(4, R0, R9, OFFSETS["want"])
    code.jump("==", R0, 0, "up")
    code.load(4, R0, R9, OFFSETS["frozen"])
    code.jump("!=", R0, 0, "up")
    code.load(8, R2, R9, OFFSETS["seen"])
    code.load(8, R3, R9, OFFSETS["forwarded"])
    code.load(8, R0, R9, OFFSETS["up"])
    code.load(8, R1, R9, OFFSETS["acknowledged"])
    code.jump("!=", R0, R1, "up")
    code.add(R3, R0)
    code.add(R3, 1)
    code.jump("!=", R2, R3, "up")
    if times_from_packets:
        code.load(8, R8, R6, TIMESTAMP)
    else:
        code.call(MONOTONIC_TIME)
        code.mov(R8, R0)
    code.map_value(R1, table)
    code.load(8, R0, R1, DEADLINE)
    code.jump(">", R8, R0, "up")
    code.load(8, R5, R10, UDP_LENGTH)
    code.load(4, R0, R9, OFFSETS["longest"])
    code.jump(">", R5, R0, "up")
    code.load(4, R0, R9, OFFSETS["flags"])
    code.jump("&", R0, ANALYSE, "rtp")
    code.goto("commit")


def _commit(code: Assembler) -> None:
    """The packet is taken: count it, last of all in `forwarded`, which lets another processor in. R8 becomes its
    ports."""
    code.label("commit")
    code.load(8, R1, R9, OFFSETS["last"])
    code.mov(R0, R8)
    code.sub(R0, R1)
    code.jump("s<=", R0, 0, "not later")
    code.store(8, R9, OFFSETS["last"], R8)
    code.load(8, R1, R9, OFFSETS["interval"])
    code.jump("<=", R0, R1, "not later")
    code.store(8, R9, OFFSETS["interval"], R0)
    code.label("not later")
    code.load(8, R1, R10, UDP_LENGTH)
    code.load(8, R0, R9, OFFSETS["octets"])
    code.add(R0, R1)
    code.sub(R0, 8)
    code.store(8, R9, OFFSETS["octets"], R0)
    _count(code, "forwarded")
    code.load(4, R8, R7, 0)


def _send(code: Assembler) -> None:
    code.label("out")
    code.load(4, R2, R9, OFFSETS["flags"])
    code.mov(R0, R2)
    code.rsh(R0, PRIORITY_SHIFT)
    code.store(4, R6, PRIORITY, R0)
    code.mov(R0, PASS)
    code.jump("&", R2, TO_SOCKET, "return")
    code.load(4, R1, R9, OFFSETS["interface"])
    code.mov(R4, 0)
    code.mov(R3, 0)
    code.jump("&", R2, HAS_NEXT_HOP, "next hop")
    code.mov(R2, 0)
    code.call(REDIRECT_TO_NEIGHBOUR)
    code.label("return")
    code.exit()
    code.label("next hop")
    code.mov(R2, R9)
    code.add(R2, OFFSETS["next_hop"])
    code.mov(R3, NEXT_HOP_SIZE)
    code.call(REDIRECT_TO_NEIGHBOUR)
    code.exit()


def _pass_on(code: Assembler) -> None:
    """To the socket, remembering what it looked like; or on its way, as nothing of ours."""
    code.label("up from IPv6")
    code.add(R7, IPV6_UDP)
    _count(code, "seen")
    code.goto("up")
    code.label("up from IPv4")
    code.add(R7, IPV4_UDP)
    _count(code, "seen")
    code.label("up")
    code.mov(R1, 0)
    code.load(4, R0, R6, DATA_END)
    code.mov(R2, R7)
    code.add(R2, 16)
    code.jump(">", R2, R0, "short")
    code.load(8, R1, R7, 8)
    code.label("short")
    code.store(8, R9, OFFSETS["up_head"], R1)
    _count(code, "up")
    code.label("next")
    code.mov(R0, NEXT)
    code.exit()
    code.label("failed")  # too late to hand it back
    _count(code, "errors")
    code.mov(R0, STOP)
    code.exit()


def _count(code: Assembler, field: str) -> None:
    """Add one to a field that several processors may write."""
    code.mov(R0, 1)
    code.atomic_add(8, R9, OFFSETS[field], R0)
