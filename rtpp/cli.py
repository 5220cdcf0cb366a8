"""The command line: what the operator wrote, checked, as one `Settings`.

Options are handled strictly from left to right. -v, -V, -C and --help print and end the program at once, so
an error to their left wins and one to their right is never seen. Checks that concern several options
together follow when all are read, in a fixed order. Nothing here opens a socket or changes the process.

What only some command lines need is imported where it is needed: the program starts in half the time.

Ends: `StartError` for a value that will not do (the program prints it and exits with 1), `SystemExit` for the
options that only print (0) and for lines that cannot be read (1, after the usage text on standard error).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, Callable, NoReturn, Optional

from rtpp import __version__, optionvalues
from rtpp.capabilities import BASIC_VERSION, CAPABILITIES
from rtpp.daemon import superuser_check
from rtpp.errors import StartError
from rtpp.help import HELP, USAGE
from rtpp.listenoptions import Advertised, ListenOption, advertised_addresses, listen_addresses
from rtpp.log import CLOCK_NAME
from rtpp.optionscan import OPERAND, Argument, UsageError, scan
from rtpp.optionvalues import refuse
from rtpp.session.notify import AllowedTargets, parse_target
from rtpp.settings import ModuleSettings, Settings

DEFAULT_PORT_MIN = 35000
DEFAULT_PORT_MAX = 65000

_SHORT_FLAGS = "2CDFPRVabfiv?"
_SHORT_WITH_ARGUMENT = "6ALMSTWcdlmnprstuw"
_LONG_OPTIONS = {
    "bridge_symmetric": Argument.NONE,
    "config": Argument.REQUIRED,
    "dso": Argument.REQUIRED,
    "fastpath": Argument.REQUIRED,
    "force_asymmetric": Argument.NONE,
    "help": Argument.NONE,
    "http": Argument.REQUIRED,
    "nice": Argument.REQUIRED,
    "no_redirect": Argument.NONE,
    "no_resolve": Argument.NONE,
    "overload_prot": Argument.OPTIONAL,
}

# option: (field of Settings, value)
_SWITCHES = {
    "-2": ("send_twice", True),
    "-D": ("keep_directory", True),
    "-F": ("no_superuser_check", True),
    "-P": ("record_pcap", True),
    "-R": ("record_rtcp", False),
    "-a": ("record_all", True),
    "-b": ("sequential_ports", True),
    "-f": ("foreground", True),
    "-i": ("independent_ttl", True),
    "--bridge_symmetric": ("bridge_symmetric", True),
    "--force_asymmetric": ("force_asymmetric", True),
    "--no_redirect": ("redirect", False),
    "--no_resolve": ("resolve_names", False),
    "--overload_prot": ("overload_protection", True),
}
# option: (field of Settings, lowest, highest)
_NUMBERS = {
    "-L": ("open_files", 0, optionvalues.MAX_INTEGER),
    "-T": ("ttl", 1, optionvalues.MAX_INTEGER),
    "-W": ("setup_ttl", 1, optionvalues.MAX_INTEGER),
    "-t": ("tos", -1, 255),
    "--nice": ("nice", -20, 20),
}
_TEXTS = {"-S": "spool_dir", "-p": "pid_file", "-r": "record_dir", "--config": "config_file"}


def parse(argv: Sequence[str]) -> Settings:
    """The settings for a command line (without the program's name). Raises StartError and SystemExit."""
    line = _Line()
    operands = 0
    try:
        for option, argument in scan(argv, _SHORT_FLAGS, _SHORT_WITH_ARGUMENT, _LONG_OPTIONS):
            if option == OPERAND:
                operands += 1
            else:
                line.accept(option, argument)
    except UsageError as error:
        _exit_with_usage(f"rtpproxy: {error}\n")
    if operands:
        _exit_with_usage(f"rtpproxy: {operands} extra word(s) where only options belong\n")
    return line.settings()


class _Line:
    """The options read so far."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}
        self._control_sockets: list[str] = []
        self._notify_targets: list[str] = []
        self._modules: list[ModuleSettings] = []
        self._listen: list[ListenOption] = []
        self._advertised: Optional[Advertised] = None
        self._port_low = DEFAULT_PORT_MIN
        self._port_high = DEFAULT_PORT_MAX

    def accept(self, option: str, argument: str) -> None:
        """Check one option on its own and keep it, or print what it asks for and exit."""
        if option in _PRINTERS:
            _PRINTERS[option]()
        elif option in _SWITCHES:
            field, value = _SWITCHES[option]
            self._fields[field] = value
        elif option in _NUMBERS:
            field, lowest, highest = _NUMBERS[option]
            self._fields[field] = optionvalues.integer(option, argument, lowest, highest)
        elif option in _TEXTS:
            self._fields[_TEXTS[option]] = argument
        else:
            self._accept_special(option, argument)

    def _accept_special(self, option: str, argument: str) -> None:
        if option in ("-l", "-6"):
            self._listen.append(ListenOption.parse(option, argument))
        elif option == "-A":
            self._advertised = advertised_addresses(argument)
        elif option == "-s":
            if not argument:
                raise refuse(option, argument, "names no control socket: udp:HOST:PORT, say, is needed")
            self._control_sockets.append(argument)
        elif option == "-n":
            parse_target(argument)
            self._notify_targets.append(argument)
        elif option == "-m":
            self._port_low = optionvalues.integer(option, argument, 1, 65535)
        elif option == "-M":
            self._port_high = optionvalues.integer(option, argument, 1, 65535)
        elif option == "-c":
            self._fields["scheduling"] = optionvalues.scheduling(option, argument)
        elif option == "-w":
            self._fields["control_socket_mode"] = optionvalues.socket_mode(option, argument)
        elif option == "-u":
            self._fields["user"], self._fields["group"] = optionvalues.run_as(option, argument)
        elif option == "-d":
            level, facility = optionvalues.log_level(option, argument)
            self._fields.update(log_level=level, log_facility=facility)
        elif option == "--fastpath":
            self._fields["fastpath"] = optionvalues.choice(option, argument, ("auto", "on", "off"))
        elif option == "--http":
            self._fields["http"] = optionvalues.http_address(option, argument)
        else:  # --dso
            self._modules.append(_module(option, argument))

    def settings(self) -> Settings:
        """Make the checks that need the whole line, in their fixed order, and build the record."""
        fields = self._fields
        if "config_file" in fields:
            from rtpp import configfile

            self._modules += configfile.modules(fields["config_file"])
        fields["modules"] = tuple(self._modules)
        fields.setdefault("setup_ttl", fields.get("ttl", Settings.ttl))
        if self._control_sockets:
            fields["control_sockets"] = tuple(self._control_sockets)
        if fields.get("spool_dir") and not fields.get("record_dir"):
            raise refuse("-S", fields["spool_dir"], "needs -r as well: the directory to keep recordings in")
        for text in self._control_sockets:
            if text.startswith(("stdio:", "stdioc:")) and not fields.get("foreground"):
                raise refuse("-s", text, "is possible only in the foreground (-f)")
        superuser_check(Settings(**fields))
        fields["port_min"], fields["port_max"] = port_range(self._port_low, self._port_high)
        names = fields.get("resolve_names", Settings.resolve_names)
        fields["notify_targets"] = tuple(self._notify_targets)
        AllowedTargets(fields["notify_targets"], resolve_names=names)
        fields["addresses"], fields["bridge"] = listen_addresses(self._listen, self._advertised, names)
        return Settings(**fields)


def _module(option: str, text: str) -> ModuleSettings:
    """The module that a name or path stands for, with the defaults of its parameters."""
    from rtpp.modules import loader

    try:
        name, kind = loader.load(text)
    except StartError as error:
        raise StartError(f"option {option}: {error}")
    if kind.needs_configuration:
        raise refuse(option, text, "needs a section in a configuration file: use --config")
    return ModuleSettings(name, kind, loader.defaults(kind), os.getcwd())


def port_range(low: int, high: int) -> tuple[int, int]:
    """The lowest and the highest port for RTP, both even; RTCP uses the odd port above each."""
    first = low + low % 2
    last = high - 1 if high % 2 else high - 2
    if first > last:
        raise StartError(f"no pair of ports lies between {low} (-m) and {high} (-M): -M must be greater")
    return first, last


def _print_and_exit(text: str) -> NoReturn:
    sys.stdout.write(text)
    sys.stdout.flush()
    raise SystemExit(0)


def _exit_with_usage(complaint: str) -> NoReturn:
    sys.stderr.write(complaint + USAGE)
    raise SystemExit(1)


def _capability_list() -> str:
    lines = [f"Basic version: {BASIC_VERSION}"]
    lines += [f"Extension {identifier}: {description}" for identifier, description in CAPABILITIES]
    return "\n".join(lines) + "\n"


_PRINTERS: dict[str, Callable[[], NoReturn]] = {
    "-?": lambda: _exit_with_usage(""),
    "-C": lambda: _print_and_exit(f"{CLOCK_NAME}\n"),
    "-V": lambda: _print_and_exit(f"{__version__}\n"),
    "-v": lambda: _print_and_exit(_capability_list()),
    "--help": lambda: _print_and_exit(HELP),
}
