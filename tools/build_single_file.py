"""Build a self-contained program: one file that any host with Python 3.9 or newer runs.

    python3 tools/build_single_file.py build/rtpproxy

The name of the file says which program it is to be: rtpproxy, makeann, extractaudio or rtppctl; they differ in where
they start. The file is a zip archive with a first line for the kernel. Names in order, one fixed time and one fixed
mode make it reproducible: the same sources give the same bytes.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import zipapp
from pathlib import Path

INTERPRETER = "/usr/bin/env python3"
FIXED_TIME = 315_532_800  # 1980-01-01 UTC, the earliest that a zip archive can say
PROGRAMS = {
    "rtpproxy": "rtpp.__main__",
    "makeann": "rtpp.tools.makeann",
    "extractaudio": "rtpp.tools.extractaudio",
    "rtppctl": "rtpp.tools.rtppctl",
}
START = '''"""Where this program starts: see {path}."""
from {module} import main

main()
'''


def stage(source: Path, target: Path, module: str) -> None:
    """Copy the package's modules with fixed time and mode, to start in `module`."""
    for path in sorted(source.rglob("*.py")):
        copy = target / path.relative_to(source.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (target / "__main__.py").write_text(
        START.format(module=module, path=module.replace(".", "/") + ".py"), encoding="utf-8"
    )
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (FIXED_TIME, FIXED_TIME))


def main() -> None:
    output = Path(sys.argv[1])
    if output.name not in PROGRAMS:
        sys.exit(f"{output.name} is none of {', '.join(PROGRAMS)}")
    output.parent.mkdir(parents=True, exist_ok=True)
    os.environ["TZ"] = "UTC"  # zip archives store local time
    time.tzset()
    with tempfile.TemporaryDirectory() as staging:
        stage(Path(__file__).resolve().parent.parent / "rtpp", Path(staging), PROGRAMS[output.name])
        zipapp.create_archive(staging, output, INTERPRETER, compressed=True)
    output.chmod(0o755)
    print(f"{output}: {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
