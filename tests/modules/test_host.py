"""What the proxy promises to modules, and what modules cannot do to calls."""

from __future__ import annotations

import threading
import time
import unittest
from pathlib import Path
from unittest import mock

from rtpp import cli
from rtpp.errors import StartError
from rtpp.modules import loader, worker
from tests.control.conversation import ConversationCase
from tests.modules.calls import ModuleTest
from tests.session.harness import rtp

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "silence.py"
RAISES = """
class Raises(Module):
    id = 7
    tick_seconds = 0.001
    def session_created(self, session):
        for stream in session.streams:
            self.host.watch(stream, self.see)
        self.host.later(self.fail)
        raise ERROR("created")
    def fail(self):
        raise ERROR("later")
    def tick(self):
        raise ERROR("tick")
    def see(self, stream, data, source, now):
        raise ERROR("see")
    def session_ended(self, session):
        raise ERROR("ended")
    def subcommand(self, session, party, arguments):
        if arguments:
            return eval(arguments[0])
        raise ERROR("subcommand")
    def stop(self):
        raise ERROR("stop")
"""
WATCHES = """
class Watches(Module):
    seen = []
    def session_created(self, session):
        self.swallow = False
        self.host.watch(session.caller.rtp, self.see)
    def see(self, stream, data, source, now):
        self.seen.append((stream.leg.actor, data, source, now))
        return self.swallow
"""


class HostTest(ModuleTest):
    def test_a_module_that_raises_everywhere(self) -> None:
        self.check_raising("OSError")

    def test_a_module_that_exits_everywhere(self) -> None:
        """It would end the relay's thread, silently."""
        self.check_raising("SystemExit")

    def check_raising(self, error: str) -> None:
        table = self.make_table()
        with self.assertLogs("rtpproxy", "ERROR") as caught:
            (loaded,) = self.load(table, self.settings(self.write_module(f"ERROR = {error}\n{RAISES}")))
            session, caller, callee = self.make_described_call(table)
            for number in range(200):
                self.pass_packet(session, caller, rtp(number), self.start)
            self.assertIsNone(self.modules.run(7, 1, session, session.caller, ()))
            self.assertEqual(callee.waiting(), [rtp(number) for number in range(200)])
            self.assertEqual(session.caller.rtp.relayed, 200)
            self.wait_for(lambda: loaded.failures.count > 210, "ticks")
            with table.lock:
                table.end(session, self.start)
            self.assertTrue(session.ended)
        said = sorted(record.getMessage() for record in caught.records)
        self.assertEqual(said, [f"module own: unexpected error in {what}" for what in (
            "a sub-command", "a watcher of caller's RTP stream", "fail on its thread", "session_created",
            "session_ended", "tick on its thread")])
        self.assertTrue(all(f"{error}: " in line for line in caught.output), "each with its traceback")

    def test_errors_that_go_on_are_logged_again(self) -> None:
        """After a minute, with the number of those that were not; each line of code has a minute of its own."""
        failures = worker.Failures("own")

        def fail(here: bool) -> None:
            try:
                if here:
                    raise KeyError("here")
                raise KeyError("there")
            except KeyError:
                failures.note("a test")

        with mock.patch("time.monotonic") as clock, self.assertLogs("rtpproxy", "ERROR") as caught:
            for now, here in ((100, True), (101, True), (102, False), (159, True), (161, True), (163, False)):
                clock.return_value = now
                fail(here)
        self.assertEqual([record.getMessage() for record in caught.records], [
            "module own: unexpected error in a test",
            "module own: unexpected error in a test",
            "module own: unexpected error in a test, and 2 more since the last line about it",
            "module own: unexpected error in a test",
        ])
        self.assertEqual(failures.count, 6)

    def test_results_that_no_reply_can_carry(self) -> None:
        table = self.make_table()
        with self.quiet():
            self.load(table, self.settings(self.write_module(f"ERROR = OSError\n{RAISES}")))
            session = self.make_session(table)
            for text, result in (("'text'", "text"), ("''", ""), ("'\\n'", None), ("'\\u20ac'", None),
                                 ("'a && b'", None), ("None", None), ("5", None), ("b''", None), ("nonsense", None)):
                self.assertEqual(self.modules.run(7, 1, session, session.caller, (text,)), result, text)

    def test_watching(self) -> None:
        table = self.make_table()
        (loaded,) = self.load(table, self.settings(self.write_module(WATCHES)))
        module = loaded.module
        session, caller, callee = self.make_described_call(table)
        self.pass_packet(session, caller, rtp(1), 1001.5)
        self.pass_packet(session, callee, rtp(2), 1001.5)
        self.assertEqual(module.seen, [("caller", rtp(1), caller.address, 1001.5)])  # type: ignore[attr-defined]
        module.swallow = True  # type: ignore[attr-defined]
        self.pass_packet(session, caller, rtp(3), 1001.6)
        self.assert_query(session, ina=2, ino=1, relayed=2, dropped=1)
        self.assert_packets(table, received=3, relayed=2, discarded=1)
        self.assertEqual(callee.waiting(), [rtp(1)])
        with table.lock:
            loaded.unwatch(session.caller.rtp, module.see)  # type: ignore[attr-defined]
        self.assertIsNone(session.caller.rtp.onward, "back on the short path")
        self.pass_packet(session, caller, rtp(4), 1001.7)
        self.assertEqual(callee.waiting(), [rtp(4)])

    def test_a_swallowed_packet_is_seen_by_all(self) -> None:
        table = self.make_table()
        path = self.write_module(WATCHES)
        first, second = self.load(table, self.settings(path), self.settings(path))
        session, caller, _ = self.make_described_call(table)
        first.module.swallow = True  # type: ignore[attr-defined]
        self.pass_packet(session, caller, rtp(1), self.start)
        self.assertEqual(len(second.module.seen), 1)  # type: ignore[attr-defined]
        self.assertEqual(session.caller.rtp.dropped, 1)

    def test_without_modules(self) -> None:
        table = self.make_table()
        self.load(table)
        session = self.make_call(table)
        self.assertEqual(table.observers, [])
        self.assertEqual([stream.onward for stream in session.streams], [None] * 4)

    def test_a_full_queue(self) -> None:
        """Costs what does not fit and one line in the log; nobody waits."""
        (loaded,) = self.load(self.make_table(), self.settings(self.write_module(WATCHES)))
        hold = threading.Event()
        loaded.later(hold.wait)
        with self.assertLogs("rtpproxy", "ERROR") as caught:
            taken = sum(loaded.later(int) for _ in range(worker.QUEUE_CALLS + 10))
        hold.set()
        self.assertEqual(taken + loaded.worker.lost, worker.QUEUE_CALLS + 10)
        self.assertIn(taken, (worker.QUEUE_CALLS, worker.QUEUE_CALLS - 1))
        self.assertEqual(len(caught.output), 1)

    def test_stop_does_what_is_queued(self) -> None:
        (loaded,) = self.load(self.make_table(), self.settings(self.write_module(WATCHES)), start=False)
        self.modules.start()
        done: list[int] = []
        for number in range(1000):
            loaded.later(done.append, number)
        self.modules.stop()
        self.assertEqual(done, list(range(1000)))

    def test_a_module_that_cannot_start(self) -> None:
        for text, complaint in (
            ("def start(self):\n  raise KeyError('x')", "module own cannot start: KeyError: 'x'"),
            ("def start(self):\n  exit(0)", "module own cannot start: SystemExit: 0"),
            ("def __init__(self):\n  pass", "module own cannot be made: TypeError: "),
            ("def __init__(self, host, values):\n  exit()", "module own cannot be made: SystemExit: "),
        ):
            path = self.write_module("class Own(Module):\n " + text.replace("\n", "\n "))
            with self.subTest(text), self.assertRaisesRegex(StartError, complaint):
                self.load(self.make_table(), self.settings(path), start=False)
                self.modules.start()


class LoaderTest(ModuleTest):
    def test_built_in(self) -> None:
        for text in ("acct_csv", "rtpp_acct_csv.so", "/usr/lib/rtpproxy/rtpp_acct_csv.so", "x/rtpp_acct_csv_debug.so"):
            name, kind = loader.load(text)
            self.assertEqual((name, kind.__name__, kind.id), ("acct_csv", "AcctCsv", 1))
        self.assertEqual([loader.load(name)[1].id for name in loader.BUILT_IN], [1, 2, 3])

    def test_files_that_will_not_do(self) -> None:
        for text, complaint in (
            ("", "has 0 classes"),
            ("class A(Module): pass\nclass B(A): pass", "has 2 classes"),
            ("def", "SyntaxError"),
            ("import nosuchmodule", "ModuleNotFoundError"),
            ("raise SystemExit(0)", "SystemExit"),
            ("\0", "cannot be loaded"),
            ("1 / 0", "ZeroDivisionError"),
            ("raise KeyboardInterrupt", "KeyboardInterrupt"),
            ("class A(Module): id = '100'", "id and tick_seconds must be numbers"),
            ("class A(Module): tick_seconds = None", "id and tick_seconds must be numbers"),
            ("class A(Module): parameters = {'a': 1}", "parameters must be a dict of Parameter"),
            ("class A(Module): parameters = {'a': Parameter(1, 2)}", "parameters must be a dict of Parameter"),
            ("class A(Module): parameters = 5", "parameters must be a dict of Parameter"),
        ):
            path = self.write_module(text)
            with self.subTest(text):
                with self.assertRaisesRegex(StartError, complaint):
                    loader.load(path)
                with self.assertRaisesRegex(StartError, "^option --dso: .*" + complaint):
                    cli.parse(["-F", "--dso", path])
        for missing in ("nosuch", "/no/such/file", "", "rtpp_nosuch.so", self.directory):
            with self.assertRaisesRegex(StartError, "no such file"):
                loader.load(missing)

    def test_command_line(self) -> None:
        settings = cli.parse(["-F", "--dso", "catch_dtmf", "--dso", str(EXAMPLE)])
        self.assertEqual([(each.name, each.kind.__name__, each.values) for each in settings.modules],
                         [("catch_dtmf", "CatchDtmf", {}), ("silence", "Silence", {"seconds": 10.0})])
        with self.assertRaisesRegex(StartError, "acct_rtcp_hep.*needs a section in a configuration file"):
            cli.parse(["-F", "--dso", "acct_rtcp_hep"])

    def test_the_option_comes_before_the_file(self) -> None:
        path = Path(self.directory, "c")
        path.write_text(f"modules {{ mine {{ load = '{EXAMPLE}'; seconds = 2.5 }} }}")
        settings = cli.parse(["-F", "--config", str(path), "--dso", "catch_dtmf"])
        self.assertEqual([each.name for each in settings.modules], ["catch_dtmf", "mine"])
        self.assertEqual(settings.modules[1].values, {"seconds": 2.5})
        path.write_text(f"modules {{ mine {{ load = '{EXAMPLE}'\n seconds = soon }} }}")
        with self.assertRaisesRegex(StartError, "line 2: module 'mine': seconds = 'soon': could not convert"):
            cli.parse(["-F", "--config", str(path)])

    def test_a_converter_that_fails_in_its_own_way(self) -> None:
        own = self.write_module("class A(Module):\n parameters = {'a': Parameter({'x': 1}.__getitem__, 0)}")
        path = Path(self.directory, "c")
        path.write_text(f"modules {{ mine {{ load = '{own}'\n a = y }} }}")
        with self.assertRaisesRegex(StartError, "line 2: module 'mine': a = 'y': KeyError: 'y'"):
            cli.parse(["-F", "--config", str(path)])


class ExampleTest(ConversationCase):
    def test_it_works(self) -> None:
        conversation = self.talk(f"-l 127.0.0.1 --dso {EXAMPLE}")
        self.check_replies(conversation, """
            U c ... f t && M100:1                     -> 41000 127.0.0.1 && packets=0
            L c ... f t && M100:1 mute && M100:1      -> 41002 127.0.0.1 && 0 && packets=0
            Q c f t && M100:1 shout && S ttl=5        -> 60 0 0 0 0 && -1
            Q c f t ttl && M100:1 && S ttl=5 && M100:1 -> 60 && packets=0 && 0 && packets=0
            U c ... f t && M100:2                     -> E3
        """)
        module = conversation.modules._loaded[0].module
        with self.assertLogs("rtpproxy", "WARN") as caught:
            with conversation.table.lock:
                module._heard = dict.fromkeys(module._heard, time.monotonic() - 11)  # type: ignore[attr-defined]
            module.tick()  # on its own thread it may just have been called: each stream is named once all the same
            time.sleep(0.01)
            module.tick()
        self.assertEqual(len(caught.output), 2)
        self.assertIn("nothing heard from caller for 10 seconds", caught.output[0])
        self.assertEqual(conversation.say("D c f t"), "0")
        self.assertEqual(module._heard, {})  # type: ignore[attr-defined]


if __name__ == "__main__":
    unittest.main()
