"""Background, pid file, privileges and limits, on real processes and real files."""

from __future__ import annotations

import contextlib
import grp
import io
import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

from rtpp import daemon
from rtpp.daemon import PidFile
from rtpp.errors import StartError
from rtpp.log import GLOBAL as log
from rtpp.settings import Settings

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PREAMBLE = """
import os, resource, sys, time
from rtpp.daemon import *
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program that has everything of rtpp.daemon at hand, until all its processes closed the output."""
    return subprocess.run(
        [sys.executable, "-c", PREAMBLE + program, *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=20,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": REPOSITORY},
    )


class Scratch(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.directory = os.path.realpath(holder.name)

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def read(self, name: str) -> str:
        with open(self.path(name)) as file:
            return file.read()


class Background(Scratch):
    # The child writes down what it is, and ends only when the test has looked at it.
    PROGRAM = """
settings = Settings(**eval(sys.argv[2]))
parent = os.getpid()
handle = background(settings)
time.sleep(0.2)
open(sys.argv[1] + "/up", "w").close()
print("before", flush=True)
handle.ready()
print("after", flush=True)
targets = [os.readlink(f"/proc/self/fd/{n}") if os.path.isdir("/proc/self/fd") else "" for n in (0, 1, 2)]
with open(sys.argv[1] + "/facts.new", "w") as file:
    print(os.getpid() != parent, os.getsid(0) == os.getpid(), os.getcwd(), *targets, sep="\\n", file=file)
os.rename(sys.argv[1] + "/facts.new", sys.argv[1] + "/facts")
"""

    def facts(self, settings: str) -> list[str]:
        self.result = run(self.PROGRAM, self.directory, settings)
        deadline = time.monotonic() + 10
        while not os.path.exists(self.path("facts")) and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.read("facts").splitlines()

    def test_child_of_its_own_session_without_the_terminal(self) -> None:
        other, leader, directory, *targets = self.facts("{}")
        self.assertEqual((other, leader, directory), ("True", "True", "/"))
        self.assertEqual((self.result.returncode, self.result.stderr), (0, ""))
        self.assertEqual(self.result.stdout, "before\n")
        self.assertIn(set(targets), ({"/dev/null"}, {""}))

    def test_no_redirect_and_no_change_of_directory(self) -> None:
        _, _, directory, *_ = self.facts("dict(redirect=False, keep_directory=True)")
        self.assertEqual(directory, REPOSITORY)
        self.assertEqual(self.result.stdout, "before\nafter\n")

    def test_foreground_does_nothing(self) -> None:
        other, _, directory, *_ = self.facts("dict(foreground=True)")
        self.assertEqual((other, directory), ("False", REPOSITORY))
        self.assertEqual((self.result.returncode, self.result.stdout), (0, "before\nafter\n"))

    def test_parent_returns_when_the_child_serves_and_not_before(self) -> None:
        begin = time.monotonic()
        program = "handle = background(Settings()); time.sleep(0.4); handle.ready(); time.sleep(3)"
        process = run(program)
        self.assertEqual(process.returncode, 0)
        self.assertTrue(0.4 <= time.monotonic() - begin < 3, time.monotonic() - begin)

    def test_parent_fails_when_the_child_ends_first(self) -> None:
        for ending, told in (
            ("sys.exit('cannot serve')", "cannot serve\n"),  # still on the operator's terminal
            ("sys.exit(0)", ""),
            ("os.kill(os.getpid(), 9)", ""),
        ):
            with self.subTest(ending):
                result = run(f"background(Settings()); {ending}")
                self.assertEqual((result.returncode, result.stdout, result.stderr), (1, "", told))

    def test_what_the_parent_had_buffered_comes_once(self) -> None:
        result = run("sys.stdout.write('x'); background(Settings()).ready()")
        self.assertEqual(result.stdout, "x")


class PidFiles(Scratch):
    def test_written_as_number_and_line_feed_over_older_text(self) -> None:
        with open(self.path("pid"), "w") as file:
            file.write("123456789 and more\n")
        pid_file = PidFile(self.path("pid"))
        pid_file.open()
        self.assertEqual(self.read("pid"), "123456789 and more\n")  # until the process serves
        pid_file.write()
        self.assertEqual(self.read("pid"), f"{os.getpid()}\n")
        pid_file.remove()
        self.assertFalse(os.path.exists(self.path("pid")))
        pid_file.remove()  # gone already: nothing to do

    def test_created_for_all_to_read(self) -> None:
        self.addCleanup(os.umask, os.umask(0o022))
        pid_file = PidFile(self.path("pid"))
        pid_file.open()
        pid_file.write()
        self.assertEqual(stat.S_IMODE(os.stat(self.path("pid")).st_mode), 0o644)

    def test_a_file_that_is_not_ours_stays(self) -> None:
        for content in ("1\n", f"{os.getpid()}", f"{os.getpid()}0\n", ""):
            with self.subTest(content):
                with open(self.path("pid"), "w") as file:
                    file.write(content)
                PidFile(self.path("pid")).remove()
                self.assertEqual(self.read("pid"), content)

    def test_only_regular_files_are_removed(self) -> None:
        with open(self.path("real"), "w") as file:
            file.write(f"{os.getpid()}\n")
        os.symlink(self.path("real"), self.path("link"))
        os.mkfifo(self.path("pipe"))
        os.mkdir(self.path("folder"))
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
            listener.bind(self.path("socket"))
        for name in ("link", "pipe", "folder", "socket"):
            with self.subTest(name):
                PidFile(self.path(name)).remove()
                self.assertTrue(os.path.lexists(self.path(name)))

    def test_dev_null_means_none(self) -> None:
        pid_file = PidFile("/dev/null")
        with self.assertLogs("rtpproxy") as caught:
            log.info("the only line")  # assertNoLogs came with Python 3.10
            pid_file.open()
            pid_file.write()
            pid_file.remove()
        self.assertEqual(len(caught.output), 1)
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))

    def test_failures_are_logged_only(self) -> None:
        os.mkfifo(self.path("pipe"))
        for path in (self.path("no/pid"), self.directory, self.path("pipe"), "", "a\0b"):
            with self.subTest(path):
                pid_file = PidFile(path)
                with self.assertLogs("rtpproxy", "ERROR") as caught:
                    pid_file.open()
                self.assertIn("cannot open the pid file", caught.output[0])
                pid_file.write()


@unittest.skipUnless(os.getuid() == 0, "needs the superuser: changes users and owners")
class Privileges(Scratch):
    def setUp(self) -> None:
        super().setUp()
        self.nobody = pwd.getpwnam("nobody")
        self.daemon_group = grp.getgrnam("daemon").gr_gid

    def test_group_changes_only_if_named(self) -> None:
        table = [
            ({"user": "nobody"}, self.nobody.pw_uid, 0),
            ({"user": "nobody", "group": "daemon"}, self.nobody.pw_uid, self.daemon_group),
            ({"group": "daemon"}, 0, self.daemon_group),
            ({}, 0, 0),
        ]
        for fields, uid, expected_gid in table:
            with self.subTest(fields):
                show = "print(os.getresuid(), os.getresgid())"
                result = run(f"drop_privileges(Settings(**eval(sys.argv[1]))); {show}", repr(fields))
                self.assertEqual(result.stderr, "")
                self.assertEqual(result.stdout, f"{(uid,) * 3} {(expected_gid,) * 3}\n")

    def test_an_ordinary_user_may_not_become_another(self) -> None:
        result = run(
            "os.setuid(65534)\n"
            "try: drop_privileges(Settings(user='root'))\n"
            "except StartError as error: print(error)"
        )
        self.assertIn("cannot run as root", result.stdout)

    def test_owner_and_mode_of_a_control_socket(self) -> None:
        uid, gid = self.nobody.pw_uid, self.nobody.pw_gid
        table = [
            (Settings(), 0, 0, 0o700),
            (Settings(control_socket_mode=0o777), 0, 0, 0o700),
            (Settings(user="nobody", control_socket_mode=0o777), uid, gid, 0o700),
            (Settings(user="nobody", group="daemon"), uid, self.daemon_group, 0o755),
            (Settings(group="daemon", control_socket_mode=0o770), 0, self.daemon_group, 0o770),
        ]
        for settings, owner, group, mode in table:
            with self.subTest(settings), contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
                path = self.path("socket")
                listener.bind(path)
                os.chmod(path, 0o700)
                daemon.hand_over_socket(settings, path)
                status = os.stat(path)
                self.assertEqual(
                    (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)), (owner, group, mode)
                )
                os.unlink(path)

    def test_a_path_that_is_gone_cannot_be_handed_over(self) -> None:
        with self.assertRaisesRegex(StartError, "cannot hand"):
            daemon.hand_over_socket(Settings(user="nobody"), self.path("gone"))


class UnknownNames(unittest.TestCase):
    def test_a_user_or_group_that_vanished_since(self) -> None:
        for settings in (Settings(user="nosuchuser"), Settings(group="nosuchgroup")):
            with self.subTest(settings.user), self.assertRaisesRegex(StartError, "is known on this host"):
                daemon.drop_privileges(settings)


class Limits(unittest.TestCase):
    def test_open_files_sets_both_limits(self) -> None:
        show = "print(resource.getrlimit(resource.RLIMIT_NOFILE))"
        result = run(f"set_open_files(Settings(open_files=77)); {show}")
        self.assertEqual((result.stdout, result.stderr), ("(77, 77)\n", ""))
        self.assertEqual(run(f"{show}; set_open_files(Settings())").stdout, run(show).stdout)

    def test_more_open_files_than_permitted(self) -> None:
        result = run(
            "resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))\n"
            "if os.getuid() == 0: os.setuid(65534)\n"
            "try: set_open_files(Settings(open_files=100))\n"
            "except StartError as error: print(error)"
        )
        self.assertIn("option -L: cannot set the limit of open files to 100", result.stdout)

    def test_less_than_asked_for_is_a_warning(self) -> None:
        system = mock.patch.multiple("resource", setrlimit=mock.DEFAULT, getrlimit=lambda which: (64, 64))
        with system, contextlib.redirect_stderr(io.StringIO()) as err:
            daemon.set_open_files(Settings(open_files=65))
        self.assertIn("warning: the limit of open files is 64, not 65", err.getvalue())

    def test_core_limit_rises_to_what_is_permitted(self) -> None:
        result = run(
            "resource.setrlimit(resource.RLIMIT_CORE, (0, 4096))\n"
            "if os.getuid() == 0: os.setuid(65534)\n"
            "raise_core_limit(); print(resource.getrlimit(resource.RLIMIT_CORE))"
        )
        self.assertEqual((result.stdout, result.stderr), ("(4096, 4096)\n", ""))

    def test_nice(self) -> None:
        result = run(
            "set_nice(Settings()); before = os.getpriority(os.PRIO_PROCESS, 0)\n"
            "set_nice(Settings(nice=15)); print(before, os.getpriority(os.PRIO_PROCESS, 0))"
        )
        self.assertEqual(result.stdout, f"{os.getpriority(os.PRIO_PROCESS, 0)} 15\n")
        result = run(
            "if os.getuid() == 0: os.setuid(65534)\n"
            "set_nice(Settings(nice=15))\n"
            "resource.setrlimit(resource.RLIMIT_NICE, (0, 0)) if hasattr(resource, 'RLIMIT_NICE') else None\n"
            "try: set_nice(Settings(nice=-5))\n"
            "except StartError as error: print(error)"
        )
        self.assertIn("option --nice: cannot set the priority -5", result.stdout)

    def test_scheduling_that_is_not_permitted_is_logged_only(self) -> None:
        with mock.patch("os.sched_setscheduler", side_effect=PermissionError(1, "no"), create=True):
            for policy in ("fifo", "rr"):
                with self.subTest(policy), self.assertLogs("rtpproxy", "ERROR") as caught:
                    daemon.set_scheduling(Settings(scheduling=policy))
                self.assertIn(f"cannot set the scheduling policy {policy}", caught.output[0])

    @unittest.skipUnless(hasattr(os, "SCHED_FIFO"), "needs real-time scheduling policies")
    def test_scheduling_asks_for_the_highest_priority(self) -> None:
        for name, policy in (("fifo", os.SCHED_FIFO), ("rr", os.SCHED_RR)):
            with self.subTest(name), mock.patch("os.sched_setscheduler") as call:
                daemon.set_scheduling(Settings())
                call.assert_not_called()
                daemon.set_scheduling(Settings(scheduling=name))
                who, asked, parameters = call.call_args[0]
                self.assertEqual((who, asked), (0, policy))
                self.assertEqual(parameters.sched_priority, os.sched_get_priority_max(policy))


class WholeStart(Scratch):
    """The parts together, in the order that the program uses them."""

    def test_pid_file_is_valid_when_the_parent_returns(self) -> None:
        result = run(
            "import rtpp.signals as s\n"
            "settings = Settings(pid_file=sys.argv[1])\n"
            "handle = background(settings)\n"
            "watch = s.SignalWatch(); watch.start()\n"
            "pid_file = PidFile(settings.pid_file); pid_file.open(); drop_privileges(settings)\n"
            "pid_file.write(); handle.ready(); watch.wait(); pid_file.remove()\n",
            self.path("pid"),
        )
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        pid = int(self.read("pid"))
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while os.path.exists(self.path("pid")) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertFalse(os.path.exists(self.path("pid")))


if __name__ == "__main__":
    unittest.main()
