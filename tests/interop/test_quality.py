"""What the proxy says about quality, beside tshark's analysis of the same packets; digits dialled in a real call."""

from __future__ import annotations

import random
import re
import socket
import struct
import time
import unittest
from contextlib import ExitStack

from tests.interop.rig.call import hang_up, set_up
from tests.interop.rig.capture import Capture
from tests.interop.rig.checks import check_no_session
from tests.interop.rig.kamailio import Kamailio
from tests.interop.rig.media import rtp
from tests.interop.rig.phone import Phone
from tests.interop.rig.proxy import Proxy
from tests.interop.rig.tools import wait_for

PACKETS = 300
FRAME = 0.02  # seconds
TICKS = 8  # in a millisecond
TELEPHONE_EVENT = 101


def impaired(source: random.Random, first: int, ssrc: int) -> list[tuple[float, bytes]]:
    """(when, packet): every 20 ms, with jitter, loss and packets that overtake others."""
    plan = []
    for number in range(PACKETS):
        if 5 < number < PACKETS - 1 and source.random() < 0.05:
            continue
        packet = rtp(first + number, 1000 + 160 * number, ssrc, bytes(160))
        due = number * FRAME + source.random() * 0.01
        plan.append((due + (0.045 if source.random() < 0.03 else 0.0), packet))
    return sorted(plan)


class TsharkTest(unittest.TestCase):
    def test_same_loss_and_jitter(self) -> None:
        """tshark counts what passes the loopback interface on its way to the proxy; Q is the proxy's own word.

        Received and lost are exact. Neither wraps nor repeated packets are among them: there tshark's figures mean
        something else. Its jitter is measured from the kernel's times, ours from when the relay loop woke up: the
        averages may differ by 2 ms.
        """
        seed = random.SystemRandom().randrange(1 << 32)
        source = random.Random(seed)
        with ExitStack() as stack:
            proxy = stack.enter_context(Proxy("-d", "WARN"))
            caller, callee = (stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
            for party in (caller, callee):
                party.bind(("127.0.0.1", 0))
            offer = proxy.command(f"U c 127.0.0.1 {caller.getsockname()[1]} f")
            answer = proxy.command(f"L c 127.0.0.1 {callee.getsockname()[1]} f t")
            callee_port, caller_port = (int(reply.split()[0]) for reply in (offer, answer))
            self.assertNotEqual(callee_port, caller_port)
            callee.settimeout(5)
            capture = stack.enter_context(Capture(f"udp dst port {caller_port}"))
            plan = impaired(source, 1000, 0x5EED)
            start = time.monotonic()
            for due, packet in plan:
                time.sleep(max(0.0, start + due - time.monotonic()))
                caller.sendto(packet, ("127.0.0.1", caller_port))
                callee.recv(2048)
            names = "rtpa_nrcvd rtpa_nlost rtpa_ndups rtpa_nsent rtpa_javg"
            found = proxy.command(f"Q c f t {names}").split()
            received, lost, repeated, sent = map(int, found[:4])
            self.assertEqual(proxy.command("D c f t"), "0")
            text = capture._read("-q", "-z", "rtp,streams", decode_as=(f"udp.port=={caller_port},rtp",))
        self.assertEqual((received, repeated, sent), (len(plan), 0, PACKETS), f"seed {seed}")
        row = re.search(r"0x\w+\s.*?\s(\d+)\s+(-?\d+) \([-\d.]+%\)\s+(.*)", text)
        assert row is not None, text
        self.assertEqual((int(row[1]), int(row[2])), (received, lost), f"seed {seed}\n{text}")
        jitters = [float(number) for number in re.findall(r"\d+\.\d+", row[3])][-3:]  # least, average, most, in ms
        self.assertAlmostEqual(float(found[4]) / TICKS, jitters[1], delta=2.0, msg=f"seed {seed}\n{text}")


class DigitsTest(unittest.TestCase):
    """A call through Kamailio whose caller dials; the proxy tells the digits to whoever asked."""

    def test_digits_of_a_call(self) -> None:
        with ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            target = f"tcp:127.0.0.1:{listener.getsockname()[1]}"
            proxy = stack.enter_context(Proxy("-n", target, "--dso", "catch_dtmf", connections=1))
            kamailio = stack.enter_context(Kamailio(proxy.spec()))
            alice, bob = (stack.enter_context(Phone(name, kamailio.address())) for name in ("alice", "bob"))
            set_up(alice, bob)
            answer = re.compile(r"received command 'L\S* (\S+) \S+ \S+ (\S+) (\S+)'")
            call_id, from_tag, to_tag = wait_for(lambda: answer.search(proxy.log_text()), "the command").groups()
            media = alice.media[0]
            asked = proxy.command(f"U {call_id} 127.0.0.1 {media.port} {from_tag} {to_tag} {target} watch "
                                  f"&& M3:1 digits {TELEPHONE_EVENT}")
            self.assertRegex(asked, r"\A\d+")
            self.assertNotIn("-1", asked)
            assert media.target is not None
            for number, digit in enumerate((1, 11, 10)):  # 1, #, *
                self.dial(media.rtp_socket, media.target, digit, 5000 + 20 * number, 8000 * number)
            listener.settimeout(10)
            connection = stack.enter_context(listener.accept()[0])
            connection.settimeout(10)
            said = b""
            while said.count(b"\n") < 3:
                said += connection.recv(4096)
            lines = [line.split() for line in said.decode().splitlines()]
            self.assertEqual([(line[0], line[1], line[-1]) for line in lines],
                             [("digits", "1", "0"), ("digits", "#", "0"), ("digits", "*", "0")])
            received = bob.media[0].receive(24)
            self.assertEqual(len(received), 24, "the callee hears the digits as well")
            hang_up(alice, bob)
            check_no_session(proxy)

    @staticmethod
    def dial(sender: socket.socket, to: tuple[str, int], digit: int, sequence: int, timestamp: int) -> None:
        """RFC 4733: five packets while it lasts, and the end three times."""
        for number in range(8):
            end = 0x80 if number >= 5 else 0
            event = struct.pack("!BBH", digit, end | 10, 160 * min(number + 1, 6))
            sender.sendto(rtp(sequence + number, timestamp, 0xD161, event, TELEPHONE_EVENT), to)
            time.sleep(0.005)
