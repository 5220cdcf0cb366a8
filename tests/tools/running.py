"""Runs a companion program inside the test: its arguments in, status and output out."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Callable, NamedTuple
from unittest import mock


class Result(NamedTuple):
    status: int
    output: str
    errors: str


def run(main: Callable[[], None], *arguments: str) -> Result:
    """What `main` does as a program with these arguments."""
    output, errors = io.StringIO(), io.StringIO()
    status: object = 0
    arguments_patch = mock.patch.object(sys, "argv", ["program", *arguments])
    with arguments_patch, contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            main()
        except SystemExit as end:
            status = end.code
    if isinstance(status, str):  # sys.exit(text) prints it and exits with 1
        errors.write(status + "\n")
        status = 1
    assert status is None or isinstance(status, int)
    return Result(status or 0, output.getvalue(), errors.getvalue())
