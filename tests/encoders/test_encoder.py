"""The protocol: what every encoder does, recipes of one's own, and a network of one's own."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from phi3lib import Atlas, embed_images, load_clip, load_encoder, load_phi3_model
from phi3lib.embeddings.compare import mutual_knn
from phi3lib.embeddings.embed import embed_recipes, embed_texts
from phi3lib.embeddings.search import search, zero_shot
from phi3lib.encoders import Encoder, ImageEncoder, Recipes, TextEncoder, as_encoder, recipe, recipes_of
from phi3lib.encoders import encoder as encoder_module
from phi3lib.loading.checkpoints import CheckpointError
from tests.encoders.conftest import MAKERS


@pytest.fixture
def own_recipes(monkeypatch):
    """Take back what a test registers."""
    kept = {family: dict(recipes) for family, recipes in encoder_module.REGISTERED.items()}
    yield
    for family, recipes in encoder_module.REGISTERED.items():
        before = kept.get(family, {})
        for name in set(recipes) - set(before):
            del recipes[name]


class Colors(Encoder):
    """Colors of an 8 × 8 thumbnail, mixed by a network."""

    family = "colors"

    def features(self, images):
        pixels = [np.asarray(image.resize((8, 8)), np.float32) for image in images]
        return self.network(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2))


@pytest.fixture
def colors(own_recipes):
    @recipe("mean", family="colors", says="mean over all places")
    def mean(features):
        return features.mean((2, 3))

    network = torch.nn.Conv2d(3, 16, 1)
    torch.nn.init.normal_(network.weight, generator=torch.Generator().manual_seed(0))
    return Colors("colors", network=network)


# ------------------------------------------------------------------------------- every family


@pytest.mark.parametrize("name", MAKERS)
def test_every_encoder_keeps_the_protocol(name, encoders, images):
    encoder = encoders[name]
    assert isinstance(encoder, ImageEncoder) and isinstance(encoder.recipes, Recipes)
    assert isinstance(encoder.network, torch.nn.Module) and not encoder.network.training
    assert encoder.tiles(300, 90) >= 1
    for one in encoder.recipes.values():
        vectors = encoder.encode(images, one)
        assert vectors.shape == (len(images), one.width(encoder)) and not vectors.requires_grad
        assert encoder.provenance(one)["dimension"] == vectors.shape[1]
        alone = encoder.encode(images[1:2], one)
        torch.testing.assert_close(vectors[1:2], alone, atol=1e-4, rtol=1e-4)
    shared = encoder.recipes.shared_with_text
    assert shared is None or (isinstance(encoder, TextEncoder) and shared in encoder.recipes)


def test_models_of_the_older_loaders_are_wrapped(clip, phi3_whole, folders, encoders, images):
    part = load_phi3_model(folders["phi3"])
    assert [as_encoder(model).family for model in (clip, phi3_whole, part)] == ["clip", "phi3", "phi3"]
    assert as_encoder(encoders["dino"]) is encoders["dino"]
    for model, name in ((clip, "clip"), (part, "phi3")):
        table, other = (embed_images(images, model=one, progress=False) for one in (model, encoders[name]))
        assert np.allclose(table.vectors, other.vectors, atol=1e-5)
        assert table.recipe == other.recipe


def test_other_objects_are_refused_with_what_they_lack(images):
    class Half:
        name, revision, family, network = "half", None, "half", torch.nn.Identity()

    with pytest.raises(ValueError, match="got a Half.*lacks recipes, tiles, encode, provenance"):
        embed_images(images, model=Half(), progress=False)
    with pytest.raises(ValueError, match="got a str"):
        embed_images(images, model="openai/clip-vit-base-patch32", progress=False)


def test_a_family_that_is_not_known_and_a_folder_without_one(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "abacus"}')
    with pytest.raises(CheckpointError, match="type 'abacus'; load_encoder knows .*clip.*dinov2"):
        load_encoder(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": 3}')
    with pytest.raises(CheckpointError, match="names no model_type"):
        load_encoder(tmp_path)
    with pytest.raises(CheckpointError, match="there is no folder"):
        load_encoder(tmp_path / "nowhere")


def test_a_damaged_file_is_one_sentence(tmp_path):
    from tests.encoder_layout import make_dino_checkpoint

    make_dino_checkpoint(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(CheckpointError) as error:
        load_encoder(tmp_path)
    assert "\n" not in str(error.value)


def test_phi3_has_no_scale_for_probabilities(phi3_whole, images):
    table = embed_images(images, model=phi3_whole, pooling="last token", progress=False)
    with pytest.raises(ValueError, match="no trained scale"):
        zero_shot(table.vectors, phi3_whole, ["cat", "dog"])


@torch.no_grad()
def test_the_last_token_is_that_of_the_processors_own_inputs(phi3_whole, images):
    encoder = as_encoder(phi3_whole)
    prompt = "<|user|>\n<|image_1|>\nDescribe the picture in one word.<|end|>\n<|assistant|>\n"
    inputs = phi3_whole.processor([prompt] * len(images), list(images), padding=True)
    want = phi3_whole.model(**inputs, use_cache=False).last_hidden_state[:, -1]
    found = encoder.encode(images, encoder.recipes["last token"])
    torch.testing.assert_close(found, want, atol=1e-5, rtol=1e-5)


# ------------------------------------------------------------------------------- several recipes at once


@pytest.mark.parametrize("order", [1, -1])
def test_several_recipes_in_one_pass_are_those_of_single_ones(clip, phi3_whole, images, order):
    for model in (clip, phi3_whole):
        names = list(as_encoder(model).recipes)[::order]
        together = embed_recipes(images, names, model=model, labels={"n": [1, 2, 3, 4]}, progress=False)
        assert list(together) == names
        for name, table in together.items():
            alone = embed_images(
                images, model=model, pooling=name, labels={"n": [1, 2, 3, 4]}, progress=False
            )
            assert np.allclose(table.vectors, alone.vectors, atol=1e-5)
            assert (table.recipe, table.ids) == (alone.recipe, alone.ids)
            assert table.labels["n"].tolist() == [1, 2, 3, 4]


def test_the_tower_runs_once_for_each_tile(phi3_whole, images, monkeypatch):
    tower = phi3_whole.model.vision_embed_tokens.img_processor
    tiles, run = [], type(tower).forward
    monkeypatch.setattr(
        type(tower), "forward", lambda self, t, **k: tiles.append(len(t)) or run(self, t, **k)
    )
    encoder = as_encoder(phi3_whole)
    cost = sum(encoder.tiles(*image.size) for image in images)
    for name, needed in {"tower": len(images), "mean": cost, "last token": cost}.items():
        tiles.clear()
        embed_images(images, model=phi3_whole, pooling=name, progress=False)
        assert sum(tiles) == needed
    for names in (["tower", "mean", "last token"], ["last token", "mean", "tower"]):
        tiles.clear()
        embed_recipes(images, names, model=phi3_whole, progress=False)
        assert sum(tiles) == cost


def test_an_unknown_recipe_among_several_is_named(clip, images):
    with pytest.raises(ValueError, match="no pooling 'mean'"):
        embed_recipes(images, ["projected", "mean"], model=clip, progress=False)
    with pytest.raises(ValueError, match="no poolings"):
        embed_recipes(images, [], model=clip, progress=False)


# ------------------------------------------------------------------------------- recipes of one's own


@pytest.mark.usefixtures("own_recipes")
def test_a_recipe_of_ones_own(clip, images, tmp_path):
    @recipe("gem", family="clip", source="Radenović et al. 2019")
    def gem(features):
        """Generalized mean of the patches, p = 3.

        Larger numbers count more.
        """
        return features.patches.clamp(min=1e-6).pow(3).mean(1).pow(1 / 3)

    out = tmp_path / "gem.parquet"
    table = embed_images(images, model=clip, pooling="gem", out=out, progress=False)
    assert table.recipe["pooling"] == "gem: Generalized mean of the patches, p = 3."
    assert table.recipe["dimension"] == table.vectors.shape[1] == 16
    with torch.no_grad():
        states = clip.model.vision_model(pixel_values=clip.pixel_values(images)).last_hidden_state[:, 1:]
    assert np.allclose(table.vectors, states.clamp(min=1e-6).pow(3).mean(1).pow(1 / 3), atol=1e-5)
    assert search(table, clip, picture=images[3], k=1)[0].id == "3"
    with pytest.raises(ValueError, match="pooling"):
        embed_images(images, model=clip, pooling="patches", out=out, progress=False)
    recipe("gem", family="clip")(gem)  # a cell that runs twice
    with pytest.raises(ValueError, match="give yours another name"):
        recipe("projected", family="clip")(gem)
    with pytest.raises(ValueError, match="without a colon"):
        recipe("gem: 3", family="clip")


def test_a_recipe_of_an_unknown_family_is_refused_by_a_sentence_that_names_the_known_ones():
    with pytest.raises(
        ValueError, match=r"no family of encoders 'clpi'; there are: .*clip, .*dino, .*siglip"
    ):
        recipe("gem", family="clpi")(lambda features: features)
    assert "clpi" not in encoder_module.REGISTERED


@pytest.mark.usefixtures("own_recipes")
def test_names_that_begin_alike_are_different_recipes(clip, images):
    @recipe("patches largest", family="clip", says="largest numbers of the patches")
    def largest(features):
        return features.patches.amax(1)

    table = embed_images(images, model=clip, pooling="patches largest", progress=False)
    assert as_encoder(clip).recipes.of_table(table.recipe).name == "patches largest"
    assert as_encoder(clip).recipes.of_table({"pooling": "patches"}).name == "patches"
    assert as_encoder(clip).recipes.of_table({}) is None


def test_a_table_of_a_recipe_that_is_gone_is_not_searched_with_another(clip, images):
    table = embed_images(images, model=clip, progress=False)
    table.recipe["pooling"] = "gem: generalized mean"
    with pytest.raises(ValueError, match="made with 'gem: generalized mean'; this model has 'projected'"):
        search(table, clip, picture=images[0])


# ------------------------------------------------------------------------------- a network of one's own


def test_a_network_of_ones_own_through_table_search_comparison_and_atlas(colors, clip, tmp_path):
    palette = ["red", "green", "blue", "yellow", "black", "white"] * 3
    images = [Image.new("RGB", (20 + n, 30), color) for n, color in enumerate(palette)]
    out = tmp_path / "t.parquet"
    for _ in range(2):
        table = embed_images(images, model=colors, out=out, labels={"color": palette}, progress=False)
    assert table.recipe["pooling"] == "mean: mean over all places"
    assert table.vectors.shape == (18, table.recipe["dimension"]) == (18, 16)
    found = search(table, colors, picture=Image.new("RGB", (9, 9), "blue"), k=3)
    assert {palette[hit.row] for hit in found} == {"blue"}
    other = embed_images(images, model=clip, progress=False)
    assert 0 <= mutual_knn(table.vectors, other.vectors, 2).value <= 1
    atlas = Atlas({"colors": table, "CLIP": other}, pictures=images, labels="color", model=clip)
    assert atlas.state.search_table() == "CLIP"
    with pytest.raises(ValueError, match="makes no vectors of texts"):
        embed_texts("red", model=colors)


def test_weights_and_precision_of_ones_own_network_are_in_the_table(colors, images, tmp_path, capsys):
    out = tmp_path / "t.parquet"
    embed_images(images, model=colors, out=out, progress=False)
    quick = embed_images(images, model=colors, precision="fp32", progress=False)
    assert quick.recipe["dtype"] == "float32" and "cosine" in capsys.readouterr().out
    with torch.no_grad():
        colors.network.weight.add_(0.1)
    with pytest.raises(ValueError, match="weights"):
        embed_images(images, model=colors, out=out, progress=False)


def test_an_encoder_without_weights_or_without_recipes(own_recipes, images):
    class Thumbnails(Encoder):
        family = "thumbnails"

        def features(self, images):
            return torch.stack([torch.tensor(np.asarray(i.resize((2, 2)), np.float32)) for i in images])

    with pytest.raises(ValueError, match="no recipe"):
        embed_images(images, model=Thumbnails("t"), progress=False)
    recipe("pixels", family="thumbnails", says="all numbers")(lambda features: features.flatten(1))
    table = embed_images(images, model=Thumbnails("t"), progress=True)
    assert (table.recipe["dtype"], table.recipe["weights"]) == ("float32", "00000000")
    assert table.vectors.shape == (4, 12)


def test_the_family_of_a_new_file_is_found(monkeypatch, tmp_path, images):
    """One file makes a family: loaded by model_type and found without a list."""
    from phi3lib import encoders

    (tmp_path / "flat.py").write_text(
        "import torch\nfrom phi3lib.encoders.encoder import Encoder, recipe\n"
        "MODEL_TYPES = ('flat',)\n\n"
        "class FlatEncoder(Encoder):\n    family = 'flat'\n\n"
        "    @classmethod\n    def load(cls, name, **options):\n        return cls(str(name))\n\n"
        "    def features(self, images):\n"
        "        return torch.tensor([[float(image.width), image.height] for image in images])\n\n"
        "@recipe('size', family='flat')\ndef size(features):\n    return features\n"
    )
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "flat"}')
    monkeypatch.setattr(encoders, "__path__", [*encoders.__path__, str(tmp_path)])
    encoders.load_families.cache_clear()
    try:
        table = embed_images(images, model=load_encoder(tmp_path / "model"), progress=False)
        assert table.vectors.tolist()[1] == [90.0, 300.0]
    finally:
        sys.modules.pop("phi3lib.encoders.flat", None)
        encoder_module.REGISTERED.pop("flat", None)
        encoders.load_families.cache_clear()


def test_recipes_of_a_family(clip):
    assert {"projected", "cls", "patches"} <= set(recipes_of("clip"))
    assert as_encoder(clip).recipes.default == "projected" == as_encoder(load_clip()).recipes.default


@pytest.mark.parametrize("name", ["siglip", "naflex", "dino"])
@pytest.mark.parametrize("value", [None, -1, "x", [], {}])
def test_damaged_configurations_are_one_sentence(name, value, folders, tmp_path):
    import json
    import shutil

    shutil.copytree(folders[name], tmp_path / "m")
    for file, keys in (
        ("config.json", ("hidden_size", "num_attention_heads", "patch_size")),
        ("preprocessor_config.json", ("image_mean", "size")),
    ):
        path = tmp_path / "m" / file
        whole = path.read_text()
        for key in keys:
            damaged = json.loads(whole)
            for part in (damaged, damaged.get("vision_config", {})):
                if key in part:
                    part[key] = value
            path.write_text(json.dumps(damaged))
            assert "\n" not in _error_at_loading(tmp_path / "m")
        path.write_text(whole)


def _error_at_loading(folder):
    """The CheckpointError's text; nothing where transformers has a default for the value."""
    try:
        load_encoder(folder)
    except CheckpointError as error:
        return str(error)
    return ""
