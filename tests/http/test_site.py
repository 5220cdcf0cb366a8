"""What is at which path, with real sessions: JSON, metrics, health, and who may ask."""

from __future__ import annotations

import json
import os
import random
import re
import time
import unittest
from collections.abc import Generator
from typing import Any

from rtpp.http.diagnosis import diagnose, state_of
from rtpp.http.metrics import FROM_COUNTERS, OPENMETRICS_TYPE, PROMETHEUS_TYPE
from rtpp.http.parts import Parts
from rtpp.http.request import HttpError, Request, parse
from rtpp.http.response import Response
from rtpp.http.site import ProxySite
from rtpp.http.view import look_at
from rtpp.log import writers
from rtpp.modules.host import Modules
from rtpp.session.notify import Notifier
from rtpp.stats import COUNTERS
from tests.daemon.program import ROOT
from tests.session.harness import Party, SessionTest, describe, rtp

SEED = random.randrange(1 << 32)
PRIVATE = ("10.0.0.7", 4000)
SCRIPT = "<script>alert('\"&')</script>"


def finish(answer: Generator[None, None, Response], site: ProxySite) -> Response:
    """Work on an answer as the server does."""
    while True:
        try:
            next(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        site.work(time.monotonic())


class SiteCase(SessionTest):
    def setUp(self) -> None:
        super().setUp()
        self.start = time.monotonic()
        self.table = self.make_table(pairs=60)
        notifier = Notifier()
        self.draining = False
        parts = Parts(self.table, None, notifier, Modules((), self.table, notifier), lambda: self.draining, writers)
        self.site = ProxySite(parts, local_only=True)

    def ask(self, path: str, fields: str = "", host: str = "localhost:9600") -> Response:
        request: Request = parse(f"GET {path} HTTP/1.1\r\nHost: {host}{fields}".encode())
        answer = self.site.answer(request)
        return answer if isinstance(answer, Response) else finish(answer, self.site)

    def json(self, path: str) -> Any:
        response = self.ask(path)
        self.assertEqual((response.status, response.content_type), (200, "application/json"), response.body)
        return json.loads(response.body)

    def walk(self) -> None:
        self.site._watch.want()
        self.site.work(time.monotonic())
        while self.site._watch._walk is not None:
            self.site.work(time.monotonic())

    def talk(self, call_id: str = "call", packets: int = 3) -> Any:
        """A call whose caller was signalled wrongly, and has been found."""
        session = self.make_call(self.table, call_id)
        caller, callee = Party(self), Party(self)
        with self.table.lock:
            describe(session.caller, PRIVATE, now=self.start)
            describe(session.callee, callee, now=self.start)
        for number in range(packets):
            caller.send(rtp(2 * number), session.caller.rtp)
            with self.table.lock:
                session.caller.rtp.handle(session.caller.rtp, time.monotonic())
        self.address = f"127.0.0.1:{caller.address[1]}"
        return session


class Json(SiteCase):
    def test_a_session(self) -> None:
        self.talk()
        row = self.json("/sessions/1")
        self.assertEqual((row["id"], row["call_id"], row["tag"]), (1, "call", "from"))
        self.assertIn(row["state"], ("ok", "one-way"))  # by the time that has passed
        caller = row["caller"]
        self.assertEqual((caller["signalled"], caller["learned"], caller["remote"]),
                         ("10.0.0.7:4000", self.address, self.address))
        self.assertEqual((caller["received"], caller["relayed"], caller["lost"], caller["codec"]), (3, 3, 2, "PCMU"))
        self.assertEqual(caller["rtcp"]["remote"], f"127.0.0.1:{int(self.address[10:]) + 1}")
        self.assertEqual(row["callee"]["received"], 0)
        self.assertIsNone(row["callee"]["idle"])
        self.assertEqual(row["history"]["interval"], 5)

    def test_every_name_is_documented(self) -> None:
        self.talk()
        with open(os.path.join(ROOT, "docs", "http.md"), encoding="utf-8") as file:
            documented = set(re.findall(r"[\"`]([a-z_]+)[\"`]", file.read()))
        row, status = self.json("/sessions/1"), self.json("/status")
        for names in (row, row["caller"], row["caller"]["rtcp"], row["history"], status, status["sessions"],
                      status["packets"], status["ports"], status["recording"], status["history"],
                      self.json("/sessions")):
            self.assertEqual(set(names) - documented, set())

    def test_what_ended_is_remembered(self) -> None:
        session = self.talk()
        with self.table.lock:
            self.table.end(session, time.monotonic())
        self.assertEqual(self.json("/sessions")["total"], 0)
        ended = self.json("/sessions?ended=1")
        self.assertEqual((ended["total"], ended["sessions"][0]["call_id"]), (1, "call"))
        row = self.json("/sessions/1")
        self.assertIsNotNone(row["ended"])
        self.assertEqual(row["caller"]["received"], 3)
        self.assertEqual(self.ask("/sessions/2").status, 404)

    def test_a_state_that_is_told_without_a_diagnosis_is_the_diagnosed_one(self) -> None:
        source = random.Random(SEED)
        for number in range(40):
            session = self.talk(f"call-{number}", source.randrange(1, 4))
            session.created -= 60
            stream = session.callee.rtp
            stream.received = source.choice((0, 5, 5, 5))
            for leg in session.legs:
                leg.rtp.last_time = time.monotonic() - source.choice((0, 0, 0, 6))
                leg.rtp.send_errors = source.choice((0, 0, 0, 500))
                if source.random() < 0.1:
                    leg.hold()
            with self.table.lock:
                entry = self.site._watch.entries[number + 1]
                entry.measure(time.monotonic())
                judged = entry.needs_judgement()
                view = look_at(session, time.monotonic())
                self.table.end(session, time.monotonic())
            if not judged:
                self.assertEqual(entry.state or "ok", state_of(diagnose(view)), f"seed {SEED}: {view}")

    def test_selecting(self) -> None:
        for number in range(12):
            self.make_call(self.table, f"call-{number:02}", f"tag-{number}")
        self.make_session(self.table, "waiting")
        cases = [("", 13, ["waiting", "call-11", "call-10"]),
                 ("order=ascending", 13, ["call-00", "call-01", "call-02"]),
                 ("sort=call_id", 13, ["call-00", "call-01", "call-02"]), ("offset=11", 13, ["call-01", "call-00"]),
                 ("search=CALL-1", 2, ["call-11", "call-10"]), ("search=tag-7", 1, ["call-07"]),
                 ("state=setup", 1, ["waiting"]), ("state=problem", 0, []), ("call_id=call-03", 1, ["call-03"]),
                 ("call_id=call", 0, []), ("offset=99", 13, [])]
        self.walk()
        for query, matching, call_ids in cases:
            with self.subTest(query):
                answer = self.json(f"/sessions?limit=3&{query}")
                self.assertEqual((answer["total"], answer["matching"]), (13, matching))
                self.assertEqual([row["call_id"] for row in answer["sessions"]], call_ids)

    def test_every_order(self) -> None:
        self.talk("one")
        self.talk("two", 5)
        self.walk()
        for sort in ("age", "call_id", "state", "idle", "loss", "jitter", "rate"):
            up = [row["id"] for row in self.json(f"/sessions?sort={sort}&order=ascending")["sessions"]]
            self.assertEqual(sorted(up), [1, 2], sort)

    def test_parameters_that_make_no_sense(self) -> None:
        for query in ("limit=0", "limit=501", "limit=x", "limit=-1", "offset=1e3", "offset=99999999999", "sort=size",
                      "order=up", "state=fine", "ended=yes", "who=me", "limit=%D9%A1"):
            response = self.ask(f"/sessions?{query}")
            self.assertEqual(response.status, 400, query)
            self.assertIn("error", json.loads(response.body))

    def test_call_ids_and_tags_are_harmless(self) -> None:
        for nasty in (SCRIPT, "</script><!--", "\x00\x1b[31m\u00ff", "'\"\\", "a" * 8000):
            self.make_call(self.table, nasty, nasty)
        for path in ("/sessions", "/sessions/1", "/sessions?search=%3Cscript%3E"):
            body = self.ask(path).body
            self.assertNotRegex(body, rb"[<>&\x00-\x09\x0b-\x1f\x7f-\xff]")
        self.assertEqual(self.json("/sessions/1")["call_id"], SCRIPT)
        self.assertEqual(self.json("/sessions/1")["tag"], SCRIPT)
        self.assertNotIn(b"<script>alert", self.ask("/metrics").body)
        self.assertNotIn(b"<script>alert", self.ask("/").body)

    def test_status(self) -> None:
        self.talk()
        self.make_session(self.table, "other")
        self.walk()
        status = self.json("/status")
        self.assertEqual(status["sessions"], {"now": 2, "complete": 1, "limit": 30, "created": 2, "ended": 0,
                                              "timed_out": 0, "created_last_hour": 2, "most_last_hour": 2})
        self.assertEqual(status["ports"]["used"], 3)
        self.assertEqual(status["counters"]["npkts_relayed"], 3)
        self.assertEqual(status["states"], {"ok": 1, "setup": 1})
        self.assertEqual(len(status["history"]["sessions"]), 1)
        self.assertEqual(set(status["counters"]), set(COUNTERS))
        self.assertEqual(status["notices"], [])

    def test_notices(self) -> None:
        self.draining = True
        for number in range(29):
            self.make_call(self.table, f"call-{number}")
        levels = [(each["level"], each["text"].split()[0]) for each in self.json("/status")["notices"]]
        self.assertEqual(levels, [("problem", "58"), ("notice", "Draining:")])

    def test_history_of_a_call(self) -> None:
        session = self.talk()
        watch = self.site._watch
        for _ in range(3):
            watch._next_call_point = 0.0
            self.walk()
        history = self.json("/sessions/1")["history"]
        self.assertEqual(len(history["caller"]["rate"]), 3)
        self.assertEqual(len(history["callee"]["jitter"]), 3)
        self.assertGreater(history["caller"]["loss"][0], 0)
        with self.table.lock:
            self.table.end(session, time.monotonic())
        self.assertEqual(self.json("/sessions/1")["history"], history)


class MetricsTest(SiteCase):
    def samples(self, fields: str = "") -> dict[str, float]:
        lines = self.ask("/metrics", fields).body.decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

    def test_every_counter_is_there(self) -> None:
        self.assertEqual(set(FROM_COUNTERS), set(COUNTERS))
        session = self.talk()
        with self.table.lock:
            self.table.end(session, time.monotonic())
        samples = self.samples()
        for counter, (name, kind, _) in FROM_COUNTERS.items():
            value = samples[f"rtpproxy_{name}{'_total' if kind == 'counter' else ''}"]
            self.assertAlmostEqual(value, getattr(self.table.stats, counter), msg=counter)
        self.assertEqual(samples['rtpproxy_stream_loss_ratio_bucket{le="0.2"}'], 0)
        self.assertEqual(samples['rtpproxy_stream_loss_ratio_bucket{le="0.5"}'], 1)
        self.assertEqual(samples["rtpproxy_stream_jitter_seconds_count"], 1)

    def test_every_sample_has_help_and_type(self) -> None:
        for accept, kind in (("", PROMETHEUS_TYPE), ("\r\nAccept: application/openmetrics-text", OPENMETRICS_TYPE)):
            response = self.ask("/metrics", accept)
            self.assertEqual(response.content_type, kind)
            text = response.body.decode()
            types = dict(re.findall(r"^# TYPE (\S+) (counter|gauge|histogram)$", text, re.MULTILINE))
            helped = re.findall(r"^# HELP (\S+) [A-Z1].+$", text, re.MULTILINE)
            self.assertEqual(set(types), set(helped))
            for name in re.findall(r"^(\w+)(?:\{.*\})? ", text, re.MULTILINE):
                base = re.sub(r"_(bucket|sum|count)$", "", name)
                if kind is OPENMETRICS_TYPE:
                    base = re.sub(r"_total$", "", base)
                self.assertIn(base, types)
            self.assertEqual(text.endswith("\n# EOF\n"), kind is OPENMETRICS_TYPE)

    def test_failures_by_code(self) -> None:
        with self.table.lock:
            self.table.stats.note_failure("U", "E72")
            self.table.stats.note_failure("U", "E72")
        self.assertEqual(self.samples()['rtpproxy_command_failures_total{command="U",reply="E72"}'], 2)

    def test_loss_never_falls(self) -> None:
        with self.table.lock:
            self.table.stats.rtpa_nlost = 10
        self.assertEqual(self.samples()["rtpproxy_rtp_packets_lost_total"], 10)
        self.site._cache.clear()
        with self.table.lock:
            self.table.stats.rtpa_nlost = 7
        self.assertEqual(self.samples()["rtpproxy_rtp_packets_lost_total"], 10)

    def test_the_dashboard_names_only_what_is_served(self) -> None:
        with self.table.lock:
            self.table.stats.note_failure("U", "E72")
        served = {name.partition("{")[0] for name in self.samples()}
        with open(os.path.join(ROOT, "docs", "grafana.json"), encoding="utf-8") as file:
            dashboard = json.load(file)
        expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        named = set(re.findall(r"\b(?:rtpproxy|process)_\w+", " ".join(expressions)))
        self.assertGreater(len(named), 20)
        self.assertEqual(named - served, set())


class Rules(SiteCase):
    def test_hosts(self) -> None:
        for host in ("localhost", "127.0.0.1:1", "127.9.9.9", "[::1]:1"):
            self.assertEqual(self.ask("/status", host=host).status, 200)
        for host in ("evil.example", "192.0.2.1", "localhost.evil.example", "0.0.0.0"):
            with self.assertRaises(HttpError) as caught:
                self.ask("/", host=host)
            self.assertEqual(caught.exception.status, 421)

    def test_what_is_not_there(self) -> None:
        for path in ("/x", "/sessions/", "/sessions/x", "/sessions/1/2", "/sessions/-1", "/metrics/", "//",
                     "/sessions/" + "9" * 500):
            try:
                status = self.ask(path).status
            except HttpError as error:
                status = error.status
            self.assertEqual(status, 404, path)

    def test_health(self) -> None:
        self.assertEqual(self.ask("/healthz").body, b"the relay has ended\n")
        self.start_relay(self.table)
        self.assertEqual(self.ask("/healthz").status, 200)
        with self.table.lock:
            self.table.load.update(0.0, time.monotonic() - 60)
        self.assertEqual(self.ask("/healthz").status, 503)

    def test_answers_are_kept_for_a_moment(self) -> None:
        self.make_call(self.table)
        for path in ("/metrics", "/status", "/sessions"):
            self.assertIs(self.ask(path), self.ask(path))


if __name__ == "__main__":
    unittest.main()
