"""Run the tests below a folder (default: all but interop) and end with `N passed, N failed, N skipped`.

    python3 -m tests [-v] [-j JOBS] [FOLDER_OR_MODULE ...]      for example: tests/rtp  tests.daemon.test_signals

Modules run in as many processes as there are processors; most tests wait most of
the time.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import unittest
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import NamedTuple

SLOW = ("tests.daemon", "tests.tools", "tests.docs", "tests.http")  # begin with these


def modules(target: str) -> list[str]:
    """The dotted names of the test modules below a folder, or of one module."""
    if not os.path.isdir(target):
        return [target.removesuffix(".py").replace("/", ".")]
    found = []
    for folder, _, names in os.walk(target):
        package = os.path.normpath(folder).replace(os.sep, ".")
        found += [f"{package}.{name[:-3]}" for name in names if name.startswith("test_") and name.endswith(".py")]
    return sorted(found)


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


class Outcome(NamedTuple):
    """Of one module."""

    run: int
    passed: int
    failed: int
    skipped: list[str]
    text: str  # what there is to say: failures, with -v everything


def run(module: str, verbose: bool) -> Outcome:
    suite = unittest.TestLoader().loadTestsFromName(module)
    stream = io.StringIO()
    runner = unittest.TextTestRunner(stream, verbosity=2 if verbose else 1, resultclass=Result)
    result = runner.run(suite)
    assert isinstance(result, Result)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    skipped = [f"{test}: {reason}" for test, reason in result.skipped]
    return Outcome(result.testsRun, result.passed, failed, skipped, stream.getvalue() if failed or verbose else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="modules at a time")
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args()
    names = [name for target in options.targets or default_targets() for name in modules(target)]
    names.sort(key=lambda name: not name.startswith(SLOW))
    outcomes = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for done in as_completed([pool.submit(run, name, options.verbose) for name in names]):
            outcomes.append(done.result())
            print(outcomes[-1].text or ".", end="", flush=True)
    print()
    for outcome in outcomes:
        for skipped in outcome.skipped:
            print(f"skipped: {skipped}")
    passed, failed = sum(outcome.passed for outcome in outcomes), sum(outcome.failed for outcome in outcomes)
    print(f"{passed} passed, {failed} failed, {sum(len(outcome.skipped) for outcome in outcomes)} skipped")
    return 1 if failed or not any(outcome.run for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
