"""As much of SIP (RFC 3261) and SDP (RFC 4566) as two test phones need: messages, headers, media lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tests.interop.rig.tools import family_of

SHORT_FORMS = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length"}


@dataclass
class Message:
    """A request or a response: first line, headers in order, body."""

    start: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""

    @classmethod
    def parse(cls, data: bytes) -> Message:
        head, _, body = data.decode().partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        return cls(start, headers, body)

    def __bytes__(self) -> bytes:
        headers = [*self.headers]
        if self.body:
            headers.append(("Content-Type", "application/sdp"))
        headers.append(("Content-Length", str(len(self.body))))
        return "\r\n".join([self.start, *(f"{n}: {v}" for n, v in headers), "", self.body]).encode()

    @property
    def method(self) -> str:
        """The request's method, or the one that the response answers."""
        return self.get("CSeq").split()[1]

    @property
    def status(self) -> int:
        """Status code of a response, 0 for a request."""
        words = self.start.split()
        return int(words[1]) if words[0] == "SIP/2.0" else 0

    def all(self, name: str) -> list[str]:
        wanted = name.lower()
        return [v for n, v in self.headers if SHORT_FORMS.get(n.lower(), n.lower()) == wanted]

    def get(self, name: str) -> str:
        found = self.all(name)
        return found[0] if found else ""

    def tag(self, name: str) -> str:
        found = re.search(r"[;\s]tag=([^;\s]+)", self.get(name))
        return found[1] if found else ""

    def routes(self) -> list[str]:
        """Record-Route values, one URI each, in the order of the message."""
        return [part.strip() for value in self.all("Record-Route") for part in value.split(",")]

    def media(self) -> list[tuple[str, int]]:
        """Where the sender of this SDP wants its media: one (host, port) for each m= line."""
        return parse_sdp(self.body)


def parse_sdp(text: str) -> list[tuple[str, int]]:
    """(host, port) for each m= line; a c= line of the medium wins over the session's."""
    host = ""
    found: list[tuple[str, int]] = []
    for line in text.split("\r\n"):
        if line.startswith("c="):
            address = line.split()[2]
            if found:
                found[-1] = (address, found[-1][1])
            else:
                host = address
        elif line.startswith("m="):
            found.append((host, int(line.split()[1])))
    return found


def build_sdp(host: str, ports: list[int], version: int = 1, hold: bool = False) -> str:
    """A session with audio, then video streams. `hold` uses the null address (RFC 2543 style); `version`
    must grow with every change (RFC 3264 section 8)."""
    kind = "IP6" if family_of(host).name == "AF_INET6" else "IP4"
    shown = ("::" if kind == "IP6" else "0.0.0.0") if hold else host
    lines = ["v=0", f"o=- 1 {version} IN {kind} {host}", "s=-", f"c=IN {kind} {shown}", "t=0 0"]
    for port, (name, types) in zip(ports, [("audio", "0 8 101"), ("video", "96"), ("video", "97")]):
        lines.append(f"m={name} {port} RTP/AVP {types}")
    return "\r\n".join([*lines, ""])
