"""A SIP phone with real media that a test drives step by step.

One phone is one call: it speaks UDP to a SIP server, knows its dialog, answers nothing by itself, and
holds as many media streams as the test asks for. Both phones of a call run in the test's own thread; a
request that a phone did not expect, or that does not come, fails the test.
"""

from __future__ import annotations

import itertools
import socket
from typing import Any, Optional

from tests.interop.rig.media import Media
from tests.interop.rig.sip import Message, build_sdp
from tests.interop.rig.tools import bracketed, family_of

_numbers = itertools.count(1)


class Phone:
    """`server` is where requests go to. Media streams are opened at once, `streams` of them."""

    def __init__(
        self, name: str, server: tuple[str, int], host: str = "127.0.0.1", streams: int = 1, call_id: str = ""
    ) -> None:
        self.name, self.server, self.host = name, server, host
        self.socket = socket.socket(family_of(host), socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.settimeout(6.0)
        self.port = self.socket.getsockname()[1]
        self.media = [Media(f"{name}{number}", host) for number in range(1, streams + 1)]
        self.tag = f"{name}tag{next(_numbers)}"
        self.call_id = call_id or f"{name}{self.port}.{next(_numbers)}@interop"
        self.sequence = self.sdp_version = 0
        self.remote_tag = ""
        self.remote_uri = self.target_uri = ""
        self.routes: list[str] = []
        self.pending: Optional[Message] = None  # the request we have yet to answer
        self.sent_invite: Optional[Message] = None

    def __enter__(self) -> Phone:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.socket.close()
        for stream in self.media:
            stream.close()

    @property
    def uri(self) -> str:
        return f"sip:{self.name}@{bracketed(self.host)}:{self.port}"

    def sdp(self, hold: bool = False) -> str:
        self.sdp_version += 1
        return build_sdp(self.host, [stream.port for stream in self.media], self.sdp_version, hold)

    # --- requests

    def invite(self, uri: str, headers: tuple[tuple[str, str], ...] = (), hold: bool = False) -> None:
        """Offer our media. In a dialog this is a re-INVITE, and the URI is the dialog's."""
        if not self.remote_tag:
            self.remote_uri = self.target_uri = uri
        self.sent_invite = self.request("INVITE", self.sdp(hold), headers)

    def acknowledge(self, response: Message) -> None:
        """ACK a final response: for a success in the dialog, for a refusal in the INVITE's transaction."""
        assert self.sent_invite
        if response.status < 300:
            self._learn(response, response.routes()[::-1])
            self.request("ACK")
        else:
            same = ("Via", "From", "Call-ID", "Max-Forwards")
            headers = [(n, v) for n, v in self.sent_invite.headers if n in same]
            headers += [("To", response.get("To")), ("CSeq", f"{self.sequence} ACK")]
            start = self.sent_invite.start.replace("INVITE", "ACK", 1)
            self.socket.sendto(bytes(Message(start, headers)), self.server)

    def cancel(self) -> None:
        assert self.sent_invite
        same = ("Via", "From", "To", "Call-ID", "Max-Forwards")
        headers = [(n, v) for n, v in self.sent_invite.headers if n in same]
        headers.append(("CSeq", f"{self.sequence} CANCEL"))
        start = self.sent_invite.start.replace("INVITE", "CANCEL", 1)
        self.socket.sendto(bytes(Message(start, headers)), self.server)

    def request(self, method: str, body: str = "", headers: tuple[tuple[str, str], ...] = ()) -> Message:
        if method != "ACK":
            self.sequence += 1
        to = f"<{self.remote_uri}>" + (f";tag={self.remote_tag}" if self.remote_tag else "")
        via = f"SIP/2.0/UDP {bracketed(self.host)}:{self.port};branch=z9hG4bK{self.name}{next(_numbers)}"
        lines = [("Via", via), ("Max-Forwards", "70"), *(("Route", route) for route in self.routes)]
        lines += [("From", f"<{self.uri}>;tag={self.tag}"), ("To", to), ("Call-ID", self.call_id)]
        lines += [("CSeq", f"{self.sequence} {method}"), ("Contact", f"<{self.uri}>"), *headers]
        message = Message(f"{method} {self.target_uri} SIP/2.0", lines, body)
        self.socket.sendto(bytes(message), self.server)
        return message

    # --- responses

    def respond(self, status: int, body: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Answer the request that `expect` returned last."""
        request = self.pending
        assert request
        to = request.get("To")
        if status > 100 and not request.tag("To"):
            to += f";tag={self.tag}"
        copied = [(n, v) for n, v in request.headers if n in ("Via", "Record-Route", "From", "Call-ID", "CSeq")]
        lines = [*copied, ("To", to), ("Contact", f"<{self.uri}>"), *headers]
        self.socket.sendto(bytes(Message(f"SIP/2.0 {status} Answer", lines, body)), self.server)

    def expect(self, what: str) -> Message:
        """The next message, which must be the named method (`BYE`) or status (`180`, or `2xx`).

        100 Trying is passed over. SDP in the message sets where our media streams send to.
        """
        while True:
            try:
                data, source = self.socket.recvfrom(65536)
            except socket.timeout:
                raise AssertionError(f"{self.name}: waited in vain for {what}") from None
            message = Message.parse(data)
            if message.status == 100 or (message.status and message.method != "INVITE" and what[0] in "1"):
                continue
            break
        got = str(message.status) if message.status else message.method
        if got != what and not (what.endswith("xx") and got[0] == what[0] and message.status):
            raise AssertionError(f"{self.name}: expected {what}, got {message.start}")
        if not message.status and message.method != "ACK":
            self.pending = message
            self.server = source[:2]
            if message.method == "INVITE":
                self._learn(message, message.routes())
        if message.body:
            for stream, target in zip(self.media, message.media()):
                stream.target = target
        return message

    def _learn(self, message: Message, routes: list[str]) -> None:
        """Take the other side of the dialog from its first request or its success response."""
        theirs = "To" if message.status else "From"
        self.call_id = message.get("Call-ID")
        self.remote_tag = message.tag(theirs)
        self.remote_uri = message.get(theirs).split("<")[1].split(">")[0]
        self.target_uri = message.get("Contact").split("<")[1].split(">")[0]
        self.routes = self.routes or routes
