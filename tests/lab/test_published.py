"""data/published: written and read with other weights in folders of their own, which are marked as tests."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers import CLIPConfig

from phi3lib import load_clip, load_phi3_model
from phi3lib.lab.lessons import a2_published
from phi3lib.lab.lessons.a2_photographs import QUERIES, free_photographs, items_of
from phi3lib.lab.lessons.a2_published import NotPublishedError, compute, published_name, save
from phi3lib.lab.lessons.a2_sizes import PHI3_TOWER
from phi3lib.lab.published_vectors import (
    FOLDER,
    MOST_BYTES,
    PUBLISHED_NAMES,
    RECORD,
    VECTORS,
    WIDTHS,
    as_half,
    checksums,
    folder_bytes,
    published,
    rounding_error,
    sha256,
)
from tests.hub_stand_in import HubStandIn, pointed_at
from tests.real_layout import make_clip_checkpoint, make_phi3_checkpoint

CHECKPOINTS = [
    {"name": name, "revision": None, "files": {"model.safetensors": hashlib.sha256(b"").hexdigest()}}
    for name in ("clip-small", "phi3-vision-small")
]
CONFIGS = json.loads((Path(__file__).parents[1] / "data" / "published_configs.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def computed():
    """Items, tables, queries and credits, with the bundled models in place of the published ones."""
    photographs = free_photographs()
    items = items_of(photographs)[:5]
    tables, queries = compute(items, QUERIES[:3], {"clip": load_clip(), "phi3": load_phi3_model()})
    return items, tables, queries, {name: credit for name, (_, credit) in photographs.items()}


@pytest.fixture
def folder(computed, tmp_path):
    """A folder of test vectors; `published(folder, test=True)` reads it."""
    return save(tmp_path / "published", *computed, checkpoints=CHECKPOINTS, test=True)


@pytest.fixture
def record(folder):
    return json.loads((folder / RECORD).read_text("utf-8"))


def write(folder, record):
    """The record, with the checksums of the files as they are now."""
    record["files"] = checksums(folder)
    (folder / RECORD).write_text(json.dumps(record), "utf-8")


def test_here_the_folder_is_empty_or_holds_published_weights_alone():
    found = published()
    if not FOLDER.exists():
        assert found is None
        return
    assert found is not None and folder_bytes(FOLDER) <= MOST_BYTES
    assert {table.recipe["model"] for table in found.tables.values()} <= set(PUBLISHED_NAMES)


def test_vectors_come_back_within_the_rounding_of_float16(folder, computed):
    items, tables, _, credits = computed
    found = published(folder, test=True)
    for name, table in tables.items():
        back = found.tables[name]
        assert back.ids == tuple(item.id for item in items)
        assert back.labels["photograph"].tolist() == [item.photograph for item in items]
        bound = rounding_error(table.vectors.shape[1])
        exact, rounded = table.unit().astype(float), back.vectors.astype(float)
        assert np.abs(exact @ exact.T - rounded @ rounded.T).max() <= bound
    assert found.queries["CLIP vector"].ids == QUERIES[:3]
    assert found.credits == credits
    assert found.made["processor"]


def test_thumbnails_are_the_images(folder, computed):
    found = published(folder, test=True)
    for item in computed[0]:
        small = found.thumbnail(item.id)
        assert max(small.size) == a2_published.THUMBNAIL
        exact = item.picture.convert("RGB").resize(small.size, Image.Resampling.BICUBIC)
        assert np.abs(np.asarray(exact, float) - np.asarray(small, float)).mean() < 12
    with pytest.raises(ValueError, match="there is no image 'no such'"):
        found.thumbnail("no such")


def test_all_photographs_here_fit_in_the_largest_size(folder, computed):
    """Vectors of the published widths, and thumbnails of all photographs with all pieces."""
    items = items_of(free_photographs())
    widths = (512, 768, 1024, 3072)
    per_item = sum(2 * width for width in widths) + 6_000
    assert len(items) * per_item + len(QUERIES) * 2 * 512 < MOST_BYTES / 3
    assert folder_bytes(folder) < len(computed[0]) * per_item + 60_000


def test_vectors_of_a_test_are_refused_as_published_ones(folder, computed, monkeypatch):
    with pytest.raises(ValueError, match="vectors of test weights, which are not published: remove it"):
        published(folder)
    monkeypatch.setattr("phi3lib.lab.published_vectors.FOLDER", folder)
    for attempt in (
        lambda: published(test=True),
        lambda: save(folder, *computed, checkpoints=CHECKPOINTS, test=True),
        lambda: a2_published.write_published(folder, test=True),
    ):
        with pytest.raises(ValueError, match="for vectors of published weights only"):
            attempt()


def test_other_weights_are_refused_whatever_the_record_says(folder, record, computed):
    record["weights"] = "published"
    write(folder, record)
    with pytest.raises(ValueError, match="no published checkpoint: remove it"):
        published(folder)
    for name, space in record["spaces"].items():
        space["model"] = next(one for one in PUBLISHED_NAMES if name in WIDTHS[one])
    write(folder, record)
    with pytest.raises(ValueError, match="CLIP vector of .* has 128 numbers, that of .* has 512"):
        published(folder)
    for name, space in record["spaces"].items():
        space["dimension"] = WIDTHS[space["model"]][name]
    write(folder, record)
    with pytest.raises(ValueError, match="lacks the checksums of openai/clip-vit-base-patch32"):
        published(folder)
    for one, name in zip(record["checkpoints"], (PUBLISHED_NAMES[2], PUBLISHED_NAMES[0]), strict=True):
        one["name"] = name
    write(folder, record)
    with pytest.raises(ValueError, match="CLIP vector of .* has 128 numbers, its record says 512"):
        published(folder)
    with pytest.raises(ValueError, match="no published checkpoint: remove it"):
        save(folder.parent / "new", *computed, checkpoints=CHECKPOINTS)
    assert not (folder.parent / "new").exists()


def test_the_widths_are_those_of_the_published_configurations():
    assert set(WIDTHS) == set(PUBLISHED_NAMES)
    configs = {one["config"]["_name_or_path"]: one["config"] for one in CONFIGS.values()}
    for name in PUBLISHED_NAMES[:2]:
        config = configs[name.split("/")[1]]
        assert WIDTHS[name]["Phi-3 tokens"] == config["hidden_size"]
        assert WIDTHS[name]["Phi-3 tower"] == config["img_processor"]["image_dim_out"]
    base = CLIPConfig()  # transformers' default is ViT-B/32
    widths = {"CLIP vector": base.projection_dim, "CLIP tower": base.vision_config.hidden_size}
    assert WIDTHS["openai/clip-vit-base-patch32"] == widths
    assert WIDTHS["openai/clip-vit-large-patch14-336"]["CLIP tower"] == PHI3_TOWER["hidden_size"]


@pytest.mark.parametrize("damage", ["cut", "record", "shape", "nan", "large", "format", "thumbnail", "more"])
def test_a_damaged_folder_is_refused_in_one_sentence(damage, folder, record):
    if damage == "cut":
        (folder / VECTORS).write_bytes((folder / VECTORS).read_bytes()[:100])
        write(folder, record)
    elif damage == "record":
        (folder / RECORD).write_text("{")
    elif damage == "shape":
        write(folder, record | {"items": record["items"][:-1]})
    elif damage == "nan":
        from safetensors.numpy import load_file, save_file

        vectors = load_file(folder / VECTORS)
        vectors["images/CLIP vector"][0, 0] = np.nan
        save_file(vectors, folder / VECTORS)
        write(folder, record)
    elif damage == "large":
        (folder / "more").write_bytes(bytes(MOST_BYTES))
    elif damage == "thumbnail":
        next((folder / "thumbnails").iterdir()).write_bytes(b"another picture")
    elif damage == "more":
        (folder / "more").write_bytes(b"")
    else:
        (folder / RECORD).write_text(json.dumps({**record, "format": 99}))
    with pytest.raises(ValueError) as caught:
        published(folder, test=True)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_none(tmp_path):
    assert published(tmp_path) is None


def test_vectors_that_no_cosine_can_take_are_refused():
    for bad in (np.zeros((1, 4)), np.full((1, 4), np.nan)):
        with pytest.raises(ValueError, match="nothing was written"):
            as_half(bad)


def test_an_old_folder_is_replaced_whole(folder, computed):
    (folder / "left over").write_text("old")
    save(folder, *computed, checkpoints=CHECKPOINTS, test=True)
    assert not (folder / "left over").exists() and published(folder, test=True) is not None


# ------------------------------------------------------------------------------- which weights may be written


def test_names_of_published_checkpoints():
    assert published_name("microsoft/Phi-3.5-vision-instruct") == "microsoft/Phi-3.5-vision-instruct"
    assert published_name("models/clip-vit-base-patch32") == "openai/clip-vit-base-patch32"
    assert published_name("clip-small") is None


def test_the_bundled_models_may_not_be_written(tmp_path):
    with pytest.raises(NotPublishedError, match="not the name of a published checkpoint"):
        a2_published.write_published(tmp_path / "published")
    assert list(tmp_path.iterdir()) == []


def test_a_published_name_with_other_weights_may_not_be_written(tmp_path):
    clip = load_clip()
    object.__setattr__(clip, "name", "openai/clip-vit-base-patch32")
    with pytest.raises(NotPublishedError, match="weights, the published checkpoint has 151,277,313"):
        a2_published.require_published_clip(clip)


def test_published_sizes_with_untrained_weights_may_not_be_written(monkeypatch):
    clip = load_clip()
    monkeypatch.setattr(a2_published, "_require_name_and_size", lambda name, network: None)
    with pytest.raises(NotPublishedError, match=r"the published CLIP at least 0\.9: nothing was written"):
        a2_published.require_published_clip(clip)
    phi3 = load_phi3_model(language_model=True)
    with pytest.raises(NotPublishedError, match="without any of"):
        a2_published.require_published_phi3(phi3)


def test_free_photographs_have_credits_and_unique_pieces():
    photographs = free_photographs()
    assert {"china", "flower"} <= set(photographs)
    items = items_of(photographs)
    assert len({item.id for item in items}) == len(items) == 13 * len(photographs)
    assert all(credit.license and credit.author for _, credit in photographs.values())
    assert len(set(QUERIES)) == len(QUERIES)


def test_photographs_of_scikit_image_are_taken_where_it_is_installed(monkeypatch, tmp_path):
    from phi3lib.lab.lessons import a2_photographs

    data = tmp_path / "data"
    data.mkdir()
    Image.new("L", (40, 30), 90).save(data / "camera.png")
    monkeypatch.setattr(a2_photographs, "scikit_image_folder", lambda: data)
    found = free_photographs()
    assert list(found) == ["china", "flower", "camera"]
    assert found["camera"][0].mode == "RGB" and found["camera"][1].license == "CC0"
    shutil.rmtree(data)
    assert list(free_photographs()) == ["china", "flower"]


def test_models_of_a_hub_stand_in_are_written_as_a_test_alone(tmp_path, monkeypatch):
    """The whole way of `make real`, with checkpoints of the published layout and random weights."""
    make_clip_checkpoint(tmp_path / "clip")
    make_phi3_checkpoint(tmp_path / "phi3", tokenizer=True)
    monkeypatch.setenv("PHI3LIB_MODELS", "real")
    monkeypatch.setattr(a2_published, "free_photographs", lambda: dict(list(free_photographs().items())[:1]))
    monkeypatch.setattr(a2_published, "items_of", lambda photographs: items_of(photographs)[:2])
    with HubStandIn() as hub, pointed_at(hub, tmp_path / "cache", monkeypatch.setattr):
        added = [
            hub.add("openai/clip-vit-base-patch32", tmp_path / "clip"),
            hub.add("microsoft/Phi-3.5-vision-instruct", tmp_path / "phi3"),
        ]
        with pytest.raises(NotPublishedError, match="weights, the published checkpoint has"):
            a2_published.write_published(tmp_path / "published")
        folder = a2_published.write_published(tmp_path / "marked", test=True)
    found = published(folder, test=True)
    assert found.weights == "test" and not (tmp_path / "published").exists()
    for one, repository in zip(found.checkpoints, added, strict=True):
        weights = list(repository.folder.glob("*.safetensors"))
        assert (one["name"], one["revision"]) == (repository.name, repository.commit)
        assert one["files"] == {path.name: sha256(path) for path in weights}
    with pytest.raises(ValueError, match="vectors of test weights"):
        published(folder)
