"""What log lines begin with, written by the real program."""

from __future__ import annotations

import re
import time

from rtpp.log import CLOCK_NAME
from tests.daemon.program import ENVIRONMENT, ProgramCase, wait_until


class RelativeTimesTest(ProgramCase):
    def hours(self, **environment: str) -> int:
        """Hours at the start of the first line, which is written within a minute."""
        program = self.program("-l 127.0.0.1 -s cunix:{dir}/control -d INFO", env={**ENVIRONMENT, **environment})
        wait_until(lambda: "\n" in program.log(), "a line in the log")
        found = re.match(r"(\d\d):00:\d\d\.\d{3}/INFO:GLOBAL:", program.log())
        assert found is not None, program.log()
        return int(found[1])

    def test_since_a_time_of_the_clock(self) -> None:
        """The clock is the one that -C names."""
        start = time.clock_gettime(getattr(time, CLOCK_NAME)) - 7200
        self.assertEqual(self.hours(RTPP_LOG_TFORM="rel", RTPP_LOG_TSTART=f"{start:f}"), 2)

    def test_since_the_start(self) -> None:
        self.assertEqual(self.hours(RTPP_LOG_TFORM="rel"), 0)
        self.assertEqual(self.hours(RTPP_LOG_TFORM="rel", RTPP_LOG_TSTART="soon"), 0)

    def test_not_unless_asked(self) -> None:
        environment = {**ENVIRONMENT, "RTPP_LOG_TSTART": "1"}
        program = self.program("-l 127.0.0.1 -s cunix:{dir}/control -d INFO", env=environment)
        wait_until(lambda: "\n" in program.log(), "a line in the log")
        self.assertRegex(program.log(), r"\AINFO:GLOBAL:")
