"""A Debian that boots: its own service manager, processes, network and host name, in namespaces of this machine.

What a package does when it is installed, what a unit's restrictions leave to the program, and what becomes of calls at
a restart is decided by systemd, so here it is the real one. The root comes from debootstrap; nothing of this host is in
it.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.rig.namespaces import inside
from tests.interop.rig.tools import program, wait_for

BOOT_SECONDS = 60.0
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# The first step finds a control group of its own for the machine: systemd takes its root for the root of all, which it
# becomes in the second step. A chroot is not enough there: units with PrivateUsers= need a root of the mount namespace.
_FIRST = """set -e
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t cgroup -o none,name=systemd,xattr cgroup sys
mkdir sys/"$2"
echo $$ >sys/"$2"/cgroup.procs
umount sys
exec unshare --cgroup sh -c "$3" second
"""
_SECOND = """set -e
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty dev
ln -s /proc/self/fd dev/fd
ln -s pts/ptmx dev/ptmx
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
mkdir sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd,xattr cgroup sys/fs/cgroup/systemd
mkdir -p mnt/host
pivot_root . mnt/host
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c '
    umount -l /mnt/host
    rmdir /mnt/host
    exec /lib/systemd/systemd'
"""
_REMOVE_GROUP = """set -e
mount -t cgroup -o none,name=systemd,xattr cgroup "$1"
find "$1/$2" -depth -type d -exec rmdir {} +
"""


def debian_root(root: Path) -> None:
    """A minimal Debian of this host's release, from the mirror that this host uses, with systemd and what apt needs."""
    sources = "\n".join(path.read_text() for path in Path("/etc/apt").rglob("*")
                        if path.suffix in (".list", ".sources") and path.is_file())
    mirrors = re.findall(r"^(?:URIs:|deb(?: \[.*\])?) *(http\S*/debian)/?(?=\s)", sources, re.MULTILINE)
    release = re.findall(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.MULTILINE)
    _run(program("debootstrap"), "--variant=minbase", "--include=python3,adduser,systemd-sysv", release[0], str(root),
         mirrors[0])


class Machine:
    """Boots a root. Use it as a context manager; inside, all its units have been started."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._group = f"rtpproxy-test-{os.getpid()}-{root.name}"

    def __enter__(self) -> Machine:
        words = ["unshare", "--pid", "--mount", "--uts", "--ipc", "--net", "--fork", "--kill-child", "--",
                 "sh", "-c", _FIRST, "first", str(self.root), self._group, _SECOND]
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True)
        try:
            wait_for(self._is_up, "the machine has booted", BOOT_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()
        remove = ["unshare", "--mount", "sh", "-c", _REMOVE_GROUP, "remove", str(self.root / "sys"), self._group]
        wait_for(lambda: not subprocess.run(remove, capture_output=True).returncode, "all its processes are gone")

    def _is_up(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(f"the machine did not boot:\n{self._process.communicate()[0]}")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        if not children:
            return False
        self._leader = children[0]
        said = subprocess.run(self.command("systemctl", "is-system-running"), capture_output=True, text=True).stdout
        if said.strip() == "degraded":
            raise AssertionError(self.run("systemctl", "--no-pager", "--failed"))
        return said.strip() == "running"

    def command(self, *words: str) -> list[str]:
        """A command line that runs on the machine."""
        return ["nsenter", f"--target={self._leader}", "--all", "--root", "--wd", "--",
                "env", "-i", f"PATH={PATH}", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", *words]

    def run(self, *words: str) -> str:
        """What a command prints, without the line end; raises AssertionError if it fails."""
        return _run(*self.command(*words)).rstrip("\n")

    def says(self, *words: str) -> str:
        """What a command prints, whatever its exit status."""
        return subprocess.run(self.command(*words), capture_output=True, text=True).stdout.rstrip("\n")

    def settle(self, unit: str, state: str) -> None:
        """Wait until a unit is in a state."""
        wait_for(lambda: self.says("systemctl", "is-active", unit) == state, f"{unit} is {state}", BOOT_SECONDS)

    def settle_log(self, unit: str, text: str) -> None:
        """Wait until a unit has logged something."""
        wait_for(lambda: text in self.says("journalctl", "--no-pager", "-u", unit), f"{unit} logs {text!r}")

    @contextmanager
    def network(self) -> Iterator[None]:
        """This thread is in the machine's network."""
        with inside(f"/proc/{self._leader}/ns/net"):
            yield


def copied(root: Path, target: Path) -> Path:
    """A copy of a root that is not booted, owners and all."""
    _run("cp", "-a", str(root), str(target))
    return target


def _run(*words: str) -> str:
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise AssertionError(f"{' '.join(words[-8:])} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout
