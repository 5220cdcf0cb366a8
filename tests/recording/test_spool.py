"""rtpp/recording/spool.py: real files in temporary directories, the real writing thread."""

from __future__ import annotations

import fcntl
import os
import resource
import tempfile
import time
import unittest
from pathlib import Path
from typing import Callable

from rtpp.log import GLOBAL
from rtpp.recording import spool as spool_module
from rtpp.recording.formats import ADHOC, PCAP, open_recording
from rtpp.recording.spool import Packet, Spool, UnsafeNameError, move, safe_path

ALICE, PROXY = ("127.0.0.1", 4000), ("127.0.0.1", 35000)


def packet(number: int, size: int = 100) -> Packet:
    return Packet(1_000_000.0 + number, bytes([number % 256]) * size, ALICE, PROXY)


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
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.records = Path(directory.name, "records")
        self.spooled = Path(directory.name, "spool")
        self.records.mkdir()
        self.spooled.mkdir()

    def start(self, with_spool: bool = True) -> Spool:
        spool = Spool(str(self.records), str(self.spooled) if with_spool else "")
        spool.start()
        self.addCleanup(lambda: spool._thread.is_alive() and spool.stop())
        return spool

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
                    spool.append(file, packet(number))
                spool.close(file)
                self.assertTrue(wait_for((self.records / name).exists))
                self.assertEqual(payloads(self.records / name), [packet(n).payload for n in range(1000)])
                self.assertFalse((self.spooled / name).exists())

    def test_stop_writes_and_moves_what_was_accepted(self) -> None:
        spool = self.start()
        file = spool.open("a.rtp", ADHOC, GLOBAL)
        for number in range(500):
            spool.append(file, packet(number))
        spool.stop()
        self.assertEqual(len(payloads(self.records / "a.rtp")), 500)

    def test_without_a_spool_directory_files_are_written_in_place(self) -> None:
        spool = self.start(with_spool=False)
        file = spool.open("a.rtp", ADHOC, GLOBAL)
        spool.append(file, packet(1))
        self.assertTrue(wait_for(lambda: (self.records / "a.rtp").stat().st_size > 0))
        spool.stop()
        self.assertEqual(payloads(self.records / "a.rtp"), [packet(1).payload])

    def test_a_recording_of_the_same_name_begins_anew_once_the_first_has_ended(self) -> None:
        spool = self.start(with_spool=False)
        first = spool.open("a.rtp", ADHOC, GLOBAL)
        spool.append(first, packet(1))
        with self.assertRaises(FileExistsError):
            spool.open("a.rtp", ADHOC, GLOBAL)
        spool.close(first)
        second = spool.open("a.rtp", ADHOC, GLOBAL)
        spool.append(second, packet(2))
        spool.stop()
        self.assertEqual(payloads(self.records / "a.rtp"), [packet(2).payload])

    def test_a_full_disk_keeps_packets_until_there_is_room_and_whole_records_only(self) -> None:
        spool = self.start(with_spool=False)
        path = self.records / "a.rtp"
        file = spool.open("a.rtp", ADHOC, GLOBAL)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_FSIZE, before)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))  # a write beyond it fails, as on a full disk
        with self.assertLogs("rtpproxy", "WARNING") as logged:
            for number in range(20):
                spool.append(file, packet(number))
            self.assertTrue(wait_for(lambda: bool(logged.output)))
            self.assertEqual(path.stat().st_size % 130, 0)  # 30 bytes of header, 100 of payload
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            self.assertTrue(wait_for(lambda: path.stat().st_size == 20 * 130))
        self.assertEqual(len([line for line in logged.output if "cannot write recording" in line]), 1)
        self.assertEqual([p[0] for p in payloads(path)], list(range(20)))

    def test_the_queue_is_bounded_and_what_it_does_not_take_is_counted_and_logged_once(self) -> None:
        spool = Spool(str(self.records))  # not started: nothing is written
        file = spool.open("a.rtp", ADHOC, GLOBAL)
        size = 1024 * 1024
        with self.assertLogs("rtpproxy", "ERROR") as logged:
            for number in range(100):
                spool.append(file, packet(number, size))
        held = len(file.queue)
        self.assertLessEqual(held * size, spool_module.MAX_QUEUED + size)
        self.assertEqual(spool.packets_lost, 100 - held)
        self.assertEqual(len(logged.output), 1)

    def test_orphans_of_a_killed_process_are_moved_but_not_what_another_process_writes(self) -> None:
        (self.spooled / "orphan.rtp").write_bytes(b"left behind")
        (self.spooled / "note.txt").write_bytes(b"not ours")
        with open(self.spooled / "alive.pcap", "wb") as alive:
            fcntl.flock(alive, fcntl.LOCK_SH)
            self.start()
            self.assertTrue(wait_for((self.records / "orphan.rtp").exists))
        self.assertEqual((self.records / "orphan.rtp").read_bytes(), b"left behind")
        self.assertEqual(sorted(os.listdir(self.spooled)), ["alive.pcap", "note.txt"])

    def test_a_spool_directory_that_cannot_be_read_does_not_stop_the_thread(self) -> None:
        spool = Spool(str(self.records), str(self.spooled / "missing"))
        spool.start()
        with self.assertRaises(OSError):
            spool.open("a.rtp", ADHOC, GLOBAL)
        self.assertTrue(spool._thread.is_alive())
        spool.stop()


class MoveTest(unittest.TestCase):
    def test_across_file_systems(self) -> None:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory(dir="/dev/shm") as other:
            if os.stat(one).st_dev == os.stat(other).st_dev:
                self.skipTest("both directories are on one file system")
            source, target = os.fsencode(one) + b"/x", os.fsencode(other) + b"/x"
            Path(os.fsdecode(source)).write_bytes(b"recording" * 1000)
            move(source, target)
            self.assertEqual(Path(os.fsdecode(target)).read_bytes(), b"recording" * 1000)
            self.assertEqual(os.listdir(other), ["x"])
            self.assertEqual(os.listdir(one), [])


class SafePathTest(unittest.TestCase):
    def test_names(self) -> None:
        with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryDirectory() as elsewhere:
            os.mkdir(os.path.join(directory, "sub"))
            os.symlink(elsewhere, os.path.join(directory, "link"))
            home = os.fsencode(directory)
            self.assertEqual(safe_path(home, "call@host=tag.o.rtp"), home + b"/call@host=tag.o.rtp")
            self.assertEqual(safe_path(home, "sub/name"), home + b"/sub/name")
            self.assertEqual(safe_path(home, "caf\xe9"), home + b"/caf\xe9")
            for name in ("", "/etc/passwd", "../x", "sub/../../x", "..", "a\0b", "sub//x", "./x", "link/x"):
                with self.subTest(name=name), self.assertRaises(UnsafeNameError):
                    safe_path(home, name)


if __name__ == "__main__":
    unittest.main()
