"""The program as on a kernel before 6.6: no tcx, the eBPF program is a filter of the clsact queueing discipline."""

from __future__ import annotations

import errno

from rtpp.fastpath import bpf
from tests.interop.rig import eager


def attach_tcx(program: int, interface: int) -> int:
    raise OSError(errno.EINVAL, "as if there were no tcx")


if __name__ == "__main__":
    bpf.attach_tcx = attach_tcx
    eager.main()
