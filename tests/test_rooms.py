"""The house rule: a module imports only from its own room and from rooms built before it."""

from __future__ import annotations

import ast
import os
import sys
import unittest
from collections.abc import Iterator
from typing import NamedTuple

PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "rtpp")
BASE, TOP = "base", "top"
ROOMS = (BASE, "net", "rtp", "codecs", "recording", "session", "fastpath", "control", "modules", "http", TOP, "tools")
BASE_MODULES = {"__init__", "errors", "log", "stats", "settings", "capabilities"}

# What some rooms must do without: they take bytes and times and return values.
PURE_ROOMS = ("rtp", "codecs")
SHELL = {"socket", "select", "selectors", "threading", "queue", "time", "subprocess", "signal", "asyncio"}
PURE_MODULES = ("rtpp.control.grammar", "rtpp.control.modifiers", "rtpp.control.parser")
INPUT_OUTPUT = SHELL | {"os", "io"}


class Import(NamedTuple):
    """`importer` needs the module `imported`; `for_types` only while types are checked."""

    importer: str
    line: int
    imported: str
    for_types: bool

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}: imports {self.imported}"


def modules() -> dict[str, str]:
    """Paths of all modules, by dotted name; a package stands under its own name."""
    found = {}
    for folder, _, files in os.walk(PACKAGE):
        for file in files:
            if file.endswith(".py"):
                path = os.path.join(folder, file)
                name = os.path.relpath(path, os.path.dirname(PACKAGE))[:-3].replace(os.sep, ".")
                found[name[: -len(".__init__")] if name.endswith(".__init__") else name] = path
    return found


def room_of(module: str) -> str:
    parts = module.split(".")
    if len(parts) == 1:
        return BASE
    if os.path.isdir(os.path.join(PACKAGE, parts[1])):
        return parts[1]
    return BASE if parts[1] in BASE_MODULES else TOP


def imports_of(module: str, path: str, known: set[str]) -> Iterator[Import]:
    """All imports, also those within functions."""
    with open(path, encoding="utf-8") as file:
        nodes = list(ast.walk(ast.parse(file.read(), path)))
    for_types = {id(node) for outer in nodes if _is_type_checking(outer) for node in ast.walk(outer)}
    for node in nodes:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".") if path.endswith("__init__.py") else module.split(".")[:-1]
            above = package[: len(package) + 1 - node.level] if node.level else []
            source = ".".join(above + ([node.module] if node.module else []))
            # `from rtpp import cli` names a module, `from rtpp.cli import parse` what is in one.
            names = [full if (full := f"{source}.{alias.name}") in known else source for alias in node.names]
        for name in names:
            yield Import(module, getattr(node, "lineno", 0), name, id(node) in for_types)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


class Rooms(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.paths = modules()
        known = set(cls.paths)
        cls.imports = [found for name, path in sorted(cls.paths.items()) for found in imports_of(name, path, known)]
        cls.ours = [found for found in cls.imports if found.imported.split(".")[0] == "rtpp"]

    def test_every_module_is_in_a_room(self) -> None:
        self.assertGreater(len(self.paths), 30)
        for module in self.paths:
            self.assertIn(room_of(module), ROOMS, module)

    def test_imports_lead_downwards_only(self) -> None:
        wrong = [str(found) for found in self.ours
                 if ROOMS.index(room_of(found.imported)) > ROOMS.index(room_of(found.importer))]
        self.assertEqual(wrong, [])

    def test_no_circles(self) -> None:
        needs: dict[str, set[str]] = {module: set() for module in self.paths}
        for found in self.ours:
            if not found.for_types:
                needs[found.importer].add(found.imported)
        done: set[str] = set()

        def visit(module: str, way: tuple[str, ...]) -> None:
            if module in way:
                self.fail(" -> ".join((*way[way.index(module) :], module)))
            if module not in done:
                for needed in sorted(needs[module]):
                    visit(needed, (*way, module))
                done.add(module)

        for module in sorted(needs):
            visit(module, ())

    def test_only_the_standard_library(self) -> None:
        if not hasattr(sys, "stdlib_module_names"):
            self.skipTest("Python 3.9 does not know the names of its library")
        allowed = sys.stdlib_module_names | {"rtpp"}
        wrong = [str(found) for found in self.imports if found.imported.split(".")[0] not in allowed]
        self.assertEqual(wrong, [])

    def test_the_core_knows_no_sockets_threads_or_clock(self) -> None:
        wrong = [str(found) for found in self.imports if not found.for_types and found.imported in
                 (SHELL if room_of(found.importer) in PURE_ROOMS
                  else INPUT_OUTPUT if found.importer in PURE_MODULES else set())]
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
