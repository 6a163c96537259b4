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

The first recipe of a family is its default; `phi3lib.encoders.recipes` adds recipes to any family.
"""

import copy
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from phi3lib.encoders.recipes import BLANK as BLANK
from phi3lib.encoders.recipes import FAMILIES, Images, Recipe, Recipes, recipes_of
from phi3lib.encoders.recipes import REGISTERED as REGISTERED
from phi3lib.encoders.recipes import joined as joined
from phi3lib.encoders.recipes import recipe as recipe
from phi3lib.vision.precision import network_in_precision, precision_of

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
            FAMILIES.add(cls.family)

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
