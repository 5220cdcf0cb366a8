"""Installed on a Debian fresh from the mirror, with systemd in charge: the package's life from `apt install` to
`purge`, what the documentation promises of the service in between, the RPM package's scriptlets, and `make install`.

Commands are those of the documentation, as they are written there.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import tempfile
import unittest
from pathlib import Path
from typing import ClassVar

from rtpp import __version__
from rtpp.programs import PROGRAMS
from tests.docs.commands import commands
from tests.interop.rig.machine import Machine, copied, debian_root
from tests.interop.rig.packages import copy_sources, relay_a_call, run
from tests.interop.rig.tools import wait_for

CONTROL_PORT = 22222
SERVICE = "rtpproxy.service"
SETTINGS = "etc/default/rtpproxy"
CTL = ("rtppctl", "-s", f"udp:127.0.0.1:{CONTROL_PORT}")
AFTER_MAKE_INSTALL = [["systemd-sysusers"], ["systemctl", "daemon-reload"],
                      ["systemctl", "enable", "--now", "rtpproxy"]]  # as docs/packaging.md has it
# What apt, dpkg and systemd keep for themselves.
THEIR_OWN = ("/var/lib/dpkg", "/var/lib/apt", "/var/lib/systemd", "/var/cache", "/var/log", "/run", "/tmp", "/var/tmp",
             "/proc", "/sys", "/dev")

_folder = tempfile.TemporaryDirectory(prefix="rtpproxy-debian-")
_root = Path(_folder.name, "root")
_sources = Path(_folder.name, "sources")
_package = _sources / f"build/rtpproxy_{__version__}_all.deb"


def documented(*programs: str) -> list[list[str]]:
    """The commands with these programs, in the order of README and docs."""
    return [command.words for command in commands() if command.program in programs]


def setUpModule() -> None:
    """The package, and a root that each class copies."""
    unittest.addModuleCleanup(_folder.cleanup)
    Path(_folder.name).chmod(0o755)
    copy_sources(_sources)
    run("make", "-s", "deb", cwd=_sources)
    debian_root(_root)


class MachineCase(unittest.TestCase):
    """A machine of its own for each class."""

    root: ClassVar[Path]
    machine: ClassVar[Machine]

    @classmethod
    def setUpClass(cls) -> None:
        cls.root = copied(_root, Path(_folder.name, cls.__name__))
        cls.addClassCleanup(shutil.rmtree, cls.root)
        (cls.root / "root/build").mkdir()
        shutil.copy(_package, cls.root / "root/build")
        cls.machine = Machine(cls.root)
        cls.machine.__enter__()
        cls.addClassCleanup(cls.machine.__exit__)

    @classmethod
    def install(cls) -> None:
        """With the documented command."""
        command, = documented("apt")
        cls.machine.run("sh", "-c", f"cd /root && {shlex.join(command)}")

    def apt(self, *words: str) -> None:
        self.machine.run("apt-get", "-q", "-y", *words)

    def set_options(self, options: str, control: str = f"udp:127.0.0.1:{CONTROL_PORT}") -> None:
        (self.root / SETTINGS).write_text(f"CONTROL_SOCK={control}\nEXTRA_OPTS={options}\n")

    def relay_a_call(self) -> None:
        with self.machine.network():
            relay_a_call(CONTROL_PORT)

    def main_process(self) -> str:
        return self.machine.run("systemctl", "show", "--property=MainPID", "--value", SERVICE)


class LifeOfThePackage(MachineCase):
    def test_policy(self) -> None:
        said = run("lintian", "--allow-root", "--fail-on", "error,warning", _package)
        self.assertEqual(said.strip(), "")

    def test_installed_upgraded_purged(self) -> None:
        before = self.state()
        self.install()
        self.assertEqual(self.machine.run("systemctl", "is-active", SERVICE), "active")
        self.assertEqual(self.machine.run("systemctl", "is-enabled", SERVICE), "enabled")
        for name in PROGRAMS:
            self.assertIn(name, self.machine.run(name, "--help"))
        said = self.machine.run(*CTL, "ping")
        self.assertIn("answers", said, "with the settings that come with the package")
        self.assertTrue((self.root / "usr/share/doc/rtpproxy/examples/grafana.json").exists())
        self.set_options("-l 127.0.0.1")
        self.machine.run("systemctl", "restart", SERVICE)
        self.relay_a_call()
        self.apt("install", "--reinstall", f"/root/build/{_package.name}")
        self.assertIn("-l 127.0.0.1", (self.root / SETTINGS).read_text(), "settings stay")
        self.relay_a_call()
        self._all_that_may_run_besides()
        self.apt("purge", "rtpproxy")
        for unit in (SERVICE, "rtpproxy.socket", "rtpproxy@one.service"):
            self.assertEqual(self.machine.says("systemctl", "is-active", unit), "inactive", unit)
        self.assertEqual(set(self.state().items()) ^ set(before.items()), set())

    def _all_that_may_run_besides(self) -> None:
        self.machine.run("cp", "/usr/share/doc/rtpproxy/examples/instance.conf.example", "/etc/rtpproxy/one.conf")
        self.machine.run("systemctl", "enable", "--now", "rtpproxy@one")
        self.machine.run("systemctl", "stop", SERVICE)
        self.machine.run("systemctl", "enable", "--now", "rtpproxy.socket")

    def test_recordings_survive_a_purge(self) -> None:
        self.install()
        (self.root / "var/lib/rtpproxy/call=a.a.rtp").write_bytes(b"x")
        self.apt("purge", "rtpproxy")
        self.assertTrue((self.root / "var/lib/rtpproxy/call=a.a.rtp").exists())
        self.assertIn("\nrtpproxy:", (self.root / "etc/passwd").read_text(), "they belong to somebody")
        (self.root / "var/lib/rtpproxy/call=a.a.rtp").unlink()
        self.install()
        self.apt("purge", "rtpproxy")
        self.assertNotIn("\nrtpproxy:", (self.root / "etc/passwd").read_text())

    def state(self) -> dict[str, str]:
        """All paths of the root, and what its accounts are."""
        paths = {}
        for folder, folders, files in os.walk(self.root):
            inside = Path("/", os.path.relpath(folder, self.root))
            folders[:] = [name for name in folders if str(inside / name) not in THEIR_OWN]
            for name in (*folders, *files):
                if not name.endswith(("-", ".lock", ".pyc", "__pycache__")):
                    paths[str(inside / name)] = ""
        accounts = {name: (self.root / name).read_text() for name in ("etc/passwd", "etc/group", "etc/shadow")}
        return {**paths, **accounts}


class Service(MachineCase):
    """Under all the restrictions of its unit."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.install()

    def setUp(self) -> None:
        self.set_options("-l 127.0.0.1 -r /var/lib/rtpproxy")
        self.machine.run("systemctl", "reset-failed")  # forget how often it was started lately
        self.machine.run("systemctl", "restart", SERVICE)

    def ctl(self, *words: str) -> str:
        return self.machine.run(*CTL, *words)

    def drop_in(self, unit: str, text: str) -> None:
        """Put a section [Service] beside a unit, until the end of the test."""
        folder = self.root / f"etc/systemd/system/{unit}.d"
        folder.mkdir()
        (folder / "test.conf").write_text(f"[Service]\n{text}\n")
        self.machine.run("systemctl", "daemon-reload")

        def remove() -> None:
            shutil.rmtree(folder)
            self.machine.run("systemctl", "daemon-reload")
            self.machine.run("systemctl", "restart", unit)

        self.addCleanup(remove)

    def test_records_for_its_group_only(self) -> None:
        self.ctl("raw", "U call 127.0.0.1 4000 alice")
        self.ctl("record", "call", "alice")
        place = self.root / "var/lib/rtpproxy"
        self.assertEqual(stat.S_IMODE(place.stat().st_mode), 0o750)
        found = list(place.glob("call=alice.*"))
        self.assertEqual(len(found), 4)
        for path in found:
            self.assertEqual(stat.S_IMODE(path.stat().st_mode) & 0o007, 0, path)

    def test_local_socket_is_for_the_group(self) -> None:
        self.set_options("-l 127.0.0.1", "unix:/run/rtpproxy/control.sock")
        self.machine.run("systemctl", "restart", SERVICE)
        ask = ("rtppctl", "-s", "unix:/run/rtpproxy/control.sock", "ping")
        self.machine.run("useradd", "--system", "--groups", "rtpproxy", "kamailio")
        as_member = ("setpriv", "--reuid=kamailio", "--regid=kamailio", "--init-groups")
        self.assertIn("answers", self.machine.run(*as_member, *ask))
        as_stranger = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
        self.assertEqual(self.machine.says(*as_stranger, *ask), "")

    def test_tells_how_it_does(self) -> None:
        self.ctl("raw", "U call 127.0.0.1 4000 alice")
        wait_for(lambda: "1 session, 2 streams" in self.machine.run("systemctl", "status", SERVICE), "it is told")

    def test_documented_commands(self) -> None:
        """As they are written and in that order: a restart without cutting calls, a second proxy, socket activation."""
        found = [words for words in documented("systemctl", "cp") if words not in AFTER_MAKE_INSTALL]
        self.assertGreater(len(found), 6)
        for words in found:
            with self.subTest(words):
                if "--signal=HUP" in words:
                    self.ctl("raw", "U call 127.0.0.1 4000 alice")
                self.machine.run(*words)
                if "--signal=HUP" in words:
                    self.machine.settle_log(SERVICE, "shutting down when the last one ends")
                    self.assertEqual(self.machine.says(*CTL, "raw", "U late 127.0.0.1 4000 alice"), "E99")
                    self.ctl("delete", "call", "alice")
                    self.machine.settle(SERVICE, "inactive")
                if words[1:] == ["stop", "rtpproxy"]:
                    self.set_options("-l 127.0.0.1", "systemd:")
        self.relay_a_call()
        self.assertEqual(self.machine.run("systemctl", "is-active", SERVICE), "active")
        self.assertIn("answers", self.machine.run("rtppctl", "-s", "udp:127.0.0.1:22223", "ping"))
        self.machine.run("systemctl", "disable", "--now", "rtpproxy@one", "rtpproxy.socket")

    def test_is_drained_by_rtppctl(self) -> None:
        drain, = (words for words in documented("rtppctl") if "-p" in words)
        self.ctl(*drain[1:])
        self.machine.settle(SERVICE, "inactive")
        self.assertEqual(self.machine.says("systemctl", "is-failed", SERVICE), "inactive")

    def test_the_program_by_itself(self) -> None:
        """The command that README gives for a SIP server: in the background, and not as root; then drained."""
        self.machine.run("systemctl", "stop", SERVICE)
        command, = (words for words in documented("rtpproxy") if "-u" in words)
        with self.machine.network():
            run("ip", "address", "add", f"{command[command.index('-l') + 1]}/32", "dev", "lo")
        self.machine.run(*command)
        process = self.machine.run("cat", "/run/rtpproxy.pid")
        self.assertEqual(self.machine.run("stat", "-c", "%U", f"/proc/{process}"), "rtpproxy")
        self.ctl("ping")
        drain, = (words for words in documented("rtppctl") if "drain" in words and "-p" not in words)
        self.ctl(*drain[1:])
        self.assertEqual(self.machine.says("ls", "-d", f"/proc/{process}"), "")

    def test_socket_holds_commands_while_it_is_away(self) -> None:
        self.machine.run("systemctl", "stop", SERVICE)
        self.set_options("-l 127.0.0.1", "systemd:")
        self.machine.run("systemctl", "start", "rtpproxy.socket")
        self.addCleanup(self.machine.run, "systemctl", "stop", "rtpproxy.socket")
        self.assertEqual(self.machine.says("systemctl", "is-active", SERVICE), "inactive")
        self.relay_a_call()  # its first command starts the service
        self.machine.run("systemctl", "restart", SERVICE)
        self.relay_a_call()

    def test_is_started_anew_when_it_hangs(self) -> None:
        self.drop_in(SERVICE, "WatchdogSec=1")
        self.machine.run("systemctl", "restart", SERVICE)
        before = self.main_process()
        self.machine.run("sh", "-c", f"kill -STOP {before}")
        wait_for(lambda: self.main_process() not in (before, "0"), "another process serves", 30.0)
        self.machine.settle(SERVICE, "active")
        self.relay_a_call()

    def test_what_the_unit_says_to_add(self) -> None:
        """Each list of settings in its comments gives the privileges that it is meant for."""
        unit = (self.root / "lib/systemd/system" / SERVICE).read_text()
        for purpose, options, proof, pattern in (
            ("real-time scheduling", "-c fifo --nice -5", 'chrt -p "$MAINPID"', "SCHED_FIFO"),
            ("relaying in the kernel", "--fastpath on", f"journalctl -u {SERVICE}", "kernel fast path: .* on "),
        ):
            with self.subTest(purpose):
                comment = re.search(rf"{purpose}.*\n(?:# [^ ].*\n)*((?:#     .*\n)+)", unit)
                assert comment is not None
                self.drop_in(SERVICE, comment[1].replace("#     ", ""))
                self.set_options(f"-l 127.0.0.1 {options}")
                self.machine.run("systemctl", "restart", SERVICE)
                said = self.machine.run("sh", "-c", f"MAINPID={self.main_process()}; {proof}")
                self.assertRegex(said, pattern)
                self.relay_a_call()
                self.set_options("-l 127.0.0.1")
                self.doCleanups()


class Rpm(MachineCase):
    def script(self, package: Path, name: str, number: int) -> None:
        """Run a scriptlet as rpm does: with the number of versions that there will be."""
        text = run("rpm", "-qp", "--qf", f"%{{{name}}}", package)
        self.machine.run("sh", "-e", "-c", text, name, str(number))

    def test_scriptlets(self) -> None:
        """The files are put in place by rpm; there is none on the machine, so the scriptlets are run by hand."""
        run("make", "-s", "rpm", cwd=_sources)
        package = _sources / f"build/rtpproxy-{__version__}-1.noarch.rpm"
        self.script(package, "PREIN", 1)
        run("rpm", "--root", self.root, "-i", "--nodeps", "--noscripts", package)
        self.script(package, "POSTIN", 1)
        self.assertEqual(self.machine.run("stat", "-c", "%U %a", "/var/lib/rtpproxy"), "rtpproxy 750")
        self.set_options("-l 127.0.0.1")
        self.machine.run("systemctl", "enable", "--now", SERVICE)
        self.relay_a_call()
        before = self.main_process()
        self.script(package, "POSTUN", 1)
        self.assertNotIn(self.main_process(), (before, "0"), "an upgrade starts the new version")
        self.script(package, "PREUN", 0)
        self.assertEqual(self.machine.says("systemctl", "is-active", SERVICE), "inactive")
        run("rpm", "--root", self.root, "-e", "--noscripts", "rtpproxy")
        self.script(package, "POSTUN", 0)
        self.assertEqual(self.machine.says("systemctl", "list-unit-files", "--no-legend", "rtpproxy*"), "")


class FromSources(MachineCase):
    def test_make_install(self) -> None:
        """And the commands that make a service of it."""
        for target in ("install", "uninstall"):
            run("make", "-s", target, f"DESTDIR={self.root}", cwd=_sources)
            if target == "install":
                for words in AFTER_MAKE_INSTALL:
                    self.assertIn(words, documented(words[0]))
                    self.machine.run(*words)
                self.set_options("-l 127.0.0.1")
                self.machine.run("systemctl", "restart", SERVICE)
                self.relay_a_call()
                self.machine.run("systemctl", "disable", "--now", SERVICE)


if __name__ == "__main__":
    unittest.main()
