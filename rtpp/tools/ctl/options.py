"""The command line of rtppctl."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Callable, NoReturn

from rtpp.settings import Settings
from rtpp.tools.ctl.check import METRICS, UNKNOWN, Range, unknown

DEFAULT_SOCKET = Settings.control_sockets[0]
DEFAULT_TIMEOUT = 5.0  # seconds
SORT_KEYS = ("age", "call_id", "state", "idle", "loss", "jitter", "rate")
_Add = Callable[[str, str], "_Parser"]
_EPILOG = """\
SOCKET is what rtpproxy was given with -s: udp:HOST[:PORT], udp6:HOST[:PORT], tcp:HOST[:PORT], tcp6:HOST[:PORT],
unix:PATH or cunix:PATH. The environment variables RTPPCTL_SOCKET and RTPPCTL_HTTP stand in for -s and --http.
"""


class _Parser(argparse.ArgumentParser):
    """Mistakes in a check are told with the status that monitoring systems expect."""

    is_check = False

    def error(self, message: str) -> NoReturn:
        if self.is_check:
            print(unknown(message))
            self.exit(UNKNOWN)
        super().error(message)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Raises SystemExit after having said why."""
    common = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("-s", dest="socket", metavar="SOCKET", help=f"control socket (default {DEFAULT_SOCKET})")
    common.add_argument("--http", metavar="URL", help="status page (--http of rtpproxy): URL, ADDRESS:PORT or PORT")
    common.add_argument("--timeout", type=_seconds, metavar="SECONDS",
                        help=f"how long to wait for an answer (default {DEFAULT_TIMEOUT:g})")
    common.add_argument("--json", action="store_true", help="JSON instead of text for people")
    parser = _Parser(prog="rtppctl", parents=[common], epilog=_EPILOG, allow_abbrev=False,
                     description="Looks at a running rtpproxy and tells it what to do.",
                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.is_check = "check" in arguments  # what is wrong may stand before the command
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)

    def add(name: str, what: str) -> _Parser:
        return commands.add_parser(name, parents=[common], help=what, description=what, allow_abbrev=False)

    add("ping", "say whether the proxy answers, and how fast")
    add("stats", "show the summary and all counters")
    _add_looking(add)
    _add_acting(add)
    given = parser.parse_args(arguments)
    values = {"socket": os.environ.get("RTPPCTL_SOCKET") or DEFAULT_SOCKET, "timeout": DEFAULT_TIMEOUT,
              "http": os.environ.get("RTPPCTL_HTTP") or None, "json": False}
    return argparse.Namespace(**{**values, **vars(given)})


def _add_looking(add: _Add) -> None:
    parser = add("sessions", "list sessions (needs --http)")
    parser.add_argument("--state", help="only those in this state; problem: all that need a look")
    parser.add_argument("--search", metavar="TEXT", help="only those with this in their call-id, tag or addresses")
    parser.add_argument("--sort", choices=SORT_KEYS, help="what comes first (default: the newest)")
    parser.add_argument("--limit", type=_count, default=1000, metavar="N", help="at most so many (default 1000)")
    parser.add_argument("--ended", action="store_true", help="those that ended last instead")
    _add_session_words(add("session", "show one session, each medium of it"))
    parser = add("watch", "show it all, again and again, until q is pressed")
    parser.add_argument("-n", dest="interval", type=_seconds, default=1.0, metavar="SECONDS",
                        help="between two looks (default 1)")
    parser = add("check", "for monitoring systems: one line; status 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN")
    parser.is_check = True
    parser.add_argument("-m", dest="metric", default="sessions", choices=METRICS, metavar="METRIC",
                        help="what to compare: sessions (default), streams, load, time (of the answer, seconds), a "
                             "counter of the command G; with --http also loss (%%), jitter (ms), ports (%% in use)")
    parser.add_argument("-w", dest="warning", type=_range, metavar="RANGE", help="WARNING outside of it: 10, 10:, 5:10")
    parser.add_argument("-c", dest="critical", type=_range, metavar="RANGE", help="CRITICAL outside of it")


def _add_acting(add: _Add) -> None:
    parser = add("record", "start recording a session")
    _add_session_words(parser)
    parser.add_argument("--one-file", action="store_true", help="both directions in one file (rtpproxy -P)")
    parser = add("stop", "stop recording and copying a session")
    _add_session_words(parser)
    parser.add_argument("--prompt", action="store_true", help="stop the prompt that plays to the party instead")
    parser = add("delete", "end a session")
    _add_session_words(parser, required=False)
    parser.add_argument("--all", action="store_true", help="end all sessions")
    parser = add("drain", "take no new sessions, and wait until the last one and the proxy have ended")
    parser.add_argument("-p", dest="pid_file", default=Settings.pid_file, metavar="FILE",
                        help=f"pid file of the proxy (default {Settings.pid_file})")
    parser.add_argument("--wait", type=float, metavar="SECONDS", help="how long (default: until it is done; 0: not)")
    parser = add("raw", "send a command of the control protocol and print the reply")
    parser.add_argument("words", nargs="+", metavar="COMMAND", help="such as V, or 'Q call-1 alice bob'")


def _add_session_words(parser: argparse.ArgumentParser, required: bool = True) -> None:
    parser.add_argument("call_id", metavar="CALL-ID", nargs=None if required else "?")
    parser.add_argument("from_tag", metavar="FROM-TAG", nargs="?", help="not needed with --http")
    parser.add_argument("to_tag", metavar="TO-TAG", nargs="?")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.01 <= value <= 86400:
        raise argparse.ArgumentTypeError("not between 0.01 and 86400 seconds")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("not a number from 1")
    return value


def _range(text: str) -> Range:
    try:
        return Range.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error))
