"""What the command line decided: one frozen record, handed to every part that needs it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

WILDCARDS = ("0.0.0.0", "::")


@dataclass(frozen=True)
class ListenAddress:
    """A local address that media sockets are bound to.

    `host` is a numeric literal in canonical form; `advertised`, when not empty, is the text that
    replies carry instead of it (verbatim: a host name is allowed).
    """

    family: socket.AddressFamily
    host: str
    label: str = ""
    advertised: str = ""

    @property
    def is_wildcard(self) -> bool:
        return self.host in WILDCARDS


@dataclass(frozen=True)
class ModuleSettings:
    """A module to run: its class (derived from rtpp.modules.interface.Module) and the values of its parameters."""

    name: str
    kind: Callable[..., Any]
    values: Mapping[str, Any] = field(default_factory=dict)
    directory: str = "."  # where the program was started


@dataclass(frozen=True)
class Settings:
    """Options of one run of the proxy. Times are in seconds, ports are UDP ports."""

    # control
    control_sockets: tuple[str, ...] = ("unix:/var/run/rtpproxy.sock",)
    notify_targets: tuple[str, ...] = ()
    control_socket_mode: int = 0  # -w; 0 = 0755, applied only with a group

    http: Optional[tuple[str, int]] = None  # --http: host (* for every IPv4 address) and port of the status page

    # addresses and ports
    addresses: tuple[ListenAddress, ...] = (ListenAddress(socket.AF_INET, "0.0.0.0"),)  # first = default
    bridge: Optional[tuple[ListenAddress, ListenAddress]] = None  # (internal, external)
    port_min: int = 35000  # even
    port_max: int = 64998  # even: the highest port that RTP may use
    sequential_ports: bool = False  # -b
    resolve_names: bool = True  # not --no_resolve

    # media
    tos: int = 0xB8  # -1 leaves the system's default
    send_twice: bool = False  # -2
    force_asymmetric: bool = False
    bridge_symmetric: bool = False

    # life of a session
    ttl: int = 60  # -T
    setup_ttl: int = 60  # -W
    independent_ttl: bool = False  # -i
    overload_protection: bool = False
    fastpath: str = "auto"  # or "on", "off"

    # recording
    record_dir: str = ""  # -r
    spool_dir: str = ""  # -S
    record_all: bool = False  # -a
    record_pcap: bool = False  # -P
    record_rtcp: bool = True  # not -R

    # process
    foreground: bool = False
    keep_directory: bool = False  # -D
    redirect: bool = True  # not --no_redirect
    pid_file: str = "/var/run/rtpproxy.pid"
    user: str = ""  # -u user[:group]
    group: str = ""
    no_superuser_check: bool = False  # -F
    scheduling: str = ""  # -c: "fifo" or "rr"
    nice: Optional[int] = None
    open_files: Optional[int] = None  # -L
    log_level: str = ""  # DBUG INFO WARN ERR CRIT; "" = DBUG in the foreground, WARN in the background
    log_facility: str = "DAEMON"
    config_file: str = ""
    modules: tuple[ModuleSettings, ...] = ()  # --dso, then those of --config

    @property
    def asymmetric_by_default(self) -> bool:
        """Whether a party's address is taken from commands only, unless the command says `s`."""
        return self.force_asymmetric or (self.bridge is not None and not self.bridge_symmetric)
