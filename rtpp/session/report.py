"""What is said and counted about a session when it ends."""

from __future__ import annotations

from logging import INFO

from rtpp.session.session import Session
from rtpp.session.stream import Stream
from rtpp.stats import Stats


def close_accounts(session: Session, stats: Stats, now: float) -> None:
    """Add an ending session to the counters and write its summary to the log. `now` is monotonic seconds."""
    stats.nsess_destroyed += 1
    stats.total_duration += now - session.created
    if session.complete:
        stats.nsess_nortp, stats.nsess_owrtp = _count_ways(
            session.caller.rtp, session.callee.rtp, stats.nsess_nortp, stats.nsess_owrtp)
        stats.nsess_nortcp, stats.nsess_owrtcp = _count_ways(
            session.caller.rtcp, session.callee.rtcp, stats.nsess_nortcp, stats.nsess_owrtcp)
    for leg in session.legs:
        if not leg.rtp.received:
            continue
        assert leg.rtp.analyzer is not None
        result = leg.rtp.analyzer.report()
        stats.rtpa_nsent += result.nsent
        stats.rtpa_nrcvd += result.nrcvd
        stats.rtpa_ndups += result.ndups
        stats.rtpa_nlost += result.nlost
        stats.rtpa_perrs += result.perrs
    if session.log.isEnabledFor(INFO):
        _write_summary(session)


def _count_ways(one: Stream, other: Stream, neither: int, one_way: int) -> tuple[int, int]:
    ways = bool(one.received) + bool(other.received)
    return neither + (ways == 0), one_way + (ways == 1)


def _write_summary(session: Session) -> None:
    log = session.log
    caller, callee = session.caller, session.callee
    for protocol, from_caller, from_callee in (("RTP", caller.rtp, callee.rtp), ("RTCP", caller.rtcp, callee.rtcp)):
        pair = (from_caller, from_callee)
        log.info("%s stats: %d in from callee, %d in from caller, %d relayed, %d dropped, %d ignored", protocol,
                 from_callee.received, from_caller.received, sum(s.relayed for s in pair),
                 sum(s.dropped for s in pair), sum(s.ignored for s in pair))
        errors = sum(s.send_errors for s in pair)
        if errors:
            log.warning("%s stats: %d packets could not be sent", protocol, errors)
    for leg in session.legs:
        stream = leg.rtp
        if stream.received:
            log.info("RTP times: %s: first in at %f, duration %f, longest IPI %f", leg.actor, stream.first_wall_time,
                     stream.duration, stream.longest_interval)
        assert stream.analyzer is not None
        result = stream.analyzer.report()
        log.info("RTP stream from %s: SSRC=%s, ssrc_changes=%d, psent=%d, precvd=%d, plost=%d, pdups=%d", leg.actor,
                 f"0x{result.ssrc:08X}" if result.ssrc is not None else "NONE", result.ssrc_changes, result.nsent,
                 result.nrcvd, result.nlost, result.ndups)
    log.info("session on ports %d/%d is cleaned up", callee.rtp.port, caller.rtp.port)
