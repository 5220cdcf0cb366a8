"""A program that does not do what it should is found out before it runs."""

from __future__ import annotations

import os

from rtpp.fastpath import bpf
from rtpp.fastpath.program import build
from rtpp.fastpath.slots import Slots
from rtpp.fastpath.trial import try_out
from tests.fastpath.kernel import SLOTS, KernelTest


class TrialTest(KernelTest):
    def load(self, slots: Slots, *, times_from_packets: bool = False) -> int:
        code = build(slots.table, slots.descriptor, times_from_packets=times_from_packets)
        program = bpf.load_program(code.assemble())
        self.addCleanup(os.close, program)
        return program

    def test_it_works(self) -> None:
        slots = Slots(SLOTS)
        self.assertTrue(try_out(self.load(slots), slots))

    def test_its_memory_is_not_ours(self) -> None:
        self.assertFalse(try_out(self.load(Slots(SLOTS)), Slots(SLOTS)))

    def test_its_clock_is_not_ours(self) -> None:
        slots = Slots(SLOTS)
        self.assertFalse(try_out(self.load(slots, times_from_packets=True), slots))
