"""From a name to a module's class, and from the texts of its section to values.

A name stands for a built-in module; anything with a slash or a dot is a file of Python. Configurations of the C
program name its shared objects, `.../rtpp_NAME.so`: when there is a built-in NAME that is what they get.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import types
from collections.abc import Mapping
from typing import Any

from rtpp.errors import StartError
from rtpp.modules.interface import Module, Parameter

BUILT_IN = ("acct_csv", "acct_rtcp_hep", "catch_dtmf")
_SHARED_OBJECT = re.compile(r"(?:.*/)?rtpp_([a-z_]+?)(?:_debug)?\.so", re.DOTALL)


def load(text: str) -> tuple[str, type[Module]]:
    """Name and class of the module that a name or a path stands for. Raises StartError."""
    found = _SHARED_OBJECT.fullmatch(text)
    name = found[1] if found is not None else text
    if name in BUILT_IN:
        return name, _only_class(importlib.import_module(f"rtpp.modules.{name}"), text)
    if os.path.isfile(text):
        return os.path.splitext(os.path.basename(text))[0], _only_class(_run_file(os.path.abspath(text)), text)
    raise StartError(f"{text!r} is no such file, and no built-in module ({', '.join(BUILT_IN)})")


def defaults(kind: type[Module]) -> dict[str, Any]:
    """What the module's parameters are when nothing is configured."""
    return {name: parameter.default for name, parameter in kind.parameters.items()}


def value(kind: type[Module], name: str, text: str) -> Any:
    """The value of a parameter that is configured. Raises StartError."""
    if name not in kind.parameters:
        raise StartError(f"there is no parameter {name!r}; there are: {', '.join(kind.parameters) or 'none'}")
    try:
        return kind.parameters[name].convert(text)
    except ValueError as error:
        raise StartError(f"{name} = {text!r}: {error}")
    except BaseException as error:
        raise StartError(f"{name} = {text!r}: {type(error).__name__}: {error}") from error


def _run_file(path: str) -> types.ModuleType:
    """Run a user's file; what it needs of others' it must be able to import."""
    name = "rtpproxy_module_" + re.sub(r"\W", "_", os.path.splitext(os.path.basename(path))[0])
    made = types.ModuleType(name)
    made.__file__ = path
    sys.modules[name] = made  # dataclasses, pickle and the like look there
    try:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec")
        exec(code, made.__dict__)
    except BaseException as error:
        del sys.modules[name]
        raise StartError(f"{path!r} cannot be loaded: {type(error).__name__}: {error}") from error
    return made


def _only_class(made: types.ModuleType, text: str) -> type[Module]:
    """The one class derived from Module that a file defines itself."""
    found = [each for each in vars(made).values()
             if isinstance(each, type) and issubclass(each, Module) and each.__module__ == made.__name__]
    if len(found) != 1:
        raise StartError(f"{text!r} has {len(found)} classes derived from rtpp.modules.interface.Module, not one")
    _check(found[0], text)
    return found[0]


def _check(kind: type[Module], text: str) -> None:
    """Refuse a class whose settings are of another kind than the interface says."""
    if not isinstance(kind.id, int) or not isinstance(kind.tick_seconds, (int, float)):
        raise StartError(f"{text!r}: id and tick_seconds must be numbers")
    if not isinstance(kind.parameters, Mapping) or not all(isinstance(each, Parameter) and callable(each.convert)
                                                           for each in kind.parameters.values()):
        raise StartError(f"{text!r}: parameters must be a dict of Parameter(convert, default)")
