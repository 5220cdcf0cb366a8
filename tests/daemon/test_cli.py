"""The command line: every option, every refusal, and the order in which they are seen."""

from __future__ import annotations

import contextlib
import io
import os
import random
import socket
import tempfile
import time
import unittest
from collections.abc import Iterator
from unittest import mock

from rtpp import __version__, cli, help
from rtpp.capabilities import BASIC_VERSION, CAPABILITIES
from rtpp.errors import StartError
from rtpp.settings import ListenAddress, ModuleSettings, Settings

DEFAULTS = Settings()


@contextlib.contextmanager
def captured() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield out, err


def parse(*words: str) -> Settings:
    """Parse as an ordinary user would, with nothing printed."""
    with mock.patch("os.getuid", return_value=1000):
        return cli.parse(words)


def ended(*words: str) -> tuple[object, str, str]:
    """(exit status, standard output, standard error) of a line that ends the program."""
    with captured() as (out, err):
        try:
            parse(*words)
        except SystemExit as end:
            return end.code, out.getvalue(), err.getvalue()
    raise AssertionError(f"{words} did not end the program")


class AcceptedLines(unittest.TestCase):
    def test_no_options(self) -> None:
        self.assertEqual(parse(), DEFAULTS)

    def test_each_option_sets_its_field(self) -> None:
        table: list[tuple[str, str, object]] = [
            ("-2", "send_twice", True),
            ("-a", "record_all", True),
            ("-b", "sequential_ports", True),
            ("-c fifo", "scheduling", "fifo"),
            ("-c rr", "scheduling", "rr"),
            ("-D", "keep_directory", True),
            ("-d dbug", "log_level", "DBUG"),
            ("-d Crit:Log_Local3", "log_level", "CRIT"),
            ("-d Crit:Log_Local3", "log_facility", "LOCAL3"),
            ("-d err:authpriv", "log_facility", "AUTHPRIV"),
            ("-d warn", "log_facility", "DAEMON"),
            ("-F", "no_superuser_check", True),
            ("-f", "foreground", True),
            ("-i", "independent_ttl", True),
            ("-L 0", "open_files", 0),
            ("-L 4096", "open_files", 4096),
            ("-n unix:/x -n tcp:127.0.0.1:9 -n /y", "notify_targets", ("unix:/x", "tcp:127.0.0.1:9", "/y")),
            ("-n tcp:%%CC_SELF%%:65535", "notify_targets", ("tcp:%%CC_SELF%%:65535",)),
            ("-n fd:3", "notify_targets", ("fd:3",)),
            ("-n udp:1.1.1.1:3", "notify_targets", ("udp:1.1.1.1:3",)),
            ("-P", "record_pcap", True),
            ("-p /no/such/directory/pid", "pid_file", "/no/such/directory/pid"),
            ("-R", "record_rtcp", False),
            ("-r /no/such", "record_dir", "/no/such"),
            ("-S /spool -r /kept", "spool_dir", "/spool"),
            ("-s foo", "control_sockets", ("foo",)),
            ("-s udp:*:1 -s tcp6:::1:2", "control_sockets", ("udp:*:1", "tcp6:::1:2")),
            ("-f -s stdio:", "control_sockets", ("stdio:",)),
            ("-T 1", "ttl", 1),
            ("-T 7", "setup_ttl", 7),
            ("-W 3 -T 7", "setup_ttl", 3),
            ("-t 0", "tos", 0),
            ("-t 255", "tos", 255),
            ("-t -1", "tos", -1),
            ("-u nobody", "user", "nobody"),
            ("-u nobody", "group", ""),
            ("-u root:root", "group", "root"),
            ("-u :root", "user", ""),
            ("-w 511", "control_socket_mode", 511),
            ("-w 0777", "control_socket_mode", 777),
            ("--bridge_symmetric", "bridge_symmetric", True),
            ("--force_asymmetric", "force_asymmetric", True),
            ("--nice -20", "nice", -20),
            ("--nice=20", "nice", 20),
            ("--no_redirect", "redirect", False),
            ("--no_resolve", "resolve_names", False),
            ("--overload_prot", "overload_protection", True),
            ("--overload_prot=0.85:0.9:udp", "overload_protection", True),
        ]
        for line, field, value in table:
            with self.subTest(line):
                self.assertEqual(getattr(parse(*line.split()), field), value)

    def test_forms_of_writing(self) -> None:
        table = [
            (["-fbFT60"], ["-f", "-b", "-F", "-T", "60"]),  # a cluster with an attached argument
            (["-T", " 5"], ["-T", "5"]),
            (["-T", "+5"], ["-T5"]),
            (["--force"], ["--force_asymmetric"]),
            (["--b", "--o", "--no_red"], ["--bridge_symmetric", "--overload_prot", "--no_redirect"]),
            (["--nice", "3"], ["--nice=3"]),
            (["-T", "9", "-T", "8"], ["-T", "8"]),  # the last one counts
            (["-f", "--"], ["-f"]),
        ]
        for words, same in table:
            with self.subTest(words):
                self.assertEqual(parse(*words), parse(*same))

    def test_port_range_is_rounded_to_even_ports(self) -> None:
        table = [
            ("", 35000, 64998),
            ("-m 45000 -M 45006", 45000, 45004),  # three pairs
            ("-m 45000 -M 45007", 45000, 45006),  # four pairs
            ("-m 45001 -M 45003", 45002, 45002),
            ("-m 23820 -M 23823", 23820, 23822),
            ("-m 1 -M 65535", 2, 65534),
        ]
        for line, lowest, highest in table:
            with self.subTest(line):
                settings = parse(*line.split())
                self.assertEqual((settings.port_min, settings.port_max), (lowest, highest))

    def test_random_port_ranges_hold_exactly_the_even_ports_with_a_partner(self) -> None:
        seed = time.time_ns()
        generator = random.Random(seed)
        for _ in range(2000):
            low = generator.randint(1, 65535)
            high = min(65535, low + generator.randint(-3, 12))
            pairs = [port for port in range(low, high) if port % 2 == 0 and port + 1 <= high]
            with self.subTest(low=low, high=high, seed=seed):
                if pairs:
                    self.assertEqual(cli.port_range(low, high), (pairs[0], pairs[-1]))
                else:
                    self.assertRaises(StartError, cli.port_range, low, high)


class RefusedLines(unittest.TestCase):
    def test_values_that_will_not_do(self) -> None:
        table = [
            ["-t", "256"],
            ["-t", "-2"],
            ["-t", "abc"],
            ["-T", "0"],
            ["-T", "x"],
            ["-T", "1x"],
            ["-T", ""],
            ["-T", "1 "],
            ["-T", "1_0"],
            ["-T", "\u0663"],  # a digit, but not one of ours
            ["-T", "9" * 5000],
            ["-W", "0"],
            ["-m", "0"],
            ["-m", "x"],
            ["-m", "65536"],
            ["-M", "70000"],
            ["-m", "60000", "-M", "50000"],
            ["-m", "65000"],
            ["-M", "35000"],
            ["-m", "9", "-M", "9"],
            ["-m", "10", "-M", "9"],
            ["-m", "65535", "-M", "65535"],
            ["-c", "foo"],
            ["-c", "FIFO"],
            ["-d", "FOO"],
            ["-d", "INFO:FOO"],
            ["-d", "INFO:"],
            ["-d", ":DAEMON"],
            ["-d", ""],
            ["-S", "dir"],
            ["-s", "stdio:"],
            ["-s", "stdioc:"],
            ["-s", ""],
            ["-n", ""],
            ["-n", "unix:"],
            ["-n", "tcp:"],
            ["-n", "tcp:127.0.0.1"],
            ["-n", "tcp::80"],
            ["-n", "tcp:127.0.0.1:"],
            ["-n", "tcp:127.0.0.1:0"],
            ["-n", "tcp:127.0.0.1:99999"],
            ["-n", "tcp:%%CC_SELF%%:0"],
            ["-n", "tcp:::1:80"],
            ["-n", "unix:/" + "x" * 107],
            ["--no_resolve", "-n", "tcp:localhost:80"],
            ["-n", "tcp:localhost:80", "--no_resolve"],
            ["-n", "tcp:no.such.host.invalid:80", "--no_resolve"],
            ["-w", "9999"],
            ["-w", "4096"],
            ["-w", "-1"],
            ["-w", "abc"],
            ["-u", "nosuchuser"],
            ["-u", ":nosuchgroup"],
            ["-u", "root:nosuchgroup"],
            ["-u", ""],
            ["-u", ":"],
            ["-A", ""],
            ["-A", "x/"],
            ["--nice", "99"],
            ["--nice", "-21"],
            ["--nice", "x"],
            ["--config", "/no/such/file"],
            ["-L", "x"],
            ["-L", "-5"],
            ["--dso", "/no/such/module"],
            ["--dso", __file__],
        ]
        for words in table:
            with self.subTest(words):
                with self.assertRaises(StartError) as caught:
                    parse(*words)
                message = str(caught.exception)
                self.assertTrue(message)
                self.assertNotIn("\n", message)

    def test_messages_quote_the_value_and_say_what_would_be_right(self) -> None:
        table = [
            (["-t", "256"], "option -t: '256' is not a whole number from -1 to 255"),
            (["-L", "x"], "option -L: 'x' is not a whole number of at least 0"),
            (
                ["-w", "9999"],
                "option -w: '9999' is not a decimal number from 0 to 4095 (write 511 for octal 0777)",
            ),
            (
                ["-n", "tcp:h:99999"],
                "option -n: 'tcp:h:99999' has the port '99999': a number from 1 to 65535 is needed",
            ),
            (["-M", "35000"], "no pair of ports lies between 35000 (-m) and 35000 (-M): -M must be greater"),
        ]
        for words, message in table:
            with self.subTest(words), self.assertRaises(StartError) as caught:
                parse(*words)
            self.assertEqual(str(caught.exception), message)

    def test_number_of_notify_targets(self) -> None:
        wildcards = ["-n", "tcp:%%CC_SELF%%:1", "-n", "tcp:%%CC_SELF%%:2"]
        self.assertEqual(len(parse(*wildcards).notify_targets), 2)
        with self.assertRaisesRegex(StartError, "at most 2 wildcards"):
            parse(*wildcards, "-n", "tcp:%%CC_SELF%%:3")
        many = [word for number in range(64) for word in ("-n", f"/{number}")]
        self.assertEqual(len(parse(*many).notify_targets), 64)
        with self.assertRaisesRegex(StartError, "at most 64 targets"):
            parse(*many, "-n", "/65")

    def test_lines_that_cannot_be_read(self) -> None:
        table = [
            (["-?"], ""),
            (["-x"], "unknown option -x"),
            (["-fx"], "unknown option -x"),
            (["--bogus"], "unknown option --bogus"),
            (["--no"], "ambiguous"),
            (["--force_asymmetric=1"], "takes no argument"),
            (["-T"], "option -T needs an argument"),
            (["-f", "--nice"], "option --nice needs an argument"),
            (["one", "-f", "two"], "2 extra word(s)"),
            (["--", "-f"], "1 extra word(s)"),
            (["-"], "1 extra word(s)"),
        ]
        for words, complaint in table:
            with self.subTest(words):
                status, out, err = ended(*words)
                self.assertEqual((status, out), (1, ""))
                self.assertIn(complaint, err)
                self.assertTrue(err.endswith(help.USAGE))
        self.assertEqual(ended("-?")[2], help.USAGE)

    def test_random_words_end_in_one_of_the_documented_ways(self) -> None:
        seed = time.time_ns()
        generator = random.Random(seed)
        alphabet = "-=/@:*,.%0123456789 lmMn6AstTWLdurSpPcwfFVv?\udce9\u00e9"
        for _ in range(3000):
            words = [
                "".join(generator.choices(alphabet, k=generator.randint(0, 8)))
                for _ in range(generator.randint(0, 4))
            ]
            with self.subTest(words=words, seed=seed), captured():
                try:
                    settings = parse("--no_resolve", *words)
                    self.assertLessEqual(settings.port_min, settings.port_max)
                except (StartError, SystemExit) as end:
                    self.assertTrue(str(end))


class Information(unittest.TestCase):
    def test_version(self) -> None:
        self.assertEqual(ended("-V"), (0, f"{__version__}\n", ""))

    def test_clock(self) -> None:
        status, out, err = ended("-C")
        self.assertEqual((status, err), (0, ""))
        self.assertIn(out, ("CLOCK_BOOTTIME\n", "CLOCK_MONOTONIC\n"))

    def test_capabilities(self) -> None:
        status, out, err = ended("-v")
        lines = out.splitlines()
        self.assertEqual((status, err, lines[0]), (0, "", "Basic version: 20040107"))
        self.assertEqual(len(lines), 26)
        identifiers = [int(line[len("Extension ") :].split(":")[0]) for line in lines[1:]]
        self.assertEqual(identifiers, [identifier for identifier, _ in CAPABILITIES])
        self.assertEqual(identifiers, sorted(set(identifiers)))
        self.assertEqual(identifiers[0], BASIC_VERSION)

    def test_help_is_complete_and_goes_to_standard_output(self) -> None:
        status, out, err = ended("--help")
        self.assertEqual((status, out, err), (0, help.HELP, ""))
        self.assertEqual(ended("--he")[1], help.HELP)
        for letter in "2CDFPRVabfiv?6ALMSTWcdlmnprstuw":
            self.assertIn(f"\n  -{letter}", out)
        for name in cli._LONG_OPTIONS:
            self.assertIn(f"\n      --{name}", out)
        self.assertLess(max(map(len, out.splitlines())), 96)

    def test_usage_lists_the_short_options(self) -> None:
        self.assertTrue(help.USAGE.startswith("usage: rtpproxy [-2fvFiPaRbD]"))
        for letter in "l6strSTLmMuwndpcAW":
            self.assertIn(f"[-{letter} ", help.USAGE)
        self.assertIn("       rtpproxy -V\n", help.USAGE)


class Order(unittest.TestCase):
    def test_what_prints_and_exits_hides_what_stands_to_its_right(self) -> None:
        for printer in ("-V", "-v", "-C", "--help"):
            for wrong in (["-T", "0"], ["--bogus"], ["-x"], ["-T"], ["word"], ["-?"]):
                with self.subTest(printer=printer, wrong=wrong):
                    self.assertEqual(ended(printer, *wrong)[0], 0)
        self.assertEqual(ended("-fVx")[0], 0)

    def test_an_error_to_the_left_wins(self) -> None:
        for wrong in (["-T", "0"], ["-A", ""], ["-l", ""], ["-n", ""], ["-u", "nosuchuser"], ["--dso", "x"]):
            with self.subTest(wrong), self.assertRaises(StartError):
                parse(*wrong, "-V")
        self.assertEqual(ended("-xV")[0], 1)
        self.assertEqual(ended("--bogus", "-V")[0], 1)

    def test_checks_of_the_whole_line_come_last_and_in_order(self) -> None:
        self.assertEqual(ended("-S", "dir", "-V")[0], 0)
        self.assertEqual(ended("word", "-V")[0], 0)
        self.assertEqual(ended("word", "-S", "dir")[0], 1)
        faults = [
            (["--config", "/no/such/file"], "--config"),
            (["-S", "dir"], "-S"),
            (["-s", "stdio:"], "-s"),
            (["-s", "udp:*:1"], "superuser"),
            (["-m", "65000"], "no pair of ports"),
            (["-l", "/x"], "-l"),
        ]
        for first in range(len(faults)):
            words = [word for fault, _ in reversed(faults[first:]) for word in fault]
            with self.subTest(words), mock.patch("os.getuid", return_value=0):
                with self.assertRaises(StartError) as caught, captured():
                    cli.parse(words)
                self.assertIn(faults[first][1], str(caught.exception))


class SuperuserCheck(unittest.TestCase):
    def test_table(self) -> None:
        table = [
            ("-s udp:127.0.0.1:1", 0, "refused"),
            ("-s udp6:::1:1", 0, "refused"),
            ("-s /x -s udp:127.0.0.1:1", 0, "refused"),
            ("-s udp:127.0.0.1:1 -u :root", 0, "refused"),
            ("", 0, "warned"),
            ("-s tcp:127.0.0.1:1", 0, "warned"),
            ("-s udp:127.0.0.1:1 -F", 0, "silent"),
            ("-s udp:127.0.0.1:1 -u nobody", 0, "silent"),
            ("-s udp:127.0.0.1:1", 1000, "silent"),
        ]
        for line, uid, expected in table:
            uid_patch = mock.patch("os.getuid", return_value=uid)
            with self.subTest(line, uid=uid), uid_patch, captured() as (_, err):
                try:
                    cli.parse(line.split())
                    result = "warned" if "superuser" in err.getvalue() else "silent"
                except StartError:
                    result = "refused"
                self.assertEqual(result, expected)


class ListenAddresses(unittest.TestCase):
    """The tables of -l, -6 and -A."""

    def addresses(self, line: str) -> list[str]:
        settings = parse(*line.split())
        self.assertEqual(len({a.family for a in settings.addresses}) > 1, "." in line and "::" in line)
        return [
            (f"{a.label}@" if a.label else "") + a.host + (f"={a.advertised}" if a.advertised else "")
            for a in settings.addresses
        ]

    def test_without_a_bridge(self) -> None:
        table = [
            ("", ["0.0.0.0"]),
            ("-l *", ["0.0.0.0"]),
            ("-l 0.0.0.0", ["0.0.0.0"]),
            ("-6 *", ["::"]),
            ("-6 ::", ["::"]),
            ("-6 0:0::1", ["::1"]),
            ("-l localhost", ["127.0.0.1"]),
            ("-l 127.0.0.1", ["127.0.0.1"]),
            ("-6 ::1 -l v4@127.0.0.1", ["::1", "v4@127.0.0.1"]),
            ("-l one@127.0.0.1 -l two@127.0.0.2=my.host", ["one@127.0.0.1", "two@127.0.0.2=my.host"]),
            ("-l 127.0.0.1 -l x@127.0.0.1=a/b@c=d", ["127.0.0.1", "x@127.0.0.1=a/b@c=d"]),
            ("-l 127.0.0.1 -A 203.0.113.5", ["127.0.0.1=203.0.113.5"]),
            ("-A name.example -6 ::1 -l v4@127.0.0.1", ["::1=name.example", "v4@127.0.0.1"]),
            ("-l 127.0.0.1 -A 203.0.113.5/203.0.113.6", ["127.0.0.1=203.0.113.5"]),
            ("-l 127.0.0.1=own -A 203.0.113.5", ["127.0.0.1=own"]),
            ("-A /x", ["0.0.0.0"]),
        ]
        for line, expected in table:
            with self.subTest(line):
                self.assertEqual(self.addresses(line), expected)
                self.assertIsNone(parse(*line.split()).bridge)

    def test_with_a_bridge(self) -> None:
        table = [
            ("-l 127.0.0.1/127.0.0.2", "127.0.0.1", "127.0.0.2"),
            ("-6 ::1/::", "::1", "::"),
            ("-l */127.0.0.2", "0.0.0.0", "127.0.0.2"),
            ("-l 127.0.0.1 -6 /::1", "127.0.0.1", "::1"),
            ("-6 /::1 -l 127.0.0.1", "127.0.0.1", "::1"),
            ("-6 ::1 -l /127.0.0.1", "::1", "127.0.0.1"),
            ("-l 127.0.0.1/127.0.0.2 -6 x@::1 -l y@127.0.0.3", "127.0.0.1", "127.0.0.2"),
        ]
        for line, internal, external in table:
            with self.subTest(line):
                settings = parse(*line.split())
                assert settings.bridge is not None
                self.assertEqual([address.host for address in settings.bridge], [internal, external])
                self.assertEqual(settings.addresses[:2], settings.bridge)
                self.assertTrue(settings.asymmetric_by_default)
        settings = parse("-l", "127.0.0.1/127.0.0.2", "-6", "x@::1", "--bridge_symmetric")
        self.assertEqual(settings.addresses[2], ListenAddress(socket.AF_INET6, "::1", "x"))
        self.assertFalse(settings.asymmetric_by_default)

    def test_advertised_addresses_of_a_bridge(self) -> None:
        table = [("1.1.1.1/2.2.2.2", ["1.1.1.1", "2.2.2.2"]), ("/2.2.2.2", ["", "2.2.2.2"])]
        for text, expected in table:
            with self.subTest(text):
                bridge = parse("-l", "127.0.0.1/127.0.0.2", "-A", text).bridge
                assert bridge is not None
                self.assertEqual([address.advertised for address in bridge], expected)

    def test_refused(self) -> None:
        table = [
            "-l /127.0.0.1",
            "-l 127.0.0.1/",
            "-l /",
            "-l 127.0.0.1/127.0.0.2 -6 /::1",
            "-l /127.0.0.1 -6 /::1",
            "-l 127.0.0.1/127.0.0.2 -6 ::1",
            "-l 127.0.0.1/127.0.0.2 -l 127.0.0.3",
            "-l x@127.0.0.1/127.0.0.2",
            "-l x@127.0.0.1 -6 /::1",
            "-l 127.0.0.1 -6 x@/::1",
            "-l 127.0.0.1/127.0.0.2=adv",
            "-l 127.0.0.1=adv -6 /::1",
            "-l 127.0.0.1 -l /127.0.0.2",
            "-l 127.0.0.1/127.0.0.2 -l x@127.0.0.3/127.0.0.4",
            "-l 127.0.0.1/127.0.0.2 -l 127.0.0.1/127.0.0.2",
            "-l 127.0.0.1/127.0.0.2 -A 1.1.1.1",
            "-l 127.0.0.1 -6 ::1",
            "-l 127.0.0.1 -l 127.0.0.2",
            "-l a@127.0.0.1 -l a@127.0.0.2",
            "-l @127.0.0.1",
            "-l x@",
            "-l =adv",
            "-l 127.0.0.1=",
            "-l ::1",
            "-6 127.0.0.1",
            "-l localhost --no_resolve",
            "-l 999.1.1.1 --no_resolve",
            "-6 fe80::1%lo",
        ]
        for line in table:
            with self.subTest(line), self.assertRaises(StartError):
                parse(*line.split())
        self.assertRaises(StartError, parse, "-l", "")

    def test_at_most_sixteen(self) -> None:
        many = [word for number in range(15) for word in ("-l", f"a{number}@127.0.0.1")]
        self.assertEqual(len(parse("-l", "127.0.0.1", *many).addresses), 16)
        with self.assertRaisesRegex(StartError, "17 listen addresses"):
            parse("-l", "127.0.0.1", *many, "-6", "b@::1")
        with self.assertRaisesRegex(StartError, "17 listen addresses"):
            parse("-l", "127.0.0.1/127.0.0.2", *many)


class ConfigurationFile(unittest.TestCase):
    def modules(self, text: str) -> tuple[ModuleSettings, ...]:
        """What a file asks for."""
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "rtpproxy.conf")
            with open(path, "w", encoding="latin-1") as file:
                file.write(text)
            try:
                settings = parse("--config", path)
            except StartError as error:
                raise StartError(str(error).replace(path, "FILE"))
            self.assertEqual(settings.config_file, path)
            return settings.modules

    def check(self, text: str) -> str:
        """The complaint about a file, "" when it is accepted."""
        try:
            self.modules(text)
            return ""
        except StartError as error:
            return str(error)

    def test_accepted(self) -> None:
        for text in (
            "",
            "# modules { }\n",
            "/* modules { /* nested */ } */",
            'key = "modules {";',
            "key = modules;",
            "key =\n modules\n",
            "key modules;",
            "other { modules { } }",
            '{ "other": { "modules": {} } }',
            "list = [ modules, { modules = 1 } ];",
            "key = 'a { b';",
            'key = "a \\" { b";',
            "text = <<EOD\nmodules { \" }\nEOD\nkey = 1;\n",
            "submodules { }",
            "path = /usr/lib/*.so\n\xe9 = \xff;",
        ):
            with self.subTest(text):
                self.assertEqual(self.check(text), "")

    def test_sections_for_modules_are_found_in_all_forms(self) -> None:
        for text in (
            "modules { catch_dtmf { } }",
            "modules\n{\n catch_dtmf\n {}\n}",
            "MODULES { catch_dtmf { load = /usr/lib/rtpproxy/rtpp_catch_dtmf.so; } }",
            "modules { mine { load = 'catch_dtmf' } }",
            'a = 1\n"Modules" : { "catch_dtmf": {} }',
            '{ "other": 1, "modules": { "catch_dtmf": { "load": "catch_dtmf" } } }',
            "a { b; }modules {catch_dtmf = {}}",
            "a = [1, 2]\nmodules = {catch_dtmf:{}}",
            'modules "catch_dtmf" {}',
            "modules catch_dtmf {}",
            "# comment\n\n  modules {};modules { catch_dtmf {} }",
            "modules {\r\n catch_dtmf\r\n{\r\n}\r\n}\r\n",
            "\xef\xbb\xbfmodules { catch_dtmf {} }",  # some editors begin a file with a byte order mark
        ):
            with self.subTest(text):
                (module,) = self.modules(text)
                self.assertEqual((module.kind.__name__, module.values), ("CatchDtmf", {}))
                self.assertEqual(module.directory, os.getcwd())
        self.assertEqual(self.modules("modules { }"), ())

    def test_parameters_of_modules(self) -> None:
        default = {"capt_host": "10.0.0.1", "capt_port": 9060, "capt_ptype": "udp", "capt_id": 101}
        for text, expected in (
            ("", {}),
            ("capt_port = 1; capt_id = 0", {"capt_port": 1, "capt_id": 0}),
            ("capt_port: 65535\ncapt_id 4294967295\n", {"capt_port": 65535, "capt_id": 2**32 - 1}),
            ("capt_host homer.example.net; capt_ptype = TCP", {"capt_host": "homer.example.net", "capt_ptype": "tcp"}),
            ("capt_host = fe80::1:2", {"capt_host": "fe80::1:2"}),
            ("capt_port = 1; capt_port = 2", {"capt_port": 2}),
        ):
            with self.subTest(text):
                (module,) = self.modules("modules { acct_rtcp_hep { " + text + " } }")
                self.assertEqual((module.name, module.values), ("acct_rtcp_hep", {**default, **expected}))

    def test_texts(self) -> None:
        """Quotes, escapes, several words, several lines: what a module of one's own gets to see."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        own = os.path.join(folder.name, "own.py")
        with open(own, "w", encoding="ascii") as file:
            file.write("from rtpp.modules.interface import Module, Parameter\n"
                       "class Own(Module):\n  parameters = {'text': Parameter(str, '')}\n")
        for text, expected in (
            ("text = '\\'a\\b'", "'a\\b"),
            ('"text": "\\u0041\\n\\/\\q"', "A\n/q"),
            ("text = two  words # no more\n", "two  words"),
            ("text = <<END\nlines\n<<END\nEND\n", "lines\n<<END"),
            ("text = <<END", "<<END"),
            ("text = a text = b;", "a text = b"),
            ("text = 9k", "9k"),
            ("text = .include", ".include"),
        ):
            with self.subTest(text):
                (module,) = self.modules(f"modules {{ own {{ load = '{own}'\n {text} }} }}")
                self.assertEqual(module.values, {"text": expected})

    def test_errors_of_modules_name_the_line(self) -> None:
        section = "modules {\n  acct_rtcp_hep {\n    %s\n  }\n}"
        number = "a whole number from 1 to 65535 is needed"
        for text, complaint in (
            ("modules = yes", "line 1: 'modules' is not a section in braces"),
            ("modules = [ ]", "line 1: 'modules' is not a section in braces"),
            ("\nmodules { catch_dtmf }", "line 2: 'catch_dtmf' is not a section in braces"),
            ("modules {\n nosuch { } }", "line 2: module 'nosuch': 'nosuch' is no such file, and no built-in module "
                                         "(acct_csv, acct_rtcp_hep, catch_dtmf)"),
            ("modules { catch_dtmf {\n\n pt = 1 } }",
             "line 3: module 'catch_dtmf': there is no parameter 'pt'; there are: none"),
            (section % "capt_port = 0", f"line 3: module 'acct_rtcp_hep': capt_port = '0': {number}"),
            (section % "capt_port = 65536", f"line 3: module 'acct_rtcp_hep': capt_port = '65536': {number}"),
            (section % "capt_port = x", f"line 3: module 'acct_rtcp_hep': capt_port = 'x': {number}"),
            (section % "capt_id = -1", "line 3: module 'acct_rtcp_hep': capt_id = '-1': a whole number from 0 to "
                                       "4294967295 is needed"),
            (section % "capt_id = 4294967296", "line 3: module 'acct_rtcp_hep': capt_id = '4294967296': a whole "
                                               "number from 0 to 4294967295 is needed"),
            (section % "capt_ptype = x", "line 3: module 'acct_rtcp_hep': capt_ptype = 'x': udp or tcp is needed"),
            (section % "capt_host = ''", "line 3: module 'acct_rtcp_hep': capt_host = '': the name or address of a "
                                         "host is needed"),
            (section % "capt_host = a capt_port = 5", "line 3: module 'acct_rtcp_hep': capt_host = 'a capt_port = 5': "
                                                      "the name or address of a host is needed"),
            (section % "\ncapt_x = 1", "line 4: module 'acct_rtcp_hep': there is no parameter 'capt_x'; there are: "
                                       "capt_host, capt_port, capt_ptype, capt_id"),
            (section % "capt_id { }", "line 3: module 'acct_rtcp_hep': 'capt_id' has a section or a list as its "
                                      "value, not a text"),
        ):
            with self.subTest(text):
                self.assertEqual(self.check(text), f"option --config: 'FILE', {complaint}")

    def test_errors_name_the_line(self) -> None:
        table = [
            ("a {\n", "line 1: '{' is never closed"),
            ("a\n}\n", "line 2: '}' closes nothing"),
            ("a = [\n1 }", "line 2: '}' closes nothing"),
            ("\n\na = \"b", 'line 3: the string that begins with " has no end'),
            ("a = 'x\n\n", "line 1: the string that begins with ' has no end"),
            ("a\n/* /* */", "line 2: the comment has no end"),
            ('a = "x\ny"\n}', "line 3: '}' closes nothing"),
            ("a;\n= b", "line 2: a name is needed before '='"),
            ("a\n.include /etc/x", "line 2: macros like '.include' are not understood"),
            ("a {\n.priority 1\n}", "line 2: macros like '.priority' are not understood"),
            ("a\nb = <<EOD\nlines\n EOD\nEODE\n", "line 2: the text that begins with <<EOD has no end"),
            ("a {" * 101, "line 1: more than 100 sections in one another"),
        ]
        for text, complaint in table:
            with self.subTest(text):
                self.assertEqual(self.check(text), f"option --config: cannot parse 'FILE': {complaint}")

    def test_random_bytes_are_accepted_or_refused(self) -> None:
        seed = time.time_ns()
        generator = random.Random(seed)
        for _ in range(300):
            text = "".join(generator.choices("{}[];,=:\"'#\n/*<<E \\modules\xff", k=generator.randint(0, 60)))
            with self.subTest(text=text, seed=seed):
                complaint = self.check(text)
                self.assertTrue(complaint == "" or complaint.startswith("option --config: "))

    def test_damaged_files_are_accepted_or_refused(self) -> None:
        """A good file with a few characters changed: values of the right kind, or a complaint with a line of it."""
        seed = time.time_ns()
        generator = random.Random(seed)
        good = ('# modules\nmodules {\n  "acct_rtcp_hep" { capt_host = 192.0.2.1; capt_port = 9060\n capt_ptype = tcp; '
                "/* c */ capt_id: 7 }\n  catch_dtmf { load = 'catch_dtmf' }\n}\nother { a [1, 2] b <<END\nx\nEND\n}\n")
        refused = 0
        for _ in range(400):
            text = list(good)
            for _ in range(generator.randint(1, 4)):
                text[generator.randrange(len(text))] = generator.choice("{}[];,=:\"'#\n/*<E \\\xff\0a0")
            with self.subTest(text="".join(text), seed=seed):
                complaint = self.check("".join(text))
                refused += bool(complaint)
                if complaint:
                    self.assertRegex(complaint, r"\Aoption --config: (cannot parse )?'FILE'[:,] line (1?\d): ")
                else:
                    for module in self.modules("".join(text)):
                        self.assertEqual(set(module.values), set(module.kind.parameters))
        self.assertGreater(refused, 100, f"seed {seed}")

    def test_a_directory_cannot_be_read(self) -> None:
        with self.assertRaisesRegex(StartError, "cannot read"):
            parse("--config", "/")


if __name__ == "__main__":
    unittest.main()
