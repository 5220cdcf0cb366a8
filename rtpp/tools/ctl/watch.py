"""`rtppctl watch`: the proxy at a glance, again and again, until q is pressed.

`picture` makes lines from what was gathered and knows no terminal; the loop around it decides when to look. A proxy
that does not answer is said in the picture and asked again: it may be restarting.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple, Optional

from rtpp.tools.ctl import gather, views
from rtpp.tools.ctl.client import Client
from rtpp.tools.ctl.failures import Failure
from rtpp.tools.ctl.gather import Numbers
from rtpp.tools.ctl.screen import Screen
from rtpp.tools.ctl.tables import number, printable, shorten, table
from rtpp.tools.ctl.web import Json, Web

_RATES = (
    ("sessions created", "nsess_created"),
    ("sessions timed out", "nsess_timeout"),
    ("calls without media", "nsess_nortp"),
    ("calls with one way only", "nsess_owrtp"),
    ("packets received", "npkts_rcvd"),
    ("packets relayed", "npkts_relayed"),
    ("packets played", "npkts_played"),
    ("packets discarded", "npkts_discard"),
    ("packets lost (ended calls)", "rtpa_nlost"),
    ("commands", "ncmds_rcvd"),
    ("commands refused", "ncmds_errs"),
)


class Sample(NamedTuple):
    """One look. `time` is monotonic seconds; `sessions` is None without a status page."""

    time: float
    info: Numbers
    counters: Numbers
    sessions: Optional[Sequence[Json]]


def sample(client: Client, web: Optional[Web], most: int) -> Sample:
    """Raises Failure."""
    found = None if web is None else list(web.sessions({}, most))
    names = [name for _, name in _RATES]
    return Sample(time.monotonic(), gather.info(client), gather.counters(client, names), found)


def picture(title: str, now: Optional[Sample], before: Optional[Sample], failure: str,
            size: tuple[int, int]) -> list[str]:
    """The lines to show on a screen of `size` columns and rows."""
    columns, rows = size
    lines = [shorten(printable(title), columns), shorten(f"! {printable(failure)}", columns) if failure else ""]
    if now is not None:
        info = now.info
        lines.append(shorten(f"{number(info['sessions'])} sessions, {number(info['streams'])} streams, load "
                             f"{number(info.get('load'), 2)}", columns))
        lines += ["", *table(("", "TOTAL", "PER SECOND"), _rates(now, before), columns, right=(1, 2))]
        if now.sessions is not None:
            lines += ["", *views.sessions(now.sessions, columns)]
    return lines[:rows]


def _rates(now: Sample, before: Optional[Sample]) -> list[tuple[str, str, str]]:
    rows = []
    for label, name in _RATES:
        rate: Optional[float] = None
        if before is not None and now.time > before.time and now.counters[name] >= before.counters[name]:
            rate = (now.counters[name] - before.counters[name]) / (now.time - before.time)
        rows.append((label, number(now.counters[name]), number(rate, 1)))
    return rows


def watch(client: Client, web: Optional[Web], interval: float, screen: Screen) -> None:
    """Until q is pressed."""
    now: Optional[Sample] = None
    before: Optional[Sample] = None
    failure = ""
    next_look = time.monotonic()
    while True:
        if time.monotonic() >= next_look:
            try:
                now, before, failure = sample(client, web, screen.size()[1]), now, ""
            except Failure as error:
                failure = str(error)
            next_look = time.monotonic() + interval
        title = f"rtpproxy {client.text}  {time.strftime('%H:%M:%S')}  every {interval:g} s, q quits"
        screen.draw(picture(title, now, before, failure, screen.size()))
        if screen.wait(next_look - time.monotonic()) in ("q", "Q", "\x03", "\x1b"):
            return
