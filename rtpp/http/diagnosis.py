"""What is to be said about a call, in plain words: why there is no audio, or that all is well.

Plan: each rule looks at a `SessionView` and yields findings; the worst comes first, and the state of a session is that
of its worst finding. No clock, no sockets: tests are tables of views and sentences.

A party that sends nothing is the usual complaint, so the words go to that: since when, where its packets last came
from, what its session description said, and what follows from the two.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterator
from typing import NamedTuple, Optional

from rtpp.http.view import LegView, SessionView, show
from rtpp.net.addresses import Address

SILENT_SECONDS = 5.0  # without packets: longer than any pause that silence suppression leaves
PATIENCE_SECONDS = 3.0  # after the call's begin, in which nobody need have spoken
POOR_LOSS = 2.0  # percent; audible
POOR_JITTER = 50.0  # milliseconds; more than the buffers of most telephones
ENOUGH_PACKETS = 50  # for a judgement on loss and jitter
MANY_IGNORED = 50  # refused packets that are worth a word while the right ones come
DIVERTED_PERCENT = 5.0  # of the accepted packets

PROBLEM, NOTICE, INFO = "problem", "notice", "info"
LEVELS = (PROBLEM, NOTICE, INFO)

SETUP, OK, HOLD, ONE_WAY, SILENT, POOR, FAULTY = "setup", "ok", "hold", "one-way", "silent", "poor", "faulty"
STATES = (SILENT, ONE_WAY, FAULTY, POOR, SETUP, HOLD, OK)  # the worst first
PROBLEM_STATES = (SILENT, ONE_WAY, FAULTY, POOR)

PARTIES = ("caller", "callee")


class Finding(NamedTuple):
    """One sentence. `party` is whom it is about, None for both; `state` is the state it puts the session in."""

    level: str
    party: Optional[str]
    text: str
    state: str = OK


def diagnose(view: SessionView) -> list[Finding]:
    """All there is to say, the worst first; never empty."""
    found = sorted(_findings(view), key=lambda finding: (LEVELS.index(finding.level), STATES.index(finding.state)))
    return found or [Finding(INFO, None, _all_is_well(view))]


def state_of(findings: list[Finding]) -> str:
    """The state of a session with these findings."""
    return min((finding.state for finding in findings), key=STATES.index)


def _findings(view: SessionView) -> Iterator[Finding]:
    if not view.complete:
        yield _setup(view)
        return
    if view.has_ended and view.timed_out:
        yield Finding(NOTICE, None, "the call ended because no packets came any more, not because somebody hung up")
    yield from _flow(view)
    for party, leg, opposite in _sides(view):
        yield from _quality(party, leg)
        yield from _strangers(party, leg)
        yield from _way_out(party, leg, opposite, view)


def _sides(view: SessionView) -> tuple[tuple[str, LegView, LegView], tuple[str, LegView, LegView]]:
    return ("caller", view.caller, view.callee), ("callee", view.callee, view.caller)


def _setup(view: SessionView) -> Finding:
    if view.has_ended:
        how = "was never answered and timed out" if view.timed_out else "ended before it was answered"
        return Finding(NOTICE, None, f"the call {how}, after {seconds(view.age)}", SETUP)
    text = f"waiting for the answer for {seconds(view.age)}; without one the session ends in {seconds(view.ttl)}"
    return Finding(INFO, None, text, SETUP)


# -- whether packets come ------------------------------------------------------------------------------


def _flow(view: SessionView) -> Iterator[Finding]:
    """Who sends nothing, and why that may be."""
    quiet = [(party, leg) for party, leg, _ in _sides(view) if _is_quiet(leg, view)]
    if not quiet:
        return
    if view.is_fork:
        return  # a recording server never answers
    if any(leg.on_hold for leg in (view.caller, view.callee)):
        held = " and ".join(party for party, leg, _ in _sides(view) if leg.on_hold)
        who = "either side" if len(quiet) == 2 else quiet[0][0]
        yield Finding(INFO, None, f"on hold by {held}: no packets from {who}, as is usual then", HOLD)
        return
    state = SILENT if len(quiet) == 2 else ONE_WAY
    if state == SILENT:
        yield Finding(PROBLEM, None, _why_both_quiet(view), SILENT)
    for party, leg in quiet:
        yield Finding(PROBLEM, party, _why_quiet(party, leg, view), state)


def _is_quiet(leg: LegView, view: SessionView) -> bool:
    if leg.received == 0:
        return view.age >= PATIENCE_SECONDS
    # What is idle at the end of a call was idle before somebody hung up.
    return leg.idle is not None and leg.idle >= SILENT_SECONDS


def _why_both_quiet(view: SessionView) -> str:
    idle = [leg.idle for leg in (view.caller, view.callee) if leg.idle is not None]
    if idle:
        return f"no packets from either side {'at the end' if view.has_ended else f'for {seconds(min(idle))}'}"
    return f"no packets from either side{'' if view.has_ended else ' yet'}: does media reach this host at all?"


def _why_quiet(party: str, leg: LegView, view: SessionView) -> str:
    if not leg.received:
        if view.has_ended:
            begin = f"not one packet from {party} in {seconds(view.age)}"
        else:
            begin = f"no packets from {party} since the call began {seconds(view.age)} ago"
        return "; ".join([begin, *_where_signalled(leg)])
    assert leg.idle is not None
    last = f"in the last {seconds(leg.idle)} of the call" if view.has_ended else f"for {seconds(leg.idle)}"
    parts = [f"no packets from {party} {last}", f"last address {show(leg.remote)}"]
    if leg.signalled is not None and leg.signalled != leg.remote:
        nat = ": party behind NAT" if _is_behind_nat(leg) else ""
        parts.append(f"was signalled {_described(leg.signalled)}{nat}")
    if leg.ignored:
        parts.append(_refusal(leg))
    return "; ".join(parts)


def _where_signalled(leg: LegView) -> list[str]:
    """About a party of which no packet was ever accepted."""
    if leg.ignored:
        return [_refusal(leg)]
    if leg.signalled is None:
        return ["no address was signalled", _told(leg)]
    where = f"was signalled {_described(leg.signalled)}"
    if not _is_behind_nat(leg):
        return [where, _told(leg)]
    if leg.asymmetric:
        return [f"{where}: party behind NAT, but its address is not learned: it is asymmetric", _told(leg)]
    return [f"{where}: party behind NAT, waiting to learn it", _told(leg)]


def _told(leg: LegView) -> str:
    """Where the party was told to send to, and what may be in the way."""
    ours = leg.advertised or leg.host
    if _is_wildcard(ours):
        return f"it was told to send to port {leg.port}: check the address in its session description, and firewalls"
    told = f"it was told to send to {show((ours, leg.port))}"
    theirs = kind_of(leg.signalled[0]) if leg.signalled is not None else ""
    if kind_of(ours) in ("private", "loopback") and not theirs:
        return f"{told} ({kind_of(ours)}), which it cannot reach from the public network: set -A"
    return f"{told}: check that firewalls let UDP through"


def _is_behind_nat(leg: LegView) -> bool:
    """Whether the address that was signalled means nothing where we are."""
    if leg.signalled is None or kind_of(leg.signalled[0]) != "private":
        return False
    return kind_of(leg.advertised or leg.host) != "private" or (
        leg.learned is not None and leg.learned[0] != leg.signalled[0])


def _refusal(leg: LegView) -> str:
    """Packets are refused only while an address is known."""
    expected = leg.remote[0] if leg.remote is not None and leg.asymmetric else show(leg.remote)
    return f"{count(leg.ignored)} from elsewhere refused, the last one from {show(leg.refused)}: {expected} is expected"


# -- how they come -------------------------------------------------------------------------------------


def _quality(party: str, leg: LegView) -> Iterator[Finding]:
    if leg.sent >= ENOUGH_PACKETS and leg.loss >= POOR_LOSS:
        yield Finding(PROBLEM, party, f"{leg.loss:.1f} % of {party}'s packets are lost on the way here", POOR)
    if leg.received >= ENOUGH_PACKETS and leg.jitter_average is not None and leg.jitter_average >= POOR_JITTER:
        yield Finding(PROBLEM, party, f"{party}'s packets come unevenly: jitter {leg.jitter_average:.0f} ms", POOR)
    if leg.not_rtp > max(leg.received // 100, 10):
        yield Finding(NOTICE, party, f"{count(leg.not_rtp)} from {party} not RTP: encrypted media, fax over "
                      "UDP, or a wrong port")
    if leg.duplicates > max(leg.received // 20, ENOUGH_PACKETS):
        yield Finding(NOTICE, party, f"{count(leg.duplicates)} from {party} came twice")


def _strangers(party: str, leg: LegView) -> Iterator[Finding]:
    """Packets that do not come from the party."""
    if leg.received and leg.ignored > max(leg.received * DIVERTED_PERCENT / 100, MANY_IGNORED):
        yield Finding(NOTICE, party, f"packets for {party}'s stream from another address: {_refusal(leg)}")
    if leg.received and leg.learned is not None and leg.signalled is not None and leg.learned != leg.signalled:
        behind = ": behind NAT" if _is_behind_nat(leg) else ""
        yield Finding(INFO, party, f"{party} was signalled {_described(leg.signalled)} and found at "
                      f"{show(leg.learned)}{behind}")


def _way_out(party: str, leg: LegView, opposite: LegView, view: SessionView) -> Iterator[Finding]:
    """Whether what the other party sends can reach this one."""
    if leg.send_errors:
        many = leg.send_errors * 100 > opposite.relayed
        yield Finding(PROBLEM if many else NOTICE, party, f"{count(leg.send_errors)} to {party} could not be sent: no "
                      "route, or a firewall of this host", FAULTY if many else OK)
    if view.has_ended or leg.reachable or not opposite.received:
        return
    if leg.remote is None:
        yield Finding(NOTICE, party, f"nowhere to send to {party} yet: no address was signalled, and none can be "
                      "learned before its first packet")
    else:
        yield Finding(PROBLEM, party, f"packets to {party} cannot be sent: {show(leg.remote)} is a port of this call "
                      "itself, or of another address family than ours", FAULTY)


def _all_is_well(view: SessionView) -> str:
    if view.has_ended:
        return "audio went both ways" if view.caller.received and view.callee.received else "ended before media came"
    if view.is_fork:
        return "receives a copy of another call"
    if not view.caller.received or not view.callee.received:
        return "answered just now, no media from both sides yet"
    return "audio goes both ways"


# -- words ---------------------------------------------------------------------------------------------


def seconds(value: float) -> str:
    """A duration in words."""
    whole = int(value)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def count(packets: int) -> str:
    """`1 packet`, `17 packets`."""
    return f"{packets:,} packet{'' if packets == 1 else 's'}"


def _described(address: Address) -> str:
    kind = kind_of(address[0])
    return f"{show(address)} ({kind})" if kind else str(show(address))


def _is_wildcard(host: str) -> bool:
    return host in ("0.0.0.0", "::")


@functools.lru_cache(maxsize=4096)
def kind_of(host: str) -> str:
    """`private`, `loopback` or `link-local`; "" for addresses of the public network and for names."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    return "private" if any(address in network for network in _PRIVATE if network.version == address.version) else ""


_PRIVATE = [ipaddress.ip_network(text) for text in
            ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")]
