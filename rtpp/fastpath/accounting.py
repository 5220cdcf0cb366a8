"""The part of the program that measures a stream, as `rtpp.rtp.analyzer` does.

It knows one epoch. What ends an epoch, and what is rare, it does not judge: it *freezes* the slot and passes the packet
up, for user space to judge, which takes the figures back, goes on with them, and hands them over again.

Jitter is kept times 2 ** JITTER_BITS, in integers. There are no loops: the verifier refuses them without CAP_PERFMON.
"""

from __future__ import annotations

from rtpp.fastpath.assembler import R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10, Assembler
from rtpp.fastpath.kernel import DATA_END, LOAD_BYTES
from rtpp.fastpath.layout import FROZEN, JITTER_BITS, OFFSETS
from rtpp.rtp.analyzer import LATE_ACROSS_WRAP, MAX_DISTANCE, WRAP
from rtpp.rtp.jitter import REMEMBERED_TIMESTAMPS
from rtpp.rtp.packet import CLOCK_RATES

CLOCK_8000 = [payload_type for payload_type in range(19) if CLOCK_RATES[payload_type] == 8000]
OTHER_CLOCKS = {payload_type: CLOCK_RATES[payload_type] for payload_type in range(19)
                if CLOCK_RATES[payload_type] not in (0, 8000)}

# places on the stack
UDP_LENGTH, UDP_OFFSET, NEW_OFFSET, RESTARTED, SCRATCH, HEADER_LENGTH, FIRST_BYTE = -8, -16, -24, -32, -40, -48, -56


def increment(code: Assembler, field: str, size: int = 8) -> None:
    """Add one to a field that only the processor writes that has the slot to itself (`_gate`)."""
    code.load(size, R0, R9, OFFSETS[field])
    code.add(R0, 1)
    code.store(size, R9, OFFSETS[field], R0)


def measure(code: Assembler) -> None:
    """R5 UDP length, R6 context, R7 UDP header, R8 time, R9 slot. Goes on at "commit", or at "up"."""
    _check_header(code)
    _find_position(code)
    _find_clock(code)
    _compare_timestamps(code)
    _estimate_jitter(code)
    _count_position(code)
    _side_ways(code)
    _check_extension_and_padding(code)


def _check_header(code: Assembler) -> None:
    """What is no RTP is counted as such and relayed all the same. R5 becomes the payload's length."""
    code.label("rtp")
    code.sub(R5, 8)
    code.jump("<", R5, 12, "parse error")
    code.load(4, R0, R6, DATA_END)
    code.mov(R1, R7)
    code.add(R1, 20)
    code.jump(">", R1, R0, "not linear")
    code.load(1, R0, R7, 8)
    code.load(1, R1, R7, 9)
    code.mov(R2, R0)
    code.rsh(R2, 6)
    code.jump("!=", R2, 2, "parse error")
    code.jump("<", R1, 200, "not RTCP")
    code.jump("<=", R1, 213, "parse error")
    code.label("not RTCP")
    code.mov(R2, R0)
    code.and_(R2, 15)
    code.lsh(R2, 2)
    code.add(R2, 12)
    code.jump(">", R2, R5, "parse error")
    code.jump("&", R0, 0x30, "extension or padding")


def _find_position(code: Assembler) -> None:
    """The sequence number extended: R1 sequence number, R2 offset, R3 position, R4 maximum, R5 maximum in its wrap."""
    code.label("parsed")
    code.load(4, R0, R7, 16)
    code.load(4, R1, R9, OFFSETS["ssrc"])
    code.jump("!=", R0, R1, "freeze 1")
    code.load(2, R1, R7, 10)
    code.network_order(R1, 16)
    code.load(4, R2, R9, OFFSETS["offset"])
    code.mov(R3, R1)
    code.add(R3, R2)
    code.load(4, R4, R9, OFFSETS["maximum"])
    code.mov(R5, R4)
    code.and_(R5, 0xFFFF)
    code.load(1, R0, R7, 9)
    code.jump("&", R0, 0x80, "marker")
    code.label("no marker")
    code.mov(R0, 0)
    code.jump("!=", R3, 0, "not restarted")
    code.jump(">=", R5, 65500, "not restarted")
    code.mov(R0, 1)
    code.label("not restarted")
    code.store(8, R10, RESTARTED, R0)
    code.jump(">=", R5, MAX_DISTANCE, "not late")
    code.jump("<=", R1, LATE_ACROSS_WRAP, "not late")
    code.jump("==", R2, 0, "freeze 3")
    code.sub(R3, WRAP)
    code.goto("placed")
    code.label("not late")
    code.jump("<=", R4, LATE_ACROSS_WRAP, "no wrap")
    code.mov(R0, R4)
    code.sub(R0, LATE_ACROSS_WRAP)
    code.jump(">=", R3, R0, "no wrap")
    code.add(R2, WRAP)
    code.add(R3, WRAP)
    code.goto("placed")
    code.label("no wrap")
    code.mov(R0, R3)
    code.add(R0, MAX_DISTANCE)
    code.jump("<", R0, R4, "freeze 4")
    code.mov(R0, R4)
    code.add(R0, MAX_DISTANCE)
    code.jump(">", R3, R0, "freeze 4")
    code.label("placed")
    # by way of the slot, or the verifier would follow its range without end
    code.store(8, R9, OFFSETS["position"], R3)
    code.store(8, R10, NEW_OFFSET, R2)


def _find_clock(code: Assembler) -> None:
    """R1: the time of arrival in ticks of the payload type's clock."""
    code.load(1, R1, R7, 9)
    code.and_(R1, 127)
    code.store(4, R10, SCRATCH, R1)
    code.mov(R0, 8000)
    code.jump(">=", R1, 19, "sequence number")
    code.mov(R2, 1)
    code.lsh(R2, R1)
    code.jump("&", R2, sum(1 << payload_type for payload_type in CLOCK_8000), "clock")
    for payload_type, clock in OTHER_CLOCKS.items():
        code.mov(R0, clock)
        code.jump("==", R1, payload_type, "clock")
    code.goto("sequence number")
    code.label("clock")
    code.mov(R1, R8)
    code.div(R1, 10**9)
    code.mov(R2, R1)
    code.mul(R2, 10**9)
    code.mov(R3, R8)
    code.sub(R3, R2)
    # R1 = time in ticks
    code.mul(R1, R0)
    code.mul(R3, R0)
    code.div(R3, 10**9)
    code.add(R1, R3)


def _compare_timestamps(code: Assembler) -> None:
    """Whether the packet says anything about jitter. R2 timestamp, R3 previous arrival, R4 previous timestamp."""
    code.load(4, R2, R7, 12)
    code.network_order(R2, 32)
    code.load(8, R3, R9, OFFSETS["arrival"])
    code.jump("==", R3, 0, "freeze 5")
    for number in range(REMEMBERED_TIMESTAMPS):
        code.load(4, R0, R9, OFFSETS["timestamps"] + 4 * number)
        code.jump("==", R0, R2, "repeated timestamp")
    code.load(8, R0, R10, RESTARTED)
    code.jump("!=", R0, 0, "remember timestamp")
    code.mov(R0, R1)
    code.sub(R0, R3)
    code.jump("s>=", R0, 0, "elapsed")
    code.neg(R0)
    code.label("elapsed")
    code.load(4, R4, R9, OFFSETS["timestamp"])
    code.mov(R5, R2)
    code.sub(R5, R4)
    code.jump("s>", R5, -1, "timestamp forward")
    code.neg(R5)
    code.jump32(">", R5, 1 << 31, "timestamp wrapped")
    code.jump("==", R0, 0, "compare")
    code.mul(R0, 50)
    code.jump(">", R5, R0, "remember timestamp")
    code.goto("compare")
    code.label("timestamp wrapped")
    code.wide(R0, 1 << 32)
    code.sub(R4, R0)
    code.goto("compare")
    code.label("timestamp forward")
    code.jump("==", R0, 0, "compare")
    code.mul(R0, 1024)
    code.jump(">", R5, R0, "remember timestamp")


def _estimate_jitter(code: Assembler) -> None:
    """RFC 3550, section 6.4.1: the deviation is (arrival - timestamp) - (previous arrival - previous timestamp)."""
    code.label("compare")
    code.mov(R0, R1)
    code.sub(R0, R2)
    code.sub(R0, R3)
    code.add(R0, R4)
    code.jump("s>=", R0, 0, "deviation")
    code.neg(R0)
    code.label("deviation")
    code.jump(">=", R0, 1 << 26, "freeze 6")
    code.load(8, R3, R9, OFFSETS["jitter_total"])
    code.jump("s<", R3, 0, "freeze 6")
    code.lsh(R0, JITTER_BITS)
    code.load(8, R3, R9, OFFSETS["jitter"])
    code.sub(R0, R3)
    code.arsh(R0, 4)
    code.add(R3, R0)
    code.store(8, R9, OFFSETS["jitter"], R3)
    code.load(8, R0, R9, OFFSETS["jitter_total"])
    code.add(R0, R3)
    code.store(8, R9, OFFSETS["jitter_total"], R0)
    code.load(8, R0, R9, OFFSETS["jitter_maximum"])
    code.jump(">=", R0, R3, "compared")
    code.store(8, R9, OFFSETS["jitter_maximum"], R3)
    code.label("compared")
    increment(code, "packets", 4)
    code.label("remember timestamp")
    code.load(4, R0, R9, OFFSETS["oldest"])
    code.and_(R0, 15)  # it is 0 to 9, but the verifier does not know
    code.mov(R3, R0)
    code.lsh(R3, 2)
    code.mov(R4, R9)
    code.add(R4, R3)
    code.store(4, R4, OFFSETS["timestamps"], R2)
    code.add(R0, 1)
    code.jump("<=", R0, 9, "oldest stored")
    code.mov(R0, 0)
    code.label("oldest stored")
    code.store(4, R9, OFFSETS["oldest"], R0)
    code.label("remember arrival")
    code.store(8, R9, OFFSETS["arrival"], R1)
    code.store(4, R9, OFFSETS["timestamp"], R2)


def _count_position(code: Assembler) -> None:
    """Nothing can fail from here on."""
    code.label("sequence number")
    code.load(4, R0, R10, SCRATCH)
    code.store(4, R9, OFFSETS["payload_type"], R0)
    code.load(8, R3, R9, OFFSETS["position"])
    code.load(8, R2, R10, NEW_OFFSET)
    code.store(4, R9, OFFSETS["offset"], R2)
    code.load(4, R4, R9, OFFSETS["maximum"])
    code.mov(R5, R3)
    code.rsh(R5, 6)
    code.mov(R1, R4)
    code.rsh(R1, 6)
    for _ in range(MAX_DISTANCE // 64 + 1):  # a word is emptied when the maximum enters it
        code.jump(">=", R1, R5, "window cleared")
        code.add(R1, 1)
        code.mov(R0, R1)
        code.and_(R0, 31)
        code.lsh(R0, 3)
        code.add(R0, R9)
        code.store(8, R0, OFFSETS["window"], 0)
    code.label("window cleared")
    code.and_(R5, 31)
    code.lsh(R5, 3)
    code.add(R5, R9)
    code.load(8, R0, R5, OFFSETS["window"])
    code.mov(R1, R3)
    code.and_(R1, 63)
    code.mov(R2, 1)
    code.lsh(R2, R1)
    code.jump("&", R0, R2, "duplicate")
    code.or_(R0, R2)
    code.store(8, R5, OFFSETS["window"], R0)
    code.jump(">=", R3, R4, "new maximum")
    code.load(4, R0, R9, OFFSETS["minimum"])
    code.jump(">=", R3, R0, "counted")
    code.load(4, R0, R9, OFFSETS["offset"])
    code.jump("!=", R0, 0, "commit")
    code.store(4, R9, OFFSETS["minimum"], R3)
    code.goto("counted")
    code.label("new maximum")
    code.store(4, R9, OFFSETS["maximum"], R3)
    code.label("counted")
    increment(code, "received", 4)
    code.goto("commit")
    code.label("duplicate")
    increment(code, "duplicates", 4)
    code.goto("commit")


def _side_ways(code: Assembler) -> None:
    """What hardly ever happens."""
    code.label("repeated timestamp")
    code.load(4, R0, R9, OFFSETS["packets"])
    code.jump("!=", R0, 1, "sequence number")
    code.goto("remember arrival")
    code.label("marker")
    code.jump(">=", R3, R4, "no marker")
    code.jump("!=", R5, 0xFFFF, "freeze 2")
    code.goto("no marker")
    code.label("parse error")
    increment(code, "parse_errors", 4)
    code.goto("commit")
    code.label("not linear")  # a header in pieces is for the socket
    code.goto("up")
    for why in range(1, len(FROZEN)):
        code.label(f"freeze {why}")
        code.mov(R0, why)
        code.goto("freeze")
    code.label("freeze")
    code.store(4, R9, OFFSETS["frozen"], R0)
    code.goto("up")


def _check_extension_and_padding(code: Assembler) -> None:
    """R0 first byte, R2 length of the header so far, R5 payload length; returns to "parsed"."""
    code.label("extension or padding")
    code.store(8, R10, FIRST_BYTE, R0)
    code.store(8, R10, HEADER_LENGTH, R2)
    code.jump("&", R0, 0x10, "extension")
    code.goto("padding")
    code.label("extension")
    code.mov(R1, R2)
    code.add(R1, 4)
    code.jump(">", R1, R5, "parse error")
    code.mov(R1, R6)
    code.load(8, R0, R10, UDP_OFFSET)
    code.add(R2, R0)
    code.add(R2, 10)
    _load_bytes(code, 2)
    code.load(2, R1, R10, SCRATCH)
    code.network_order(R1, 16)
    code.lsh(R1, 2)
    code.add(R1, 4)
    code.load(8, R2, R10, HEADER_LENGTH)
    code.add(R2, R1)
    code.store(8, R10, HEADER_LENGTH, R2)
    code.load(8, R5, R10, UDP_LENGTH)
    code.sub(R5, 8)
    code.jump(">", R2, R5, "parse error")
    code.label("padding")
    code.load(8, R0, R10, FIRST_BYTE)
    code.jump("&", R0, 0x20, "has padding")
    code.goto("parsed")
    code.label("has padding")
    code.sub(R5, R2)
    code.jump("==", R5, 0, "parse error")
    code.store(8, R10, HEADER_LENGTH, R5)
    code.mov(R1, R6)
    code.load(8, R2, R10, UDP_OFFSET)
    code.load(8, R0, R10, UDP_LENGTH)
    code.add(R2, R0)
    code.sub(R2, 1)
    _load_bytes(code, 1)
    code.load(1, R1, R10, SCRATCH)
    code.jump("==", R1, 0, "parse error")
    code.load(8, R5, R10, HEADER_LENGTH)
    code.jump(">", R1, R5, "parse error")
    code.goto("parsed")


def _load_bytes(code: Assembler, size: int) -> None:
    """To SCRATCH, from where R2 says in the packet R1, which may be in pieces."""
    code.mov(R3, R10)
    code.add(R3, SCRATCH)
    code.mov(R4, size)
    code.call(LOAD_BYTES)
    code.jump("!=", R0, 0, "parse error")
