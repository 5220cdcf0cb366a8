"""The program as one file, copied to where there is nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile
from collections.abc import Callable
from pathlib import Path

from rtpp import __version__
from tests.daemon.program import ROOT, Lines, wait_until

WHAT_MAKE_NEEDS = ("Makefile", "rtpp", "tools", "rtpproxy.py")


@unittest.skipUnless(shutil.which("make"), "no make here")
class SingleFileTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def build(self, name: str, *, mode: int = 0o644, zone: str = "UTC", umask: int = 0o022) -> Path:
        """`make` in a fresh copy of the sources; times, modes and order of its files are its own."""
        copy = self.directory / name
        copy.mkdir()
        for source in WHAT_MAKE_NEEDS:
            path = Path(ROOT, source)
            if path.is_dir():
                no_byte_code = shutil.ignore_patterns("__pycache__")
                shutil.copytree(path, copy / source, ignore=no_byte_code, copy_function=shutil.copyfile)
            else:
                shutil.copyfile(path, copy / source)
        for path in copy.rglob("*.py"):
            path.chmod(mode)
        environment = {**os.environ, "TZ": zone, "MAKEFLAGS": ""}
        subprocess.run(["make", "-s", f"PYTHON={sys.executable}"], cwd=copy, env=environment, check=True, timeout=60,
                       stdout=subprocess.DEVNULL, umask=umask)
        return copy / "build" / "rtpproxy"

    def alone(self, built: Path) -> Path:
        """The file in an empty directory, its sources gone."""
        place = self.directory / "elsewhere"
        place.mkdir()
        alone = place / "rtpproxy"
        shutil.copy(built, alone)
        shutil.rmtree(built.parent.parent)
        return alone

    def environment(self) -> dict[str, str]:
        """Nothing that could lead to the sources; python3 is the one that runs the tests."""
        path = self.directory / "bin"
        path.mkdir(exist_ok=True)
        if not (path / "python3").exists():
            (path / "python3").symlink_to(sys.executable)
        return {"PATH": f"{path}:/usr/bin:/bin", "HOME": str(self.directory)}

    def test_same_sources_same_bytes(self) -> None:
        one = self.build("one")
        two = self.build("two", mode=0o600, zone="Asia/Tokyo", umask=0o077)
        self.assertEqual(one.read_bytes(), two.read_bytes())

    def test_runs_alone(self) -> None:
        alone = self.alone(self.build("one"))
        for command in ([str(alone)], [sys.executable, "-I", str(alone)]):
            result = subprocess.run([*command, "-V"], cwd=alone.parent, env=self.environment(), capture_output=True,
                                    text=True, check=False, timeout=60)
            self.assertEqual((result.returncode, result.stdout.strip(), result.stderr), (0, __version__, ""))
        self.assertEqual(os.listdir(alone.parent), ["rtpproxy"])  # no byte code left beside it

    def changed(self, built: Path, name: str, change: Callable[[str, bytes], bytes]) -> Path:
        """A copy of the file whose members are others."""
        copy = self.directory / name
        with zipfile.ZipFile(built) as archive, zipfile.ZipFile(copy, "w") as made:
            for member in archive.namelist():
                made.writestr(member, change(member, archive.read(member)))
        return copy

    def version_of(self, file: Path) -> str:
        return subprocess.run([sys.executable, "-I", str(file), "-V"], capture_output=True, text=True,
                              timeout=60).stdout.strip()

    def test_byte_code_is_used_where_it_can_be(self) -> None:
        """By this version of Python, which takes no look at the sources; another version compiles them."""
        built = self.build("one")
        without_sources = self.changed(built, "compiled", lambda name, data: b"raise SystemExit('no byte code')"
                                       if name.endswith(".py") and name != "__main__.py" else data)
        self.assertEqual(self.version_of(without_sources), __version__)
        of_another = self.changed(built, "other", lambda name, data: b"\0\0\r\n" + data[4:]
                                  if name.endswith(".pyc") else data)
        self.assertEqual(self.version_of(of_another), __version__)

    def test_answers_by_the_name_it_is_called_with(self) -> None:
        """Through the links that make puts beside it, and by its first word."""
        built = self.build("one")
        for words in ([built.parent / "makeann"], [built, "makeann"]):
            result = subprocess.run([str(word) for word in words], cwd=self.directory, env=self.environment(),
                                    capture_output=True, text=True, timeout=60)
            self.assertIn("usage: makeann", result.stderr)

    def test_serves_alone(self) -> None:
        """Also with the file gone after the start, as an upgrade does it."""
        alone = self.alone(self.build("one"))
        words = [str(alone), "-f", "-F", "-l", "127.0.0.1", "-d", "CRIT", "-p", "pid", "-s", "cunix:control"]
        process = subprocess.Popen(words, cwd=alone.parent, env=self.environment(), stdin=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        pid = alone.parent / "pid"
        wait_until(lambda: pid.exists() and pid.read_bytes(), "the program serves")
        alone.unlink()
        client = Lines(str(alone.parent / "control"))
        self.addCleanup(client.close)
        self.assertEqual(client.ask("V"), "20040107")
        self.assertRegex(client.ask("U a 127.0.0.1 4 f"), r"\A\d+ 127\.0\.0\.1\Z")
        self.assertEqual(client.ask("C a udp:localhost:3000 f"), "0")
        self.assertEqual(client.ask("P a nothing 0 f"), "E60")
        process.terminate()
        self.assertEqual(process.wait(10), 0)
        self.assertEqual(os.listdir(alone.parent), [])


if __name__ == "__main__":
    unittest.main()
