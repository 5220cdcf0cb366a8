"""Answers, and the header fields that every one of them carries."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json"

NO_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"  # of everything but the page

_COMMON = (
    "Cache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
)


class Response(NamedTuple):
    """`policy` is what a browser may do with it (Content-Security-Policy)."""

    status: int
    content_type: str
    body: bytes
    policy: str = NO_CONTENT_POLICY


def text(status: int, message: str) -> Response:
    return Response(status, TEXT, message.encode("utf-8") + b"\n")


def encode(response: Response, *, head_only: bool, keep_alive: bool) -> bytes:
    """The bytes that go to the client."""
    allow = "Allow: GET, HEAD\r\n" if response.status == HTTPStatus.METHOD_NOT_ALLOWED else ""
    head = (
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n"
        f"Content-Type: {response.content_type}\r\n"
        f"Content-Length: {len(response.body)}\r\n"
        f"Content-Security-Policy: {response.policy}\r\n"
        f"Connection: {'keep-alive' if keep_alive else 'close'}\r\n"
        f"{allow}{_COMMON}\r\n"
    )
    return head.encode("ascii") + (b"" if head_only else response.body)
