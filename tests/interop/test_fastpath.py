"""The kernel fast path between real hosts: namespaces joined by veth pairs, the whole program in the middle."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Optional

from tests.interop.rig.flood import SLOWLY
from tests.interop.rig.namespaces import CALLEE, CALLER, TO_CALLER
from tests.interop.rig.proxyhost import BRIDGES, PROGRAM, HostsTest, rtp
from tests.interop.rig.tools import ROOT, wait_for

# Shares of packets that the machine drops at its own sockets, moved or not:
QUIET = 0.01  # with more, a test of moves is worth another try,
TOO_BUSY = 0.05  # and with so many it says little


def programs() -> set[int]:
    """Numbers of the proxies' programs in the kernel."""
    shown = subprocess.run(["bpftool", "-j", "prog", "show"], check=True, capture_output=True, text=True).stdout
    return {program["id"] for program in json.loads(shown) if program.get("name") == "rtpproxy"}


class FastPathTest(HostsTest):
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

    def flood(self, rate: int, streams: int, moves: int) -> dict[str, int]:
        """Streams that are moved off the fast path and on again, many times; what arrives of them.

        A few of them are moved at a time: all together at this rate are more than user space can take.
        """
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
        sending = subprocess.Popen([*tool, "send", str(sender.fileno()), str(rate), TO_CALLER, *ports],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, pass_fds=[sender.fileno()])
        wait_for(lambda: proxy.fast == streams, "the fast path", 20)
        time.sleep(SLOWLY)
        done, turns, end = 0, itertools.cycle(range(streams)), time.monotonic() + 40
        while done < moves and time.monotonic() < end:
            for number in itertools.islice(turns, max(1, streams // 10)):
                proxy.say(f"Q call{number} from to rtpa_nlost")
            time.sleep(0.002)
            done = int(proxy.say("G nmoves_fastpath"))
        found = json.loads(sending.communicate(b"", timeout=20)[0])
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
        for rate, streams in ((20_000, 1), (50_000, 50)):
            with self.subTest(rate=rate, streams=streams):
                shares = [self.flood_and_check(rate, streams)]
                while shares[-1] > QUIET and len(shares) < 4:
                    shares.append(self.flood_and_check(rate, streams))
                self.assertLess(min(shares), TOO_BUSY, f"dropped where a busy machine did not read in time: {shares}")

    def flood_and_check(self, rate: int, streams: int) -> float:
        """The share of packets that a machine too busy to read a socket in time has dropped there, moved or not; none
        may be lost else, repeated or reordered."""
        found = self.flood(rate, streams, 1000)
        print(f"moved to and fro: {found}", file=sys.stderr)
        self.assertGreaterEqual(found["moves"], 1000)
        self.assertEqual((found["repeated"], found["reordered"]), (0, 0), found)
        at_proxy, on_the_way = found["at_proxy"], found["on_the_way"]
        dropped = at_proxy + on_the_way + found["at_callee"]
        self.assertEqual(found["received"], found["sent"] - dropped, found)
        self.assertIn(found["sent"] - found["relayed"], range(at_proxy, at_proxy + on_the_way + 1), found)
        return float(dropped / found["sent"])

    def test_killed(self) -> None:
        """The program dies with the process."""
        before = programs()
        proxy = self.proxy("--fastpath", "on", *BRIDGES["IPv4"][0])
        self.settle(proxy, self.call(proxy))
        ours = programs() - before
        self.assertTrue(ours)
        proxy.stop(signal.SIGKILL)
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
