"""bpf(2) by `ctypes`: arrays mapped into this process, programs, and attaching them to the ingress of an interface."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import struct
from typing import NamedTuple, Optional

_SYSTEM_CALLS = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280, "ppc64le": 361}
_MAP_CREATE, _PROG_LOAD, _PROG_TEST_RUN, _LINK_CREATE = 0, 5, 10, 28
_MAP_TYPE_ARRAY, _MMAPABLE = 2, 1 << 10
_TYPE_SCHED_CLS, _TCX_INGRESS = 3, 46
_LOG_SIZE = 1 << 22
_CONTEXT_SIZE = 192  # struct __sk_buff

_LICENCE = b"BSD\0"
_NAME = b"rtpproxy"


class VerifierError(OSError):
    """The kernel found the program unsafe. The text is the end of what it says."""


class Array(NamedTuple):
    """A map of fixed-size elements that both sides see."""

    descriptor: int
    memory: mmap.mmap


def is_supported() -> bool:
    """Whether the number of the system call is known here."""
    return platform.machine() in _SYSTEM_CALLS


def _buffer(data: bytes) -> tuple[ctypes.Array[ctypes.c_char], int]:
    """A copy of the data that the kernel may read and write, and its address."""
    buffer = ctypes.create_string_buffer(data, max(1, len(data)))
    return buffer, ctypes.addressof(buffer)


def _bpf(command: int, attributes: bytes) -> tuple[int, bytes]:
    """The result, and the attributes after the call. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer, address = _buffer(attributes)
    number = _SYSTEM_CALLS[platform.machine()]
    result = libc.syscall(ctypes.c_long(number), command, ctypes.c_void_p(address), len(attributes))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result, buffer.raw


def make_array(value_size: int, entries: int) -> Array:
    """Raises OSError."""
    attributes = struct.pack("=IIIIIII16sI", _MAP_TYPE_ARRAY, 4, value_size, entries, _MMAPABLE, 0, 0, _NAME, 0)
    descriptor = _bpf(_MAP_CREATE, attributes)[0]
    size = -(-value_size // 8) * 8 * entries
    try:
        return Array(descriptor, mmap.mmap(descriptor, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE))
    except OSError:
        os.close(descriptor)
        raise


def load_program(code: bytes) -> int:
    """The descriptor of the program. Raises OSError, VerifierError when the kernel's verifier refuses it."""
    try:
        return _load(code, None)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EINVAL):
            raise
    words = ctypes.create_string_buffer(_LOG_SIZE)
    try:
        return _load(code, words)  # once more, for what the verifier says
    except OSError as error:
        said = words.value.decode("latin-1").strip().splitlines()[-2:]
        raise VerifierError(error.errno, " | ".join([error.strerror or "", *said])) from error


def _load(code: bytes, log: Optional[ctypes.Array[ctypes.c_char]]) -> int:
    _instructions, instructions_address = _buffer(code)
    _licence, licence_address = _buffer(_LICENCE)
    log_address = ctypes.addressof(log) if log is not None else 0
    attributes = struct.pack("=IIQQIIQII16sII", _TYPE_SCHED_CLS, len(code) // 8, instructions_address, licence_address,
                             int(log is not None), len(log) if log is not None else 0, log_address, 0, 0, _NAME, 0, 0)
    return _bpf(_PROG_LOAD, attributes)[0]


def attach_tcx(program: int, interface: int) -> int:
    """Run the program on what comes in through an interface. Raises OSError: kernels before 6.6 cannot.

    Returns a descriptor: when it is closed, also by the death of the process, the program runs no more.
    """
    attributes = struct.pack("=IIIIIIQ", program, interface, _TCX_INGRESS, 0, 0, 0, 0) + bytes(32)
    return _bpf(_LINK_CREATE, attributes)[0]


class TestRun(NamedTuple):
    verdict: int
    packet: bytes  # as the program left it
    nanoseconds: int  # of one run, on average


def test_run(program: int, packet: bytes, time: Optional[int] = None, repeat: int = 1) -> TestRun:
    """Run the program on a packet that goes nowhere. `time` is the packet's own, in nanoseconds. Raises OSError."""
    _given, given_address = _buffer(packet)
    left, left_address = _buffer(bytes(len(packet) + 64))
    _context, context_address = _buffer(struct.pack("=152xQ32x", time or 0))
    size = _CONTEXT_SIZE if time is not None else 0
    attributes = struct.pack("=IIIIQQIIIIQQIIII", program, 0, len(packet), len(left), given_address, left_address,
                             repeat, 0, size, 0, context_address if size else 0, 0, 0, 0, 0, 0)
    after = _bpf(_PROG_TEST_RUN, attributes)[1]
    length = struct.unpack_from("=I", after, 12)[0]
    nanoseconds = struct.unpack_from("=I", after, 36)[0]
    return TestRun(struct.unpack_from("=i", after, 4)[0], left.raw[:length], nanoseconds)
