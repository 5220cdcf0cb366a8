"""Disks that fill and disks that hang, real ones: a small tmpfs, and a file system that is frozen under the proxy.

Both are mounted in the proxy's own mount namespace, which takes root, and are reached through /proc.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from tests.daemon.calls import Call, payloads
from tests.daemon.program import Datagrams, Program, ProgramCase, wait_until
from tests.ports import free_port

NEW_NAMESPACE = 0x20000
FREEZE, THAW = 0xC0045877, 0xC0045878  # FIFREEZE and FITHAW of linux/fs.h
SIZE = 1000  # bytes of payload: a small disk is full soon


@unittest.skipUnless(os.geteuid() == 0, "only root can mount")
class DiskCase(ProgramCase):
    """One proxy, one call, and the disk that it is recorded on: `self.disk`."""

    def start(self, *mount: str, options: str = "-R") -> None:
        directory = tempfile.TemporaryDirectory(prefix="rtpproxy-test-")
        self.addCleanup(directory.cleanup)
        port = free_port()

        def mount_disk() -> None:
            if ctypes.CDLL(None).unshare(NEW_NAMESPACE):
                raise OSError("no mount namespace")
            subprocess.run(["mount", "--make-rprivate", "/"], check=True)
            subprocess.run(["mount", *mount, directory.name], check=True)

        line = f"-l 127.0.0.1 -s udp:127.0.0.1:{port} -d INFO -r {directory.name} {options}"
        self.proxy: Program = self.program(line, preexec_fn=mount_disk)
        self.disk = Path(f"/proc/{self.proxy.pid}/root{directory.name}")
        self.client = Datagrams(port)
        self.addCleanup(self.client.close)
        self.call = self.make_call("call")

    def make_call(self, call_id: str) -> Call:
        call = Call(self.client, call_id)
        self.addCleanup(call.close)
        return call

    def assert_complete(self, *names: str) -> None:
        for name in names:
            self.assertEqual(payloads(self.disk / name), self.call.packets(SIZE), name)

    def logged(self, text: str) -> int:
        return self.proxy.log().count(text)


class FullDiskTest(DiskCase):
    def test_packets_wait_until_there_is_room(self) -> None:
        for options in ("-R", "-R -P"):
            with self.subTest(options=options):
                self.start("-t", "tmpfs", "-o", "size=1m", "none", options=options)
                self.assertEqual(self.client.ask("R call from to"), "0")
                self.assertEqual(self.client.ask("R call to from"), "0")
                filler = self.disk / "filler"
                filler.write_bytes(bytes(800 * 1024))
                self.call.talk(200, SIZE)  # some 210 kB in each of two files: does not fit
                wait_until(lambda: self.logged("cannot write recording"), "a failed write")
                for name in ("call=from.o.rtp", "call=from.a.rtp"):
                    whole = payloads(self.disk / name)  # fails if a record is not whole
                    self.assertEqual(whole, self.call.packets(SIZE)[: len(whole)])
                self.call.talk(10, SIZE)
                filler.unlink()
                wait_until(lambda: self.logged("recordings are written again"), "the end of the episode")
                self.call.talk(5, SIZE)
                self.call.end()
                wait_until(lambda: all(len(payloads(self.disk / name)) == self.call.sent
                                       for name in ("call=from.o.rtp", "call=from.a.rtp")), "every packet")
                self.assert_complete("call=from.o.rtp", "call=from.a.rtp")
                self.assertEqual(self.logged("cannot write recording"), 1)
                self.assertEqual(self.logged("packets are lost") + self.logged("packets were lost"), 0)
                self.assertEqual(self.proxy.stop(), 0)

    def test_a_disk_that_stays_full_is_said_at_the_end(self) -> None:
        self.start("-t", "tmpfs", "-o", "size=64k", "none")
        self.assertEqual(self.client.ask("R call from to"), "0")
        self.call.talk(100, SIZE)
        wait_until(lambda: self.logged("cannot write recording"), "a failed write")
        written = payloads(self.disk / "call=from.o.rtp")
        self.assertEqual(self.proxy.stop(), 0)
        self.assertIn(f"the last {100 - len(written)} packets could not be written", self.proxy.log())


class FrozenDiskTest(DiskCase):
    """Every write hangs until the disk answers again."""

    def setUp(self) -> None:
        image = tempfile.NamedTemporaryFile(prefix="rtpproxy-test-")
        self.addCleanup(image.close)
        image.truncate(16 * 1024 * 1024)
        subprocess.run(["mkfs.ext4", "-q", "-F", image.name], check=True)
        self.image = image.name

    def test_calls_go_on_and_nothing_is_lost(self) -> None:
        self.start("-o", "loop", self.image)
        self.assertEqual(self.client.ask("R call from to"), "0")
        self.call.talk(20, SIZE)
        name = "call=from.o.rtp"
        wait_until(lambda: len(payloads(self.disk / name)) == 20, "the first packets on the disk")
        plain = self.make_call("plain")
        disk = os.open(self.disk, os.O_RDONLY)
        self.addCleanup(os.close, disk)
        fcntl.ioctl(disk, FREEZE, 0)
        try:
            self.call.talk(100, SIZE)
            wait_until(self.hangs, "a write that hangs")
            self.call.talk(100, SIZE)
            plain.talk(20)
            self.call.end()  # the control socket does not wait, either
            plain.end()
        finally:
            fcntl.ioctl(disk, THAW, 0)
        wait_until(lambda: len(payloads(self.disk / name)) == self.call.sent, "every packet")
        self.assert_complete(name)
        self.assertEqual(self.proxy.stop(), 0)

    def hangs(self) -> bool:
        """Whether the spool's thread waits for the disk: state D."""
        tasks = Path(f"/proc/{self.proxy.pid}/task")

        def state(task: Path) -> str:
            return (task / "stat").read_text().rpartition(")")[2].split()[0]

        return any(state(task) == "D" for task in tasks.iterdir())
