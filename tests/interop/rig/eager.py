"""The program with a fast path that takes streams at their first packets, not when they have lasted for a while:

    RTPPROXY_PROGRAM=tests/interop/rig/eager.py RTPPROXY_OPTIONS="--fastpath on"

makes tests whose calls are short be tests of the fast path.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from rtpp import __main__ as program
from rtpp.fastpath import offload
from rtpp.session import connected, stream


def main() -> None:
    for module in (stream, connected, offload):
        module.CONNECT_AFTER = 0
    connected.OFFER_AGAIN = 0
    program.main()


if __name__ == "__main__":
    main()
