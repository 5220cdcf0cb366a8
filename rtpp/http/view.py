"""What a session looks like at one moment: plain values, read in one go under the table lock.

Everything that is shown, diagnosed or tested afterwards works on these records and needs neither lock nor clock.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from rtpp.net.addresses import Address
from rtpp.session.fork import is_forked
from rtpp.session.session import Leg, Session
from rtpp.session.stream import Stream

USUAL_CLOCK = 8000  # ticks per second; of the audio that was measured before a payload type without a clock came
MILLISECONDS = 1000.0


class StreamView(NamedTuple):
    """RTCP of a leg."""

    received: int = 0
    relayed: int = 0
    dropped: int = 0
    ignored: int = 0
    signalled: Optional[Address] = None
    learned: Optional[Address] = None
    remote: Optional[Address] = None


class LegView(NamedTuple):
    """RTP of one leg. Received is what the party sent; times are seconds, jitter is milliseconds."""

    host: str = "192.0.2.1"  # ours
    port: int = 0  # 0: the leg has none
    advertised: str = ""
    signalled: Optional[Address] = None
    learned: Optional[Address] = None
    remote: Optional[Address] = None
    refused: Optional[Address] = None
    reachable: bool = False  # there is an address, and packets can be sent to it
    latched: bool = False
    asymmetric: bool = False
    on_hold: bool = False
    received: int = 0
    relayed: int = 0
    dropped: int = 0
    ignored: int = 0
    send_errors: int = 0
    idle: Optional[float] = None  # None: nothing has come
    sent: int = 0  # by the party, as its sequence numbers tell
    lost: int = 0
    duplicates: int = 0
    not_rtp: int = 0
    jitter: Optional[float] = None
    jitter_max: Optional[float] = None
    jitter_average: Optional[float] = None
    payload_type: Optional[int] = None
    ssrc: Optional[int] = None
    ssrc_changes: int = 0
    recording: bool = False
    copying: bool = False
    prompt: bool = False
    fast_path: bool = False
    rtcp: StreamView = StreamView()

    @property
    def loss(self) -> float:
        """Percent lost."""
        return 100.0 * max(self.lost, 0) / self.sent if self.sent else 0.0


class SessionView(NamedTuple):
    """A session. `ttl` is seconds to live; of one that has ended `age` is how long it lasted."""

    call_id: str = ""
    tag: str = ""
    age: float = 0.0
    complete: bool = True
    ttl: int = 0
    has_ended: bool = False
    timed_out: bool = False
    is_fork: bool = False  # receives another session's packets, for a recording server
    caller: LegView = LegView()
    callee: LegView = LegView()


def look_at(session: Session, now: float) -> SessionView:
    """Call it with the table lock held; `now` is monotonic seconds."""
    remaining = session.remaining(now)
    return SessionView(session.call_id, session.tag, now - session.created, session.complete, max(remaining, 0),
                       session.ended, session.ended and remaining < 0, session.fork is not None,
                       look_at_leg(session.caller, now), look_at_leg(session.callee, now))


def look_at_leg(leg: Leg, now: float) -> LegView:
    """The same for one leg."""
    stream, latch, recording = leg.rtp, leg.rtp.latch, leg.recording
    analyzer = stream.analyzer
    assert analyzer is not None  # every RTP stream has one
    fast_path = stream.offloaded is not None and stream.offloaded.is_away
    stream.settle()
    result = analyzer.report()
    tick = MILLISECONDS / (analyzer.clock or USUAL_CLOCK) if result.has_jitter else None
    return LegView(
        leg.address.host, stream.port, leg.address.advertised, latch.signalled,
        latch.remote if latch.untrusted else None, latch.remote, latch.refused, stream.destination is not None,
        latch.latched, latch.asymmetric, latch.on_hold, stream.received, stream.relayed, stream.dropped, stream.ignored,
        stream.send_errors, now - stream.last_time if stream.received else None, result.nsent, result.nlost,
        result.ndups, result.perrs, tick and result.jlast * tick, tick and result.jmax * tick,
        tick and result.javg * tick, result.payload_type if result.payload_type >= 0 else None, result.ssrc,
        result.ssrc_changes, recording is not None and recording.source is None,
        (recording is not None and recording.source is not None) or is_forked(stream), leg.player is not None,
        fast_path, look_at_rtcp(leg.rtcp))


def look_at_rtcp(stream: Stream) -> StreamView:
    """The RTCP stream of a leg."""
    latch = stream.latch
    return StreamView(stream.received, stream.relayed, stream.dropped, stream.ignored, latch.signalled,
                      latch.remote if latch.untrusted else None, latch.remote)


def codec_name(payload_type: Optional[int]) -> Optional[str]:
    """The name of a payload type that always means the same (RFC 3551), None of the others."""
    return _CODECS.get(payload_type) if payload_type is not None else None


_CODECS = {0: "PCMU", 3: "GSM", 4: "G723", 5: "DVI4", 6: "DVI4", 7: "LPC", 8: "PCMA", 9: "G722", 10: "L16", 11: "L16",
           12: "QCELP", 13: "CN", 14: "MPA", 15: "G728", 16: "DVI4", 17: "DVI4", 18: "G729", 25: "CelB", 26: "JPEG",
           28: "nv", 31: "H261", 32: "MPV", 33: "MP2T", 34: "H263"}


def show(address: Optional[Address]) -> Optional[str]:
    """An address as text, IPv6 in brackets."""
    if address is None:
        return None
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
