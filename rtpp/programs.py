"""The programs of this package, in one table, and which one is meant.

One file is all of them, like busybox: it answers by the name it is called with (a symbolic link is enough), and
`rtpproxy makeann ...` means the same as `makeann ...`. Each program is loaded only when it is the one. To add one, add
it here and to the scripts in pyproject.toml; a test compares the two.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys

PROGRAMS = {
    "rtpproxy": "rtpp.__main__",
    "makeann": "rtpp.tools.makeann",
    "extractaudio": "rtpp.tools.extractaudio",
    "rtppctl": "rtpp.tools.rtppctl",
}
DEFAULT = "rtpproxy"


def main() -> None:
    """Run the program that the command line means, with its own arguments in `sys.argv`."""
    name = os.path.basename(sys.argv[0])
    if name not in PROGRAMS:
        name = DEFAULT
    if name == DEFAULT and sys.argv[1:2] and sys.argv[1] in PROGRAMS:
        name = sys.argv.pop(1)
    gc.disable()  # while modules are loaded there is no garbage to collect
    program = importlib.import_module(PROGRAMS[name])
    gc.enable()
    program.main()
