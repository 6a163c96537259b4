"""Public names of a package that are imported on first use (PEP 562), listed once, in a table."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from phi3lib.moved import old_names


def lazy_names(
    namespace: dict[str, Any], homes: Mapping[str, str], *, old: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for the package whose `globals()` are given.

    homes: for each public name where it lives: "module:name", or "module" if the name stands for the module.
    old: names that have changed, with the new ones; they warn.
    """
    package = namespace["__name__"]
    get_old = old_names(package, old or {})

    def get(name: str) -> Any:
        if name not in homes:
            return get_old(name)
        module, _, attribute = homes[name].partition(":")
        value = import_module(module)
        if attribute:
            value = getattr(value, attribute)
        namespace[name] = value  # the next access does not come here
        return value

    return get, lambda: sorted({*namespace, *homes})
