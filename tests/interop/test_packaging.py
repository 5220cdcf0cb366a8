"""The program in a root with nothing but Python's standard library, and the ways to install it: make install, pip,
pipx, the RPM package. Packages with a service manager are in test_service.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import venv
from pathlib import Path

from rtpp import __version__
from rtpp.programs import PROGRAMS
from tests.interop.rig.packages import copy_sources, own_places, python_root, relay_a_call, run
from tests.interop.rig.tools import ROOT, stop, wait_for


class Case(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="rtpproxy-packaging-")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.directory.chmod(0o755)


class SingleFileTest(Case):
    def test_in_an_empty_root(self) -> None:
        root = self.directory / "root"
        root.mkdir()
        python_root(root)
        sources = copy_sources(self.directory / "sources")
        run("make", "-s", cwd=sources)
        shutil.copy(sources / "build/rtpproxy", root / "rtpproxy")
        port, options = own_places()
        process = subprocess.Popen(
            ["chroot", str(root), "/usr/bin/python3", "/rtpproxy", "-f", "-F", "-d", "ERR", "-p", "/dev/null",
             "-s", f"udp:127.0.0.1:{port}", *options.split()], env={"PATH": os.environ["PATH"]})
        self.addCleanup(stop, process)
        wait_for(lambda: _answers(port, process), "the proxy answers")
        relay_a_call(port)
        self.assertEqual(stop(process), 0)
        for name in PROGRAMS:
            text = subprocess.run(["chroot", str(root), "/usr/bin/python3", "/rtpproxy", name, "--help"],
                                  capture_output=True, text=True).stdout
            self.assertIn(name, text)


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    from tests.daemon.program import Datagrams

    if process.poll() is not None:
        raise AssertionError(f"the proxy ended with {process.returncode}")
    control = Datagrams(port)
    control.socket.settimeout(0.2)
    try:
        return control.ask("V") == "20040107"
    except OSError:
        return False
    finally:
        control.close()


class InstallTest(Case):
    def test_make_install(self) -> None:
        sources, target = copy_sources(self.directory / "sources"), self.directory / "target"
        words = ("-s", f"DESTDIR={target}", "PREFIX=/opt/proxy")
        run("make", "install", *words, cwd=sources)
        for name in PROGRAMS:
            self.assertIn(name, run(sys.executable, target / "opt/proxy/bin" / name, "--help"))
        unit = (target / "opt/proxy/lib/systemd/system/rtpproxy@.service").read_text()
        self.assertIn("ExecStart=/opt/proxy/bin/rtpproxy ", unit)
        settings = target / "etc/default/rtpproxy"
        settings.write_text("EXTRA_OPTS=-b\n")
        run("make", "install", *words, cwd=sources)
        self.assertEqual(settings.read_text(), "EXTRA_OPTS=-b\n")
        run("make", "uninstall", *words, cwd=sources)
        left = [path for path in target.rglob("*") if not path.is_dir()]
        self.assertEqual(left, [settings])

    def test_pip(self) -> None:
        sources, place = copy_sources(self.directory / "sources"), self.directory / "venv"
        venv.create(place, with_pip=True)
        run(place / "bin/pip", "install", "-q", "--disable-pip-version-check", sources)
        self.assertEqual(run(place / "bin/rtpproxy", "-V", cwd="/").strip(), __version__)
        for name in PROGRAMS:
            self.assertIn(name, run(place / "bin" / name, "--help", cwd="/"))

    def test_pipx(self) -> None:
        sources, place = copy_sources(self.directory / "sources"), self.directory / "place"
        run("pipx", "install", ".", cwd=sources, PIPX_HOME=f"{place}/pipx", PIPX_BIN_DIR=f"{place}/bin")
        for name in PROGRAMS:
            self.assertIn(name, run(place / "bin" / name, "--help", cwd="/"))

    def test_completions_are_zsh(self) -> None:
        self.assertEqual(run("zsh", "-n", "packaging/completions/_rtpproxy"), "")


class RpmTest(Case):
    def test_contents_and_scriptlets(self) -> None:
        sources = copy_sources(self.directory / "sources")
        run("make", "-s", "rpm", cwd=sources)
        package = sources / f"build/rtpproxy-{__version__}-1.noarch.rpm"
        contents = set(run("rpm", "-qlp", package).split())
        for path in ("/etc/default/rtpproxy", "/etc/rtpproxy", "/var/lib/rtpproxy",
                     "/usr/lib/systemd/system/rtpproxy.service", "/usr/lib/systemd/system/rtpproxy@.service",
                     "/usr/lib/sysusers.d/rtpproxy.conf", "/usr/share/man/man8/rtpproxy.8.gz",
                     *(f"/usr/bin/{name}" for name in PROGRAMS)):
            self.assertIn(path, contents)
        self.assertEqual(run("rpm", "-qcp", package).split(), ["/etc/default/rtpproxy"])
        self.assertIn("python3 >= 3.9", run("rpm", "-qRp", package))
        for tag in ("PREIN", "POSTIN", "PREUN", "POSTUN"):
            script = self.directory / tag
            script.write_text(run("rpm", "-qp", "--qf", f"%{{{tag}}}", package))
            self.assertNotIn("(none)", script.read_text())
            run("sh", "-n", script)
        root = self.directory / "root"
        root.mkdir()
        run("rpm", "--root", root, "-i", "--nodeps", "--noscripts", package)
        self.assertEqual((root / "usr/bin/rtpproxy").read_bytes().partition(b"\n")[0], b"#!/usr/bin/python3")
        self.assertEqual(run(root / "usr/bin/rtpproxy", "-V").strip(), __version__)

    def test_user_is_made(self) -> None:
        (self.directory / "etc").mkdir()
        run("systemd-sysusers", f"--root={self.directory}", ROOT / "packaging/systemd/sysusers.conf")
        self.assertIn("rtpproxy:x:", (self.directory / "etc/passwd").read_text())


if __name__ == "__main__":
    unittest.main()
