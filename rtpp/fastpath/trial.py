"""The program tried on a packet that goes nowhere, before it runs on any that matters.

Should an offset be wrong, a helper behave otherwise, or the kernel's clock be another than ours (in a time namespace),
then packets stay with the sockets.
"""

from __future__ import annotations

import struct
import time

from rtpp.fastpath import bpf
from rtpp.fastpath.kernel import PASS
from rtpp.fastpath.layout import TO_SOCKET
from rtpp.fastpath.measures import export_state
from rtpp.fastpath.slots import Flow, Slots, Way, internet_sum
from rtpp.rtp.analyzer import Analyzer

_PHONE, _OURS, _OTHER = (bytes((192, 0, 2, number)) for number in (1, 2, 3))  # RFC 5737
_FLOW = Flow((_OURS, 40000), (_PHONE, 5000), (_OURS, 40002), (_OTHER, 6000), 0, False)
_BEFORE, _RTP = (b"\x80\0\0" + bytes((number,)) + bytes(8) + bytes(160) for number in (1, 2))
_SECOND = 1_000_000_000  # nanoseconds


def try_out(program: int, slots: Slots) -> bool:
    """Whether a packet of a stream leaves as it should, and is counted. Raises OSError."""
    slot = slots.open(_FLOW, Way(TO_SOCKET, 0, b"", 1000))
    assert slot is not None
    analyzer = Analyzer()
    analyzer.update(_BEFORE, time.monotonic())
    state = export_state(analyzer)
    assert state is not None
    now = time.monotonic_ns()
    slots.extend_deadline(now + _SECOND)
    slot.arm(0, state, 0, 0)
    run = bpf.test_run(program, _packet(_FLOW.remote, _FLOW.local))
    counters, state = slot.take()
    slots.close(slot)
    slots.extend_deadline(0)
    return (run.verdict == PASS and run.packet == _packet(_FLOW.source, _FLOW.target)
            and (counters.seen, counters.forwarded, counters.octets, state.received) == (1, 1, len(_RTP), 2)
            and now <= counters.last < now + _SECOND)


def _packet(source: tuple[bytes, int], target: tuple[bytes, int]) -> bytes:
    """An Ethernet frame, as it comes in or leaves."""
    length = 8 + len(_RTP)
    udp = struct.pack("!HHH", source[1], target[1], length)
    pseudo = source[0] + target[0] + struct.pack("!HH", 17, length)
    header = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, 0, 0x4000, 64, 17)
    return b"".join((bytes(12), b"\x08\0", header, _checksum(header + source[0] + target[0]), source[0], target[0],
                     udp, _checksum(pseudo + udp + _RTP), _RTP))


def _checksum(data: bytes) -> bytes:
    return struct.pack("=H", internet_sum(data) ^ 0xFFFF)
