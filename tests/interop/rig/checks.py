"""What must be true of the proxy after calls: asked of its own counters."""

from __future__ import annotations

from tests.interop.rig.phone import Phone
from tests.interop.rig.proxy import Proxy
from tests.interop.rig.tools import wait_for


def check_all_relayed(proxy: Proxy, *phones: Phone) -> None:
    """The proxy got what these phones sent (all that ever sent through it) and relayed every packet."""
    streams = [stream for phone in phones for stream in phone.media]
    sent = sum(stream.sent + stream.reports for stream in streams)
    counted = proxy.counters("npkts_rcvd", "npkts_relayed", "npkts_discard")
    expected = {"npkts_rcvd": sent, "npkts_relayed": sent, "npkts_discard": 0}
    if counted != expected:
        raise AssertionError(f"phones sent {sent}: expected {expected}, counted {counted}")


def check_no_session(proxy: Proxy) -> None:
    """Every session is gone, at the latest in a second: a BYE's D may come after its 200."""
    wait_for(lambda: proxy.sessions() == 0, "no session left", 2.0)
