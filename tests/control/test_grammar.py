"""Bytes to requests: tokens, limits, and the order in which faults are told."""

from __future__ import annotations

import random
import unittest

from rtpp.control.grammar import Clause, integer, parse, tokenize
from rtpp.errors import CommandError
from tests.control.conversation import ConversationCase

SEEDS = (20040107, 20260309)


def error_of(command: bytes) -> str:
    """`E<n>` for what cannot be parsed, empty for what can."""
    try:
        parse(tokenize(command))
    except CommandError as error:
        return f"E{int(error.code)}"
    return ""


def words(count: int) -> bytes:
    return b" ".join(b"w%d" % number for number in range(count))


class TokenTest(unittest.TestCase):
    def test_separators(self) -> None:
        cases = [
            (b"V", [b"V"]),
            (b"  \t V \r\n", [b"V"]),
            (b"a\tb\rc\nd e", [b"a", b"b", b"c", b"d", b"e"]),
            (b"a \r\n\t b", [b"a", b"b"]),
            (b"a\x0bb\x0cc", [b"a\x0bb\x0cc"]),  # vertical tab and form feed are ordinary
            (b"\xa0 \x85", [b"\xa0", b"\x85"]),  # and so are the spaces of other alphabets
            (b"", []),
            (b" \r\n\t", []),
        ]
        for data, expected in cases:
            with self.subTest(data=data):
                self.assertEqual(tokenize(data), expected)

    def test_clauses(self) -> None:
        request = parse(tokenize(b"uW6 id 1.2.3.4 5 f && S ttl=5 && d"))
        self.assertEqual(request.main, Clause("U", "W6", ("id", "1.2.3.4", "5", "f")))
        self.assertEqual(request.subcommands, (Clause("S", "", ("ttl=5",)), Clause("D", "", ())))
        self.assertEqual(parse(tokenize(b"vF 1")).main, Clause("VF", "", ("1",)))
        self.assertEqual(parse(tokenize(b"D \xff\xfe t\xe9")).main, Clause("D", "", ("\xff\xfe", "t\xe9")))
        self.assertEqual(parse(tokenize(b"D c f&&")).main.arguments, ("c", "f&&"))  # not a token of its own


class FaultTest(unittest.TestCase):
    def test_table(self) -> None:
        cases: list[tuple[bytes, str]] = [
            # nothing, or too much
            (b"", "E5"), (b" \t", "E5"), (b"V &&", "E5"), (b"&& D", "E5"), (b"V && D &&", "E5"), (b"V && && D", "E5"),
            (b"V && &&", "E5"), (b"V\0", "E5"), (b"V \0", "E5"), (b"Q c f && D\0", "E5"), (b"\0", "E5"),
            (b"X " + words(22), "E1"), (b"X " + words(23), "E5"),
            (b"G " + words(22), ""), (b"G " + words(23), "E5"), (b"zz " + words(23), "E5"),
            (b"Q c f && D " + words(22), ""), (b"Q c f && D " + words(23), "E5"),
            (b"Q c f" + b" && D" * 15, ""), (b"Q c f" + b" && D" * 16, "E5"),
            # no such verb
            (b"zzz", "E0"), (b"zz && 1", "E0"), (b"1", "E0"), (b"\xe9 c f", "E0"), (b"\xff", "E0"), (b"\xdf", "E0"),
            (b"\xb5", "E0"), (b"F 1", "E0"), (b"\x0bV", "E0"),
            # number of words; it comes before any fault of modifiers
            (b"Uq c", "E1"), (b"Dq c", "E1"), (b"Px c", "E1"), (b"Sx c", "E1"), (b"Rx c", "E1"), (b"Cx c n", "E1"),
            (b"Nx c", "E1"), (b"Qx c", "E1"), (b"Ix x", "E1"), (b"Vx x", "E1"), (b"Xx x", "E1"), (b"VFx", "E1"),
            (b"V&& D", "E1"), (b"V extra", "E1"), (b"VF", "E1"), (b"vf", "E1"), (b"V F", "E1"), (b"VF ", "E1"),
            (b"VF 1 2", "E1"), (b"V v", "E1"), (b"X a", "E1"),
            (b"U c 1 2 f t n g x", "E1"), (b"L c 1 2 f t n", "E1"), (b"D c f t x", "E1"), (b"D c", "E1"),
            (b"P c n 0 f t x", "E1"), (b"P c n 0", "E1"), (b"S c f t x", "E1"), (b"R c f t x", "E1"),
            (b"C c n f t x", "E1"), (b"C c n", "E1"), (b"N c f t x", "E1"), (b"I x", "E1"),
            (b"Q " + words(14), ""), (b"Q " + words(15), "E1"), (b"Q " + words(22), "E1"), (b"Q " + words(23), "E5"),
            # modifiers where there are none
            (b"Sx c f", "E2"), (b"Vx", "E2"), (b"VFx 1", "E2"), (b"Xx", "E2"), (b"VV", "E2"), (b"Xq && D", "E2"),
            (b"VFx 1 && D", "E2"),
            # sub-commands where there are none; a fault of the modifiers of these verbs would come later
            (b"V && D", "E3"), (b"VF 1 && D", "E3"), (b"Iq && D", "E3"), (b"Dq c f && D", "E3"), (b"X && D", "E3"),
            (b"P c n 0 f && D", "E3"), (b"S c f && D", "E3"), (b"R c f && D", "E3"), (b"C c n f && D", "E3"),
            (b"N c f && D", "E3"), (b"G x && D", "E3"),
            (b"Iq x && D", "E1"), (b"Xq x && D", "E1"), (b"VF && D", "E1"),
            # accepted: what comes later decides
            (b"U c 1 2 f", ""), (b"U c 1 2 f t n g", ""), (b"Uq c 1 2 f && zz", ""), (b"Ix", ""), (b"Gx", ""),
        ]
        for command, expected in cases:
            with self.subTest(command=command):
                self.assertEqual(error_of(command), expected)

    def test_verbs_in_both_cases(self) -> None:
        for verb in "ULDPSRCNQIGVX":
            for letter in (verb, verb.lower()):
                with self.subTest(verb=letter):
                    self.assertNotEqual(error_of(letter.encode() + b" a b c d"), "E0")


class IntegerTest(unittest.TestCase):
    def test_table(self) -> None:
        cases = [("5", 5), ("+5", 5), ("-5", -5), ("05", 5), ("-0", 0), ("0" * 50 + "7", 7), ("\x0b5", 5),
                 ("\x0c+5", 5)]
        for text, expected in cases:
            with self.subTest(text=text):
                self.assertEqual(integer(text), expected)

    def test_refused(self) -> None:
        for text in ("", "+", "-", "++5", "5x", "0x10", "5 ", "1_0", "\xb2", "5.0", "\u0665", "5\x0b", "+\x0b5"):
            with self.subTest(text=text), self.assertRaises(ValueError):
                integer(text)

    def test_huge(self) -> None:
        """However long: the interpreter's own limit on digits is not met."""
        self.assertGreater(integer("9" * 8000), 2**62)
        self.assertLess(integer("-" + "9" * 8000), -(2**62))


class FuzzTest(ConversationCase):
    """Whatever comes in, one line of reply goes out, and nothing unexpected is logged."""

    ALPHABET = b"UuLlDPSRCNQIGVvFfXx 0123456789ac6zwnlre[]{}:;.,&-+=%* \t\r\n\0\x0b\xff\xe9"
    WORDS = (b"U", b"L", b"Uc0,8", b"Uz20", b"Ul127.0.0.1", b"U6", b"Lr127.0.0.1", b"Q", b"Qv", b"D", b"Dw", b"P3",
             b"S", b"R", b"Cp", b"Na", b"Ib", b"Gv", b"V", b"VF", b"call", b"127.0.0.1", b"::1", b"0.0.0.0", b"4000",
             b"0", b"-1", b"f;1", b"t;1", b"f", b"t", b"&&", b"&&", b"S", b"Sr", b"ttl=5", b"tos=3", b"udp:127.0.0.1:9",
             b"session", b"0,8", b"nsess_created", b"ttl", b"x%41", b"tcp:127.0.0.1:7;a", b"\0", b"9" * 5000,
             b"\xff\xdb")

    def check_answers(self, commands: list[bytes], seed: int) -> None:
        talk = self.talk("-l 127.0.0.1 -n tcp:127.0.0.1:7", pairs=60)
        for number, command in enumerate(commands):
            reply = talk.say(command)
            where = f"seed {seed}, command {number}: {command[:200]!r} -> {reply[:200]!r}"
            self.assertLessEqual(len(reply), 1023, where)
            self.assertNotEqual(reply, "E89", where)
            self.assertEqual(reply.encode("latin-1").count(b"\n"), 4 if reply.startswith("sessions") else 0, where)
            reply.encode("ascii")
            if reply.startswith("E"):
                self.assertRegex(reply, r"\AE[0-9]{1,2}\Z", where)
        counted = talk.counters("ncmds_rcvd", "ncmds_repld", "ncmds_succd", "ncmds_errs")
        self.assertEqual(counted["ncmds_rcvd"], len(commands))
        self.assertEqual(counted["ncmds_repld"], len(commands))
        self.assertEqual(counted["ncmds_succd"] + counted["ncmds_errs"], len(commands))

    def test_random_bytes(self) -> None:
        for seed in SEEDS:
            source = random.Random(seed)
            commands = [bytes(source.choice(self.ALPHABET) for _ in range(source.randrange(80))) for _ in range(700)]
            commands += [source.randbytes(source.randrange(200)) for _ in range(300)]
            self.check_answers(commands, seed)

    def test_random_words(self) -> None:
        for seed in SEEDS:
            source = random.Random(seed)
            commands = [b" ".join(source.choices(self.WORDS, k=source.randrange(1, 12))) for _ in range(1500)]
            self.check_answers(commands, seed)

    def test_broken_commands(self) -> None:
        """Good commands with a few bytes changed."""
        good = [b"Uc0,8z20l127.0.0.1 call 127.0.0.1 4000 f;1 t;1 && L 127.0.0.1 5000 && Sr ttl=30 && C call f;1 t;1 "
                b"&& D",
                b"L6aw call ::1 4002 f;1 t;1 && S tos=184", b"Qv call f;1 t;1 ttl npkts_ina && S ttl=9",
                b"P3 call /nowhere/prompt 0,8,101 f;1 t;1", b"C call udp:127.0.0.1:9999 f;1", b"R call f t",
                b"U call 127.0.0.1 4000 f;1 t;1 tcp:127.0.0.1:7 a%20b", b"D call f t"]
        for seed in SEEDS:
            source = random.Random(seed)
            commands = []
            for _ in range(1500):
                command = bytearray(source.choice(good))
                for _ in range(source.randrange(3)):
                    command[source.randrange(len(command))] = source.choice(self.ALPHABET)
                commands.append(bytes(command))
            self.check_answers(commands, seed)

    def test_huge_tokens(self) -> None:
        digits = b"9" * 8000
        commands = [prefix + digits + suffix for prefix, suffix in (
            (b"", b""), (b"V", b""), (b"Uz", b" c 127.0.0.1 4 f"), (b"Uc", b" c 127.0.0.1 4 f"),
            (b"Uc0,", b" c 127.0.0.1 4 f"), (b"Ul", b" c 127.0.0.1 4 f"), (b"Ur", b" c 127.0.0.1 4 f"),
            (b"Ul[", b"] c ::1 4 f"), (b"Ul{", b"} c ::1 4 f"), (b"U c 127.0.0.1 ", b" f"), (b"U c ", b" 4 f"),
            (b"U c 127.0.0.1 4 ", b""), (b"U ", b" 127.0.0.1 4 f"), (b"P", b" c n 0 f"), (b"P c n ", b" f"),
            (b"P c n 0,", b" f"), (b"P c ", b" 0 f"), (b"U c 127.0.0.1 4 f && S ttl=", b""),
            (b"U c 127.0.0.1 4 f && S tos=", b""), (b"U c 127.0.0.1 4 f t && L 127.0.0.1 ", b""),
            (b"C c udp:127.0.0.1:", b" f"), (b"C c ", b" f"), (b"VF ", b""), (b"G ", b""), (b"Q c f t ", b""),
            (b"D ", b" f"), (b"R ", b" f"), (b"U c 127.0.0.1 4 f n ", b""), (b"U c 127.0.0.1 4 f n %41", b""))]
        self.check_answers(commands, 0)


if __name__ == "__main__":
    unittest.main()
