"""Folders to tables: each picture once, broken ones reported, runs resumed, recipes not mixed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from phi3lib import load_phi3_model
from phi3lib.vectors import embed as embed_module
from phi3lib.vectors.embed import embed_images, embed_texts
from phi3lib.vectors.pooling import (
    CLIP_RECIPES,
    CROP,
    GLOBAL,
    PHI3_RECIPES,
    SEPARATOR,
    phi3_crops,
    phi3_global,
    phi3_mean,
    recipe_of,
    token_views,
)
from phi3lib.vectors.table import EmbeddingTable
from phi3lib.vision.hd_transform import TileGeometry, count_image_tokens, hd_grid
from phi3lib.vision.token_map import TokenKind, token_at

BROKEN = {"notes.txt", "empty.jpg", "cut.png", "wide.png"}


def test_a_folder_becomes_a_table_and_what_is_broken_is_reported(clip, photos):
    table = embed_images(photos, model=clip, progress=False)
    assert len(table) == 40
    assert list(table.ids) == sorted(table.ids)
    assert {name for name, _ in table.errors} == BROKEN
    reasons = dict(table.errors)
    assert "empty" in reasons["empty.jpg"]
    assert "no picture" in reasons["notes.txt"]
    single = clip.image_features(Image.open(photos / table.ids[7])).numpy()[0]
    assert np.allclose(table.vectors[7], single, atol=1e-5)


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
    alone = recipe_of(phi3, name).encode(phi3, [Image.open(files[2]).convert("RGB")])
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
        parts = crops * phi3_crops(phi3, [picture]) + whole * phi3_global(phi3, [picture])
        assert torch.allclose(parts / (crops + whole), phi3_mean(phi3, [picture]), atol=1e-5)


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
        recipe_of(clip, "mean")


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
    with pytest.raises(ValueError, match="no pictures"):
        embed_images([], model=clip, progress=False)
    with pytest.raises(ValueError, match="comes twice"):
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


def test_orientation_of_a_camera_is_honoured(clip, tmp_path):
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 255, (20, 30, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    picture.save(tmp_path / "turned.png", exif=exif)
    picture.rotate(-90, expand=True).save(tmp_path / "upright.png")
    table = embed_images(tmp_path, model=clip, progress=False)
    assert np.allclose(table.vectors[0], table.vectors[1], atol=1e-5)


# ------------------------------------------------------------------------------- on disk


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
    monkeypatch.setattr(embed_module, "SHARD", 8)
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
def test_a_killed_run_goes_on_without_loss_or_duplicates(tmp_path):
    from tests.real_layout import make_clip_checkpoint

    make_clip_checkpoint(tmp_path / "clip")
    (tmp_path / "many").mkdir()
    rng = np.random.default_rng(0)
    for number in range(600):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(
            tmp_path / "many" / f"{number:03}.png"
        )
    program = (
        "import sys, time; from phi3lib import load_clip; from phi3lib.vectors import embed as e\n"
        "e.SHARD = 32; encode = e._encode_batch\n"
        "e._encode_batch = lambda *a: time.sleep(float(sys.argv[1])) or encode(*a)\n"
        f"e.embed_images({str(tmp_path / 'many')!r}, model=load_clip({str(tmp_path / 'clip')!r}), "
        f"out={str(tmp_path / 'out.parquet')!r}, progress=False)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, "0.3"], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    shards = tmp_path / "out.parquet.shards"
    for _ in range(600):
        if len(list(shards.glob("*.parquet"))) >= 2:
            break
        time.sleep(0.1)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "out.parquet").exists()
    subprocess.run([sys.executable, "-c", program, "0"], check=True)
    table = EmbeddingTable.load(tmp_path / "out.parquet")
    assert table.ids == tuple(f"{number:03}.png" for number in range(600))


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
