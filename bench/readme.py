"""Puts the figures of a run into bench/README, with what they were measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from bench.tables import Table

README = Path(__file__).with_name("README")
BEGIN, END = "<!-- figures: written by python3 -m bench --write -->", "<!-- end of figures -->"


def machine() -> str:
    """What a run was measured on."""
    processor = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    virtual = ", virtual machine" if "hypervisor" in Path("/proc/cpuinfo").read_text() else ""
    return (f"{date.today().isoformat()}; {processor}, {os.cpu_count()} cores{virtual}; "
            f"Linux {platform.release()}; {platform.python_implementation()} {platform.python_version()}")


def write(tables: Sequence[Table], charts: Mapping[str, str], conditions: Sequence[str]) -> None:
    """Replace the figures in the README, and the plots beside it."""
    text = README.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{README} has no place for figures")
    folder = README.with_name("plots")
    folder.mkdir(exist_ok=True)
    for name, picture in charts.items():
        (folder / f"{name}.svg").write_text(picture)
    parts = ["\n".join(f"- {line}" for line in conditions) + "\n",
             "Plots: " + ", ".join(f"[{name}](plots/{name}.svg)" for name in charts) + "\n",
             *(table.markdown() for table in tables)]
    README.write_text(f"{before}{BEGIN}\n\n" + "\n".join(parts) + f"\n{END}{after}")
