"""rtppctl against the real program."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from rtpp.stats import COUNTERS
from tests.daemon.program import ENVIRONMENT, ROOT, Program, ProgramCase, wait_until
from tests.ports import free_port
from tests.tools.calling import rtppctl_run


class RtppctlCase(ProgramCase):
    def ctl(self, *arguments: str, status: int = 0) -> str:
        """Its output; with a status other than 0, what it says on standard error."""
        result = rtppctl_run(*arguments)
        self.assertEqual(result.status, status, result)
        self.assertNotIn("Traceback", result.errors)
        if status == 0:
            self.assertEqual(result.errors, "")
        return result.errors if status else result.output


class Transports(RtppctlCase):
    def test_every_transport(self) -> None:
        udp, udp6, tcp, tcp6 = (free_port() for _ in range(4))
        program = self.program(f"-l 127.0.0.1 -s udp:127.0.0.1:{udp} -s udp6:::1:{udp6} -s tcp:127.0.0.1:{tcp} "
                               f"-s tcp6:::1:{tcp6} -s unix:{{dir}}/one -s cunix:{{dir}}/many")
        directory = program.directory
        sockets = (f"udp:127.0.0.1:{udp}", f"udp6:::1:{udp6}", f"tcp:127.0.0.1:{tcp}", f"tcp6:::1:{tcp6}",
                   f"unix:{directory}/one", f"{directory}/one", f"cunix:{directory}/many")
        for name in sockets:
            with self.subTest(name):
                self.assertRegex(self.ctl("-s", name, "ping"), rf"^{name} answers after [0-9.]+ ms, .*20040107\n$")
                self.assertEqual(self.ctl("raw", "-s", name, "I").count("\n"), 5)
                data = json.loads(self.ctl("stats", "--json", "-s", name))
                self.assertEqual(set(data["counters"]), set(COUNTERS))
                self.assertEqual(data["sessions"], 0)

    def test_lost_datagrams_are_sent_again_and_not_executed_twice(self) -> None:
        program = self.program("-l 127.0.0.1 -s udp:127.0.0.1:{port}".replace("{port}", str(port := free_port())))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as lossy:
            lossy.bind(("127.0.0.1", 0))
            lossy.settimeout(10)
            heard: list[bytes] = []

            def forward() -> None:
                """Loses the first command and the first reply."""
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as onward:
                    onward.settimeout(10)
                    onward.connect(("127.0.0.1", port))
                    for turn in range(3):
                        data, source = lossy.recvfrom(9000)
                        heard.append(data)
                        if turn:
                            onward.send(data)
                            reply = onward.recv(9000)
                            if turn == 2:
                                lossy.sendto(b"another-cookie 7\n", source)
                                lossy.sendto(reply, source)

            thread = threading.Thread(target=forward)
            thread.start()
            name = f"udp:127.0.0.1:{lossy.getsockname()[1]}"
            self.assertRegex(self.ctl("-s", name, "raw", "U call 127.0.0.1 4 f"), r"^\d+ 127\.0\.0\.1\n$")
            thread.join()
        self.assertEqual(len(set(heard)), 1)
        self.assertEqual(self.ctl("-s", f"udp:127.0.0.1:{port}", "raw", "G nsess_created ncmds_rcvd_ndups"), "1 1\n")
        self.assertIsNone(program.process.poll())


class Failures(RtppctlCase):
    """Every message names what was wrong, and what would be right."""

    def test_nobody_there(self) -> None:
        port = free_port()
        for name, pattern in (
            ("/nowhere/socket", "no control socket at /nowhere/socket: rtpproxy does not run, or its option -s"),
            (f"udp:127.0.0.1:{port}", "nothing listens on udp"),
            (f"tcp:127.0.0.1:{port}", "nothing listens on tcp"),
            ("unix:" + __file__, "is not a socket: look at the option -s"),
            ("stdio:", "not one that others can use: name one of udp:HOST:PORT"),
            ("udp:", "lacks a host"),
            ("udp::9000", "lacks a host"),
            ("unix:", "lacks a path"),
            ("tcp:127.0.0.1:nosuchservice", "names no host and port"),
            ("unix:" + 200 * "x", "cannot use the control socket"),
        ):
            with self.subTest(name):
                self.assertIn(pattern, self.ctl("-s", name, "ping", status=1))

    def test_abandoned_socket(self) -> None:
        program = self.program("-s unix:{dir}/s")
        path = f"{program.directory}/abandoned"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(path)
        self.assertIn("nobody serves the control socket", self.ctl("-s", path, "ping", status=1))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.bind(path + "2")
            self.assertIn("socket of another kind", self.ctl("-s", path + "2", "ping", status=1))

    def test_permission(self) -> None:
        if os.getuid() != 0:
            self.skipTest("only the superuser can become somebody else")
        program = self.program("-s unix:{dir}/s")
        os.chmod(f"{program.directory}/s", 0o600)
        code = f"""import os
from rtpp.tools.ctl.client import Client
os.setuid(65534)
try: Client({program.directory + '/s'!r}, 5).ask('V')
except Exception as error: print(error)"""
        said = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True)
        self.assertRegex(said.stdout, r"not permitted to use .*/s \(owner 0:0, mode 0600\): use rtppctl as its owner")

    def test_another_kind_of_server(self) -> None:
        for answer, pattern in ((b"", "closed the connection without a reply"),
                                (b"no line feed", "no reply of rtpproxy"),
                                (b"HTTP/1.1 400 Bad Request\r\n\r\n", "summary has a line that is not understood")):
            with self.subTest(answer), socket.create_server(("127.0.0.1", 0)) as server:
                thread = threading.Thread(target=_answer_once, args=(server, answer))
                thread.start()
                name = f"tcp:127.0.0.1:{server.getsockname()[1]}"
                self.assertIn(pattern, self.ctl("-s", name, "stats", status=1))
                thread.join()

    def test_silence(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            said = self.ctl("-s", f"udp:127.0.0.1:{server.getsockname()[1]}", "--timeout", "0.1", "ping", status=1)
        self.assertIn("within 0.1 s: the proxy hangs, or a firewall", said)

    def test_error_replies_in_words(self) -> None:
        program = self.program("-l 127.0.0.1 -s unix:{dir}/s")
        name = f"{program.directory}/s"
        for words, pattern in (
            (["raw", "Z"], "E0: there is no such command"),
            (["raw", "U6 a ::1 4 f"], "E36: the proxy has no address of this family: start it with -l"),
            (["record", "nocall", "f"], "'R nocall f' with E50: no such session"),
            (["delete", "nocall", "f"], "E50"),
            (["session", "nocall", "f"], "no session with call-id nocall and tag f: tags are compared"),
            (["session", "no call", "f"], "cannot be a word of a command"),
            (["session", "nocall"], "a from-tag is needed"),
            (["record", "call", "&&"], "cannot be a word of a command"),
            (["raw", "V\nX"], "a command is one line"),
            (["delete"], "needs a call-id and a from-tag, or --all"),
            (["delete", "a", "b", "--all"], "not both"),
            (["sessions"], "0 sessions are active, but the control protocol cannot list them"),
            (["watch"], "watch needs a terminal"),
        ):
            with self.subTest(words):
                self.assertIn(pattern, self.ctl("-s", name, *words, status=1))

    def test_usage(self) -> None:
        for words in ([], ["dance"], ["stats", "--no-such"], ["ping", "--timeout", "0"], ["sessions", "--limit", "0"]):
            with self.subTest(words):
                self.assertIn("usage: rtppctl", self.ctl(*words, status=2))
        self.assertIn("drain", self.ctl("--help"))


class Commands(RtppctlCase):
    def setUp(self) -> None:
        self.proxy = self.program("-l 127.0.0.1 -r {dir} -s cunix:{dir}/s")
        self.socket = f"{self.proxy.directory}/s"

    def raw(self, *words: str) -> str:
        return self.ctl("-s", self.socket, "raw", *words)

    def test_session_of_a_call(self) -> None:
        port = int(self.raw("U call 127.0.0.1 4 alice;1").split()[0])
        self.raw("L", "call", "127.0.0.1", "5", "alice;1", "bob;1")
        self.raw("U call 127.0.0.1 6 alice;2")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as callee:
            for number in range(3):
                callee.sendto(b"\x80\0" + number.to_bytes(2, "big") + bytes(168), ("127.0.0.1", port))
            wait_until(lambda: self.raw("G npkts_rcvd") == "3\n", "the packets have arrived")
        found = json.loads(self.ctl("-s", self.socket, "--json", "session", "call", "alice", "bob"))
        self.assertEqual([one["tag"] for one in found], ["alice;1", "alice;2"])
        self.assertEqual(found[0]["callee"]["npkts_ina"], 3)
        self.assertEqual(found[0]["caller"]["npkts_ina"], 0)
        text = self.ctl("-s", self.socket, "session", "call", "alice")
        self.assertRegex(text, r"(?m)^packets received +0 +3$")
        self.assertEqual(text.count("call-id  call\n"), 2)
        self.assertEqual(len(json.loads(self.ctl("-s", self.socket, "--json", "session", "call", "alice;2"))), 1)

    def test_record_stop_delete(self) -> None:
        self.raw("U call 127.0.0.1 4 alice")
        self.assertEqual(self.ctl("-s", self.socket, "record", "call", "alice"), "done\n")
        self.assertLessEqual({"call=alice.a.rtp", "call=alice.o.rtp"}, set(os.listdir(self.proxy.directory)))
        self.ctl("-s", self.socket, "stop", "call", "alice")
        self.ctl("-s", self.socket, "stop", "call", "alice", status=1)
        self.assertEqual(json.loads(self.ctl("-s", self.socket, "stop", "call", "alice", "--prompt", "--json")),
                         {"done": True})
        self.ctl("-s", self.socket, "delete", "call", "alice")
        self.raw("U call1 127.0.0.1 4 alice")
        self.raw("U call2 127.0.0.1 4 alice")
        self.ctl("-s", self.socket, "delete", "--all")
        self.assertIn("active sessions: 0\n", self.raw("I"))

    def test_record_to_one_file(self) -> None:
        program = self.program("-l 127.0.0.1 -P -r {dir} -s cunix:{dir}/s")
        name = f"{program.directory}/s"
        for call, option in (("call1", "--one-file"), ("call2", "--json")):
            self.ctl("-s", name, "raw", f"U {call} 127.0.0.1 4 alice")
            self.ctl("-s", name, "record", call, "alice", option)
        self.assertLessEqual({"call1=alice.pcap"}, set(os.listdir(program.directory)))

    def test_stats(self) -> None:
        self.raw("U call 127.0.0.1 4 alice")
        text = self.ctl("-s", self.socket, "stats")
        self.assertRegex(text, r"(?m)^active sessions +1$")
        for name in COUNTERS:
            if name != "pps_in":
                self.assertRegex(text, rf"(?m)^{name} +[0-9,.]+$")

    def test_environment(self) -> None:
        environment = {**ENVIRONMENT, "RTPPCTL_SOCKET": self.socket}
        command = [sys.executable, "-m", "rtpp.tools.rtppctl", "raw", "V"]
        said = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
        self.assertEqual((said.returncode, said.stdout, said.stderr), (0, "20040107\n", ""))

    def test_check(self) -> None:
        self.raw("U call 127.0.0.1 4 alice")
        for words, status, pattern in (
            ([], 0, r"^RTPPROXY OK - sessions is 1 \| time=[0-9.]+s sessions=1 streams=2 load=[0-9.]+\n$"),
            (["-w", "0"], 1, r"^RTPPROXY WARNING - .* sessions=1;0 "),
            (["-w", "5", "-c", "10"], 0, r" sessions=1;5;10 "),
            (["-w", "0", "-c", "0"], 2, r"^RTPPROXY CRITICAL - sessions is 1 "),
            (["-c", "2:"], 2, r" sessions=1;;2: "),
            (["-m", "nsess_created", "-c", "@1:1"], 2, r" nsess_created=1c;;@1:1\n$"),
            (["-m", "time", "-c", "60"], 0, r"OK - time is [0-9.]+s "),
            (["-m", "ports"], 3, r"^RTPPROXY UNKNOWN - ports is known to the status page only"),
            (["-w", "x"], 3, r"^RTPPROXY UNKNOWN - .*'x' is no range"),
            (["-m", "nothing"], 3, r"^RTPPROXY UNKNOWN - "),
        ):
            with self.subTest(words):
                result = rtppctl_run("-s", self.socket, "check", *words)
                self.assertEqual(result.status, status, result)
                self.assertRegex(result.output, pattern)
        for words in (["-s", "stdio:", "check"], ["--http", "a:b:c", "check"], ["--timeout", "0", "check"],
                      ["check", "--timeout", "0"], ["check", "extra"]):
            with self.subTest(words):
                result = rtppctl_run(*words)
                self.assertEqual(result.status, 3, result)
                self.assertRegex(result.output, r"^RTPPROXY UNKNOWN - .*\n$")
        self.assertEqual(self.proxy.stop(), 0)
        result = rtppctl_run("-s", self.socket, "check")
        self.assertEqual(result.status, 2)
        self.assertRegex(result.output, "^RTPPROXY CRITICAL - no control socket at ")


class Draining(RtppctlCase):
    def drained(self, program: Program, *words: str, status: int = 0) -> str:
        return self.ctl("-s", f"{program.directory}/s", "drain", "-p", program.pid_path, *words, status=status)

    def test_waits_for_the_last_session(self) -> None:
        program = self.program("-l 127.0.0.1 -s cunix:{dir}/s")
        name = f"{program.directory}/s"
        self.ctl("-s", name, "raw", "U call 127.0.0.1 4 alice")
        self.assertIn("1 are active\n", self.drained(program, "--wait", "0"))
        wait_until(lambda: "shutting down when the last one ends" in program.log(), "it drains")
        self.assertIn("E99: the proxy is draining", self.ctl("-s", name, "raw", "U b 127.0.0.1 4 f", status=1))
        self.assertIn("still active after 0.1 s", self.drained(program, "--wait", "0.1", status=1))
        command = [sys.executable, "-m", "rtpp.tools.rtppctl", "-s", name, "drain", "-p", program.pid_path]
        waiting = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        assert waiting.stdout is not None
        self.assertIn("1 are active", waiting.stdout.readline())
        self.ctl("-s", name, "delete", "call", "alice")
        self.assertEqual(waiting.communicate(timeout=20)[0], "the last session has ended, and so has the proxy\n")
        self.assertEqual((waiting.returncode, program.status()), (0, 0))

    def test_wrong_pid_files(self) -> None:
        program = self.program("-l 127.0.0.1 -s cunix:{dir}/s")
        path = Path(program.directory, "wrong")
        with subprocess.Popen(["sleep", "60"]) as sleeper:
            for text, pattern in (("", "holds no process number"), ("1\n", "holds no process number"),
                                  ("-7", "holds no process number"), (f"{2**31 - 2}", "does not run"),
                                  (f"{sleeper.pid}", "is not rtpproxy: the file is left from an earlier run")):
                path.write_text(text)
                said = self.ctl("-s", f"{program.directory}/s", "drain", "-p", str(path), status=1)
                self.assertIn(pattern, said)
            sleeper.kill()
        self.assertIn("its option -p names another file",
                      self.ctl("-s", f"{program.directory}/s", "drain", "-p", "/nowhere", status=1))
        self.assertIsNone(program.process.poll())


def _answer_once(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        while connection.recv(1000):
            pass
        connection.sendall(answer)
