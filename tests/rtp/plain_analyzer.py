"""The rules of the analyzer, written down one by one, without any thought for speed.

What `rtpp.rtp.analyzer` computes in clever ways is compared with this. Nothing here is shared with it: the
header is taken apart anew, sequence numbers seen are kept in a map of 131072 cells, times are ints.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Optional

CELLS = 131072
CLOCKS = {0: 8000, 3: 8000, 4: 8000, 5: 8000, 6: 16000, 7: 8000, 8: 8000, 9: 8000, 10: 44100, 11: 44100,
          12: 8000, 13: 8000, 14: 90000, 15: 8000, 16: 11025, 17: 22050, 18: 8000}


class Header(NamedTuple):
    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int


def parse(data: bytes, recorded: bool) -> Optional[Header]:
    if not recorded and len(data) >= 2 and data[0] // 64 == 2 and data[1] in range(200, 214):
        return None
    if len(data) < 12 or data[0] // 64 != 2:
        return None
    start = 12 + 4 * (data[0] % 16)
    if data[0] & 16:
        if len(data) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if start > len(data):
        return None
    if data[0] & 32 and (start == len(data) or data[-1] == 0 or data[-1] > len(data) - start):
        return None
    sequence, timestamp, ssrc = data[2:4], data[4:8], data[8:12]
    numbers = (int.from_bytes(field, "big") for field in (sequence, timestamp, ssrc))
    return Header(data[1] > 127, data[1] % 128, *numbers)


class Source:
    def __init__(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self.pr = self.pt = self.n = 0
        self.jl = self.jmax = self.jtot = 0.0
        self.seen: list[int] = []

    def update(self, r: int, ts: int, reset: bool) -> None:
        if ts in self.seen[-10:]:
            if self.n == 1:
                self.pr, self.pt = r, ts
            return
        if self.pr == 0 or self.difference(r, ts, reset):
            self.n += 1
        self.seen.append(ts)
        self.pr, self.pt = r, ts

    def difference(self, r: int, ts: int, reset: bool) -> bool:
        if reset:
            return False
        dr = abs(self.pr - r)
        wrap = 0
        if self.pt > ts:
            if self.pt - ts > 2**31:
                wrap = 2**32
            elif dr and self.pt - ts > dr * 50:
                return False
        elif dr and ts - self.pt > dr * 1024:
            return False
        d = (r - (ts + wrap)) - (self.pr - self.pt)
        self.jl += (abs(d) - self.jl) / 16
        self.jmax = max(self.jmax, self.jl)
        self.jtot += self.jl
        return True


class PlainAnalyzer:
    """`aliased` tells that a cell of the map stood for two positions, so that the figures mean nothing."""

    def __init__(self, recorded: bool = False) -> None:
        self.recorded = recorded
        self.sent = self.rcvd = self.dups = self.perrs = 0
        self.ssrc_changes = self.desync = self.seq_resets = 0
        self.ssrc: Optional[int] = None
        self.min = self.max = self.offset = self.count = self.edups = 0
        self.payload_type = -1
        self.cells: dict[int, int] = {}
        self.aliased = False
        self.sources: list[Source] = []
        self.folded = [0.0, 0.0, 0]  # maximum, total, differences of recycled sources

    def fold(self) -> None:
        self.sent += self.max - self.min + 1
        self.rcvd += self.count
        self.dups += self.edups

    def new_epoch(self, x: int) -> None:
        self.cells = {x % CELLS: x}
        self.edups = 0
        self.min = self.max = x
        self.count = 1

    def jitter(self, packet: Header, time: float, reset: bool = False) -> None:
        clock = CLOCKS.get(packet.payload_type)
        if clock is None:
            return
        found = [source for source in self.sources if source.ssrc == packet.ssrc]
        if not found:
            if len(self.sources) == 10:
                old = self.sources.pop()
                if old.n >= 2:
                    self.folded[0] = max(self.folded[0], old.jmax)
                    self.folded[1] += old.jtot
                    self.folded[2] += old.n - 1
            found = [Source(packet.ssrc)]
            self.sources = found + self.sources
        found[0].update(math.floor(time * clock), packet.timestamp, reset)

    def update(self, data: bytes, time: float) -> str:
        packet = parse(data, self.recorded)
        if packet is None:
            self.perrs += 1
            return "NOT_RTP"
        self.payload_type = packet.payload_type
        if self.ssrc is None or packet.ssrc != self.ssrc:
            first = self.ssrc is None
            if not first:
                self.fold()
            self.ssrc = packet.ssrc
            self.new_epoch(packet.sequence)
            self.ssrc_changes += 1
            self.jitter(packet, time)
            return "TRACKED" if first else "SSRC_CHANGED"
        x = packet.sequence + self.offset
        if packet.marker and x < self.max and self.max % 65536 != 65535:
            self.fold()
            self.new_epoch(x)
            self.seq_resets += 1
            self.jitter(packet, time, reset=True)
            return "TRACKED"
        self.jitter(packet, time, reset=x == 0 and self.max % 65536 < 65500)
        if self.max % 65536 < 536 and packet.sequence > 65000:
            x -= 65536
        elif self.max > 65000 and x < self.max - 65000:
            self.offset += 65536
            x += 65536
            upper = self.offset % CELLS == 65536
            self.cells = {cell: at for cell, at in self.cells.items() if (cell < 65536) == upper}
        elif x + 536 < self.max or x > self.max + 536:
            self.fold()
            self.new_epoch(x)
            self.desync += 1
            return "TRACKED"
        if x % CELLS in self.cells:
            self.aliased = self.aliased or self.cells[x % CELLS] != x
            self.edups += 1
            return "TRACKED"
        self.cells[x % CELLS] = x
        if x >= self.max:
            self.max = x
        elif x < self.min:
            if self.offset != 0:
                return "OUT_OF_RANGE"
            self.min = x
        self.count += 1
        return "TRACKED"

    def report(self) -> dict[str, Any]:
        sent = self.sent + (self.max - self.min + 1 if self.count else 0)
        received = self.rcvd + self.count
        live = [source for source in self.sources if source.n >= 2]
        differences = self.folded[2] + sum(source.n - 1 for source in live)
        return {
            "nsent": sent,
            "nrcvd": received,
            "ndups": self.dups + self.edups,
            "nlost": sent - received,
            "perrs": self.perrs,
            "ssrc_changes": self.ssrc_changes,
            "ssrc": self.ssrc,
            "payload_type": self.payload_type,
            "jlast": live[0].jl if live else 0.0,
            "jmax": max([source.jmax for source in live] + [self.folded[0]]) if live else 0.0,
            "javg": (self.folded[1] + sum(source.jtot for source in live)) / differences if live else 0.0,
            "has_jitter": bool(live),
            "pcount": self.count,
            "min_seq": self.min,
            "max_seq": self.max,
            "seq_offset": self.offset,
            "duplicates": self.edups,
        }
