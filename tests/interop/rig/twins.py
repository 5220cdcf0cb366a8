"""Our daemon and the C engine side by side: the same commands go to both, and the answers must agree.

Port numbers differ, so each port of one is paired with the port that the other gave in the same place of a
reply; a pair stays fixed until its session may be gone. Times are compared with a tolerance. Everything that
may differ beyond that is in `tests/interop/differences.py`.
"""

from __future__ import annotations

import re
import socket
import tempfile
from contextlib import ExitStack
from typing import Any, Optional

from tests.interop.differences import form_of_reply
from tests.interop.rig.commands import COUNTERS, NOTIFY
from tests.interop.rig.control import LineClient
from tests.interop.rig.oracle import Oracle
from tests.interop.rig.proxy import Proxy
from tests.interop.rig.tools import free_range, wait_for

TTL_SLACK = 1  # seconds: the two count at different moments of a second
TIMED = {"total_duration", "pps_in", "longest_ipi", "rtpa_jlast", "rtpa_jmax", "rtpa_javg"}
COMMANDS = {"ncmds_rcvd", "ncmds_succd", "ncmds_repld"}
RANGE = 4000  # ports for each, so that a port comes up a second time only after its session has gone


# A port number and its family, 4 or 6: the same number may be in use in both.
Port = tuple[int, int]


class Mismatch(AssertionError):
    """The two disagree."""


class Twins:
    """Context manager. `ours` and `theirs` are the two sides; `command` asks both and compares."""

    def __init__(self, ttl: int = 60) -> None:
        self.ttl = ttl
        self.history: list[str] = []

    def __enter__(self) -> Twins:
        self.stack = ExitStack()
        self.listener = self.stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        self.recordings = self.stack.enter_context(tempfile.TemporaryDirectory())
        options = ("-T", str(self.ttl), "-d", "WARN", "-r", self.recordings)
        proxy = Proxy(*options, sockets=("cunix",), listen=(), port_range=free_range(RANGE), connections=1)
        self.notify_path = f"{proxy.folder.name}/notify"
        self.listener.bind(self.notify_path)
        self.listener.listen()
        proxy.arguments += ["-n", self.notify_path]
        self.proxy = self.stack.enter_context(proxy)
        first, last = free_range(RANGE)
        self.theirs = self.stack.enter_context(Oracle(first, last, self.ttl, self.ttl))
        self.ours = LineClient(self.proxy.spec("cunix").partition(":")[2])
        self.stack.callback(self.ours.close)
        self.ports: dict[Port, Port] = {}  # theirs -> ours
        self.owner: dict[Port, str] = {}  # their port -> call-id
        self.loose: set[Port] = set()  # their ports whose sessions may be gone
        self.offset: dict[str, int] = {}
        self.polls = {"ours": 0, "theirs": 0}
        self.command("Ul[::1] first 127.0.0.1 4000 f")  # from now on both know an IPv6 address
        self.command("X")
        self.level()
        return self

    def __exit__(self, *exception: Any) -> None:
        if exception[0] is None:
            self.ours.command("X")
        self.stack.__exit__(*exception)

    def wait_until_idle(self, timeout: float) -> None:
        """Until neither has a session."""

        def idle() -> bool:
            counts = [self.poll(side, "G nsess_created nsess_destroyed").split() for side in ("ours", "theirs")]
            return all(created == destroyed for created, destroyed in counts)

        wait_for(idle, "end of every session", timeout)

    def notifications(self) -> tuple[list[bytes], list[bytes]]:
        """The lines that each side has written to its notification target, in order of the alphabet."""
        self.listener.settimeout(1.0)
        connection = self.listener.accept()[0]
        found = []
        with connection:
            for source in (connection, self.theirs.notifications):
                source.setblocking(False)
                data = b""
                try:
                    while piece := source.recv(65536):
                        data += piece
                except BlockingIOError:
                    pass
                found.append(sorted(data.split(b"\n")))
        return found[0], found[1]

    def level(self) -> None:
        """Note by how much the global counters differ now, so that it can be taken off: at the start, and
        after a mismatch, lest it shows up again in every later G."""
        self.wait_until_idle(5.0)  # the C engine counts sessions as destroyed a little after its reply
        names = [name for name in COUNTERS if name not in TIMED]
        values: list[list[str]] = [[], []]
        for part in (names[:15], names[15:]):
            for side, found in zip(("ours", "theirs"), values):
                found += self.poll(side, "G " + " ".join(part)).split()
        self.offset = {name: int(mine) - int(other) for name, mine, other in zip(names, *values)}
        self.polls = {"ours": 0, "theirs": 0}

    def restart(self) -> None:
        """After a mismatch: no session on either side, and the counters taken as they are."""
        self.poll("ours", "X")
        self.poll("theirs", "X")
        self.loose.update(self.ports)
        self.level()

    def poll(self, side: str, text: str) -> str:
        """A command to one side alone, left out of the comparison of command counters."""
        self.polls[side] += 1
        return (self.ours if side == "ours" else self.theirs).command(text)

    def command(self, text: str) -> str:
        """Both answers, compared; ours is returned."""
        self.history.append(text)
        theirs = self.theirs.command(text.replace(NOTIFY, self.theirs.notify_spec))
        ours = self.ours.command(text.replace(NOTIFY, self.notify_path))
        form = form_of_reply(text)
        same = bool(re.fullmatch(form, ours) and re.fullmatch(form, theirs)) if form else self.agree(text, ours, theirs)
        if not same:
            raise Mismatch(f"{text!r}: ours {ours!r}, the C engine {theirs!r}")
        self.forget(text, ours)
        return ours

    def agree(self, text: str, ours: str, theirs: str) -> bool:
        words = text.split()
        verb = words[0][:1].upper() if words else ""
        if verb in ("Q", "G"):
            return self.values_agree(words, ours, theirs)
        if verb == "I":
            return self.summary_agrees(ours, theirs)
        return self.pair(text, ours, theirs)

    def summary_agrees(self, ours: str, theirs: str) -> bool:
        """Compare replies to I; the first line has a counter that an earlier mismatch may have moved."""
        mine, others = (re.sub(r"\Asessions created: \d+\n", "", text) for text in (ours, theirs))
        return mine == others

    def is_port(self, word: str) -> bool:
        return word.isdigit() and 100 < int(word) < 65536

    def pair(self, text: str, ours: str, theirs: str) -> bool:
        """Whether two replies are the same but for ports, and the ports pair up."""
        parts = list(zip(ours.split(" && "), theirs.split(" && ")))
        if ours.count(" && ") != theirs.count(" && "):
            return False
        return all(self.part_pairs(text, mine.split(" "), other.split(" ")) for mine, other in parts)

    def part_pairs(self, text: str, ours: list[str], theirs: list[str]) -> bool:
        if ours[1:] != theirs[1:]:
            return False
        if not (self.is_port(ours[0]) and self.is_port(theirs[0])):
            return ours == theirs
        family = 6 if ours[-1] == "6" else 4
        return self.join(text, (int(ours[0]), family), (int(theirs[0]), family))

    def join(self, text: str, ours: Port, theirs: Port) -> bool:
        known = self.ports.get(theirs)
        if known == ours:
            return True
        if known is not None and theirs not in self.loose:
            return False
        for other, mine in list(self.ports.items()):
            if mine == ours:
                if other not in self.loose:
                    return False
                del self.ports[other]
        self.ports[theirs] = ours
        self.owner[theirs] = text.split()[1]
        self.loose.discard(theirs)
        return True

    def their_port(self, ours: Port) -> Port:
        return next(theirs for theirs, mine in self.ports.items() if mine == ours)

    def origin(self, port: int) -> tuple[Optional[int], int]:
        """Which side an IPv4 media port belongs to (0 = ours, 1 = theirs), and the port as ours."""
        first, last = self.proxy.media_ports
        if first <= port <= last:
            return 0, port
        even = port & ~1
        if (even, 4) not in self.ports:
            return None, port
        return 1, self.ports[even, 4][0] + (port - even)

    def forget(self, text: str, reply: str) -> None:
        """After a command that may end sessions or change their ports, these ports may come up again."""
        words = text.split()
        verb = words[0][:1].upper() if words else ""
        if verb == "X" and reply == "0":
            self.loose.update(self.ports)
        elif verb == "D" or "&&" in words or (verb in "ULC" and verb):
            call = words[1] if len(words) > 1 else ""
            ends = verb in "DC" or "&&" in words or "n" in words[0].lower()
            if ends:
                self.loose.update(port for port, owner in self.owner.items() if owner == call)

    # --- values

    def values_agree(self, words: list[str], ours: str, theirs: str) -> bool:
        """Compare G and Q replies number by number."""
        ours, _, our_rest = ours.partition(" && ")
        theirs, _, their_rest = theirs.partition(" && ")
        mine, others = ours.split(" "), theirs.split(" ")
        if ours[:1] == "E" or theirs[:1] == "E" or len(mine) != len(others) or our_rest != their_rest:
            return ours == theirs and our_rest == their_rest
        names = self.names(words, len(mine))
        verb = words[0][:1].upper()
        return all(self.value_agrees(verb, *values) for values in zip(names, mine, others))

    def names(self, words: list[str], count: int) -> list[str]:
        verb = words[0][:1].upper()
        first = 1 if verb == "G" else 4
        end = words.index("&&") if "&&" in words else len(words)
        named = words[first:end]
        return named or (["ttl", "npkts_ina", "npkts_ino", "nrelayed", "ndropped"] if verb == "Q" else [""] * count)

    def value_agrees(self, verb: str, name: str, ours: str, theirs: str) -> bool:
        if "=" in ours or "=" in theirs:
            our_name, _, ours = ours.partition("=")
            their_name, _, theirs = theirs.partition("=")
            if our_name != their_name:
                return False
        if name == "ttl":
            return abs(int(ours) - int(theirs)) <= TTL_SLACK
        if name in TIMED:
            form = r"\d+\.\d{6}"
            return bool(re.fullmatch(form, ours) and re.fullmatch(form, theirs))
        if name in self.offset and verb == "G":
            apart = self.offset[name] + (self.polls["ours"] - self.polls["theirs"]) * (name in COMMANDS)
            return int(ours) - int(theirs) == apart
        return ours == theirs
