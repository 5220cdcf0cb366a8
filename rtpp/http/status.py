"""The proxy as a whole, as JSON."""

from __future__ import annotations

import time

from rtpp import __version__
from rtpp.http.diagnosis import NOTICE, PROBLEM
from rtpp.http.history import PROXY_INTERVAL
from rtpp.http.parts import Parts, port_usage
from rtpp.http.sessions import encode
from rtpp.http.watch import PROXY_COLUMNS, Watch
from rtpp.stats import COUNTERS

PORTS_SCARCE = 0.95  # share of the pairs in use from which on there is a warning
STALLED_SECONDS = 10.0  # without a tick of the thread that ticks once a second


class Status:
    """Makes the answers. Used by the thread of the HTTP server."""

    def __init__(self, parts: Parts, watch: Watch) -> None:
        self._parts = parts
        self._watch = watch
        self._started = time.time()

    def complaint(self) -> str:
        """Why the proxy is not well, "" when it is. Takes no lock: it must answer when everything else hangs."""
        table = self._parts.table
        if not table.relay.is_running:
            return "the relay has ended"
        tick = table.load.measured_at
        silent = time.monotonic() - tick
        if tick >= 0 and silent > STALLED_SECONDS:
            return f"the session table has not been looked after for {silent:.0f} s"
        return ""

    def _notices(self, is_over: bool, used: int, pairs: int) -> list[dict[str, str]]:
        """What an operator should know about the proxy as a whole, the worst first."""
        spool, notifier = self._parts.spool, self._parts.notifier
        lost = spool.packets_lost if spool else 0
        found = [
            (PROBLEM, is_over, "The relay is overloaded: packets come late or get lost."),
            (PROBLEM, used >= pairs * PORTS_SCARCE, f"{used:,} of {pairs:,} pairs of ports are in use: widen the range "
             "with -m and -M, or calls will be refused (E71, E72)."),
            (PROBLEM, lost > 0, f"{lost:,} packets are missing from recordings: the disk is too slow or full."),
            (NOTICE, notifier.lost > 0, f"{notifier.lost:,} timeout notifications were lost: their target does not "
             "take them."),
            (NOTICE, self._parts.is_draining(), "Draining: no new calls are taken, and the proxy ends with the last."),
        ]
        return [{"level": level, "text": text} for level, holds, text in found if holds]

    def json(self) -> bytes:
        """What docs/http.md calls /status."""
        table, settings = self._parts.table, self._parts.table.settings
        with table.lock:
            table.offload.refresh()
            stats = table.stats
            counters = {name: getattr(stats, name) for name in COUNTERS}
            load, is_over = table.load.average, table.load.is_over
            ports = port_usage(table).values()
            created, most = self._watch.last_hour()
        used, pairs = sum(used for used, _ in ports), sum(used + free for used, free in ports)
        spool, watch = self._parts.spool, self._watch
        now = counters["nsess_created"] - counters["nsess_destroyed"]
        return encode({
            "version": __version__, "time": round(time.time(), 3), "started": round(self._started, 3),
            "draining": self._parts.is_draining(), "load": round(load, 4), "overloaded": is_over,
            "sessions": {"now": now, "complete": min(watch.complete, now), "limit": pairs // 2,
                         "created": counters["nsess_created"], "ended": counters["nsess_destroyed"],
                         "timed_out": counters["nsess_timeout"], "created_last_hour": created, "most_last_hour": most},
            "streams": 2 * now, "fast_path_streams": counters["nstrms_fastpath"],
            "packets": {"received_per_second": round(counters["pps_in"], 1),
                        "relayed_per_second": round(watch.relayed_rate, 1),
                        "received": counters["npkts_rcvd"], "relayed": counters["npkts_relayed"],
                        "discarded": counters["npkts_discard"], "played": counters["npkts_played"]},
            "loss": round(watch.loss, 3), "jitter": round(watch.jitter, 2),
            "ports": {"first": settings.port_min, "last": settings.port_max, "pairs": pairs, "used": used},
            "recording": {"queued_bytes": spool.queued if spool else 0,
                          "lost_packets": spool.packets_lost if spool else 0},
            "states": watch.states,
            "notices": self._notices(is_over, used, pairs),
            "counters": counters,
            "history": {"interval": PROXY_INTERVAL,
                        **{name: watch.history.column(name) for name in PROXY_COLUMNS}},
        }) + b"\n"
