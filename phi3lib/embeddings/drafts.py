"""JPEG photographs decoded at a fraction of their size: quicker, with vectors that differ a little.

A JPEG stores blocks of frequencies; leaving out the high ones gives the image at the half, a quarter or an
eighth of its size for a part of the time. The vectors are not those of the whole image, so their recipe says
how the files were decoded, and both kinds never come into one table.
"""

from collections.abc import Mapping
from typing import Any

from phi3lib.encoders import ImageEncoder, Recipe
from phi3lib.vision.pictures import Least

# How much larger than the input of the network an image is decoded at least. What is left of the difference
# is measured by benchmarks/photographs.py.
REDUCTION = 2


def described(encoder: ImageEncoder, recipe: Recipe, *, draft: bool) -> dict[str, Any]:
    """Return the recipe of a table: that of the encoder, and how files were decoded if not as a whole."""
    made = encoder.provenance(recipe)
    return made | {"decoding": f"JPEG at least {REDUCTION} x the input"} if draft else made


def least_size(recipe: Mapping[str, Any]) -> Least:
    """Return the size at which images are decoded at least, for the recipe of a table.

    Raises ValueError for an encoder without an input of one size, such as Phi-3-vision, which cuts images
    into crops.
    """
    size = recipe.get("preprocessing", {}).get("size")
    if not isinstance(size, Mapping) or not size:
        raise ValueError(
            f"draft=True needs a model whose input has one size, such as CLIP; images for "
            f"{recipe.get('model')!r} are decoded whole, with draft=False"
        )
    side = REDUCTION * max(int(one) for one in size.values())
    return lambda width, height: (side, side)
