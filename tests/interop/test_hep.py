"""RTCP of a call in HEP: read by Kamailio's collector, a program of HEP's own authors, and by one of our own; the
figures in it beside tshark's decoding of the RTCP packets themselves.

tshark of Debian 12 has no dissector for HEP.
"""

from __future__ import annotations

import json
import socket
import struct
import tempfile
import time
import unittest
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.interop.rig.capture import Capture
from tests.interop.rig.kamailio import HepCollector
from tests.interop.rig.media import Media
from tests.interop.rig.proxy import Proxy
from tests.interop.rig.tools import wait_for
from tests.modules.test_acct_rtcp_hep import decode

NAME = b"\x01\x05a@b.c\0"


def header(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def block(source: int, fraction: int, lost: int) -> bytes:
    return struct.pack("!IIIIII", source, fraction << 24 | lost & 0xFFFFFF, 0x10203, 44, 0xAABBCCDD, 0x18000)


def sender_report(ssrc: int, *blocks: bytes) -> bytes:
    return header(200, len(blocks), struct.pack("!IIIIII", ssrc, 3_950_000_000, 1 << 31, 12345, 77, 7700)
                  + b"".join(blocks))


# Compound packets, and what the first report of each is.
PACKETS = (
    sender_report(1, block(2, 64, -3), block(3, 255, 70_000)) + header(202, 1, struct.pack("!I", 1) + NAME),
    header(201, 1, struct.pack("!I", 1) + block(2, 0, 0)) + header(202, 1, struct.pack("!I", 1) + NAME),
    sender_report(1) + header(207, 0, struct.pack("!IBBH", 1, 4, 0, 2) + bytes(8)),  # an extended report follows
    header(201, 0, struct.pack("!I", 1)) + header(203, 1, struct.pack("!I", 1)),  # leaves
)
# What tshark calls the figures of the JSON, in the order of the packet.
BLOCK_FIELDS = {"source_ssrc": "rtcp.ssrc.identifier", "fraction_lost": "rtcp.ssrc.fraction",
                "packets_lost": "rtcp.ssrc.cum_nr", "highest_seq_no": "rtcp.ssrc.ext_high",
                "ia_jitter": "rtcp.ssrc.jitter", "lsr": "rtcp.ssrc.lsr", "dlsr": "rtcp.ssrc.dlsr"}
SENDER_FIELDS = {"ntp_timestamp_sec": "rtcp.timestamp.ntp.msw", "ntp_timestamp_usec": "rtcp.timestamp.ntp.lsw",
                 "rtp_timestamp": "rtcp.timestamp.rtp", "packets": "rtcp.sender.packetcount",
                 "octets": "rtcp.sender.octetcount"}


class OwnCollector:
    """Takes messages over UDP or TCP."""

    def __init__(self, transport: str) -> None:
        self.kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self.socket = socket.socket(socket.AF_INET, self.kind)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(10.0)
        if transport == "tcp":
            self.socket.listen()
        self.port = self.socket.getsockname()[1]

    def messages(self, count: int) -> list[bytes]:
        if self.kind == socket.SOCK_DGRAM:
            return [self.socket.recv(65536) for _ in range(count)]
        connection, _ = self.socket.accept()
        with connection, connection.makefile("rb") as stream:
            connection.settimeout(10.0)
            found = []
            for _ in range(count):
                start = stream.read(6)
                found.append(start + stream.read(struct.unpack_from("!H", start, 4)[0] - 6))
            return found

    def close(self) -> None:
        self.socket.close()


class HepTest(unittest.TestCase):
    def test_udp(self) -> None:
        self.check_transport("udp")

    def test_tcp(self) -> None:
        self.check_transport("tcp")

    def check_transport(self, transport: str) -> None:
        with ExitStack() as stack:
            theirs = stack.enter_context(HepCollector())
            ours = OwnCollector(transport)
            stack.callback(ours.close)
            config = Path(stack.enter_context(tempfile.TemporaryDirectory()), "conf")
            sections = "".join(
                f"{name} {{ load = acct_rtcp_hep; capt_host = 127.0.0.1; capt_port = {port}; capt_ptype = {transport}; "
                f"capt_id = 4000000000 }}\n" for name, port in (("kamailio", theirs.port), ("own", ours.port)))
            config.write_text(f"modules {{\n{sections}}}\n")
            proxy = stack.enter_context(Proxy("--config", str(config), connections=4))
            caller, callee = Media("caller"), Media("callee")
            stack.callback(caller.close)
            stack.callback(callee.close)
            reply = proxy.command(f"U a@b 127.0.0.1 {caller.port} f")
            self.assertRegex(reply, r"\d+ 127\.0\.0\.1")
            port = int(proxy.command(f"L a@b 127.0.0.1 {callee.port} f t").split()[0]) + 1
            capture = stack.enter_context(Capture(f"udp dst port {port}"))
            began = time.time()
            for packet in PACKETS:
                caller.rtcp_socket.sendto(packet, ("127.0.0.1", port))
                self.assertEqual(callee.rtcp_socket.recv(9000), packet)
            mine = [decode(message) for message in ours.messages(len(PACKETS))]
            wait_for(lambda: len(theirs.messages()) == len(PACKETS), "all messages at Kamailio")
            self.assertEqual(proxy.command("D a@b f t"), "0")
            envelope = {"version": "3", "1": "2", "2": "17", "3": "127.0.0.1", "4": "127.0.0.1",
                        "7": str(caller.port + 1), "8": str(port), "11": "5", "12": "4000000000", "17": "a@b"}
            for message, chunks in zip(theirs.messages(), mine):
                self.assertEqual({key: message[key] for key in envelope}, envelope)
                self.assertTrue(began <= int(message["9"]) + int(message["10"]) / 1e6 <= time.time())
                self.assertEqual(json.loads(message["15"]), json.loads(chunks[15]))
                self.assertEqual([chunks[1], chunks[7], chunks[8], chunks[17]],
                                 [b"\2", struct.pack("!H", caller.port + 1), struct.pack("!H", port), b"a@b"])
            self.check_figures([json.loads(message["15"]) for message in theirs.messages()], capture, port)

    def check_figures(self, found: list[dict[str, Any]], capture: Capture, port: int) -> None:
        """Each number of the JSON is what tshark reads in the packet."""
        names = ["rtcp.pt", "rtcp.senderssrc", "rtcp.rc", *SENDER_FIELDS.values(), *BLOCK_FIELDS.values()]
        rows = capture.fields("rtcp", *names, decode_as=(f"udp.port=={port},rtcp",))
        self.assertEqual(len(rows), len(PACKETS))
        for row, said in zip(rows, found):
            seen = {name: [int(word, 0) for word in text.split(",") if word] for name, text in zip(names, row)}
            self.assertEqual((said["type"], said["ssrc"]), (seen["rtcp.pt"][0], seen["rtcp.senderssrc"][0]))
            self.assertEqual(said["report_count"], seen["rtcp.rc"][0])
            sender = said.get("sender_information", {})
            self.assertEqual(bool(sender), said["type"] == 200)
            for key, name in SENDER_FIELDS.items():
                self.assertEqual([sender[key]] if sender else [], seen[name], key)
            for key, name in BLOCK_FIELDS.items():
                values = [report[key] for report in said["report_blocks"]]
                self.assertEqual(values, seen[name][: len(values)], key)
