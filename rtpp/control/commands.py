"""Executes typed commands on the session table and makes their replies.

A command runs with `SessionTable.lock` held from its first look at the table to its reply. A command that cannot be
carried out raises CommandError, and becomes `E<n>` here and nowhere else. An unexpected exception answers an error,
is written to the log with its traceback, and touches no other session.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from logging import DEBUG
from typing import TYPE_CHECKING, Callable, NamedTuple, Optional, Union

from rtpp.control import grammar, parser
from rtpp.control.modifiers import LegModifiers
from rtpp.control.playback import Playback
from rtpp.control.queries import Queries
from rtpp.control.recordings import Recordings
from rtpp.control.subcommands import ModuleCalls, check_modules, run_subcommands
from rtpp.errors import CommandError, ErrorCode
from rtpp.log import GLOBAL, CallLog
from rtpp.net.addresses import IPV6
from rtpp.session.notify import AllowedTargets, Notification
from rtpp.session.session import Leg, Session
from rtpp.session.table import NoSocketsError, SessionTable

if TYPE_CHECKING:
    from rtpp.recording.spool import Spool

MAX_REPLY = 1024  # bytes of a whole reply: cookie, space, text, line feed


@dataclass(frozen=True)
class Origin:
    """Where a command came from: IPv4 addresses of the controller and of our end; empty for anything else."""

    controller: str = ""
    local: str = ""


class Reply(NamedTuple):
    """`ok` is false for a lookup that found nothing: the reply is no error code but counts as an error."""

    text: str
    ok: bool = True


Later = Callable[[], Reply]  # the rest of a command that may block, to be run without the lock
Result = Union[Reply, Later]

class Executor:
    """The control protocol on one proxy. Safe to call from any thread."""

    def __init__(self, table: SessionTable, targets: AllowedTargets, spool: Optional[Spool],
                 modules: Optional[ModuleCalls] = None) -> None:
        self._table = table
        self._settings = table.settings
        self._stats = table.stats
        self._targets = targets
        self.modules = modules
        self._queries = Queries(table, bool(targets))
        self._recordings = Recordings(table, spool)
        self._playback = Playback(table)
        self.draining = False  # no new sessions: the proxy shuts down when the last one ends
        self._handlers: dict[type, Callable[..., Result]] = {
            parser.SetUp: self._set_up,
            parser.Delete: self._delete,
            parser.DeleteAll: self._delete_all,
            parser.Play: self._play,
            parser.StopPlaying: self._stop_playing,
            parser.Record: self._record,
            parser.Copy: self._copy,
            parser.StopRecording: self._stop_recording,
            parser.Query: self._query,
            parser.Info: lambda command, origin, room: Reply(self._queries.info(command)),
            parser.Statistics: lambda command, origin, room: Reply(self._queries.statistics(command, room)),
            parser.Version: lambda command, origin, room: Reply(self._queries.version()),
            parser.Feature: lambda command, origin, room: Reply(self._queries.feature(command)),
        }

    def execute(self, tokens: list[bytes], origin: Origin, room: int = MAX_REPLY - 1) -> str:
        """The reply, without cookie and line feed. `room` is how long it may be."""
        log = GLOBAL if len(tokens) < 2 else CallLog(tokens[1].decode("latin-1"))
        if log.isEnabledFor(DEBUG):
            log.debug("received command %r", b" ".join(tokens).decode("latin-1"))
        failure: Optional[Exception] = None
        try:
            command = parser.parse_command(grammar.parse(tokens), self._table.addresses)
            check_modules(command, self.modules)
        except Exception as error:
            failure = error  # becomes a reply where those of the execution do
        with self._table.lock:
            self._stats.ncmds_rcvd += 1
            try:
                if failure is not None:
                    raise failure
                result = self._handlers[type(command)](command, origin, room)
            except Exception as error:
                result = _refusal(error, log)
            if isinstance(result, Reply):
                self._count(result, tokens)
        if not isinstance(result, Reply):
            result = self._finish(result, tokens, log)
        log.debug("sending reply %r", result.text)
        return result.text

    def _finish(self, later: Later, tokens: list[bytes], log: CallLog) -> Reply:
        """The part of a command that may block."""
        try:
            reply = later()
        except Exception as error:
            reply = _refusal(error, log)
        with self._table.lock:
            self._count(reply, tokens)
        return reply

    def _count(self, reply: Reply, tokens: list[bytes]) -> None:
        self._stats.ncmds_repld += 1
        if reply.ok:
            self._stats.ncmds_succd += 1
        else:
            self._stats.ncmds_errs += 1
            verb = tokens[0][:1].decode("latin-1").upper() if tokens else ""
            self._stats.note_failure(verb if verb in grammar.VERBS else "", reply.text)

    def duplicate(self) -> None:
        """A command was answered from the cache of replies."""
        with self._table.lock:
            self._stats.ncmds_rcvd_ndups += 1

    def _find(self, tags: parser.Tags) -> tuple[Session, Leg]:
        """The session, and the leg of the party whose tag comes first. Raises CommandError."""
        found = self._table.find(tags.call_id, tags.from_tag, tags.to_tag)
        if found is None:
            raise CommandError(ErrorCode.NO_SESSION, f"no session for tags {tags.from_tag} {tags.to_tag or ''}")
        session, direct = found
        return session, session.caller if direct else session.callee

    # -- U and L ---------------------------------------------------------------------------------

    def _set_up(self, command: parser.SetUp, origin: Origin, room: int) -> Result:
        if command.notify is not None and not self._targets:
            raise CommandError(ErrorCode.NOTIFY_DISABLED, "no notification target is allowed: use -n")
        now = time.monotonic()
        tags, modifiers = command.tags, command.modifiers
        found = self._table.find(tags.call_id, tags.from_tag, tags.to_tag)
        if found is None:
            if not command.creates:
                return Reply("0", ok=False)
            session = self._create(tags, modifiers, now)
            leg = session.callee
        else:
            session, direct = found
            leg = session.callee if direct == command.creates else session.caller
            self._update(leg, modifiers, now)
        if modifiers.weak:
            leg.weak = True
        elif command.creates:
            session.strong = True
        if command.creates:
            session.notification = self._notification(session, command.notify, origin)
        self._describe(leg.opposite, modifiers, command.remote, now)
        reply = Reply(run_subcommands(self, session, leg, command.subcommands, port_reply(leg), room))
        if found is None and self._settings.record_all:
            return lambda: self._record_all(session, reply)
        return reply

    def _record_all(self, session: Session, reply: Reply) -> Reply:
        """Record a new session from its start; that it cannot be recorded does not fail the call."""
        self._recordings.record([(session, leg) for leg in session.legs], single_file=True)
        return reply

    def _create(self, tags: parser.Tags, modifiers: LegModifiers, now: float) -> Session:
        if self.draining:
            raise CommandError(ErrorCode.DRAINING, "the proxy is shutting down and takes no new sessions")
        if self._settings.overload_protection and self._table.load.is_over:
            raise CommandError(ErrorCode.OVERLOAD, f"the load is {self._table.load.average:.2f}, no new sessions")
        addresses = modifiers.creation_addresses(self._table.addresses)
        try:
            return self._table.create(tags.call_id, tags.from_tag, addresses, now)
        except NoSocketsError as error:
            raise CommandError(ErrorCode.NO_PORTS_FOR_SESSION, str(error))

    def _update(self, leg: Leg, modifiers: LegModifiers, now: float) -> None:
        session = leg.session
        if not leg.port or modifiers.new_port:
            try:
                self._table.open(leg, modifiers.new_address())
            except NoSocketsError as error:
                raise CommandError(ErrorCode.NO_PORTS_FOR_LEG, str(error))
            session.log.info("%s's leg is on port %d", leg.actor, leg.port)
            if not session.complete:
                self._table.complete(session, now)
        session.refresh(now)

    def _notification(self, session: Session, notify: Optional[tuple[str, bytes]],
                      origin: Origin) -> Optional[Notification]:
        """Each U says anew whom to notify, or nobody. A target that is not allowed does not fail the call."""
        if notify is None:
            return None
        target = self._targets.match(notify[0], origin.controller, origin.local)
        if target is None:
            session.log.warning("notification target %r is not among those of -n, ignored", notify[0])
            return None
        return Notification(target, notify[1])

    def _describe(self, party: Leg, modifiers: LegModifiers, remote: Optional[parser.Remote], now: float) -> None:
        """Take over what a command says about the party that sent its session description."""
        if remote is not None:
            if remote.on_hold:
                party.hold()
            else:
                party.prefill(remote.rtp, remote.rtcp, now)
        asymmetric = modifiers.asymmetric
        party.set_asymmetric(self._settings.asymmetric_by_default if asymmetric is None else asymmetric)
        party.codecs = modifiers.codecs
        party.rtp.resize(modifiers.resize_ms)

    def lookup(self, leg: Leg, command: parser.SubLookup) -> str:
        """The sub-command L: what an L for `leg` does. Raises CommandError when the leg can get no port."""
        now = time.monotonic()
        self._update(leg, command.modifiers, now)
        if command.modifiers.weak:
            leg.weak = True
        self._describe(leg.opposite, command.modifiers, command.remote, now)
        return port_reply(leg)

    # -- ending ----------------------------------------------------------------------------------

    def _delete(self, command: parser.Delete, origin: Origin, room: int) -> Reply:
        tags = command.tags
        if not self.release(tags, command.weak):
            raise CommandError(ErrorCode.NO_SESSION, f"no session for tags {tags.from_tag} {tags.to_tag or ''}")
        return Reply("0")

    def release(self, tags: parser.Tags, weak: bool) -> bool:
        """Clear a flag of each session of a call that the tags match; a tag without a media number matches all
        numbers. Returns whether any session matched."""
        matched = False
        for session in self._table.call(tags.call_id):
            leg, exact = match_call(session, tags)
            if leg is None:
                continue
            matched = True
            if self._release(session, leg, weak) and exact:
                break
        return matched

    def _release(self, session: Session, leg: Leg, weak: bool) -> bool:
        """Clear a flag that keeps a session; without flags it ends. Returns whether it has ended."""
        if weak:
            leg.weak = False
        else:
            session.strong = False
        if session.strong or session.caller.weak or session.callee.weak:
            session.log.info("session stays: strong=%s, weak caller=%s, weak callee=%s", session.strong,
                             session.caller.weak, session.callee.weak)
            return False
        self._table.end(session, time.monotonic())
        return True

    def _delete_all(self, command: parser.DeleteAll, origin: Origin, room: int) -> Reply:
        GLOBAL.info("deleting all sessions")
        self._table.end_all(time.monotonic())
        return Reply("0")

    # -- prompts and recordings ------------------------------------------------------------------

    def _play(self, command: parser.Play, origin: Origin, room: int) -> Result:
        session, leg = self._find(command.tags)
        leg.stop_player()
        codecs = self._playback.codecs(leg, command)
        if not codecs:
            return Reply("0")

        def later() -> Reply:
            self._playback.play(session, leg, command, codecs)
            return Reply("0")

        return later

    def _stop_playing(self, command: parser.StopPlaying, origin: Origin, room: int) -> Reply:
        session, leg = self._find(command.tags)
        if leg.player is not None:
            session.log.info("stopping player at port %d", leg.port)
        leg.stop_player()
        return Reply("0")

    def _matches(self, tags: parser.Tags) -> list[tuple[Session, Leg]]:
        """The sessions of a call that the tags match, each with the leg that they address."""
        found = ((session, match_call(session, tags)[0]) for session in self._table.call(tags.call_id))
        return [(session, leg) for session, leg in found if leg is not None]

    def _record(self, command: parser.Record, origin: Origin, room: int) -> Later:
        matches = self._matches(command.tags)

        def later() -> Reply:
            if not self._recordings.record(matches, command.single_file):
                raise CommandError(ErrorCode.NO_SESSION, "no session, or it cannot be recorded")
            return Reply("0")

        return later

    def _copy(self, command: parser.Copy, origin: Origin, room: int) -> Later:
        session, leg = self._find(command.tags)
        return lambda: Reply(self._recordings.copy(session, leg, command))

    def _stop_recording(self, command: parser.StopRecording, origin: Origin, room: int) -> Reply:
        matches = self._matches(command.tags)
        legs = [each for session, leg in matches for each in (session.legs if command.both_legs else (leg,))]
        if not self._recordings.stop(legs):
            raise CommandError(ErrorCode.NO_SESSION, "nothing is being recorded")
        return Reply("0")

    # -- looking ---------------------------------------------------------------------------------

    def _query(self, command: parser.Query, origin: Origin, room: int) -> Reply:
        session, leg = self._find(command.tags)
        text = self._queries.query(session, leg, command, room)
        # The party that asks is the one of the addressed leg, which it describes in U and L terms.
        return Reply(run_subcommands(self, session, leg.opposite, command.subcommands, text, room))

    # -- for sub-commands ------------------------------------------------------------------------

    @property
    def table(self) -> SessionTable:
        return self._table


def _refusal(error: Exception, log: CallLog) -> Reply:
    """Errors become replies here, and nowhere else. Call it while `error` is being handled."""
    if isinstance(error, CommandError):
        log.warning("command refused: %s", error)
        return Reply(f"E{int(error.code)}", ok=False)
    log.exception("unexpected error while executing a command")
    return Reply(f"E{int(ErrorCode.INTERNAL)}", ok=False)


def match_call(session: Session, tags: parser.Tags) -> tuple[Optional[Leg], bool]:
    """For commands on a whole call: the leg that the tags address, and whether they match exactly.

    A tag without media number matches all media of the call.
    """
    for tag, leg in ((tags.from_tag, session.caller), (tags.to_tag, session.callee)):
        if tag is None:
            continue
        if session.tag == tag:
            return leg, True
        if session.tag.startswith(tag + ";"):
            return leg, False
    return None, False


def port_reply(leg: Leg) -> str:
    """Port and address for the session description; a wildcard listener leaves the address to the controller."""
    address = leg.address
    if address.is_wildcard:
        return str(leg.port)
    text = f"{leg.port} {address.advertised or address.host}"
    return f"{text} 6" if address.family == IPV6 else text
