"""Program: Sippy's client classes go through a session's life; prints what they made of our replies.

    python sippy_conversation.py udp:127.0.0.1:22222

Ports are printed as PORT. The process ends itself hard: Sippy's worker threads would delay the exit.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import Any

from sippy.Core.EventDispatcher import ED2
from sippy.MsgBody import MsgBody
from sippy.Rtp_proxy.client import Rtp_proxy_client
from sippy.Rtp_proxy.session import Rtp_proxy_session
from sippy.Time.Timeout import Timeout

SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio %d RTP/AVP 0 8 101\r\nm=video %d RTP/AVP 96\r\n"
)


def step(name: str, action: Callable[..., Any], *arguments: Any) -> None:
    """Do one thing, wait for its answer, print it."""
    answers: list[Any] = []

    def answered(*result: Any, ex: Any = None) -> None:
        answers.append((result, ex))
        ED2.breakLoop()

    action(*arguments, answered)
    ED2.loop(5.0)
    print(name, "; ".join(show(*answer) for answer in answers))


def show(result: Any, problem: Any) -> str:
    """The answer in a line: of an SDP the addresses and the media lines."""
    if problem is not None:
        return f"failed: {problem!r}"
    lines = " ".join(str(part) for part in result).split("\r\n")
    if len(lines) > 1:
        lines = [re.sub(r"m=(\w+) \d+", r"m=\1 PORT", line) for line in lines if line[:2] in ("c=", "m=")]
    return " | ".join(lines)


def main() -> None:
    settings: dict[str, Any] = {"_sip_address": "127.0.0.1"}
    client = Rtp_proxy_client(settings, spath=sys.argv[1])
    settings["rtp_proxy_client"] = client
    ready = Timeout(lambda: client.online and ED2.breakLoop(), 0.05, 200)
    ED2.loop(5.0)
    ready.cancel()
    print("online", bool(client.online), "copy", client.copy_supported, "stat", client.stat_supported)
    session = Rtp_proxy_session(settings, call_id="cid", from_tag="ft", to_tag="tt", notify_tag="r%201")
    session.callee.raddress = ("127.0.0.1", 5060)
    step("callee", session.on_callee_sdp_change, MsgBody(SDP % (47000, 47004)))
    step("caller", session.on_caller_sdp_change, MsgBody(SDP % (47002, 47006)))
    step("stats", session.stats)  # the first of the five is the TTL
    session.delete()
    ED2.loop(2.2)  # the deletes, then two heartbeats
    print("created", client.sessions_created, "active", client.active_sessions)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
