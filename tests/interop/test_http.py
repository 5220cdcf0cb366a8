"""The status page in Chromium, with no, three and two thousand calls, and the metrics before Prometheus' own judge.

Needs what packages/http.txt lists.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

from rtpp.rtp.packet import RtpPacket
from tests.daemon.program import PATIENCE, Datagrams, Program
from tests.daemon.test_http import status_port
from tests.interop.rig.browser import Browser
from tests.interop.rig.tools import ROOT, free_range, program, stop, wait_for
from tests.ports import free_port

SCREENS = {"wide": (1360, 900), "phone": (390, 844)}
SCHEMES = {"light": "rgb(246, 247, 248)", "dark": "rgb(18, 23, 26)"}  # and the colour of the page
NASTY = "<script>document.title='taken'</script>"
MANY = 2000
ESCAPE = "\ue00c"  # the key, as WebDriver names it


class Phone:
    """Sends 50 packets a second until it is closed; every `drop`th is lost."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = self.socket.getsockname()
        self._stop = threading.Event()
        self._thread = threading.Thread()

    def talk(self, port: int, *, packets: int = 1 << 30, drop: int = 0) -> None:
        self._thread = threading.Thread(target=self._send, args=(port, packets, drop))
        self._thread.start()

    def _send(self, port: int, packets: int, drop: int) -> None:
        due = time.monotonic()
        for number in range(packets):
            if not drop or number % drop:
                packet = RtpPacket(0, number & 0xFFFF, 160 * number & 0xFFFFFFFF, port, b"\xff" * 160)
                self.socket.sendto(bytes(packet), ("127.0.0.1", port))
            due += 0.02
            if self._stop.wait(max(due - time.monotonic(), 0)):
                return

    def close(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.socket.close()


class Proxy:
    """A program with a status page, and calls on it."""

    def __init__(self, test: unittest.TestCase, options: str = "") -> None:
        control = free_port()
        self.program = Program(f"-d INFO -s udp:127.0.0.1:{control} -l 127.0.0.1 --http 0 -r {{dir}} {options}")
        test.addCleanup(self.program.close)
        self.port = status_port(self.program)
        self.client = Datagrams(control)
        test.addCleanup(self.client.close)
        self._test = test
        self.url = f"http://127.0.0.1:{self.port}/"

    def call(self, call_id: str, caller: Any, callee: Any) -> tuple[int, int]:
        """Where caller and callee send to."""
        to_callee = self.client.ask(f"U {call_id} {caller[0]} {caller[1]} from").split()[0]
        to_caller = self.client.ask(f"L {call_id} {callee[0]} {callee[1]} from to").split()[0]
        return int(to_caller), int(to_callee)

    def phones(self) -> tuple[Phone, Phone]:
        pair = Phone(), Phone()
        for phone in pair:
            self._test.addCleanup(phone.close)
        return pair

    def three_calls(self) -> None:
        """One behind NAT and well, one whose callee falls silent, one with loss."""
        caller, callee = self.phones()
        ports = self.call("well@example.com", ("10.0.0.7", 4000), callee.address)
        caller.talk(ports[0])
        callee.talk(ports[1])
        caller, callee = self.phones()
        ports = self.call(NASTY, caller.address, ("10.20.30.40", 16384))
        caller.talk(ports[0])
        callee.talk(ports[1], packets=25)
        caller, callee = self.phones()
        ports = self.call("lossy@example.com", caller.address, callee.address)
        caller.talk(ports[0], drop=10)
        callee.talk(ports[1])
        self._test.assertEqual(self.client.ask("R lossy@example.com from to"), "0")

    def get(self, path: str, accept: str = "*/*") -> str:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"Accept": accept})
            return connection.getresponse().read().decode()
        finally:
            connection.close()


class Metrics(unittest.TestCase):
    def test_prometheus_finds_nothing_to_complain_about(self) -> None:
        proxy = Proxy(self)
        proxy.three_calls()
        for command in ("U bad", "L none 127.0.0.1 9 a b", "D well@example.com from to"):
            proxy.client.ask(command)
        result = subprocess.run([program("promtool"), "check", "metrics"], input=proxy.get("/metrics"), text=True,
                                capture_output=True, check=False)
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))

    def test_prometheus_feeds_the_dashboard(self) -> None:
        """It scrapes the proxy, in the format that it asks for, and every query of the dashboard finds something."""
        proxy = Proxy(self)
        proxy.three_calls()
        for command in ("U bad", "D well@example.com from to"):
            proxy.client.ask(command)
        prometheus = Prometheus(self, proxy.port)
        wait_for(lambda: prometheus.values('count_over_time(up{job="rtpproxy"}[1m]) > 3'), "some scrapes", 3 * PATIENCE)
        self.assertEqual(prometheus.values("up"), [1.0])
        board = json.loads((ROOT / "docs/grafana.json").read_text())
        queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
        self.assertGreater(len(queries), 20)
        for query in queries:
            for variable, value in (("$job", "rtpproxy"), ("$instance", ".+"), ("$__rate_interval", "1m")):
                query = query.replace(variable, value)
            with self.subTest(query):
                self.assertNotEqual(prometheus.values(query), [])
        self.assertEqual(prometheus.values("sum(rtpproxy_sessions)"), [2.0])


class Prometheus:
    """A server that scrapes a port of this host every second."""

    def __init__(self, test: unittest.TestCase, port: int) -> None:
        folder = tempfile.TemporaryDirectory(prefix="rtpproxy-prometheus-")
        test.addCleanup(folder.cleanup)
        settings = {"global": {"scrape_interval": "1s"}, "scrape_configs": [
            {"job_name": "rtpproxy", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]}
        Path(folder.name, "prometheus.yml").write_text(json.dumps(settings))  # which is YAML, too
        self._port = free_port()
        words = [program("prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                 f"--web.listen-address=127.0.0.1:{self._port}", "--log.level=error"]
        process = subprocess.Popen(words, cwd=folder.name, stdin=subprocess.DEVNULL)
        test.addCleanup(stop, process)

    def values(self, query: str) -> list[float]:
        """What a query finds now; nothing while the server is not up."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request("GET", f"/api/v1/query?{urlencode({'query': query})}")
            answer = json.load(connection.getresponse())
        except (OSError, ValueError):
            return []
        finally:
            connection.close()
        assert answer["status"] == "success", answer
        return [float(one["value"][1]) for one in answer["data"]["result"]]


class Page(unittest.TestCase):
    browser: ClassVar[Browser]
    pictures: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)
        folder = tempfile.TemporaryDirectory(prefix="rtpproxy-pictures-")
        cls.addClassCleanup(folder.cleanup)
        cls.pictures = os.environ.get("RTPPROXY_PICTURES", folder.name)  # to look at them, name a folder

    def setUp(self) -> None:
        self.browser.show(*SCREENS["wide"])
        self.browser.open("about:blank")
        self.browser.messages()

    def open(self, proxy: Proxy, place: str = "") -> None:
        self.browser.open("about:blank")
        self.browser.open(proxy.url + place)
        self.browser.wait("Number(document.body.dataset.answers) >= 1")

    def look(self, proxy: Proxy, name: str, place: str = "") -> None:
        """On every screen in every scheme: it fits, it has the scheme's colour, and nothing is complained about."""
        for (screen, size), (scheme, colour) in itertools.product(SCREENS.items(), SCHEMES.items()):
            self.browser.show(*size, scheme)
            self.open(proxy, place)
            self.assertEqual(self.browser.run("return getComputedStyle(document.body).backgroundColor"), colour)
            too_wide = self.browser.run("return document.documentElement.scrollWidth - innerWidth")
            self.assertLessEqual(too_wide, 0, f"{name} on a {screen} screen")
            self.browser.screenshot(f"{self.pictures}/{name}-{screen}-{scheme}.png")
        self.browser.show(*SCREENS["wide"])
        ours = [text for text in self.browser.messages() if proxy.url in text]
        self.assertEqual(ours, [])

    def count(self, selector: str) -> int:
        return int(self.browser.run("return document.querySelectorAll(arguments[0]).length", selector))

    def test_no_call(self) -> None:
        proxy = Proxy(self)
        self.look(proxy, "none")
        self.open(proxy)
        self.assertIn("No calls", self.browser.text("#empty"))
        self.assertEqual(self.count("#rows tr"), 0)
        self.assertEqual(self.browser.text(".tile .value").split(), ["0"])
        self.open(proxy, "#view=problem")
        self.assertIn("All is well", self.browser.text("#empty"))
        self.open(proxy, "#session=9")
        self.assertIn("Call 9 is gone", self.browser.text("#session"))

    def test_three_calls(self) -> None:
        proxy = Proxy(self)
        proxy.three_calls()
        self.open(proxy)
        self.browser.wait("document.querySelector('#rows').innerText.includes('one-way')")
        self.browser.wait("document.querySelector('#rows').innerText.includes('lost on the way')")
        self.assertEqual(self.count("#rows tr"), 3)
        rows = self.browser.text("#rows")
        for text in ("well@example.com", NASTY, "10.0.0.7:4000", "10.20.30.40:16384", "rec", "poor",
                     "was signalled 10.20.30.40:16384 (private): party behind NAT"):
            self.assertIn(text, rows)
        self.assertRegex(rows, r"(?i)no packets from callee for \d+ s; last address 127\.0\.0\.1:\d+")
        self.assertEqual(self.count("#rows script"), 0)
        self.browser.wait("document.querySelector('#count-problem').innerText == '2'")
        self.assertTrue(self.browser.run("return document.title").startswith("(2) rtpproxy"))
        self.look(proxy, "three")
        self._work_with_the_table(proxy)
        self._look_at_a_call(proxy)

    def _work_with_the_table(self, proxy: Proxy) -> None:
        self.open(proxy, "#view=problem")
        self.assertEqual(self.count("#rows tr"), 2)
        self.open(proxy, "#search=WELL")
        self.assertEqual(self.browser.text("#rows td.call a"), "well@example.com")
        self.open(proxy)
        self.browser.run("document.querySelector('th[data-sort=loss] button').click()")
        self.browser.wait("document.querySelector('#rows td.call a').innerText == 'lossy@example.com'")
        self.assertEqual(self.count("th[aria-sort=descending]"), 1)
        self.browser.run("document.querySelector('#rows td.call a').focus()")
        # A call that ends is shown as it was.
        self.assertEqual(proxy.client.ask("D well@example.com from to"), "0")
        self.browser.wait("document.querySelectorAll('#rows tr').length == 2")
        self.assertEqual(self.browser.run("return document.activeElement.innerText"), "lossy@example.com",
                         "the keyboard's place in the table stays")
        self.open(proxy, "#view=ended")
        self.assertIn("well@example.com", self.browser.text("#rows"))

    def _look_at_a_call(self, proxy: Proxy) -> None:
        self.look(proxy, "call", "#session=2")
        self.open(proxy, "#view=problem&session=2")
        text = self.browser.text("#session")
        for part in (NASTY, "one-way", "From caller", "From callee", "10.20.30.40:16384", "Packets/s", "latched"):
            self.assertIn(part, text)
        self.assertEqual(self.count("#session .curves svg[aria-label]"), 6)
        self.assertEqual(self.count("#session script"), 0)
        self.browser.press(ESCAPE)
        self.browser.wait("!document.querySelector('#overview').hidden")
        self.assertEqual(self.browser.run("return location.hash"), "#view=problem")
        self.assertNotEqual(self.browser.run("return document.title"), "taken")

    def test_two_thousand_calls(self) -> None:
        first, last = free_range(4 * MANY + 200)
        proxy = Proxy(self, f"-L 20000 -m {first} -M {last}")
        for number in range(MANY):
            port = 4000 + 2 * number
            proxy.call(f"call-{number:04}@example.com", ("192.0.2.1", port), ("192.0.2.2", port))
        self.open(proxy)
        self.browser.wait("document.querySelector('#range').innerText == '1 to 50 of 2,000 calls'")
        self.assertEqual(self.count("#rows tr"), 50)
        self.assertIn("call-1999@example.com", self.browser.text("#rows"))
        self.browser.run("document.querySelector('#next').click()")
        self.browser.wait("document.querySelector('#range').innerText == '51 to 100 of 2,000 calls'")
        self.assertIn("call-1949@example.com", self.browser.text("#rows"))
        self.open(proxy, "#search=call-0777")
        self.assertEqual(self.browser.text("#range"), "1 call")
        self.look(proxy, "many")
        took = self.browser.run("return performance.getEntriesByType('resource').filter("
                                "each => each.name.includes('/sessions?')).map(each => each.transferSize)")
        self.assertLess(max(took), 200_000, "bytes for a page of the table, however many calls there are")


if __name__ == "__main__":
    unittest.main()
