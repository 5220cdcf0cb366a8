"""RTCP to a collector of our own, over UDP and TCP, and collectors that are dead or slow."""

from __future__ import annotations

import json
import random
import select
import socket
import time
import unittest
from struct import pack, unpack_from
from typing import Any

from rtpp.modules.hep import Capture, encode, rtcp_json
from rtpp.settings import ListenAddress
from tests.modules.calls import ModuleTest
from tests.session.harness import LOOPBACK6, Party, describe, rtcp, rtp, serve

SENDER_REPORT = pack("!BBH6I6I", 0x81, 200, 12, 0x11223344, 3_900_000_000, 0x80000000, 160, 50, 8000,
                     0x55667788, 0x40FFFFFE, 70_000, 9, 0x12345678, 65536)
NAME = pack("!BBHI", 0x81, 202, 4, 0x11223344) + b"\x01\x08me@there" + b"\0\0"


def decode(message: bytes) -> dict[int, bytes]:
    """Content by chunk type; checks all lengths."""
    assert message[:4] == b"HEP3", message
    assert unpack_from("!H", message, 4)[0] == len(message), message
    chunks = {}
    offset = 6
    while offset < len(message):
        vendor, kind, length = unpack_from("!HHH", message, offset)
        assert vendor == 0, message
        assert kind not in chunks, message
        assert 6 <= length <= len(message) - offset, message
        chunks[kind] = message[offset + 6 : offset + length]
        offset += length
    return chunks


class HepTest(ModuleTest):
    def setUp(self) -> None:
        super().setUp()
        self.table = self.make_table()

    def begin(self, port: int, **values: Any) -> None:
        settings = self.settings("acct_rtcp_hep", capt_host="127.0.0.1", capt_port=port, **values)
        (self.loaded,) = self.load(self.table, settings)
        self.caller = Party(self)
        self.session = self.make_call(self.table, call_id="call@host")
        with self.table.lock:
            describe(self.session.caller, ("127.0.0.1", 9), self.caller)
            describe(self.session.callee, ("127.0.0.1", 9))

    def report(self, data: bytes = SENDER_REPORT) -> None:
        stream = self.session.caller.rtcp
        self.caller.send(data, stream)
        serve(stream, self.start)

    def test_udp(self) -> None:
        collector = Party(self)
        self.begin(collector.address[1], capt_id=4_000_000_000)
        self.report(SENDER_REPORT + NAME)
        chunks = decode(collector.receive())
        host = socket.inet_aton("127.0.0.1")
        seconds, microseconds = unpack_from("!II", chunks[9] + chunks[10])
        self.assertAlmostEqual(seconds + microseconds / 1e6, time.time(), delta=5)
        del chunks[9], chunks[10]
        self.assertEqual(json.loads(chunks.pop(15)), {
            "ssrc": 0x11223344, "type": 200, "report_count": 1,
            "sender_information": {"ntp_timestamp_sec": 3_900_000_000, "ntp_timestamp_usec": 0x80000000,
                                   "rtp_timestamp": 160, "packets": 50, "octets": 8000},
            "report_blocks": [{"source_ssrc": 0x55667788, "fraction_lost": 64, "packets_lost": -2,
                               "highest_seq_no": 70_000, "ia_jitter": 9, "lsr": 0x12345678, "dlsr": 65536}],
            "sdes_ssrc": 0x11223344, "sdes_report_count": 1, "sdes_information": [{"type": 1, "text": "me@there"}],
        })
        self.assertEqual(chunks, {
            1: b"\x02", 2: b"\x11", 3: host, 4: host, 7: pack("!H", self.caller.address[1]),
            8: pack("!H", self.session.caller.rtcp.port), 11: b"\x05", 12: pack("!I", 4_000_000_000),
            17: b"call@host",
        })

    def test_only_rtcp_is_watched(self) -> None:
        self.begin(9)
        self.assertEqual([len(stream.witnesses) for stream in self.session.streams], [0, 1, 0, 1])
        self.assertIsNone(self.session.caller.rtp.onward)

    def test_wildcard_listener(self) -> None:
        collector = Party(self)
        self.begin(collector.address[1])
        wildcard = ListenAddress(socket.AF_INET, "0.0.0.0")
        session = self.make_call(self.table, "wild", caller=wildcard, callee=wildcard)
        with self.table.lock:
            describe(session.caller, ("127.0.0.1", 9), self.caller)
        self.caller.send(SENDER_REPORT, session.caller.rtcp)
        serve(session.caller.rtcp, self.start)
        self.assertEqual(decode(collector.receive())[4], socket.inet_aton("127.0.0.1"))

    def test_ipv6(self) -> None:
        collector = Party(self)
        self.begin(collector.address[1])
        try:
            caller = Party(self, "::1")
        except OSError as error:
            self.skipTest(f"no IPv6 here: {error}")
        session = self.make_call(self.table, "six", caller=LOOPBACK6, callee=LOOPBACK6)
        with self.table.lock:
            describe(session.caller, ("::1", 9, 0, 0), caller)
        caller.send(SENDER_REPORT, session.caller.rtcp)
        serve(session.caller.rtcp, self.start)
        chunks = decode(collector.receive())
        home = socket.inet_pton(socket.AF_INET6, "::1")
        self.assertEqual((chunks[1], chunks[5], chunks[6]), (b"\x0a", home, home))

    def test_tcp(self) -> None:
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        self.begin(server.getsockname()[1], capt_ptype="tcp")
        for _ in range(3):
            self.report()
        server.settimeout(5)
        connection, _ = server.accept()
        self.addCleanup(connection.close)
        connection.settimeout(5)
        data = b""
        for _ in range(3):
            while len(data) < 6 or len(data) < unpack_from("!H", data, 4)[0]:
                data += connection.recv(65536)
            length = unpack_from("!H", data, 4)[0]
            self.assertEqual(json.loads(decode(data[:length])[15])["type"], 200)
            data = data[length:]
        self.assertEqual(data, b"")

    def test_a_collector_that_hangs_up_loses_nothing(self) -> None:
        """It was restarted, or closes connections on which nothing came for a while."""
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        server.settimeout(5)
        self.begin(server.getsockname()[1], capt_ptype="tcp")
        for _ in range(3):
            self.report()
            connection, _ = server.accept()
            with connection:
                connection.settimeout(5)
                self.assertEqual(connection.recv(4), b"HEP3")
            self.wait_idle(self.loaded)
        self.assertEqual(self.loaded.module._collector.lost, 0)  # type: ignore[attr-defined]

    def test_dead_collectors(self) -> None:
        """Nobody listens: one line in the log, no other harm."""
        for transport in ("udp", "tcp"):
            with self.subTest(transport), self.assertLogs("rtpproxy", "ERROR") as caught:
                gone = socket.create_server(("127.0.0.1", 0))
                port = gone.getsockname()[1]
                gone.close()
                self.begin(port, capt_ptype=transport)
                for _ in range(20):
                    self.report()
                    self.wait_idle(self.loaded)
                self.assertEqual(len(caught.output), 1)
                self.assertEqual(self.session.caller.rtcp.relayed, 20)
            self.setUp()

    def test_a_slow_collector_delays_no_media(self) -> None:
        """It takes connections but reads nothing: the queue fills up, packets go on."""
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        self.begin(server.getsockname()[1], capt_ptype="tcp")
        with self.quiet():
            for _ in range(50):
                self.loaded.later(self.loaded.module._collector.send, bytes(300_000))  # type: ignore[attr-defined]
            for _ in range(200):
                self.caller.send(rtcp(), self.session.caller.rtcp)
                serve(self.session.caller.rtcp, self.start)
            self.assertEqual(self.session.caller.rtcp.relayed, 200)
            self.assertGreater(self.loaded.worker._calls.qsize(), 0)
            server.close()  # resets the connection: the thread gets on

    def test_comes_back(self) -> None:
        collector = Party(self)
        self.begin(collector.address[1])
        address = collector.address
        collector.socket.close()
        with self.quiet():
            for _ in range(5):
                self.report()
                self.wait_idle(self.loaded)
        self.assertGreater(self.loaded.module._collector.lost, 0)  # type: ignore[attr-defined]
        again = Party(self, port=address[1])
        self.report()
        if not select.select([again.socket], [], [], 0.5)[0]:
            self.report()  # the first may have met the refusal of the last one before
        decode(again.receive())

    def test_junk_is_relayed_and_not_reported(self) -> None:
        collector = Party(self)
        self.begin(collector.address[1])
        for junk in (b"", b"\x80", rtp(), SENDER_REPORT[:20], b"\x80\xcf\x00\x01abcd"):
            self.report(junk)
        self.wait_idle(self.loaded)
        self.assertEqual(collector.waiting(), [])
        self.assertEqual(self.session.caller.rtcp.relayed, 5)


class JsonTest(unittest.TestCase):
    def check(self, data: bytes, **expected: Any) -> None:
        text = rtcp_json(data)
        assert text is not None
        self.assertEqual(json.loads(text), expected)

    def test_packets(self) -> None:
        self.check(rtcp(), ssrc=0x1234, type=201, report_count=0, report_blocks=[])
        self.check(pack("!BBHI", 0x81, 203, 1, 7), ssrc=7, type=203, report_count=0)
        self.check(pack("!BBHI4s", 0x80, 204, 2, 8, b"name"), ssrc=8, type=204, report_count=0)
        self.check(pack("!BBHI", 0x81, 203, 1, 7) + rtcp(), ssrc=0x1234, type=201, report_count=0, report_blocks=[])
        self.check(rtcp() + b"\x80\xcf\xff\xff", ssrc=0x1234, type=201, report_count=0, report_blocks=[])
        self.check(b"\x80\xcf\x00\x00" + rtcp(), ssrc=0x1234, type=201, report_count=0, report_blocks=[])

    def test_the_longest_fit_a_message(self) -> None:
        """All that a datagram can hold, of the kind that grows most on the way to JSON."""
        ends = ("127.0.0.1", 1), ("127.0.0.1", 2)
        for item in (b"\x01\0", b"\x01\xff" + b"\xff" * 255, b"\x01\xff" + b"\0" * 255):
            items = item * (8000 // len(item))
            items += bytes(4 - len(items) % 4)
            data = pack("!BBHI", 0x81, 202, 1 + len(items) // 4, 7) + items
            text = rtcp_json(data)
            assert text is not None
            message = encode(Capture(data, 1.0, *ends, "c" * 5000), text, 0)
            self.assertLess(len(message), 65507)
            self.assertEqual(json.loads(decode(message)[15])["sdes_ssrc"], 7)

    def test_random_bytes(self) -> None:
        seed = time.time_ns()
        generator = random.Random(seed)
        for _ in range(2000):
            data = bytearray(SENDER_REPORT + NAME + rtcp())
            for _ in range(generator.randint(1, 8)):
                data[generator.randrange(len(data))] = generator.randrange(256)
            text = rtcp_json(bytes(data[: generator.randint(0, len(data))]))
            if text is not None:
                self.assertIn("type", json.loads(text), f"seed {seed}")


if __name__ == "__main__":
    unittest.main()
