"""The part of the program that turns a packet into the one that leaves: addresses, ports, hops, checksums.

The packet's bytes are written before the checksum helper is called, which makes pointers into the packet invalid.
"""

from __future__ import annotations

from rtpp.fastpath.assembler import R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10, Assembler
from rtpp.fastpath.kernel import CHANGE_PROTOCOL, DATA, DATA_END, IPV4, IPV6, REPLACE_CHECKSUM
from rtpp.fastpath.layout import OFFSETS, OUT_IPV6

HOPS = 64  # time to live, hop limit
UDP = 17
IPV4_UDP, IPV6_UDP = 34, 54  # bytes before the UDP header of an Ethernet frame
MANGLED_0, PSEUDO_HEADER, PORTS_SIZE = 1 << 5, 1 << 4, 4  # flags of REPLACE_CHECKSUM


def rewrite(code: Assembler, udp_offset: int) -> None:
    """R6 context, R7 UDP header, R8 old ports, R9 slot, `udp_offset` on the stack. Goes on at "out", or "failed"."""
    code.load(4, R1, R9, OFFSETS["flags"])
    code.load(8, R0, R10, udp_offset)
    code.jump("==", R0, IPV6_UDP, "from IPv6")
    code.jump("&", R1, OUT_IPV6, "IPv4 to IPv6")
    _locate(code, IPV4_UDP)
    _rewrite_ipv4(code, translated=False)
    code.goto("out")
    code.label("from IPv6")
    code.jump("&", R1, OUT_IPV6, "IPv6 to IPv6")
    _translate(code, IPV4, IPV4_UDP)
    _rewrite_ipv4(code, translated=True)
    code.goto("out")
    code.label("IPv4 to IPv6")
    _translate(code, IPV6, IPV6_UDP)
    _rewrite_ipv6(code, translated=True)
    code.goto("out")
    code.label("IPv6 to IPv6")
    _locate(code, IPV6_UDP)
    _rewrite_ipv6(code, translated=False)
    code.goto("out")


def fold(code: Assembler, times: int) -> None:
    """Add what is beyond the 16 low bits of R0 to them: an internet checksum in the making. R1 is lost."""
    for _ in range(times):
        code.mov(R1, R0)
        code.rsh(R1, 16)
        code.and_(R0, 0xFFFF)
        code.add(R0, R1)


def _locate(code: Assembler, offset: int) -> None:
    """R7: the UDP header, `offset` bytes into the packet, checked anew, as helpers and speculation demand."""
    code.load(4, R7, R6, DATA)
    code.load(4, R1, R6, DATA_END)
    code.add(R7, offset)
    code.mov(R0, R7)
    code.add(R0, 8)
    code.jump(">", R0, R1, "failed")


def _translate(code: Assembler, protocol: int, offset: int) -> None:
    """Make it a packet of the other family, whose header is filled in later."""
    code.mov(R1, R6)
    code.mov(R2, protocol)
    code.mov(R3, 0)
    code.call(CHANGE_PROTOCOL)
    code.jump("!=", R0, 0, "failed")
    _locate(code, offset)
    code.store(2, R7, 12 - offset, protocol)


def _rewrite_ipv4(code: Assembler, translated: bool) -> None:
    code.load(2, R0, R9, OFFSETS["head"])
    code.store(2, R7, -20, R0)
    if translated:
        code.load(2, R0, R7, 4)
        code.network_order(R0, 16)
        code.add(R0, 20)
        code.network_order(R0, 16)
        code.store(2, R7, -18, R0)
    code.store(2, R7, -16, 0)  # identification
    code.store(2, R7, -14, 0x40)  # do not fragment
    code.store(2, R7, -12, HOPS | UDP << 8)
    code.load(2, R1, R7, -18)
    code.load(4, R0, R9, OFFSETS["header_sum"])
    code.add(R0, R1)
    fold(code, 2)
    code.xor(R0, 0xFFFF)
    code.store(2, R7, -10, R0)
    code.load(4, R0, R9, OFFSETS["source"])
    code.store(4, R7, -8, R0)
    code.load(4, R0, R9, OFFSETS["target"])
    code.store(4, R7, -4, R0)
    _rewrite_udp(code, IPV4_UDP)


def _rewrite_ipv6(code: Assembler, translated: bool) -> None:
    code.load(4, R0, R9, OFFSETS["head"])
    code.store(4, R7, -40, R0)
    if translated:
        code.load(2, R0, R7, 4)
        code.store(2, R7, -36, R0)
    code.store(2, R7, -34, UDP | HOPS << 8)
    for part in range(0, 32, 8):  # both addresses
        code.load(8, R0, R9, OFFSETS["source"] + part)
        code.store(8, R7, -32 + part, R0)
    _rewrite_udp(code, IPV6_UDP)


def _rewrite_udp(code: Assembler, offset: int) -> None:
    """Ports and checksum. Only the helper knows a checksum from a partial one, which the card will complete."""
    code.load(4, R0, R9, OFFSETS["ports"])
    code.store(4, R7, 0, R0)
    code.mov(R1, R6)
    code.mov(R2, offset + 6)
    code.mov(R3, 0)
    code.load(4, R4, R9, OFFSETS["address_change"])
    code.mov(R5, MANGLED_0 | PSEUDO_HEADER)
    code.call(REPLACE_CHECKSUM)
    code.mov(R1, R6)
    code.mov(R2, offset + 6)
    code.mov(R3, R8)
    code.load(4, R4, R9, OFFSETS["ports"])
    code.mov(R5, MANGLED_0 | PORTS_SIZE)
    code.call(REPLACE_CHECKSUM)
