"""The status page is one file that needs nothing else, and its policy lets it do no more than it must."""

from __future__ import annotations

import base64
import hashlib
import re
import unittest

from rtpp.http import page

PAGE = page.BYTES.decode("utf-8")


class PageTest(unittest.TestCase):
    def test_is_whole(self) -> None:
        self.assertTrue(PAGE.startswith("<!DOCTYPE html>"))
        self.assertTrue(PAGE.rstrip().endswith("</html>"))
        self.assertNotIn("{style}", PAGE)
        self.assertNotIn("{script}", PAGE)

    def test_has_no_control_characters(self) -> None:
        """A browser would replace some of them, and the hashes would not hold."""
        self.assertNotRegex(PAGE, r"[\x00-\x09\x0b-\x1f\x7f]")

    def test_needs_nothing_from_elsewhere(self) -> None:
        found = set(re.findall(r"https?://[^\"' )]+", PAGE))
        self.assertEqual(found, {"http://www.w3.org/2000/svg"}, "only the name of a format, which is never fetched")
        self.assertEqual(re.findall(r"\bsrc=|@import|url\(", PAGE), [])

    def test_the_policy_allows_just_this_style_and_script(self) -> None:
        for element, directive in (("style", "style-src"), ("script", "script-src")):
            texts = re.findall(rf"<{element}>(.*?)</{element}>", PAGE, re.DOTALL)
            self.assertEqual(len(texts), 1)
            digest = base64.b64encode(hashlib.sha256(texts[0].encode()).digest()).decode()
            self.assertIn(f"{directive} 'sha256-{digest}'", page.POLICY)
        self.assertIn("default-src 'none'", page.POLICY)
        self.assertIn("frame-ancestors 'none'", page.POLICY)
        self.assertNotIn("unsafe", page.POLICY)

    def test_nothing_is_ever_taken_for_markup(self) -> None:
        for danger in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(",
                       "onclick", "javascript:", "style=\""):
            self.assertNotIn(danger, PAGE)


if __name__ == "__main__":
    unittest.main()
