"""The manual page of rtppctl names every command and option."""

from __future__ import annotations

import os
import re
import unittest

from rtpp.tools.rtppctl import _COMMANDS
from tests.daemon.program import ROOT
from tests.tools.calling import rtppctl_run


class Manual(unittest.TestCase):
    def setUp(self) -> None:
        with open(os.path.join(ROOT, "man", "rtppctl.1"), encoding="ascii") as file:
            self.page = file.read()

    def test_commands(self) -> None:
        described = re.findall(r"^\.It (?:Xo )?Cm ([a-z]+)", self.page, re.MULTILINE)
        self.assertEqual(set(described), set(_COMMANDS))

    def test_options(self) -> None:
        described = set(re.findall(r"\bFl (-?[a-z-]+)", self.page))
        for command in _COMMANDS:
            said = rtppctl_run(command, "--help").output
            options = {option[1:] for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", said)} - {"h", "-help"}
            self.assertLessEqual(options, described, command)
