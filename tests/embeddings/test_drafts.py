"""JPEG files decoded at a fraction of their size: nearly the same vectors, and a recipe of their own."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from phi3lib import load_clip
from phi3lib.embeddings.costs import estimate_cost
from phi3lib.embeddings.drafts import least_size
from phi3lib.embeddings.embed import embed_images


@pytest.fixture(scope="module")
def clip():
    return load_clip()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder with two photographs as JPEG and one as PNG."""
    folder = tmp_path_factory.mktemp("photographs")
    for number, image in enumerate(load_sample_images().images):
        large = Image.fromarray(image).resize((1600, 1200), Image.Resampling.BICUBIC)
        large.save(folder / f"{number}.jpg", quality=92)
    large.save(folder / "2.png")
    return folder


def test_vectors_of_drafts_are_near_and_say_what_they_are(clip, photographs, tmp_path):
    whole = embed_images(photographs, model=clip, out=tmp_path / "whole.parquet", progress=False)
    draft = embed_images(photographs, model=clip, draft=True, progress=False)
    assert (whole.vectors[2] == draft.vectors[2]).all()  # no JPEG
    lengths = np.linalg.norm(whole.vectors, axis=1) * np.linalg.norm(draft.vectors, axis=1)
    cosines = (whole.vectors * draft.vectors).sum(1) / lengths
    assert (whole.vectors[:2] != draft.vectors[:2]).any() and cosines.min() > 0.99
    assert "decoding" not in whole.recipe and draft.recipe["decoding"] == "JPEG at least 2 x the input"
    for other in (embed_images, estimate_cost):
        with pytest.raises(ValueError, match="decoding"):
            other(photographs, model=clip, draft=True, out=tmp_path / "whole.parquet")


def test_a_model_that_cuts_images_into_crops_takes_no_drafts():
    with pytest.raises(ValueError, match="'phi3' are decoded whole, with draft=False"):
        least_size({"model": "phi3", "preprocessing": {"num_crops": 16}})
    assert least_size({"preprocessing": {"size": {"height": 224, "width": 336}}})(4000, 3000) == (672, 672)
