"""Fewer bits: what changes, what stays, and what is said about it."""

import numpy as np
import pytest
import torch
from PIL import Image

from phi3lib import embed_images, load_phi3_model
from phi3lib.embeddings import embed as embed_module
from phi3lib.vision.precision import agreement, in_precision, precision_of


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)) for _ in range(5)]


@pytest.mark.parametrize("precision", ["bf16", "int8"])
@pytest.mark.parametrize("name", ["clip", "phi3"])
def test_vectors_of_fewer_bits_are_close_and_say_so(name, precision, pictures, request, capsys):
    model = request.getfixturevalue(name)
    before = [weight.clone() for weight in _network(model).parameters()]
    exact = embed_images(pictures, model=model, progress=False)
    quick = embed_images(pictures, model=model, precision=precision, progress=False)
    assert "cosine to float32" in capsys.readouterr().out
    assert exact.recipe["dtype"] == "float32"
    assert quick.recipe["dtype"] == {"bf16": "bfloat16", "int8": "int8"}[precision]
    found = agreement(torch.from_numpy(exact.vectors), torch.from_numpy(quick.vectors))
    assert 0.98 < found.least <= found.mean <= 1 + 1e-9
    assert not np.array_equal(exact.vectors, quick.vectors)
    for old, new in zip(before, _network(model).parameters(), strict=True):
        assert torch.equal(old, new)  # the model itself stays


def _network(model):
    return model.model if hasattr(model, "text_features") else model


def test_int8_holds_whole_numbers_where_the_work_is(clip):
    quick = in_precision(clip, "int8")
    layer = quick.model.vision_model.encoder.layers[0].self_attn.q_proj
    assert layer.weight().dtype == torch.qint8
    assert precision_of(quick.model) == "int8" and precision_of(clip.model) == "float32"


def test_the_agreement_names_the_model_as_it_came(phi3_folder, pictures, capsys):
    half = load_phi3_model(phi3_folder, dtype=torch.bfloat16)
    embed_images(pictures, model=half, precision="int8", progress=False)
    assert "int8: cosine to bfloat16" in capsys.readouterr().out


def test_pictures_of_many_tiles_are_compared_in_smaller_number(phi3, pictures, capsys, monkeypatch):
    monkeypatch.setattr(embed_module, "TILES_COMPARED", 2 + phi3.processor.num_crops)
    embed_images(pictures, model=phi3, precision="bf16", progress=False)
    assert "(2 pictures)" in capsys.readouterr().out


def test_a_picture_that_the_model_cannot_take_stops_no_comparison(phi3, pictures, capsys):
    table = embed_images(
        [Image.new("RGB", (1, 9000)), *pictures], model=phi3, precision="bf16", progress=False
    )
    assert len(table) == len(pictures) and len(table.errors) == 1
    assert "bf16: cosine" in capsys.readouterr().out


def test_nothing_is_compared_where_nothing_is_computed(clip, pictures, tmp_path, capsys):
    for expected in ("(5 pictures)", ""):
        embed_images(pictures, model=clip, precision="bf16", out=tmp_path / "t.parquet", progress=False)
        out = capsys.readouterr().out
        assert expected in out and bool(out) == bool(expected)


def test_another_precision_is_another_recipe(clip, pictures, tmp_path):
    embed_images(pictures, model=clip, out=tmp_path / "t.parquet", progress=False)
    with pytest.raises(ValueError, match="dtype"):
        embed_images(pictures, model=clip, precision="int8", out=tmp_path / "t.parquet", progress=False)


def test_unknown_precisions_and_other_shapes_are_refused(clip):
    with pytest.raises(ValueError, match="no precision 'fp8'"):
        in_precision(clip, "fp8")
    with pytest.raises(ValueError, match="same pictures"):
        agreement(torch.ones(2, 3), torch.ones(2, 4))
