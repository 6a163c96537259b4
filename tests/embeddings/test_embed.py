"""Folders to tables: each picture once, broken ones reported, runs resumed, recipes not mixed."""

import math
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from phi3lib import load_clip, load_phi3_model
from phi3lib.embeddings import embed as embed_module
from phi3lib.embeddings import reading as reading_module
from phi3lib.embeddings import store as store_module
from phi3lib.embeddings.embed import embed_images, embed_texts
from phi3lib.embeddings.reading import batches
from phi3lib.embeddings.search import search
from phi3lib.embeddings.sources import items_of
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.encoders import as_encoder
from phi3lib.encoders.clip import CLIP_RECIPES
from phi3lib.encoders.phi3 import CROP, GLOBAL, PHI3_RECIPES, SEPARATOR, token_views
from phi3lib.vision.hd_transform import TileGeometry, count_image_tokens, hd_grid
from phi3lib.vision.token_map import TokenKind, token_at

BROKEN = {"empty.jpg", "cut.png", "wide.png"}


def test_a_folder_becomes_a_table_and_what_is_broken_is_reported(clip, photos):
    table = embed_images(photos, model=clip, progress=False)
    assert len(table) == 40
    assert list(table.ids) == sorted(table.ids)
    assert {name for name, _ in table.errors} == BROKEN
    reasons = dict(table.errors)
    assert "empty" in reasons["empty.jpg"]
    assert "no picture" in reasons["wide.png"]
    assert [name for name, _ in table.notes] == ["notes.txt"]
    single = clip.image_features(Image.open(photos / table.ids[7])).numpy()[0]
    assert np.allclose(table.vectors[7], single, atol=1e-5)


def test_without_a_model_the_default_clip_computes(clip, photos, monkeypatch):
    monkeypatch.setattr("phi3lib.loading.checkpoints.load_clip", lambda: clip)
    files = [photos / "a" / "01.png"]
    assert embed_images(files, progress=False).recipe == embed_images(files, model=clip).recipe
    assert np.array_equal(embed_texts("a dog").vectors, embed_texts("a dog", model=clip).vectors)


@pytest.mark.parametrize("name", CLIP_RECIPES)
def test_every_recipe_of_clip(clip, photos, name):
    table = embed_images(photos / "a", model=clip, pooling=name, progress=False)
    assert table.recipe["pooling"].startswith(name)
    assert table.recipe["dimension"] == table.vectors.shape[1]
    assert table.vectors.std() > 0


@pytest.mark.parametrize("name", [name for name, recipe in PHI3_RECIPES.items() if not recipe.whole_model])
def test_every_recipe_of_phi3_does_not_depend_on_the_batch(phi3, photos, name):
    files = sorted((photos / "a").glob("*.png"))[:5]
    table = embed_images(files, model=phi3, pooling=name, progress=False)
    alone = PHI3_RECIPES[name].encode(phi3, [Image.open(files[2]).convert("RGB")])
    assert np.allclose(table.vectors[2], alone.detach().float().numpy()[0], atol=1e-4)


def test_the_last_token_needs_the_language_model(phi3, phi3_folder, photos):
    with pytest.raises(ValueError, match="language_model=True"):
        embed_images(photos, model=phi3, pooling="last token", progress=False)
    whole = load_phi3_model(phi3_folder, language_model=True, dtype=torch.float32)
    files = sorted((photos / "a").glob("*.png"))[:3]
    table = embed_images(files, model=whole, pooling="last token", progress=False)
    alone = embed_images(files[1:2], model=whole, pooling="last token", progress=False)
    assert np.allclose(table.vectors[1], alone.vectors[0], atol=1e-4)
    assert table.recipe["instruction"]


def test_means_of_views_and_of_all_fit_together(phi3):
    picture = Image.effect_noise((500, 300), 80).convert("RGB")
    grid = hd_grid(500, 300, phi3.processor.num_crops, tile=phi3.tile)
    crops, whole = grid.rows * grid.cols, 1
    with torch.inference_mode():
        found = {name: PHI3_RECIPES[name].encode(phi3, [picture]) for name in ("crops", "global", "mean")}
    parts = crops * found["crops"] + whole * found["global"]
    assert torch.allclose(parts / (crops + whole), found["mean"], atol=1e-5)


@pytest.mark.parametrize("order", ["sub_glb", "glb_sub"])
@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (2, 3), (4, 1)])
def test_token_views_agree_with_the_token_map(order, rows, cols):
    tile = TileGeometry(56, 14)
    views = token_views(rows, cols, tile, order)
    assert len(views) == count_image_tokens(rows, cols, tile)
    grid = hd_grid(56 * cols, 56 * rows, rows * cols, tile=tile)
    assert (grid.rows, grid.cols) == (rows, cols)
    expected = {TokenKind.CROP: CROP, TokenKind.GLOBAL: GLOBAL}
    for index, view in enumerate(views.tolist()):
        assert view == expected.get(token_at(grid, index, order).kind, SEPARATOR)


def test_an_unknown_recipe_names_those_that_there_are(clip):
    with pytest.raises(ValueError, match="'projected', 'cls', 'patches'"):
        as_encoder(clip).recipes.choose("mean")


def test_pictures_in_memory_arrays_and_datasets(clip):
    import datasets

    red, blue = Image.new("RGB", (30, 30), "red"), Image.new("RGB", (30, 30), "blue")
    from_pictures = embed_images(
        [red, np.asarray(blue)], model=clip, labels={"colour": ["red", "blue"]}, progress=False
    )
    assert from_pictures.ids == ("0", "1")
    assert from_pictures.labels["colour"].tolist() == ["red", "blue"]
    features = datasets.Features({"image": datasets.Image()})
    dataset = datasets.Dataset.from_dict({"image": [red, blue]}, features=features)
    assert np.allclose(
        embed_images(dataset, model=clip, progress=False).vectors, from_pictures.vectors, atol=1e-5
    )


def test_what_is_no_source_is_refused(clip, tmp_path):
    with pytest.raises(FileNotFoundError):
        embed_images(tmp_path / "nowhere", model=clip, progress=False)
    with pytest.raises(ValueError, match="no images found"):
        embed_images([], model=clip, progress=False)
    with pytest.raises(ValueError, match="passed twice"):
        embed_images(["a.png", "a.png"], model=clip, progress=False)
    with pytest.raises(ValueError, match="2 values for 1"):
        embed_images([Image.new("RGB", (9, 9))], model=clip, labels={"x": [1, 2]}, progress=False)
    (tmp_path / "only.txt").write_text("x")
    with pytest.raises(ValueError, match=r"none of 1 pictures .*only\.txt"):
        embed_images(tmp_path, model=clip, progress=False)


def test_a_picture_that_is_too_extreme_is_reported_and_its_batch_goes_on(phi3):
    good = Image.new("RGB", (40, 40), "red")
    table = embed_images([good, Image.new("RGB", (1, 9000)), good.rotate(90)], model=phi3, progress=False)
    assert table.ids == ("0", "2")
    assert table.errors[0][0] == "1"
    assert "too extreme" in table.errors[0][1]


def test_a_vector_that_is_no_number_is_reported_and_the_rest_goes_on(clip, tmp_path, monkeypatch):
    own = CLIP_RECIPES["projected"]

    def pool(features):
        vectors = own.pool(features).clone()
        vectors[1] = torch.inf
        return vectors

    monkeypatch.setitem(CLIP_RECIPES, "projected", replace(own, pool=pool))
    pictures = [Image.new("RGB", (side, side)) for side in (12, 13, 14)]
    table = embed_images(pictures, model=clip, out=tmp_path / "t.parquet", progress=False)
    assert table.ids == ("0", "2")
    assert table.errors == (("1", "its vector holds NaN or infinity"),)


def test_orientation_of_a_camera_is_honoured(clip, tmp_path):
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 255, (20, 30, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    picture.save(tmp_path / "turned.png", exif=exif)
    picture.rotate(-90, expand=True).save(tmp_path / "upright.png")
    table = embed_images(tmp_path, model=clip, progress=False)
    assert np.allclose(table.vectors[0], table.vectors[1], atol=1e-5)


def test_one_array_is_one_picture_and_four_axes_are_many(clip):
    pixels = np.random.default_rng(2).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    one = embed_images(pixels, model=clip, progress=False)
    tensor = embed_images(torch.from_numpy(pixels).permute(2, 0, 1), model=clip, progress=False)
    many = embed_images(np.stack([pixels, pixels[::-1]]), model=clip, progress=False)
    assert one.ids == tensor.ids == ("0",)
    assert many.ids == ("0", "1")
    assert np.allclose(one.vectors[0], many.vectors[0], atol=1e-5)
    assert np.allclose(one.vectors, tensor.vectors, atol=1e-5)


def test_broken_rows_of_a_dataset_are_reported_and_the_rest_goes_on(clip, tmp_path):
    import datasets

    Image.new("RGB", (20, 20), "red").save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    contents = [whole, None, b"", whole[:40], b"no picture"]
    rows = [{"image": None if data is None else {"bytes": data, "path": None}} for data in contents]
    rows.append({"image": {"bytes": None, "path": str(tmp_path / "a.png")}})
    dataset = datasets.Dataset.from_list(rows, features=datasets.Features({"image": datasets.Image()}))
    table = embed_images(dataset, model=clip, progress=False)
    assert table.ids == ("0", "5")
    assert {name for name, _ in table.errors} == {"1", "2", "3", "4"}
    assert "no picture" in dict(table.errors)["1"]
    with pytest.raises(ValueError, match="no column of pictures; its columns are n"):
        embed_images(datasets.Dataset.from_dict({"n": [1]}), model=clip, progress=False)


def test_odd_names_and_links_that_lead_nowhere(clip, tmp_path):
    folder = tmp_path / "odd"
    (folder / "a folder.png").mkdir(parents=True)
    picture = Image.new("RGB", (20, 20), "red")
    names = ["<b>&\"'ü😀.png", "two\nlines.png", "a folder.png/x.png"]
    for name in names:
        picture.save(folder / name)
    (folder / "gone.png").symlink_to("nowhere")
    with open(os.fsencode(folder) + b"/\xff.png", "wb") as file:  # a name that is no UTF-8
        picture.save(file, "PNG")
    table = embed_images(folder, model=clip, out=tmp_path / "odd.parquet", progress=False)
    assert set(table.ids) == {*names, "\\xff.png"}
    assert dict(table.errors) == {"gone.png": "there is no such file"}
    assert EmbeddingTable.load(tmp_path / "odd.parquet").ids == table.ids


def test_pictures_of_every_kind(clip, tmp_path):
    rng = np.random.default_rng(3)
    picture = Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8))
    picture.convert("CMYK").save(tmp_path / "cmyk.jpg")
    Image.fromarray(rng.integers(0, 65535, (20, 30), dtype=np.uint16)).save(tmp_path / "deep.png")
    picture.quantize(16).save(tmp_path / "palette.png", transparency=0)
    picture.convert("RGBA").save(tmp_path / "alpha.webp")
    picture.save(tmp_path / "moving.gif", save_all=True, append_images=[picture.rotate(180)])
    picture.resize((1, 1)).save(tmp_path / "dot.png")
    picture.resize((30_000, 1)).save(tmp_path / "long.png")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "vast.png")
    picture.convert("F").save(tmp_path / "floats.tiff")
    table = embed_images(tmp_path, model=clip, progress=False)
    assert len(table) == 7
    reasons = dict(table.errors)
    assert "too large" in reasons["vast.png"]
    assert "unknown range" in reasons["floats.tiff"]


# ------------------------------------------------------------------------------- costs


def test_large_pictures_do_not_wait_in_memory_by_the_batch():
    def read(count, size):
        items = items_of([Image.new("RGB", size) for _ in range(count)])
        return [len(batch.pictures) for batch in batches(items, lambda *_: 1, most_tiles=32)]

    assert read(6, (4000, 3000)) == [2, 2, 2]
    assert read(70, (40, 30)) == [32, 32, 6]


def test_the_pixels_in_memory_are_counted(monkeypatch):
    """However slow the model, no more is read ahead than fits; one image that is larger goes alone."""
    monkeypatch.setattr(reading_module, "PIXELS_IN_MEMORY", 2_000)
    decoded: list[int] = []

    items = items_of([Image.new("RGB", (side, side)) for side in (20, 30, 30, 60, 20, 20)])
    loads = [
        replace(item, open=lambda item=item: decoded.append(int(item.id)) or item.open()) for item in items
    ]
    taken = 0
    for batch in batches(loads, lambda *_: 1, most_tiles=1):
        taken += batch.pixels
        held = sum(side**2 for side in (20, 30, 30, 60, 20, 20)[: len(decoded)]) - taken + batch.pixels
        assert batch.pixels == 3_600 or held <= 2_000 + 3_600
    assert decoded == [0, 1, 2, 3, 4, 5]


def test_large_models_tell_before_the_start_how_long_it_takes(phi3, photos, monkeypatch, capsys):
    exact = embed_images(photos / "a", model=phi3, progress=False)
    assert "about" not in capsys.readouterr().out
    monkeypatch.setattr(embed_module, "LARGE", 1)
    encode, order = embed_module._encode_batch, []
    monkeypatch.setattr(
        embed_module, "_encode_batch", lambda *a: order.append((len(a[2]), capsys.readouterr())) or encode(*a)
    )
    told = embed_images(photos / "a", model=phi3, progress=True)
    assert order[0][0] == order[1][0] == 1  # the first twice, alone
    assert "for 19 pictures of" in order[2][1].out
    assert told.ids == exact.ids
    assert np.allclose(told.vectors, exact.vectors, atol=1e-5)


@pytest.mark.parametrize("name", ["mean", "tower", "last token"])
def test_no_graph_is_built(phi3_folder, name):
    whole = load_phi3_model(phi3_folder, language_model=True, dtype=torch.float32)
    grads: list[bool] = []
    for module in whole.modules():
        module.register_forward_hook(lambda *_: grads.append(torch.is_grad_enabled()))
    embed_images([Image.new("RGB", (40, 40), "red")], model=whole, pooling=name, progress=False)
    assert grads and not any(grads)


@pytest.mark.parametrize(
    ("work", "words"),
    [
        ((200, 200, 0.1), "about 20 s for 200 pictures, estimated from the first one"),
        ((200, 2000, 0.3), "about 10 min for 200 pictures of 2,000 tiles"),
        ((2000, 34_000, 1.0), "about 9 h 27 min for 2,000 pictures of 34,000 tiles"),
    ],
)
def test_the_estimate_is_tiles_times_seconds(work, words):
    assert words in embed_module.estimate(*work)


@pytest.mark.parametrize("name", [*CLIP_RECIPES, *PHI3_RECIPES])
def test_a_recipe_knows_its_width_without_computing(clip, phi3_folder, name):
    picture = Image.new("RGB", (40, 40), "red")
    whole = load_phi3_model(phi3_folder, language_model=True, dtype=torch.float32)
    for model, recipes in ((clip, CLIP_RECIPES), (whole, PHI3_RECIPES)):
        if name in recipes:
            recipe = recipes[name]
            with torch.inference_mode():
                assert recipe.encode(model, [picture]).shape == (1, recipe.width(model))


# ------------------------------------------------------------------------------- on disk


def test_a_slow_run_is_written_before_a_shard_is_full(clip, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(embed_module, "TILES_AT_ONCE", 4)
    monkeypatch.setattr(store_module, "SHARD_SECONDS", 0.0)
    encode, calls = embed_module._encode_batch, []

    def killed(*args):
        calls.append(1)
        if len(calls) == 4:
            shards = Path(f"{tmp_path / 'photos.parquet'}.shards").glob("*.parquet")
            raise InterruptedError(sum(len(EmbeddingTable.load(shard)) for shard in shards))
        return encode(*args)

    monkeypatch.setattr(embed_module, "_encode_batch", killed)
    with pytest.raises(InterruptedError, match="12"):
        embed_images(photos / "a", model=clip, out=tmp_path / "photos.parquet", progress=False)


def test_other_pictures_of_the_same_name_are_computed_anew(clip, tmp_path):
    out = tmp_path / "table.parquet"
    red, blue = Image.new("RGB", (30, 30), "red"), Image.new("RGB", (30, 30), "blue")
    for color, picture in (("red", red), ("blue", blue)):
        (tmp_path / color).mkdir()
        picture.save(tmp_path / color / "same.png")
    wanted = embed_images([red, blue], model=clip, progress=False).vectors
    sources = [[red], [blue], tmp_path / "red", tmp_path / "blue"]
    for number, source in enumerate(sources):
        found = embed_images(source, model=clip, out=out, progress=False)
        assert np.allclose(found.vectors[0], wanted[number % 2], atol=1e-5)
    red.save(tmp_path / "blue" / "same.png")  # a file that was changed
    again = embed_images(tmp_path / "blue", model=clip, out=out, progress=False)
    assert np.allclose(again.vectors[0], wanted[0], atol=1e-5)


def test_a_model_that_was_trained_on_is_another_recipe(clip, phi3, phi3_folder, tmp_path):
    import copy

    picture, out = Image.new("RGB", (30, 30), "red"), tmp_path / "table.parquet"
    embed_images([picture], model=clip, out=out, progress=False)
    trained = copy.deepcopy(clip)
    with torch.no_grad():
        for weight in trained.model.parameters():
            weight.add_(0.01)
    with pytest.raises(ValueError, match="weights"):
        embed_images([picture], model=trained, out=out, progress=False)
    # The vision part is the same on its own and in the whole model.
    whole = load_phi3_model(phi3_folder, language_model=True, dtype=torch.float32)
    marks = {as_encoder(model).provenance(PHI3_RECIPES["mean"])["weights"] for model in (phi3, whole)}
    assert len(marks) == 1


def test_what_is_on_disk_is_not_computed_again(clip, photos, tmp_path, monkeypatch):
    out = tmp_path / "photos.parquet"
    first = embed_images(photos, model=clip, out=out, progress=False)
    assert EmbeddingTable.load(out).ids == first.ids
    assert not Path(f"{out}.shards").exists()
    Image.new("RGB", (20, 20), "green").save(photos / "a" / "new.png")
    computed: list[int] = []
    encode = embed_module._encode_batch
    monkeypatch.setattr(
        embed_module, "_encode_batch", lambda *args: computed.append(len(args[2])) or encode(*args)
    )
    second = embed_images(photos, model=clip, out=out, progress=False)
    assert sum(computed) == 1
    assert len(second) == 41
    assert np.array_equal(second.select([second.ids.index(i) for i in first.ids]).vectors, first.vectors)


def test_an_interrupted_run_goes_on(clip, photos, tmp_path, monkeypatch):
    out = tmp_path / "photos.parquet"
    monkeypatch.setattr(store_module, "SHARD", 8)
    monkeypatch.setattr(embed_module, "TILES_AT_ONCE", 4)
    encode, calls = embed_module._encode_batch, []

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return encode(*args)

    monkeypatch.setattr(embed_module, "_encode_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        embed_images(photos, model=clip, out=out, progress=False)
    assert not out.exists()
    kept = sum(len(EmbeddingTable.load(shard)) for shard in Path(f"{out}.shards").glob("*.parquet"))
    assert kept == 16
    monkeypatch.setattr(embed_module, "_encode_batch", encode)
    resumed = embed_images(photos, model=clip, out=out, progress=False)
    whole = embed_images(photos, model=clip, progress=False)
    assert resumed.ids == whole.ids
    assert np.allclose(resumed.vectors, whole.vectors, atol=1e-5)
    assert dict(resumed.errors) == dict(whole.errors)


@pytest.mark.slow
def test_a_killed_run_goes_on_without_loss_or_duplicates(tmp_path, monkeypatch, python):
    from tests.real_layout import make_clip_checkpoint

    make_clip_checkpoint(tmp_path / "clip")
    (tmp_path / "many").mkdir()
    rng = np.random.default_rng(0)
    for number in range(300):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(
            tmp_path / "many" / f"{number:03}.png"
        )
    # The process ends itself at a chosen batch, as abruptly as from outside: nothing depends on its speed.
    program = (
        "import os, signal, sys\nfrom phi3lib import load_clip\n"
        "from phi3lib.embeddings import embed as e, store\n"
        "store.SHARD = 32; encode, left = e._encode_batch, int(sys.argv[1])\n"
        "def counted(*arguments):\n"
        "    global left\n    left -= 1\n"
        "    if left == 0:\n        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return encode(*arguments)\n"
        "e._encode_batch = counted\n"
        f"e.embed_images({str(tmp_path / 'many')!r}, model=load_clip({str(tmp_path / 'clip')!r}), "
        f"out={str(tmp_path / 'out.parquet')!r}, progress=False)\n"
    )
    killed = subprocess.run([*python, "-c", program, "5"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out.parquet").exists()
    shards = [EmbeddingTable.load(one) for one in (tmp_path / "out.parquet.shards").glob("*.parquet")]
    kept = sum(len(shard) for shard in shards)
    assert kept == 4 * 32  # all batches before the one that did not end
    computed, encode = [], embed_module._encode_batch

    def counted(*arguments):
        computed.append(arguments)
        return encode(*arguments)

    monkeypatch.setattr(store_module, "SHARD", 32)
    monkeypatch.setattr(embed_module, "_encode_batch", counted)
    clip = load_clip(tmp_path / "clip")
    embed_images(tmp_path / "many", model=clip, out=tmp_path / "out.parquet", progress=False)
    assert len(computed) == math.ceil((300 - kept) / 32)
    table = EmbeddingTable.load(tmp_path / "out.parquet")
    assert table.ids == tuple(f"{number:03}.png" for number in range(300))


def test_another_recipe_is_refused_and_not_mixed(clip, photos, tmp_path):
    out = tmp_path / "photos.parquet"
    embed_images(photos / "a", model=clip, out=out, progress=False)
    before = out.read_bytes()
    with pytest.raises(ValueError, match="pooling"):
        embed_images(photos / "a", model=clip, pooling="patches", out=out, progress=False)
    assert out.read_bytes() == before


def test_texts_share_the_space_of_pictures(clip, phi3):
    table = embed_texts(["a cat", "a dog"], model=clip)
    assert table.ids == ("a cat", "a dog")
    assert table.vectors.shape[1] == clip.model.config.projection_dim
    with pytest.raises(ValueError, match="no common space"):
        embed_texts(["a cat"], model=phi3)
    with pytest.raises(ValueError, match="no texts"):
        embed_texts([], model=clip)
    with pytest.raises(ValueError, match="'a cat' occurs 2 times.*list\\(dict.fromkeys"):
        embed_texts(["a cat", "a dog", "a cat"], model=clip)


def test_texts_in_the_space_of_the_language_model(phi3_folder):
    whole = load_phi3_model(phi3_folder, language_model=True, dtype=torch.float32)
    pictures = [Image.new("RGB", (40, 40), color) for color in ("red", "blue")]
    table = embed_images(pictures, model=whole, pooling="last token", progress=False)
    texts = embed_texts(["a red square", "two words"], model=whole)
    alone = embed_texts(["two words"], model=whole)
    assert texts.vectors.shape[1] == table.vectors.shape[1]
    assert np.allclose(texts.vectors[1], alone.vectors[0], atol=1e-4)
    assert texts.recipe["pooling"].startswith("last token") and "text" in texts.recipe["instruction"]
    assert len(search(table, whole, text="a red square")) == 2
    mean = embed_images(pictures, model=whole, progress=False)
    with pytest.raises(ValueError, match="pooling='last token'"):
        search(mean, whole, text="a red square")
