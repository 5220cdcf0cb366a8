"""From start to end of the whole program: signals, exit status, background, and what is left behind."""

from __future__ import annotations

import grp
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from tests.daemon.program import HAS_PROC, SCRIPT, Datagrams, Lines, Program, ProgramCase, one_shot, wait_until
from tests.ports import free_port

PORT = r"\A[0-9]+ 127\.0\.0\.1\Z"
IS_ROOT = os.geteuid() == 0


class LifeCase(ProgramCase):
    def start(self, options: str = "", **keywords: object) -> tuple[Program, Lines]:
        program = self.program(f"-l 127.0.0.1 -s cunix:{{dir}}/c {options}", **keywords)
        return program, self.client(program)

    def client(self, program: Program) -> Lines:
        client = Lines(f"{program.directory}/c")
        self.addCleanup(client.close)
        return client

    def left(self, program: Program) -> list[str]:
        return sorted(os.listdir(program.directory))


class SignalTest(LifeCase):
    def test_fast_shutdown(self) -> None:
        """Sessions or not: exit 0 at once, and every path is removed."""
        for name in ("TERM", "XFSZ"):
            with self.subTest(name):
                program, client = self.start("-d WARN -s unix:{dir}/u")
                for number in range(20):
                    reply = client.ask(f"U {number} 127.0.0.1 4 f t && L 127.0.0.1 5")
                    self.assertRegex(reply.partition(" && ")[2], PORT)
                start = time.monotonic()
                self.assertEqual(program.stop(signal.Signals[f"SIG{name}"]), 0)
                self.assertLess(time.monotonic() - start, 3.0)
                self.assertEqual(client.receive(), b"")
                self.assertEqual(self.left(program), ["log"])

    def test_drain_without_sessions(self) -> None:
        program, client = self.start("-d WARN")
        client.ask("U a 127.0.0.1 4 f")
        client.ask("D a f")
        self.assertEqual(program.stop(signal.SIGHUP), 0)
        self.assertEqual(self.left(program), ["log"])

    def test_drain(self) -> None:
        """Existing sessions go on and may be completed; the end of the last one is the end of the program."""
        program, client = self.start("-d INFO")
        self.assertRegex(client.ask("U a 127.0.0.1 4 f"), PORT)
        for _ in range(2):  # a second one asks for nothing new
            program.send_signal(signal.SIGHUP)
        wait_until(lambda: "no new sessions" in program.log(), "the signal is noticed")
        self.assertEqual(client.ask("U b 127.0.0.1 4 f"), "E99")
        self.assertRegex(client.ask("L a 127.0.0.1 4 f t"), PORT)
        self.assertRegex(client.ask("U a 127.0.0.1 4 f t"), PORT)
        self.assertEqual(client.ask("L b 127.0.0.1 4 f t"), "0")
        self.assertEqual(self.client(program).ask("V"), "20040107")
        client.send(b"D a f\n")
        self.assertIn(client.line(), (b"0\n", b""))  # the end may be quicker than the reply
        self.assertEqual(program.status(), 0)
        self.assertEqual(self.left(program), ["log"])

    def test_drain_then_end(self) -> None:
        program, client = self.start("-d WARN")
        client.ask("U a 127.0.0.1 4 f")
        program.send_signal(signal.SIGHUP)
        self.assertEqual(program.stop(), 0)

    def test_ends_by_expiry_while_draining(self) -> None:
        program, client = self.start("-d WARN -T 1")
        client.ask("U a 127.0.0.1 4 f")
        self.assertEqual(program.stop(signal.SIGHUP), 0)

    def test_abort(self) -> None:
        """Nothing is cleaned up; a later start takes the place of what was left."""
        program, _ = self.start("-d WARN")
        self.assertEqual(program.stop(signal.SIGQUIT), 128 + signal.SIGQUIT)
        self.assertEqual(self.left(program), ["c", "log", "pid"])
        self.assertIn("CRIT:GLOBAL:", program.log())
        again = self.program(f"-l 127.0.0.1 -d WARN -s cunix:{program.directory}/c", pid_file=program.pid_path)
        self.assertEqual(self.client(program).ask("V"), "20040107")
        self.assertEqual(again.stop(), 0)
        self.assertEqual(self.left(program), ["log"])

    def test_unread_log(self) -> None:
        """A terminal that takes no more log lines delays neither commands nor, for long, the end."""
        programs = [self.start("-d DBUG", stderr=subprocess.PIPE) for _ in range(2)]
        for _, client in programs:
            for _ in range(300):
                start = time.monotonic()
                self.assertEqual(client.ask("VF " + "1" * 400), "0")
                self.assertLess(time.monotonic() - start, 1.0)
        (patient, _), (impatient, _) = programs
        patient.send_signal(signal.SIGTERM)
        impatient.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        self.assertEqual(impatient.stop(signal.SIGINT), 128 + signal.SIGINT)
        self.assertEqual(patient.status(), 0)


class PidFileTest(LifeCase):
    def test_contents(self) -> None:
        program, _ = self.start("-d WARN")
        with open(program.pid_path, "rb") as file:
            self.assertEqual(file.read(), b"%d\n" % program.process.pid)
        self.assertEqual(program.stop(), 0)
        self.assertFalse(os.path.exists(program.pid_path))

    def test_dev_null_stays(self) -> None:
        before = os.lstat("/dev/null")
        program = self.program("-l 127.0.0.1 -d WARN -s cunix:{dir}/c", wait=False, pid_file="/dev/null")
        wait_until(lambda: os.path.exists(f"{program.directory}/c"), "the socket is there")
        self.assertEqual(self.client(program).ask("V"), "20040107")
        self.assertEqual(program.stop(), 0)
        self.assertEqual((os.lstat("/dev/null").st_ino, os.lstat("/dev/null").st_rdev), (before.st_ino, before.st_rdev))

    def test_missing_directory(self) -> None:
        program = self.program("-l 127.0.0.1 -d WARN -s cunix:{dir}/c", wait=False, pid_file="{dir}/missing/pid")
        wait_until(lambda: os.path.exists(f"{program.directory}/c"), "the socket is there")
        self.assertEqual(self.client(program).ask("V"), "20040107")
        self.assertEqual(program.stop(), 0)
        self.assertIn(program.pid_path, program.log())


class StartTest(LifeCase):
    def test_refused(self) -> None:
        """What cannot be served is told on standard error, with exit status 1, also for a start in the background."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            for options, named, foreground in (
                (f"-s udp:127.0.0.1:{port}", f"udp:127.0.0.1:{port}", True),
                (f"-s udp:127.0.0.1:{port}", f"udp:127.0.0.1:{port}", False),
                ("-s unix:{dir}/missing/c", "/missing/c", False),
                ("-s cunix:{dir}/c -n tcp:127.0.0.1:99999", "99999", True),
            ):
                with self.subTest(options=options, foreground=foreground):
                    self.assertIn(named, self.refused(f"-l 127.0.0.1 {options}", foreground=foreground))

    def test_hardly_any_descriptors(self) -> None:
        for limit in (0, 6):
            with self.subTest(limit=limit):
                text = self.refused(f"-l 127.0.0.1 -d WARN -s cunix:{{dir}}/c -L {limit}")
                self.assertRegex(text, r"\Artpproxy: .+\n\Z")

    def test_other_file_at_the_path(self) -> None:
        """A shell given by mistake as control socket survives."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"precious")
            file.flush()
            self.assertIn(file.name, self.refused(f"-l 127.0.0.1 -s {file.name}"))
            with open(file.name, "rb") as again:
                self.assertEqual(again.read(), b"precious")

    def test_version_and_help(self) -> None:
        capabilities = r"\ABasic version: 20040107\n(Extension \d+: .+\n){25}\Z"
        for option, pattern in (("-V", r"\A[0-9][^\n]*\n\Z"), ("-v", capabilities)):
            command = [sys.executable, SCRIPT, option]
            result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
            self.assertRegex(result.stdout, pattern)
            self.assertEqual(result.stderr, "")
        result = subprocess.run([sys.executable, SCRIPT, "-?"], capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertTrue(result.stderr.startswith("usage:"))

    def test_default_log_level(self) -> None:
        """In the foreground everything is told, with the call-id in the lines of a call."""
        program, client = self.start()
        client.ask("U call@host 127.0.0.1 4 f")
        client.ask("zzz")
        self.assertEqual(program.stop(), 0)
        text = program.log()
        self.assertRegex(text, r"(?m)^DBUG:call@host:\w+:\d+: received command 'U call@host 127\.0\.0\.1 4 f'$")
        self.assertRegex(text, r"(?m)^DBUG:call@host:\w+:\d+: sending reply '\d+ 127\.0\.0\.1'$")
        self.assertRegex(text, r"(?m)^DBUG:GLOBAL:\w+:\d+: received command 'zzz'$")
        for line in text.splitlines():
            self.assertRegex(line, r"\A(DBUG|INFO|WARN|ERR|CRIT):[^:]+:[\w<>]+:\d+: ")

    def test_log_cannot_be_forged(self) -> None:
        program, client = self.start()
        client.ask("U x\x1b[2J\x07\x0b\x85CRIT 127.0.0.1 4 f")
        self.assertEqual(program.stop(), 0)
        self.assertNotRegex(program.log(), "[\x00-\x09\x0b-\x1f\x7f-\x9f]")


class BackgroundTest(LifeCase):
    def end(self, program: Program) -> None:
        """End the program in the background, which is no child of ours."""
        program.send_signal(signal.SIGTERM)
        wait_until(lambda: not os.path.exists(program.pid_path), "the program ends")

    def kill(self, program: Program) -> None:
        try:
            os.kill(program.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def start_in_background(self, options: str, **keywords: object) -> Program:
        program = self.program(options, foreground=False, wait=False, **keywords)
        self.assertEqual(program.status(), 0, program.log())
        with open(program.pid_path, encoding="ascii") as file:  # at once: the parent has waited for it
            program.pid = int(file.read())
        self.addCleanup(self.kill, program)
        return program

    def test_parent_returns_when_the_socket_answers(self) -> None:
        port = free_port()
        program = self.start_in_background(f"-l 127.0.0.1 -s cunix:{{dir}}/c -s unix:{{dir}}/u -s udp:127.0.0.1:{port}")
        self.assertNotEqual(program.pid, program.process.pid)
        self.assertEqual(one_shot(f"{program.directory}/u", b"V"), b"20040107\n")
        client = Datagrams(port)
        self.addCleanup(client.close)
        self.assertRegex(client.ask("U a 127.0.0.1 4 f"), PORT)
        if HAS_PROC:
            self.assertEqual(os.readlink(f"/proc/{program.pid}/cwd"), "/")
            self.assertEqual({os.readlink(f"/proc/{program.pid}/fd/{number}") for number in range(3)}, {"/dev/null"})
        self.assertEqual(os.getsid(program.pid), program.pid)
        self.end(program)
        self.assertEqual(self.left(program), ["log"])
        self.assertEqual(program.log(), "")

    def test_relative_paths_and_kept_directory(self) -> None:
        """A relative socket is the caller's; -D keeps the directory, --no_redirect the standard descriptors."""
        directory = tempfile.mkdtemp()
        self.addCleanup(os.rmdir, directory)
        program = self.start_in_background("-l 127.0.0.1 -d INFO -D --no_redirect -s relative", cwd=directory)
        self.assertEqual(one_shot(f"{directory}/relative", b"V"), b"20040107\n")
        if HAS_PROC:
            self.assertEqual(os.readlink(f"/proc/{program.pid}/cwd"), directory)
        self.end(program)
        self.assertEqual(os.listdir(directory), [])
        self.assertIn("rtpproxy is serving", program.log())

    def test_standard_descriptors_closed(self) -> None:
        """Started with nothing on the standard descriptors, as some supervisors do: no socket gets their numbers."""
        for form in ("{} <&- >&- 2>&-", "{} -f <&- >&- 2>&- &", "{} -f <&- >&- 2>/dev/null &"):
            with self.subTest(form=form), tempfile.TemporaryDirectory() as directory:
                words = f"{sys.executable} {SCRIPT} -F -l 127.0.0.1 -p {directory}/pid -s cunix:{directory}/c"
                command = ["sh", "-c", form.format(words)]
                self.assertEqual(subprocess.run(command, timeout=20, check=False).returncode, 0)
                wait_until(lambda: os.path.exists(f"{directory}/pid") and os.path.getsize(f"{directory}/pid"), "serves")
                with open(f"{directory}/pid", encoding="ascii") as file:
                    pid = int(file.read())
                try:
                    client = Lines(f"{directory}/c")
                    self.addCleanup(client.close)
                    for number in range(10):
                        self.assertRegex(client.ask(f"U {number} 127.0.0.1 4 f"), PORT)
                finally:
                    os.kill(pid, signal.SIGTERM)
                wait_until(lambda: not os.listdir(directory), "everything is removed")


@unittest.skipUnless(IS_ROOT, "needs root")
class SuperuserTest(LifeCase):
    def setUp(self) -> None:
        try:
            self.nobody = pwd.getpwnam("nobody")
        except KeyError:
            self.skipTest("no user nobody here")

    def identity(self, program: Program) -> dict[str, str]:
        """Real, effective, saved and file system ids."""
        with open(f"/proc/{program.pid}/status", encoding="ascii", errors="replace") as file:
            lines = [line.rstrip("\n").partition(":\t") for line in file if line.startswith(("Uid:", "Gid:"))]
        return {name: value for name, _, value in lines}

    def run_directly(self, *options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, SCRIPT, "-f", "-l", "127.0.0.1", "-p", "/dev/null", *options],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        assert process.stderr is not None
        self.addCleanup(process.stderr.close)
        return process

    def test_check(self) -> None:
        """Serving UDP as superuser is refused unless it is said to be meant; elsewhere it is a warning."""
        process = self.run_directly("-s", "udp:127.0.0.1:0")
        self.assertEqual(process.wait(10), 1)
        process = self.run_directly("-s", "udp:127.0.0.1:0", "-u", f":{grp.getgrgid(0).gr_name}")
        self.assertEqual(process.wait(10), 1)
        with tempfile.TemporaryDirectory() as directory:
            process = self.run_directly("-s", f"unix:{directory}/u")
            assert process.stderr is not None
            self.assertIn("superuser", process.stderr.readline())
            wait_until(lambda: os.path.exists(f"{directory}/u"), "it serves")
            process.terminate()
            self.assertEqual(process.wait(10), 0)

    @unittest.skipUnless(HAS_PROC, "no /proc here")
    def test_user(self) -> None:
        """-u nobody: the user changes, the group does not; the socket is handed over, its mode untouched."""
        program, client = self.start("-d WARN -u nobody -w 511", umask=0o022)
        uid, gid = self.nobody.pw_uid, self.nobody.pw_gid
        self.assertEqual(self.identity(program), {"Uid": "\t".join([str(uid)] * 4), "Gid": "0\t0\t0\t0"})
        status = os.stat(f"{program.directory}/c")
        self.assertEqual((status.st_uid, status.st_gid, status.st_mode & 0o777), (uid, gid, 0o755))
        self.assertRegex(client.ask("U a 127.0.0.1 4 f"), PORT)
        self.assertEqual(client.ask("C a udp:localhost:3000 f"), "0")  # the resolver works, too
        self.assertEqual(program.stop(), 0)
        self.assertEqual(self.left(program), ["c", "log", "pid"])  # the directory is not nobody's

    @unittest.skipUnless(HAS_PROC, "no /proc here")
    def test_group(self) -> None:
        try:
            gid = grp.getgrnam("daemon").gr_gid
        except KeyError:
            self.skipTest("no group daemon here")
        for user, options, mode in (("nobody", "", 0o755), ("", "-w 432", 0o660)):
            with self.subTest(user=user, options=options):
                program, client = self.start(f"-d WARN -u {user}:daemon {options}")
                uid = self.nobody.pw_uid if user else 0
                self.assertEqual(self.identity(program), {"Uid": "\t".join([str(uid)] * 4),
                                                          "Gid": "\t".join([str(gid)] * 4)})
                status = os.stat(f"{program.directory}/c")
                self.assertEqual((status.st_uid, status.st_gid, status.st_mode & 0o777), (uid, gid, mode))
                self.assertEqual(client.ask("V"), "20040107")
                self.assertEqual(program.stop(), 0)


if __name__ == "__main__":
    unittest.main()
