"""Random control commands: mostly sensible, some with one thing wrong, some nonsense.

Call-ids and tags come from small sets, so that commands meet the sessions that earlier ones made. `NOTIFY`
stands for the name of a notification target, which differs between the two programs that are compared.
"""

from __future__ import annotations

import random

NOTIFY = "NOTIFY"
CALLS = ["a", "b@h", "c;z9hG4bK-1", "d-0", "long" * 20, "%2A*", "A"]
TAGS = ["f", "t", "f;1", "f;2", "t;1", "t;2", "g", "f;1;2", ";1", "*"]
HOSTS = ["127.0.0.1"] * 8 + ["127.0.0.2", "0.0.0.0", "foo", "1.2.3", "999.1.1.1", "example.com", "::1", "1234567"]
HOSTS6 = ["::1"] * 6 + ["::", "z", "zz", "fe80::1", "127.0.0.1", "[::1]", "::ffff:127.0.0.1"]
PORTS = ["4000"] * 8 + ["0", "65535", "70000", "abc", "-1", "+4", "04", "4x", "", "http"]
LOCAL = ["127.0.0.1", "127.0.0.2", "127.0.0.5", "0.0.0.0", "127.1", "0", "[::1]"]
BAD_LOCAL = ["", ".", "999.1.1.1", "[::1", "[]", "[::1g]", "{}", "{a", "{label}", "1.2.3.4.5", "[127.0.0.1]", "x"]
COUNTERS = (
    *("nsess_created", "nsess_destroyed", "nsess_timeout", "nsess_complete", "nsess_nortp", "nsess_owrtp"),
    *("nsess_nortcp", "nsess_owrtcp", "nplrs_created", "nplrs_destroyed", "npkts_rcvd", "npkts_played"),
    *("npkts_relayed", "npkts_resizer_in", "npkts_resizer_out", "npkts_resizer_discard", "npkts_discard"),
    *("total_duration", "ncmds_rcvd", "ncmds_rcvd_ndups", "ncmds_succd", "ncmds_errs", "ncmds_repld"),
    *("rtpa_nsent", "rtpa_nrcvd", "rtpa_ndups", "rtpa_nlost", "rtpa_perrs", "pps_in"),
)
SESSION_COUNTERS = (
    *("ttl", "npkts_ina", "npkts_ino", "nrelayed", "ndropped", "longest_ipi", "rtpa_jlast", "rtpa_jmax"),
    *("rtpa_javg", "rtpa_nsent", "rtpa_nrcvd", "rtpa_ndups", "rtpa_nlost", "rtpa_perrs"),
)
CAPABILITIES = (
    *("20040107", "20050322", "20060704", "20071116", "20071218", "20080403", "20081102", "20081224"),
    *("20090810", "20140323", "20140617", "20141004", "20150330", "20150420", "20150617", "20191015"),
    *("20200226", "20230205", "20230314", "20230424", "20250523", "20251015", "20260306", "20260308"),
    *("20260309", "20170313", "20040108", "0", "x", "020040107", "+20040107"),
)
NOISE = "abcdefghijklmnopqrstuvwxyzUVWXYZ0123456789,.;:=+-[]{}%&*/\\\"'\x0b\x0c\x00\x7f\xe1\xff"


class CommandMaker:
    """An endless stream of commands, the same for the same random source."""

    def __init__(self, source: random.Random) -> None:
        self.random = source
        self.choice = source.choice
        self.files = 0
        verbs = {
            self.update: 30,
            self.look_up: 20,
            self.delete: 7,
            self.query: 12,
            self.statistics: 4,
            self.play: 5,
            self.stop: 3,
            self.copy: 4,
            self.record: 4,
            self.stop_recording: 3,
            self.info: 2,
            self.version: 4,
            self.delete_all: 0.3,
        }
        self.verbs, self.weights = list(verbs), list(verbs.values())

    def __call__(self) -> str:
        words = self.random.choices(self.verbs, self.weights)[0]()
        dice = self.random.random()
        if dice < 0.12:
            words = self.spoil(words)
        elif dice < 0.14:
            words = [self.noise(12) for _ in range(self.random.randrange(1, 27))]
        if self.random.random() < 0.1:
            words[0] = words[0].encode("latin-1").swapcase().decode("latin-1")
        return self.join(words)

    def join(self, words: list[str]) -> str:
        if self.random.random() < 0.95:
            return " ".join(words)
        return "".join(word + self.choice([" ", "  ", "\t", " \r", "\r\t "]) for word in words)

    def spoil(self, words: list[str]) -> list[str]:
        """One thing wrong: a word lost, doubled, added or changed, or a letter more in the verb's word."""
        place = self.random.randrange(len(words))
        kind = self.random.randrange(6)
        if kind == 0 and len(words) > 1:
            return words[:place] + words[place + 1 :]
        if kind == 1:
            return words[:place] + [words[place]] * self.choice([2, 3, 20]) + words[place + 1 :]
        if kind == 2:
            return [*words[: place + 1], self.noise(4), *words[place + 1 :]]
        if kind == 3:
            return [*words[:place], self.noise(4), *words[place + 1:]]
        if kind == 4:
            return [*words, "&&", *self.choice([[], ["D"], ["S", "ttl=9"], ["G"], ["&&"], [self.noise(3)]])]
        return [words[0] + self.noise(1), *words[1:]]

    def noise(self, length: int) -> str:
        return "".join(self.choice(NOISE) for _ in range(self.random.randrange(1, length + 1)))

    # --- the verbs

    def modifiers(self, update: bool) -> str:
        """Option letters of U and L. The family is told apart by the letter 6, which comes from `remote`."""
        made = ""
        while self.random.random() < 0.4:
            kind = self.random.random()
            if kind < 0.45:
                made += self.choice("aaswwnn")
            elif kind < 0.6:
                made += "z" + self.choice(["20", "5", "+5", "05", "999", "1000", "0", "", "-5", "\x0b7"])
            elif kind < 0.75:
                made += "c" + self.choice(["0", "0,8,101", "0,", ",", "", "96"])
            elif kind < 0.9:
                made += "l" + (self.choice(LOCAL) if self.random.random() < 0.8 else self.choice(BAD_LOCAL))
            elif kind < 0.94:
                made += "r" + self.choice(["127.0.0.1", "127.0.0.9", "", ".", "[::1]", "[", "{x}"])
            else:
                made += self.choice("eipvtx?\xe1")
        return made if self.random.random() < 0.9 else made.encode("latin-1").upper().decode("latin-1")

    def remote(self) -> tuple[str, list[str]]:
        """The family's modifier letter, address and port of the requesting party."""
        if self.random.random() < 0.08:
            return "6", [self.choice(HOSTS6), self.choice(PORTS)]
        return "", [self.choice(HOSTS), self.choice(PORTS)]

    def tags(self, least: int = 1) -> list[str]:
        both = self.random.random() < 0.7 or least > 1
        return [self.choice(TAGS) for _ in range(2 if both else 1)]

    def update(self) -> list[str]:
        family, remote = self.remote()
        words = ["U" + family + self.modifiers(True), self.choice(CALLS), *remote, *self.tags()]
        if self.random.random() < 0.15:
            words += [self.choice([NOTIFY, NOTIFY, "unknown", "tcp:127.0.0.1:9"])]
            words += [self.choice(["tag", "a%20b+c", "%zz", "t%2", "%0A%41", "x%00y"])]
        return words + self.subcommands("U", len(words) in (6, 8))

    def look_up(self) -> list[str]:
        family, remote = self.remote()
        words = ["L" + family + self.modifiers(False), self.choice(CALLS), *remote, *self.tags()]
        return words + self.subcommands("L", False)

    def delete(self) -> list[str]:
        return ["D" + self.choice(["", "", "", "w", "W", "x"]), self.choice(CALLS), *self.tags()]

    def query(self) -> list[str]:
        words = ["Q" + self.choice(["", "", "v", "x"]), self.choice(CALLS), *self.tags()]
        if len(words) == 4 and self.random.random() < 0.5:
            count = self.choice([1, 2, 5, 11, 12])
            words += [self.choice(SESSION_COUNTERS) for _ in range(count)]
            if self.random.random() < 0.1:
                words[-1] = "nonsense"
        return words + self.subcommands("Q", False)

    def subcommands(self, verb: str, both: bool) -> list[str]:
        made: list[str] = []
        while self.random.random() < (0.2 if not made else 0.5):
            made += ["&&", *self.subcommand(verb, both)]
        return made

    def subcommand(self, verb: str, both: bool) -> list[str]:
        kind = self.random.random()
        if kind < 0.4:
            good, bad = ["ttl=30", "ttl=45", "ttl=+50", "tos=16", "tos=256"], ["ttl=0", "ttl=x", "ttl=5x", "foo=1", ""]
            word = self.choice(good + bad)
            return ["S" + self.choice(["", "", "r", "x", "rr"]), word]
        if kind < 0.55:
            return ["D" + self.choice(["", "w", "x"])]
        if kind < 0.9 and (both or self.random.random() < 0.1):
            if self.random.random() < 0.7:
                family, remote = self.remote()
                return ["L" + family + self.modifiers(False), *remote]
            return ["C", self.choice(CALLS), *self.tags(2)]
        return self.choice([["S", "ttl=40"], ["S", "ttl=40"], ["G"], ["M99:1", "x"], ["M", "x"], ["L"], ["D", "x"]])

    def statistics(self) -> list[str]:
        names = [self.choice(COUNTERS) for _ in range(self.choice([0, 1, 3, 10, 22, 23]))]
        if self.random.random() < 0.05:
            names.append("nonsense")
        return ["G" + self.choice(["", "", "v", "x"]), *names]

    def play(self) -> list[str]:
        count = self.choice(["", "1", "-1", "0", "+3", "03", "x", "3x", "-"])
        codecs = self.choice(["session", "0", "0,8", "abc", ",", "SESSION"])
        return ["P" + count, self.choice(CALLS), "/nowhere/prompt", codecs, *self.tags()]

    def stop(self) -> list[str]:
        return ["S" + self.choice(["", "", "", "x"]), self.choice(CALLS), *self.tags()]

    def copy(self) -> list[str]:
        good = ["udp:127.0.0.1:3000", "udp:127.0.0.1:3000", "shared", self.file_name()]
        bad = ["udp:127.0.0.1", "udp:127.0.0.1:0", "udp:x:y"]
        target = self.choice(good + bad)
        return ["C" + self.choice(["", "", "p", "s", "x"]), self.choice(CALLS), target, *self.tags()]

    def file_name(self) -> str:
        """A new one each time."""
        self.files += 1
        return f"copy{self.files}"

    def record(self) -> list[str]:
        return ["R" + self.choice(["", "", "", "s", "x", "p", "sp"]), self.choice(CALLS), *self.tags()]

    def stop_recording(self) -> list[str]:
        return ["N" + self.choice(["", "", "a", "aa", "x"]), self.choice(CALLS), *self.tags()]

    def info(self) -> list[str]:
        return ["I" + self.choice(["", "b", "l", "lb", "x"])]

    def version(self) -> list[str]:
        if self.random.random() < 0.3:
            return ["V" + self.choice(["", "x", "v"])]
        return [self.choice(["VF", "vf", "Vf", "VFx"]), self.choice(CAPABILITIES)]

    def delete_all(self) -> list[str]:
        return ["X" + self.choice(["", "", "x"])]
