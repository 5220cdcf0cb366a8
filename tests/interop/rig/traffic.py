"""Random calls and random packets through both relays of a pair of twins, compared packet by packet.

A pool of parties owns the sockets. Sessions name parties as their remote addresses; packets come from the
right party, from strangers, with jumps in sequence numbers and changes of SSRC, on RTP and RTCP ports, or as
junk. The same packet goes to the same leg of both relays; then both must have counted it, and every party
must have got the same packets from the same legs of both.

Packets of one group belong to different sessions, because relays may serve sockets in any order.
"""

from __future__ import annotations

import random
import select
import socket
import time
from collections import Counter
from typing import Optional

from tests.interop.differences import UNCOMPARED_ACROSS_WRAP
from tests.interop.rig.commands import SESSION_COUNTERS
from tests.interop.rig.media import Media, rtcp, rtp
from tests.interop.rig.twins import Mismatch, Twins

PARTIES = 8
SESSIONS = 24
MOST_NAMES = 11  # in one Q
GLOBAL = (
    *("nsess_created", "nsess_destroyed", "nsess_complete", "nsess_nortp", "nsess_owrtp", "nsess_nortcp"),
    *("nsess_owrtcp", "nsess_timeout", "npkts_rcvd", "npkts_relayed", "npkts_discard"),
    *("rtpa_nsent", "rtpa_nrcvd", "rtpa_ndups", "rtpa_nlost", "rtpa_perrs"),
)


class Party(Media):
    """A pair of sockets with an RTP sender's state that jumps now and then."""

    def __init__(self, number: int, source: random.Random, wraps: bool) -> None:
        super().__init__(f"party{number}")
        self.random, self.wraps = source, wraps
        self.ssrc = source.choice([1, 2, 3, 4])  # few, so that strangers may have the same
        self.sequence = source.choice([0, 100, 65000, 65530])

    def packet(self) -> bytes:
        """The next packet of this sender: usually plain RTP, one further."""
        dice = self.random.random()
        if dice < 0.06:
            return self.random.choice([b"", b"x", b"\x80", bytes(11), b"\x80" * 12, b"\x00" * 40, bytes(1500)])
        if dice < 0.1:
            return rtcp(self.ssrc, b"on any port")
        if dice < 0.16:
            self.ssrc = self.random.choice([0, 1, 2, 3, 4, self.random.getrandbits(32)])
        step = self.random.choice([1] * 14 + [0, -1, 2, 5, 536, 537, 600, -600, 32768])
        self.sequence = (self.sequence + step) & 0xFFFF
        if not self.wraps:
            self.sequence = 2000 + self.sequence % 60000
        payload = f"{self.name}:{self.random.getrandbits(32):08x}".encode()
        kind = self.random.choice([0] * 8 + [8, 18, 101, 72])
        return rtp(self.sequence, self.sequence * 160, self.ssrc, payload.ljust(self.random.choice([20, 160])), kind)


class Session:
    """Ports of one session's legs: [leg 0, leg 1], each (their port, our port), None before it is allocated."""

    def __init__(self, number: int) -> None:
        self.call = f"s{number}"
        self.legs: list[Optional[tuple[int, int]]] = [None, None]
        self.talkers: list[Optional[Party]] = [None, None]  # who is expected to send to each leg
        self.story: list[str] = []


class Traffic:
    """`round()` is one mixture of commands and packets; `packets` counts what was sent to each side.

    With `wraps` sequence numbers of all parties run, jump and step back across 65535, too.
    """

    def __init__(self, twins: Twins, source: random.Random, wraps: bool = False) -> None:
        self.twins, self.random = twins, source
        self.parties = [Party(number, source, wraps) for number in range(PARTIES)]
        self.uncompared = UNCOMPARED_ACROSS_WRAP if wraps else ()
        self.sockets: dict[socket.socket, tuple[int, str]] = {}
        for number, party in enumerate(self.parties):
            for opened, kind in ((party.rtp_socket, "rtp"), (party.rtcp_socket, "rtcp")):
                opened.setblocking(False)
                self.sockets[opened] = (number, kind)
        self.sessions: list[Session] = []
        self.created = self.packets = 0

    def close(self) -> None:
        for party in self.parties:
            party.close()

    def start_over(self) -> None:
        """After a mismatch: no session, nothing in flight."""
        self.twins.restart()
        self.sessions.clear()
        time.sleep(0.05)
        for opened in self.sockets:
            self.drain(opened)

    def round(self) -> None:
        for _ in range(self.random.randrange(1, 6)):
            self.change()
        for _ in range(3):
            self.send_group()
        if self.sessions and self.random.random() < 0.5:
            self.query(self.random.choice(self.sessions))
        if self.random.random() < 0.2:
            self.twins.command("G " + " ".join(self.compared(GLOBAL)))

    def compared(self, names: tuple[str, ...]) -> list[str]:
        return [name for name in names if name not in self.uncompared]

    # --- commands

    def change(self) -> None:
        """One command: a new session, an update of one, or the end of one."""
        dice = self.random.random()
        if len(self.sessions) < SESSIONS // 2 or (dice < 0.3 and len(self.sessions) < SESSIONS):
            self.created += 1
            session = Session(self.created)
            self.sessions.append(session)
            self.address(session, 0)
            if self.random.random() < 0.8:
                self.address(session, 1)
        elif dice < 0.45:
            session = self.sessions.pop(self.random.randrange(len(self.sessions)))
            self.tell(session, f"D {session.call} f t")
        else:
            self.address(self.random.choice(self.sessions), self.random.randrange(2))

    def address(self, session: Session, leg: int) -> None:
        """A U or L that addresses the leg, and so describes the party of the other one."""
        party = self.random.choice(self.parties)
        host, port = self.random.choice([(party.host, party.port)] * 8 + [("0.0.0.0", 4), ("nobody", 4)])
        letters = self.random.choice([""] * 10 + ["a", "a", "s", "w", "n", "c0,8"])
        verb, tags = ("U", "f") if leg == 0 else self.random.choice([("L", "f t"), ("U", "t f")])
        reply = self.tell(session, f"{verb}{letters} {session.call} {host} {port} {tags}")
        if host == party.host:
            session.talkers[1 - leg] = party
        ours = int(reply.split(" ")[0])
        session.legs[leg] = (self.twins.their_port((ours, 4))[0], ours)

    def tell(self, session: Session, text: str) -> str:
        session.story.append(text)
        return self.twins.command(text)

    def query(self, session: Session) -> None:
        names = self.compared(SESSION_COUNTERS)
        tags = self.random.choice(["f t", "t f"])
        for some in (names[:MOST_NAMES], names[MOST_NAMES:]):
            self.tell(session, f"Q {session.call} {tags} {' '.join(some)}")

    # --- packets

    def send_group(self) -> None:
        """One packet to each of some sessions, then see what became of them."""
        ready = [session for session in self.sessions if any(session.legs)]
        group = self.random.sample(ready, min(len(ready), 12))
        before = [self.processed(side) for side in ("ours", "theirs")]
        sent = sum(self.send_one(session) for session in group)
        self.packets += sent
        relayed = []
        for side, (relayed_before, total_before) in zip(("ours", "theirs"), before):
            relayed.append(self.wait_until_processed(side, total_before + sent) - relayed_before)
        stories = "\n    ".join(f"{session.story[-14:]}" for session in group)
        if relayed[0] != relayed[1]:
            raise Mismatch(f"of {sent} packets ours relayed {relayed[0]}, the C engine {relayed[1]}\n    {stories}")
        ours, theirs = self.collect(relayed[0])
        if ours != theirs:
            raise Mismatch(f"only ours: {dict(ours - theirs)}, only the C engine: {dict(theirs - ours)}\n    {stories}")

    def send_one(self, session: Session) -> int:
        legs = [number for number in (0, 1) if session.legs[number]]
        leg = self.random.choice(legs)
        ports = session.legs[leg]
        assert ports
        expected = session.talkers[leg]
        party = expected if expected and self.random.random() < 0.85 else self.random.choice(self.parties)
        packet = party.packet()
        control = self.random.random() < 0.2
        source = party.rtcp_socket if control else party.rtp_socket
        for port in ports:
            source.sendto(packet, ("127.0.0.1", port + control))
        summary = f"{packet[:12].hex()}+{len(packet)}"
        session.story.append(f"{party.name} {'RTCP' if control else 'RTP'} to leg {leg}: {summary}")
        return 1

    def processed(self, side: str) -> tuple[int, int]:
        """(relayed, relayed and discarded): every packet ends in one of the two."""
        relayed, discarded = (int(word) for word in self.twins.poll(side, "G npkts_relayed npkts_discard").split())
        return relayed, relayed + discarded

    def wait_until_processed(self, side: str, total: int) -> int:
        deadline = time.monotonic() + 2.0
        while True:
            relayed, done = self.processed(side)
            if done == total:
                return relayed
            if done > total or time.monotonic() > deadline:
                raise Mismatch(f"{side}: {done} packets counted, {total} were sent")
            time.sleep(0.001)

    def collect(self, count: int) -> tuple[Counter[str], Counter[str]]:
        """What the parties got, `count` packets from each side: who, from which leg, what."""
        found: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        deadline = time.monotonic() + 1.0
        while min(sum(side.values()) for side in found) < count and time.monotonic() < deadline:
            for ready in select.select(list(self.sockets), [], [], 0.1)[0]:
                number, kind = self.sockets[ready]
                for packet, port in self.drain(ready):
                    side, shown = self.twins.origin(port)
                    found[side][f"party{number} {kind} from {shown}: {packet[:12].hex()}+{len(packet)}"] += 1
        return found

    def drain(self, source: socket.socket) -> list[tuple[bytes, int]]:
        packets: list[tuple[bytes, int]] = []
        while True:
            try:
                packet, address = source.recvfrom(9000)
            except BlockingIOError:
                return packets
            packets.append((packet, address[1]))
