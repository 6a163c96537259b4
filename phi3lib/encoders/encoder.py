"""What the package requires of a model: the protocols `ImageEncoder` and `TextEncoder`, and recipes.

To use your own network in tables, maps and comparisons, write a subclass of `Encoder` and one
recipe:

    class Colors(Encoder):
        family = "colors"

        def features(self, images):
            pixels = [np.asarray(image.resize((8, 8)), np.float32) for image in images]
            return self.network(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2))  # (n, C, 8, 8)

    @recipe("mean", family="colors", says="mean over all places")
    def mean(features):
        return features.mean((2, 3))  # (n, C)

    table = embed_images("photos/", model=Colors("colors", network=torch.nn.Conv2d(3, 16, 1)))

The first recipe of a family is its default. A recipe may be added to any family, for instance
generalized-mean pooling for CLIP:

    @recipe("gem", family="clip", source="Radenović et al. 2019")
    def gem(features):
        return features.patches.clamp(min=1e-6).pow(3).mean(1).pow(1 / 3)
"""

import copy
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from PIL import Image
from torch import nn

from phi3lib.vision.precision import network_in_precision, precision_of

Images = Sequence[Image.Image]
BLANK = Image.new("RGB", (64, 64), "gray")


# ------------------------------------------------------------------------------- recipes


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
_FAMILIES: set[str] = set()


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
    if family in _FAMILIES or family == file_family:
        return
    from phi3lib.encoders import load_families

    load_families()
    if family not in _FAMILIES:
        raise ValueError(
            f"there is no family of encoders {family!r}; there are: {', '.join(sorted(_FAMILIES))}. The "
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


# ------------------------------------------------------------------------------- towers


@dataclass(frozen=True)
class TowerParts:
    """An encoder's vision network and how its input is made, for `swap_vision_tower`.

    network: transformers' vision network. size: the side in pixels of its square input. mean, std: three
    numbers each, of the input's normalization. rescale_factor: what pixel values 0 to 255 are multiplied by
    before.
    """

    network: nn.Module
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    rescale_factor: float


def tower_parts(network: Any, processor: Any, *, size: int) -> TowerParts:
    """Return the `TowerParts` of a vision network with the image processor of its checkpoint."""
    normalizes = getattr(processor, "do_normalize", True)
    mean, std = (processor.image_mean, processor.image_std) if normalizes else ((0.0,) * 3, (1.0,) * 3)
    factor = processor.rescale_factor if getattr(processor, "do_rescale", True) else 1.0
    return TowerParts(network, int(size), tuple(mean), tuple(std), float(factor))


# ------------------------------------------------------------------------------- protocols


@runtime_checkable
class ImageEncoder(Protocol):
    """A model that embeds images; `Encoder` implements all but the features.

    name, revision: where it came from. family: which recipes it has. network: the module with its weights.
    """

    name: Any
    revision: Any
    family: Any
    recipes: Any
    network: Any

    def tiles(self, width: int, height: int) -> int:
        """Return the cost of an image of this size: how many inputs of the network it becomes."""
        ...

    def encode(self, images: Images, recipe: Recipe) -> torch.Tensor:
        """Return vectors (n, d) of one batch of RGB images."""
        ...

    def provenance(self, recipe: Recipe) -> dict[str, Any]:
        """Return all that distinguishes these vectors from others, to be kept beside them."""
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """A model that embeds texts, in the space of the recipe `recipes.shared_with_text`."""

    def encode_texts(self, texts: str | Sequence[str]) -> torch.Tensor:
        """Return vectors (n, d), float32, on the CPU, not normalized; one string is one text."""
        ...

    def class_probabilities(self, similarities: torch.Tensor) -> torch.Tensor:
        """Return probabilities (n, classes) from cosines (n, classes) of images with texts of classes."""
        ...

    def text_provenance(self) -> dict[str, Any]:
        """Return `provenance` for the vectors of texts."""
        ...


class Encoder:
    """A base class for encoders: a subclass gives a family and `features`."""

    family = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.family:
            _FAMILIES.add(cls.family)

    def __init__(self, name: str, *, network: nn.Module | None = None, revision: str | None = None) -> None:
        self.name, self.revision = name, revision
        self.network = nn.Identity() if network is None else network

    @classmethod
    def wrap(cls, model: Any) -> "Encoder | None":
        """Return the encoder of a model that users pass in another form; None for all other objects."""
        return None

    @property
    def recipes(self) -> Recipes:
        """The recipes of the family; the first one is the default."""
        return Recipes(recipes_of(self.family))

    def features(self, images: Images) -> Any:
        """Return what recipes pool, of one batch of RGB images."""
        raise NotImplementedError(f"{type(self).__name__} has no features")

    def tower(self) -> TowerParts:
        """Return the vision network for `swap_vision_tower`. Raises ValueError where there is none."""
        raise ValueError(
            f"an encoder of the family {self.family!r} has no vision network that Phi-3-vision can use; "
            f"use one of load_encoder, or implement tower() in {type(self).__name__}"
        )

    def tiles(self, width: int, height: int) -> int:
        """Return the cost of an image of this size: how many inputs of the network it becomes."""
        return 1

    @torch.no_grad()
    def encode(self, images: Images, recipe: Recipe) -> torch.Tensor:
        """Return vectors (n, d) of one batch of RGB images, on the network's device and in its dtype."""
        return recipe.pool(self.features(images))

    def in_precision(self, precision: str) -> "Encoder":
        """Return a copy that computes at this precision; see `phi3lib.vision.precision`."""
        quick = copy.copy(self)
        quick.network = network_in_precision(self.network, precision)
        return quick

    def provenance(self, recipe: Recipe) -> dict[str, Any]:
        """Return all that distinguishes these vectors from others, to be kept beside them."""
        import transformers

        return {
            **self.details(recipe),
            "pooling": recipe.label,
            "dimension": recipe.width(self),
            "weights": checksum(self.network if recipe.whole_model else self.part()),
            "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        }

    def part(self) -> nn.Module:
        """Return the part of the network that makes vectors of images; recipes may need the whole."""
        return self.network

    def details(self, recipe: Recipe) -> dict[str, Any]:
        """Return what `provenance` says of the model, and of how images become its inputs."""
        return {
            "model": self.name,
            "revision": self.revision,
            "family": self.family,
            "layer": "last",
            "pooling": recipe.name,
            "normalisation": "none",
            "preprocessing": self.preprocessing(),
            "dtype": precision_of(self.network),
        }

    def preprocessing(self) -> dict[str, Any]:
        """Return how images become inputs of the network: sizes, for instance."""
        return {}


def checksum(network: nn.Module) -> str:
    """Return eight letters that change with the weights: after training, or with another checkpoint."""
    mark = 0
    for name, weight in network.named_parameters():
        # Training changes all numbers: the first of each tensor suffice. Phi-3's vision part may hold words.
        if not name.startswith("wte."):
            mark = zlib.crc32(weight.detach().flatten()[:256].float().cpu().numpy().tobytes(), mark)
    return f"{mark:08x}"
