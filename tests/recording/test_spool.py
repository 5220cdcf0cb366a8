"""rtpp/recording/spool.py: real files in temporary directories, the real writing thread."""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import Any, Callable
from unittest import mock

from rtpp.log import GLOBAL
from rtpp.net.arrival import STAMP
from rtpp.recording import file as file_module
from rtpp.recording.file import RecordingFile
from rtpp.recording.formats import ADHOC, PCAP, open_recording
from rtpp.recording.spool import Spool

LOCK = threading.Lock()
ALICE, PROXY = ("127.0.0.1", 4000), ("127.0.0.1", 35000)


def payload(number: int, size: int = 100) -> bytes:
    return bytes([number % 256]) * size


def append(file: RecordingFile, number: int, size: int = 100) -> None:
    prepared = file.prepare(ALICE, PROXY, socket.AF_INET)
    with LOCK:
        file.appender(prepared, bytearray(STAMP.pack(1_000_000 + number, 0)))(payload(number, size), 0.0)


def wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def payloads(path: Path) -> list[bytes]:
    with open(path, "rb") as file:
        return [record.payload for record in open_recording(file)]


class SpoolTest(unittest.TestCase):
    def setUp(self) -> None:
        faster = mock.patch.object(file_module, "WRITE_INTERVAL", 0.05)
        faster.start()
        self.addCleanup(faster.stop)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.records = Path(directory.name, "records")
        self.spooled = Path(directory.name, "spool")
        self.records.mkdir()
        self.spooled.mkdir()

    def start(self, with_spool: bool = True) -> Spool:
        spool = Spool(LOCK, str(self.records), str(self.spooled) if with_spool else "")
        spool.start()
        self.addCleanup(lambda: spool._thread.is_alive() and spool.stop())
        return spool

    def close(self, spool: Spool, file: RecordingFile) -> None:
        with LOCK:
            spool.close(file)

    def test_files_appear_at_once_with_the_header_of_their_format(self) -> None:
        spool = self.start()
        spool.open("a.rtp", ADHOC, GLOBAL)
        spool.open("b.pcap", PCAP, GLOBAL)
        self.assertEqual((self.spooled / "a.rtp").stat().st_size, 0)
        self.assertEqual((self.spooled / "b.pcap").stat().st_size, 24)

    def test_everything_appended_is_in_the_file_in_order_and_the_file_moves_at_the_end(self) -> None:
        spool = self.start()
        for layout, name in ((ADHOC, "a.rtp"), (PCAP, "b.pcap")):
            with self.subTest(name=name):
                file = spool.open(name, layout, GLOBAL)
                for number in range(1000):
                    append(file, number)
                self.close(spool, file)
                self.assertTrue(wait_for((self.records / name).exists))
                self.assertEqual(payloads(self.records / name), [payload(n) for n in range(1000)])
                self.assertFalse((self.spooled / name).exists())

    def test_stop_writes_and_moves_what_was_accepted(self) -> None:
        spool = self.start()
        file = spool.open("a.rtp", ADHOC, GLOBAL)
        for number in range(500):
            append(file, number)
        spool.stop()
        self.assertEqual(len(payloads(self.records / "a.rtp")), 500)

    def test_without_a_spool_directory_files_are_written_in_place(self) -> None:
        spool = self.start(with_spool=False)
        file = spool.open("a.rtp", ADHOC, GLOBAL)
        append(file, 1)
        self.assertTrue(wait_for(lambda: (self.records / "a.rtp").stat().st_size > 0))
        spool.stop()
        self.assertEqual(payloads(self.records / "a.rtp"), [payload(1)])

    def test_a_recording_of_the_same_name_begins_anew_once_the_first_has_ended(self) -> None:
        spool = self.start(with_spool=False)
        first = spool.open("a.rtp", ADHOC, GLOBAL)
        append(first, 1)
        with self.assertRaises(FileExistsError):
            spool.open("a.rtp", ADHOC, GLOBAL)
        self.close(spool, first)
        second = spool.open("a.rtp", ADHOC, GLOBAL)
        append(second, 2)
        spool.stop()
        self.assertEqual(payloads(self.records / "a.rtp"), [payload(2)])

    def test_files_that_begin_together_are_not_written_together(self) -> None:
        spool = Spool(LOCK, str(self.records))
        files = [spool.open(f"{number}.rtp", ADHOC, GLOBAL) for number in range(100)]
        now = max(file.due for file in files)
        for _ in range(3):
            spool._write_due(now)
        left = sum(file.due <= now for file in files)
        self.assertTrue(50 < left < 100, left)
        files[0].ended = True  # one that ends takes nobody's turn
        for _ in range(100):
            spool._write_due(now)
        self.assertFalse(any(file.due <= now for file in files[1:]))

    def test_a_full_disk_keeps_packets_until_there_is_room_and_whole_records_only(self) -> None:
        spool = self.start(with_spool=False)
        path = self.records / "a.rtp"
        file = spool.open("a.rtp", ADHOC, GLOBAL)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_FSIZE, before)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))  # a write beyond it fails, as on a full disk
        with self.assertLogs("rtpproxy", "WARNING") as logged:
            for number in range(20):
                append(file, number)
            self.assertTrue(wait_for(lambda: bool(logged.output)))
            self.assertEqual(path.stat().st_size % 130, 0)  # 30 bytes of header, 100 of payload
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            self.assertTrue(wait_for(lambda: path.stat().st_size == 20 * 130))
        self.assertEqual(len([line for line in logged.output if "cannot write recording" in line]), 1)
        self.assertEqual([p[0] for p in payloads(path)], list(range(20)))

    def test_the_queue_is_bounded_and_what_it_does_not_take_is_counted_and_logged_once(self) -> None:
        spool = Spool(LOCK, str(self.records))  # not started: nothing is written
        files = [spool.open(f"{number}.rtp", ADHOC, GLOBAL) for number in range(2)]
        size, packets = 64_000, 46 * file_module.BATCH  # 23 whole batches for each file
        with self.assertLogs("rtpproxy", "ERROR") as logged:
            for number in range(packets):
                append(files[number % 2], number, size)
        held = sum(file.unwritten for file in files)
        batch = size * file_module.BATCH
        self.assertLessEqual(held * size, file_module.MAX_QUEUED + batch)
        self.assertGreater(held * size, file_module.MAX_QUEUED - 2 * batch)
        self.assertEqual(spool.packets_lost, packets - held)
        self.assertEqual(len(logged.output), 2)  # once for each recording

    def test_a_file_that_cannot_be_written_leaves_room_for_others(self) -> None:
        spool = Spool(LOCK, str(self.records))
        file, other = (spool.open(name, ADHOC, GLOBAL) for name in ("a.rtp", "b.rtp"))
        batch = file_module.BATCH
        with mock.patch.object(file_module, "MAX_FILE_BATCHES", 2), self.assertLogs("rtpproxy", "ERROR"):
            for number in range(5 * batch):
                append(file, number)
            for number in range(batch):
                append(other, number)
        self.assertEqual((file.unwritten, file.lost, other.unwritten, other.lost), (2 * batch, 3 * batch, batch, 0))

    def test_the_end_of_a_file_without_packets_is_no_loss_and_takes_no_memory(self) -> None:
        spool = Spool(LOCK, str(self.records))
        file = spool.open("a.rtp", ADHOC, GLOBAL)
        with mock.patch.object(file_module, "MAX_FILE_BATCHES", 0), mock.patch.object(file, "log") as log:
            self.close(spool, file)
        log.error.assert_not_called()
        self.assertEqual((spool.queued, spool.packets_lost), (0, 0))

    def test_a_slow_disk_holds_up_neither_the_relay_nor_the_order_of_packets(self) -> None:
        """The disk does not answer at all for a while. What is appended meanwhile is written when it does."""
        spool = self.start()
        file = spool.open("a.rtp", ADHOC, GLOBAL)
        stuck, goes_on = threading.Event(), threading.Event()
        pwrite = os.pwrite

        def slow(*arguments: Any) -> int:
            stuck.set()
            goes_on.wait()
            return pwrite(*arguments)

        with mock.patch("os.pwrite", slow):
            append(file, 0)
            self.assertTrue(stuck.wait(10))
            for number in range(1, 1000):
                append(file, number)
            self.close(spool, file)  # as at the end of the call: does not wait either
            self.assertEqual((self.spooled / "a.rtp").stat().st_size, 0)
            goes_on.set()
            spool.stop()
        self.assertEqual(payloads(self.records / "a.rtp"), [payload(n) for n in range(1000)])

    def test_a_write_that_is_cut_short_is_taken_back_and_repeated(self) -> None:
        spool = self.start(with_spool=False)
        pwrite, calls = os.pwrite, []

        def cut_short(descriptor: int, data: Any, position: int) -> int:
            calls.append(len(data))
            if len(calls) % 3 == 2:
                raise OSError(28, "No space left on device")
            return pwrite(descriptor, data[: len(data) // 2 + 1], position)

        with mock.patch("os.pwrite", cut_short), self.assertLogs("rtpproxy", "WARNING"):
            file = spool.open("a.rtp", ADHOC, GLOBAL)
            for number in range(50):
                append(file, number)
            self.assertTrue(wait_for(lambda: len(calls) >= 2))
        spool.stop()
        self.assertEqual(payloads(self.records / "a.rtp"), [payload(n) for n in range(50)])

    def test_a_recording_can_begin_on_a_full_disk(self) -> None:
        spool = self.start(with_spool=False)
        with mock.patch("os.pwrite", side_effect=OSError(28, "No space left on device")):
            file = spool.open("a.pcap", PCAP, GLOBAL)
            append(file, 1)
            self.assertEqual((self.records / "a.pcap").stat().st_size, 0)
        spool.stop()
        self.assertEqual(payloads(self.records / "a.pcap"), [payload(1)])

    def test_recordings_without_packets_do_not_pile_up_on_a_full_disk(self) -> None:
        spool = self.start(with_spool=False)
        with mock.patch("os.pwrite", side_effect=OSError(28, "No space left on device")):
            self.close(spool, spool.open("a.pcap", PCAP, GLOBAL))
            self.assertTrue(wait_for(lambda: not spool._ended))

    def test_what_cannot_be_written_at_the_end_is_counted_and_logged(self) -> None:
        spool = self.start(with_spool=False)
        file = spool.open("a.rtp", ADHOC, GLOBAL)
        with mock.patch("os.pwrite", side_effect=OSError(28, "No space left on device")), \
                self.assertLogs("rtpproxy", "ERROR") as logged:
            for number in range(7):
                append(file, number)
            spool.stop()
        self.assertEqual(spool.packets_lost, 7)
        self.assertIn("the last 7 packets could not be written", logged.output[-1])

    def test_a_recording_that_replaces_another_says_so(self) -> None:
        spool = self.start()
        (self.records / "a.rtp").write_bytes(b"from before")
        with self.assertLogs("rtpproxy", "WARNING") as logged:
            spool.open("a.rtp", ADHOC, GLOBAL)
        self.assertIn("replaces an earlier one", logged.output[0])

    def test_what_is_no_regular_file_is_refused(self) -> None:
        spool = self.start()
        os.mkfifo(self.spooled / "a.rtp")
        with self.assertRaises(OSError):
            spool.open("a.rtp", ADHOC, GLOBAL)

    def test_orphans_of_a_killed_process_are_moved_but_not_what_another_process_writes(self) -> None:
        (self.spooled / "orphan.rtp").write_bytes(b"left behind")
        (self.spooled / "note.txt").write_bytes(b"not ours")
        with open(self.spooled / "alive.pcap", "wb") as alive:
            fcntl.flock(alive, fcntl.LOCK_SH)
            self.start()
            self.assertTrue(wait_for((self.records / "orphan.rtp").exists))
        self.assertEqual((self.records / "orphan.rtp").read_bytes(), b"left behind")
        self.assertEqual(sorted(os.listdir(self.spooled)), ["alive.pcap", "note.txt"])

    def test_an_orphan_replaces_nothing_and_is_replaced_by_nothing(self) -> None:
        """The call may go on after the proxy was killed, and be recorded once more."""
        (self.spooled / "a.rtp").write_bytes(b"second part")
        (self.records / "a.rtp").write_bytes(b"first part")
        (self.spooled / "b").write_bytes(PCAP.file_header)  # a recording by its content
        with self.assertLogs("rtpproxy", "WARNING") as logged:
            spool = self.start()
            spool.open("a.rtp", ADHOC, GLOBAL)
            self.assertTrue(wait_for((self.records / "b").exists))
        self.assertEqual((self.records / "a.rtp").read_bytes(), b"first part")
        self.assertEqual((self.records / "a.rtp.1").read_bytes(), b"second part")
        self.assertEqual(sum("an earlier run left" in line for line in logged.output), 2)

    def test_one_directory_under_two_names_has_no_orphans(self) -> None:
        (self.records / "a.rtp").write_bytes(b"recorded")
        alias = self.records.parent / "alias"
        alias.symlink_to(self.records)
        inner = self.records / "inner"
        inner.mkdir()
        (inner / "b.rtp").write_bytes(b"recorded")
        for record_dir, spool_dir in ((self.records, alias), (inner, self.records)):
            spool = Spool(LOCK, str(record_dir), str(spool_dir))
            spool.start()
            spool.stop()
        self.assertEqual((inner / "a.rtp").read_bytes(), b"recorded")  # moved from the spool to the directory in it
        self.assertEqual(sorted(os.listdir(inner)), ["a.rtp", "b.rtp"])

    def test_moves_to_another_file_system(self) -> None:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
            spool = Spool(LOCK, elsewhere, str(self.spooled))
            spool.start()
            file = spool.open("a.rtp", ADHOC, GLOBAL)
            append(file, 1)
            spool.stop()
            self.assertEqual(payloads(Path(elsewhere, "a.rtp")), [payload(1)])
            self.assertEqual(os.listdir(elsewhere), ["a.rtp"])
        self.assertEqual(os.listdir(self.spooled), [])

    def test_a_move_that_fails_leaves_the_file_in_the_spool(self) -> None:
        spool = self.start()
        file = spool.open("a.rtp", ADHOC, GLOBAL)
        append(file, 1)
        (self.records / "a.rtp").mkdir()
        with self.assertLogs("rtpproxy", "ERROR") as logged:
            spool.stop()
        self.assertIn("can't move session record from spool into permanent storage", logged.output[0])
        self.assertEqual(payloads(self.spooled / "a.rtp"), [payload(1)])

    def test_a_spool_directory_that_cannot_be_read_does_not_stop_the_thread(self) -> None:
        spool = Spool(LOCK, str(self.records), str(self.spooled / "missing"))
        spool.start()
        with self.assertRaises(OSError):
            spool.open("a.rtp", ADHOC, GLOBAL)
        self.assertTrue(spool._thread.is_alive())
        spool.stop()


if __name__ == "__main__":
    unittest.main()
