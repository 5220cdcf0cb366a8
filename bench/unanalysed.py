"""A module for the proxy that is measured: takes analysis away from every call. Sessions must not be ended by commands
or looked at then; that needs the figures."""

from __future__ import annotations

from rtpp.modules.interface import Module
from rtpp.session.session import Session


class Unanalysed(Module):
    def session_created(self, session: Session) -> None:
        for leg in session.legs:
            leg.rtp.analyzer = None
