"""Sending the packets of one session into another, for recording servers (RFC 7866).

What the source session receives on a leg goes to a party of this session, through this session's sockets. What this
session's own parties send is dropped. The fork ends with either session.
"""

from __future__ import annotations

from rtpp.net.addresses import Address
from rtpp.session.session import Session
from rtpp.session.stream import Onlooker, Stream


class _ForkedStream(Onlooker):
    """Witness on a stream of the source session."""

    def __init__(self, target: Stream) -> None:
        self._target = target

    def see(self, stream: Stream, data: bytes, source: Address, now: float) -> None:
        self._target.ttl.refreshed = now  # the recording server never answers: copies keep the session alive
        self._target.emit(data)


class Fork:
    """Made by the sub-command C."""

    def __init__(self, source: Session, target: Session, crossed: bool) -> None:
        """`crossed`: what the source's caller sends goes to the target's callee; else caller to caller."""
        self._witnesses: list[tuple[Stream, _ForkedStream]] = []
        for leg in source.legs:
            out = target.callee if (leg is source.caller) == crossed else target.caller
            for stream, onto in zip(leg.streams, out.streams):
                witness = _ForkedStream(onto)
                stream.witnesses.append(witness)
                self._witnesses.append((stream, witness))
        source.choose_handlers()

    def close(self) -> None:
        """Copy no more."""
        for stream, witness in self._witnesses:
            if witness in stream.witnesses:
                stream.witnesses.remove(witness)
                stream.choose_onward()


def is_forked(stream: Stream) -> bool:
    """Whether a stream's packets are sent into another session."""
    return any(isinstance(witness, _ForkedStream) for witness in stream.witnesses)
