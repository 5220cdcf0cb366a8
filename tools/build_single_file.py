"""Build the program as a single file, which any host with Python 3.9 or newer runs.

    python3 tools/build_single_file.py build/rtpproxy ["/usr/bin/env python3"]

The second argument is the interpreter that the first line names. Beside the file go symbolic links with the names of
the other programs.

The file is a zip archive with a first line for the kernel. It holds the sources, and beside each its byte code, which
spares half of the time that a start takes: 74 instead of 160 ms until the first command is answered (medians of 21 with
CPython 3.11.2). Only the version of Python that built the file can use that; any other one finds that it is not its own
and compiles the sources.

Names in order, one fixed time, one fixed mode, no compression (whose result depends on the version of zlib), and byte
code in the oldest format that code can be written in, which knows nothing of what the building process shares in its
memory: so the file is reproducible. The same sources and the same version of Python give the same bytes on every
machine (with PYTHONHASHSEED=0 before Python 3.11, which orders constant sets by their hashes). Reading it without
inflating is also a little faster.
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.dont_write_bytecode = True

from rtpp.programs import DEFAULT, PROGRAMS  # noqa: E402

INTERPRETER = "/usr/bin/env python3"
FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip archive can say
MARSHAL_VERSION = 2  # later ones note which objects have several owners
UNCHECKED_HASH = 1  # flags of a .pyc file
UNIX = 3  # the system whose file modes the archive holds
START = b'"""Where every program starts: see rtpp/programs.py."""\nfrom rtpp.programs import main\n\nmain()\n'


def contents() -> dict[str, bytes]:
    """The files of the archive by name: what starts it, and the package."""
    files = {"__main__.py": START}
    for path in sorted((ROOT / "rtpp").rglob("*.py")):
        name, source = path.relative_to(ROOT).as_posix(), path.read_bytes()
        files[name] = source
        try:
            files[f"{name}c"] = byte_code(source, name)
        except ValueError:
            pass  # it has constants that the format does not know: slices, from Python 3.14 on
    return files


def byte_code(source: bytes, name: str) -> bytes:
    """A .pyc file (PEP 552) that says: use me if you are of my version, without asking for the time of the source."""
    code = marshal.dumps(compile(source, name, "exec", dont_inherit=True), MARSHAL_VERSION)
    header = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH.to_bytes(4, "little")
    return header + importlib.util.source_hash(source) + code


def build(output: Path, interpreter: str) -> None:
    """Write the file under a name of its own first: the old one may be running."""
    partial = output.with_name(output.name + ".partial")
    with open(partial, "wb") as file:
        file.write(f"#!{interpreter}\n".encode())
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, data in contents().items():
                member = zipfile.ZipInfo(name, FIXED_TIME)
                member.create_system = UNIX
                member.external_attr = 0o100644 << 16
                archive.writestr(member, data)
    partial.chmod(0o755)
    os.replace(partial, output)


def link(output: Path) -> None:
    """The other programs: symbolic links beside the file."""
    for name in PROGRAMS:
        if name != DEFAULT:
            other = output.with_name(name)
            if other.is_symlink() or other.exists():
                other.unlink()
            other.symlink_to(output.name)


def main() -> None:
    output = Path(sys.argv[1])
    output.parent.mkdir(parents=True, exist_ok=True)
    build(output, sys.argv[2] if len(sys.argv) > 2 else INTERPRETER)
    link(output)
    print(f"{output}: {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
