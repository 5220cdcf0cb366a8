"""The table of programs, what else must name each of them, and their completions in shells."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from rtpp import __version__, cli
from rtpp.programs import PROGRAMS

ROOT = Path(__file__).resolve().parent.parent
COMPLETIONS = ROOT / "packaging" / "completions"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def proxy_options() -> set[str]:
    return ({f"-{letter}" for letter in cli._SHORT_FLAGS + cli._SHORT_WITH_ARGUMENT}
            | {f"--{name}" for name in cli._LONG_OPTIONS})


def getopt_options(path: str) -> set[str]:
    """What a tool hands to getopt."""
    found = re.search(r'gnu_getopt\(arguments, "([^"]*)"(?:, \[([^\]]*)\])?', read(path))
    assert found is not None, path
    return ({f"-{letter}" for letter in found[1].replace(":", "")}
            | {f"--{name}" for name in re.findall(r'"([a-z-]+)=?"', found[2] or "")})


def ctl_words() -> tuple[set[str], set[str]]:
    """Options and commands of rtppctl, as its --help lists them."""
    text = subprocess.run([sys.executable, str(ROOT / "rtpproxy.py"), "rtppctl", "--help"], capture_output=True,
                          text=True, check=True, timeout=60, env={**os.environ, "COLUMNS": "100"}).stdout
    return set(re.findall(r"(?<=[\s,])--?[a-z]+(?=[\s,])", text.split("options:")[1].split("\n\n")[0])), set(
        re.findall(r"^    ([a-z]+) ", text, re.MULTILINE))


class TableTest(unittest.TestCase):
    def test_the_same_programs_everywhere(self) -> None:
        scripts = re.search(r"\[project.scripts\]\n(.*?)\n\n", read("pyproject.toml"), re.DOTALL)
        assert scripts is not None
        self.assertEqual(dict(re.findall(r'^(\w+) = "([\w.]+):main"$', scripts[1], re.MULTILINE)),
                         {**PROGRAMS, "rtpproxy": "rtpp.programs"})
        made = re.search(r"^PROGRAMS = (.*)$", read("Makefile"), re.MULTILINE)
        assert made is not None
        self.assertEqual(made[1].split(), list(PROGRAMS))
        self.assertEqual({path.name.split(".")[0] for path in (ROOT / "man").iterdir()}, set(PROGRAMS))

    def test_which_one(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            link = os.path.join(directory, "makeann")
            os.symlink(ROOT / "rtpproxy.py", link)
            script = str(ROOT / "rtpproxy.py")
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            for words, expected in (([script, "-V"], __version__), ([script, "makeann"], "usage: makeann"),
                                    ([link], "usage: makeann"), ([script, "rtpproxy", "-V"], __version__),
                                    ([script, "extractaudio"], "usage: extractaudio"),
                                    ([script, "-f", "makeann"], "usage: rtpproxy")):
                with self.subTest(words[1:]):
                    result = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=60,
                                            env=environment)
                    self.assertIn(expected, result.stdout + result.stderr)

    def test_versions_of_packages(self) -> None:
        self.assertTrue(read("debian/changelog").startswith(f"rtpproxy ({__version__}) "))


class CompletionsTest(unittest.TestCase):
    def test_zsh(self) -> None:
        text = (COMPLETIONS / "_rtpproxy").read_text(encoding="ascii")
        self.assertEqual(set(text.partition("\n")[0].split()), {"#compdef", *PROGRAMS})
        offered = {name: set(re.findall(r"^ +'\*?(--?[A-Za-z0-9?_-]+?)=?-?\[", body, re.MULTILINE))
                   for name, body in re.findall(r"^_(\w+)\(\) \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE)}
        self.assertEqual(offered, {
            "rtpproxy_itself": proxy_options(),
            "makeann": getopt_options("rtpp/tools/makeann.py"),
            "extractaudio": getopt_options("rtpp/tools/extract/options.py"),
            "rtppctl": ctl_words()[0],
        })
        commands = re.search(r"'1:command:\((.*)\)'", text)
        assert commands is not None
        self.assertEqual(set(commands[1].split()), ctl_words()[1])

    @unittest.skipUnless(shutil.which("bash"), "no bash here")
    def test_bash(self) -> None:
        for program, word, expected in (
                ("rtpproxy", "-", proxy_options()), ("makeann", "-", getopt_options("rtpp/tools/makeann.py")),
                ("extractaudio", "-", getopt_options("rtpp/tools/extract/options.py")),
                ("rtppctl", "-", ctl_words()[0]), ("rtppctl", "", ctl_words()[1]),
                ("rtpproxy", "--no_re", {"--no_redirect", "--no_resolve"}), ("rtpproxy", "-c", {"-c"})):
            with self.subTest(program=program, word=word):
                self.assertEqual(self.complete(program, word), expected)

    def complete(self, program: str, word: str) -> set[str]:
        """What bash offers for the first word."""
        script = ('source "$1"; COMP_WORDS=("$2" "$3"); COMP_CWORD=1; '
                  '"$(complete -p "$2" | sed "s/.*-F \\([^ ]*\\) .*/\\1/")" && printf "%s\\n" "${COMPREPLY[@]}"')
        result = subprocess.run(["bash", "-c", script, "bash", str(COMPLETIONS / "rtpproxy.bash"), program, word],
                                capture_output=True, text=True, timeout=60)
        self.assertEqual(result.stderr, "")
        return set(result.stdout.split())


if __name__ == "__main__":
    unittest.main()
