"""Every counter of the proxy, once: what `G` and `I` report.

Counters are plain attributes so that the relay loop pays one add per count. `SessionTable.lock`
guards all of them except the `ncmds_*` family, which `CommandCounters` keeps under its own lock.
"""

from __future__ import annotations

COUNTERS: tuple[str, ...] = (
    "nsess_created",
    "nsess_destroyed",
    "nsess_timeout",
    "nsess_complete",
    "nsess_nortp",
    "nsess_owrtp",
    "nsess_nortcp",
    "nsess_owrtcp",
    "nplrs_created",
    "nplrs_destroyed",
    "npkts_rcvd",
    "npkts_played",
    "npkts_relayed",
    "npkts_resizer_in",
    "npkts_resizer_out",
    "npkts_resizer_discard",
    "npkts_discard",
    "total_duration",
    "ncmds_rcvd",
    "ncmds_rcvd_ndups",
    "ncmds_succd",
    "ncmds_errs",
    "ncmds_repld",
    "rtpa_nsent",
    "rtpa_nrcvd",
    "rtpa_ndups",
    "rtpa_nlost",
    "rtpa_perrs",
    "pps_in",
    "nstrms_fastpath",
    "nmoves_fastpath",
)
DECIMALS = ("total_duration", "pps_in")  # seconds and packets per second; the others are counts


class Stats:
    """The counters, all zero at start. Names are those of the `G` command."""

    __slots__ = (*COUNTERS, "_measured_at", "_measured_rcvd", "failures")

    nsess_created: int
    nsess_destroyed: int
    nsess_timeout: int
    nsess_complete: int
    nsess_nortp: int
    nsess_owrtp: int
    nsess_nortcp: int
    nsess_owrtcp: int
    nplrs_created: int
    nplrs_destroyed: int
    npkts_rcvd: int
    npkts_played: int
    npkts_relayed: int
    npkts_resizer_in: int
    npkts_resizer_out: int
    npkts_resizer_discard: int
    npkts_discard: int
    total_duration: float
    ncmds_rcvd: int
    ncmds_rcvd_ndups: int
    ncmds_succd: int
    ncmds_errs: int
    ncmds_repld: int
    rtpa_nsent: int
    rtpa_nrcvd: int
    rtpa_ndups: int
    rtpa_nlost: int
    rtpa_perrs: int
    pps_in: float
    nstrms_fastpath: int
    nmoves_fastpath: int

    def __init__(self, now: float) -> None:
        for name in COUNTERS:
            setattr(self, name, 0.0 if name in DECIMALS else 0)
        self._measured_at = now
        self._measured_rcvd = 0
        self.failures: dict[tuple[str, str], int] = {}  # commands that failed, by their letter and reply

    def measure_rates(self, now: float) -> None:
        """Bring the derived rates up to date; called about once a second. `now` is monotonic seconds."""
        elapsed = now - self._measured_at
        if elapsed > 0:
            self.pps_in = (self.npkts_rcvd - self._measured_rcvd) / elapsed
            self._measured_at, self._measured_rcvd = now, self.npkts_rcvd

    def note_failure(self, verb: str, reply: str) -> None:
        """A command failed. `verb` is its letter, "" when it cannot be told; `reply` an error code."""
        self.failures[verb, reply] = self.failures.get((verb, reply), 0) + 1

    def text(self, name: str) -> str:
        """Value of a counter as replies show it: counts plain, decimals with six places.

        Raises KeyError for a name that is not a counter.
        """
        if name not in COUNTERS:
            raise KeyError(name)
        value = getattr(self, name)
        return f"{value:.6f}" if name in DECIMALS else str(value)
