"""The memory that the program in the kernel and this process share: two arrays, mapped into both.

    table   one element: 64 bytes of which the first eight are the deadline, then for each address family 65536 cells,
            one for each local port in network order: the number of the slot, 0 for none
    slots   an element for each stream on the fast path; number 0 is never used

Both sides read and write with plain aligned loads and stores, in the machine's byte order; what is `s` below is bytes
as they stand in packets.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

DEADLINE = 0  # of the table: monotonic nanoseconds after which the program passes everything to the sockets
CELLS = 64
PORTS = 65536
TABLE_SIZE = CELLS + 2 * PORTS * 4

FIELDS = {  # name -> offset, struct code
    # written by this process
    "want": (0, "I"),  # 1: take packets
    "flags": (4, "I"),
    "acknowledged": (8, "Q"),  # of `up`, packets that this process has relayed
    "local": (16, "16s"),  # address that packets come to
    "remote": (32, "16s"),  # and from
    "remote_port": (48, "2s"),
    "longest": (52, "I"),  # UDP length that fits the way out
    "interface": (56, "I"),  # index of the one to send through
    "head": (60, "4s"),  # first bytes of the IP header to send
    "source": (64, "16s"),  # of packets sent
    "target": (80, "16s"),
    "ports": (96, "4s"),  # source and destination of packets sent
    "address_change": (100, "I"),  # difference of the addresses' sums, for the UDP checksum
    "header_sum": (104, "I"),  # sum of the constant part of the IPv4 header
    "next_hop": (108, "20s"),
    # counted by the program
    "seen": (128, "Q"),
    "up": (136, "Q"),  # passed to the socket
    "forwarded": (144, "Q"),
    "octets": (152, "Q"),  # of payload forwarded
    "last": (160, "Q"),  # monotonic nanoseconds of the last packet
    "interval": (168, "Q"),  # nanoseconds, the longest between two packets
    "parse_errors": (176, "I"),
    "frozen": (180, "I"),  # why the program takes no more, an index of FROZEN
    "up_head": (184, "Q"),  # first eight bytes of the payload that was passed up last
    # state of the analyzer, moved in and out as one block
    "ssrc": (192, "4s"),
    "offset": (196, "I"),
    "minimum": (200, "I"),
    "maximum": (204, "I"),
    "received": (208, "I"),
    "duplicates": (212, "I"),
    "payload_type": (216, "I"),
    "packets": (220, "I"),  # of the jitter
    "arrival": (224, "Q"),  # ticks
    "timestamp": (232, "I"),
    "oldest": (236, "I"),  # which of `timestamps` is replaced next
    "jitter": (240, "Q"),  # times 2 ** JITTER_BITS, as the next two
    "jitter_maximum": (248, "Q"),
    "jitter_total": (256, "Q"),
    "timestamps": (264, "10I"),
    "errors": (304, "Q"),  # packets lost after they had been taken
    "position": (312, "Q"),  # scratch of the program
    "window": (320, "256s"),  # bit n % 2048: position n has been seen
}
SLOT_SIZE = 576
OFFSETS = {name: offset for name, (offset, _) in FIELDS.items()}

FIGURES = struct.Struct("@4Q")  # forwarded to interval; native, which reads each by one load, as they may change
COUNTERS = struct.Struct("=6Q2IQ")  # seen to up_head
STATE = struct.Struct("=4s7IQ2I3Q10IQ8x256s")  # ssrc to window

ANALYSE, ANY_PORT, OUT_IPV6, TO_SOCKET, HAS_NEXT_HOP = 1, 2, 4, 8, 16  # flags; from bit 8 on the packet's priority
PRIORITY_SHIFT = 8

FROZEN = ("", "another SSRC", "a marker that steps back", "late across the first wrap", "a jump of the sequence number",
          "no jitter to compare with", "a huge jitter")
JITTER_BITS = 28
WINDOW = 2048


class Counters(NamedTuple):
    """What the program counted on a slot."""

    seen: int
    up: int
    forwarded: int
    octets: int
    last: int
    interval: int
    parse_errors: int
    frozen: int
    up_head: int


class State(NamedTuple):
    """Of the analyzer; see FIELDS."""

    ssrc: bytes
    offset: int
    minimum: int
    maximum: int
    received: int
    duplicates: int
    payload_type: int
    packets: int
    arrival: int
    timestamp: int
    oldest: int
    jitter: int
    jitter_maximum: int
    jitter_total: int
    timestamps: tuple[int, ...]
    window: bytes

    def pack(self) -> bytes:
        return STATE.pack(*self[:14], *self.timestamps, 0, self.window)

    @classmethod
    def unpack(cls, block: bytes) -> State:
        values = STATE.unpack(block)
        return cls._make((*values[:14], values[14:24], values[25]))
