"""Built-in module `catch_dtmf`: tells the SIP server which digits a party dials (RFC 4733).

    U ... NOTIFY_SOCKET TAG && M3:1 DTMF_TAG [PAYLOAD_TYPE] [h]

watches what the party sends whose address the command carries. Each digit is a line to the notification socket:

    DTMF_TAG DIGIT VOLUME DURATION SIDE        volume in -dBm0, duration in timestamp ticks, side 0 = caller, 1 = callee

With `h` the packets are swallowed. Said again, it changes tag, payload type and mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rtpp.modules.interface import Host, Module, ModuleError
from rtpp.net.addresses import Address
from rtpp.rtp.dtmf import DEFAULT_PAYLOAD_TYPE, EventTracker
from rtpp.session.notify import Notification, Target, decode_tag
from rtpp.session.session import Leg, Session
from rtpp.session.stream import Stream

MAX_PAYLOAD_TYPE = 127


class _Catcher:
    """Watches one stream."""

    def __init__(self, host: Host, side: int) -> None:
        self.target = Target()
        self.tag = b""
        self.swallow = False
        self.tracker = EventTracker()
        self._host = host
        self._side = side

    def see(self, stream: Stream, data: bytes, source: Address, now: float) -> bool:
        tracker = self.tracker
        if not tracker.matches(data):
            return False
        event = tracker.update(data)
        if event is not None:
            text = f" {event.digit} {event.volume} {event.duration} {self._side}\n"
            self._host.notify(Notification(self.target, self.tag + text.encode("ascii")))
            stream.leg.session.log.debug("digit %r from %s", event.digit, stream.leg.actor)  # it may be of a PIN
        return self.swallow


class CatchDtmf(Module):
    id = 3

    def __init__(self, host: Host, values: Mapping[str, Any]) -> None:
        super().__init__(host, values)
        self._catchers: dict[Stream, _Catcher] = {}  # guarded by the table lock

    def subcommand(self, session: Session, party: Leg, arguments: tuple[str, ...]) -> str:
        if session.notification is None:
            raise ModuleError("the session has no notification target")
        tag, payload_type, swallow = _arguments(arguments)
        catcher = self._catchers.get(party.rtp)
        if catcher is None:
            catcher = self._catchers[party.rtp] = _Catcher(self.host, side=int(party is session.callee))
            self.host.watch(party.rtp, catcher.see)
        catcher.target = session.notification.target
        catcher.tag = tag
        catcher.tracker.payload_type = payload_type
        catcher.swallow = swallow
        return ""

    def session_ended(self, session: Session) -> None:
        for leg in session.legs:
            self._catchers.pop(leg.rtp, None)


def _arguments(arguments: tuple[str, ...]) -> tuple[bytes, int, bool]:
    """Tag, payload type and whether to swallow. Raises ModuleError, and CommandError for the tag."""
    if not 1 <= len(arguments) <= 3:
        raise ModuleError("takes a tag, and perhaps a payload type and the letter h")
    words = list(arguments[1:])
    swallow = bool(words) and words[-1] in ("h", "H")
    if swallow:
        words.pop()
    payload_type = DEFAULT_PAYLOAD_TYPE
    if words:
        text = words.pop()
        if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > MAX_PAYLOAD_TYPE:
            raise ModuleError(f"{text!r} is not a payload type from 0 to {MAX_PAYLOAD_TYPE}")
        payload_type = int(text)
    if words:
        raise ModuleError(f"unknown option {arguments[2]!r}")
    return decode_tag(arguments[0]), payload_type, swallow
