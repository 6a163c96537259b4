"""Layers of the tower: shapes, colours, the explorer's state and still picture."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from phi3lib import load_clip
from phi3lib.lab.lessons.layers import (
    LayerExplorer,
    LayerState,
    alike_across,
    layer_features,
    patch_colors,
)
from tests.real_layout import make_clip_checkpoint


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    make_clip_checkpoint(folder)
    return load_clip(folder)


@pytest.fixture(scope="module")
def pictures():
    return [Image.effect_noise((40, 40), 20 + 20 * n).convert("RGB") for n in range(7)]


@pytest.fixture(scope="module")
def features(clip, pictures):
    return layer_features(clip, pictures)


def test_one_state_before_and_one_behind_each_layer(clip, features, pictures):
    vision = clip.model.config.vision_config
    assert len(features) == vision.num_hidden_layers + 1
    patches = (vision.image_size // vision.patch_size) ** 2
    assert all(layer.shape == (len(pictures), 1 + patches, vision.hidden_size) for layer in features)


def test_patch_colors_fill_the_range_and_equal_patches_have_equal_colors():
    patches = np.random.default_rng(0).normal(size=(3, 16, 8)).astype(np.float32)
    patches[2] = patches[0]
    colors = patch_colors(patches)
    assert colors.shape == (3, 4, 4, 3)
    assert colors.min() == 0 and colors.max() == 1
    assert np.array_equal(colors[0], colors[2])


def test_patches_of_different_pictures_are_compared_and_never_those_of_one():
    up, across = [0.0, 2.0], [3.0, 0.0]
    patches = np.array([[up, across], [up, up], [across, up]], dtype=np.float32)
    on_thing = [[True, False], [True, False], [False, True]]
    alike = alike_across(patches, on_thing)
    assert alike["things"] == pytest.approx(1)  # all three point up
    assert alike["backgrounds"] == pytest.approx(1 / 3)  # across, up and across
    assert alike["one of each"] == pytest.approx(1 / 3)  # of three pictures, the second background alone
    alone = alike_across(patches[:2], on_thing[:2])
    assert alone == pytest.approx({"things": 1, "backgrounds": 0, "one of each": 0.5})


def test_a_patch_is_most_like_itself_and_others_are_sought_elsewhere(features):
    state = LayerState(features, layer=1, picture=2, patch=3)
    likeness = state.likeness()
    assert likeness[2].ravel()[3] == pytest.approx(1, abs=1e-5)
    found = state.best_elsewhere()
    assert all(picture != 2 for picture, _, _ in found)
    assert [cosine for *_, cosine in found] == sorted((cosine for *_, cosine in found), reverse=True)


def test_the_explorer_follows_its_sliders(pictures, features):
    explorer = LayerExplorer(pictures, features, layer=1)
    explorer.choose(layer=0, picture=4, row=1, column=1)
    state = explorer.state
    assert (state.layer, state.picture, state.patch) == (0, 4, state.side + 1)
    assert explorer.still().alt == explorer.live().sentence == state.sentence()


def test_layers_count_from_the_last_and_pictures_must_be_there(pictures, features):
    assert LayerExplorer(pictures, features, layer=-2).state.layer == len(features) - 2
    with pytest.raises(ValueError, match=f"no layer {len(features)}"):
        LayerExplorer(pictures, features, layer=len(features))
    with pytest.raises(ValueError, match="2 pictures but features of 7"):
        LayerExplorer(pictures[:2], features, layer=0)


def test_a_wide_picture_is_shown_as_the_tower_sees_it(features, pictures):
    wide = Image.new("RGB", (90, 40))
    wide.paste(pictures[0], (25, 0))
    assert LayerExplorer([wide] * 7, features, layer=0).pictures[0].tobytes() == pictures[0].tobytes()


def test_pictures_follow_the_tower_to_its_dtype(clip, pictures, features):
    half = replace(clip, model=copy.deepcopy(clip.model).to(torch.bfloat16))
    for one, exact in zip(layer_features(half, pictures), features, strict=True):
        np.testing.assert_allclose(one, exact, rtol=0.1, atol=0.1)
