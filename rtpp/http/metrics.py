"""Metrics for Prometheus: its text format, or OpenMetrics for a client that asks for that.

Nothing here depends on the number of sessions, so a scrape costs the same with none and with thousands. The two formats
differ in little: in OpenMetrics the family of a counter has no `_total`, and the text has an end.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Union

from rtpp import __version__
from rtpp.http.histogram import Histogram
from rtpp.http.parts import Parts, port_usage
from rtpp.http.process import Process
from rtpp.http.watch import Watch
from rtpp.session.load import OVER

PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PREFIX = "rtpproxy_"

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"
Value = Union[int, float]
Labels = dict[str, str]

# What the command G knows: counter -> (metric, type, help).
FROM_COUNTERS: dict[str, tuple[str, str, str]] = {
    "nsess_created": ("sessions_created", COUNTER, "Sessions created."),
    "nsess_destroyed": ("sessions_ended", COUNTER, "Sessions that ended, for whatever reason."),
    "nsess_timeout": ("sessions_timed_out", COUNTER, "Sessions that ended because nothing arrived any more."),
    "nsess_complete": ("sessions_completed", COUNTER, "Sessions that got their second leg."),
    "nsess_nortp": ("sessions_without_rtp", COUNTER, "Complete sessions that ended without RTP from either side."),
    "nsess_owrtp": ("sessions_one_way_rtp", COUNTER, "Complete sessions that ended with RTP from one side only."),
    "nsess_nortcp": ("sessions_without_rtcp", COUNTER, "Complete sessions that ended without RTCP from either side."),
    "nsess_owrtcp": ("sessions_one_way_rtcp", COUNTER, "Complete sessions that ended with RTCP from one side only."),
    "nplrs_created": ("prompts_started", COUNTER, "Prompts that began to play."),
    "nplrs_destroyed": ("prompts_ended", COUNTER, "Prompts that ended or were stopped."),
    "npkts_rcvd": ("packets_received", COUNTER, "RTP and RTCP packets received."),
    "npkts_played": ("packets_played", COUNTER, "RTP packets of prompts sent."),
    "npkts_relayed": ("packets_relayed", COUNTER, "RTP and RTCP packets sent on to the other party."),
    "npkts_resizer_in": ("resizer_packets_in", COUNTER, "RTP packets taken by re-packetising."),
    "npkts_resizer_out": ("resizer_packets_out", COUNTER, "RTP packets made by re-packetising."),
    "npkts_resizer_discard": ("resizer_packets_discarded", COUNTER, "RTP packets that came too late to re-packetise."),
    "npkts_discard": ("packets_discarded", COUNTER, "Packets refused because of their source or before the answer."),
    "total_duration": ("session_duration_seconds", COUNTER, "Life times of the sessions that ended, added up."),
    "ncmds_rcvd": ("commands_received", COUNTER, "Control commands received, without repeated ones."),
    "ncmds_rcvd_ndups": ("commands_repeated", COUNTER, "Control commands answered from the cache of replies."),
    "ncmds_succd": ("commands_succeeded", COUNTER, "Control commands that succeeded."),
    "ncmds_errs": ("commands_failed", COUNTER, "Control commands that failed."),
    "ncmds_repld": ("commands_replied", COUNTER, "Replies to control commands, without repeated ones."),
    "rtpa_nsent": ("rtp_packets_expected", COUNTER, "RTP packets that parties sent, as their sequence numbers tell, in "
                   "sessions that ended."),
    "rtpa_nrcvd": ("rtp_packets_unique", COUNTER, "RTP packets received once, in sessions that ended."),
    "rtpa_ndups": ("rtp_packets_duplicate", COUNTER, "RTP packets received again, in sessions that ended."),
    "rtpa_nlost": ("rtp_packets_lost", COUNTER, "RTP packets that never arrived, in sessions that ended."),
    "rtpa_perrs": ("rtp_packets_malformed", COUNTER, "Packets on RTP ports that were not RTP, in sessions that ended."),
    "nstrms_fastpath": ("fast_path_streams", GAUGE, "Streams that the kernel relays."),
    "nmoves_fastpath": ("fast_path_moves", COUNTER, "Times that a stream went into the kernel."),
    "pps_in": ("packets_received_per_second", GAUGE, "RTP and RTCP packets received in the last second."),
}


class Family(NamedTuple):
    """A metric with its samples. `name` is without prefix and without `_total`."""

    name: str
    type: str
    help: str
    samples: list[tuple[Labels, Value]]


class Metrics:
    """Collects and writes. Used by the thread of the HTTP server."""

    def __init__(self, parts: Parts, watch: Watch) -> None:
        self._parts = parts
        self._watch = watch
        self._process = Process()
        self._started = time.time()
        self._most_lost = 0

    def text(self, openmetrics: bool) -> bytes:
        lines: list[str] = []
        for family in self._families():
            lines += write(family, openmetrics)
        for name, help_text, histogram in self._histograms():
            lines += write_histogram(name, help_text, histogram)
        if openmetrics:
            lines.append("# EOF")
        return ("\n".join(lines) + "\n").encode("utf-8")

    def _histograms(self) -> Iterator[tuple[str, str, Histogram]]:
        yield ("stream_loss_ratio", "Share of a party's RTP packets that never arrived, in complete sessions that "
               "ended.", self._watch.stream_loss)
        yield ("stream_jitter_seconds", "Average interarrival jitter (RFC 3550) of a party's RTP, in complete sessions "
               "that ended.", self._watch.stream_jitter)

    def _families(self) -> Iterator[Family]:
        table = self._parts.table
        with table.lock:
            table.offload.refresh()
            counters = {name: getattr(table.stats, name) for name in FROM_COUNTERS}
            failures = dict(table.stats.failures)
            ports = port_usage(table)
            load, is_over = table.load.average, table.load.is_over
        # More packets than the sequence numbers explain make the loss of a call negative; a counter never falls.
        self._most_lost = counters["rtpa_nlost"] = max(counters["rtpa_nlost"], self._most_lost)
        for name, (metric, kind, meaning) in FROM_COUNTERS.items():
            yield Family(metric, kind, f"{meaning} G calls it {name}.", [({}, counters[name])])
        now = counters["nsess_created"] - counters["nsess_destroyed"]
        yield Family("sessions", GAUGE, "Sessions that stand.", [({}, now)])
        yield Family("streams", GAUGE, "Media streams of these sessions, one for each direction.", [({}, 2 * now)])
        yield Family("command_failures", COUNTER, "Control commands that failed, by their letter and reply; those of U "
                     "and L are calls that could not be set up.",
                     [({"command": verb, "reply": reply}, number)
                      for (verb, reply), number in sorted(failures.items())])
        yield Family("port_pairs_used", GAUGE, "Pairs of ports that sessions hold.",
                     [({"family": family}, used) for family, (used, _) in ports.items()])
        yield Family("port_pairs_free", GAUGE, "Pairs of ports that no session holds.",
                     [({"family": family}, free) for family, (_, free) in ports.items()])
        yield Family("load_ratio", GAUGE, "Share of time in which the relay does not wait for packets.", [({}, load)])
        yield Family("overloaded", GAUGE, f"1 since the load reached {OVER}, until it is clearly lower.",
                     [({}, int(is_over))])
        yield Family("draining", GAUGE, "1 while no new sessions are taken.", [({}, int(self._parts.is_draining()))])
        yield from self._queues()
        yield from self._own()

    def _queues(self) -> Iterator[Family]:
        """What waits to be done by the threads that may block, and what was lost because too much waited."""
        spool, notifier, modules = self._parts.spool, self._parts.notifier, self._parts.modules
        logs = self._parts.log_writers()
        waiting = {"notifications": notifier.queued, "log lines": sum(each.queued for each in logs)}
        lost = {"notifications": notifier.lost, "log lines": sum(each.lost for each in logs)}
        for name, worker in modules.workers.items() if modules is not None else ():
            waiting[f"module {name}"], lost[f"module {name}"] = worker.queued, worker.lost
        yield Family("queue_items", GAUGE, "What waits in a queue.",
                     [({"queue": name}, number) for name, number in waiting.items()])
        yield Family("queue_lost", COUNTER, "What found its queue full and was lost.",
                     [({"queue": name}, number) for name, number in lost.items()])
        yield Family("recording_queue_bytes", GAUGE, "Recorded packets that wait for the disk.",
                     [({}, spool.queued if spool else 0)])
        yield Family("recording_packets_lost", COUNTER, "Packets missing from recordings: the disk was too slow.",
                     [({}, spool.packets_lost if spool else 0)])

    def _own(self) -> Iterator[Family]:
        usage = self._process.usage()
        yield Family("build_info", GAUGE, "1, with what is running.",
                     [({"version": __version__, "python": platform.python_version()}, 1)])
        yield Family("process_cpu_seconds", COUNTER, "User and system time of the process.", [({}, usage.cpu_seconds)])
        yield Family("process_start_time_seconds", GAUGE, "When it started, since the epoch.",
                     [({}, round(self._started, 3))])
        yield Family("process_max_fds", GAUGE, "Open files it may have.", [({}, usage.most_descriptors)])
        if usage.resident_bytes is not None:
            yield Family("process_resident_memory_bytes", GAUGE, "Its memory.", [({}, usage.resident_bytes)])
        if usage.open_descriptors is not None:
            yield Family("process_open_fds", GAUGE, "Open files it has.", [({}, usage.open_descriptors)])


def full_name(name: str) -> str:
    """Names of process metrics are the same for all programs."""
    return name if name.startswith("process_") else PREFIX + name


def write(family: Family, openmetrics: bool) -> Iterator[str]:
    """The lines of a family; none if it has no samples."""
    if not family.samples:
        return
    name = full_name(family.name)
    sample = f"{name}_total" if family.type == COUNTER else name
    yield from _heading(name if openmetrics else sample, family.type, family.help)
    for labels, value in family.samples:
        yield f"{sample}{_labels(labels.items())} {number(value)}"


def write_histogram(name: str, help_text: str, histogram: Histogram) -> Iterator[str]:
    """The lines of a histogram; they are the same in both formats."""
    name = full_name(name)
    yield from _heading(name, HISTOGRAM, help_text)
    for bound, count in histogram.cumulative():
        yield f'{name}_bucket{{le="{number(float(bound))}"}} {count}'
    yield f"{name}_sum {number(histogram.total)}"
    yield f"{name}_count {histogram.count}"


def _heading(name: str, kind: str, help_text: str) -> Iterator[str]:
    escaped = help_text.replace("\\", "\\\\").replace("\n", "\\n")
    yield f"# HELP {name} {escaped}"
    yield f"# TYPE {name} {kind}"


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    escapes = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
    text = ",".join(f'{name}="{value.translate(escapes)}"' for name, value in labels)
    return f"{{{text}}}" if text else ""


def number(value: Value) -> str:
    """A number as both formats write it."""
    if isinstance(value, float) and math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
