"""The log lines that the documentation quotes are such as the program writes: level, function and wording.

Every call of a log method is found in the sources together with the function around it; its format becomes a pattern
that the quoted line must match. Numbers of lines are left out in the documentation.
"""

from __future__ import annotations

import ast
import re
import unittest
from pathlib import Path
from typing import NamedTuple, Optional

from rtpp.errors import ErrorCode
from tests.daemon.program import ROOT

LEVELS = {"debug": "DBUG", "info": "INFO", "warning": "WARN", "error": "ERR", "critical": "CRIT",
          "_note": "INFO", "_warning": "WARN"}
WRITTEN_BY = {"_note": "_advise", "_warning": "_advise"}  # what these return is logged there
CONVERSIONS = re.compile(r"%(?:%|[-0-9.]*[sdrfXxa])")


class Line(NamedTuple):
    level: str
    function: str
    pattern: re.Pattern[str]


def as_pattern(text: str) -> re.Pattern[str]:
    """What a format string can become."""
    parts, end = [], 0
    for found in CONVERSIONS.finditer(text):
        parts += [re.escape(text[end : found.start()]), "%" if found[0] == "%%" else ".+"]
        end = found.end()
    return re.compile("".join(parts) + re.escape(text[end:]))


def refusals() -> list[re.Pattern[str]]:
    """What can stand behind `command refused: `: the code and its name, and a text of an error in the sources."""
    texts = []
    for path in sorted(Path(ROOT, "rtpp").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("Error"):
                texts += [_pattern_of(text) for text in node.args if isinstance(text, (ast.Constant, ast.JoinedStr))]
    codes = "|".join(f"E{int(code)} {code.name.lower()}" for code in ErrorCode)
    return [re.compile(f"command refused: (?:{codes}): {text}") for text in texts]


def _pattern_of(text: ast.expr) -> str:
    if isinstance(text, ast.Constant):
        return re.escape(str(text.value))
    assert isinstance(text, ast.JoinedStr)
    return "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+" for part in text.values)


def lines_of_the_program() -> list[Line]:
    found: list[Line] = []

    def visit(node: ast.AST, function: str) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = node.name
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            text = node.args[0].value
            if name in LEVELS and isinstance(text, str):
                found.append(Line(LEVELS[name], WRITTEN_BY.get(name, function), as_pattern(text)))
        for child in ast.iter_child_nodes(node):
            visit(child, function)

    for path in sorted(Path(ROOT, "rtpp").rglob("*.py")):
        visit(ast.parse(path.read_text("utf-8")), "")
    return found


def quoted(text: str) -> list[str]:
    """The lines of all blocks of log lines."""
    return [line for block in re.findall(r"^```log\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
            for line in block.splitlines()]


class LogLines(unittest.TestCase):
    def setUp(self) -> None:
        self.lines = lines_of_the_program()
        self.refusals = refusals()

    def reason_against(self, line: str) -> Optional[str]:
        found = re.fullmatch(r"([A-Z]+):([^:]+):(\w+): (.*)", line)
        if found is None:
            return "not of the form LEVEL:CALL-ID:function: message"
        same_text = [known for known in self.lines if known.pattern.fullmatch(found[4])]
        if not same_text:
            return "no such message"
        if not any((known.level, known.function) == (found[1], found[3]) for known in same_text):
            return f"it is written as {sorted((known.level, known.function) for known in same_text)}"
        if found[4].startswith("command refused: ") and not any(one.fullmatch(found[4]) for one in self.refusals):
            return "no command is refused with this"
        return None

    def test_quoted_lines_are_real(self) -> None:
        count = 0
        for path in sorted(Path(ROOT, "docs").glob("*.md")):
            for line in quoted(path.read_text("utf-8")):
                count += 1
                with self.subTest(path.name, line=line):
                    self.assertIsNone(self.reason_against(line))
        self.assertGreater(count, 20)

    def test_wrong_lines_are_found(self) -> None:
        for line in ("session timeout", "INFO:c:expire: session over", "WARN:c:expire: session timeout",
                     "INFO:c:create: session timeout",
                     "WARN:c:_guarded: command refused: E50 no_session: no such thing",
                     "WARN:c:_guarded: command refused: E51 no_session: no session, or it cannot be recorded"):
            self.assertIsNotNone(self.reason_against(line), line)
        self.assertIsNone(self.reason_against("INFO:c:expire: session timeout"))


if __name__ == "__main__":
    unittest.main()
