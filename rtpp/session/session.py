"""A session: one media stream of a call, with a leg for each of its two parties.

    caller's phone <-> leg `caller` <-> leg `callee` <-> callee's phone

A leg is named for the party it faces. The first command of a call opens the port of the callee's leg, since
that port is what the callee is told; its address argument describes the caller. So a command *addresses* one
leg, whose port it returns, and *describes* the party of the other.

Guarded by `SessionTable.lock`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional
from weakref import ref

from rtpp.log import CallLog
from rtpp.net.addresses import Address
from rtpp.session.stream import Stream, discard, relay
from rtpp.session.ttl import TimeToLive
from rtpp.settings import ListenAddress, Settings
from rtpp.stats import Stats

if TYPE_CHECKING:
    from rtpp.session.connector import Connector
    from rtpp.session.fork import Fork
    from rtpp.session.notify import Notification
    from rtpp.session.player import Player
    from rtpp.session.recording import LegRecording, SharedFile


Step = Callable[[float], Optional[float]]  # takes the time and returns when it wants to be called again
Schedule = Callable[[float, Step], None]  # have the relay loop call a step, at first at the given time


class Leg:
    """One side of a session: an RTP and an RTCP stream on a pair of ports."""

    __slots__ = ("__weakref__", "_session", "actor", "address", "codecs", "player", "recording", "rtcp", "rtp", "tos",
                 "ttl", "weak")

    def __init__(self, session: Session, actor: str, address: ListenAddress, ttl: TimeToLive, settings: Settings,
                 stats: Stats, log: CallLog) -> None:
        self._session = ref(session)
        self.actor = actor
        self.address = address
        self.ttl = ttl
        self.tos = settings.tos
        self.codecs: tuple[int, ...] = ()  # payload types the party offered, for prompts
        self.weak = False
        self.player: Optional[Player] = None  # of a prompt to the party
        self.recording: Optional[LegRecording] = None  # of what the party sends
        self.rtp = Stream(self, True, stats, log, ttl, settings.send_twice)
        self.rtcp = Stream(self, False, stats, log, ttl, settings.send_twice)

    @property
    def session(self) -> Session:
        """Whoever looks keeps it alive, as the table does until it ends."""
        session = self._session()
        assert session is not None
        return session

    @property
    def port(self) -> int:
        """The RTP port, 0 while the leg has none."""
        return self.rtp.port if self.rtp.socket is not None else 0

    @property
    def opposite(self) -> Leg:
        return self.session.callee if self is self.session.caller else self.session.caller

    @property
    def streams(self) -> tuple[Stream, Stream]:
        return self.rtp, self.rtcp

    def set_asymmetric(self, asymmetric: bool) -> None:
        self.rtp.reclaim()
        for stream in self.streams:
            stream.latch.set_asymmetric(asymmetric)

    def hold(self) -> None:
        for stream in self.streams:
            stream.latch.hold()

    def prefill(self, rtp: Address, rtcp: Address, now: float) -> None:
        """A command said where the party's RTP and RTCP are to be sent."""
        self.rtp.reclaim()
        for stream, remote in ((self.rtp, rtp), (self.rtcp, rtcp)):
            if stream.latch.prefill(remote, now):
                stream.choose_destination()


    def start_player(self, player: Player, now: float) -> None:
        """Play a prompt to the party; no other prompt is playing."""
        self.player = player
        self.rtp.stats.nplrs_created += 1
        self.opposite.rtp.choose_onward()
        player.begin(now)

    def stop_player(self) -> None:
        """Play no longer, if anything plays; the other party is heard again."""
        if self.player is not None:
            self.player.stop()
            self.player = None
            self.rtp.stats.nplrs_destroyed += 1
            self.opposite.rtp.choose_onward()

    def stop_recording(self) -> None:
        """Record and copy no longer, if that is done."""
        if self.recording is not None:
            self.recording.close()
            self.recording = None


class Session:
    """Found by call-id and tags. `tag` is the from-tag of the command that created it, media number included.

    References lead down from a session to its legs and their streams; those that lead up are weak, so that the memory
    of a session is free as soon as it has ended, without Python's collector of cycles, which would have to look at
    all sessions and stop every call meanwhile.
    """

    __slots__ = ("__weakref__", "call_id", "callee", "caller", "complete", "connector", "created", "ended", "fork",
                 "log", "notification", "schedule", "shared_file", "strong", "tag")

    def __init__(self, call_id: str, tag: str, addresses: tuple[ListenAddress, ListenAddress], settings: Settings,
                 stats: Stats, schedule: Schedule, connector: Connector, now: float) -> None:
        """`addresses` are where the legs of caller and callee are bound; `now` is monotonic seconds."""
        self.schedule = schedule
        self.connector = connector
        self.call_id = call_id
        self.tag = tag
        self.created = now
        self.complete = False
        self.ended = False
        self.strong = False
        self.notification: Optional[Notification] = None
        self.fork: Optional[Fork] = None  # whose packets are sent into this session
        self.shared_file: Optional[SharedFile] = None  # both legs are recorded into
        self.log = CallLog(call_id)
        shared = TimeToLive(settings.setup_ttl, settings.ttl, now)
        own = TimeToLive(settings.setup_ttl, settings.ttl, now) if settings.independent_ttl else shared
        self.caller = Leg(self, "caller", addresses[0], shared, settings, stats, self.log)
        self.callee = Leg(self, "callee", addresses[1], own, settings, stats, self.log)
        for one, other in ((self.caller, self.callee), (self.callee, self.caller)):
            one.rtp.peer, one.rtcp.peer = other.rtp, other.rtcp

    @property
    def legs(self) -> tuple[Leg, Leg]:
        return self.caller, self.callee

    @property
    def streams(self) -> tuple[Stream, Stream, Stream, Stream]:
        return self.caller.rtp, self.caller.rtcp, self.callee.rtp, self.callee.rtcp

    def owns(self, address: Address) -> bool:
        """Whether one of the session's own sockets receives at `address`."""
        port = address[1]
        return any([stream.port == port and stream.is_at(address) for stream in self.streams])

    def refresh(self, now: float) -> None:
        """A command found the session."""
        for leg in self.legs:
            leg.ttl.refreshed = now

    def make_complete(self, now: float) -> None:
        """Both legs are there: packets are relayed from now on."""
        self.complete = True
        for leg in self.legs:
            leg.ttl.complete(now)
        self.choose_handlers()

    def choose_handlers(self) -> None:
        """Pick what each stream does with a packet, after a change of what the session needs."""
        handle: Callable[[Stream, float], int] = relay if self.complete else discard
        for stream in self.streams:
            stream.handle = handle
            stream.choose_onward()

    def remaining(self, now: float) -> int:
        """Seconds to live: the smaller of both legs'. Negative when it is over."""
        for leg in self.legs:
            if leg.rtp.offloaded is not None:
                leg.rtp.offloaded.refresh()
        return min(self.caller.ttl.remaining(now), self.callee.ttl.remaining(now))

    def release(self) -> None:
        """It is over, and all have been told."""
        self.fork = self.shared_file = None
        for stream in self.streams:
            stream.release()

    @property
    def over_at(self) -> int:
        """The tick at which the session ends unless something happens."""
        return min(self.caller.ttl.over_at, self.callee.ttl.over_at)
