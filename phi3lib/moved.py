"""Old names of modules and of what is in them, which work for one more release: they warn and give the new.

Delete an entry one release after the move that its comment names; delete this file with the last one.
"""

import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

_A1 = "phi3lib.lab.lessons.a1"
# Moved in 0.2.0.
NEW_NAMES = {
    **{f"phi3lib.lab.atlas_{name}": f"phi3lib.lab.atlas.{name}" for name in ("page", "state", "trust")},
    "phi3lib.lab.atlas_saved": "phi3lib.lab.atlas.cache",
    **{f"phi3lib.lab.checks_0{number}": f"phi3lib.lab.checks.nb0{number}" for number in range(8)},
    "phi3lib.lab.checks_a1": "phi3lib.lab.checks.a1",
    "phi3lib.lab.checks_processes": "phi3lib.lab.checks.processes",
    "phi3lib.lab.checks_reading": "phi3lib.lab.checks.reading",
    "phi3lib.lab.exercise": "phi3lib.lab.checks.base",
    **{
        f"phi3lib.lab.{name}": f"phi3lib.lab.figures.{name}"
        for name in ("hd_plots", "plots", "shown_text", "stills")
    },
    **{f"phi3lib.lab.{old}places_plot": "phi3lib.lab.figures.sequence_plot" for old in ("", "figures.")},
    **{
        f"phi3lib.lab.{name}": f"phi3lib.lab.lessons.{name}"
        for name in ("first_embedding", "layers", "picker", "small_print", "spaces", "take_home", "trained")
    },
    **{
        f"phi3lib.lab.{name}": f"{_A1}.{name}"
        for name in ("original_class", "original_text", "page_faults", "same_weights")
    },
    "phi3lib.lab.instrument": "phi3lib.lab.widgets.base",
    # The module had the name of the function `lab.published` and took its place where it was imported first.
    "phi3lib.lab.published": "phi3lib.lab.published_vectors",
    "phi3lib.embeddings.places": "phi3lib.embeddings.locations",
    "phi3lib.vectors.pooling": "phi3lib.encoders.pooling",
    # The second name: what `from phi3lib.vectors import …` asks for, once the package has been found.
    **{
        f"phi3lib.{package}.{old}": f"phi3lib.embeddings.{new}"
        for package in ("vectors", "embeddings")
        for old, new in (("neighbours", "knn"), ("intervals", "confidence"), ("why", "explain"))
    },
    **{
        f"phi3lib.vision.{old}": f"phi3lib.loading.{new}"
        for old, new in {
            "checkpoints": "checkpoints", "default_models": "defaults", "fine_tuned": "fine_tuned",
            "hub": "hub", "hub_errors": "errors", "log": "log",
            "phi3_weights": "phi3", "progress": "progress", "tensor_reading": "safetensors_io",
        }.items()
    },
    **{
        f"phi3lib.lab.{name}": f"phi3lib.lab.widgets.{name}"
        for name in (
            "drawing_pad", "live_view", "map_reader", "panel", "ranked_strips", "recipes", "search_box",
            "temperature",
        )
    },
}  # fmt: skip


# Whole packages, with all that is in them.
NEW_PACKAGES = {"phi3lib.picturebook": "picturebook", "phi3lib.vectors": "phi3lib.embeddings"}


def new_name(old: str) -> str | None:
    """Return where a module is now, or None if it has not moved."""
    if old in NEW_NAMES:
        return NEW_NAMES[old]
    for package, new in NEW_PACKAGES.items():
        if old == package or old.startswith(f"{package}."):
            return new + old.removeprefix(package)
    return None


class _Alias(Loader):
    """Give the module of the new name under the old one."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module of the new name."""
        module = import_module(self.name)
        self.own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Take back what the import system wrote into the module, which was executed under its new name."""
        module.__spec__ = self.own_spec


class _MovedModules(MetaPathFinder):
    """Find modules by their old names."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return how to load a moved module, or None."""
        new = new_name(fullname)
        if new is None:
            return None
        warnings.warn(
            f"the module {fullname} is now {new}; the next release removes the old name",
            DeprecationWarning,
            stacklevel=2,
        )
        return ModuleSpec(fullname, _Alias(new))


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
    """Return a property for an attribute or a method that has a new name: it warns and gives the new one."""

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
    text = f"{old} is now {new}; the next release removes the old name"
    warnings.warn(text, DeprecationWarning, stacklevel=3)


def install() -> None:
    """Let `import` find moved modules by their old names."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        # The first that is asked: a moved package has its folder under both names, and another finder would
        # load its modules a second time.
        sys.meta_path.insert(0, _MovedModules())
