"""data/published: written and read with bundled models in a folder of its own; empty if nobody filled it."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from phi3lib import load_clip, load_phi3_model
from phi3lib.lab.lessons import a2_published
from phi3lib.lab.lessons.a2_photographs import QUERIES, free_photographs, items_of
from phi3lib.lab.lessons.a2_published import NotPublishedError, compute, published_name, save
from phi3lib.lab.published import (
    FOLDER,
    MOST_BYTES,
    PUBLISHED_NAMES,
    RECORD,
    VECTORS,
    as_half,
    folder_bytes,
    published,
    rounding_error,
)


@pytest.fixture(scope="module")
def computed():
    """Items, tables, queries and credits, with the bundled models in place of the published ones."""
    photographs = free_photographs()
    items = items_of(photographs)[:5]
    tables, queries = compute(items, QUERIES[:3], {"clip": load_clip(), "phi3": load_phi3_model()})
    return items, tables, queries, {name: credit for name, (_, credit) in photographs.items()}


@pytest.fixture
def folder(computed, tmp_path, monkeypatch):
    """A folder as it would be written, under the name of a published checkpoint."""
    monkeypatch.setattr(a2_published, "published_name", lambda name: PUBLISHED_NAMES[0])
    return save(tmp_path / "published", *computed)


def test_here_the_folder_is_empty_or_holds_published_weights_alone():
    found = published()
    if not FOLDER.exists():
        assert found is None
        return
    assert found is not None and folder_bytes(FOLDER) <= MOST_BYTES
    assert {table.recipe["model"] for table in found.tables.values()} <= set(PUBLISHED_NAMES)


def test_vectors_come_back_within_the_rounding_of_float16(folder, computed):
    items, tables, _, credits = computed
    found = published(folder)
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
    found = published(folder)
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


def test_what_was_made_with_other_weights_is_refused(computed, tmp_path):
    with pytest.raises(ValueError, match="no published checkpoint: remove it"):
        save(tmp_path / "published", *computed)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "record", "shape", "nan", "large", "format"])
def test_a_damaged_folder_is_refused_in_one_sentence(damage, folder, monkeypatch):
    record = json.loads((folder / RECORD).read_text())
    if damage == "cut":
        (folder / VECTORS).write_bytes((folder / VECTORS).read_bytes()[:100])
    elif damage == "record":
        (folder / RECORD).write_text("{")
    elif damage == "shape":
        record["items"] = record["items"][:-1]
        (folder / RECORD).write_text(json.dumps(record))
    elif damage == "nan":
        from safetensors.numpy import load_file, save_file

        vectors = load_file(folder / VECTORS)
        vectors["images/CLIP vector"][0, 0] = np.nan
        save_file(vectors, folder / VECTORS)
    elif damage == "large":
        (folder / "more").write_bytes(bytes(MOST_BYTES))
    else:
        (folder / RECORD).write_text(json.dumps({**record, "format": 99}))
    with pytest.raises(ValueError) as caught:
        published(folder)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_none(tmp_path):
    assert published(tmp_path) is None


def test_vectors_that_no_cosine_can_take_are_refused():
    for bad in (np.zeros((1, 4)), np.full((1, 4), np.nan)):
        with pytest.raises(ValueError, match="nothing was written"):
            as_half(bad)


def test_an_old_folder_is_replaced_whole(folder, computed, monkeypatch):
    (folder / "left over").write_text("old")
    save(folder, *computed)
    assert not (folder / "left over").exists() and published(folder) is not None


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
    assert all(credit.licence and credit.author for _, credit in photographs.values())
    assert len(set(QUERIES)) == len(QUERIES)


def test_photographs_of_scikit_image_are_taken_where_it_is_installed(monkeypatch, tmp_path):
    from phi3lib.lab.lessons import a2_photographs

    data = tmp_path / "data"
    data.mkdir()
    Image.new("L", (40, 30), 90).save(data / "camera.png")
    monkeypatch.setattr(a2_photographs, "_skimage_folder", lambda: data)
    found = free_photographs()
    assert list(found) == ["china", "flower", "camera"]
    assert found["camera"][0].mode == "RGB" and found["camera"][1].licence == "CC0"
    shutil.rmtree(data)
    assert list(free_photographs()) == ["china", "flower"]
