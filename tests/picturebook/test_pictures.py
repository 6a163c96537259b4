"""Small pictures: deterministic, within their splits, with captions that are true."""

import numpy as np
import pytest

from picturebook import captions
from picturebook.colors import COLORS
from picturebook.kinds import FAMILIES, KINDS
from picturebook.pages.words import HELD_OUT_WORDS, TRAINED_WORDS
from picturebook.pictures import SIDE, Picture, colors_apart, draw_picture, draw_word
from picturebook.splits import RELATIONS, SPLITS, held_out, rng_of

SOME = range(300)


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [draw_picture(number) for number in SOME]


def test_there_are_enough_kinds_and_families() -> None:
    assert len(KINDS) >= 100
    assert len(FAMILIES) >= 10


def test_a_picture_is_drawn_from_its_split_and_number_alone(pictures: list[Picture]) -> None:
    for number in (0, 7, 123):
        again = draw_picture(number)
        assert again.image.tobytes() == pictures[number].image.tobytes()
        assert again.caption == pictures[number].caption


def test_splits_differ() -> None:
    drawn = {split: draw_picture(3, split=split).image.tobytes() for split in SPLITS}
    assert len(set(drawn.values())) == len(SPLITS)


@pytest.mark.parametrize(("split", "number"), [("validation", 0), ("train", -1)])
def test_what_is_no_picture_is_refused(split: str, number: int) -> None:
    with pytest.raises(ValueError):
        rng_of(split, number)


@pytest.mark.parametrize("split", ["train", "test"])
def test_held_out_combinations_are_not_drawn(split: str) -> None:
    for number in SOME:
        for thing in draw_picture(number, split=split).things:
            if thing.kind.takes_color:
                assert not held_out(thing.kind.name, thing.look.color.name)


def test_the_held_out_split_has_nothing_else() -> None:
    for number in SOME:
        (thing,) = draw_picture(number, split="held-out").things
        assert held_out(thing.kind.name, thing.look.color.name)


def test_about_a_tenth_is_held_out_and_every_kind_keeps_enough_colors() -> None:
    colored = [kind.name for kind in KINDS.values() if kind.takes_color]
    held = [[held_out(name, color) for color in COLORS] for name in colored]
    assert 0.07 < np.mean(held) < 0.13
    assert max(map(sum, held)) <= 6
    assert 0.05 < np.mean([held_out(name, relation) for name in colored for relation in RELATIONS]) < 0.15


def test_captions_name_what_is_there(pictures: list[Picture]) -> None:
    for picture in pictures:
        for thing in picture.things[:1]:
            names = (thing.kind.name, thing.kind.plural, *thing.kind.synonyms)
            said = thing.kind.describe(thing.facts) if thing.kind.describe else thing.kind.name
            assert any(name in picture.caption for name in (*names, said)), picture.caption


def test_counts_are_true(pictures: list[Picture]) -> None:
    several = [p for p in pictures if len(p.things) > 1 and len({t.kind.name for t in p.things}) == 1]
    assert len(several) > 10
    for picture in several:
        assert captions.COUNTS[len(picture.things)] in picture.caption.split()


def test_relations_are_true() -> None:
    seen = set()
    for number in range(900):
        picture = draw_picture(number)
        relation = next((r for r in RELATIONS if f" {r} " in picture.caption), None)
        if relation is None:
            continue
        first, second = (thing.box for thing in picture.things)
        seen.add(relation)
        assert {
            "left of": first[2] <= second[0] + 1,
            "right of": second[2] <= first[0] + 1,
            "above": first[3] <= second[1] + 1,
            "below": second[3] <= first[1] + 1,
        }[relation]
        assert not held_out(picture.kind.name, relation)
    assert seen == set(RELATIONS)


def test_things_can_be_told_from_their_background(pictures: list[Picture]) -> None:
    for picture in pictures:
        for thing in picture.things:
            if thing.kind.takes_color:
                assert colors_apart(thing.look.color, picture.background)


def test_things_lie_inside_the_picture_and_do_not_cover_each_other(pictures: list[Picture]) -> None:
    for picture in pictures:
        for thing in picture.things:
            left, top, right, bottom = thing.box
            assert 0 <= left < right <= SIDE
            assert 0 <= top < bottom <= SIDE
        for one, other in zip(picture.things, picture.things[1:], strict=False):
            apart_across = one.box[2] <= other.box[0] or other.box[2] <= one.box[0]
            apart_down = one.box[3] <= other.box[1] or other.box[3] <= one.box[1]
            assert apart_across or apart_down


def test_the_easiest_pictures_are_dark_on_white_large_and_central() -> None:
    for number in SOME:
        (thing,) = draw_picture(number, difficulty=0.0).things
        left, top, right, bottom = thing.box
        assert max(right - left, bottom - top) >= 0.7 * SIDE
        assert abs(left + right - SIDE) < 4
        assert abs(top + bottom - SIDE) < 4
        if thing.kind.takes_color:
            assert sum(thing.look.color.rgb) < 400  # the darkest that is not held out


def test_every_kind_can_be_asked_for() -> None:
    for name, kind in KINDS.items():
        assert draw_picture(1, kind=kind).kind.name == name


def test_a_kind_without_colors_of_its_own_has_nothing_held_out() -> None:
    with pytest.raises(ValueError, match="held out"):
        draw_picture(0, split="held-out", kind=KINDS["flag of Japan"])


def test_words_keep_to_their_split() -> None:
    trained = {str(draw_word(number).things[0].facts["text"]) for number in SOME}
    unseen = {str(draw_word(number, split="held-out").things[0].facts["text"]) for number in SOME}
    assert trained <= set(TRAINED_WORDS)
    assert unseen == set(HELD_OUT_WORDS)


def test_articles() -> None:
    assert captions.class_phrase(KINDS["umbrella"]) == "an umbrella"
    assert captions.class_phrase(KINDS["umbrella"], "yellow") == "a yellow umbrella"


def test_french_agrees_with_its_noun() -> None:
    assert captions.french_phrase(KINDS["house"], "white") == "une maison blanche"
    assert captions.french_phrase(KINDS["cat"], "green") == "un chat vert"
    assert captions.french_phrase(KINDS["cat"]) == "un chat"
