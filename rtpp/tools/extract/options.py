"""The command line of extractaudio, and its errors."""

from __future__ import annotations

import base64
import getopt
import string
from dataclasses import dataclass
from typing import NamedTuple, Optional

from rtpp.codecs.encodings import ENCODINGS
from rtpp.codecs.writer import CONTAINERS
from rtpp.rtp.srtp import KEY_SIZE, SALT_SIZE, TAG_SIZES

USAGE = """\
usage: extractaudio [-idsne] [-F file_fmt] [-D data_fmt] [--plot picture.svg] rdir outfile [link1 ... linkN]
       extractaudio [-idsne] [-F file_fmt] [-D data_fmt] [--plot picture.svg] [-A answer_cap] [-B originate_cap]
                    [--alice-crypto CSPEC] [--bob-crypto CSPEC] outfile [link1 ... linkN]
       extractaudio -S rdir
       extractaudio -S [-A answer_cap] [-B originate_cap]
"""

HELP = (
    USAGE
    + """
Makes an audio file of what rtpproxy, or anything that writes pcap, recorded of a call. The recordings are
rdir.a.rtp, what the answering party sent (side A), and rdir.o.rtp, what the originating party sent (side B), or
rdir.pcap with both.

  -A file, -B file       the recording of side A, of side B; one is enough
  --alice-crypto CSPEC, --bob-crypto CSPEC
                         side A, side B is SRTP; CSPEC is "<suite>:<base64 key>"
  -S                     only count the packets of each recording
  -s                     stereo: side A left, side B right
  -F file_fmt            container, default wav; an unknown name lists all
  -D data_fmt            encoding, default gsm610, with -s ms_adpcm; an unknown name lists all
  --plot picture.svg     draw the call: waveforms, loss, jitter, silence
  -n                     ignore times: no silence, sources one after another
  -e                     fail when one of the recordings cannot be loaded
  -d                     delete the recordings at the end
  -i                     run with the lowest priority
  --help                 this text

Every link becomes another name of outfile. More in extractaudio(1).
"""
)

DEFAULT_CONTAINER = "wav"
DEFAULT_MONO, DEFAULT_STEREO = "gsm610", "ms_adpcm"

_FILE_FORMATS = {name: container.description for name, container in CONTAINERS.items()}
_DATA_FORMATS = {name: encoding.description for name, encoding in ENCODINGS.items()}
_KEY_DIGITS = (KEY_SIZE + SALT_SIZE) * 8 // 6  # of base64
_BASE64 = frozenset(string.ascii_letters + string.digits + "+/")


class UsageError(Exception):
    """A command line that cannot be carried out. The text, which may be empty, precedes the usage."""


class HelpWanted(Exception):
    """The command line asks for help and nothing else."""


class BadValue(Exception):
    """The value of an option. The text says all."""


class CryptoSpec(NamedTuple):
    """How the packets of one side are decrypted."""

    key: bytes  # master key and master salt
    tag_size: int  # bytes


@dataclass(frozen=True)
class Options:
    """What the user wants."""

    answering: Optional[str]  # path of what side A sent
    originating: Optional[str]
    single_file: Optional[str]  # path of what both sent, when neither of these two is there
    answering_crypto: Optional[CryptoSpec]
    originating_crypto: Optional[CryptoSpec]
    outfile: str  # empty: only scan
    links: tuple[str, ...]
    container: str
    encoding: str
    stereo: bool
    synchronous: bool
    need_all_inputs: bool
    delete_inputs: bool
    low_priority: bool
    plot: Optional[str]

    @property
    def scan_only(self) -> bool:
        return not self.outfile


def parse(arguments: list[str]) -> Options:
    """Raises HelpWanted, UsageError and BadValue."""
    try:
        given, rest = getopt.gnu_getopt(arguments, "idsneSF:D:A:B:", ["alice-crypto=", "bob-crypto=", "plot=", "help"])
    except getopt.GetoptError as error:
        raise UsageError(str(error)) from error
    flags = {name for name, _ in given}
    if "--help" in flags:
        raise HelpWanted
    values = dict(given)
    container = _format(values.get("-F", DEFAULT_CONTAINER), "file", _FILE_FORMATS)
    encoding = _format(values.get("-D", DEFAULT_STEREO if "-s" in flags else DEFAULT_MONO), "data", _DATA_FORMATS)
    answering_crypto = parse_crypto(values.get("--alice-crypto"))
    originating_crypto = parse_crypto(values.get("--bob-crypto"))
    answering, originating, single_file, rest = _inputs(values, rest)
    scan_only = "-S" in flags
    if bool(rest) == scan_only or (rest and not rest[0]):
        raise UsageError
    return Options(
        answering=answering,
        originating=originating,
        single_file=single_file,
        answering_crypto=answering_crypto,
        originating_crypto=originating_crypto,
        outfile="" if scan_only else rest[0],
        links=tuple(rest[1:]),
        container=container,
        encoding=encoding,
        stereo="-s" in flags,
        synchronous="-n" not in flags,
        need_all_inputs="-e" in flags,
        delete_inputs="-d" in flags,
        low_priority="-i" in flags,
        plot=values.get("--plot"),
    )


def _inputs(
    values: dict[str, str], rest: list[str]
) -> tuple[Optional[str], Optional[str], Optional[str], list[str]]:
    """Paths of side A, side B and both, and the arguments left over. Unless named they come from the first argument."""
    answering, originating = values.get("-A"), values.get("-B")
    if answering is not None or originating is not None:
        return answering, originating, None, rest
    if not rest:
        raise UsageError
    return f"{rest[0]}.a.rtp", f"{rest[0]}.o.rtp", f"{rest[0]}.pcap", rest[1:]


def _format(name: str, what: str, offered: dict[str, str]) -> str:
    """The name of a format in lower case; `offered` are names and descriptions."""
    if name.lower() not in offered:
        listed = "".join(f'\n    "{other}"\t- {description}' for other, description in offered.items())
        raise BadValue(f'unknown output {what} format: "{name}"{listed}')
    return name.lower()


def parse_crypto(text: Optional[str]) -> Optional[CryptoSpec]:
    """`<suite>:<base64 key>`, None for None. Raises BadValue."""
    if text is None:
        return None
    suite, colon, key = text.partition(":")
    if not colon:
        raise BadValue(f'invalid crypto argument must be in the format "<suite>:<base64_key>": {text}')
    if suite.upper() not in TAG_SIZES:
        raise BadValue(f"unknown or unsupported crypto suite: {suite}")
    if len(key) != _KEY_DIGITS:
        raise BadValue(f"invalid length of base64 key encoding, expected {_KEY_DIGITS}, supplied {len(key)}")
    digits = next((index for index, digit in enumerate(key) if digit not in _BASE64), _KEY_DIGITS)
    if key[digits:].strip("=") or digits < _KEY_DIGITS - 2:
        raise BadValue(f"error: too few digits in key/salt (should be {_KEY_DIGITS} digits, found {digits})")
    if digits < _KEY_DIGITS:
        raise BadValue("error: padding in base64 unexpected")
    return CryptoSpec(base64.b64decode(key), TAG_SIZES[suite.upper()])
