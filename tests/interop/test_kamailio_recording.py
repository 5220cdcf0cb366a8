"""Kamailio records calls and plays prompts into them: start_recording(), rtpproxy_stream2uac() and its stop.

What a caller hears and what is recorded is checked packet by packet.
"""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

from rtpp.recording.formats import open_recording
from rtpp.rtp.packet import RtpPacket
from tests.interop.rig.call import hang_up, renegotiate, set_up, talk
from tests.interop.rig.checks import check_no_session
from tests.interop.rig.media import Media
from tests.interop.rig.phone import Phone
from tests.interop.rig.tools import wait_for
from tests.interop.test_kamailio import KamailioTest

PASSES = 3  # in kamailio.cfg
PACKET = 80  # bytes of G.711 in 10 ms
RECORD = ("X-Rec", "1")


class RecordedCallTest(KamailioTest):
    def setUp(self) -> None:
        super().setUp()
        self.folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.records = Path(self.folder, "records")
        self.records.mkdir()

    def prompt(self, packets: int) -> bytes:
        """The audio of a prompt for G.711, which the phones speak."""
        audio = random.Random(packets).randbytes(packets * PACKET)
        Path(self.folder, "prompt.0").write_bytes(audio)
        return audio

    def name(self, phone: Phone) -> str:
        """Of the call's recordings; Kamailio sends the tag with the number of the stream, files have it without."""
        return f"{phone.call_id}={phone.tag}"

    def recorded(self, name: str) -> list[bytes]:
        path = self.records / name
        if not path.exists() or not path.stat().st_size:
            return []
        with open(path, "rb") as file:
            return [record.payload for record in open_recording(file)]

    def assert_recorded(self, name: str, packets: list[bytes]) -> None:
        wait_for(lambda: len(self.recorded(name)) == len(packets), f"{len(packets)} packets in {name}")
        self.assertEqual(self.recorded(name), packets)

    def wait_for_packets(self, phone: Phone, suffix: str, count: int) -> None:
        name = f"{self.name(phone)}{suffix}"
        wait_for(lambda: len(self.recorded(name)) == count, f"{count} packets in {name}")

    def test_recording_is_complete(self) -> None:
        self.check_recording()

    def test_recording_in_pcap_is_complete(self) -> None:
        self.check_recording("-P")

    def test_recording_in_the_spool_is_complete(self) -> None:
        os.mkdir(f"{self.folder}/spool")
        self.check_recording("-S", f"{self.folder}/spool")
        self.assertEqual(os.listdir(f"{self.folder}/spool"), [])

    def check_recording(self, *options: str) -> None:
        proxy, alice, bob = self.start("-r", str(self.records), *options)
        set_up(alice, bob, (RECORD,))
        sent = [phone.media[0].send(25) for phone in (alice, bob)]
        heard = [phone.media[0].receive(25) for phone in (bob, alice)]
        self.assertEqual(heard, sent)
        reports = [phone.media[0].send_report() for phone in (alice, bob)]
        self.assertEqual([phone.media[0].receive_report() for phone in (bob, alice)], reports)
        hang_up(alice, bob)
        check_no_session(proxy)
        for suffix, packets in ((".o.rtp", sent[0]), (".a.rtp", sent[1]), (".o.rtcp", reports[:1]),
                                (".a.rtcp", reports[1:])):
            self.assert_recorded(f"{self.name(alice)}{suffix}", packets)

    def test_two_streams_are_recorded_apart(self) -> None:
        proxy, alice, bob = self.start("-r", str(self.records), "-R", streams=2)
        set_up(alice, bob, (RECORD,))
        sent = [stream.send(10) for stream in alice.media]
        self.assertEqual([stream.receive(10) for stream in bob.media], sent)
        hang_up(alice, bob)
        check_no_session(proxy)
        for number, packets in zip(("", ";2"), sent):
            self.assert_recorded(f"{self.name(alice)}{number}.o.rtp", packets)

    def test_prompt_to_the_caller_to_its_end(self) -> None:
        proxy, alice, bob = self.start("-r", str(self.records))
        audio = self.prompt(10)
        set_up(alice, bob, (RECORD, ("X-Play", f"{self.folder}/prompt")))
        packets = alice.media[0].receive(10 * PASSES)
        self.assertEqual(b"".join(RtpPacket.parse(packet).payload for packet in packets), audio * PASSES)
        wait_for(lambda: proxy.counters("nplrs_destroyed")["nplrs_destroyed"] == 1, "the end of the prompt")
        talk(alice, bob)
        hang_up(alice, bob)
        check_no_session(proxy)
        self.assertEqual(proxy.counters("npkts_played"), {"npkts_played": 10 * PASSES})
        self.wait_for_packets(alice, ".o.rtp", 10)
        self.wait_for_packets(alice, ".a.rtp", 10)  # no prompt

    def test_prompt_that_is_stopped(self) -> None:
        proxy, alice, bob = self.start("-r", str(self.records))
        audio = self.prompt(1000)
        set_up(alice, bob, (RECORD, ("X-Play", f"{self.folder}/prompt")))
        packets = alice.media[0].receive(20)
        self.assertEqual(b"".join(RtpPacket.parse(packet).payload for packet in packets), audio[: 20 * PACKET])
        spoken = alice.media[0].send(5)
        self.assertEqual(bob.media[0].receive(5), spoken, "the caller is heard meanwhile")
        before = proxy.counters("npkts_discard")["npkts_discard"]
        bob.media[0].send(5)  # and the callee is not
        wait_for(lambda: proxy.counters("npkts_discard")["npkts_discard"] == before + 5, "packets that are dropped")
        renegotiate(alice, bob, headers=(("X-Stop", "1"),))
        self.assertEqual(list(proxy.counters("nplrs_created", "nplrs_destroyed").values()), [1, 1])
        self.drain(alice.media[0])
        talk(alice, bob)
        hang_up(alice, bob)
        check_no_session(proxy)
        self.wait_for_packets(alice, ".o.rtp", 15)
        self.wait_for_packets(alice, ".a.rtp", 10)  # without what was dropped

    def drain(self, stream: Media) -> None:
        """Take what is left of the prompt."""
        while not stream.is_silent():
            pass
