"""Looks at a running proxy and tells it what to do, over its control socket.

Plan: a command gathers what it needs (`ctl/gather.py` by the control protocol, `ctl/web.py` from the status page) and
shows it as text (`ctl/views.py`) or JSON. All goes by the control protocol alone, except what it does not know: which
sessions there are, and their addresses. Exit status: 0 done, 1 not done, 2 wrong usage; `check` has its own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any, Callable, NoReturn, Optional

from rtpp.tools.ctl import gather, views
from rtpp.tools.ctl.check import UNKNOWN, Thresholds, check, unknown
from rtpp.tools.ctl.client import Client
from rtpp.tools.ctl.drain import drain
from rtpp.tools.ctl.failures import Failure, is_error, meaning
from rtpp.tools.ctl.gather import command
from rtpp.tools.ctl.options import parse
from rtpp.tools.ctl.screen import Screen
from rtpp.tools.ctl.tables import printable
from rtpp.tools.ctl.watch import watch
from rtpp.tools.ctl.web import Web

PROGRAM = "rtppctl"


def main() -> NoReturn:
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """The exit status."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    options = parse(arguments)
    try:
        status = _COMMANDS[options.command](_Task(options))
        sys.stdout.flush()
        return status
    except Failure as failure:
        if options.command == "check":  # it fails before it has begun: a socket or page that cannot be
            print(unknown(failure))
            return UNKNOWN
        sys.stderr.write(f"{PROGRAM}: {printable(str(failure))}\n")
        return 1
    except BrokenPipeError:  # the reader of the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


class _Task:
    """What a command works with."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.client = Client(options.socket, options.timeout)
        self.web = Web(options.http, options.timeout) if options.http else None

    def show(self, lines: Sequence[str], data: Any) -> int:
        print(json.dumps(data, indent=2) if self.options.json else "\n".join(lines))
        return 0

    def width(self) -> Optional[int]:
        """Columns of the terminal; None when the output goes elsewhere and may be as wide as it is."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else None

    def tags(self) -> Sequence[tuple[str, Optional[str]]]:
        """From-tag and to-tag of the sessions that are meant; without tags given, those that the status page knows."""
        call_id, given = self.options.call_id, self.options.from_tag
        if given is not None:
            return [(given, self.options.to_tag)]
        if self.web is None:
            raise Failure("a from-tag is needed behind the call-id; it is not with --http, where tags can be looked up")
        found = [(str(one.get("tag")), None) for one in self.web.sessions({"call_id": call_id}, 100)]
        if not found:
            raise Failure(f"no session with call-id {call_id}")
        return found

    def act(self, verb: str, both_ways: bool = False) -> int:
        """Send a command about the sessions that are meant, and once more for the other party if both are meant."""
        meant = self.tags()
        if self.options.from_tag is None and verb != "S":  # for all but S, a tag without number means all its media
            meant = list(dict.fromkeys((tag.rpartition(";")[0] or tag, other) for tag, other in meant))
        for from_tag, to_tag in meant:
            self.client.demand(command(verb, self.options.call_id, from_tag, to_tag))
            if both_ways:
                self.client.demand(command(verb, self.options.call_id, gather.ANY_TAG, from_tag))
        return self.show(["done"], {"done": True})


def _ping(task: _Task) -> int:
    begin = time.monotonic()
    version = task.client.demand("V")
    seconds = time.monotonic() - begin
    return task.show([f"{task.client.text} answers after {seconds * 1000:.1f} ms, protocol version {version}"],
                     {"socket": task.client.text, "seconds": seconds, "version": version})


def _stats(task: _Task) -> int:
    info, counters = gather.info(task.client), gather.counters(task.client)
    return task.show(views.stats(info, counters), {**info, "counters": counters})


def _sessions(task: _Task) -> int:
    options = task.options
    if task.web is None:
        active = gather.info(task.client)["sessions"]
        raise Failure(f"{active} sessions are active, but the control protocol cannot list them: start rtpproxy with "
                      "--http PORT and name it here with --http PORT; a session whose call-id and tag you know is "
                      "shown by: rtppctl session CALL-ID FROM-TAG")
    query = {name: value for name in ("state", "search", "sort") if (value := getattr(options, name))}
    found = list(task.web.sessions({**query, "ended": "1"} if options.ended else query, options.limit))
    return task.show(views.sessions(found, task.width()), found)


def _session(task: _Task) -> int:
    options = task.options
    if task.web is not None:
        known = [one for one in task.web.sessions({"call_id": options.call_id}, 100)
                 if options.from_tag in (None, tag := str(one.get("tag")), tag.rpartition(";")[0])]
        if not known:
            raise Failure(f"no session with call-id {options.call_id}" +
                          (f" and tag {options.from_tag}" if options.from_tag else ""))
        return task.show(_apart([views.session_in_full(one) for one in known]), known)
    (from_tag, to_tag), = task.tags()
    found = list(gather.sessions(task.client, options.call_id, from_tag, to_tag))
    return task.show(_apart([views.session(one) for one in found]), [one.as_json() for one in found])


def _apart(parts: Sequence[Sequence[str]]) -> list[str]:
    """Lines of all parts with an empty line between."""
    return [line for part in parts for line in ("", *part)][1:]


def _watch(task: _Task) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failure("watch needs a terminal; in a script use stats --json")
    patience = min(task.options.timeout, 1.0)  # an answer that is late must not make q wait for long
    web = Web(task.options.http, patience) if task.web is not None else None
    with Screen(sys.stdin.fileno(), sys.stdout.fileno()) as screen:
        watch(Client(task.options.socket, patience), web, task.options.interval, screen)
    return 0


def _check(task: _Task) -> int:
    options = task.options
    status, line = check(task.client, task.web, Thresholds(options.metric, options.warning, options.critical))
    print(line)
    return status


def _record(task: _Task) -> int:
    return task.act("Rs") if task.options.one_file else task.act("R", both_ways=True)


def _stop(task: _Task) -> int:
    return task.act("S" if task.options.prompt else "Na")


def _delete(task: _Task) -> int:
    options = task.options
    if options.all:
        if options.call_id is not None:
            raise Failure("delete takes a call-id or --all, not both")
        task.client.demand("X")
        return task.show(["done"], {"done": True})
    if options.call_id is None:
        raise Failure("delete needs a call-id and a from-tag, or --all")
    return task.act("D")


def _drain(task: _Task) -> int:
    def say(text: str) -> None:
        print(json.dumps({"message": text}) if task.options.json else text, flush=True)

    drain(task.client, task.options.pid_file, task.options.wait, say)
    return 0


def _raw(task: _Task) -> int:
    reply = task.client.ask(" ".join(task.options.words))
    if is_error(reply):
        sys.stderr.write(f"{PROGRAM}: {reply}: {meaning(int(reply[1:]))}\n")
    task.show([printable(line) for line in reply.split("\n")], {"reply": reply})
    return 1 if is_error(reply) else 0


_COMMANDS: dict[str, Callable[[_Task], int]] = {
    "ping": _ping,
    "stats": _stats,
    "sessions": _sessions,
    "session": _session,
    "watch": _watch,
    "check": _check,
    "record": _record,
    "stop": _stop,
    "delete": _delete,
    "drain": _drain,
    "raw": _raw,
}


if __name__ == "__main__":
    main()
