"""Q, I, G, V and VF, and what is counted."""

from __future__ import annotations

import socket
import unittest

from rtpp.capabilities import CAPABILITIES
from rtpp.control.queries import SESSION_COUNTERS
from rtpp.errors import CommandError
from rtpp.rtp.packet import RtpPacket
from rtpp.stats import COUNTERS, DECIMALS
from tests.control.conversation import Conversation, ConversationCase

COUNTER_NAMES = [
    "nsess_created", "nsess_destroyed", "nsess_timeout", "nsess_complete", "nsess_nortp", "nsess_owrtp",
    "nsess_nortcp", "nsess_owrtcp", "nplrs_created", "nplrs_destroyed", "npkts_rcvd", "npkts_played",
    "npkts_relayed", "npkts_resizer_in", "npkts_resizer_out", "npkts_resizer_discard", "npkts_discard",
    "total_duration", "ncmds_rcvd", "ncmds_rcvd_ndups", "ncmds_succd", "ncmds_errs", "ncmds_repld", "rtpa_nsent",
    "rtpa_nrcvd", "rtpa_ndups", "rtpa_nlost", "rtpa_perrs", "pps_in",
    "nstrms_fastpath",
    "nmoves_fastpath",
]


class QueryTest(ConversationCase):
    def test_forms(self) -> None:
        self.check_replies(self.talk(), """
            U c ... f    -> 41000 127.0.0.1
            L c ... f t  -> 41002 127.0.0.1
            Q c f t                     -> 60 0 0 0 0
            Q c f                       -> 60 0 0 0 0
            Qv c f t                    -> ttl=60 npkts_ina=0 npkts_ino=0 nrelayed=0 ndropped=0
            QVv c f                     -> ttl=60 npkts_ina=0 npkts_ino=0 nrelayed=0 ndropped=0
            Q c f t ttl                 -> 60
            Q c f t rtpa_jlast rtpa_jmax rtpa_javg -> 0.000000 0.000000 0.000000
            Qv c f t ttl longest_ipi    -> ttl=60 longest_ipi=0.000000
            Q c f ;1                    -> 60 0 0 0 0
            Q c f ;1 ttl npkts_ina npkts_ino nrelayed ndropped            -> 60 0 0 0 0
            Q c f t rtpa_nsent rtpa_nrcvd rtpa_ndups rtpa_nlost rtpa_perrs -> 0 0 0 0 0
            Q c f t ttl ttl             -> 60 60
            Q c x f                     -> 60 0 0 0 0
            Q c t                       -> E50
            Q c t x                     -> E50
            Q x f t                     -> E50
            Q c f t bad                 -> E62
            Q c f t ttl bad             -> E62
            Q c nosuch x bad            -> E50
            Qx c f t                    -> E19
            Qvx c f t                   -> E19
            Qx nosuch f t               -> E50             # only then are modifiers looked at
            Q c f t a b c d e f g h i j k l -> E1
        """)

    def test_every_name(self) -> None:
        talk = self.talk()
        talk.say("U c ... f")
        for name in SESSION_COUNTERS:
            value = {"ttl": "60", "longest_ipi": "0.000000"}.get(name, "0.000000" if name.startswith("rtpa_j") else "0")
            self.assertEqual(talk.say(f"Q c f x {name}"), value)
            self.assertEqual(talk.say(f"Qv c f x {name}"), f"{name}={value}")
        self.assertEqual(len(talk.say("Q c f x " + " ".join(list(SESSION_COUNTERS)[:11])).split()), 11)
        self.assertEqual(talk.say("Q c f x " + " ".join(list(SESSION_COUNTERS)[:12])), "E1")

    def test_legs(self) -> None:
        """The first number of packets is of the party whose tag comes first."""
        talk = self.talk("-l 127.0.0.1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            phone.bind(("127.0.0.1", 0))
            host, port = phone.getsockname()
            talk.say(f"U c {host} {port} f")
            talk.say("L c 0.0.0.0 4 f t")
            (session,) = talk.table.call("c")
            packet = bytes((0x80, 0, 0, 1)) + bytes(8) + b"x" * 160
            for count in range(3):
                phone.sendto(packet[:3] + bytes((count,)) + packet[4:], ("127.0.0.1", talk.real_port(41002)))
                with talk.table.lock:
                    session.caller.rtp.handle(session.caller.rtp, talk.clock.now)
        self.check_replies(talk, """
            Q c f t                       -> 60 3 0 0 3
            Q c t f                       -> 60 0 3 0 3
            Q c f t rtpa_nsent rtpa_nrcvd rtpa_ndups rtpa_nlost -> 3 3 0 0
            Q c t f rtpa_nsent rtpa_nrcvd -> 0 0
            G npkts_rcvd npkts_discard npkts_relayed -> 3 3 0
            D c f                         -> 0
            G rtpa_nsent rtpa_nrcvd nsess_owrtp nsess_nortp nsess_nortcp -> 3 3 1 0 1
        """)


    def test_quality_of_a_stream(self) -> None:
        """A duplicate, a loss, a packet 80 ticks early, and junk: each stream on its own, totals at the end."""
        talk = self.talk("-l 127.0.0.1")
        story = ((0, 1, 1000), (1, 2, 1125), (2, 2, 1125), (4, 4, 1420))  # 1/64 s, sequence number, timestamp
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            phone.bind(("127.0.0.1", 0))
            host, port = phone.getsockname()
            talk.say(f"U c {host} {port} f")
            talk.say("L c 0.0.0.0 4 f t")
            (session,) = talk.table.call("c")
            packets = [(time / 64, bytes(RtpPacket(0, number, timestamp, 7, b"x" * 160)))
                       for time, number, timestamp in story]
            for time, packet in [*packets, (4 / 64, b"junk")]:
                phone.sendto(packet, ("127.0.0.1", talk.real_port(41002)))
                with talk.table.lock:
                    session.caller.rtp.handle(session.caller.rtp, talk.clock.now + time)
        counts, jitters = "rtpa_nsent rtpa_nrcvd rtpa_ndups rtpa_nlost rtpa_perrs", "rtpa_jlast rtpa_jmax rtpa_javg"
        self.check_replies(talk, f"""
            Q c f t {counts}             -> 4 3 1 1 1
            Q c f t {jitters} longest_ipi -> 5.000000 5.000000 2.500000 0.031250
            Qv c f t rtpa_javg ttl       -> rtpa_javg=2.500000 ttl=60
            Q c t f {counts}             -> 0 0 0 0 0
            Q c t f {jitters} longest_ipi -> 0.000000 0.000000 0.000000 0.000000
            G {counts}                   -> 0 0 0 0 0
            D c f                        -> 0
            G {counts}                   -> 4 3 1 1 1
        """)


class InfoTest(ConversationCase):
    def info(self, created: int, active: int) -> str:
        return (f"sessions created: {created}\nactive sessions: {active}\nactive streams: {2 * active}\n"
                "packets received: 0\npackets transmitted: 0")

    def test_summary(self) -> None:
        talk = self.talk()
        talk.say("U a ... f")
        talk.say("U b ... f")
        talk.say("U c ... f")
        talk.say("L b ... f t")
        talk.say("D a f")
        talk.say("D c f")
        for command in ("I", "Ib", "iBB"):
            self.assertEqual(talk.say(command), self.info(3, 1))
        for command in ("Il", "Ilb", "ibL"):
            self.assertEqual(talk.say(command), self.info(3, 1) + "\naverage load: 0.000000")
        self.check_replies(talk, """
            Ix  -> E18
            Ibx -> E18
            I x -> E1
        """)


class StatisticsTest(ConversationCase):
    def test_names(self) -> None:
        """All of them, in the order in which operators know them."""
        self.assertEqual(list(COUNTERS), COUNTER_NAMES)
        self.assertEqual(set(DECIMALS), {"total_duration", "pps_in"})
        for name in COUNTER_NAMES:
            talk = self.talk(pairs=4)
            expected = "1" if name == "ncmds_rcvd" else "0.000000" if name in DECIMALS else "0"
            self.assertEqual(talk.say(f"G {name}"), expected)

    def test_forms(self) -> None:
        talk = self.talk()
        for _ in range(16):
            talk.say("V")
        self.check_replies(talk, """
            Gv ncmds_rcvd nsess_created pps_in total_duration -> ncmds_rcvd=17 nsess_created=0 pps_in=0.000000 total_duration=0.000000
            G                      ->
            Gv                     ->
            G nosuch               -> E68
            G nsess_created nosuch -> E68
            G nosuch nsess_created -> E68
            G NSESS_CREATED        -> E68
            G __class__            -> E68
            Gq ncmds_rcvd          -> E9
            Gq nosuch              -> E9
            G nsess_created nsess_created -> 0 0
        """)  # noqa: E501

    def test_as_many_names_as_fit(self) -> None:
        talk = self.talk()
        longest = "npkts_resizer_discard"
        self.assertEqual(talk.say("Gv" + f" {longest}" * 22), " ".join([f"{longest}=0"] * 22))
        self.assertEqual(talk.say("Gv" + f" {longest}" * 23), "E5")

    def test_no_room(self) -> None:
        """With a long cookie there is less room: then an error that fits."""
        talk = self.talk()
        talk.say("U c ... f")
        for command, room, expected in (
            (b"Gv" + b" npkts_resizer_discard" * 22, 500, "E25"),
            (b"Qv c f x" + b" npkts_ina" * 11, 100, "E26"),
            (b"G", 0, ""),
        ):
            self.assertEqual(talk.executor.execute(command.split(), None, room), expected)  # type: ignore[arg-type]

    def test_sessions(self) -> None:
        talk = self.talk()
        names = "G nsess_created nsess_destroyed nsess_timeout nsess_complete nsess_nortp nsess_nortcp nsess_owrtp"
        self.check_replies(talk, f"""
            U a ... f     -> 41000 127.0.0.1
            {names}       -> 1 0 0 0 0 0 0
            Un a ... f    -> 41002 127.0.0.1    # completes the session, though it has one leg
            {names}       -> 1 0 0 1 0 0 0
            L a ... f t   -> 41004 127.0.0.1    # not once more
            {names}       -> 1 0 0 1 0 0 0
            U b ... f     -> 41006 127.0.0.1
            U b ... t f   -> 41008 127.0.0.1    # the second leg by U with swapped tags
            {names}       -> 2 0 0 2 0 0 0
            U c ... f     -> 41010 127.0.0.1
            D c f         -> 0                  # nobody expected media of it
            {names}       -> 3 1 0 2 0 0 0
            D b f         -> 0
            {names}       -> 3 2 0 2 1 1 0
            X             -> 0
            {names}       -> 3 3 0 2 2 2 0
        """)
        talk.say("U d ... f")
        talk.wait(61)
        self.check_replies(talk, f"{names} -> 4 4 1 2 2 2 0")

    def test_duration(self) -> None:
        talk = self.talk()
        talk.say("U a ... f")
        talk.say("U b ... f")
        talk.wait(10.5)
        talk.say("D a f")
        self.assertEqual(talk.say("G total_duration"), "10.500000")
        talk.say("D b f")
        self.assertEqual(talk.say("Gv total_duration"), "total_duration=21.000000")

    def test_commands(self) -> None:
        """A G sees itself as received and not yet as answered; a lookup that finds nothing is an error."""
        talk = self.talk()

        def check(succeeded: int, failed: int) -> None:
            before = succeeded + failed
            self.assertEqual(talk.say("G ncmds_rcvd ncmds_succd ncmds_errs ncmds_repld ncmds_rcvd_ndups"),
                             f"{before + 1} {succeeded} {failed} {before} 0")

        check(0, 0)
        self.check_replies(talk, """
            U a ... f       -> 41000 127.0.0.1
            U a ... f t && C nosuch a b -> 41000 127.0.0.1 && -1
            D nosuch f      -> E50
            L nosuch ... f  -> 0
            zzz             -> E0
        """)
        self.assertEqual(talk.say(""), "E5")
        check(3, 4)
        talk.executor.duplicate()
        self.assertEqual(talk.counters("ncmds_rcvd_ndups", "ncmds_rcvd"), {"ncmds_rcvd_ndups": 1, "ncmds_rcvd": 8})

    def test_rates(self) -> None:
        """Packets per second, from one measurement to the next."""
        talk = self.talk()
        stats = talk.table.stats
        stats.npkts_rcvd = 50
        stats.measure_rates(talk.clock.now + 1.0)
        self.assertEqual(talk.say("G pps_in"), "50.000000")
        stats.npkts_rcvd = 75
        stats.measure_rates(talk.clock.now + 3.0)
        self.assertEqual(talk.say("G pps_in"), "12.500000")
        stats.measure_rates(talk.clock.now + 4.0)
        self.assertEqual(talk.say("G pps_in"), "0.000000")


class VersionTest(ConversationCase):
    IDS = (20040107, 20050322, 20060704, 20071116, 20071218, 20080403, 20081102, 20081224, 20090810, 20140323, 20140617,
           20141004, 20150330, 20150420, 20150617, 20191015, 20200226, 20230205, 20230314, 20230424, 20250523, 20251015,
           20260306, 20260308, 20260309)

    def test_version(self) -> None:
        self.check_replies(self.talk(), """
            V       -> 20040107
            v       -> 20040107
            V extra -> E1
            Vx      -> E2
            VV      -> E2
        """)

    def test_features(self) -> None:
        self.assertEqual(tuple(number for number, _ in CAPABILITIES), self.IDS)
        without, with_notify = self.talk(), self.talk("-l 127.0.0.1 -n tcp:127.0.0.1:7")
        for number in self.IDS:
            self.assertEqual(with_notify.say(f"VF {number}"), "1", number)
            self.assertEqual(without.say(f"vf {number}"), "0" if number == 20081224 else "1", number)

    def test_unknown_features(self) -> None:
        """Compared as text; never an error, a controller takes the node out of service for it."""
        for id in ("20170313", "20260310", "0", "x", "abc", "20040107x", "020040107", "+20040107", "-1", "\xff", "V"):
            with self.subTest(id=id):
                self.assertEqual(self.talk(pairs=4).say(f"VF {id}"), "0")


class LookUpTest(unittest.TestCase):
    def test_attributes_that_are_no_counters(self) -> None:
        """Names come from outside: only counters may be read by them."""
        talk = Conversation(pairs=4)
        self.addCleanup(talk.close)
        for name in ("text", "measure_rates", "_measured_at", "__init__", "__slots__"):
            with self.assertRaises(KeyError):
                talk.table.stats.text(name)
            self.assertEqual(talk.say(f"G {name}"), "E68")
        self.assertTrue(issubclass(CommandError, Exception))


if __name__ == "__main__":
    unittest.main()
