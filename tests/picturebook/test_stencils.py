"""Stencils: exact sizes, one silhouette for each kind, visible on every ground."""

from itertools import combinations, product

import numpy as np
import pytest
from PIL import Image

from picturebook.colors import COLORS
from picturebook.kind import PATTERNS, Kind, Look
from picturebook.pages import PAGE_KINDS
from picturebook.stencils import STENCIL_KINDS
from picturebook.stencils.pen import BODY, CUT, PAPER, Pen

by_name = pytest.mark.parametrize("kind", STENCIL_KINDS, ids=lambda kind: kind.name)


def drawn(
    kind: Kind, color: str = "red", pattern: str = "plain", side: int = 90, seed: int = 0
) -> Image.Image:
    return kind.draw(Look(COLORS[color], pattern), side, np.random.default_rng(seed)).image


@by_name
def test_the_longer_side_is_the_one_asked_for(kind: Kind) -> None:
    for side, seed in product((28, 129), range(3)):
        assert max(drawn(kind, side=side, seed=seed).size) == side


@by_name
def test_the_same_seed_draws_the_same(kind: Kind) -> None:
    assert drawn(kind, seed=4).tobytes() == drawn(kind, seed=4).tobytes()


@by_name
def test_the_color_that_is_asked_for_is_there(kind: Kind) -> None:
    for color in ("red", "white", "black"):
        rgba = np.asarray(drawn(kind, color)).astype(int)
        solid = rgba[rgba[..., 3] == 255][:, :3]
        share = (np.abs(solid - COLORS[color].rgb).sum(1) < 12).mean()
        assert share > 0.1, share


@by_name
def test_white_on_white_and_black_on_black_stay_visible(kind: Kind) -> None:
    for color in ("white", "black"):
        picture = drawn(kind, color, side=40)
        ground = Image.new("RGB", picture.size, COLORS[color].rgb)
        ground.paste(picture, (0, 0), picture)
        far = np.abs(np.asarray(ground).astype(int) - COLORS[color].rgb).max(-1) > 40
        assert far.mean() > 0.03


@by_name
def test_patterns_show(kind: Kind) -> None:
    plain, *others = (
        np.asarray(drawn(kind, "blue", pattern, side=80, seed=1)).astype(int) for pattern in PATTERNS
    )
    for other in others:
        assert (np.abs(other - plain).max(-1) > 40).mean() > 0.03


def test_no_name_stands_for_two_kinds() -> None:
    names = [name for kind in (*STENCIL_KINDS, *PAGE_KINDS) for name in (kind.name, *kind.synonyms)]
    assert len(set(names)) == len(names)
    french = [kind.french for kind in (*STENCIL_KINDS, *PAGE_KINDS)]
    assert len(set(french)) == len(french)


def test_no_two_kinds_look_alike() -> None:
    grays = {}
    for kind in STENCIL_KINDS:
        picture = drawn(kind, "grey", side=48, seed=1)
        ground = Image.new("RGB", (48, 48), "white")
        ground.paste(picture, ((48 - picture.width) // 2, (48 - picture.height) // 2), picture)
        grays[kind.name] = np.asarray(ground.convert("L")).astype(int)
    for (first, a), (second, b) in combinations(grays.items(), 2):
        # A wink is one eye of a happy face, the least that two kinds differ by.
        assert (np.abs(a - b) > 50).mean() > 0.015, (first, second)


def test_what_may_not_be_mirrored_is_not() -> None:
    arrow = next(kind for kind in STENCIL_KINDS if kind.name == "arrow pointing right")
    for seed in range(12):
        alpha = np.asarray(drawn(arrow, seed=seed))[..., 3] > 128
        columns = alpha.sum(0)
        assert columns[: len(columns) // 4].max() < columns[len(columns) // 2 :].max()
        assert columns[-3:].max() < columns[len(columns) // 2]


def test_what_is_drawn_later_covers() -> None:
    pen = Pen(100)
    pen.box(0, 0, 100, 100)
    pen.box(20, 20, 80, 80, ink=PAPER)
    pen.oval(50, 50, 10, ink=CUT)
    at = {
        point: pen.image.getpixel((point[0] + 10, point[1] + 10)) for point in ((10, 10), (30, 30), (50, 50))
    }
    assert at == {(10, 10): BODY, (30, 30): PAPER, (50, 50): CUT}
