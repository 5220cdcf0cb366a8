"""tshark, an independent decoder, looks at what leaves the proxy: valid UDP, RTP and RTCP, the right TOS."""

from __future__ import annotations

import unittest
from contextlib import ExitStack

from tests.interop.rig.capture import Capture
from tests.interop.rig.checks import check_no_session
from tests.interop.rig.kamailio import Kamailio
from tests.interop.rig.media import Media, rtp
from tests.interop.rig.proxy import Proxy
from tests.interop.rig.sipp import SippPair


class SippCallTest(unittest.TestCase):
    """A whole call of SIPp's: tshark finds the streams by itself, from the SDP that it reads."""

    def test_streams_of_a_call(self) -> None:
        with ExitStack() as stack:
            proxy = stack.enter_context(Proxy())
            kamailio = stack.enter_context(Kamailio(proxy.spec()))
            capture = stack.enter_context(Capture("udp"))
            SippPair("caller", "callee", kamailio.address(), 50).run()
            check_no_session(proxy)
            sip = (f"udp.port=={kamailio.port},sip",)
            streams = capture.rtp_streams(sip)
            self.assertEqual([(stream.packets, stream.lost) for stream in streams], [(50, 0)] * 4, streams)
            first, last = proxy.media_ports
            leaving = [stream for stream in streams if first <= stream.source_port <= last]
            entering = [stream for stream in streams if first <= stream.target_port <= last]
            self.assertEqual(len(leaving), 2)
            # what enters at a port of the proxy is answered from that port: the phones see one address
            self.assertEqual(
                {(stream.source_port, stream.target_port) for stream in leaving},
                {(stream.target_port, stream.source_port) for stream in entering},
            )
            self.assertEqual(capture.fields("_ws.malformed", "frame.number", decode_as=sip), [])


class PacketTest(unittest.TestCase):
    """Packets of two phones without a SIP server, decoded by port."""

    def setUp(self) -> None:
        self.stack = ExitStack()
        self.addCleanup(self.stack.close)

    def start(self, *options: str, host: str = "127.0.0.1") -> None:
        """A proxy, a session, two parties, and a capture of what goes to them."""
        letter = "6" if ":" in host else ""
        listen = ("-6", host) if letter else ("-l", host)
        self.proxy = self.stack.enter_context(Proxy(*options, listen=listen))
        self.caller, self.callee = Media("caller", host), Media("callee", host)
        for party in (self.caller, self.callee):
            self.addCleanup(party.close)
        offer = self.proxy.command(f"U{letter} c {host} {self.caller.port} f")
        answer = self.proxy.command(f"L{letter} c {host} {self.callee.port} f t")
        self.callee.target, self.caller.target = ((host, int(reply.split()[0])) for reply in (offer, answer))
        first, last = self.proxy.media_ports
        self.capture = self.stack.enter_context(Capture(f"udp src portrange {first}-{last}"))

    def decoders(self) -> tuple[str, ...]:
        ports = [party.port for party in (self.caller, self.callee)]
        return tuple(
            f"udp.port=={port + offset},{name}" for port in ports for offset, name in ((0, "rtp"), (1, "rtcp"))
        )

    def exchange(self, count: int = 5) -> None:
        for sender, receiver in ((self.caller, self.callee), (self.callee, self.caller)):
            sent = sender.send(count)
            self.assertEqual(receiver.receive(count), sent)
            report = sender.send_report()
            self.assertEqual(receiver.receive_report(), report)

    def finish(self) -> None:
        self.assertEqual(self.proxy.command("D c f t"), "0")

    def services(self) -> set[str]:
        """Every TOS byte seen on packets that left."""
        return {fields[1] for fields in self.received()}

    def received(self) -> list[list[str]]:
        """Destination port and TOS byte of every packet for the two parties."""
        ports = [party.port + offset for party in (self.caller, self.callee) for offset in (0, 1)]
        ours = " || ".join(f"udp.dstport == {port}" for port in ports)
        return self.capture.fields(ours, "udp.dstport", "ip.dsfield")

    def test_rtp_and_rtcp_decode(self) -> None:
        self.start()
        self.exchange(5)
        self.finish()
        names = ("udp.length", "rtp.version", "rtp.p_type", "rtp.ssrc", "rtp.seq")
        seen = self.capture.fields("rtp", *names, decode_as=self.decoders())
        expected = [
            [str(8 + 12 + 160), "2", "0", f"0x{party.ssrc:08x}", str((party.sequence - back) & 0xFFFF)]
            for party in (self.caller, self.callee)
            for back in range(4, -1, -1)
        ]
        self.assertEqual(seen, expected)
        reports = self.capture.fields("rtcp", "rtcp.pt", "rtcp.senderssrc", decode_as=self.decoders())
        self.assertEqual(
            reports, [["201,202", f"0x{party.ssrc:08x}"] for party in (self.caller, self.callee)]
        )
        self.assertEqual(self.capture.fields("_ws.malformed", "frame.number", decode_as=self.decoders()), [])

    def test_ipv6(self) -> None:
        self.start(host="::1")
        self.exchange(5)
        self.finish()
        seen = self.capture.fields("rtp", "ipv6.src", "rtp.seq", decode_as=self.decoders())
        self.assertEqual([fields[0] for fields in seen], ["::1"] * 10)

    def test_type_of_service(self) -> None:
        for options, expected in (((), "0xb8"), (("-t", "0"), "0x00"), (("-t", "104"), "0x68"), (("-t", "-1"), "0x00")):
            with self.subTest(options=options):
                self.start(*options)
                self.exchange(2)
                self.finish()
                self.assertEqual(self.services(), {expected})

    def test_type_of_service_changed_in_the_call(self) -> None:
        """`S tos=` of a U that addresses leg 0 changes what is sent to the caller, `Sr` to the callee."""
        self.start()
        for letter in ("S", "Sr"):
            command = f"U c 127.0.0.1 {self.caller.port} f && {letter} tos={32 if letter == 'S' else 64}"
            self.assertRegex(self.proxy.command(command), r"^\d+ 127\.0\.0\.1$")
        self.exchange(3)
        self.finish()
        seen = self.received()
        ports = {"caller": self.caller.port, "callee": self.callee.port}
        by_party = {
            name: {fields[1] for fields in seen if int(fields[0]) in (port, port + 1)}
            for name, port in ports.items()
        }
        self.assertEqual(by_party, {"caller": {"0x20"}, "callee": {"0x40"}})

    def test_small_packets_twice(self) -> None:
        self.start("-2")
        assert self.caller.target
        for size in (127, 128):
            packet = rtp(size, size, self.caller.ssrc, b"x" * (size - 12))
            self.caller.rtp_socket.sendto(packet, self.caller.target)
            self.callee.receive(2 if size < 128 else 1)
        self.finish()
        seen = self.capture.fields("rtp", "rtp.seq", decode_as=self.decoders())
        self.assertEqual(seen, [["127"], ["127"], ["128"]])
