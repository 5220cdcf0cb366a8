"""Every error of the protocol in words."""

from __future__ import annotations

import unittest

from rtpp.errors import ErrorCode
from rtpp.tools.ctl.failures import MEANINGS, is_error, meaning


class Words(unittest.TestCase):
    def test_every_code(self) -> None:
        self.assertEqual(set(MEANINGS), set(ErrorCode))
        self.assertIn("does not know", meaning(12345))

    def test_what_an_error_looks_like(self) -> None:
        for reply, wanted in (("E0", True), ("E99", True), ("0", False), ("E", False), ("E0 ", False), ("35", False)):
            self.assertEqual(is_error(reply), wanted, reply)
