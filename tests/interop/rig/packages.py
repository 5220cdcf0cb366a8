"""Copies of the sources, a root with Python alone, and a call through whatever proxy was installed."""

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
from tests.interop.rig.tools import ROOT, free_range
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
