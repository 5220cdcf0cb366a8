"""Learning addresses: each rule, each consequence that operators rely on, and a comparison with a plain model."""

from __future__ import annotations

import logging
import random
import unittest
from typing import Any, Optional

from rtpp.log import CallLog
from rtpp.rtp.latching import SEQUENCE_AHEAD, WINDOW, Latch, Outcome
from rtpp.rtp.packet import RtpPacket
from tests.rtp.latching_model import ACCEPT, LegModel, Sent

A, B, C, D = ("192.0.2.1", 4000), ("192.0.2.2", 4000), ("192.0.2.3", 5000), ("192.0.2.4", 6000)
JUNK = Sent(b"not RTP at all", None)
ACCEPTED, FILLED, REFUSED = Outcome.ACCEPTED, Outcome.FILLED, Outcome.REFUSED


def rtp(ssrc: int = 0x11223344, sequence_number: int = 100) -> Sent:
    sequence_number &= 0xFFFF
    packet = RtpPacket(payload_type=8, sequence_number=sequence_number, timestamp=160, ssrc=ssrc, payload=b"\xd5" * 20)
    return Sent(bytes(packet), ssrc, sequence_number)


class Case(unittest.TestCase):
    """One RTP stream of the caller; `self.lines` collects what it logs."""

    def setUp(self) -> None:
        watcher = self.assertLogs("rtpproxy", "DEBUG")
        self.log = watcher.__enter__()
        self.addCleanup(watcher.__exit__, None, None, None)
        CallLog("call").info("start")  # assertLogs wants at least one line
        self.latch = Latch("caller", True, CallLog("call"))

    def lines(self) -> list[str]:
        """What was logged since the last look."""
        found = [record.getMessage() for record in self.log.records if record.getMessage() != "start"]
        self.log.records.clear()
        self.log.output.clear()
        CallLog("call").info("start")
        return found

    def judge(self, packet: Sent, source: Any, now: float = 1.0, latch: Optional[Latch] = None) -> Outcome:
        return (latch or self.latch).judge(packet.data, source, now)


class Prefill(Case):
    def test_first_address_is_used(self) -> None:
        self.assertTrue(self.latch.prefill(A, 0.0))
        self.assertEqual(self.latch.remote, A)
        self.assertIsNone(self.latch.update_time)  # the window opens only when an address was known before
        self.assertFalse(self.latch.latched)
        self.assertEqual(self.lines(), ["pre-filling caller's RTP address with 192.0.2.1:4000"])

    def test_same_address_again_only_opens_the_window(self) -> None:
        self.latch.prefill(A, 0.0)
        self.lines()
        self.assertFalse(self.latch.prefill(A, 5.0))
        self.assertEqual((self.latch.remote, self.latch.update_time, self.latch.previous), (A, 5.0, None))
        self.assertEqual(self.lines(), [])

    def test_same_host_other_port_is_another_address(self) -> None:
        self.latch.prefill(A, 0.0)
        self.assertTrue(self.latch.prefill((A[0], A[1] + 2), 1.0))

    def test_learned_address_beats_commands_for_good(self) -> None:
        self.judge(rtp(), C, 0.0)
        for now in (1.0, 100.0, 10000.0):
            self.assertFalse(self.latch.prefill(B, now))
            self.assertEqual((self.latch.remote, self.latch.update_time), (C, now))

    def test_previous_is_kept_only_when_latched(self) -> None:
        self.latch.prefill(A, 0.0)
        self.latch.prefill(B, 1.0)
        self.assertIsNone(self.latch.previous)
        self.judge(rtp(), B, 50.0)
        self.assertTrue(self.latch.latched)
        self.latch.prefill(D, 51.0)
        self.assertEqual((self.latch.previous, self.latch.remote, self.latch.latched), (B, D, True))

    def test_port_zero_and_ipv6_are_shown(self) -> None:
        self.assertTrue(self.latch.prefill(("192.0.2.1", 0), 0.0))
        self.assertTrue(self.latch.prefill(("2001:db8::1", 4000, 0, 0), 0.0))
        self.assertEqual(self.lines(), ["pre-filling caller's RTP address with 192.0.2.1:0",
                                        "pre-filling caller's RTP address with [2001:db8::1]:4000"])


class Hold(Case):
    def test_is_counted_each_time_and_logged_on_transition(self) -> None:
        self.latch.prefill(A, 0.0)
        self.lines()
        for _ in range(3):
            self.latch.hold()
        self.assertEqual((self.latch.on_hold, self.latch.hold_count), (True, 3))
        self.assertEqual(self.lines(), ["putting caller's RTP stream on hold"])
        self.latch.prefill(A, 1.0)
        self.assertEqual((self.latch.on_hold, self.latch.hold_count), (False, 3))
        self.assertEqual(self.lines(), ["taking caller's RTP stream off-hold"])

    def test_changes_nothing_else(self) -> None:
        self.latch.prefill(A, 0.0)
        self.judge(rtp(), A)
        self.latch.hold()
        self.assertEqual((self.latch.remote, self.latch.latched, self.latch.expected), (A, True, A))
        self.assertIsNone(self.latch.update_time)
        self.assertIs(self.judge(rtp(sequence_number=101), A), ACCEPTED)
        self.assertIs(self.judge(rtp(7), C), REFUSED)

    def test_first_packet_of_a_held_stream_fills_the_address(self) -> None:
        self.latch.hold()
        self.lines()
        self.assertIs(self.judge(rtp(), C), FILLED)
        self.assertEqual(self.lines(), ["caller's address filled in: 192.0.2.3:5000 (RTP)"])
        self.assertTrue(self.latch.on_hold)

    def test_off_hold_is_said_even_when_the_address_is_not_used(self) -> None:
        self.judge(rtp(), C)
        self.latch.hold()
        self.lines()
        self.assertFalse(self.latch.prefill(A, 2.0))
        self.assertEqual(self.lines(), ["taking caller's RTP stream off-hold"])


class Latching(Case):
    """The consequences operators know, one by one."""

    def test_first_packet_from_the_prefilled_address(self) -> None:
        self.latch.prefill(A, 0.0)
        self.lines()
        self.assertIs(self.judge(rtp(), A), ACCEPTED)
        self.assertTrue(self.latch.latched)
        self.assertFalse(self.latch.untrusted)
        self.assertEqual(self.lines(),
                         ["caller's address latched in: 192.0.2.1:4000 (RTP), SSRC=0x11223344, Seq=100"])

    def test_first_packet_from_elsewhere(self) -> None:
        self.latch.prefill(A, 0.0)
        self.lines()
        self.assertIs(self.judge(rtp(), C), FILLED)
        self.assertEqual((self.latch.remote, self.latch.latched, self.latch.untrusted), (C, True, True))
        self.assertEqual(self.lines(),
                         ["caller's address latched in: 192.0.2.3:5000 (RTP), SSRC=0x11223344, Seq=100",
                          "caller's address filled in: 192.0.2.3:5000 (RTP)"])
        self.assertIs(self.judge(rtp(7), A), REFUSED)

    def test_party_that_moves_is_followed(self) -> None:
        for ahead in (0, 1, 2, SEQUENCE_AHEAD - 1, SEQUENCE_AHEAD):
            for start in (100, 65000, 65535):
                with self.subTest(ahead=ahead, start=start):
                    latch = Latch("caller", True, CallLog("call"))
                    latch.prefill(A, 0.0)
                    self.judge(rtp(sequence_number=start), C, 1.0, latch)
                    self.lines()
                    self.assertIs(self.judge(rtp(sequence_number=start + ahead), D, 1.5, latch), FILLED)
                    self.assertEqual(latch.remote, D)
                    number = (start + ahead) & 0xFFFF
                    self.assertEqual(self.lines(),
                                     [f"caller's address re-latched: 192.0.2.4:6000 (RTP), SSRC=0x11223344, "
                                      f"Seq={start}->{number}", "caller's address filled in: 192.0.2.4:6000 (RTP)"])

    def test_strangers_are_refused(self) -> None:
        strangers = {
            "another SSRC": rtp(0x55, 101),
            "too far ahead": rtp(sequence_number=100 + SEQUENCE_AHEAD + 1),
            "far ahead": rtp(sequence_number=700),
            "one behind": rtp(sequence_number=99),
            "half way round": rtp(sequence_number=100 + 32768),
            "no RTP": JUNK,
            "empty": Sent(b"", None),
            "RTCP": Sent(b"\x80\xc8\x00\x06" + bytes(24), None),
        }
        self.latch.prefill(A, 0.0)
        self.judge(rtp(), C)
        for name, packet in strangers.items():
            with self.subTest(name):
                self.lines()
                self.assertIs(self.judge(packet, D, 1.5), REFUSED)
                self.assertEqual(self.latch.remote, C)
                self.assertEqual(self.lines(), [])

    def test_filled_in_without_ssrc_cannot_move(self) -> None:
        for update in (False, True):
            with self.subTest(update=update):
                latch = Latch("caller", True, CallLog("call"))
                self.lines()
                self.assertIs(self.judge(rtp(), C, 1.0, latch), FILLED)
                self.assertEqual(self.lines(), ["caller's address filled in: 192.0.2.3:5000 (RTP)"])
                self.assertIsNone(latch.ssrc)
                if update:
                    latch.prefill(B, 2.0)
                self.assertIs(self.judge(rtp(sequence_number=101), D, 3.0, latch), REFUSED)
                self.assertEqual(latch.remote, C)

    def test_new_address_for_a_trusted_stream(self) -> None:
        self.latch.prefill(A, 0.0)
        self.judge(rtp(), A, 1.0)
        self.latch.prefill(B, 20.0)
        self.assertEqual(self.latch.remote, B)
        self.assertEqual(self.latch.expected, B)
        for source, packet, outcome in ((A, rtp(sequence_number=500), FILLED), (B, rtp(9, 7), FILLED),
                                        (B, rtp(9, 8), ACCEPTED), (C, rtp(77, 60000), FILLED), (C, JUNK, ACCEPTED),
                                        (D, JUNK, REFUSED)):
            self.assertIs(self.judge(packet, source, 21.0), outcome, (source, packet))
        self.assertEqual(self.latch.ssrc, 0x11223344)  # a take-over within the window does not change it
        self.assertIs(self.judge(rtp(9, 9), B, 30.0), FILLED)  # exactly ten seconds: still within
        self.assertIs(self.judge(rtp(9, 10), A, 30.25), REFUSED)

    def test_repeated_address_before_any_packet(self) -> None:
        self.latch.prefill(A, 0.0)
        self.latch.prefill(A, 1.0)
        self.lines()
        self.assertIs(self.judge(rtp(), A, 2.0), ACCEPTED)
        self.assertFalse(self.latch.latched)
        self.assertEqual(self.lines(), [])
        self.assertIs(self.judge(rtp(9), C, 3.0), FILLED)  # a stranger wins
        self.assertFalse(self.latch.prefill(A, 4.0))
        self.assertIs(self.judge(rtp(sequence_number=101), A, 5.0), REFUSED)  # for good
        self.assertEqual(self.latch.remote, C)

    def test_repeated_address_latches_after_the_window(self) -> None:
        for now, latched in ((1.0 + WINDOW - 0.25, False), (1.0 + WINDOW, True)):
            with self.subTest(now=now):
                latch = Latch("caller", True, CallLog("call"))
                latch.prefill(A, 0.0)
                latch.prefill(A, 1.0)
                self.judge(rtp(), A, now, latch)
                self.assertEqual(latch.latched, latched)

    def test_ssrc_zero(self) -> None:
        self.latch.prefill(A, 0.0)
        self.lines()
        self.assertIs(self.judge(rtp(0), C), FILLED)
        self.assertEqual(self.lines(),
                         ["caller's address not latched (bad SSRC): 192.0.2.3:5000 (RTP), SSRC=0x00000000, Seq=100",
                          "caller's address filled in: 192.0.2.3:5000 (RTP)"])
        self.assertTrue(self.latch.latched)
        self.assertIs(self.judge(rtp(5), A), REFUSED)

    def test_ssrc_zero_from_the_known_address_leaves_it_open(self) -> None:
        self.latch.prefill(A, 0.0)
        self.assertIs(self.judge(rtp(0), A), ACCEPTED)
        self.assertFalse(self.latch.latched)
        self.assertIs(self.judge(rtp(5), C), FILLED)

    def test_junk_latches_without_ssrc(self) -> None:
        self.latch.prefill(A, 0.0)
        self.lines()
        self.assertIs(self.judge(JUNK, A), ACCEPTED)
        self.assertEqual(self.lines(), ["caller's address latched in: 192.0.2.1:4000 (RTP), SSRC=INVALID, Seq=INVALID"])
        self.assertIs(self.judge(rtp(), C), REFUSED)

    def test_remembered_sequence_number_follows_once_a_second(self) -> None:
        self.latch.prefill(A, 0.0)
        self.judge(rtp(sequence_number=100), A, 1.0)
        for now, sent, remembered in ((1.75, 600, 100), (2.0, 1000, 1000), (2.75, 2000, 1000), (3.0, 3000, 3000)):
            self.judge(rtp(sequence_number=sent), A, now)
            self.assertEqual(self.latch.sequence_number, remembered, now)
        self.judge(rtp(9, 50), A, 5.0)  # another SSRC is not followed
        self.judge(JUNK, A, 6.0)
        self.assertEqual(self.latch.sequence_number, 3000)
        self.judge(rtp(sequence_number=3300), A, 6.25)  # due since 4.0
        self.assertIs(self.judge(rtp(sequence_number=3301), C, 6.5), FILLED)

    def test_ssrc_change_moves_the_remembered_ssrc(self) -> None:
        """What the relay does when the analyzer reports another SSRC on an accepted packet."""
        self.latch.prefill(A, 0.0)
        self.judge(rtp(1, 10), A, 1.0)
        self.lines()
        self.assertIs(self.judge(rtp(2, 5000), A, 2.0), ACCEPTED)
        self.latch.latch(rtp(2, 5000).data, 2.0, A)
        self.assertEqual(self.lines(),
                         ["caller's address re-latched: 192.0.2.1:4000 (RTP), SSRC=0x00000002, Seq=5000"])
        self.assertIs(self.judge(rtp(1, 11), C, 2.5), REFUSED)
        self.assertIs(self.judge(rtp(2, 5001), C, 2.5), FILLED)

    def test_ssrc_change_within_the_window_is_not_remembered(self) -> None:
        self.latch.prefill(A, 0.0)
        self.judge(rtp(1, 10), A, 1.0)
        self.latch.prefill(A, 20.0)
        self.latch.latch(rtp(2, 5000).data, 21.0, A)
        self.assertEqual((self.latch.ssrc, self.latch.sequence_number), (1, 10))

    def test_ssrc_change_gives_a_filled_stream_its_ssrc(self) -> None:
        self.judge(rtp(1, 10), C, 1.0)
        self.latch.latch(rtp(2, 20).data, 2.0, C)
        self.assertIs(self.judge(rtp(2, 21), D, 3.0), FILLED)

    def test_filling_in_the_previous_address_does_not_latch(self) -> None:
        """Late packets from where the party was must not tie the stream to it again."""
        self.latch.prefill(A, 0.0)
        self.judge(rtp(1, 10), A, 1.0)
        self.latch.prefill(B, 20.0)
        self.latch.latched = False  # as after an SSRC of zero
        self.assertIs(self.judge(rtp(1, 11), A, 21.0), FILLED)
        self.assertFalse(self.latch.latched)
        self.assertIsNone(self.latch.expected)
        self.assertIs(self.judge(rtp(1, 12), C, 21.0), FILLED)
        self.assertTrue(self.latch.latched)


class Rtcp(Case):
    def setUp(self) -> None:
        super().setUp()
        self.latch = Latch("callee", False, CallLog("call"))

    def test_has_no_ssrc_rule(self) -> None:
        self.latch.prefill(A, 0.0)
        self.lines()
        report = Sent(b"\x80\xc8\x00\x06" + bytes(24), None)
        self.assertIs(self.judge(report, A), ACCEPTED)
        self.assertEqual(self.lines(),
                         ["callee's address latched in: 192.0.2.1:4000 (RTCP), SSRC=UNKNOWN, Seq=UNKNOWN"])
        self.latch.prefill(A, 2.0)
        for packet in (report, rtp()):
            self.assertIs(self.judge(packet, C, 3.0), REFUSED)  # not even within the window

    def test_follows_commands_while_nothing_was_learned(self) -> None:
        self.latch.prefill(A, 0.0)
        self.judge(JUNK, A)
        self.assertTrue(self.latch.prefill(B, 30.0))
        self.assertIs(self.judge(JUNK, A, 31.0), REFUSED)
        self.assertIs(self.judge(JUNK, B, 31.0), ACCEPTED)

    def test_guess(self) -> None:
        rows = [
            # what RTCP knows, RTP source, news?, address after
            (None, C, True, ("192.0.2.3", 5001)),
            (A, C, True, ("192.0.2.3", 5001)),
            (("192.0.2.3", 9), C, False, ("192.0.2.3", 9)),
            (None, ("192.0.2.3", 65535), False, None),
            (A, ("192.0.2.3", 65535), False, A),
            (None, ("192.0.2.3", 65534), True, ("192.0.2.3", 65535)),
            (None, ("2001:db8::5", 5000, 0, 0), True, ("2001:db8::5", 5001, 0, 0)),
            (None, ("fe80::5%lo", 5000, 0, 1), True, ("fe80::5%lo", 5001, 0, 1)),
        ]
        for known, source, news, after in rows:
            for asymmetric in (False, True):
                with self.subTest(known=known, source=source, asymmetric=asymmetric):
                    latch = Latch("callee", False, CallLog("call"))
                    if known is not None:
                        latch.prefill(known, 0.0)
                    latch.set_asymmetric(asymmetric)
                    self.lines()
                    self.assertEqual(latch.guess(source), news)
                    self.assertEqual(latch.remote, after)
                    self.assertFalse(latch.untrusted)
                    self.assertEqual(latch.latched, asymmetric)
                    guessed = [f"guessing RTCP port for callee to be {source[1] + 1}"] if news else []
                    self.assertEqual(self.lines(), guessed)

    def test_guess_opens_a_latched_stream_again(self) -> None:
        self.latch.prefill(A, 0.0)
        self.judge(JUNK, A)
        self.assertTrue(self.latch.guess(C))
        self.assertFalse(self.latch.latched)
        self.assertIs(self.judge(JUNK, D, 2.0), FILLED)
        self.assertEqual(self.latch.remote, D)


class Asymmetric(Case):
    def test_host_counts_port_does_not(self) -> None:
        self.latch.prefill(A, 0.0)
        self.latch.set_asymmetric(True)
        self.assertTrue(self.latch.latched)
        self.assertEqual(self.latch.expected, A)
        for source, outcome in ((A, ACCEPTED), ((A[0], 1), ACCEPTED), ((A[0], 65535), ACCEPTED), (B, REFUSED)):
            self.assertIs(self.judge(rtp(), source), outcome, source)
            self.assertEqual(self.latch.remote, A)
        self.assertFalse(self.latch.untrusted)

    def test_other_host_is_refused_even_within_the_window(self) -> None:
        self.latch.prefill(A, 0.0)
        self.judge(rtp(), A)
        self.latch.prefill(A, 2.0)
        self.latch.set_asymmetric(True)
        self.assertIs(self.judge(rtp(sequence_number=101), C, 3.0), REFUSED)

    def test_no_address_is_filled_by_the_first_packet(self) -> None:
        self.latch.set_asymmetric(True)
        self.assertIs(self.judge(rtp(), C), FILLED)
        self.assertIs(self.judge(rtp(), (C[0], 9)), ACCEPTED)
        self.assertEqual(self.latch.remote, C)
        self.assertIs(self.judge(rtp(), D), REFUSED)

    def test_back_to_symmetric_stays_latched(self) -> None:
        self.latch.prefill(A, 0.0)
        self.latch.set_asymmetric(True)
        self.latch.set_asymmetric(False)
        self.assertIs(self.judge(rtp(), C), REFUSED)
        self.assertIs(self.judge(rtp(), (A[0], 9)), REFUSED)
        self.assertIs(self.judge(rtp(), A), ACCEPTED)

    def test_link_local_address_with_and_without_its_interface(self) -> None:
        """Commands cannot name the interface of a link-local address, packets do."""
        plain, scoped = ("fe80::1", 4000, 0, 0), ("fe80::1%lo", 4000, 0, 1)
        rows = [("prefilled", plain), ("filled in", scoped)]
        for name, known in rows:
            with self.subTest(name):
                latch = Latch("caller", True, CallLog("call"))
                latch.set_asymmetric(True)
                if known is plain:
                    latch.prefill(plain, 0.0)
                else:
                    self.judge(rtp(), scoped, 1.0, latch)
                self.assertIs(self.judge(rtp(), ("fe80::1%lo", 9, 0, 1), 2.0, latch), ACCEPTED)
                self.assertIs(self.judge(rtp(), ("fe80::2%lo", 9, 0, 1), 2.0, latch), REFUSED)


class Leg:
    """RTP and RTCP of a leg, put together as the relay does."""

    def __init__(self) -> None:
        self.rtp = Latch("caller", True, CallLog("call"))
        self.rtcp = Latch("caller", False, CallLog("call"))
        self.analysed: Optional[int] = None

    def receive(self, is_rtp: bool, packet: Sent, source: Any, now: float, *, short_path: bool) -> bool:
        latch = self.rtp if is_rtp else self.rtcp
        if not (short_path and source == latch.expected and now < latch.sync_due):
            outcome = latch.judge(packet.data, source, now)
            if outcome is REFUSED:
                return False
            if outcome is FILLED and is_rtp:
                self.rtcp.guess(source)
        if is_rtp and packet.ssrc is not None:
            if self.analysed not in (None, packet.ssrc):
                latch.latch(packet.data, now, source)
            self.analysed = packet.ssrc
        return True


def state_of(latch: Latch) -> tuple[Any, ...]:
    ssrc = None if latch.ssrc is None else (latch.ssrc, latch.sequence_number)
    return (latch.remote, latch.previous, latch.latched, latch.untrusted, latch.asymmetric, ssrc, latch.on_hold,
            latch.hold_count)


class Scenario:
    """Random commands and packets for one leg, on a few hosts and ports and a few RTP streams.

    Times step in quarters of a second, so that both accounts meet the borders of the window exactly.
    """

    HOSTS = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    PORTS = (4000, 4001, 5000, 65534, 65535, 0)
    STEPS = (0.0, 0.0, 0.25, 0.25, 0.5, 0.75, 1.0, 2.0, 9.75, 10.0, 10.25)

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.now = 0.25 * chance.randrange(1, 1000)
        self.sequence_numbers = {ssrc: chance.choice((0, 100, 65300, chance.randrange(65536))) for ssrc in (0, 1, 2)}

    def step(self) -> None:
        self.now += self.chance.choice(self.STEPS)

    def address(self) -> tuple[str, int]:
        return self.chance.choice(self.HOSTS), self.chance.choice(self.PORTS)

    def packet(self) -> Sent:
        chance = self.chance
        if chance.random() < 0.12:
            return chance.choice((JUNK, Sent(b"", None), Sent(b"\x80", None), Sent(b"\x80\xc9" + bytes(30), None),
                                  Sent(b"\x40" + rtp().data[1:], None)))
        ssrc = chance.choice((0, 1, 1, 1, 1, 2))
        step = chance.choice((1, 1, 1, 1, 0, 2, 535, 536, 537, -1, -2, 30000))
        self.sequence_numbers[ssrc] = number = (self.sequence_numbers[ssrc] + step) & 0xFFFF
        return rtp(ssrc, number)


class AgainstTheModel(unittest.TestCase):
    SEED = 20240611
    SEQUENCES = 1500
    STEPS = 40

    @classmethod
    def setUpClass(cls) -> None:
        logger = logging.getLogger("rtpproxy")
        level = logger.level
        logger.setLevel(logging.CRITICAL)
        cls.addClassCleanup(logger.setLevel, level)

    def test_thousands_of_random_sequences(self) -> None:
        outcomes = {True: 0, False: 0}
        for number in range(self.SEQUENCES):
            seed = self.SEED + number
            history: list[str] = []
            try:
                self.run_one(Scenario(random.Random(seed)), short_path=bool(number % 2), history=history,
                             outcomes=outcomes)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, after\n  " + "\n  ".join(history)) from error
        self.assertGreater(min(outcomes.values()), self.SEQUENCES)  # the mix tests both verdicts

    def run_one(self, scenario: Scenario, *, short_path: bool, history: list[str], outcomes: dict[bool, int]) -> None:
        leg, model, chance = Leg(), LegModel(), scenario.chance
        for _ in range(self.STEPS):
            scenario.step()
            if chance.random() < 0.2:
                self.command(scenario, leg, model, history)
            else:
                is_rtp, packet, source = chance.random() < 0.75, scenario.packet(), scenario.address()
                if chance.random() < 0.5 and (leg.rtp if is_rtp else leg.rtcp).remote is not None:
                    source = (leg.rtp if is_rtp else leg.rtcp).remote
                history.append(f"{scenario.now} {'RTP' if is_rtp else 'RTCP'} {packet} from {source}")
                expected = model.receive(model.rtp if is_rtp else model.rtcp, packet, source, scenario.now) == ACCEPT
                accepted = leg.receive(is_rtp, packet, source, scenario.now, short_path=short_path)
                self.assertEqual(accepted, expected)
                outcomes[accepted] += 1
            self.assertEqual(state_of(leg.rtp), model.rtp.state())
            self.assertEqual(state_of(leg.rtcp), model.rtcp.state())

    @staticmethod
    def command(scenario: Scenario, leg: Leg, model: LegModel, history: list[str]) -> None:
        now, kind = scenario.now, scenario.chance.random()
        host, port = scenario.address()
        asymmetric = scenario.chance.random() < 0.15
        history.append(f"{now} command {kind:.2f} {host}:{port} asymmetric={asymmetric}")
        for latch, stream, number in ((leg.rtp, model.rtp, port), (leg.rtcp, model.rtcp, (port + 1) % 65536)):
            if kind < 0.2:
                latch.hold()
                stream.hold()
            elif kind < 0.9:
                latch.prefill((host, number), now)
                stream.prefill((host, number), now)
            latch.set_asymmetric(asymmetric)
            stream.set_asymmetric(asymmetric)


if __name__ == "__main__":
    unittest.main()
