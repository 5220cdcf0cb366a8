"""Commands R, C, N, P and S with real packets, files and the relay loop running."""

from __future__ import annotations

import gc
import os
import socket
import sys
import tempfile
import time
import unittest
from pathlib import Path

from rtpp.recording.formats import open_recording
from rtpp.session.connected import ConnectedSocket
from rtpp.session.connector import SUPPORTED
from rtpp.session.recording import FileSink
from rtpp.session.session import Session
from rtpp.session.stream import CONNECT_AFTER, Stream
from tests.control.call import Call, eventually, rtp
from tests.net.stamping import ensure_time_stamps


def records(path: Path) -> list[tuple[str, int, bytes]]:
    """Source host and port, and payload of each record."""
    if not path.stat().st_size:
        return []
    with open(path, "rb") as file:
        return [(r.source[0], r.source[1], r.payload) for r in open_recording(file)]


def ends(path: Path) -> list[tuple[object, object]]:
    """Source and destination of each record."""
    with open(path, "rb") as file:
        return [(record.source, record.destination) for record in open_recording(file)]


class CallCase(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def call(self, options: str = "", **kwargs: str) -> Call:
        call = Call(options, str(self.directory), **kwargs)
        self.addCleanup(call.close)
        return call

    def names(self) -> list[str]:
        return sorted(os.listdir(self.directory / "rec"))


class RecordTest(CallCase):
    def test_two_files_for_each_leg(self) -> None:
        call = self.call(tag="ft;1")
        self.assertEqual(call.say("R c1 ft"), "0")
        self.assertEqual(call.say("R c1 tt ft"), "0")
        self.assertEqual(call.say("R c1 ft"), "0")
        self.assertEqual(self.names(), ["c1=ft.a.rtcp", "c1=ft.a.rtp", "c1=ft.o.rtcp", "c1=ft.o.rtp"])
        call.talk(10)
        call.talk_rtcp()
        self.assertEqual(call.say("D c1 ft"), "0")
        call.stop_spool()
        caller_port, callee_port = call.caller.getsockname()[1], call.callee.getsockname()[1]
        self.assertEqual(records(self.directory / "rec/c1=ft.o.rtp"),
                         [("127.0.0.1", caller_port, rtp(n, 0xA)) for n in range(10)])
        self.assertEqual(records(self.directory / "rec/c1=ft.a.rtp"),
                         [("127.0.0.1", callee_port, rtp(n, 0xB)) for n in range(10)])
        self.assertEqual(len(records(self.directory / "rec/c1=ft.o.rtcp")), 1)

    def test_without_rtcp(self) -> None:
        call = self.call("-R")
        self.assertEqual(call.say("R c1 ft"), "0")
        self.assertEqual(self.names(), ["c1=ft.o.rtp"])

    def test_single_file(self) -> None:
        call = self.call("-P")
        self.assertEqual(call.say("Rs c1 ft tt"), "0")
        self.assertEqual(call.say("Rs c1 ft tt"), "E50")
        self.assertEqual(call.say("R c1 ft tt"), "0")
        self.assertEqual(call.say("Rs c1 tt ft"), "0")
        call.talk(3)
        self.assertEqual(call.say("N c1 ft"), "0")
        call.talk(2, 3)
        self.assertEqual(call.say("N c1 ft"), "E50")
        self.assertEqual(call.say("D c1 ft"), "0")
        call.stop_spool()
        self.assertEqual(self.names(), ["c1=ft.pcap"])
        heard = [payload for _, _, payload in records(self.directory / "rec/c1=ft.pcap")]
        self.assertEqual(len(heard), 8)
        self.assertEqual(heard.count(rtp(4, 0xB)), 1)
        self.assertNotIn(rtp(4, 0xA), heard)

    def test_addresses_in_a_single_file(self) -> None:
        """RTP is shown as it arrives, RTCP as it leaves: to the other party, or to nowhere when that is unknown."""
        call = self.call("-P")
        self.assertEqual(call.say("Rs c1 ft tt"), "0")
        call.talk(1)
        call.talk_rtcp()  # guessed: one above the callee's RTP port
        call.say("U c2 0.0.0.0 0 ft")
        port = int(call.say("L c2 0.0.0.0 0 ft tt").split()[0])
        self.assertEqual(call.say("Rs c2 ft tt"), "0")
        before = call.table.stats.npkts_rcvd
        call.caller_rtcp.sendto(b"\x80\xc8\x00\x06" + bytes(24), ("127.0.0.1", port + 1))
        self.assertTrue(eventually(lambda: call.table.stats.npkts_rcvd > before))
        (second,) = call.table.call("c2")
        unknown_from = ("127.0.0.1", second.callee.rtcp.port)
        self.assertEqual([call.say("N c1 ft tt"), call.say("N c2 ft tt")], ["0", "0"])
        caller, callee = (phone.getsockname() for phone in (call.caller, call.callee))
        expected = [(caller, ("127.0.0.1", call.caller_port)),
                    (("127.0.0.1", call.callee_port + 1), ("127.0.0.1", callee[1] + 1))]
        path = self.directory / "rec/c1=ft.pcap"
        self.assertTrue(eventually(lambda: len(ends(path)) == 2))
        self.assertEqual(ends(path), expected)
        path = self.directory / "rec/c2=ft.pcap"
        self.assertTrue(eventually(lambda: len(ends(path)) == 1))
        self.assertEqual(ends(path), [(unknown_from, ("0.0.0.0", 0))])

    def test_log_lines(self) -> None:
        call = self.call()
        with self.assertLogs("rtpproxy", "INFO") as logged:
            call.say("R c1 ft")
            call.say("N c1 ft")
        text = [line.partition("rtpproxy:")[2] for line in logged.output if "recording R" in line]
        self.assertEqual(text, [f"starting recording RTP session on port {call.caller_port}",
                                f"starting recording RTCP session on port {call.caller_port + 1}",
                                f"stopping recording RTCP session on port {call.caller_port + 1}",
                                f"stopping recording RTP session on port {call.caller_port}"])

    def test_single_file_is_ignored_without_pcap(self) -> None:
        call = self.call("-R")
        self.assertEqual(call.say("Rs c1 ft"), "0")
        self.assertEqual(self.names(), ["c1=ft.o.rtp"])

    def test_every_session_from_its_start(self) -> None:
        call = self.call("-a -P")
        self.assertEqual(self.names(), ["c1=ft.pcap"])
        call.talk(4)
        call.say("D c1 ft")
        self.assertTrue(eventually(lambda: len(records(self.directory / "rec/c1=ft.pcap")) == 8))

    def test_spool(self) -> None:
        call = self.call(f"-S {self.directory}/spool -R")
        self.assertEqual(call.say("R c1 ft"), "0")
        self.assertEqual(os.listdir(self.directory / "spool"), ["c1=ft.o.rtp"])
        self.assertEqual(self.names(), [])
        call.talk(2)
        self.assertEqual(call.say("N c1 ft"), "0")
        self.assertTrue(eventually(lambda: self.names() == ["c1=ft.o.rtp"]))
        self.assertEqual(os.listdir(self.directory / "spool"), [])

    def test_stop_and_start_again_begins_the_file_anew(self) -> None:
        call = self.call("-R")
        call.say("R c1 ft")
        call.talk(5)
        self.assertEqual(call.say("Na c1 tt ft"), "0")
        self.assertEqual(call.say("R c1 ft"), "0")
        call.talk(1, 5)
        call.say("D c1 ft")
        self.assertTrue(eventually(lambda: len(records(self.directory / "rec/c1=ft.o.rtp")) == 1))

    def test_refusals(self) -> None:
        call = self.call()
        for command, reply in [
            ("R c1 tt", "E50"),
            ("R nosuch ft", "E50"),
            ("N c1 ft", "E50"),
            ("Rp c1 ft", "E6"),
            ("Rx c1 ft", "E7"),
            ("Cp c1 name ft", "E65"),
            ("C c1 ../name ft", "E65"),
            ("C c1 /tmp/name ft", "E65"),
            ("C c1 no/such/directory ft", "E65"),
            ("C c1 udp:127.0.0.1 ft", "E65"),
            ("C c1 udp:127.0.0.1:0 ft", "E65"),
            ("C c1 udp:127.0.0.1:65535 ft", "E65"),
            ("C nosuch name ft", "E50"),
        ]:
            with self.subTest(command):
                self.assertEqual(call.say(command), reply)
        self.assertEqual(self.names(), [])

    def test_a_call_id_never_leads_outside_the_directory(self) -> None:
        call = self.call(call_id="../c1")
        self.assertEqual(call.say("R ../c1 ft"), "E50")
        self.assertEqual(sorted(os.listdir(self.directory)), ["rec", "spool"])

    def test_without_a_recording_directory(self) -> None:
        call = Call()
        self.addCleanup(call.close)
        self.assertEqual(call.say("R c1 ft"), "E50")
        self.assertEqual(call.say("C c1 name ft"), "E65")

    def test_a_busy_proxy_records_when_a_packet_came_and_not_when_it_read_it(self) -> None:
        call = self.call("-R")
        self.assertEqual(call.say("R c1 ft"), "0")
        self.check_arrival(call, 0)

    def test_so_it_does_for_a_stream_that_settles_or_has_settled(self) -> None:
        """The stream's second socket is another one to read from."""
        for number, recorded_first in enumerate((True, False)):
            with self.subTest(recorded_first=recorded_first):
                call = self.call("-R", call_id=f"c{number}")
                if recorded_first:
                    self.assertEqual(call.say(f"R c{number} ft"), "0")
                self.settle(call)
                if not recorded_first:
                    self.assertEqual(call.say(f"R c{number} ft"), "0")
                self.check_arrival(call, CONNECT_AFTER + 1)

    def test_what_is_passed_on_in_runs_is_recorded_in_order(self) -> None:
        """Begun, stopped and begun again while a settled stream goes on, with a packet in between that ends a run."""
        call = self.call("-R")
        stream = self.settle(call)
        for first in (200, 400):
            self.assertEqual(call.say("R c1 ft"), "0")
            call.talk(70, first)
            self.assertEqual(stream.offloaded, stream.connected, "packets are measured in runs")
            call.caller.sendto(rtp(first + 70, 0xC), ("127.0.0.1", call.caller_port))
            self.assertEqual(call.callee.recv(9000), rtp(first + 70, 0xC))
            call.talk(5, first + 71)
            self.assertEqual(call.say("N c1 ft"), "0")
            call.talk(3, first + 80)
        call.stop_spool()
        expected = [rtp(400 + n, 0xC if n == 70 else 0xA) for n in range(76)]
        self.assertEqual([payload for _, _, payload in records(self.directory / "rec/c1=ft.o.rtp")], expected)
        before = 101  # of `settle`
        self.assertEqual(call.say("Q c1 ft tt npkts_ina nrelayed"), f"{before + 158} {2 * (before + 158) - 2}")

    def test_nothing_of_a_recorded_session_is_left_for_the_collector_of_cycles(self) -> None:
        call = self.call("-R")
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        self.settle(call)
        self.assertEqual(call.say("R c1 ft"), "0")
        call.talk(3, 200)
        self.assertEqual(call.say("D c1 ft"), "0")
        self.assertFalse([each for each in gc.get_objects() if isinstance(each, (ConnectedSocket, Session, FileSink))])

    def settle(self, call: Call) -> Stream:
        """Talk until the caller's stream has a connected socket."""
        (session,) = call.table.call(call.call_id)
        stream = session.caller.rtp
        call.talk(CONNECT_AFTER)
        with call.table.lock:
            stream.latch.sync_due = 0.0  # the next packet is judged, as one packet each second is
        call.talk(1, CONNECT_AFTER)
        self.assertTrue(eventually(lambda: stream.connected is not None or not SUPPORTED))
        return stream

    def check_arrival(self, call: Call, number: int) -> None:
        """The last record of the caller's file has the time at which a packet came that was not read at once."""
        ensure_time_stamps(self)
        with call.table.lock:
            before = time.time()
            call.caller.sendto(rtp(number, 0xA), ("127.0.0.1", call.caller_port))
            after = time.time()
            time.sleep(0.05)
        self.assertEqual(call.callee.recv(9000), rtp(number, 0xA))
        call.stop_spool()
        with open(self.directory / f"rec/{call.call_id}=ft.o.rtp", "rb") as file:
            *_, record = open_recording(file)
        rounding = 1e-6
        if sys.platform != "linux":
            after = time.time()  # no other kernel is asked
        self.assertTrue(before - rounding <= record.time <= after + rounding, (before, record.time, after))

    def test_packets_without_a_destination_are_recorded(self) -> None:
        call = self.call("-R")
        call.say("U c2 0.0.0.0 0 ft")
        port = int(call.say("L c2 0.0.0.0 0 ft tt").split()[0])
        call.say("R c2 ft")
        call.caller.sendto(rtp(1), ("127.0.0.1", port))
        self.assertTrue(eventually(lambda: call.say("Q c2 ft tt ndropped") == "1"))
        call.say("D c2 ft")
        self.assertTrue(eventually(lambda: len(records(self.directory / "rec/c2=ft.o.rtp")) == 1))


class CopyTest(CallCase):
    def test_named_file(self) -> None:
        call = self.call()
        self.assertEqual(call.say("C c1 myname ft"), "0")
        self.assertEqual(call.say("C c1 other ft"), "0")
        self.assertEqual(self.names(), ["myname.rtcp", "myname.rtp"])

    def test_named_single_file(self) -> None:
        call = self.call("-P")
        self.assertEqual(call.say("Cs c1 myname.pcap ft"), "0")
        self.assertEqual(call.say("Cs c1 myname.pcap tt ft"), "0")  # the other leg joins
        self.assertEqual(self.names(), ["myname.pcap"])
        call.talk(3)
        call.say("D c1 ft tt")
        self.assertTrue(eventually(lambda: len(records(self.directory / "rec/myname.pcap")) == 6))

    def test_to_a_host(self) -> None:
        call = self.call()
        while True:  # a pair of neighbouring ports
            server, server_rtcp = call._phone(), call._phone()
            port = server.getsockname()[1]
            server_rtcp.close()
            server_rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                server_rtcp.bind(("127.0.0.1", port + 1))
                break
            except OSError:
                server.close()
                server_rtcp.close()
        self.addCleanup(server.close)
        self.addCleanup(server_rtcp.close)
        server_rtcp.settimeout(2)
        port_text, host = call.say(f"Cp c1 udp:127.0.0.1:{port} ft tt").split()
        self.assertEqual(host, "127.0.0.1")
        self.assertEqual(call.say(f"Cp c1 udp:127.0.0.1:{port} ft tt"), f"{port_text} {host}")
        call.talk(2)
        for number in range(2):
            data, source = server.recvfrom(9000)
            self.assertEqual((data, source), (rtp(number, 0xA), (host, int(port_text))))
        call.talk_rtcp()
        self.assertEqual(server_rtcp.recvfrom(9000)[1], (host, int(port_text) + 1))
        free = call.table.ports[socket.AF_INET].free
        self.assertEqual(call.say("N c1 ft"), "0")
        self.assertEqual(call.table.ports[socket.AF_INET].free, free + 1)


class PlayTest(CallCase):
    def test_prompt_to_each_party(self) -> None:
        call = self.call()
        prompt = self.directory / "prompt"
        for payload_type in (0, 8):
            Path(f"{prompt}.{payload_type}").write_bytes(bytes([payload_type]) * 160)
        for command, phone, payload_type in [
            (f"P c1 {prompt} session ft tt", call.caller, 8),
            (f"P c1 {prompt} 0,8 ft tt", call.caller, 0),
            (f"P c1 {prompt} 3,8 tt ft", call.callee, 8),
        ]:
            with self.subTest(command):
                self.assertEqual(call.say(command), "0")
                packets = [phone.recv(9000) for _ in range(2)]
                self.assertEqual([p[12:] for p in packets], [bytes([payload_type]) * 80] * 2)
                self.assertEqual([p[1] for p in packets], [0x80 | payload_type, payload_type])
        self.assertTrue(eventually(lambda: call.table.stats.nplrs_destroyed == 3))

    def test_packets_are_as_long_as_those_of_the_call(self) -> None:
        """`z` of a command says how media to the other party is packed, and so are prompts to that party."""
        call = self.call()
        Path(self.directory / "prompt.8").write_bytes(bytes(480))
        call.say(f"Lz30c8 c1 127.0.0.1 {call.callee.getsockname()[1]} ft tt")
        call.say(f"Uz20c8 c1 127.0.0.1 {call.caller.getsockname()[1]} ft tt")
        for command, phone, size in [
            ("session ft tt", call.caller, 240),
            ("session tt ft", call.callee, 160),
            ("8 ft tt", call.caller, 80),  # a list of payload types: always 10 ms
        ]:
            with self.subTest(command):
                self.assertEqual(call.say(f"P c1 {self.directory}/prompt {command}"), "0")
                self.assertEqual([len(phone.recv(9000)) - 12 for _ in range(480 // size)], [size] * (480 // size))

    def test_the_other_party_is_not_heard_meanwhile(self) -> None:
        call = self.call("-R")
        call.talk(1)
        Path(self.directory / "prompt.8").write_bytes(bytes(80))
        call.say("R c1 tt ft")
        self.assertEqual(call.say(f"P-1 c1 {self.directory}/prompt session ft tt"), "0")
        before = call.table.stats.npkts_discard
        call.callee.sendto(rtp(1, 0xB), ("127.0.0.1", call.callee_port))
        self.assertTrue(eventually(lambda: call.table.stats.npkts_discard == before + 1))
        self.assertEqual(call.say("Q c1 ft tt npkts_ino ndropped"), "2 1")
        call.caller.sendto(rtp(1, 0xA), ("127.0.0.1", call.caller_port))
        self.assertEqual(call.callee.recv(9000), rtp(1, 0xA))
        self.assertEqual(call.say("S c1 ft tt"), "0")
        self.assertEqual(call.say("S c1 ft tt"), "0")
        call.say("D c1 ft")
        self.assertTrue(eventually(lambda: (self.directory / "rec/c1=ft.a.rtp").stat().st_size == 0))

    def test_refusals(self) -> None:
        call = self.call()
        Path(self.directory / "prompt.96").write_bytes(bytes(1000))
        for command, reply in [
            ("P0 c1 x 0 ft", "0"),
            ("Px c1 x 0 ft", "E17"),
            ("P c1 nosuch 0,8 ft", "E60"),
            (f"P c1 {self.directory}/prompt 96 ft", "E60"),
            ("P c1 x abc ft", "E60"),
            ("P c1 x session tt ft", "E60"),
            ("P nosuch x 0 ft", "E50"),
            ("S nosuch ft", "E50"),
        ]:
            with self.subTest(command):
                self.assertEqual(call.say(command), reply)
        call.say(f"U c1 127.0.0.1 {call.caller.getsockname()[1]} ft tt")
        self.assertEqual(call.say("P c1 x session ft tt"), "E35")


if __name__ == "__main__":
    unittest.main()
