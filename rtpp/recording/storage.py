"""Where recordings lie: names that stay in their directory, moves between directories, files left by a killed process.

Files are locked (flock(2)) while they are written, so the recordings of a killed process can be told from those of a
living one that uses the same spool directory.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator

from rtpp.recording import pcap

SUFFIXES = (b".rtp", b".rtcp", b".pcap")
PARTIAL = b".partial"  # of a file that is being copied from another file system
COPY_BYTES = 1024 * 1024  # at once


class UnsafeNameError(ValueError):
    """A file name that would lead outside the recording directory."""


def safe_path(directory: bytes, name: str) -> bytes:
    """The path of a recording. Names come from call-ids and commands, so they are not trusted.

    A name is a relative path below the directory: never absolute, without `..` and without NUL, and through no
    symbolic link that leads elsewhere. Raises UnsafeNameError.
    """
    raw = name.encode("latin-1")
    parts = raw.split(b"/")
    if not raw or b"\0" in raw or any(part in (b"", b".", b"..") for part in parts):
        raise UnsafeNameError(f"{name!r} is not the name of a file below the recording directory")
    path = os.path.join(directory, raw)
    home = os.path.realpath(directory)
    if os.path.commonpath([home, os.path.realpath(path)]) != home:
        raise UnsafeNameError(f"{name!r} leads outside the recording directory")
    return path


def create(path: bytes) -> int:
    """Create or empty a file and lock it; its descriptor. Raises OSError, also for what is no regular file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def rename(path: bytes, final_path: bytes) -> bool:
    """Move a file; False when that takes a copy, for it goes to another file system. Raises OSError."""
    try:
        os.rename(path, final_path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


def copy(path: bytes, final_path: bytes) -> None:
    """Move a file to another file system; no reader ever sees half of it. Raises OSError, and then nothing moved."""
    partial = final_path + PARTIAL
    try:
        with open(path, "rb") as source, open(partial, "wb") as target:
            shutil.copyfileobj(source, target, COPY_BYTES)
            target.flush()
            os.fsync(target.fileno())
        os.rename(partial, final_path)
    except OSError:
        if os.path.exists(partial):
            os.unlink(partial)
        raise
    os.unlink(path)


def unused(path: bytes) -> bytes:
    """The path itself, or with a number behind it when there is such a file."""
    number, free = 0, path
    while os.path.lexists(free):
        number += 1
        free = b"%s.%d" % (path, number)
    return free


def orphans(spool_dir: bytes, record_dir: bytes) -> Iterator[bytes]:
    """Recordings in the spool directory that no process writes, by their path below it. Raises OSError."""
    os.stat(spool_dir)  # walk() is silent about it
    for folder, subfolders, names in os.walk(spool_dir):
        subfolders[:] = [name for name in subfolders if os.path.join(folder, name) != record_dir]
        for name in sorted(names):
            path = os.path.join(folder, name)
            if _is_orphan(path):
                yield os.path.relpath(path, spool_dir)


def _is_orphan(path: bytes) -> bool:
    """Whether a file is a recording, by its name or its beginning, and nobody holds its lock."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    with open(descriptor, "rb") as file:
        try:
            if not path.endswith(SUFFIXES) and file.read(len(pcap.FILE_HEADER)) != pcap.FILE_HEADER:
                return False
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
