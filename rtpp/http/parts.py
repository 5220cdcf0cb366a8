"""What the HTTP server looks at: the parts of the proxy it may know."""

from __future__ import annotations

from typing import Callable, NamedTuple, Optional

from rtpp.log import LogWriter
from rtpp.modules.host import Modules
from rtpp.net.addresses import IPV4, IPV6
from rtpp.recording.spool import Spool
from rtpp.session.notify import Notifier
from rtpp.session.table import SessionTable


class Parts(NamedTuple):
    """Built by the proxy."""

    table: SessionTable
    spool: Optional[Spool]
    notifier: Notifier
    modules: Optional[Modules]  # None when none is loaded
    is_draining: Callable[[], bool]
    log_writers: Callable[[], list[LogWriter]]


FAMILIES = {IPV4: "ipv4", IPV6: "ipv6"}


def port_usage(table: SessionTable) -> dict[str, tuple[int, int]]:
    """Pairs of ports in use and free, by family; a family that is neither listened on nor used is left out.

    Call it with the table lock held.
    """
    listened = {address.family for address in table.settings.addresses}
    usage = {family: (pool.size - pool.free, pool.free) for family, pool in table.ports.items()}
    return {FAMILIES[family]: counts for family, counts in usage.items() if family in listened or counts[0]}
