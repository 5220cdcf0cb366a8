"""Commands P and S: prompts."""

from __future__ import annotations

import re
import time

from rtpp.control import parser
from rtpp.errors import CommandError, ErrorCode
from rtpp.session.player import Player
from rtpp.session.prompts import Prompt, PromptCache
from rtpp.session.session import Leg, Session
from rtpp.session.table import SessionTable

SESSION_CODECS = "session"  # in place of a list: what the party offered
DEFAULT_PACKET_TIME = 10  # ms


class Playback:
    """Starts prompts. Reading a prompt may block on the disk: that part runs without the table lock."""

    def __init__(self, table: SessionTable) -> None:
        self._table = table
        self._cache = PromptCache()

    def codecs(self, leg: Leg, command: parser.Play) -> tuple[int, ...]:
        """Payload types to try, in order; none when nothing is to be played. Needs the lock. Raises CommandError."""
        if command.codecs == SESSION_CODECS and not leg.codecs:
            raise CommandError(ErrorCode.UNKNOWN_MODIFIER, "the party's codecs are not known")
        if command.passes == 0:
            return ()
        if command.codecs == SESSION_CODECS:
            return leg.codecs
        if not re.fullmatch(r"[0-9]{1,9}([^0-9][0-9]{1,9})*[^0-9]?", command.codecs):
            raise CommandError(ErrorCode.NO_PLAYER, f"{command.codecs!r} is not a list of payload types")
        return tuple(int(number) for number in re.findall(r"[0-9]+", command.codecs))

    def play(self, session: Session, leg: Leg, command: parser.Play, codecs: tuple[int, ...]) -> None:
        """Play a prompt to the party of a leg. Takes the lock itself. Raises CommandError."""
        prompt = self._load(command.prompt, codecs)
        with self._table.lock:
            if session.ended:
                raise CommandError(ErrorCode.NO_SESSION, "the session has ended")
            leg.stop_player()
            packet_time = DEFAULT_PACKET_TIME
            resizer = leg.opposite.rtp.resizer  # of what is sent to the listener
            if command.codecs == SESSION_CODECS and resizer is not None:
                packet_time = resizer.milliseconds
            player = Player(leg, prompt, packet_time, command.passes)
            leg.start_player(player, time.monotonic())
            session.log.info("%d times playing prompt %s codec %d: SSRC=0x%08X, seq=%d", command.passes,
                             command.prompt, prompt.payload_type, player.ssrc, player.sequence_number)

    def _load(self, name: str, codecs: tuple[int, ...]) -> Prompt:
        """The first prompt file that can be read and played."""
        problems = []
        for payload_type in codecs:
            try:
                return self._cache.load(name, payload_type)
            except (OSError, ValueError) as error:
                problems.append(f"{payload_type}: {error}")
        raise CommandError(ErrorCode.NO_PLAYER, f"prompt {name!r} cannot be played: {'; '.join(problems)}")
