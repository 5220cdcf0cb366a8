"""Calls through the real program that are recorded, and what other programs and extractaudio make of the recordings.

Needs what packages/tools.txt lists.
"""

from __future__ import annotations

import os
import re
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from tests.interop.rig.audio import FolderCase, ToneCase, call, tool
from tests.interop.rig.media import Media
from tests.interop.rig.minute import BEEPS, SECONDS, Minute, beeps
from tests.interop.rig.proxy import Proxy

minute = Minute()


def setUpModule() -> None:
    """The long call goes on while the other tests run."""
    minute.start()
    unittest.addModuleCleanup(minute.close)


IPV4, IPV6 = "127.0.0.1", "::1"

# hosts of caller and callee -> where the proxy listens, modifiers of U and L
NETWORKS = {
    (IPV4, IPV4): (("-l", IPV4), "", ""),
    (IPV6, IPV6): (("-6", IPV6), "6", "6"),
    (IPV4, IPV6): (("-l", IPV4, "-6", f"/{IPV6}"), "IE", "EI6"),  # bridged
}


class Call:
    """Two phones that know their ports of the proxy."""

    def __init__(self, proxy: Proxy, name: str, hosts: tuple[str, str] = (IPV4, IPV4)) -> None:
        self.proxy, self.name = proxy, name
        _, offering, answering = NETWORKS[hosts]
        self.caller, self.callee = Media("caller", hosts[0]), Media("callee", hosts[1])
        offer = proxy.command(f"U{offering} {name} {hosts[0]} {self.caller.port} f")
        answer = proxy.command(f"L{answering} {name} {hosts[1]} {self.callee.port} f t")
        self.ports = int(offer.split()[0]), int(answer.split()[0])
        self.caller.target, self.callee.target = (hosts[0], self.ports[1]), (hosts[1], self.ports[0])

    def talk(self, count: int) -> None:
        """Packets both ways, and a report of each side."""
        for sender, receiver in ((self.caller, self.callee), (self.callee, self.caller)):
            sent = sender.send(count)
            assert receiver.receive(count) == sent
            report = sender.send_report()
            assert receiver.receive_report() == report

    def end(self) -> None:
        assert self.proxy.command(f"D {self.name} f t") == "0"
        self.caller.close()
        self.callee.close()


class Captures(FolderCase):
    """Every kind of pcap file that the proxy writes, seen by Wireshark's programs."""

    count = 30
    # command line, command, files that it writes: streams in each, RTCP packets in each
    kinds = (
        (("-P",), ("R {} f t", "R {} t f"), {"{}=f.o.rtp": (1, 0), "{}=f.a.rtp": (1, 0), "{}=f.o.rtcp": (0, 1)}),
        (("-P",), ("Rs {} f t", "Rs {} t f"), {"{}=f.pcap": (2, 2)}),
        (("-P",), ("Cs {} copy.pcap f t", "Cs {} copy.pcap t f"), {"copy.pcap": (2, 2)}),
        (("-P",), ("C {} copy f t",), {"copy.rtp": (1, 0), "copy.rtcp": (0, 1)}),
        (("-P", "-a"), (), {"{}=f.pcap": (2, 2)}),
        (("-P", "-a", "-R"), (), {"{}=f.pcap": (2, 0)}),
    )

    def test_every_kind(self) -> None:
        for network, (hosts, (listen, _, _)) in enumerate(NETWORKS.items()):
            for number, (options, commands, files) in enumerate(self.kinds):
                with self.subTest(hosts=hosts, options=options, commands=commands), ExitStack() as stack:
                    name = f"call{number}{network}"
                    proxy = stack.enter_context(Proxy("-r", self.folder, *options, listen=listen))
                    recorded = Call(proxy, name, hosts)
                    for command in commands:
                        self.assertEqual(proxy.command(command.format(name)), "0")
                    recorded.talk(self.count)
                    recorded.end()
                    stack.close()  # the disk is done
                    for file, (streams, reports) in files.items():
                        self.check(self.path(file.format(name)), recorded, streams, reports)

    def check(self, path: str, recorded: Call, streams: int, reports: int) -> None:
        packets = self.count * streams + reports
        self.assertRegex(call("capinfos", "-M", "-c", path), rf"Number of packets:\s+{packets}\n")
        decoders = [word for port in recorded.ports for word in ("-d", f"udp.port=={port},rtp")]
        decoders += [word for port in recorded.ports for word in ("-d", f"udp.port=={port + 1},rtcp")]
        decoders += ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
        fields = ("_ws.malformed", "_ws.expert.severity", "udp.checksum.status", "ip.checksum.status")
        wanted = [word for field in (*fields, "rtp.version", "rtcp.version") for word in ("-e", field)]
        output = call("tshark", "-n", "-r", path, *decoders, "-T", "fields", *wanted)
        rows = [line.split("\t") for line in output.splitlines()]
        self.assertEqual({tuple(row[:3]) for row in rows}, {("", "", "1")})
        self.assertLessEqual({row[3] for row in rows}, {"1", ""})  # IPv6 has none
        found = sum(bool(row[4]) for row in rows), sum(bool(row[5]) for row in rows)
        self.assertEqual(found, (self.count * streams, reports))
        listed = call("tshark", "-n", "-r", path, *decoders, "-q", "-z", "rtp,streams")
        parties = (recorded.callee,) if ".a." in path else (recorded.caller, recorded.callee)
        for party in parties[:streams]:
            self.assertRegex(listed, rf"0x{party.ssrc:08X}.*\s{self.count}\s+0 \(0\.0%\)")
        self.assertEqual(len(re.findall(r"0x[0-9A-F]{8}", listed)), streams)


class RoundTrip(ToneCase):
    """makeann makes a prompt, a phone hears it and sends it back as its own voice, which is recorded; extractaudio
    makes audio of that. The tone is the same as at the start, whatever the codec."""

    payload_types = (0, 8, 3, 9)

    def test_every_codec_and_kind_of_recording(self) -> None:
        for options in ((), ("-P",), ("-P", "-a")):
            with Proxy("-r", self.folder, *options) as proxy:
                calls = {payload_type: Call(proxy, f"pt{payload_type}") for payload_type in self.payload_types}
                for payload_type, one in calls.items():
                    self.assertEqual(proxy.command(f"R {one.name} f"), "0")
                    prompt = f"P {one.name} {self.path('prompt')} {payload_type} f t"
                    self.assertEqual(proxy.command(prompt), "0")
                with ThreadPoolExecutor() as phones:
                    list(phones.map(self.echo, calls.items()))
                for one in calls.values():
                    one.end()
            for payload_type, one in calls.items():
                with self.subTest(options=options, payload_type=payload_type):
                    self.check(f"{one.name}=f")
                    for name in os.listdir(self.folder):
                        if name.startswith(f"{one.name}="):
                            os.remove(self.path(name))

    def echo(self, item: tuple[int, Call]) -> None:
        """The caller sends what it hears; the callee hears it too."""
        payload_type, one = item
        packets = self.seconds * (50 if payload_type == 3 else 100)
        assert one.caller.target
        for packet in one.caller.receive(packets):
            one.caller.rtp_socket.sendto(packet, one.caller.target)
            assert one.callee.receive(1) == [packet]

    def check(self, name: str) -> None:
        out = self.path("out.wav")
        figures = tool("extractaudio", "-s", "-D", "pcm_16", self.path(name), out)
        self.assertIn("plost=0\n", figures)
        self.assert_tone(self.samples(out, 2), self.amplitude)
        self.assertFalse(any(self.samples(out, 1)))
        tool("extractaudio", self.path(name), out)
        mixed = self.samples(out, 1)
        del mixed[self.seconds * 8000 :]  # a block of the default encoding, GSM, may be fuller
        self.assert_tone(mixed, self.amplitude / 2)


class WholeMinute(FolderCase):
    """Both sides beep at the same moments. After a minute of loss and jitter the beeps are still where they were."""

    def test_in_step(self) -> None:
        minute.join()
        out = self.path("out.wav")
        figures = tool("extractaudio", "-s", "-D", "pcm_16", minute.recording, out)
        lost = [int(count) for count in re.findall(r"plost=(\d+)", figures)]
        self.assertEqual(lost, [minute.lost["callee"], minute.lost["caller"]], figures)
        self.assertGreater(min(lost), SECONDS / 2)
        tracks = [beeps(out, track) for track in (1, 2)]
        for track in tracks:
            self.assertEqual(len(track), len(BEEPS))
            for beep, time in zip(track, BEEPS):
                self.assertAlmostEqual(beep - track[0], time - BEEPS[0], delta=0.02 + minute.held_up)
        # a side begins when its first packet came, so it is late by as much as that one was
        answering, originating = (minute.first_delay[name] for name in ("callee", "caller"))
        for a, b in zip(*tracks):
            self.assertAlmostEqual(a - answering, b - originating, delta=0.02 + minute.held_up)


if __name__ == "__main__":
    unittest.main()
