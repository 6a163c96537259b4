"""Call a learner's function in other Python processes, where texts have other hashes."""

import marshal
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

HASH_SEEDS = (1, 2, 3)

_CHILD = """
import importlib, marshal, sys, types
parts, out, sys.stdout = marshal.loads(sys.stdin.buffer.read()), sys.stdout.buffer, sys.stderr
space = dict(parts["values"], __builtins__=__builtins__, __name__="answer")
for name, module in parts["modules"].items():
    space[name] = importlib.import_module(module)
for name, (code, defaults, options) in parts["functions"].items():
    space[name] = types.FunctionType(code, space, name, defaults)
    space[name].__kwdefaults__ = options
out.write(marshal.dumps(space[parts["first"]](parts["argument"])))
"""


def in_other_processes(function: Callable[..., Any], argument: Any) -> list[Any]:
    """Return what `function(argument)` gives in three processes with different hash seeds.

    A process that cannot run the function gives nothing: only plain functions without a closure are carried
    over, with the functions, modules and plain values that they name.
    """
    try:
        carried = marshal.dumps({**_parts(function), "argument": argument})
    except (TypeError, ValueError):
        return []
    return [answer for seed in HASH_SEEDS for answer in _answers(carried, seed)]


def _answers(carried: bytes, seed: int) -> Iterator[Any]:
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _CHILD],
            input=carried,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        )
        if ended.returncode == 0:
            yield marshal.loads(ended.stdout)
    except (OSError, subprocess.SubprocessError, ValueError, EOFError, TypeError):
        return


def _parts(function: Any) -> dict[str, Any]:
    """Return a function and its globals. TypeError for a closure, ValueError for unmarshallable values."""
    parts: dict[str, Any] = {"first": "answer", "functions": {}, "modules": {}, "values": {}}
    _carry("answer", function, parts)
    return parts


def _carry(name: str, value: Any, parts: dict[str, Any]) -> None:
    if any(name in carried for carried in (parts["functions"], parts["modules"], parts["values"])):
        return
    if isinstance(value, ModuleType):
        parts["modules"][name] = value.__name__
    elif isinstance(value, FunctionType):
        if value.__closure__:
            raise TypeError("a closure cannot be carried to another process")
        parts["functions"][name] = (value.__code__, value.__defaults__, value.__kwdefaults__)
        for used in _names(value.__code__):
            if used in value.__globals__:
                _carry(used, value.__globals__[used], parts)
    else:
        marshal.dumps(value)
        parts["values"][name] = value


def _names(code: CodeType) -> set[str]:
    """Return the names that a code looks up outside of itself, inner functions included."""
    inner = (_names(one) for one in code.co_consts if isinstance(one, CodeType))
    return set(code.co_names).union(*inner)
