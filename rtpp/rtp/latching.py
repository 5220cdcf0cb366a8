"""Latching: learning where a party really is from the packets it sends.

Commands *prefill* an address. Behind NAT that address is often wrong, so the first packet decides; after
that the stream is *latched* and packets from elsewhere are refused, unless they plainly belong to the same
RTP stream (same SSRC, sequence number a little ahead): then the party has moved and the address follows.

For WINDOW seconds after a command repeated or changed a known address the party may be about to move, so
packets from anywhere may take the stream over, and nothing is latched for good.

An address learned from packets (`untrusted`) is never replaced by later commands.

    packet's source      state                      outcome
    ------------------   ------------------------   ---------------------------------------------
    any                  no address yet             fill in; the SSRC is not remembered
    the known address    not latched                latch
    another address      not latched                latch and fill in
    another address      latched, same RTP stream   re-latch and fill in
    another address      latched                    refuse

An *asymmetric* stream does not learn: the host must be the known one, its port does not matter.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from enum import Enum
from logging import INFO
from typing import Optional

from rtpp.log import CallLog
from rtpp.net.addresses import Address
from rtpp.rtp.packet import RUN_HEADER, ssrc_and_sequence

WINDOW = 10.0  # seconds after a command in which a stream may be taken over
SEQUENCE_AHEAD = 536  # how far ahead the sequence number of a moved stream may be
RESYNC = 1.0  # seconds between updates of the remembered sequence number
NEVER = float("inf")


class Outcome(Enum):
    """What became of a packet's source."""

    ACCEPTED = "accepted"
    FILLED = "filled in"  # accepted, and the stream's address is now the packet's source
    REFUSED = "refused"


def _show(address: Address) -> str:
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _host(address: Address) -> str:
    """The host without the interface that packets from link-local addresses carry and commands cannot name."""
    return str(address[0]).partition("%")[0]


class Latch:
    """Where the party of one stream is, and how sure we are. Times are monotonic seconds.

    `expected` and `sync_due` are for the relay's short path: a packet from `expected` before `sync_due`
    is accepted without asking, so that a stream is looked at once a second.
    """

    __slots__ = ("_log", "_who", "asymmetric", "expected", "hold_count", "is_rtp", "latched", "on_hold", "previous",
                 "refused", "remote", "sequence_number", "signalled", "ssrc", "sync_due", "untrusted", "update_time")

    def __init__(self, actor: str, is_rtp: bool, log: CallLog) -> None:
        """`actor` is "caller" or "callee", for the log."""
        self._who = actor
        self._log = log
        self.is_rtp = is_rtp
        self.remote: Optional[Address] = None
        self.previous: Optional[Address] = None
        self.signalled: Optional[Address] = None  # what the last command said, used or not
        self.refused: Optional[Address] = None  # where the last refused packet came from
        self.latched = False
        self.untrusted = False
        self.asymmetric = False
        self.update_time: Optional[float] = None
        self.ssrc: Optional[int] = None  # None: not known
        self.sequence_number = 0
        self.on_hold = False
        self.hold_count = 0
        self.expected: Optional[Address] = None
        self.sync_due = NEVER

    @property
    def _protocol(self) -> str:
        return "RTP" if self.is_rtp else "RTCP"

    # -- from commands ---------------------------------------------------------------------------

    def hold(self) -> None:
        """A command gave the null address. Media goes on flowing to the address known before, if any."""
        if not self.on_hold:
            self._log.info("putting %s's %s stream on hold", self._who, self._protocol)
        self.on_hold = True
        self.hold_count += 1

    def prefill(self, remote: Address, now: float) -> bool:
        """A command gave an address. Returns whether it is used."""
        if self.on_hold:
            self._log.info("taking %s's %s stream off-hold", self._who, self._protocol)
            self.on_hold = False
        self.signalled = remote
        if self.remote is not None:
            self.update_time = now
        if self.untrusted or remote == self.remote:
            return False
        if self._log.isEnabledFor(INFO):  # most set-ups come this way, four times
            self._log.info("pre-filling %s's %s address with %s", self._who, self._protocol, _show(remote))
        if self.remote is not None and self.latched:
            self.previous = self.remote
        self.remote = remote
        self._settle()
        return True

    def set_asymmetric(self, asymmetric: bool) -> None:
        if asymmetric or self.asymmetric:
            self.asymmetric = asymmetric
            self.latched = self.latched or asymmetric
            if self.ssrc is None:
                self.sync_due = 0.0 if asymmetric else NEVER
            self._settle()

    def guess(self, rtp_source: Address) -> bool:
        """RTP was filled in with `rtp_source`: RTCP is likely one port above. Returns whether that is news."""
        host, port = rtp_source[0], rtp_source[1]
        if (self.remote is not None and self.remote[0] == host) or port == 65535:
            return False
        self.remote = (host, port + 1, *rtp_source[2:])
        self.latched = self.asymmetric
        self._log.info("guessing RTCP port for %s to be %d", self._who, port + 1)
        self._settle()
        return True

    # -- from packets ----------------------------------------------------------------------------

    def judge(self, data: bytes, source: Address, now: float) -> Outcome:
        """Decide on a packet by its source, and learn from it."""
        outcome = Outcome.ACCEPTED
        if self.remote is None:
            self._fill(source)
            outcome = Outcome.FILLED
        elif self.asymmetric:
            if _host(source) != _host(self.remote):
                self.refused = source
                return Outcome.REFUSED
            if self.ssrc is None:
                self.sync_due = now + RESYNC
        elif source == self.remote:
            if not self.latched:
                self.latch(data, now)
        elif not self.latched:
            self.latch(data, now, source)
            self._fill(source)
            outcome = Outcome.FILLED
        elif self._moved(data, source, now):
            self._fill(source)
            outcome = Outcome.FILLED
        else:
            self.refused = source
            return Outcome.REFUSED
        if now >= self.sync_due:
            self._sync(data, now)
        return outcome

    def latch(self, data: bytes, now: float, source: Optional[Address] = None) -> None:
        """Settle on the sender of this packet and remember its RTP stream; not within the window."""
        if self.in_window(now):
            return
        found = ssrc_and_sequence(data) if self.is_rtp else None
        relatched = self.latched
        self.latched = True
        self.ssrc, self.sync_due = None, NEVER
        ssrc_text = sequence_text = "INVALID" if self.is_rtp else "UNKNOWN"
        if found is not None:
            self.ssrc, self.sequence_number = found
            self.sync_due = now + RESYNC
            self.latched = self.ssrc != 0
            ssrc_text, sequence_text = f"0x{self.ssrc:08X}", str(self.sequence_number)
        how = "not latched (bad SSRC)" if not self.latched else "re-latched" if relatched else "latched in"
        address = source or self.remote
        assert address is not None
        self._log.info("%s's address %s: %s (%s), SSRC=%s, Seq=%s", self._who, how, _show(address), self._protocol,
                       ssrc_text, sequence_text)
        self._settle()

    def in_window(self, now: float) -> bool:
        """Whether a command came so lately that packets from anywhere may take the stream over."""
        return self.update_time is not None and now - self.update_time < WINDOW

    def _fill(self, source: Address) -> None:
        self.untrusted = True
        self.remote = source
        if self.previous is None or self.previous != source:
            self.latched = True
        self._log.info("%s's address filled in: %s (%s)", self._who, _show(source), self._protocol)
        self._settle()

    def _moved(self, data: bytes, source: Address, now: float) -> bool:
        """Whether a packet from elsewhere shows that the party of a latched stream has moved."""
        if not self.is_rtp or self.ssrc is None:
            return False
        found = ssrc_and_sequence(data)
        if found is None:
            return False
        ssrc, sequence_number = found
        if self.update_time is None or now - self.update_time > WINDOW:
            ahead = (sequence_number - self.sequence_number) & 0xFFFF
            if ssrc != self.ssrc or ahead > SEQUENCE_AHEAD:
                return False
        self._log.info("%s's address re-latched: %s (RTP), SSRC=0x%08X, Seq=%d->%d", self._who, _show(source),
                       self.ssrc, self.sequence_number, sequence_number)
        self.sequence_number = sequence_number
        self.sync_due = now + RESYNC
        return True

    def _sync(self, data: bytes, now: float) -> None:
        """Follow the sequence number of the remembered stream, once a second."""
        found = ssrc_and_sequence(data)
        if found is not None and found[0] == self.ssrc:
            self.sequence_number = found[1]
            self.sync_due = now + RESYNC

    def sync_run(self, ssrc: Optional[int], parts: bytearray, times: Sequence[float]) -> None:
        """Follow the sequence numbers of packets that were accepted without asking (see `Analyzer.update_run`)."""
        while times[-1] >= self.sync_due:
            at = bisect_left(times, self.sync_due)
            self.sync_due = times[at] + RESYNC
            if ssrc == self.ssrc:
                _, self.sequence_number, _ = RUN_HEADER.unpack_from(parts, at * RUN_HEADER.size)

    def _settle(self) -> None:
        self.expected = self.remote if self.latched else None
