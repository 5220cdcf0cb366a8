"""The kernel fast path and what networks are made of: damaged packets, VLANs, batches, routes, other programs."""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile

from tests.fastpath.kernel import frame, with_header_checksum
from tests.interop.rig.namespaces import CALLEE, CALLER, TO_CALLEE, TO_CALLER
from tests.interop.rig.proxyhost import BRIDGES, EAGER, FIRST_PORT, LAST_PORT, HostsTest, ProxyOnHost, rtp
from tests.interop.rig.tools import ROOT, wait_for

CLSACT = [sys.executable, "-m", "tests.interop.rig.clsact"]
DAMAGED = 300  # packets
UDP_SEGMENT = 103  # linux/udp.h


class NetworkTest(HostsTest):
    def start(self, *options: str, fastpath: str = "on", program: list[str] = EAGER) -> ProxyOnHost:
        return self.proxy("--fastpath", fastpath, *(options or BRIDGES["IPv4"][0]), program=program)

    def ip(self, host: str, *words: str) -> None:
        subprocess.run(["ip", "-n", host, *words], check=True, capture_output=True, text=True)

    # -- packets ---------------------------------------------------------------------------------

    def test_damaged_packets_fare_the_same(self) -> None:
        """Whatever comes from the wire, the callee gets the same and the figures are the same, on either path."""
        seed = int(os.environ.get("RTPPROXY_SEED") or random.SystemRandom().randrange(1 << 32))
        for bridge in ("IPv4", "IPv6"):
            found = [self.send_damaged(random.Random(seed), fastpath, bridge) for fastpath in ("off", "on")]
            with self.subTest(seed=seed, bridge=bridge):
                for number, (without, with_it) in enumerate(zip(found[0][0], found[1][0])):
                    self.assertEqual(without, with_it, number)
                self.assertEqual(found[0][1], found[1][1])
                self.assertGreater(found[1][2], DAMAGED * 0.7, "most packets found the stream in the kernel")

    def send_damaged(self, source: random.Random, fastpath: str, bridge: str) -> tuple[list[list[bytes]], str, int]:
        """What came of each damaged packet and the good one after it; counters; how many found the
        stream in the kernel."""
        proxy = self.start(*BRIDGES[bridge][0], fastpath=fastpath)
        caller, to_caller, callee, _ = call = self.call(proxy, bridge)
        self.talk(call, range(30))
        callee.settimeout(2)
        wire = self.hosts.wire(self.hosts.caller, "out")
        self.addCleanup(wire.close)
        hardware = self.hardware_address(self.hosts.proxy, "left")
        ends = (call[0].getsockname()[0], to_caller[0], (caller.getsockname()[1], to_caller[1]))
        arrived, fast = [], 0
        for number in range(DAMAGED):
            good = rtp(2 * number + 31)
            packet = self.damage(frame(rtp(2 * number + 30), *ends), source)
            wire.send((hardware if source.random() < 0.97 else b"\2abcde") + packet[6:])
            caller.sendto(good, to_caller)
            got = [callee.recv(2048)]
            while got[-1] != good:
                got.append(callee.recv(2048))
            arrived.append(got)
            fast += proxy.fast > 0
        counters = proxy.say("Q call from to npkts_ina npkts_ino nrelayed ndropped rtpa_nsent rtpa_nrcvd rtpa_ndups "
                             "rtpa_nlost rtpa_perrs") + proxy.say("G npkts_rcvd npkts_relayed npkts_discard")
        self.assertEqual(proxy.stop(), 0)
        return arrived, counters, fast

    def hardware_address(self, host: str, device: str) -> bytes:
        shown = subprocess.run(["ip", "-n", host, "-br", "link", "show", device], check=True, capture_output=True,
                               text=True).stdout
        return bytes.fromhex(shown.split()[2].replace(":", ""))

    @staticmethod
    def damage(packet: bytes, source: random.Random) -> bytes:
        """Checksums of UDP are not verified in the kernel, so what they cover stays."""
        data, is_ipv4 = bytearray(packet), packet[12:14] == b"\x08\0"
        header = 34 if is_ipv4 else 54
        kind = source.randrange(7)
        if kind < 3:
            at = source.choice([14, 15, 16, 17, 18, 20, 21, 22, 23] if is_ipv4 else [14, 15, 16, 17, 18, 19, 20, 21])
            data[at] = source.choice([0, 1, 0x20, 0x40, 0x44, 0x45, 0x46, 0x60, 0x80, 0xFF, source.randrange(256)])
        elif kind == 3:
            data[header + 5] = source.choice([0, 7, 8, 20, 171, 179, 181, 255])  # length
        elif kind == 4:
            del data[source.randrange(header + 8, len(data)) :]
        elif kind == 5:
            data += bytes(source.randrange(1, 30))  # Ethernet's padding
        else:
            data[12:12] = b"\x81\0\0" + source.choice((b"\0", b"\5"))  # a priority only, or a VLAN that nobody has here
            return bytes(data)
        if is_ipv4 and source.random() < 0.8:
            data[14:34] = with_header_checksum(bytes(data[14:34]))
        if is_ipv4 and source.random() < 0.1:
            data[header + 6 : header + 8] = b"\0\0"  # no checksum
        return bytes(data)

    def test_headers_in_pieces(self) -> None:
        """As network cards deliver larger packets: the RTP header is not in the first piece."""
        proxy = self.start()
        caller, to_caller, callee, _ = self.call(proxy)
        caller.connect(to_caller)
        with tempfile.TemporaryFile() as file:
            for number in range(100):
                packet = rtp(number, size=1000)
                os.pwrite(file.fileno(), packet, 0)
                os.sendfile(caller.fileno(), file.fileno(), 0, len(packet))
                self.assertEqual(callee.recv(2048), packet)
        self.assertEqual(proxy.fast, 1)
        self.assertLess(int(proxy.say("G nmoves_fastpath")), 5)
        self.assertEqual(proxy.say("Q call from to rtpa_nrcvd rtpa_nlost"), "100 0")
        self.assertEqual(proxy.stop(), 0)

    def test_batches(self) -> None:
        """Several packets in one, from a sender's or a card's offloading, go through the socket, and in order."""
        proxy = self.start()
        caller, to_caller, callee, _ = self.call(proxy)
        number = 0
        for _ in range(100):
            batch = b"".join(rtp(number + each) for each in range(4))
            caller.sendmsg([batch], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", 172))], 0, to_caller)
            caller.sendto(rtp(number + 4), to_caller)
            caller.sendto(rtp(number + 5), to_caller)
            for each in range(number, number + 6):
                self.assertEqual(callee.recv(2048), rtp(each))
            number += 6
        self.assertGreater(int(proxy.say("G nmoves_fastpath")), 5)
        self.assertEqual(proxy.say("Q call from to rtpa_nrcvd rtpa_nlost rtpa_ndups"), "600 0 0")
        self.assertEqual(proxy.stop(), 0)

    # -- ways ------------------------------------------------------------------------------------

    def test_devices_on_devices(self) -> None:
        """A VLAN, where this kernel has them, and a second hardware address on a link."""
        tried = [kind[0] for kind in (("vlan", "id", "5"), ("macvlan",)) if self.is_relayed_from(*kind)]
        self.assertIn("macvlan", tried)

    def is_relayed_from(self, *kind: str) -> bool:
        """A call whose caller is reached by a device on a device; False when this kernel has none of that kind."""
        for host, device, address in ((self.hosts.caller, "out", "192.0.3.2"), (self.hosts.proxy, "left", "192.0.3.1")):
            try:
                self.ip(host, "link", "add", "link", device, "name", "upper", "type", *kind)
            except subprocess.CalledProcessError as error:
                self.assertIn("Unknown device type", error.stderr)
                return False
            remove = ["ip", "-n", host, "link", "del", "upper"]
            self.addCleanup(subprocess.run, remove, capture_output=True, check=False)
            self.ip(host, "addr", "add", f"{address}/24", "dev", "upper")
            self.ip(host, "link", "set", "upper", "up")
        proxy = self.start("-l", f"192.0.3.1/{TO_CALLEE}")
        caller, callee = self.socket(self.hosts.caller, "192.0.3.2"), self.socket(self.hosts.callee, CALLEE)
        to_callee = int(proxy.say(f"Uies call 192.0.3.2 {caller.getsockname()[1]} from").split()[0])
        to_caller = int(proxy.say(f"Leis call {CALLEE} {callee.getsockname()[1]} from to").split()[0])
        self.talk((caller, ("192.0.3.1", to_caller), callee, (TO_CALLEE, to_callee)), range(200))
        self.assertEqual(proxy.fast, 2)
        self.assertIn("upper", proxy.log())
        self.assertEqual(proxy.stop(), 0)
        for host in (self.hosts.caller, self.hosts.proxy):
            self.ip(host, "link", "del", "upper")
        return True

    def test_party_on_this_host(self) -> None:
        """Packets to it leave the kernel's way; those from it come by loopback, which `auto` leaves alone: they are
        relayed through a connected socket as if there were no fast path."""
        for fastpath, fast in (("auto", 1), ("on", 2)):
            with self.subTest(fastpath):
                proxy = self.start(fastpath=fastpath)
                caller, callee = self.socket(self.hosts.caller, CALLER), self.socket(self.hosts.proxy, TO_CALLEE)
                while FIRST_PORT <= callee.getsockname()[1] <= LAST_PORT + 1:  # it may not be one of the proxy's
                    callee = self.socket(self.hosts.proxy, TO_CALLEE)
                to_callee = int(proxy.say(f"Uies call {CALLER} {caller.getsockname()[1]} from").split()[0])
                to_caller = int(proxy.say(f"Leis call {TO_CALLEE} {callee.getsockname()[1]} from to").split()[0])
                call = (caller, (TO_CALLER, to_caller), callee, (TO_CALLEE, to_callee))
                packet = self.settle(proxy, call, streams=fast)
                wait_for(lambda wanted=2 - fast: self.connected_sockets() == wanted, "connected sockets")
                packet = self.settle(proxy, call, packet, streams=fast)
                self.talk(call, range(packet, packet + 100))
                self.assertEqual(proxy.fast, fast)
                self.assertEqual(proxy.say("Q call from to rtpa_nrcvd rtpa_nlost"), f"{packet + 100} 0")
                self.assertEqual(proxy.stop(), 0)

    def connected_sockets(self) -> int:
        """Of UDP on the proxy's host."""
        command = self.hosts.command(self.hosts.proxy, "cat", "/proc/net/udp")
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[1:]
        return sum(line.split()[2] != "00000000:0000" for line in lines)

    def test_route_that_changes(self) -> None:
        """Within a moment packets go where the kernel would send them now, and nowhere when that is nowhere."""
        proxy = self.start()
        call = self.call(proxy)
        packet = self.settle(proxy, call)
        self.ip(self.hosts.proxy, "route", "add", "blackhole", CALLEE)
        try:
            wait_for(lambda: proxy.fast == 1, "the caller's stream in user space", 1.0)
            call[0].sendto(rtp(packet), call[1])
            call[2].settimeout(0.3)
            self.assertRaises(TimeoutError, call[2].recv, 2048)
        finally:
            self.ip(self.hosts.proxy, "route", "del", "blackhole", CALLEE)
        call[2].settimeout(5)
        packet = self.settle(proxy, call, packet + 1)
        self.ip(self.hosts.proxy, "rule", "add", "to", CALLEE, "prio", "100", "unreachable")
        try:
            wait_for(lambda: proxy.fast == 1, "the caller's stream in user space", 1.0)
        finally:
            self.ip(self.hosts.proxy, "rule", "del", "prio", "100")
        self.settle(proxy, call, packet)
        self.assertEqual(proxy.stop(), 0)

    def test_two_proxies_in_a_row(self) -> None:
        """On one host, the second one the party of the first."""
        ports = ("-m", "42000", "-M", "42100")
        first, second = self.start(), self.start(*BRIDGES["IPv4"][0], *ports)
        caller, callee = self.socket(self.hosts.caller, CALLER), self.socket(self.hosts.callee, CALLEE)
        to_callee = int(first.say(f"Uies call {CALLER} {caller.getsockname()[1]} from").split()[0])
        to_callee2 = int(second.say(f"Uees call {TO_CALLEE} {to_callee} from").split()[0])
        to_first = int(second.say(f"Lees call {CALLEE} {callee.getsockname()[1]} from to").split()[0])
        to_caller = int(first.say(f"Leis call {TO_CALLEE} {to_first} from to").split()[0])
        self.talk((caller, (TO_CALLER, to_caller), callee, (TO_CALLEE, to_callee2)), range(200))
        self.assertEqual((first.fast, second.fast), (2, 2))
        for proxy in (first, second):
            self.assertEqual(proxy.say("Q call from to npkts_ina npkts_ino rtpa_nlost"), "200 200 0")
            self.assertEqual(proxy.stop(), 0)

    # -- kernels without tcx -----------------------------------------------------------------------

    def filters(self) -> list[str]:
        """Names of those of proxies."""
        command = self.hosts.command(self.hosts.proxy, "tc", "filter", "show", "dev", "left", "ingress")
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        return [word for word in shown if word.startswith("rtpproxy-")]

    def test_without_tcx(self) -> None:
        before = os.getcwd()
        os.chdir(ROOT)
        self.addCleanup(os.chdir, before)
        proxy = self.start(program=CLSACT)
        self.assertIn("clsact on", proxy.log_until("serving"))
        call = self.call(proxy)
        packet = self.settle(proxy, call)
        self.talk(call, range(packet, packet + 50))
        first = f"rtpproxy-{proxy.process.pid}"
        self.assertEqual(self.filters(), [first])
        proxy.stop(signal.SIGKILL)
        self.assertEqual(self.filters(), [first], "it outlives the process")
        again = self.start(program=CLSACT)
        call = self.call(again)
        self.settle(again, call)
        self.assertEqual(self.filters(), [f"rtpproxy-{again.process.pid}"], "its successor removes it")
        self.assertEqual(again.stop(), 0)
        self.assertEqual(self.filters(), [])
