"""The process itself: background, pid file, privileges, limits, priority.

Nothing here knows what the program does. The order in which the program uses these parts:

    open_standard_descriptors(), parse the command line, set_open_files(), raise_core_limit(), open the control sockets
    handle = background(settings)            in the background the caller is now the child
    start the signal watch, then the log, set_scheduling(), set_nice(), PidFile.open(), drop_privileges()
    start the services, PidFile.write(), handle.ready()       the parent exits with 0
    ... serve ...
    PidFile.remove()

Scheduling and priority belong to a thread on Linux and are inherited by the threads that it starts later,
so they are set before any service begins. Until `ready()` the standard descriptors stay as they were: what
goes wrong on the way is told on the terminal that the operator is looking at.
"""

from __future__ import annotations

import grp
import os
import pwd
import resource
import stat
import sys
from typing import NoReturn, Optional

from rtpp.errors import StartError
from rtpp.log import GLOBAL as log
from rtpp.log import STDERR
from rtpp.settings import Settings

DEFAULT_SOCKET_MODE = 0o755
PID_FILE_MODE = 0o644


def open_standard_descriptors() -> None:
    """Put /dev/null in the place of standard descriptors that are closed, so that no socket gets their numbers.

    Call it before anything else is opened.
    """
    while True:
        null = os.open(os.devnull, os.O_RDWR)
        if null > STDERR:
            os.close(null)
            break
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def superuser_check(settings: Settings) -> None:
    """Refuse (StartError) or warn about running as superuser, unless -u names a user or -F says it is meant.

    Refused with a control socket that anybody who reaches it over UDP can use; a warning otherwise.
    """
    if os.getuid() != 0 or settings.user or settings.no_superuser_check:
        return
    for text in settings.control_sockets:
        if text.startswith(("udp:", "udp6:")):
            raise StartError(
                f"the superuser should not serve the control socket {text!r}: "
                "name a user with -u, or say that it is meant with -F"
            )
    sys.stderr.write(
        "rtpproxy: warning: running as superuser; name a user with -u, or say that it is meant with -F\n"
    )


class ReadyHandle:
    """How a process in the background tells its waiting parent that it serves."""

    def __init__(self, pipe: Optional[int], redirect: bool) -> None:
        self._pipe = pipe
        self._redirect = redirect

    def ready(self) -> None:
        """Let go of the terminal and let the parent exit with 0. In the foreground: nothing."""
        if self._pipe is None:
            return
        if self._redirect:
            _redirect_standard_descriptors()
        os.write(self._pipe, b"+")
        os.close(self._pipe)
        self._pipe = None


def background(settings: Settings) -> ReadyHandle:
    """Go to the background: return in the child, in a session of its own; in the foreground do nothing.

    The parent waits until the child calls `ready()` and exits with 0, or with 1 if the child ends before.
    Call it before any thread is started. Relative paths used later are taken from `/`, unless -D was given.
    """
    if settings.foreground:
        return ReadyHandle(None, False)
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        child = os.fork()
    except OSError as error:
        raise StartError(f"cannot go to the background: {error.strerror}")
    if child:
        os.close(writer)
        _wait_and_exit(reader)
    os.close(reader)
    os.setsid()
    if not settings.keep_directory:
        os.chdir("/")
    return ReadyHandle(writer, settings.redirect)


def _wait_and_exit(reader: int) -> NoReturn:
    """The parent's end: _exit, because what runs at an ordinary exit belongs to the child now."""
    try:
        os._exit(0 if os.read(reader, 1) else 1)
    except BaseException:
        os._exit(1)


def _redirect_standard_descriptors() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if null > 2:
        os.close(null)


class PidFile:
    """The file with the process's number. Every failure is logged and none is fatal.

    It is opened while the process may still do so, and written when it serves. Only a regular file that still
    holds this process's number is removed at the end: not `/dev/null`, not the file of a successor.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: Optional[int] = None

    def open(self) -> None:
        """Open without truncating: until `write()` the file keeps what it says."""
        if self._path == os.devnull:
            return
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK  # never wait for the reader of a named pipe
            self._descriptor = os.open(self._path, flags, PID_FILE_MODE)
        except (OSError, ValueError) as error:
            log.error("cannot open the pid file %s: %s", self._path, error)

    def write(self) -> None:
        """Put the number and a line feed into the file, and nothing else."""
        if self._descriptor is None:
            return
        try:
            if stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, self._content())
        except OSError as error:
            log.error("cannot write the pid file %s: %s", self._path, error)
        finally:
            os.close(self._descriptor)
            self._descriptor = None

    def remove(self) -> None:
        """Remove the file if it is ours."""
        try:
            if not stat.S_ISREG(os.lstat(self._path).st_mode):
                return
            with open(self._path, "rb") as file:
                if file.read(32) != self._content():
                    return
            os.unlink(self._path)
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("cannot remove the pid file %s: %s", self._path, error)

    @staticmethod
    def _content() -> bytes:
        return b"%d\n" % os.getpid()


def _user(settings: Settings) -> Optional[pwd.struct_passwd]:
    try:
        return pwd.getpwnam(settings.user) if settings.user else None
    except KeyError:
        raise StartError(f"option -u: no user {settings.user!r} is known on this host")


def _group(settings: Settings) -> Optional[int]:
    try:
        return grp.getgrnam(settings.group).gr_gid if settings.group else None
    except KeyError:
        raise StartError(f"option -u: no group {settings.group!r} is known on this host")


def hand_over_socket(settings: Settings, path: str) -> None:
    """Give the path of a local control socket to the user and group of -u; with a group named, set its mode.

    Without a named group the user's primary group owns the path, and the mode stays as created.
    """
    user, group = _user(settings), _group(settings)
    try:
        if user is not None:
            os.chown(path, user.pw_uid, user.pw_gid if group is None else group)
        elif group is not None:
            os.chown(path, -1, group)
        if group is not None:
            os.chmod(path, settings.control_socket_mode or DEFAULT_SOCKET_MODE)
    except OSError as error:
        raise StartError(f"cannot hand {path!r} over to the user of -u: {error.strerror}")


def drop_privileges(settings: Settings) -> None:
    """Become the user and group of -u; StartError if that is not permitted.

    The group changes only if one was named. Supplementary groups stay as they are.
    """
    user, group = _user(settings), _group(settings)
    try:
        if group is not None:
            os.setgid(group)
        if user is not None:
            os.setuid(user.pw_uid)
    except OSError as error:
        raise StartError(f"cannot run as {settings.user}:{settings.group} (-u): {error.strerror}")


def set_open_files(settings: Settings) -> None:
    """Apply -L: soft and hard limit at once. StartError on failure, a warning when the system gives less."""
    wanted = settings.open_files
    if wanted is None:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    except (OSError, ValueError, OverflowError) as error:
        raise StartError(f"option -L: cannot set the limit of open files to {wanted}: {error}")
    got = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if got != resource.RLIM_INFINITY and got < wanted:
        sys.stderr.write(f"rtpproxy: warning: the limit of open files is {got}, not {wanted} as -L asks\n")


def raise_core_limit() -> None:
    """Allow core dumps of any size, or of the greatest size that is permitted."""
    for limit in (resource.RLIM_INFINITY, resource.getrlimit(resource.RLIMIT_CORE)[1]):
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
            return
        except (OSError, ValueError):
            continue


def set_scheduling(settings: Settings) -> None:
    """Apply -c: a real-time policy at its highest priority; a failure is only logged."""
    if not settings.scheduling:
        return
    try:
        policy = {"fifo": os.SCHED_FIFO, "rr": os.SCHED_RR}[settings.scheduling]
        os.sched_setscheduler(0, policy, os.sched_param(os.sched_get_priority_max(policy)))
    except (AttributeError, OSError) as error:
        log.error("cannot set the scheduling policy %s: %s", settings.scheduling, error)


def set_nice(settings: Settings) -> None:
    """Apply --nice; StartError if it is not permitted."""
    if settings.nice is None:
        return
    try:
        os.setpriority(os.PRIO_PROCESS, 0, settings.nice)
    except OSError as error:
        raise StartError(f"option --nice: cannot set the priority {settings.nice}: {error.strerror}")
