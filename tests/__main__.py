"""Run the tests below a folder (default: all but interop) and end with `N passed, N failed, N skipped`.

    python3 -m tests [-v] [FOLDER_OR_MODULE ...]      for example: tests/rtp  tests.daemon.test_signals
"""

from __future__ import annotations

import argparse
import os
import sys
import unittest


def load(target: str) -> unittest.TestSuite:
    """Tests of one folder (recursively) or of one dotted module."""
    loader = unittest.TestLoader()
    if os.path.isdir(target):
        return loader.discover(target, top_level_dir=".")
    return loader.loadTestsFromName(target.removesuffix(".py").replace("/", "."))


def default_targets() -> list[str]:
    """Every folder of tests except those that need programs from elsewhere, and the modules beside the folders."""
    entries = sorted(os.scandir("tests"), key=lambda entry: entry.name)
    folders = [f"tests/{e.name}" for e in entries if e.is_dir() and not e.name.startswith("_") and e.name != "interop"]
    return folders + [f"tests/{e.name}" for e in entries if e.name.startswith("test_") and e.name.endswith(".py")]


class Result(unittest.TextTestResult):
    """Counts what passed: it does not follow from the rest when a whole class or several sub-tests fail."""

    passed = 0

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self.passed += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args()
    suite = unittest.TestSuite(load(target) for target in options.targets or default_targets())
    result = unittest.TextTestRunner(verbosity=2 if options.verbose else 1, resultclass=Result).run(suite)
    assert isinstance(result, Result)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    for test, reason in result.skipped:
        print(f"skipped: {test}: {reason}")
    print(f"{result.passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
