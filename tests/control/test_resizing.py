"""Modifier z with real packets: what comes in short goes out long, and the other way round."""

from __future__ import annotations

import select
import socket
import tempfile
import time
import unittest
from pathlib import Path

from rtpp.rtp.packet import RtpPacket
from tests.control.call import Call, eventually, rtp


class ResizingTest(unittest.TestCase):
    def setUp(self) -> None:
        self.call = Call()
        self.addCleanup(self.call.close)

    def describe_caller(self, modifiers: str) -> None:
        port = self.call.caller.getsockname()[1]
        self.assertNotIn("E", self.call.say(f"U{modifiers} c1 127.0.0.1 {port} ft"))

    def send(self, *numbers: int) -> None:
        for number in numbers:
            self.call.caller.sendto(rtp(number), ("127.0.0.1", self.call.caller_port))

    def hear(self, count: int) -> list[RtpPacket]:
        return [RtpPacket.parse(self.call.callee.recv(9000)) for _ in range(count)]

    def counters(self) -> tuple[int, int, int]:
        stats = self.call.table.stats
        return stats.npkts_resizer_in, stats.npkts_resizer_out, stats.npkts_resizer_discard

    def test_packets_are_joined_and_the_rest_of_a_talkspurt_comes_by_itself(self) -> None:
        self.describe_caller("z40")
        self.send(10, 11, 12, 13, 14)
        packets = self.hear(3)
        self.assertEqual([p.payload_length for p in packets], [320, 320, 160])
        self.assertEqual([p.sequence_number for p in packets], [10, 11, 12])
        self.assertEqual([p.timestamp for p in packets], [1600, 1920, 2240])
        self.assertEqual(self.counters(), (5, 3, 0))
        self.assertEqual(self.call.say("Q c1 ft tt npkts_ina nrelayed ndropped"), "5 3 0")
        self.assertEqual(self.call.say("G npkts_rcvd npkts_relayed npkts_discard"), "5 3 0")

    def test_only_the_party_described_is_resized(self) -> None:
        self.describe_caller("z40")
        self.call.callee.sendto(rtp(1), ("127.0.0.1", self.call.callee_port))
        self.assertEqual(self.call.caller.recv(9000), rtp(1))

    def test_a_lookup_describes_the_callee(self) -> None:
        port = self.call.callee.getsockname()[1]
        with self.assertLogs("rtpproxy", "INFO") as caught:
            self.assertNotIn("E", self.call.say(f"Lz40 c1 127.0.0.1 {port} ft tt"))
            self.assertNotIn("E", self.call.say(f"Lz40 c1 127.0.0.1 {port} ft tt"))
            for number in (1, 2):
                self.call.callee.sendto(rtp(number), ("127.0.0.1", self.call.callee_port))
            self.assertEqual(len(self.call.caller.recv(9000)), 12 + 320)
            self.assertNotIn("E", self.call.say(f"L c1 127.0.0.1 {port} ft tt"))
        said = [line for line in caught.output if "esiz" in line]
        self.assertEqual(len(said), 2, said)
        self.assertIn("RTP packets from callee will be resized to 40 milliseconds", said[0])
        self.assertIn("Resizing of RTP packets from callee has been disabled", said[1])

    def test_a_command_without_z_ends_it_and_what_waits_is_counted(self) -> None:
        self.describe_caller("z100")
        self.send(1)
        self.assertTrue(eventually(lambda: self.counters()[0] == 1))
        self.describe_caller("")
        self.assertEqual(self.counters(), (1, 0, 1))
        self.send(2)
        self.assertEqual(self.hear(1)[0].payload_length, 160)

    def test_another_duration_loses_nothing_and_numbers_run_on(self) -> None:
        self.describe_caller("z20")
        self.send(1, 2, 3)
        self.hear(3)
        self.describe_caller("z10")
        self.send(4)
        self.assertEqual([(p.sequence_number, p.payload_length) for p in self.hear(2)], [(4, 80), (5, 80)])
        self.describe_caller("z100")
        self.send(5)
        self.assertTrue(eventually(lambda: self.counters()[0] == 5))
        self.describe_caller("z40")
        self.send(6)
        self.assertEqual([(p.sequence_number, p.payload_length) for p in self.hear(1)], [(6, 320)])
        self.assertEqual(self.counters(), (6, 6, 0))

    def test_late_packets_are_dropped_and_other_payloads_pass(self) -> None:
        self.describe_caller("z20")
        self.send(5)
        self.hear(1)
        self.send(3)
        self.assertTrue(eventually(lambda: self.counters() == (2, 1, 1)))
        self.assertEqual(self.call.say("G npkts_rcvd npkts_relayed npkts_discard"), "2 1 0")
        self.assertEqual(self.call.say("Q c1 ft tt npkts_ina nrelayed ndropped"), "2 1 0")
        dtmf = bytes([0x80, 101]) + rtp(6)[2:12] + b"\x05\x0a\x01\xe0"
        self.call.caller.sendto(dtmf, ("127.0.0.1", self.call.caller_port))
        self.assertEqual(self.call.callee.recv(9000), dtmf)

    def test_prompts_are_as_long_as_packets_to_the_listener(self) -> None:
        self.describe_caller("c0z20")
        port = self.call.callee.getsockname()[1]
        self.assertNotIn("E", self.call.say(f"Lc0z30 c1 127.0.0.1 {port} ft tt"))
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "prompt.0").write_bytes(bytes(8000))
            for tags, listener, codecs, size in (("ft", self.call.caller, "session", 240),
                                                 ("tt ft", self.call.callee, "session", 160),
                                                 ("ft", self.call.caller, "0", 80)):
                with self.subTest(tags=tags, codecs=codecs):
                    self.assertEqual(self.call.say(f"P c1 {folder}/prompt {codecs} {tags}"), "0")
                    self.assertEqual(len(listener.recv(9000)), 12 + size)
                    self.assertEqual(self.call.say(f"S c1 {tags}"), "0")
                    while select.select([listener], [], [], 0)[0]:
                        listener.recv(9000)

    def test_the_end_of_the_session_counts_what_waits(self) -> None:
        self.describe_caller("z100")
        self.send(1)
        self.assertTrue(eventually(lambda: self.counters()[0] == 1))
        self.assertEqual(self.call.say("D c1 ft"), "0")
        self.assertEqual(self.counters(), (1, 0, 1))
        time.sleep(0.25)  # when the flush would have come
        self.call.callee.settimeout(0.01)
        with self.assertRaises(socket.timeout):
            self.call.callee.recv(9000)


if __name__ == "__main__":
    unittest.main()
