"""SigLIP and SigLIP 2: the numbers of transformers' own classes, from folders of the published layout."""

import json
import shutil

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast, Siglip2Model, SiglipModel
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

from phi3lib import embed_images, embed_texts, load_encoder
from phi3lib.embeddings.search import search, zero_shot
from phi3lib.loading.checkpoints import CheckpointError

TEXTS = ["A photo of a CAT, please!", "two dogs"]
AS_TRAINED = {"siglip": ["a photo of a cat please", "two dogs"]}
FIXED = ("siglip", "siglip2")


@pytest.fixture(params=["siglip", "siglip2", "naflex"])
def name(request):
    return request.param


@pytest.fixture
def reference(name, folders):
    """transformers' model, image processor and tokenizer."""
    model_class, processor_class = (
        (SiglipModel, SiglipImageProcessorPil) if name in FIXED else (Siglip2Model, Siglip2ImageProcessorPil)
    )
    model = model_class.from_pretrained(folders[name]).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folders[name])
    return model, processor_class.from_pretrained(folders[name]), tokenizer


@torch.no_grad()
def test_image_vectors_are_those_of_transformers(name, encoders, images, reference):
    model, processor, _ = reference
    inputs = processor(images=images, return_tensors="pt")
    want = model.get_image_features(**inputs)
    encoder = encoders[name]
    assert encoder.family == "siglip"
    recipes = encoder.recipes
    torch.testing.assert_close(encoder.encode(images, recipes["pooled"]), want.pooler_output)
    states = want.last_hidden_state
    if "pixel_attention_mask" in inputs:
        mask = inputs["pixel_attention_mask"].bool()
        assert not mask.all()  # some images have fewer patches than the batch has room for
        means = [some[seen].mean(0) for some, seen in zip(states, mask, strict=True)]
    else:
        means = list(states.mean(1))
    torch.testing.assert_close(encoder.encode(images, recipes["patches"]), torch.stack(means))


@torch.no_grad()
def test_text_vectors_are_those_of_transformers(name, encoders, reference):
    model, _, tokenizer = reference
    plain = AS_TRAINED.get(name, [text.lower() for text in TEXTS])
    ids = tokenizer(plain, padding="max_length", max_length=64, return_tensors="pt").input_ids
    assert ids.shape == (2, 64)
    want = model.get_text_features(input_ids=ids).pooler_output
    torch.testing.assert_close(encoders[name].encode_texts(TEXTS), want)
    torch.testing.assert_close(encoders[name].encode_texts(TEXTS[1]), want[1:], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_probabilities_are_sigmoids_as_in_the_model_itself(name, encoders, images, reference):
    model, processor, tokenizer = reference
    classes = ["cat", "dog", "a red photo"]
    ids = tokenizer(classes, padding="max_length", max_length=64, return_tensors="pt").input_ids
    want = model(input_ids=ids, **processor(images=images, return_tensors="pt")).logits_per_image.sigmoid()
    table = embed_images(images, model=encoders[name], progress=False)
    found = zero_shot(table.vectors, encoders[name], classes, prompts=("{}",))
    assert np.allclose(found, want.numpy(), rtol=1e-3, atol=1e-7)
    assert not np.allclose(found.sum(1), 1)


def test_tables_search_and_texts_share_a_space(name, encoders, images, tmp_path):
    encoder = encoders[name]
    table = embed_images(images, model=encoder, out=tmp_path / "t.parquet", progress=False)
    assert table.recipe["pooling"].startswith("pooled: ")
    assert (table.recipe["family"], table.recipe["dtype"]) == ("siglip", "float32")
    assert (
        table.recipe["dimension"]
        == table.vectors.shape[1]
        == embed_texts("x", model=encoder).vectors.shape[1]
    )
    assert len(search(table, encoder, text="a cat", k=2)) == 2
    assert search(table, encoder, picture=images[2], k=1)[0].id == "2"
    patches = embed_images(images, model=encoder, pooling="patches", progress=False)
    with pytest.raises(ValueError, match="pooling='pooled'"):
        search(patches, encoder, text="a cat")


def test_fewer_bits(name, encoders, images, capsys):
    table = embed_images(images, model=encoders[name], precision="int8", progress=False)
    assert table.recipe["dtype"] == "int8" and "cosine to float32" in capsys.readouterr().out


def test_long_texts_are_cut_and_counted(encoders):
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than the model's 64 tokens"):
        vectors = encoders["siglip2"].encode_texts(["word " * 80, "short"])
    assert vectors.shape == (2, 16)


def test_a_folder_without_tokenizer_and_one_for_sentencepiece(folders, tmp_path, monkeypatch):
    shutil.copytree(folders["siglip"], tmp_path / "m")
    (tmp_path / "m" / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"neither tokenizer\.json nor spiece\.model"):
        load_encoder(tmp_path / "m")
    (tmp_path / "m" / "spiece.model").write_bytes(b"x")
    monkeypatch.setattr("transformers.utils.is_sentencepiece_available", lambda: False)
    with pytest.raises(CheckpointError, match="pip install sentencepiece protobuf"):
        load_encoder(tmp_path / "m")


def test_a_missing_tensor_is_noticed(folders, tmp_path):
    shutil.copytree(folders["siglip"], tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    config["vision_config"]["num_hidden_layers"] = 3
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="lacks tensors"):
        load_encoder(tmp_path / "m")
