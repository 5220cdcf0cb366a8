"""Numbers of the kernel's interface to its eBPF programs: helpers, and fields of a packet's context."""

from __future__ import annotations

# helpers
MAP_LOOKUP = 1
MONOTONIC_TIME = 5
REPLACE_CHECKSUM = 11  # of UDP, incrementally
LOAD_BYTES = 26
CHANGE_PROTOCOL = 31
PULL_DATA = 39
REDIRECT_TO_NEIGHBOUR = 152

# struct __sk_buff
LENGTH, PACKET_TYPE, PROTOCOL, IS_TAGGED, TAG, PRIORITY = 0, 4, 16, 20, 24, 32
DATA, DATA_END, TIMESTAMP, BATCH = 76, 80, 152, 176
IPV4, IPV6 = 0x0008, 0xDD86  # Ethernet's protocol numbers, as they stand in memory on a little-endian machine

# verdicts
PASS, STOP, NEXT = 0, 2, -1  # to this host's stack; drop; as if the program were not there
