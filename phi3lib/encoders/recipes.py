"""Recipes: how an encoder's features of an image become one vector. `recipe` registers one for a family.

@recipe("gem", family="clip", source="Radenović et al. 2019")
def gem(features):
    return features.patches.clamp(min=1e-6).pow(3).mean(1).pow(1 / 3)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

Images = Sequence[Image.Image]
BLANK = Image.new("RGB", (64, 64), "gray")


@dataclass(frozen=True)
class Recipe:
    """How an encoder's features of an image become one vector.

    name: an identifier. says, source: a description and where the recipe comes from. pool: the features of a
    batch (what they hold depends on the family) → vectors (n, d). size: an encoder → d; without it, d is
    found by encoding one small image. whole_model: whether it needs Phi-3-vision's language model.
    """

    name: str
    says: str
    source: str
    pool: Callable[[Any], torch.Tensor]
    size: Callable[[Any], int] | None = None
    whole_model: bool = False

    @property
    def label(self) -> str:
        """What tables hold of this recipe: name and description."""
        return f"{self.name}: {self.says}"

    def made(self, stored: Mapping[str, Any]) -> bool:
        """Return whether a table's `recipe` names this recipe."""
        pooling = str(stored.get("pooling"))
        return pooling == self.name or pooling.startswith(f"{self.name}:")

    def encode(self, model: Any, images: Images) -> torch.Tensor:
        """Return the vectors (n, d) that a model makes of images with this recipe."""
        from phi3lib.encoders import as_encoder

        return as_encoder(model).encode(images, self)

    def width(self, model: Any) -> int:
        """Return d, the numbers in a vector."""
        from phi3lib.encoders import as_encoder

        encoder = as_encoder(model)
        return self.size(encoder) if self.size is not None else int(encoder.encode([BLANK], self).shape[1])


class Recipes(Mapping[str, Recipe]):
    """The recipes of an encoder by name.

    default: the name of the one that is used where none is named. shared_with_text: the name of the one whose
    vectors are in the space of texts; None where there is none. absent: recipes of the family that this
    encoder cannot compute, with the reason.
    """

    def __init__(
        self,
        recipes: Mapping[str, Recipe],
        *,
        default: str | None = None,
        shared_with_text: str | None = None,
        absent: Mapping[str, str] | None = None,
    ) -> None:
        self._recipes, self._absent = recipes, dict(absent or {})
        self._default, self.shared_with_text = default, shared_with_text

    def __getitem__(self, name: str) -> Recipe:
        if name in self._absent:
            raise KeyError(name)
        return self._recipes[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._recipes if name not in self._absent)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def default(self) -> str:
        """The default's name; the first, where none was chosen."""
        return self._default if self._default is not None else next(iter(self))

    def choose(self, name: str | None = None) -> Recipe:
        """Return the recipe of this name, or the default. Raises ValueError where there is none."""
        if name is not None and not isinstance(name, str):
            raise ValueError(f"pooling is a {type(name).__name__}; expected the name of a recipe")
        if name in self._absent:
            raise ValueError(f"pooling {name!r} {self._absent[str(name)]}")
        if not len(self):
            raise ValueError("this model has no recipe; register one with phi3lib.encoders.recipe")
        chosen = self.default if name is None else name
        if chosen not in self:
            raise ValueError(f"no pooling {chosen!r} for this model; there are: {', '.join(map(repr, self))}")
        return self[chosen]

    def of_table(self, stored: Mapping[str, Any]) -> Recipe | None:
        """Return the recipe that made a table, from the table's `recipe`; None where it is unknown."""
        return next((one for one in self.values() if one.made(stored)), None)


REGISTERED: dict[str, dict[str, Recipe]] = {}  # by family, then by name; filled by `recipe`
FAMILIES: set[str] = set()  # of all subclasses of `Encoder` so far


def recipes_of(family: str) -> dict[str, Recipe]:
    """Return the registered recipes of a family by name, in the order of registration."""
    return REGISTERED.setdefault(family, {})


def recipe(
    name: str,
    *,
    family: str,
    says: str | None = None,
    source: str = "",
    size: Callable[[Any], int] | None = None,
    whole_model: bool = False,
) -> Callable[[Callable[[Any], torch.Tensor]], Callable[[Any], torch.Tensor]]:
    """Register a function as a recipe of a family: decorate a function from features to vectors (n, d).

    says: None: the first line of the function's docstring, or its name. For the others see `Recipe`. A
    function may be registered again (a notebook cell that runs twice). Raises ValueError for an unknown
    family, for a name with a colon, and for one that another function has in this family.
    """
    if not name or ":" in name:
        raise ValueError(f"the name of a recipe is a word or some, without a colon; got {name!r}")

    def register(pool: Callable[[Any], torch.Tensor]) -> Callable[[Any], torch.Tensor]:
        _require_family(family, getattr(pool, "__globals__", {}).get("FAMILY"))
        known = recipes_of(family)
        if name in known and _home(known[name].pool) != _home(pool):
            raise ValueError(f"the family {family!r} has a recipe {name!r}; give yours another name")
        described = says or (pool.__doc__ or pool.__name__).strip().splitlines()[0]
        known[name] = Recipe(name, described, source, pool, size, whole_model)
        return pool

    return register


def _require_family(family: str, file_family: str | None) -> None:
    """Raise ValueError for a family that no encoder has: its recipe would never be found.

    In the file of a family, recipes may come before the class: `of_file`, the file's constant FAMILY,
    names it.
    """
    if family in FAMILIES or family == file_family:
        return
    from phi3lib.encoders import load_families

    load_families()
    if family not in FAMILIES:
        raise ValueError(
            f"there is no family of encoders {family!r}; there are: {', '.join(sorted(FAMILIES))}. The "
            f"recipes of a new family come after its class, a subclass of Encoder with family = {family!r}"
        )


def _home(pool: Callable[..., Any]) -> tuple[str, str]:
    return pool.__module__, pool.__qualname__


def joined(recipes: Sequence[Recipe]) -> Recipe:
    """Return a recipe whose vectors are those of several recipes side by side, in float32, from one pass."""

    def pool(features: Any) -> torch.Tensor:
        return torch.cat([one.pool(features).float() for one in recipes], dim=1)

    name = " + ".join(one.name for one in recipes)
    return Recipe(name, name, "", pool, whole_model=any(one.whole_model for one in recipes))
