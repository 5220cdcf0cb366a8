"""The commands that the documentation tells its readers to type.

What counts as a command:

- in a block (fenced without a language or with `sh`, or indented): a line that begins with `$ `, or whose first word is
  one of PROGRAMS. `...` at the end stands for further options. Behind two blanks or `#` begins an explanation.
- in running text: `code` that begins with one of PROGRAMS and goes on, or that is a target of make.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.daemon.program import ROOT

OURS = {"rtpproxy", "rtpproxy.py", "rtppctl", "makeann", "extractaudio"}
PROGRAMS = OURS | {"apt", "apt-get", "b2bua_radius", "cp", "curl", "docker", "dpkg", "git", "install", "kamailio",
                   "kill", "make", "nc", "pip", "pipx", "promtool", "python3", "rpm", "sudo", "systemctl",
                   "systemd-analyze", "systemd-sysusers"}
_BLOCK = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


class Command(NamedTuple):
    """A command as it is written, without explanation, and where."""

    document: str
    text: str

    @property
    def words(self) -> list[str]:
        return [word for word in shlex.split(self.text) if word != "..."]

    @property
    def program(self) -> str:
        return os.path.basename(self.words[0])


def documents() -> list[Path]:
    return [Path(ROOT, "README"), *sorted(Path(ROOT, "docs").rglob("*.md"))]


def commands() -> list[Command]:
    """All of them, each once, with the first document that has it."""
    found: dict[str, Command] = {}
    for path in documents():
        for text in commands_in(path.read_text("utf-8")):
            found.setdefault(text, Command(str(path.relative_to(ROOT)), text))
    return list(found.values())


def commands_in(text: str) -> Iterator[str]:
    prose = _BLOCK.sub("\n", text)
    for language, block in _BLOCK.findall(text):
        if language in ("", "sh"):
            yield from _in_block(block)
    yield from _in_block("".join(re.findall(r"^    .*\n", prose, re.MULTILINE)))
    for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"^    .*\n", "", prose, flags=re.MULTILINE)):
        words = code.split()
        if len(words) > 1 and os.path.basename(words[0]) in PROGRAMS - {"make"} and words[1] != "...":
            yield " ".join(words)
        elif re.fullmatch(r"make( [a-z]+)?( [A-Z]+=\S+)*", code):
            yield code


def transcript(program: str) -> list[tuple[str, str]]:
    """What README shows of a conversation with a program: pairs of a line typed and the reply."""
    found = re.search(rf"^\$ {program}.*\n((?:.+\n)*?)```", Path(ROOT, "README").read_text("utf-8"), re.MULTILINE)
    assert found is not None
    lines = [re.split(r"\s{2,}", line)[0] for line in found[1].splitlines()]
    return list(zip(lines[::2], lines[1::2]))


def _in_block(block: str) -> Iterator[str]:
    for line in re.sub(r"\\\n\s*", "", block).splitlines():
        line = line.strip()
        marked = line.startswith("$ ")
        line = re.split(r"\s{2,}|\s#", line[2:] if marked else line, maxsplit=1)[0] if line else ""
        first = line.split(" ", 1)[0]
        if marked or (" " in line and os.path.basename(first) in PROGRAMS):
            yield line
