"""Turns the options -l, -6 and -A into the list of listen addresses and, perhaps, a bridge.

An option reads `[label@]ADDRESS[/ADDRESS2][=ADVERTISED]`. Without a `/` anywhere, the first option is the
default address and every further one must carry a label. With one, two addresses form a bridge of
an internal and an external network: `-l a/b` (both IPv4), `-6 a/b` (both IPv6), or one of each
family, `-l a -6 /b` or `-6 a -l /b`; every address beyond those two must carry a label.

Only the first -l and the first -6 can belong to the bridge. All of this is decided here, before any
socket exists, so that a mistake is told with the option's own text.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Optional

from rtpp.errors import StartError
from rtpp.optionvalues import refuse, resolve
from rtpp.settings import ListenAddress

MAX_ADDRESSES = 16
Addresses = tuple[ListenAddress, ...]
Bridge = Optional[tuple[ListenAddress, ListenAddress]]
Advertised = tuple[str, Optional[str]]  # the parts of -A; the second is None when there was no `/`

_FAMILIES = {"-l": socket.AF_INET, "-6": socket.AF_INET6}
_WILDCARDS = {"-l": "0.0.0.0", "-6": "::"}


@dataclass(frozen=True)
class ListenOption:
    """One -l or -6, taken apart but not yet resolved. `external` is None when there was no `/`."""

    option: str
    text: str
    label: str
    host: str
    external: Optional[str]
    advertised: str

    @classmethod
    def parse(cls, option: str, text: str) -> ListenOption:
        rest, equals, advertised = text.partition("=")
        if equals and not advertised:
            raise refuse(option, text, "has nothing after '=': the advertised address is missing")
        label = ""
        if "@" in rest:
            label, _, rest = rest.partition("@")
            if not label:
                raise refuse(option, text, "has an empty label before '@'")
        host, slash, external = rest.partition("/")
        if not rest or (slash and not external):
            raise refuse(option, text, "lacks an address: [label@]ADDRESS[/ADDRESS][=ADVERTISED] is needed")
        return cls(option, text, label, host, external if slash else None, advertised)

    def refused(self, why: str) -> StartError:
        """The error for this option."""
        return refuse(self.option, self.text, why)

    def address(self, host: str, resolve_names: bool) -> ListenAddress:
        """The listen address for one of this option's hosts; `*` is the wildcard of the family."""
        family = _FAMILIES[self.option]
        try:
            numeric = resolve(_WILDCARDS[self.option] if host == "*" else host, family, resolve_names)
        except OSError as error:
            kind = "IPv4" if self.option == "-l" else "IPv6"
            raise self.refused(f"has no {kind} address for {host!r}: {error}")
        return ListenAddress(family, numeric, self.label, self.advertised)


def listen_addresses(
    options: Sequence[ListenOption], advertised: Optional[Advertised], resolve_names: bool
) -> tuple[Addresses, Bridge]:
    """The addresses, the default one first, and the bridge (internal, external) if there is one.

    `options` are in the order of the command line; `advertised` is what -A said, if it was given.
    """
    options = options or [ListenOption.parse("-l", "*")]
    addresses: Addresses
    bridge: Bridge = None
    if any(option.external is not None for option in options):
        inside, outside = _bridge_halves(options)
        addresses = bridge = _bridge(inside, outside, advertised, resolve_names)
        others = [option for option in options if option is not inside and option is not outside]
    else:
        first = options[0].address(options[0].host, resolve_names)
        if advertised is not None and not first.advertised:
            first = replace(first, advertised=advertised[0])
        addresses = (first,)
        others = list(options[1:])
    for option in others:
        if not option.label:
            raise option.refused("is not the default address, so it needs a label (label@ADDRESS)")
        addresses += (option.address(option.host, resolve_names),)
    _check_list(addresses)
    return addresses, bridge


def advertised_addresses(text: str) -> Advertised:
    """The parts of the argument of -A; the first may be empty (`/external`)."""
    first, slash, second = text.partition("/")
    if not text or (slash and not second):
        raise refuse("-A", text, "lacks an address: ADDRESS or INTERNAL/EXTERNAL is needed")
    return first, second if slash else None


def _bridge_halves(options: Sequence[ListenOption]) -> tuple[ListenOption, ListenOption]:
    """The options that name the internal and the external address: the same one for `a/b`."""
    firsts = [option for option in options if option is next(o for o in options if o.option == option.option)]
    outsides = [option for option in options if option.external is not None]
    for option in outsides:
        if option not in firsts:
            raise option.refused("comes too late: only the first -l and the first -6 can be bridged")
    outside = outsides[0]
    if len(outsides) > 1:
        raise outsides[1].refused(f"names a second external address, after {outside.text!r}: one is needed")
    if outside.host:
        inside = outside
    else:
        insides = [option for option in firsts if option is not outside]
        if not insides:
            raise outside.refused("has no internal address to bridge to: INTERNAL/EXTERNAL is needed")
        inside = insides[0]
    for option in (inside, outside):
        if option.label or option.advertised:
            raise option.refused("is bridged, so it takes neither a label nor '=' (use -A)")
    return inside, outside


def _bridge(
    inside: ListenOption, outside: ListenOption, advertised: Optional[Advertised], resolve_names: bool
) -> tuple[ListenAddress, ListenAddress]:
    internal = inside.address(inside.host, resolve_names)
    external = outside.address(outside.external or "", resolve_names)
    if advertised is None:
        return internal, external
    if advertised[1] is None:
        raise refuse("-A", advertised[0], "is one address, but a bridge needs two: INTERNAL/EXTERNAL")
    return replace(internal, advertised=advertised[0]), replace(external, advertised=advertised[1])


def _check_list(addresses: Addresses) -> None:
    if len(addresses) > MAX_ADDRESSES:
        raise StartError(f"{len(addresses)} listen addresses were given: at most {MAX_ADDRESSES} can be")
    labels = [address.label for address in addresses if address.label]
    for label in labels:
        if labels.count(label) > 1:
            raise StartError(f"the label {label!r} was given to two listen addresses: labels must differ")
