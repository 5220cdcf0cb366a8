"""The manual page mentions everything there is, and nothing that is not there."""

from __future__ import annotations

import os
import re
import unittest

from rtpp import cli
from rtpp.control.queries import SESSION_COUNTERS
from rtpp.errors import ErrorCode
from rtpp.signals import ABORT_SIGNALS, DRAIN_SIGNALS, END_SIGNALS
from rtpp.stats import COUNTERS

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "man", "rtpproxy.8")


def words(pattern: str, text: str) -> set[str]:
    """What the group of the pattern finds, one by one; lists of words are taken apart."""
    return {word for found in re.findall(pattern, text, re.MULTILINE) for word in re.split(r"[ ,|]+", found) if word}


class ManualPage(unittest.TestCase):
    def setUp(self) -> None:
        with open(PAGE, encoding="ascii") as file:
            self.page = file.read()

    def section(self, title: str) -> str:
        """The text of a section or subsection, up to the next heading."""
        found = re.search(rf"^\.S[hs] {title}\n(.*?)(?=^\.S[hs] )", self.page, re.MULTILINE | re.DOTALL)
        assert found is not None, title
        return found[1]

    def test_options(self) -> None:
        start, end = self.page.index(".Sh OPTIONS"), self.page.index(".Sh CONTROL SOCKETS")
        described = words(r"^(?:\.It Fl|\.Fl) (-?\w+|\?)(?=\s|$|\\)", self.page[start:end])
        letters = set(cli._SHORT_FLAGS + cli._SHORT_WITH_ARGUMENT)
        self.assertEqual(described, letters | {f"-{name}" for name in cli._LONG_OPTIONS})

    def test_error_replies(self) -> None:
        described = words(r"^\.It E(\d+)", self.section("Error replies"))
        self.assertEqual(described, {str(int(code)) for code in ErrorCode})

    def test_counters(self) -> None:
        pattern = r"^\.It Cm ([a-z_, ]+)$"
        self.assertEqual(words(pattern, self.section("Counters of a session")), set(SESSION_COUNTERS))
        self.assertEqual(words(pattern, self.section("Global counters")), set(COUNTERS))

    def test_signals(self) -> None:
        described = words(r"^\.It Dv ([A-Z0-9, ]+)$", self.section("SIGNALS"))
        self.assertEqual(described, {*END_SIGNALS, *DRAIN_SIGNALS, *ABORT_SIGNALS, "PIPE"})


if __name__ == "__main__":
    unittest.main()
