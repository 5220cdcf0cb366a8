"""A whole call between two phones, in the steps that tests are told in."""

from __future__ import annotations

from tests.interop.rig.phone import Phone

Headers = tuple[tuple[str, str], ...]


def set_up(caller: Phone, callee: Phone, headers: Headers = (), uri: str = "") -> None:
    """INVITE, 180, 200, ACK. `headers` go into the INVITE and into the answer. `uri` is what the caller
    dials, when it is not the callee's own."""
    caller.invite(uri or callee.uri, headers)
    callee.expect("INVITE")
    callee.respond(180)
    caller.expect("180")
    callee.respond(200, callee.sdp(), headers)
    caller.acknowledge(caller.expect("200"))
    callee.expect("ACK")


def renegotiate(caller: Phone, callee: Phone, hold: bool = False, headers: Headers = ()) -> None:
    """re-INVITE with what `caller` has now, 200, ACK. Either phone may be the caller here."""
    caller.invite(callee.uri, headers, hold)
    callee.expect("INVITE")
    callee.respond(200, callee.sdp(), headers)
    caller.acknowledge(caller.expect("200"))
    callee.expect("ACK")


def talk(one: Phone, other: Phone, count: int = 10) -> None:
    """Each phone sends `count` packets on every stream, and the other must get exactly those, in order;
    then one report each way."""
    for sender, receiver in ((one, other), (other, one)):
        speak(sender, receiver, count)
    for sender, receiver in ((one, other), (other, one)):
        for source, sink in zip(sender.media, receiver.media):
            report = source.send_report()
            if sink.receive_report() != report:
                raise AssertionError(f"{sink.name} got another RTCP packet than {source.name} sent")


def speak(sender: Phone, receiver: Phone, count: int) -> None:
    for source, sink in zip(sender.media, receiver.media):
        sent = source.send(count)
        if sink.receive(count) != sent:
            raise AssertionError(f"{sink.name} got other RTP packets than {source.name} sent")


def hang_up(one: Phone, other: Phone) -> None:
    """BYE from `one`, 200 from `other`."""
    one.request("BYE")
    other.expect("BYE")
    other.respond(200)
    one.expect("200")
