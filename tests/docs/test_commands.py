"""Every command of README and docs works as it is written.

Programs of ours run for real: the proxy starts and serves, rtppctl asks a proxy that has a call, the tools get files of
the names used. Only what must differ is changed: addresses become loopback addresses, ports free ones, paths those of
a temporary directory. Other commands need a line in ELSEWHERE that says which test covers them; a command that is
neither fails here.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest
import wave
from pathlib import Path

from tests.daemon.program import ENVIRONMENT, PATIENCE, ROOT, Datagrams, Program, ProgramCase
from tests.docs.commands import OURS, Command, commands, commands_in
from tests.ports import free_port
from tests.tools.extracting import adhoc, stream

# Beginning of a command: the test that runs it, where it needs a service, root or other software.
ELSEWHERE = {
    "apt install ./build/rtpproxy_1.0.0_all.deb": "tests/interop/test_service.py::test_installed_upgraded_purged",
    "b2bua_radius": "tests/interop/test_sippy.py::test_every_transport",
    "cp /usr/share/doc/rtpproxy/examples/": "tests/interop/test_service.py::test_documented_commands",
    "make": "tests/daemon/test_single_file.py::test_runs_alone",
    "make INTERPRETER=/usr/bin/python3": "tests/interop/test_packaging.py::test_contents_and_scriptlets",
    "make bench": "tests/interop/test_readme.py::test_bench",
    "make deb": "tests/interop/test_service.py::setUpModule",
    "make demo": "tests/interop/test_readme.py::test_first_screen",
    "make install": "tests/docs/test_commands.py::test_install",
    "make interop": ".ci/run",
    "make rpm": "tests/interop/test_packaging.py::test_contents_and_scriptlets",
    "make test": ".ci/run",
    "nc -u 127.0.0.1 22222": "tests/interop/test_readme.py::test_first_screen",
    "pip install .": "tests/interop/test_packaging.py::test_pip",
    "pipx install .": "tests/interop/test_packaging.py::test_pipx",
    "rtppctl drain -p /run/rtpproxy/pid": "tests/interop/test_service.py::test_is_drained_by_rtppctl",
    "rtppctl watch": "tests/tools/test_rtppctl_watch.py::test_shows_and_refreshes",
    "systemctl": "tests/interop/test_service.py::test_documented_commands",
    "systemd-analyze security rtpproxy.service": "tests/interop/test_systemd.py::test_exposure",
    "systemd-sysusers": "tests/interop/test_service.py::test_make_install",
}
MODULES = {"rtppctl": "rtpp.tools.rtppctl", "makeann": "rtpp.tools.makeann", "extractaudio": "rtpp.tools.extractaudio"}
PORT, WEB_PORT = "22222", "9600"  # those of the examples
PAIRS = 4  # of ports for each proxy


def elsewhere(command: Command) -> str:
    """The test that covers a command: what the longest beginning of it says."""
    text = f"{shlex.join(command.words)} "
    known = [beginning for beginning in ELSEWHERE
             if text.startswith(beginning if beginning.endswith("/") else f"{beginning} ") and
             (beginning != "make" or text == "make ")]
    return ELSEWHERE[max(known, key=len)] if known else ""


def has_test(name: str, command: Command) -> bool:
    """Whether there is the test `FILE::FUNCTION`; or, of a script, whether it has the command."""
    file, _, function = name.partition("::")
    text = Path(ROOT, file).read_text("utf-8")
    return f"def {function}(" in text if function else command.text in text


def as_ours(command: Command) -> list[str]:
    """The words, with `python3 -m rtpp.tools.rtppctl` and `python3 rtpproxy.py` as the program that they start."""
    words = command.words
    if words[0] == "python3" and words[1] == "-m":
        return [words[2].rpartition(".")[2], *words[3:]]
    if words[0] == "python3":
        words = words[1:]
    words = [os.path.basename(words[0]).replace(".py", ""), *words[1:]]
    return words[1:] if words[0] == "rtpproxy" and words[1] in OURS else words


class Commands(ProgramCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def test_every_command(self) -> None:
        found = commands()
        self.assertGreater(len(found), 15)
        for command in found:
            with self.subTest(command.document, command=command.text):
                if covered := elsewhere(command):
                    self.assertTrue(has_test(covered, command), covered)
                elif as_ours(command)[0] in OURS:
                    self.run_ours(as_ours(command))
                else:
                    self.fail("not covered: make it one of our programs, or name its test in ELSEWHERE")

    def run_ours(self, words: list[str]) -> None:
        if words[0] == "rtpproxy":
            self.start_proxy(words[1:])
        elif words[0] == "rtppctl":
            self.ask_proxy(words)
        else:
            self.make_files(words)
            self.assert_succeeds(words, self.directory)

    # -- the programs ---------------------------------------------------------------------------------

    def start_proxy(self, options: list[str]) -> None:
        """It serves, and ends when it is told to."""
        changed = [self.changed(word) for word in options]
        for option in ("-r", "-S"):
            if option in options:
                os.makedirs(changed[options.index(option) + 1].replace("{dir}", self.directory), exist_ok=True)
        for option in ("-u", "-p"):  # the user may not exist here, and the test has a pid file of its own
            if option in changed:
                del changed[changed.index(option) : changed.index(option) + 2]
        if "--dso" in options:
            shutil.copy(os.path.join(ROOT, "docs/examples/silence.py"), f"{self.directory}/mine.py")
        if "-s" not in options:
            changed += ["-s", f"unix:{self.directory}/s"]
        program = self.program(" ".join(changed).replace("{dir}", self.directory), pairs=PAIRS)
        self.assertEqual(program.stop(), 0)

    def changed(self, word: str) -> str:
        """A word with addresses, ports and paths that can be used here."""
        word = re.sub(r"\[[0-9a-f:]+\]", "[::1]", word)
        word = re.sub(r"\b(?!127\.)\d+\.\d+\.\d+\.\d+\b", "127.0.0.1", word)
        word = re.sub(rf"\b({PORT}|{WEB_PORT})\b", lambda _: str(free_port()), word)
        return re.sub(r"(?<![\w.:/])(unix:|cunix:|)/(?:[\w.-]+/)*([\w.-]+)", r"\1{dir}/\2", word)

    def ask_proxy(self, words: list[str]) -> None:
        """A proxy with the call of the examples answers what is asked."""
        port, web = free_port(), free_port()
        sockets = f"-s udp:127.0.0.1:{port} -s unix:{{dir}}/s --http {web}"
        proxy: Program = self.program(f"-l 127.0.0.1 -r {{dir}} {sockets}", pairs=PAIRS)
        client = Datagrams(port)
        self.addCleanup(client.close)
        client.ask("U call-1 127.0.0.1 4000 alice")
        client.ask("L call-1 127.0.0.1 5000 alice bob")
        if words[1] == "drain":
            words += ["-p", proxy.pid_path]
            client.ask("X")
        changed = [word.replace(PORT, str(port)).replace(WEB_PORT, str(web)) for word in words]
        self.assert_succeeds(changed, self.directory, RTPPCTL_SOCKET=f"{proxy.directory}/s")
        self.assertEqual(proxy.status() if words[1] == "drain" else proxy.stop(), 0)

    def make_files(self, words: list[str]) -> None:
        """What the companions read: WAV files and recordings of the names in the command."""
        for word in words[1:]:
            if word.endswith(".wav"):
                with wave.open(os.path.join(self.directory, word), "wb") as file:
                    file.setnchannels(1)
                    file.setsampwidth(2)
                    file.setframerate(8000)
                    file.writeframes(bytes(1600))
            elif words[0] == "extractaudio":
                for side in "ao":
                    Path(self.directory, f"{word}.{side}.rtp").write_bytes(adhoc(stream(10)))

    def assert_succeeds(self, words: list[str], directory: str, **environment: str) -> None:
        command = [sys.executable, "-m", MODULES[words[0]], *words[1:]]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=6 * PATIENCE,
                              env={**ENVIRONMENT, "PYTHONPATH": ROOT, **environment})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    @unittest.skipUnless(shutil.which("make"), "no make here")
    def test_install(self) -> None:
        """What is installed works from there, and uninstall leaves no file."""
        for target in ("install", "uninstall"):
            command = ["make", "-s", target, f"DESTDIR={self.directory}", f"PYTHON={sys.executable}"]
            done = subprocess.run(command, cwd=ROOT, env={**ENVIRONMENT, "MAKEFLAGS": ""}, capture_output=True,
                                  text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            files = {path.name: path for path in Path(self.directory).rglob("*") if not path.is_dir()
                     and "completions" not in path.parts}
            if target == "install":
                pages = {"rtpproxy.8", *(f"{name}.1" for name in MODULES)}
                self.assertLessEqual({"rtpproxy", *MODULES} | pages, set(files))
                said = subprocess.run([sys.executable, files["rtppctl"], "--help"], cwd=self.directory,
                                      capture_output=True, text=True)
                self.assertIn("usage: rtppctl", said.stdout, said.stderr)
        self.assertEqual(files, {})

    def test_what_counts_as_a_command(self) -> None:
        text = ("Type `make all` or `rtppctl stats --json`, not `rtpproxy` or `-l rtpproxy`.\n\n    rtpproxy -f ...\n\n"
                "```\n$ anything at all   explained\nrtpproxy --http 1     explained\nfoo bar\nreply\n```\n"
                "```sh\nmake \\\n  x\n```\n```python\nrtpproxy = 5\n```\n```log\nINFO:x: make test\n```\n")
        self.assertEqual(sorted(commands_in(text)), ["anything at all", "make all", "make x", "rtppctl stats --json",
                                                     "rtpproxy --http 1", "rtpproxy -f ..."])
        for words in ("make debris", "apt-get install kamailio"):
            self.assertEqual(elsewhere(Command("x", words)), "")
        self.assertEqual(elsewhere(Command("x", "b2bua_radius -f -l 127.0.0.1")), ELSEWHERE["b2bua_radius"])


if __name__ == "__main__":
    unittest.main()
