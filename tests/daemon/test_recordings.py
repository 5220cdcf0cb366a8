"""Recordings of the whole program: kept through kill -9, never outside their directory, never in the call's way."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

from rtpp.recording.formats import survey
from tests.daemon.calls import Call, payloads
from tests.daemon.program import Datagrams, Program, ProgramCase, wait_until
from tests.ports import free_port


class RecordingCase(ProgramCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="rtpproxy-test-")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.directory.chmod(0o755)
        self.records, self.spooled = self.directory / "records", self.directory / "spool"
        self.records.mkdir()
        self.spooled.mkdir()

    def start(self, options: str, **keywords: object) -> tuple[Program, Datagrams]:
        port = free_port()
        program = self.program(f"-l 127.0.0.1 -s udp:127.0.0.1:{port} -d INFO {options}", **keywords)
        client = Datagrams(port)
        self.addCleanup(client.close)
        return program, client

    def call(self, client: Datagrams, call_id: str = "call", tag: str = "from") -> Call:
        call = Call(client, call_id, tag)
        self.addCleanup(call.close)
        return call


class KilledTest(RecordingCase):
    def test_what_was_written_stays_readable_and_is_moved_at_the_next_start(self) -> None:
        for options in ("", "-P"):
            with self.subTest(options=options):
                self.check_after_kill(f"-r {self.records} -S {self.spooled} -R {options}")

    def check_after_kill(self, options: str) -> None:
        program, client = self.start(options)
        call = self.call(client)
        self.assertEqual(client.ask("R call from to"), "0")
        spooled, moved = (folder / "call=from.o.rtp" for folder in (self.spooled, self.records))
        call.talk(10)
        wait_until(lambda: len(payloads(spooled)) == 10, "packets on the disk")
        program.send_signal(signal.SIGKILL)
        program.process.wait()
        self.assertIsNone(survey(str(spooled)).error)
        again, client = self.start(options)
        wait_until(moved.exists, "the recording moves")
        self.assertEqual(payloads(moved), call.packets())
        self.assertEqual(os.listdir(self.spooled), [])
        wait_until(lambda: "an earlier run left in the spool directory" in again.log(), "the log line")
        moved.unlink()
        self.assertEqual(again.stop(), 0)

    def test_term_writes_and_moves_everything(self) -> None:
        program, client = self.start(f"-r {self.records} -S {self.spooled} -a -P")
        call = self.call(client)
        call.talk(50)
        self.assertEqual(program.stop(), 0)
        self.assertEqual(len(payloads(self.records / "call=from.pcap")), 100)
        self.assertEqual(os.listdir(self.spooled), [])

    def test_two_programs_share_a_spool_directory(self) -> None:
        _, client = self.start(f"-r {self.records} -S {self.spooled} -R")
        call = self.call(client)
        self.assertEqual(client.ask("R call from to"), "0")
        other, _ = self.start(f"-r {self.records} -S {self.spooled}")
        call.talk(3)
        self.assertEqual(other.stop(), 0)
        self.assertEqual((os.listdir(self.records), os.listdir(self.spooled)), ([], ["call=from.o.rtp"]))
        call.end()
        wait_until((self.records / "call=from.o.rtp").exists, "the recording moves")
        self.assertEqual(payloads(self.records / "call=from.o.rtp"), call.packets())


class NamesTest(RecordingCase):
    def test_nothing_leads_outside(self) -> None:
        program, client = self.start(f"-r {self.records} -S {self.spooled}")
        (self.records / "link").symlink_to(self.directory)
        outside = sorted(os.listdir(self.directory))
        for number, call_id in enumerate(("../x", "/tmp/x", "a/../../x", "../records2/x", "a/b")):
            with self.subTest(call_id=call_id):
                self.call(client, call_id)
                self.assertEqual(client.ask(f"R {call_id} from"), "E50")
                for target in ("../copy", f"{self.directory}/copy", "a/../../copy", "link/copy", "./copy"):
                    self.assertEqual(client.ask(f"C {call_id} {target} from to"), "E65", target)
                self.call(client, f"fine{number}", "../tag")
                self.assertEqual(client.ask(f"R fine{number} ../tag"), "E50")
        self.assertEqual(sorted(os.listdir(self.directory)), outside)
        self.assertEqual((os.listdir(self.records), os.listdir(self.spooled)), (["link"], []))
        wait_until(lambda: "would lead to another directory" in program.log(), "the refusals in the log")

    def test_a_directory_below_may_be_named(self) -> None:
        _, client = self.start(f"-r {self.records} -R")
        (self.records / "sub").mkdir()
        call = self.call(client)
        self.assertEqual(client.ask("C call sub/copy from to"), "0")
        call.talk(2)
        call.end()
        wait_until(lambda: len(payloads(self.records / "sub/copy.rtp")) == 2, "the copy")


class UnwritableTest(RecordingCase):
    def test_the_call_goes_on_without_its_recording(self) -> None:
        user = "-u nobody" if os.geteuid() == 0 else ""
        for directory in (self.records, self.spooled):
            directory.chmod(0o555)
        for options in (f"-r {self.records}", f"-r /var/empty/missing -S {self.spooled}", f"-r {self.directory}/file"):
            with self.subTest(options=options):
                self.check_call(f"{options} {user} -a")

    def check_call(self, options: str) -> None:
        program, client = self.start(options)
        call = self.call(client)
        self.assertEqual(client.ask("R call from"), "E50")
        self.assertEqual(client.ask("C call name from"), "E65")
        call.talk(3)
        call.end()
        wait_until(lambda: "cannot record" in program.log(), "the reason in the log")
        self.assertEqual(program.stop(), 0)

    def test_a_recording_that_cannot_be_moved_stays_in_the_spool_until_the_next_start(self) -> None:
        program, client = self.start(f"-r {self.records} -S {self.spooled} -R")
        call = self.call(client)
        self.assertEqual(client.ask("R call from to"), "0")
        call.talk(4)
        self.records.rmdir()
        call.end()
        wait_until(lambda: "can't move session record from spool" in program.log(), "the log line")
        self.assertEqual(program.stop(), 0)
        self.records.mkdir()
        self.start(f"-r {self.records} -S {self.spooled} -R")
        wait_until((self.records / "call=from.o.rtp").exists, "the recording moves")
        self.assertEqual(payloads(self.records / "call=from.o.rtp"), call.packets())
