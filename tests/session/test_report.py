"""What is logged and counted when a session ends."""

from __future__ import annotations

import unittest

from rtpp.session.session import Session
from rtpp.session.table import SessionTable
from tests.session.harness import Party, SessionTest, describe, rtcp, rtp, serve


class ReportTest(SessionTest):
    def setUp(self) -> None:
        super().setUp()
        self.table: SessionTable = self.make_table()
        self.caller, self.callee, self.caller_rtcp = Party(self), Party(self), Party(self)

    def call(self) -> Session:
        session = self.make_call(self.table, "c")
        with self.table.lock:
            describe(session.caller, self.caller, self.caller_rtcp)
        return session

    def send(self, session: Session, data: bytes, at: float) -> None:
        self.caller.send(data, session.caller.rtp)
        serve(session.caller.rtp, self.start + at)

    def lines(self, session: Session) -> list[str]:
        """What is logged at level INFO at the end of a session."""
        with self.assertLogs("rtpproxy", "INFO") as caught, self.table.lock:
            self.table.end(session, self.start + 10)
        return [record.getMessage() for record in caught.records]

    def test_lines(self) -> None:
        session = self.call()
        with self.table.lock:
            describe(session.callee, self.callee)
        for number, at in ((1, 0.0), (2, 0.02), (2, 0.03), (4, 1.5)):
            self.send(session, rtp(number, ssrc=0xABC), at)
        self.send(session, b"junk", 1.5)
        self.caller_rtcp.send(rtcp(), session.caller.rtcp)
        serve(session.caller.rtcp, self.start)
        stranger = Party(self)
        stranger.send(rtp(5, ssrc=9), session.caller.rtp)
        serve(session.caller.rtp, self.start + 2)
        ports = session.callee.rtp.port, session.caller.rtp.port
        lines = self.lines(session)
        self.assertRegex(lines.pop(2), r"\ARTP times: caller: first in at \d{10}\.\d{6}, duration 1\.500000, "
                                       r"longest IPI 1\.470000\Z")
        self.assertEqual(lines[:5], [
            "RTP stats: 0 in from callee, 5 in from caller, 5 relayed, 0 dropped, 1 ignored",
            "RTCP stats: 0 in from callee, 1 in from caller, 1 relayed, 0 dropped, 0 ignored",
            "RTP stream from caller: SSRC=0x00000ABC, ssrc_changes=1, psent=4, precvd=3, plost=1, pdups=1",
            "RTP stream from callee: SSRC=NONE, ssrc_changes=0, psent=0, precvd=0, plost=0, pdups=0",
            f"session on ports {ports[0]}/{ports[1]} is cleaned up",
        ])
        stats = self.table.stats
        self.assertEqual((stats.rtpa_nsent, stats.rtpa_nrcvd, stats.rtpa_ndups, stats.rtpa_nlost, stats.rtpa_perrs),
                         (4, 3, 1, 1, 1))

    def test_nothing_but_junk(self) -> None:
        session = self.call()
        self.send(session, b"junk", 0.0)
        lines = self.lines(session)
        self.assertEqual(lines[0], "RTP stats: 0 in from callee, 1 in from caller, 0 relayed, 1 dropped, 0 ignored")
        self.assertIn("RTP stream from caller: SSRC=NONE, ssrc_changes=0, psent=0, precvd=0, plost=0, pdups=0", lines)
        self.assertEqual(self.table.stats.rtpa_perrs, 1)

    def test_packets_that_could_not_be_sent(self) -> None:
        session = self.call()
        session.callee.rtp.send_errors = 3
        self.assertIn("RTP stats: 3 packets could not be sent", self.lines(session))

    def test_changes_of_source(self) -> None:
        session = self.call()
        with self.assertLogs("rtpproxy", "INFO") as caught:
            for number, ssrc in ((1, 5), (2, 5), (700, 9), (701, 9), (1, 5)):
                self.send(session, rtp(number, ssrc), number / 50)
        said = [record.getMessage() for record in caught.records]
        self.assertEqual([line for line in said if line.startswith("SSRC changed")],
                         ["SSRC changed from 0x00000005/2 to 0x00000009/700",
                          "SSRC changed from 0x00000009/701 to 0x00000005/1"])
        self.assertIn("RTP stream from caller: SSRC=0x00000005, ssrc_changes=3, psent=5, precvd=5, plost=0, pdups=0",
                      self.lines(session))


if __name__ == "__main__":
    unittest.main()
