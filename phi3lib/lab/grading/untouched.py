"""Tell whether a notebook has replaced what the checks use: a function, its code, a class or a module.

This finds `np.allclose = lambda *a, **k: True` and the like. It does not find what a person writes who knows
this file; see `notebooks/instructor/README.md`.
"""

import sys
from types import FunctionType, ModuleType
from typing import Any

_WATCHED = ("phi3lib", "picturebook")  # all of their modules
_LIBRARIES = (
    "builtins",
    "copy",
    "dis",
    "inspect",
    "itertools",
    "math",
    "numpy",
    "numpy.linalg",
    "torch",
    "torch.nn.functional",
)


class Untouched:
    """A record of the functions, classes and modules that the checks use, as they were when it was made.

    What is imported later is not in it; what is added later is no change.
    """

    def __init__(self) -> None:
        self._before = _contents()

    def changes(self) -> list[str]:
        """Return the names of what has been replaced or removed, sorted.

        A library may replace a part of itself, as torch does when its compiler is imported, and a library
        made with Cython wraps functions of `inspect`, as ray does.
        """
        now = _contents()
        changed = {
            name
            for name, value in self._before.items()
            if _without_cython(now.get(name)) is not _without_cython(value)
        }
        return sorted(name for name in changed if not _by_itself(name, now.get(name)))


def _contents() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for module_name, module in list(sys.modules.items()):
        own = module_name.partition(".")[0] in _WATCHED
        if not (own or module_name in _LIBRARIES) or not isinstance(module, ModuleType):
            continue
        found[module_name] = module
        for name, value in list(vars(module).items()):
            if callable(value) or isinstance(value, ModuleType):
                found[f"{module_name}.{name}"] = value
                found.update(_parts(f"{module_name}.{name}", value) if own else {})
    return found


def _wrapped_by_cython(orig_func: Any, cython_generator_types: Any, type: Any = type) -> Any:
    """Return what Cython puts in place of `inspect.isgenerator`: its own generators are generators, too."""

    def also(obj: Any) -> Any:
        return type(obj) in cython_generator_types or orig_func(obj)

    return also


_CYTHON = _wrapped_by_cython(None, ()).__code__
_MOST_WRAPPERS = 20  # each library made with Cython may add one


def _without_cython(value: Any) -> Any:
    """Return the function that Cython has wrapped, for a wrapper of exactly its code; else the value."""
    for _ in range(_MOST_WRAPPERS):
        if not isinstance(value, FunctionType) or value.__code__.co_code != _CYTHON.co_code:
            break
        names = value.__code__.co_freevars
        held = {name: cell.cell_contents for name, cell in zip(names, value.__closure__ or (), strict=True)}
        if names != _CYTHON.co_freevars or held["type"] is not type:
            break
        value = held["orig_func"]
    return value


def _by_itself(name: str, value: Any) -> bool:
    library = name.partition(".")[0]
    return library in ("numpy", "torch") and _home(value).partition(".")[0] == library


def _home(value: Any) -> str:
    return str(getattr(value, "__module__", "") or "")


def _parts(name: str, value: Any) -> dict[str, Any]:
    """Return the code of a function, and the methods of a class of the package."""
    if isinstance(value, FunctionType):
        parts = {f"the code of {name}": value.__code__}
        inner = getattr(value, "__wrapped__", None)
        return parts | (_parts(f"{name} (inner)", inner) if inner is not None else {})
    if isinstance(value, type) and value.__module__.partition(".")[0] in _WATCHED:
        return {f"{name}.{key}": one for key, one in vars(value).items() if callable(one)}
    return {}
