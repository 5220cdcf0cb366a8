"""`rtppctl check`: one line and an exit status for a monitoring system, as the Monitoring Plugins have it.

Thresholds are ranges: `10` alerts outside 0 to 10, `10:` below 10, `~:10` above 10, `10:20` outside, `@10:20` inside.
A proxy that does not answer is CRITICAL; a mistake in the check's own words is UNKNOWN.
"""

from __future__ import annotations

import math
import re
import time
from typing import NamedTuple, Optional

from rtpp.stats import COUNTERS, DECIMALS
from rtpp.tools.ctl import gather
from rtpp.tools.ctl.client import Client
from rtpp.tools.ctl.failures import Failure, NoAnswer
from rtpp.tools.ctl.replies import Number
from rtpp.tools.ctl.tables import printable
from rtpp.tools.ctl.web import Web

OK, WARNING, CRITICAL, UNKNOWN = range(4)
STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
OF_INFO = ("sessions", "streams", "load")
OF_WEB = ("loss", "jitter", "ports")
TIME = "time"
METRICS = (*OF_INFO, TIME, *OF_WEB, *COUNTERS)
_UNITS = {TIME: "s", "loss": "%", "ports": "%", "jitter": "ms", "total_duration": "s"}
_NOT_COUNTED = (*DECIMALS, *OF_INFO, *OF_WEB, TIME)  # all others only grow: unit c
_RANGE = re.compile(r"(@?)(?:(~|-?[0-9.]+)?(:))?(-?[0-9.]+)?")


class Range(NamedTuple):
    """Where a value is fine. `inside`: where it is not."""

    text: str
    low: float
    high: float
    inside: bool

    @classmethod
    def parse(cls, text: str) -> Range:
        """Raises ValueError."""
        found = _RANGE.fullmatch(text)
        if found is None or not (found[2] or found[4]):
            raise ValueError(f"{text!r} is no range: 10, 10:, ~:10, 10:20 or @10:20 is needed")
        low = -math.inf if found[2] == "~" else float(found[2] or 0)
        high = float(found[4]) if found[4] else math.inf
        if low > high:
            raise ValueError(f"{text!r} is no range: {low:g} is greater than {high:g}")
        return cls(text, low, high, bool(found[1]))

    def alerts(self, value: float) -> bool:
        return (self.low <= value <= self.high) == self.inside


class Thresholds(NamedTuple):
    metric: str
    warning: Optional[Range]
    critical: Optional[Range]


def check(client: Client, web: Optional[Web], wanted: Thresholds) -> tuple[int, str]:
    """Exit status and line."""
    try:
        values = measure(client, web, wanted.metric)
    except NoAnswer as failure:
        return CRITICAL, f"RTPPROXY CRITICAL - {printable(str(failure))}"
    except Failure as failure:
        return UNKNOWN, unknown(failure)
    value = values[wanted.metric]
    state = OK
    if wanted.critical is not None and wanted.critical.alerts(value):
        state = CRITICAL
    elif wanted.warning is not None and wanted.warning.alerts(value):
        state = WARNING
    text = f"RTPPROXY {STATES[state]} - {wanted.metric} is {_show(value)}{_UNITS.get(wanted.metric, '')}"
    return state, text + " | " + " ".join(_performance(name, values[name], wanted) for name in values)


def unknown(reason: object) -> str:
    """The line for a check that cannot be made."""
    return f"RTPPROXY UNKNOWN - {printable(str(reason))}"


def measure(client: Client, web: Optional[Web], metric: str) -> dict[str, Number]:
    """The metric and what is worth a graph beside it. Raises Failure."""
    begin = time.monotonic()
    info = gather.info(client)
    values: dict[str, Number] = {TIME: round(time.monotonic() - begin, 6)}
    values.update((name, info[name]) for name in OF_INFO if name in info)
    if metric in COUNTERS:
        values.update(gather.counters(client, (metric,)))
    if web is not None:
        values.update(_from_web(web))
    if metric not in values:
        raise Failure(f"{metric} is known to the status page only: name it with --http" if metric in OF_WEB else
                      f"this proxy does not tell its {metric}")
    return values


def _from_web(web: Web) -> dict[str, Number]:
    status = web.status()
    found = {name: status.get(name) for name in ("loss", "jitter")}
    ports = status.get("ports")
    if isinstance(ports, dict) and ports.get("pairs"):
        found["ports"] = round(100 * ports.get("used", 0) / ports["pairs"], 3)
    return {name: value for name, value in found.items() if isinstance(value, (int, float))}


def _performance(name: str, value: Number, wanted: Thresholds) -> str:
    unit = _UNITS.get(name, "" if name in _NOT_COUNTED else "c")
    ranges = ["", ""]
    if name == wanted.metric:
        ranges = [limit.text if limit else "" for limit in (wanted.warning, wanted.critical)]
    return f"{name}={_show(value)}{unit};{';'.join(ranges)}".rstrip(";")


def _show(value: Number) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
