"""The accounting file: its columns, what is in them, locking and rotation."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import unittest
from pathlib import Path

from rtpp.errors import StartError
from tests.modules.calls import ModuleTest
from tests.session.harness import rtcp, rtp

COLUMN_NAMES = """
    rec_ver rtpp_node_id rtpp_pid sess_uid call_id from_tag setup_ts teardown_ts first_rtp_ts_ino last_rtp_ts_ino
    first_rtp_ts_ina last_rtp_ts_ina rtp_npkts_ina rtp_npkts_ino rtp_nrelayed rtp_ndropped rtcp_npkts_ina
    rtcp_npkts_ino rtcp_nrelayed rtcp_ndropped rtpa_nsent_ino rtpa_nrcvd_ino rtpa_ndups_ino rtpa_nlost_ino
    rtpa_perrs_ino rtpa_ssrc_last_ino rtpa_ssrc_cnt_ino rtpa_pt_last_ino rtpa_nsent_ina rtpa_nrcvd_ina rtpa_ndups_ina
    rtpa_nlost_ina rtpa_perrs_ina rtpa_ssrc_last_ina rtpa_ssrc_cnt_ina rtpa_pt_last_ina rtpa_jitter_last_ino
    rtpa_jitter_max_ino rtpa_jitter_avg_ino rtpa_jitter_last_ina rtpa_jitter_max_ina rtpa_jitter_avg_ina
    rtpp_rtp_rmt_ip_o rtpp_rtp_rmt_pt_o rtpp_rtp_rmt_ip_a rtpp_rtp_rmt_pt_a rtpp_rtcp_rmt_ip_o rtpp_rtcp_rmt_pt_o
    rtpp_rtcp_rmt_ip_a rtpp_rtcp_rmt_pt_a rtpp_hld_sts_o rtpp_hld_sts_a rtpp_hld_cnt_o rtpp_hld_cnt_a
"""
COLUMNS = COLUMN_NAMES.split()
HOLDS_THE_LOCK = """
import fcntl, sys
with open(sys.argv[1], "a") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print(flush=True)
    input()
"""
FILLS_THE_DISK = """
import resource, sys
from rtpp.modules.acct_csv import CsvFile
file = CsvFile(sys.argv[1])
def write(number, room):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        file.write({"number": str(number), "text": "x" * 50})
    except OSError as error:
        print(number, error.strerror)
for number, room in enumerate((10, 100, 100, resource.RLIM_INFINITY)):
    write(number, room)
"""


class AcctCsvTest(ModuleTest):
    def setUp(self) -> None:
        super().setUp()
        self.path = Path(self.directory, "rtpproxy_acct.csv")
        self.start = time.monotonic()
        self.table = self.make_table()

    def begin(self) -> None:
        (self.loaded,) = self.load(self.table, self.settings("acct_csv"))

    def end_session(self, call_id: str) -> None:
        session = self.make_session(self.table, call_id)
        with self.table.lock:
            self.table.end(session, self.start + 1)
        self.wait_idle(self.loaded)

    def rows(self) -> list[dict[str, str]]:
        lines = self.path.read_text().splitlines()
        self.assertEqual(lines[0].split(","), COLUMNS)
        return [dict(zip(COLUMNS, line.split(","))) for line in lines[1:]]

    def test_54_columns(self) -> None:
        self.assertEqual(len(COLUMNS), 54)
        self.begin()
        self.end_session("a")
        (line,) = self.path.read_text().splitlines()[1:]
        self.assertEqual(len(line.split(",")), 54)

    def test_a_call(self) -> None:
        self.begin()
        session, caller, callee = self.make_described_call(self.table, call_id="c@h", tag="f;1")
        now = self.start
        for number in (1, 2, 4):
            self.pass_packet(session, caller, rtp(number, ssrc=0xABC), now + number)
        self.pass_packet(session, callee, rtp(9, ssrc=0xDEF01234), now + 5)
        self.pass_packet(session, callee, b"\x80", now + 6)
        with self.table.lock:
            session.callee.hold()
            session.callee.hold()
        before = time.time()
        with self.table.lock:
            self.table.end(session, now + 7)
        self.wait_idle(self.loaded)
        (row,) = self.rows()
        expected = {
            "rec_ver": "1.2", "rtpp_node_id": socket.gethostname(), "rtpp_pid": str(os.getpid()), "sess_uid": "1",
            "call_id": "c@h", "from_tag": "f;1", "rtp_npkts_ina": "3", "rtp_npkts_ino": "2", "rtp_nrelayed": "5",
            "rtp_ndropped": "0", "rtcp_npkts_ina": "0", "rtpa_nsent_ina": "4", "rtpa_nrcvd_ina": "3",
            "rtpa_nlost_ina": "1", "rtpa_ndups_ina": "0", "rtpa_perrs_ino": "1", "rtpa_perrs_ina": "0",
            "rtpa_ssrc_last_ina": "0x00000ABC", "rtpa_ssrc_last_ino": "0xDEF01234", "rtpa_ssrc_cnt_ina": "1",
            "rtpa_pt_last_ina": "0", "rtpp_rtp_rmt_ip_o": "127.0.0.1", "rtpp_rtp_rmt_pt_o": str(callee.address[1]),
            "rtpp_rtp_rmt_pt_a": str(caller.address[1]), "rtpp_rtcp_rmt_pt_o": str(callee.address[1] + 1),
            "rtpp_hld_sts_o": "t", "rtpp_hld_sts_a": "f", "rtpp_hld_cnt_o": "2", "rtpp_hld_cnt_a": "0",
        }
        self.assertEqual({name: row[name] for name in expected}, expected)
        for name in ("setup_ts", "teardown_ts", "first_rtp_ts_ino", "last_rtp_ts_ina", "rtpa_jitter_max_ina"):
            self.assertRegex(row[name], r"^[0-9]+\.[0-9]{6}$")
        self.assertAlmostEqual(float(row["teardown_ts"]), before, delta=2)
        self.assertAlmostEqual(float(row["setup_ts"]), before, delta=2)
        self.assertAlmostEqual(float(row["last_rtp_ts_ina"]) - float(row["first_rtp_ts_ina"]), 3, places=4)

    def test_rtcp(self) -> None:
        self.begin()
        session, caller, _ = self.make_described_call(self.table)
        with self.table.lock:
            session.caller.rtcp.latch.prefill(caller.address, self.start)
        self.pass_packet(session, caller, rtcp(), self.start, control=True)
        with self.table.lock:
            self.table.end(session, self.start + 7)
        self.wait_idle(self.loaded)
        (row,) = self.rows()
        self.assertEqual([row[f"rtcp_{name}"] for name in ("npkts_ina", "npkts_ino", "nrelayed")], ["1", "0", "1"])

    def test_nothing_known(self) -> None:
        self.begin()
        self.end_session("a")
        (row,) = self.rows()
        for name, value in row.items():
            if "_rmt_" in name or "ssrc_last" in name:
                self.assertEqual(value, "", name)
            elif "_rtp_ts_" in name or "jitter" in name:
                self.assertEqual(value, "0.000000", name)
            elif "pt_last" in name:
                self.assertEqual(value, "-1", name)
            elif "npkts" in name or name.startswith("rtpa_"):
                self.assertEqual(value, "0", name)

    def test_a_file_with_content_gets_no_header(self) -> None:
        self.path.write_text("before\n")
        self.begin()
        self.end_session("a")
        lines = self.path.read_text().splitlines()
        self.assertEqual((lines[0], len(lines)), ("before", 2))

    def test_rotation(self) -> None:
        """Moved, removed, or cut to nothing between two sessions."""
        self.begin()
        self.end_session("a")
        moved = Path(self.directory, "old")
        self.path.rename(moved)
        self.end_session("b")
        self.assertEqual([row["call_id"] for row in self.rows()], ["b"])
        self.assertEqual(len(moved.read_text().splitlines()), 2)
        self.path.unlink()
        self.end_session("c")
        self.assertEqual([(row["call_id"], row["sess_uid"]) for row in self.rows()], [("c", "3")])
        os.truncate(self.path, 0)
        self.end_session("d")
        self.assertEqual([row["call_id"] for row in self.rows()], ["d"])

    def test_waits_for_the_lock(self) -> None:
        """Another process that writes is waited for, by the module's thread alone."""
        self.begin()
        with subprocess.Popen([sys.executable, "-c", HOLDS_THE_LOCK, self.path], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as other:
            assert other.stdin is not None
            assert other.stdout is not None
            other.stdout.readline()  # it has the lock
            session = self.make_session(self.table, "a")
            with self.table.lock:
                self.table.end(session, self.start + 1)
            self.assertEqual(self.path.read_text(), "")
            other.stdin.write(b"\n")
        self.wait_idle(self.loaded)
        self.assertEqual(len(self.rows()), 1)

    def test_full_disk(self) -> None:
        """A line is written whole or not at all, and so is the header; later lines are written when there is room."""
        command = [sys.executable, "-c", FILLS_THE_DISK, self.path]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        self.assertEqual(done.stdout, "0 File too large\n2 File too large\n")
        self.assertEqual(self.path.read_text(), f"number,text\n1,{'x' * 50}\n3,{'x' * 50}\n")

    def test_no_place_to_write(self) -> None:
        os.rmdir(self.directory)
        with self.assertRaisesRegex(StartError, "cannot write rtpproxy_acct.csv in .*No such file"):
            self.load(self.table, self.settings("acct_csv"), start=False)
            self.modules.start()
        os.mkdir(self.directory)

    def test_a_directory_that_goes_away(self) -> None:
        """Costs the lines until it is there again, and one line in the log."""
        self.begin()
        self.path.unlink()
        os.rmdir(self.directory)
        with self.assertLogs("rtpproxy", "ERROR") as caught:
            self.end_session("a")
            self.end_session("b")
        self.assertEqual(len(caught.output), 1)
        os.mkdir(self.directory)
        self.end_session("c")
        self.assertEqual([row["call_id"] for row in self.rows()], ["c"])


if __name__ == "__main__":
    unittest.main()
