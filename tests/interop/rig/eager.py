"""The program with streams that settle at their first packets, not when they have lasted for a while:

    RTPPROXY_PROGRAM=tests/interop/rig/eager.py RTPPROXY_OPTIONS="--fastpath on"
    RTPPROXY_PROGRAM=tests/interop/rig/eager.py RTPPROXY_OPTIONS="--fastpath off"

makes tests whose calls are short be tests of the fast path, or of connected sockets and their runs of packets.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from rtpp import __main__ as program
from rtpp.fastpath import offload
from rtpp.session import connector, stream


def main() -> None:
    for module in (stream, connector, offload):
        assert hasattr(module, "CONNECT_AFTER")
        module.CONNECT_AFTER = 0
    assert hasattr(connector, "OFFER_AGAIN")
    connector.OFFER_AGAIN = 0
    program.main()


if __name__ == "__main__":
    main()
