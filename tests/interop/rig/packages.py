"""Roots to install packages into, and a call through whatever proxy runs there.

A root is a directory for chroot(8); its processes share the network of the host. What systemd would do with a unit is
done by hand here: its command, user, environment file and notification socket.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from tests.daemon.program import PATIENCE, Datagrams
from tests.interop.rig.tools import ROOT, free_range, stop
from tests.ports import free_port

SYSTEM_PYTHON = "/usr/bin/python3"


def run(*words: object, cwd: object = ROOT, **environment: str) -> str:
    """Run a command; returns its output, and raises AssertionError with it when it fails."""
    result = subprocess.run([str(word) for word in words], cwd=str(cwd), env={**os.environ, **environment},
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        raise AssertionError(f"{words} ended with {result.returncode}:\n{result.stdout[-4000:]}")
    return result.stdout


def copy_sources(target: Path) -> Path:
    """The tree as a build may litter it."""
    ignored = shutil.ignore_patterns("__pycache__", "build", ".*")
    shutil.copytree(ROOT, target, ignore=ignored)
    return target


def python_root(root: Path) -> None:
    """A root with Python, its standard library and the shared libraries they need: no shell, no /etc, no /proc."""
    executable = Path(SYSTEM_PYTHON).resolve()
    library = Path(run(SYSTEM_PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))").strip())
    ignored = shutil.ignore_patterns("__pycache__", "test", "idlelib", "tkinter", "site-packages", "dist-packages",
                                     "config-*", "EXTERNALLY-MANAGED", "sitecustomize.py")
    shutil.copytree(library, root / library.relative_to("/"), ignore=ignored)
    (root / "usr/bin").mkdir()
    shutil.copy(executable, root / "usr/bin/python3")
    needed = run("ldd", executable, *sorted((library / "lib-dynload").glob("*.so")))
    for path in sorted(set(re.findall(r"(/\S+\.so\S*) \(0x", needed))):
        copy = root / path.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    (root / "dev").mkdir()
    os.mknod(root / "dev/null", 0o20666, os.makedev(1, 3))
    assert sysconfig.get_python_version()


def debian_root(root: Path) -> None:
    """A minimal Debian of this host's release, from the mirror that this host uses, with what apt needs to go on."""
    sources = "\n".join(path.read_text() for path in Path("/etc/apt").rglob("*")
                        if path.suffix in (".list", ".sources") and path.is_file())
    mirrors = re.findall(r"^(?:URIs:|deb(?: \[.*\])?) *(http\S*/debian)/?(?=\s)", sources, re.MULTILINE)
    release = run("sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME").strip()
    run("debootstrap", "--variant=minbase", "--include=python3,adduser", release, root, mirrors[0])


class Notifications:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE)
        self.socket.bind(str(path))
        path.chmod(0o666)

    def until(self, line: str) -> None:
        while line not in self.socket.recv(4096).decode().split("\n"):
            pass


class Service:
    """A unit's command as systemd would run it, in a root. Use as a context manager: ready inside."""

    def __init__(self, root: Path, unit: Path, environment_file: Path) -> None:
        self._root = root
        settings: dict[str, str] = {}
        for line in unit.read_text().splitlines():
            name, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                settings[name] = value
        values = dict(line.split("=", 1) for line in environment_file.read_text().splitlines()
                      if "=" in line and not line.startswith("#"))
        words: list[str] = []
        for word in settings["ExecStart"].split():
            if word.startswith("${"):
                words.append(values[word[2:-1]])
            else:
                words += values[word[1:]].split() if word.startswith("$") else [word]
        self._command = ["chroot", f"--userspec={settings['User']}:{settings['Group']}", str(root), *words]

    def __enter__(self) -> Service:
        path = self._root / "run/notify"
        self.notifications = Notifications(path)
        environment = {"NOTIFY_SOCKET": "/run/notify", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        self.process = subprocess.Popen(self._command, env=environment, stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        self.notifications.until("READY=1")
        return self

    def __exit__(self, *exception: object) -> None:
        status = stop(self.process)
        assert self.process.stderr is not None
        log = self.process.stderr.read().decode()
        self.process.stderr.close()
        self.notifications.until("STOPPING=1")
        self.notifications.socket.close()
        (self._root / "run/notify").unlink()
        assert status == 0, log


def own_places() -> tuple[int, str]:
    """A free control port, and options with a free range of ports."""
    first, last = free_range()
    return free_port(), f"-l 127.0.0.1 -m {first} -M {last}"


def relay_a_call(port: int) -> None:
    """A call over the proxy at this control port: packets of both parties arrive at the other."""
    control = Datagrams(port)
    parties = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    try:
        for party in parties:
            party.bind(("127.0.0.1", 0))
            party.settimeout(PATIENCE)
        towards_caller = _port(control.ask(f"L call 127.0.0.1 {parties[1].getsockname()[1]} a b"), None)
        assert towards_caller == 0, "no session yet"
        at_callee = _port(control.ask(f"U call 127.0.0.1 {parties[0].getsockname()[1]} a"), "127.0.0.1")
        at_caller = _port(control.ask(f"L call 127.0.0.1 {parties[1].getsockname()[1]} a b"), "127.0.0.1")
        for sender, receiver, to in ((0, 1, at_caller), (1, 0, at_callee)):
            packet = bytes([0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7 + sender]) + bytes(160)
            parties[sender].sendto(packet, ("127.0.0.1", to))
            assert parties[receiver].recv(2048) == packet
        assert control.ask("D call a b") == "0"
    finally:
        for each in (*parties, control):
            each.close()


def _port(reply: str, address: object) -> int:
    words: Sequence[str] = reply.split()
    assert address is None or words[1:] == [address], reply
    return int(words[0])
