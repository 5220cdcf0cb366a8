"""The kernel fast path between real hosts: namespaces joined by veth pairs, the whole program in the middle."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any, Optional

from tests.interop.rig.namespaces import (
    CALLEE,
    CALLEE6,
    CALLER,
    CALLER6,
    TO_CALLEE,
    TO_CALLEE6,
    TO_CALLER,
    TO_CALLER6,
    Hosts,
)
from tests.interop.rig.tools import ROOT, wait_for

PROGRAM = [sys.executable, str(ROOT / "rtpproxy.py")]
FIRST_PORT, LAST_PORT = 40000, 41000
BRIDGES = {
    "IPv4": (("-l", f"{TO_CALLER}/{TO_CALLEE}"), "Uie", "Lei", CALLER, CALLEE, TO_CALLER, TO_CALLEE),
    "IPv6": (("-6", f"{TO_CALLER6}/{TO_CALLEE6}"), "Uie6", "Lei6", CALLER6, CALLEE6, TO_CALLER6, TO_CALLEE6),
    "IPv4 to IPv6": (("-l", TO_CALLER, "-6", f"/{TO_CALLEE6}"), "Uie", "Lei6", CALLER, CALLEE6, TO_CALLER, TO_CALLEE6),
}


def rtp(number: int, ssrc: int = 1, size: int = 160) -> bytes:
    return struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, 160 * number & 0xFFFFFFFF, ssrc) + bytes(size)


def programs() -> set[int]:
    """Numbers of the proxies' programs in the kernel."""
    shown = subprocess.run(["bpftool", "-j", "prog", "show"], check=True, capture_output=True, text=True).stdout
    return {program["id"] for program in json.loads(shown) if program.get("name") == "rtpproxy"}


class ProxyOnHost:
    """The program on the host in the middle, controlled through a local socket."""

    def __init__(self, hosts: Hosts, *options: str, before: tuple[str, ...] = ()) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="rtpproxy-")
        self.path = f"{self.folder.name}/control"
        self.log_path = f"{self.folder.name}/log"
        arguments = ["-f", "-F", "-d", "INFO", "-p", f"{self.folder.name}/pid", "-s", f"cunix:{self.path}",
                     "-m", str(FIRST_PORT), "-M", str(LAST_PORT), *options]
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(hosts.command(hosts.proxy, *before, *PROGRAM, *arguments), stderr=log)
        wait_for(lambda: os.path.exists(self.path) or self.process.poll() is not None, "the control socket")
        self.control = socket.socket(socket.AF_UNIX)
        wait_for(self._connects, "a connection to the control socket")
        self.replies = self.control.makefile("rb")

    def _connects(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the program has ended: {self.log()}")
        try:
            self.control.connect(self.path)
        except OSError:
            return False
        return True

    def log(self) -> str:
        with open(self.log_path, encoding="utf-8") as file:
            return file.read()

    def log_until(self, word: str) -> str:
        wait_for(lambda: word in self.log(), f"{word!r} in the log")
        return self.log()

    def say(self, command: str) -> str:
        self.control.sendall(command.encode() + b"\n")
        return self.replies.readline().decode().strip()

    @property
    def fast(self) -> int:
        """Streams on the fast path."""
        return int(self.say("G nstrms_fastpath"))

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(10)
        self.replies.close()
        self.control.close()
        self.folder.cleanup()
        return status


class FastPathTest(unittest.TestCase):
    hosts: Hosts

    @classmethod
    def setUpClass(cls) -> None:
        cls.hosts = cls.enterClassContext(Hosts()) if hasattr(cls, "enterClassContext") else Hosts().__enter__()
        if not hasattr(cls, "enterClassContext"):
            cls.addClassCleanup(cls.hosts.__exit__, None, None, None)

    def proxy(self, *options: str, before: tuple[str, ...] = ()) -> ProxyOnHost:
        made = ProxyOnHost(self.hosts, *options, before=before)
        self.addCleanup(made.stop)
        return made

    def socket(self, host: str, address: str) -> socket.socket:
        made = self.hosts.socket(host, address)
        self.addCleanup(made.close)
        return made

    def call(self, proxy: ProxyOnHost, bridge: str = "IPv4",
             name: str = "call") -> tuple[socket.socket, Any, socket.socket, Any]:
        """Caller's socket and where it sends to, and the same of the callee."""
        _, offer, answer, caller_host, callee_host, to_caller, to_callee = BRIDGES[bridge]
        caller, callee = self.socket(self.hosts.caller, caller_host), self.socket(self.hosts.callee, callee_host)
        caller_port, callee_port = caller.getsockname()[1], callee.getsockname()[1]
        to_callee_port = int(proxy.say(f"{offer} {name} {caller_host} {caller_port} from").split()[0])
        to_caller_port = int(proxy.say(f"{answer} {name} {callee_host} {callee_port} from to").split()[0])
        return caller, (to_caller, to_caller_port), callee, (to_callee, to_callee_port)

    def talk(self, call: tuple[socket.socket, Any, socket.socket, Any], numbers: range) -> None:
        """Both send; each packet has to arrive before the next, from the right place."""
        caller, to_caller, callee, to_callee = call
        for number in numbers:
            caller.sendto(rtp(number, 1), to_caller)
            callee.sendto(rtp(number, 2), to_callee)
            for receiver, source, ssrc in ((callee, to_callee, 1), (caller, to_caller, 2)):
                data, seen = receiver.recvfrom(2048)
                self.assertEqual((data, seen[:2]), (rtp(number, ssrc), source))
            time.sleep(0.004)

    def settle(self, proxy: ProxyOnHost, call: tuple[socket.socket, Any, socket.socket, Any], first: int = 0) -> int:
        """Talk until both streams are on the fast path; returns the next number."""
        end = time.monotonic() + 30
        while proxy.fast < 2:
            self.assertLess(time.monotonic(), end, proxy.log())
            self.talk(call, range(first, first + 50))
            first += 50
        return first

    def test_every_pair_of_families(self) -> None:
        for bridge, (listen, *_) in BRIDGES.items():
            with self.subTest(bridge):
                proxy = self.proxy("--fastpath", "on", *listen)
                call = self.call(proxy, bridge)
                number = self.settle(proxy, call)
                self.talk(call, range(number, number + 300))
                self.assertEqual(proxy.fast, 2)
                total = number + 300
                self.assertEqual(proxy.say("G npkts_rcvd npkts_relayed"), f"{2 * total} {2 * total}")
                counters = "npkts_ina npkts_ino nrelayed ndropped rtpa_nsent rtpa_nrcvd rtpa_nlost rtpa_ndups"
                self.assertEqual(proxy.say(f"Q call from to {counters}"),
                                 f"{total} {total} {2 * total} 0 {total} {total} 0 0")
                self.assertEqual(proxy.say("D call from to"), "0")
                self.assertEqual(proxy.say("G rtpa_nrcvd rtpa_nlost nsess_owrtp"), f"{2 * total} 0 0")
                self.assertEqual(proxy.stop(), 0)

    def test_back_for_what_needs_user_space(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            proxy = self.proxy("--fastpath", "on", "-r", folder, *BRIDGES["IPv4"][0])
            call = self.call(proxy)
            number = self.settle(proxy, call)
            caller, to_caller, callee, _ = call
            self.assertEqual(proxy.say("R call from to"), "0")
            self.assertEqual(proxy.fast, 1)
            self.talk(call, range(number, number + 100))
            self.assertEqual(proxy.say("N call from to"), "0")
            number = self.settle(proxy, call, number + 100)
            caller.sendto(rtp(7, ssrc=99), to_caller)  # another source: judged here
            self.assertEqual(callee.recv(2048), rtp(7, ssrc=99))
            proxy.say("Q call from to")
            self.assertEqual(proxy.say("D call from to"), "0")
            recorded = [os.path.getsize(f"{folder}/{name}") for name in os.listdir(folder) if name.endswith(".rtp")]
            self.assertGreaterEqual(recorded[0], 100 * 172)

    def test_time_to_live(self) -> None:
        """Packets in the kernel keep a session alive, and its end is noticed."""
        proxy = self.proxy("--fastpath", "on", "-T", "2", *BRIDGES["IPv4"][0])
        call = self.call(proxy)
        number = self.settle(proxy, call)
        for _ in range(8):
            self.talk(call, range(number, number + 100))
            number += 100
        self.assertEqual(proxy.say("G nsess_timeout"), "0")
        wait_for(lambda: proxy.say("G nsess_timeout") == "1", "the time-out")

    def flood(self, rate: int, seconds: float, streams: int, moves: int) -> dict[str, int]:
        """Streams that are moved off the fast path and on again, many times; what arrives of them."""
        before = self.kernel_drops()
        proxy = self.proxy("--fastpath", "on", *BRIDGES["IPv4"][0])
        sender, receiver = self.socket(self.hosts.caller, CALLER), self.socket(self.hosts.callee, CALLEE)
        ports = []
        for number in range(streams):
            proxy.say(f"Uie call{number} {CALLER} {sender.getsockname()[1]} from")
            reply = proxy.say(f"Lei call{number} {CALLEE} {receiver.getsockname()[1]} from to")
            ports.append(reply.split()[0])
        tool = [sys.executable, "-m", "tests.interop.rig.flood"]
        for each in (sender, receiver):
            each.set_inheritable(True)
        counting = subprocess.Popen([*tool, "receive", str(receiver.fileno())], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, cwd=ROOT, pass_fds=[receiver.fileno()])
        sending = subprocess.Popen([*tool, "send", str(sender.fileno()), str(rate), str(seconds), TO_CALLER, *ports],
                                   stdout=subprocess.PIPE, cwd=ROOT, pass_fds=[sender.fileno()])
        done = 0
        wait_for(lambda: proxy.fast == streams, "the fast path", 20)
        while done < moves and sending.poll() is None:
            done += proxy.fast
            for number in range(streams):
                proxy.say(f"Q call{number} from to rtpa_nlost")
            time.sleep(0.002)
        found = json.loads(sending.communicate(timeout=60)[0])
        time.sleep(0.3)
        found.update(json.loads(counting.communicate(b"", timeout=20)[0]))
        found["moves"] = done
        found["lost"] = sum(int(proxy.say(f"Q call{number} from to rtpa_nlost")) for number in range(streams))
        found["relayed"] = int(proxy.say("G npkts_relayed"))
        found.update({place: drops - before[place] for place, drops in self.kernel_drops().items()})
        self.assertEqual(proxy.stop(), 0)
        return found

    def kernel_drops(self) -> dict[str, int]:
        """Packets that the kernel dropped by place: at sockets of the proxy and of the callee, for want of room,
        and on the way, where a processor was too busy to take them from its queue."""
        queues = Path("/proc/net/softnet_stat").read_text(encoding="ascii").splitlines()
        return {"at_proxy": self.overflow(self.hosts.proxy), "at_callee": self.overflow(self.hosts.callee),
                "on_the_way": sum(int(line.split()[1], 16) for line in queues)}

    def overflow(self, host: str) -> int:
        """Packets for which a socket of a host had no room."""
        command = self.hosts.command(host, "cat", "/proc/net/snmp")
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        names, values = (line.split() for line in lines if line.startswith("Udp:"))
        return int(values[names.index("RcvbufErrors")])

    def test_nothing_is_lost_in_a_thousand_moves(self) -> None:
        for rate, streams in ((10_000, 1), (20_000, 50)):
            with self.subTest(rate=rate, streams=streams):
                found = self.flood(rate, 8, streams, 1000)
                self.assertGreaterEqual(found["moves"], 1000)
                self.assertEqual((found["repeated"], found["reordered"]), (0, 0), found)
                # A machine too busy to read a socket in time loses packets there, moved or not; none may be lost else.
                at_proxy, on_the_way = found["at_proxy"], found["on_the_way"]
                dropped = at_proxy + on_the_way + found["at_callee"]
                self.assertEqual(found["received"], found["sent"] - dropped, found)
                self.assertIn(found["sent"] - found["relayed"], range(at_proxy, at_proxy + on_the_way + 1), found)
                self.assertLess(dropped, found["sent"] / 100, found)

    def test_killed(self) -> None:
        """The program dies with the process."""
        before = programs()
        proxy = self.proxy("--fastpath", "on", *BRIDGES["IPv4"][0])
        self.settle(proxy, self.call(proxy))
        ours = programs() - before
        self.assertTrue(ours)
        subprocess.run(["pkill", "-KILL", "-f", proxy.path], check=True)
        proxy.process.wait(10)
        wait_for(lambda: not ours & programs(), "the program is gone")

    def test_privileges(self) -> None:
        """Without either capability there is a line in the log that says so, and packets are relayed."""
        no_rights = r"no kernel fast path.*CAP_BPF and CAP_NET_ADMIN"
        for dropped, expected in (
            ("-bpf,-sys_admin", no_rights),
            ("-net_admin,-sys_admin", no_rights),
            ("-bpf,-net_admin,-sys_admin", no_rights),
            ("-perfmon,-sys_admin", r"kernel fast path: \w+ on left, right;"),
        ):
            with self.subTest(dropped):
                before = ("setpriv", f"--bounding-set={dropped}", f"--inh-caps={dropped}")
                proxy = self.proxy(*BRIDGES["IPv4"][0], before=before)
                self.assertRegex(proxy.log_until("serving"), expected)
                self.talk(self.call(proxy), range(20))
                self.assertEqual(proxy.stop(), 0)

    def test_rights_are_dropped(self) -> None:
        """With -u it goes on working, also with new routes."""
        proxy = self.proxy("-u", "nobody", *BRIDGES["IPv4"][0])
        call = self.call(proxy)
        number = self.settle(proxy, call)
        subprocess.run(["ip", "-n", self.hosts.proxy, "route", "add", "203.0.113.0/24", "dev", "right"], check=True)
        self.addCleanup(subprocess.run, ["ip", "-n", self.hosts.proxy, "route", "del", "203.0.113.0/24"], check=False)
        number = self.settle(proxy, call, number)
        self.talk(call, range(number, number + 100))
        self.assertEqual(proxy.stop(), 0)

    def test_interface_that_goes_and_comes(self) -> None:
        proxy = self.proxy("--fastpath", "on", *BRIDGES["IPv4"][0])
        call = self.call(proxy)
        number = self.settle(proxy, call)
        for state in ("down", "up"):
            subprocess.run(["ip", "-n", self.hosts.proxy, "link", "set", "right", state], check=True)
            wait_for(lambda: not re.search(r"\bERR\b", proxy.log()), "no errors")
            time.sleep(0.5)
        self.settle(proxy, call, number)
        self.assertEqual(proxy.stop(), 0)

    def test_off(self) -> None:
        proxy = self.proxy("--fastpath", "off", *BRIDGES["IPv4"][0])
        self.talk(self.call(proxy), range(20))
        self.assertNotIn("fast path", proxy.log())


class WithoutNamespaces(unittest.TestCase):
    def test_on_is_refused_where_it_cannot_be(self) -> None:
        if os.geteuid():
            self.skipTest("gives up privileges that only root has")
        command = ["setpriv", "--bounding-set=-bpf,-sys_admin", *PROGRAM, "-f", "-F", "--fastpath", "on", "-s",
                   "stdio:", "-p", "/dev/null"]
        found: Optional[subprocess.CompletedProcess[str]] = subprocess.run(
            command, capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL)
        assert found is not None
        self.assertEqual(found.returncode, 1)
        self.assertIn("--fastpath on: no permission", found.stderr)
