"""Modifiers of U and L: letters without separators, some with a value right behind them.

They are read from left to right and the first fault decides the reply. What they say about local addresses is
resolved here, because an unknown label or an address without a route is a fault of its own in that order.

    a s     the party is asymmetric / symmetric      w        weak
    e i     external / internal interface            z20      re-packetise to 20 ms
    6       IPv6                                     c0,8     payload types of the party
    l...    local address to listen on               n        new port pair
    r...    the local address that routes there

The address behind `l` and `r` is 192.0.2.1, [2001:db8::1], or for `l` a {label}.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

from rtpp.control.grammar import INTEGER, integer
from rtpp.errors import CommandError, ErrorCode
from rtpp.net.addresses import IPV4, IPV6, AddressBook, numeric, route_source
from rtpp.settings import ListenAddress

MAX_INTERFACES = 2
MAX_RESIZE_MS = 999


class LegModifiers(NamedTuple):
    """What the modifiers of one U or L say. `asymmetric` is None when the default applies."""

    asymmetric: Optional[bool] = None
    interfaces: tuple[ListenAddress, ...] = ()  # of e and i, in their order
    local: Optional[ListenAddress] = None  # of l or r, else of `6` when that is not the default's family
    ipv6: bool = False
    weak: bool = False
    resize_ms: int = 0
    codecs: tuple[int, ...] = ()
    new_port: bool = False

    def creation_addresses(self, book: AddressBook) -> tuple[ListenAddress, ListenAddress]:
        """Where the legs of caller and callee of a new session listen.

        The first of `e` and `i` names the caller's interface, the second the callee's; internal without a letter.
        """
        if self.local is not None:
            return self.local, self.local
        if self.interfaces:
            assert book.bridge is not None
            padded = (*self.interfaces, book.bridge[0], book.bridge[0])
            return padded[0], padded[1]
        return book.default, book.default

    def new_address(self) -> Optional[ListenAddress]:
        """Where a leg of an existing session moves when it gets a port now; None: where it is."""
        if self.local is None and self.new_port and self.interfaces:
            return self.interfaces[-1]
        return self.local


NONE = LegModifiers()


def parse_modifiers(text: str, book: AddressBook) -> LegModifiers:
    """Raises CommandError for the first fault."""
    if not text and book.default.family == IPV4:
        return NONE  # most commands of most controllers
    scan = _Scan(text, book)
    while scan.position < len(text):
        letter = text[scan.position].lower()
        scan.position += 1
        handler = _HANDLERS.get(letter)
        if handler is None:
            raise CommandError(ErrorCode.UNKNOWN_MODIFIER, f"unknown modifier {letter!r}")
        handler(scan)
    return scan.finish()


class _Scan:
    """One pass over the modifiers."""

    def __init__(self, text: str, book: AddressBook) -> None:
        self._text = text
        self._book = book
        self.position = 0
        self._asymmetric: Optional[bool] = None
        self._interfaces: list[ListenAddress] = []
        self._local: Optional[ListenAddress] = None
        self._ipv6 = False
        self._weak = False
        self._resize_ms = 0
        self._codecs: Optional[tuple[int, ...]] = None
        self._new_port = False

    def _match(self, pattern: str) -> str:
        """Take the longest match of `pattern` at the current position; empty when there is none."""
        found = re.compile(pattern).match(self._text, self.position)
        if found is None:
            return ""
        self.position = found.end()
        return found[0]

    def asymmetric(self) -> None:
        self._asymmetric = True

    def symmetric(self) -> None:
        self._asymmetric = False

    def external(self) -> None:
        self._interface(1, ErrorCode.EXTERNAL_INTERFACE)

    def internal(self) -> None:
        self._interface(0, ErrorCode.INTERNAL_INTERFACE)

    def _interface(self, index: int, code: ErrorCode) -> None:
        if self._book.bridge is None:
            raise CommandError(code, "modifiers e and i need bridging: -l INTERNAL/EXTERNAL")
        if len(self._interfaces) == MAX_INTERFACES:
            raise CommandError(code, "more than two modifiers e and i")
        self._interfaces.append(self._book.bridge[index])

    def ipv6(self) -> None:
        self._ipv6 = True

    def weak(self) -> None:
        self._weak = True

    def new_port(self) -> None:
        self._new_port = True

    def resize(self) -> None:
        text = self._match(INTEGER)
        self._resize_ms = integer(text) if text else 0
        if not 1 <= self._resize_ms <= MAX_RESIZE_MS:
            raise CommandError(ErrorCode.RESIZE_VALUE, f"modifier z takes 1 to {MAX_RESIZE_MS} ms, not {text[:40]!r}")

    def codecs(self) -> None:
        listed = self._match(r"[0-9,]+")
        if not listed or self._codecs is not None:
            raise CommandError(ErrorCode.CODEC_LIST, "modifier c takes one list of payload types, once")
        self._codecs = tuple(integer(number) for number in listed.split(",") if number)

    def local(self) -> None:
        if self._text[self.position : self.position + 1] == "{":
            label = self._match(r"\{[^}]+\}")[1:-1]
            if not label:
                raise CommandError(ErrorCode.LOCAL_ADDRESS_TEXT, "modifier l: expected {label}")
            self._local = self._book.labelled(label)
            if self._local is None:
                raise CommandError(ErrorCode.LOCAL_ADDRESS, f"no listen address has the label {label!r}")
            return
        host, ipv6 = self._address(ErrorCode.LOCAL_ADDRESS_TEXT)
        family = IPV6 if ipv6 else IPV4
        try:
            self._local = self._book.local(numeric(host, family), family)
        except ValueError as error:
            raise CommandError(ErrorCode.LOCAL_ADDRESS, str(error))

    def routed(self) -> None:
        host, ipv6 = self._address(ErrorCode.ROUTED_ADDRESS_TEXT)
        family = IPV6 if ipv6 else IPV4
        try:
            self._local = self._book.local(route_source(numeric(host, family), family), family)
        except (ValueError, OSError) as error:
            raise CommandError(ErrorCode.ROUTED_ADDRESS, f"no route to {host}: {error}")

    def _address(self, code: ErrorCode) -> tuple[str, bool]:
        """Address text behind `l` or `r`, and whether it is in the brackets of IPv6."""
        ipv6 = self._text[self.position : self.position + 1] == "["
        found = self._match(r"\[[0-9A-Fa-f:]+\]").strip("[]") if ipv6 else self._match(r"[0-9.]+")
        if not found:
            raise CommandError(code, f"expected an address, found {self._text[self.position:]!r}")
        return found, ipv6

    def finish(self) -> LegModifiers:
        local = self._local
        if local is None and not self._interfaces:
            wanted = IPV6 if self._ipv6 else IPV4
            if wanted != self._book.default.family:
                local = self._book.of_family(wanted)
                if local is None:
                    raise CommandError(ErrorCode.NO_ADDRESS_OF_FAMILY, f"no local address of family {wanted.name}")
        return LegModifiers(self._asymmetric, tuple(self._interfaces), local, self._ipv6, self._weak,
                            self._resize_ms, self._codecs or (), self._new_port)


_HANDLERS = {
    "a": _Scan.asymmetric,
    "s": _Scan.symmetric,
    "e": _Scan.external,
    "i": _Scan.internal,
    "6": _Scan.ipv6,
    "w": _Scan.weak,
    "z": _Scan.resize,
    "c": _Scan.codecs,
    "l": _Scan.local,
    "r": _Scan.routed,
    "n": _Scan.new_port,
}
