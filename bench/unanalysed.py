"""A module for the proxy that is measured: takes analysis away from every call. The figures are worth nothing then."""

from __future__ import annotations

from collections.abc import Sequence

from rtpp.modules.interface import Module
from rtpp.rtp.analyzer import Analyzer, Outcome
from rtpp.session.session import Session


class Unanalysed(Module):
    def session_created(self, session: Session) -> None:
        for leg in session.legs:
            leg.rtp.analyzer = Learner()


class Learner(Analyzer):
    """Looks at the first packet only: the relay wants to know its source."""

    def update(self, data: bytes, time: float) -> Outcome:
        return super().update(data, time) if self.ssrc is None else Outcome.TRACKED

    def update_run(self, parts: bytearray, times: Sequence[float]) -> None:
        pass
