"""From bytes to a request: the part of HTTP/1.1 (RFC 9112) that looking at pages needs, and no more.

Strict where leniency has made holes elsewhere: lines end in CR LF, header names are tokens, a folded line or a second
`Host` is refused, and a request has no body. No input or output here; whatever is wrong raises HttpError.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

METHODS = ("GET", "HEAD")
MAX_HEAD = 8192  # bytes of request line and headers
MAX_FIELDS = 100
MAX_PARAMETERS = 20

_REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")


class HttpError(Exception):
    """A request cannot be answered as it wishes: status and text of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Request(NamedTuple):
    """`path` is decoded, `host` without its port; names of `fields` are lower case."""

    method: str
    path: str
    query: dict[str, str]
    fields: dict[str, str]
    host: str
    keep_alive: bool


def parse(head: bytes) -> Request:
    """A request from its lines, without the empty one at the end. Raises HttpError."""
    first, *lines = head.decode("latin-1").split("\r\n")
    found = _REQUEST_LINE.fullmatch(first)
    if found is None:
        raise HttpError(400, "not a request line")
    method, target, major, minor = found.groups()
    if major != "1":
        raise HttpError(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    fields = _fields(lines)
    if method not in METHODS:
        raise HttpError(405, "this server can only be looked at: GET and HEAD")
    if fields.get("content-length", "0") != "0" or "transfer-encoding" in fields:
        raise HttpError(413, "a request has no body here")
    if minor != "0" and "host" not in fields:
        raise HttpError(400, "no Host")
    host, path, query = _split(target, fields.get("host", ""))
    tokens = {token.strip().lower() for token in fields.get("connection", "").split(",")}
    keep_alive = "keep-alive" in tokens if minor == "0" else "close" not in tokens
    return Request(method, path, query, fields, host, keep_alive)


def _fields(lines: list[str]) -> dict[str, str]:
    if len(lines) > MAX_FIELDS:
        raise HttpError(431, f"more than {MAX_FIELDS} header fields")
    fields: dict[str, str] = {}
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise HttpError(400, "not a header field")
        name, value = found[1].lower(), found[2]
        if name in fields and name in ("host", "content-length", "transfer-encoding"):
            raise HttpError(400, f"two fields {name}")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def _split(target: str, host: str) -> tuple[str, str, dict[str, str]]:
    """Host without port, decoded path and parameters of a target."""
    try:
        if target.startswith("http://"):
            host = urlsplit(target).netloc
        elif not target.startswith("/"):
            raise HttpError(400, "not a path")
        else:
            target = "http://host" + target
        parts = urlsplit(target)
        pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
        path = unquote(parts.path) or "/"
    except ValueError:
        raise HttpError(400, "not an address that can be read") from None
    return host_name(host), path, dict(pairs)


def host_name(text: str) -> str:
    """A `Host` without its port and brackets, in lower case. Raises HttpError."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]*))(?::[0-9]{0,5})?", text)
    if found is None:
        raise HttpError(400, "not a Host")
    return (found[1] or found[2] or "").lower()
