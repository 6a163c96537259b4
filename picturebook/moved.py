"""Old names of this package, which work for one more release: they warn and give the new ones.

`phi3lib.moved` does the same for `phi3lib`, which this package must not import. Delete both together.
"""

import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def old_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Return `__getattr__` for a module in which names have changed: an old one warns and gives the new.

    names: the new names by the old ones.
    """

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        _warn_of(f"{module}.{name}", names[name])
        return getattr(sys.modules[module], names[name])

    return get


def old_attribute(old: str, new: str) -> property:
    """Return a property for an attribute that has a new name: it warns and gives the new one."""

    def get(owner: Any) -> Any:
        _warn_of(f"{type(owner).__name__}.{old}", new)
        return getattr(owner, new)

    return property(get)


def old_keyword(old: str, new: str) -> Callable[[Function], Function]:
    """Return a decorator for a function or a class with a renamed parameter: the old name warns and works."""

    def decorate(function: Function) -> Function:
        owner: Any = function
        is_class = inspect.isclass(owner)
        called = owner.__init__ if is_class else owner

        @functools.wraps(called)
        def with_new_name(*given: Any, **options: Any) -> Any:
            if old in options:
                _warn_of(f"{old}= of {owner.__name__}", f"{new}=")
                options[new] = options.pop(old)
            return called(*given, **options)

        if is_class:
            owner.__init__ = with_new_name
            return function
        return with_new_name  # type: ignore[return-value]

    return decorate


def _warn_of(old: str, new: str) -> None:
    text = f"{old} is now {new}; the old name goes with the next release"
    warnings.warn(text, DeprecationWarning, stacklevel=3)
