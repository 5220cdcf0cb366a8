"""Sub-commands: what follows `&&` after U, L and Q.

They run in order once the main command has succeeded; the first failure stops them. Each has a result: text, 0 for
success without text, or -1. Results follow the main reply, ` && ` before each; zeros at the end are left out.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Optional, Protocol

from rtpp.control import parser
from rtpp.errors import CommandError, ErrorCode
from rtpp.net.addresses import IPV4
from rtpp.session.fork import Fork
from rtpp.session.session import Leg, Session

if TYPE_CHECKING:
    from rtpp.control.commands import Executor

FAILED = "-1"
DONE = "0"


class _FailedError(Exception):
    """A sub-command cannot be carried out."""


class ModuleCalls(Protocol):
    """The modules that are loaded."""

    def takes(self, number: int, instance: int) -> bool:
        """Whether `M<number>:<instance>` reaches a module."""

    def run(self, number: int, instance: int, session: Session, party: Leg,
            arguments: tuple[str, ...]) -> Optional[str]:
        """The result, "" for success without text, None when it failed. `party` is whom the command describes."""


class _Run:
    """One command's sub-commands. `addressed` is the leg whose port the last reply names."""

    def __init__(self, executor: Executor, session: Session, addressed: Leg) -> None:
        self._executor = executor
        self._session = session
        self._addressed = addressed

    def run(self, command: parser.Subcommand) -> str:
        if self._session.ended:
            raise _FailedError("the session has ended")
        if isinstance(command, parser.SubDelete):
            own = parser.Tags(self._session.call_id, self._session.tag, None)
            self._executor.release(own, command.weak)
            return DONE
        if isinstance(command, parser.SubSet):
            return self._set(command)
        if isinstance(command, parser.SubLookup):
            self._addressed = self._addressed.opposite
            return self._executor.lookup(self._addressed, command)
        if isinstance(command, parser.SubModule):
            return self._module(command)
        return self._copy(command)

    def _set(self, command: parser.SubSet) -> str:
        leg = self._addressed if command.reverse else self._addressed.opposite
        if command.key == "ttl":
            leg.ttl.set(command.value, time.monotonic())
            self._executor.table.schedule(self._session)
            return DONE
        if leg.address.family != IPV4:
            raise _FailedError("type of service can be set on IPv4 only")
        leg.tos = command.value
        for stream in leg.streams:
            stream.set_tos(command.value)
        return DONE

    def _copy(self, command: parser.SubCopy) -> str:
        tags = command.source
        found = self._executor.table.find(tags.call_id, tags.from_tag, tags.to_tag)
        if found is None or found[0] is self._session:
            raise _FailedError("no such source session")
        source, source_direct = found
        target_direct = self._addressed is self._session.callee
        if self._session.fork is not None:
            self._session.fork.close()
        self._session.fork = Fork(source, self._session, crossed=source_direct == target_direct)
        self._session.choose_handlers()
        return DONE

    def _module(self, command: parser.SubModule) -> str:
        modules = self._executor.modules
        assert modules is not None  # or the command was refused
        result = modules.run(command.number, command.instance, self._session, self._addressed.opposite,
                             command.arguments)
        if result is None:
            raise _FailedError("the module says so")
        return result or DONE


def check_modules(command: parser.Command, modules: Optional[ModuleCalls]) -> None:
    """Raise CommandError when a sub-command is for a module that is not there."""
    for each in getattr(command, "subcommands", ()):
        if isinstance(each, parser.SubModule) and not (modules and modules.takes(each.number, each.instance)):
            raise CommandError(ErrorCode.SUBCOMMAND, f"no module M{each.number}:{each.instance} is loaded")


def run_subcommands(executor: Executor, session: Session, addressed: Leg, commands: tuple[parser.Subcommand, ...],
                    reply: str, room: int) -> str:
    """The main reply, completed with the results."""
    if not commands:
        return reply
    run = _Run(executor, session, addressed)
    results: list[str] = []
    for command in commands:
        try:
            results.append(run.run(command))
        except (_FailedError, CommandError) as error:
            session.log.warning("sub-command failed: %s", error)
            results.append(FAILED)
            break
    while results and results[-1] == DONE:
        results.pop()
    for result in results:
        if len(reply) + len(f" && {result}") > room - len(f" && {FAILED}") and result != FAILED:
            return f"{reply} && {FAILED}"
        reply = f"{reply} && {result}"
    return reply

