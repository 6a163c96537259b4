"""Public names of a package that are imported on first use (PEP 562), listed once, in a table."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    namespace: dict[str, Any], homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for the package whose `globals()` are given.

    homes: for each public name where it lives: "module:name", or "module" if the name stands for the module.
    """
    package = namespace["__name__"]

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = homes[name].partition(":")
        value = import_module(module)
        if attribute:
            value = getattr(value, attribute)
        namespace[name] = value  # the next access does not come here
        return value

    return get, lambda: sorted({*namespace, *homes})
