"""DINOv2: the numbers of transformers' own class, and no texts."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Dinov2Model, Dinov2WithRegistersModel
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

from phi3lib import Atlas, embed_images, embed_texts
from phi3lib.embeddings.search import search, zero_shot


@pytest.mark.parametrize(
    ("name", "model_class", "registers"),
    [("dino", Dinov2Model, 0), ("registers", Dinov2WithRegistersModel, 4)],
)
@torch.no_grad()
def test_vectors_are_those_of_transformers(name, model_class, registers, encoders, folders, images):
    model = model_class.from_pretrained(folders[name]).eval()
    processor = BitImageProcessorPil.from_pretrained(folders[name])
    want = model(**processor(images=images, return_tensors="pt"))
    encoder = encoders[name]
    assert (encoder.family, encoder.recipes.default) == ("dino", "cls")
    torch.testing.assert_close(encoder.encode(images, encoder.recipes["cls"]), want.pooler_output)
    patches = want.last_hidden_state[:, 1 + registers :]
    assert patches.shape[1] == 256  # 224 / 14 squared
    torch.testing.assert_close(encoder.encode(images, encoder.recipes["patches"]), patches.mean(1))


def test_tables_and_search_by_image(encoders, images):
    table = embed_images(images, model=encoders["dino"], progress=False)
    assert table.recipe["pooling"].startswith("cls: ")
    assert table.recipe["preprocessing"]["crop_size"] == {"height": 224, "width": 224}
    assert search(table, encoders["dino"], picture=images[1], k=1)[0].id == "1"


def test_texts_are_refused_in_one_sentence(encoders, images):
    encoder = encoders["dino"]
    table = embed_images(images, model=encoder, progress=False)
    with pytest.raises(ValueError, match="family 'dino' makes no vectors of texts: use a CLIP or a SigLIP"):
        embed_texts("a cat", model=encoder)
    with pytest.raises(ValueError, match="makes no vectors of texts"):
        zero_shot(table.vectors, encoder, ["cat", "dog"])
    with pytest.raises(ValueError, match="not in the space of texts"):
        search(table, encoder, text="a cat")
    atlas = Atlas(table, pictures=images, model=encoder)
    with pytest.raises(ValueError, match="texts need"):
        atlas.state.find("a cat")


def test_an_extremely_long_image_is_cut_to_its_center_first(encoders):
    pixels = np.zeros((1, 30_000, 3), np.uint8)
    pixels[:, 14_900:15_100] = 255
    table = embed_images(
        [Image.fromarray(pixels), Image.new("RGB", (5, 5), "white")], model=encoders["dino"], progress=False
    )
    assert np.allclose(table.vectors[0], table.vectors[1], atol=1e-4)
