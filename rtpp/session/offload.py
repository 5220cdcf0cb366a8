"""What the session room knows of the kernel fast path: somebody may take over plain streams, and gives them back.

`Stream.offloaded` is there while somebody has the stream. Packets may come to the socket all the same; figures in the
stream are up to date after `refresh` (packets) or `take_back` (all); `close` ends it, before anything changes that the
other side relies on. Everything here is guarded by `SessionTable.lock`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rtpp.net.addresses import Address

if TYPE_CHECKING:
    from rtpp.session.stream import Stream


class Offloaded(Protocol):
    """A stream that somebody else relays."""

    @property
    def is_away(self) -> bool:
        """Whether packets pass elsewhere at the moment."""

    def accept(self, data: bytes, source: Address, now: float) -> None:
        """A packet came to the socket: relay it here."""

    def refresh(self) -> None:
        """Add what passed to the packet counters."""

    def take_back(self) -> None:
        """Bring all figures up to date; the stream is relayed here until one of its next packets."""

    def close(self) -> None:
        """The stream is relayed here from now on."""


class Offload(Protocol):
    """Somebody who takes streams over."""

    def offer(self, stream: Stream, now: float) -> bool:
        """A settled stream; returns whether it is taken."""

    def refresh(self) -> None:
        """Add what passed to the counters of the proxy and of all streams."""

    @property
    def is_on(self) -> bool:
        """Whether streams may be taken at all."""


class NoOffload:
    """There is nobody."""

    is_on = False

    def offer(self, stream: Stream, now: float) -> bool:
        return False

    def refresh(self) -> None:
        pass
