"""A small eBPF assembler: enough to write one program by hand, with labels.

    code = Assembler()
    code.mov(R0, 0)
    code.jump("==", R1, 5, "out")
    ...
    code.label("out")
    code.exit()
    code.assemble()     # bytes for BPF_PROG_LOAD

An operand that is a `Register` is a register, an int is an immediate of 32 bits. Encoding: RFC 9669.
"""

from __future__ import annotations

import struct
from typing import Union


class Register(int):
    """R0 result; R1 to R5 arguments, lost in a call; R6 to R9 kept; R10 the frame."""


R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = (Register(number) for number in range(11))

Operand = Union[Register, int]

_SIZES = {1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18}
_JUMPS = {"==": 0x10, ">": 0x20, ">=": 0x30, "&": 0x40, "!=": 0x50, "s>": 0x60, "s>=": 0x70, "<": 0xA0, "<=": 0xB0,
          "s<": 0xC0, "s<=": 0xD0}
_CLASS_ALU64, _CLASS_JMP, _CLASS_JMP32 = 0x07, 0x05, 0x06
_FROM_REGISTER = 0x08
_MAP_DESCRIPTOR, _MAP_VALUE = 1, 2  # what a wide immediate stands for


class Assembler:
    """Instructions in the order they are written. `len()` is their number."""

    def __init__(self) -> None:
        self._instructions: list[bytes] = []
        self._labels: dict[str, int] = {}
        self._targets: list[tuple[int, str]] = []  # jumps and where they go
        self._unique = 0

    def __len__(self) -> int:
        return len(self._instructions)

    def _emit(self, code: int, to: int = 0, source: int = 0, offset: int = 0, immediate: int = 0) -> None:
        if not -0x80000000 <= immediate <= 0xFFFFFFFF or not -0x8000 <= offset <= 0x7FFF:
            raise ValueError(f"operand out of range: offset {offset}, immediate {immediate}")
        self._instructions.append(struct.pack("<BBhI", code, to | source << 4, offset, immediate & 0xFFFFFFFF))

    def _with_operand(self, code: int, to: Register, operand: Operand, offset: int = 0) -> None:
        if isinstance(operand, Register):
            self._emit(code | _FROM_REGISTER, to, operand, offset)
        else:
            self._emit(code, to, 0, offset, operand)

    # -- arithmetic, all of 64 bits ----------------------------------------------------------------

    def mov(self, to: Register, operand: Operand) -> None:
        self._with_operand(_CLASS_ALU64 | 0xB0, to, operand)

    def add(self, to: Register, operand: Operand) -> None:
        self._with_operand(_CLASS_ALU64 | 0x00, to, operand)

    def sub(self, to: Register, operand: Operand) -> None:
        self._with_operand(_CLASS_ALU64 | 0x10, to, operand)

    def mul(self, to: Register, operand: Operand) -> None:
        self._with_operand(_CLASS_ALU64 | 0x20, to, operand)

    def div(self, to: Register, operand: Operand) -> None:
        self._with_operand(_CLASS_ALU64 | 0x30, to, operand)

    def or_(self, to: Register, operand: Operand) -> None:
        self._with_operand(_CLASS_ALU64 | 0x40, to, operand)

    def and_(self, to: Register, operand: Operand) -> None:
        self._with_operand(_CLASS_ALU64 | 0x50, to, operand)

    def lsh(self, to: Register, operand: Operand) -> None:
        self._with_operand(_CLASS_ALU64 | 0x60, to, operand)

    def rsh(self, to: Register, operand: Operand) -> None:
        self._with_operand(_CLASS_ALU64 | 0x70, to, operand)

    def arsh(self, to: Register, operand: Operand) -> None:
        """Shift right, keeping the sign."""
        self._with_operand(_CLASS_ALU64 | 0xC0, to, operand)

    def xor(self, to: Register, operand: Operand) -> None:
        self._with_operand(_CLASS_ALU64 | 0xA0, to, operand)

    def neg(self, to: Register) -> None:
        self._emit(_CLASS_ALU64 | 0x80, to)

    def network_order(self, to: Register, bits: int) -> None:
        """Between network and host order, on a little-endian machine."""
        self._emit(0xDC, to, 0, 0, bits)

    # -- memory ------------------------------------------------------------------------------------

    def load(self, size: int, to: Register, base: Register, offset: int) -> None:
        """`size` bytes at base + offset."""
        self._emit(0x61 | _SIZES[size], to, base, offset)

    def store(self, size: int, base: Register, offset: int, operand: Operand) -> None:
        if isinstance(operand, Register):
            self._emit(0x63 | _SIZES[size], base, operand, offset)
        else:
            self._emit(0x62 | _SIZES[size], base, 0, offset, operand)

    def atomic_add(self, size: int, base: Register, offset: int, operand: Register) -> None:
        self._emit(0xC3 | _SIZES[size], base, operand, offset)

    def wide(self, to: Register, number: int) -> None:
        """An immediate of 64 bits."""
        self._wide(to, 0, number & 0xFFFFFFFF, number >> 32)

    def map_descriptor(self, to: Register, descriptor: int) -> None:
        self._wide(to, _MAP_DESCRIPTOR, descriptor, 0)

    def map_value(self, to: Register, descriptor: int, offset: int = 0) -> None:
        """The address of a place in an array of one element."""
        self._wide(to, _MAP_VALUE, descriptor, offset)

    def _wide(self, to: Register, kind: int, low: int, high: int) -> None:
        self._emit(0x18, to, kind, 0, low)
        self._emit(0, 0, 0, 0, high)

    # -- control -----------------------------------------------------------------------------------

    def jump(self, condition: str, left: Register, right: Operand, label: str) -> None:
        """Go to `label` if left `condition` right; "&" is any common bit, "s" means signed."""
        self._targets.append((len(self), label))
        self._with_operand(_CLASS_JMP | _JUMPS[condition], left, right)

    def jump32(self, condition: str, left: Register, right: Operand, label: str) -> None:
        """The same on the low 32 bits."""
        self._targets.append((len(self), label))
        self._with_operand(_CLASS_JMP32 | _JUMPS[condition], left, right)

    def goto(self, label: str) -> None:
        self._targets.append((len(self), label))
        self._emit(_CLASS_JMP)

    def label(self, name: str) -> None:
        if name in self._labels:
            raise ValueError(f"label {name!r} is there twice")
        self._labels[name] = len(self)

    def new_label(self) -> str:
        """A name that nothing else has."""
        self._unique += 1
        return f"#{self._unique}"

    def call(self, helper: int) -> None:
        self._emit(0x85, 0, 0, 0, helper)

    def exit(self) -> None:
        self._emit(0x95)

    def assemble(self) -> bytes:
        """The program. Raises KeyError for a jump to nowhere."""
        instructions = list(self._instructions)
        for at, label in self._targets:
            code, registers, _, immediate = struct.unpack("<BBhI", instructions[at])
            instructions[at] = struct.pack("<BBhI", code, registers, self._labels[label] - at - 1, immediate)
        return b"".join(instructions)
