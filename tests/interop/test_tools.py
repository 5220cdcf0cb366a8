"""Recordings and the companion tools against Wireshark's programs, Scapy, libsrtp, sox and libsndfile.

Needs what packages/tools.txt lists.
"""

from __future__ import annotations

import base64
import logging
import socket
import unittest
from array import array
from collections.abc import Iterable

from rtpp.codecs.writer import CONTAINERS
from rtpp.recording.formats import PCAP, open_recording
from tests.interop.rig.audio import FRAME_BYTES, FolderCase, ToneCase, call, tool
from tests.recording.captures import CALLER, CALLER6, PROXY, PROXY6, START, pcap, rtp

REPORT = bytes.fromhex("80c80006000000010000000000000000000000000000000000000000")  # a sender's
Packet = tuple[float, bytes]


class WrittenCaptures(FolderCase):
    """pcap files as the proxy writes them: both directions in one file, RTP and RTCP."""

    count = 200

    def two_way(self, family: socket.AddressFamily) -> str:
        caller, proxy = (CALLER, PROXY) if family == socket.AF_INET else (CALLER6, PROXY6)
        callee = (caller[0][:-1] + "2", 6000)
        data = [PCAP.file_header]
        for n in range(self.count):
            time = START + n * 0.02
            for ssrc, source, port in ((1, caller, 0), (2, callee, 2)):
                packet = rtp(n, n * 160, bytes([n % 256]) * (160 + n % 3), ssrc=ssrc)
                data.append(PCAP.record(packet, source, (proxy[0], proxy[1] + port), family, time, n))
        data.append(PCAP.record(REPORT, (caller[0], 5005), (proxy[0], 35001), family, START + 4, 0))
        return self.save(f"{family.name}.pcap", b"".join(data))

    def fields(self, path: str, *names: str) -> list[list[str]]:
        options = [option for name in names for option in ("-e", name)]
        checks = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
        ports = [option for port in (35000, 35002) for option in ("-d", f"udp.port=={port},rtp")]
        ports += ["-d", "udp.port==35001,rtcp"]
        output = call("tshark", "-n", "-r", path, *checks, *ports, "-T", "fields", *options)
        return [line.split("\t") for line in output.splitlines()]

    def test_every_packet_is_well_formed(self) -> None:
        for family in (socket.AF_INET, socket.AF_INET6):
            path = self.two_way(family)
            names = ("_ws.malformed", "_ws.expert.severity", "udp.checksum.status", "rtp.seq", "rtcp.pt")
            rows = self.fields(path, *names)
            self.assertEqual(len(rows), 2 * self.count + 1)
            self.assertEqual({tuple(row[:3]) for row in rows}, {("", "", "1")}, family)
            self.assertEqual([row[3] for row in rows[:-1:2]], [str(n) for n in range(self.count)])
            self.assertEqual(rows[-1][4], "200")
        rows = self.fields(self.path("AF_INET.pcap"), "ip.checksum.status", "ip.id", "ip.ttl")
        self.assertEqual({row[0] for row in rows}, {"1"})
        self.assertEqual([int(row[1], 16) for row in rows[:-1:2]], list(range(self.count)))
        self.assertEqual({row[2] for row in rows}, {"127"})

    def test_both_streams_without_loss(self) -> None:
        for family in (socket.AF_INET, socket.AF_INET6):
            ports = [option for port in (35000, 35002) for option in ("-d", f"udp.port=={port},rtp")]
            output = call("tshark", "-n", "-r", self.two_way(family), *ports, "-q", "-z", "rtp,streams")
            lines = [line for line in output.splitlines() if "0x000000" in line]
            self.assertEqual(len(lines), 2, output)
            for line in lines:
                self.assertRegex(line, rf"\b{self.count}\s+0 \(0\.0%\)")

    def test_capinfos_counts_the_same(self) -> None:
        path = self.two_way(socket.AF_INET)
        output = call("capinfos", "-M", "-c", "-E", "-t", path)
        self.assertRegex(output, rf"Number of packets:\s+{2 * self.count + 1}\n")
        self.assertRegex(output, r"encapsulation:\s+ether\n")
        self.assertRegex(output, r"File type:\s+pcap\n")

    def test_times_are_exact(self) -> None:
        times = [START + n * 0.020001 for n in range(50)]
        path = self.save("times.pcap", pcap([(time, rtp(n, n, b"x")) for n, time in enumerate(times)]))
        rows = self.fields(path, "frame.time_epoch")
        for row, time in zip(rows, times):
            self.assertAlmostEqual(float(row[0]), time, delta=0.6e-6)


class CapturesOfOthers(FolderCase):
    """What people feed to extractaudio: files that Wireshark's programs and Scapy wrote."""

    packets = [(START + n * 0.02, rtp(n, n * 160, bytes([n]) * 160)) for n in range(30)]

    def check(self, path: str) -> None:
        with open(path, "rb") as file:
            records = list(open_recording(file))
        self.assertEqual([record.payload for record in records], [packet for _, packet in self.packets])
        for record, (time, _) in zip(records, self.packets):
            self.assertAlmostEqual(record.time, time, delta=1e-6)

    def test_file_types_of_editcap(self) -> None:
        source = self.save("source.pcap", pcap(self.packets))
        for kind in ("pcap", "nsecpcap", "pcapng"):
            path = self.path(kind)
            call("editcap", "-F", kind, source, path)
            self.check(path)

    def test_link_layers_of_scapy(self) -> None:
        from scapy.config import conf
        from scapy.layers.inet import IP, UDP, IPOption_Router_Alert
        from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop
        from scapy.layers.l2 import CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Ether, Loopback
        from scapy.packet import Packet as Layers
        from scapy.utils import PcapNgWriter, PcapWriter

        conf.verb = 0
        logging.getLogger("scapy").setLevel(logging.ERROR)

        def datagram(data: bytes) -> Layers:
            return UDP(sport=5004, dport=35000) / data

        link = Ether(src="00:00:5e:00:53:01", dst="00:00:5e:00:53:02")  # else Scapy asks the network
        v4 = IP(src="192.0.2.1", dst="192.0.2.9")
        v6 = IPv6(src="2001:db8::1", dst="2001:db8::9")
        cases: list[tuple[str, int, Layers]] = [
            ("ethernet", 1, link / v4),
            ("options", 1, link / IP(src="192.0.2.1", dst="192.0.2.9", options=[IPOption_Router_Alert()])),
            ("vlan", 1, link / Dot1Q(vlan=42) / v4),
            ("two-vlans", 1, link / Dot1AD(vlan=1) / Dot1Q(vlan=42) / v6),
            ("extension-headers", 1, link / v6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt()),
            ("cooked", 113, CookedLinux() / v4),
            ("cooked-2", 276, CookedLinuxV2() / v6),
            ("null", 0, Loopback() / v4),
            ("raw", 101, v4),
            ("raw-6", 101, v6),
        ]
        for name, link_type, lower in cases:
            for order in ("<", ">"):
                for nanoseconds in (False, True):
                    path = self.path(f"{name}.pcap")
                    writer = PcapWriter(path, linktype=link_type, endianness=order, nano=nanoseconds, sync=True)
                    self.write(writer, [(time, lower / datagram(data)) for time, data in self.packets])
                    with self.subTest(name=name, order=order, nanoseconds=nanoseconds):
                        self.check(path)
        path = self.path("ethernet.pcapng")
        self.write(PcapNgWriter(path), [(time, link / v4 / datagram(data)) for time, data in self.packets])
        self.check(path)

    def write(self, writer, packets: Iterable[tuple[float, object]]) -> None:
        for time, packet in packets:
            packet.time = time
            writer.write(packet)
        writer.close()


class Encrypted(FolderCase):
    """libsrtp encrypts, extractaudio decrypts."""

    def test_both_suites(self) -> None:
        from pylibsrtp import Policy, Session

        key = bytes(range(100, 130))
        for suite, profile in (
            ("AES_CM_128_HMAC_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80),
            ("AES_CM_128_HMAC_SHA1_32", Policy.SRTP_PROFILE_AES128_CM_SHA1_32),
        ):
            policy = Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile)
            session = Session(policy=policy)
            packets = [
                (START + n * 0.02, session.protect(rtp(65000 + n, n * 160, b"\x80" * 160))) for n in range(1000)
            ]
            path = self.save("a.pcap", pcap(packets))
            spec = f"{suite}:{base64.b64encode(key).decode()}"
            out = self.path("out.raw")
            figures = tool("extractaudio", "-F", "raw", "-D", "pcm_16", "--alice-crypto", spec, "-A", path, out)
            self.assertIn("pcount=1000, min_seq=65000, max_seq=65999", figures)
            with open(out, "rb") as file:
                self.assertEqual(set(array("h", file.read())), {16062})


class Tone(ToneCase):
    """1 kHz through makeann, a recording and extractaudio: the same tone, at the same level, in every codec."""

    def record(self, payload_type: int) -> str:
        """A recording of the prompt as it is played, in packets of 20 ms."""
        with open(self.path(f"prompt.{payload_type}"), "rb") as file:
            data = file.read()
        size = FRAME_BYTES[payload_type]
        packets = [
            (START + n * 0.02, rtp(n, n * 160, data[n * size : (n + 1) * size], payload_type))
            for n in range(len(data) // size)
        ]
        self.assertEqual(len(packets), 50 * self.seconds)
        return self.save("a.pcap", pcap(packets))

    def test_every_codec(self) -> None:
        for payload_type in FRAME_BYTES:
            out = self.path("out.wav")
            tool("extractaudio", "-s", "-D", "pcm_16", "-A", self.record(payload_type), out)
            with self.subTest(payload_type=payload_type):
                self.assert_tone(self.samples(out, 1), self.amplitude)

    def test_every_format_that_is_written(self) -> None:
        path = self.record(0)
        for container, description in CONTAINERS.items():
            if container == "raw":
                continue
            for encoding in description.encodings:
                out = self.path("out." + ("wav" if container in ("wavex", "rf64") else container))
                tool("extractaudio", "-F", container, "-D", encoding, "-A", path, out)
                with self.subTest(container=container, encoding=encoding):
                    self.assertRegex(call("sndfile-info", out), r"Sample Rate : 8000\n[^$]*Channels    : 1\n")
                    self.assertEqual(call("soxi", "-r", out).strip(), "8000")
                    self.assertEqual(call("soxi", "-c", out).strip(), "1")
                    self.assertAlmostEqual(float(call("soxi", "-D", out)), self.seconds, delta=0.15)

    def test_defaults(self) -> None:
        path, out = self.record(8), self.path("out.wav")
        for arguments, channels, name in (([], "1", "GSM"), (["-s"], "2", "MS ADPCM")):
            tool("extractaudio", *arguments, "-A", path, out)
            self.assertEqual(call("soxi", "-c", out).strip(), channels)
            self.assertIn(name, call("soxi", "-e", out))

    def test_the_picture_can_be_drawn(self) -> None:
        picture, drawn = self.path("call.svg"), self.path("call.png")
        tool("extractaudio", "--plot", picture, "-D", "pcm_16", "-A", self.record(0), self.path("out.wav"))
        call("rsvg-convert", picture, "-o", drawn)
        with open(drawn, "rb") as file:
            self.assertEqual(file.read(4), b"\x89PNG")


if __name__ == "__main__":
    unittest.main()
