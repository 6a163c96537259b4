"""The search box: its state without a browser, its reasons, its still picture."""

import json

import numpy as np
import pytest
from PIL import Image, ImageOps

from phi3lib import load_clip
from phi3lib.embeddings.embed import embed_images
from phi3lib.embeddings.explain import patch_likeness
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.lab.widgets.base import middle_square
from phi3lib.lab.widgets.search_box import SearchBox, SearchState
from phi3lib.vision.inputs import printable
from tests.hostile_strings import HOSTILE
from tests.real_layout import make_clip_checkpoint


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    make_clip_checkpoint(folder)
    return load_clip(folder)


@pytest.fixture(scope="module")
def pictures():
    return [Image.effect_noise((40, 40), 10 + 20 * n).convert("RGB") for n in range(7)]


@pytest.fixture
def table(clip, pictures):
    return embed_images(pictures, model=clip, progress=False)


def test_text_picture_and_mixture(clip, table):
    state = SearchState(table, clip, "noise")
    by_text = [hit.id for hit in state.hits()]
    state.text, state.picture = "", 3
    assert state.hits()[0].id == "3"
    state.text, state.weight = "noise", 1.0
    assert [hit.id for hit in state.hits()] == by_text
    assert "“noise” and picture 3" in state.sentence()


def test_an_empty_query_finds_nothing(clip, table):
    state = SearchState(table, clip, " ")
    assert state.hits() == []
    assert "(empty)" in state.sentence()


def test_patches_have_one_cosine_each(clip, table, pictures):
    likeness = patch_likeness(clip, pictures[0], table.vectors[0])
    side = clip.model.config.vision_config.image_size // clip.model.config.vision_config.patch_size
    assert likeness.shape == (side, side)
    assert np.abs(likeness).max() <= 1 + 1e-5
    assert np.allclose(likeness, patch_likeness(clip, pictures[0], 5 * table.vectors[0]), atol=1e-5)


@pytest.mark.filterwarnings("ignore:1 of 1 texts")
def test_any_text_is_a_query_and_a_name(clip, table, pictures):
    texts = list(HOSTILE.values())
    vectors = np.resize(table.vectors, (len(texts), table.vectors.shape[1]))
    named = EmbeddingTable(vectors, texts, recipe=table.recipe)
    box = SearchBox(named, [pictures[row % len(pictures)] for row in range(len(texts))], clip)
    offered = box.live().controls[1]["texts"]
    assert offered == ["none", *map(printable, texts)]
    for row, text in enumerate(texts):
        box.state.text, box.state.picture = text, row
        assert len(box.state.hits()) == 6
        assert text.strip() in box.state.sentence() and named.ids[row] in box.state.sentence()
    box.state.picture = None
    html = box.still().to_html().encode().decode()
    assert html.count("<") == 1 and html.count(">") == 1
    json.dumps(box.live().get_state(), ensure_ascii=False, default=str).encode()


def test_the_box_follows_its_controls(clip, table, pictures):
    box = SearchBox(table, pictures, clip, text="noise")
    box.choose(text="<b>bold</b> and $5", picture=2, weight=0.25)
    assert (box.state.text, box.state.picture, box.state.weight) == ("<b>bold</b> and $5", 2, 0.25)
    assert box.live().sentence == box.still().alt == box.state.sentence()
    box.choose(text="word " * 500)  # more than the model reads
    assert box.live().sentence == box.state.sentence()
    box.choose(text=" ", picture=None)
    assert "nothing" in box.live().sentence


def test_the_parts_of_wide_pictures_lie_where_clip_sees_them(clip, table, pictures):
    wide = [ImageOps.expand(picture, (30, 0)) for picture in pictures]
    box = SearchBox(table, wide, clip, text="noise")
    assert box.still().alt == SearchBox(table, pictures, clip, text="noise").still().alt
    row = box.state.hits()[0].row
    assert middle_square(wide[row]).tobytes() == pictures[row].tobytes()


@pytest.mark.parametrize(
    ("odd", "said"), [({"weight": 2.0}, "between 0 and 1"), ({"picture": 7}, "no picture 7")]
)
def test_odd_queries_are_refused(clip, table, odd, said):
    with pytest.raises(ValueError, match=said):
        SearchState(table, clip, "noise", **odd)


def test_pictures_must_fit_the_table(clip, table, pictures):
    with pytest.raises(ValueError, match="2 pictures"):
        SearchBox(table, pictures[:2], clip)
