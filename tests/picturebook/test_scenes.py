"""Scenes and their questions: true answers, print as small as promised, a gallery that is the one drawn."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from picturebook.captions import PLACES
from picturebook.colors import COLORS
from picturebook.gallery import read_gallery, write_gallery
from picturebook.kinds import KINDS
from picturebook.pages.words import HELD_OUT_WORDS, TRAINED_WORDS
from picturebook.questions import NUMBERS, TOPICS, questions_of
from picturebook.scenes import CAPS, PRINT_KINDS, STYLES, Scene, close_up, draw_scene

DATA = Path(__file__).resolve().parents[2] / "data" / "pictures"
SMALL = {"tile": 112, "grid": (3, 3)}


def scenes(style: str, count: int = 60, **options: object) -> list[Scene]:
    return [draw_scene(number, style=style, **{**SMALL, **options}) for number in range(count)]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def many() -> dict[str, list[Scene]]:
    """Scenes by style."""
    return {style: scenes(style, 120) for style in STYLES}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("grid", [(1, 1), (2, 3), (4, 4)])
def test_a_scene_fills_its_grid(style: str, grid: tuple[int, int]) -> None:
    scene = draw_scene(1, style=style, tile=336, grid=grid)
    assert scene.image.size == (grid[1] * 336, grid[0] * 336)
    assert scene.image.tobytes() == draw_scene(1, style=style, tile=336, grid=grid).image.tobytes()


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="style"):
        draw_scene(0, style="poem")
    with pytest.raises(ValueError, match="print"):
        draw_scene(0, style="print", print_kind="poem")


def test_places_are_where_they_say(many: dict[str, list[Scene]]) -> None:
    for scene in many["things"]:
        for thing, place in zip(scene.things, scene.places, strict=True):
            across = (thing.box[0] + thing.box[2]) / 2 / scene.image.width
            down = (thing.box[1] + thing.box[3]) / 2 / scene.image.height
            for share, low, high in ((across, "left", "right"), (down, "top", "bottom")):
                assert (low in place) == (share < 0.42), (place, share)
                assert (high in place) == (share > 0.58), (place, share)


def test_things_in_one_scene_have_kinds_and_colors_of_their_own(many: dict[str, list[Scene]]) -> None:
    for scene in many["things"]:
        names = {thing.kind.name for thing in scene.things}
        colors = {thing.look.color.name for thing in scene.things}
        assert len(names) == len(colors)
        assert len(names) in (1, len(scene.things))


@pytest.mark.parametrize("kind", PRINT_KINDS)
def test_print_has_the_height_that_it_says(kind: str) -> None:
    for scene in scenes("print", 30, print_kind=kind):
        for piece in scene.prints:
            assert CAPS[0] <= piece.cap_height <= CAPS[1]
            assert piece.kind == kind
            left, top, right, bottom = piece.box
            pixels = np.asarray(scene.image)[top:bottom, left:right].astype(int)
            rows = np.flatnonzero((np.abs(pixels - pixels[0, 0]).sum(-1) > 200).any(1))
            assert abs((rows[-1] - rows[0] + 1) - piece.cap_height) <= (
                4 if "Q" in piece.text or "J" in piece.text else 1
            )


def test_held_out_scenes_print_held_out_words() -> None:
    for split, words in (("train", TRAINED_WORDS), ("held-out", HELD_OUT_WORDS)):
        for scene in scenes("print", 30, split=split, print_kind="word"):
            assert {piece.text for piece in scene.prints} <= set(words)


def test_questions_have_true_answers(many: dict[str, list[Scene]]) -> None:
    rng = np.random.default_rng(0)
    topics = set()
    for style in STYLES:
        for scene in many[style]:
            said = [thing.kind.name for thing in scene.things]
            for question in questions_of(scene, rng):
                topics.add(question.topic)
                assert question.answer
                if question.topic == "where":
                    assert question.answer in PLACES.values()
                if question.topic == "side":
                    assert question.answer in ("left", "right", "top", "bottom")
                    spot = scene.places[[thing.box for thing in scene.things].index(question.box)]
                    assert question.answer in spot
                if question.topic == "colour":
                    assert question.answer in COLORS
                if question.topic == "count":
                    shown = len(scene.things) or len(scene.prints)
                    assert question.answer == NUMBERS[shown]
                if question.topic == "relation":
                    assert any(name in question.answer for name in said)
                if question.topic == "print":
                    assert question.answer in {piece.text for piece in scene.prints}
                    assert question.box in {piece.box for piece in scene.prints}
    assert topics == set(TOPICS)


def test_no_question_has_two_answers(many: dict[str, list[Scene]]) -> None:
    rng = np.random.default_rng(1)
    for style in STYLES:
        for scene in many[style]:
            answers: dict[str, str] = {}
            for question in questions_of(scene, rng):
                assert answers.setdefault(question.text, question.answer) == question.answer


def test_the_gallery_is_the_one_that_is_drawn(tmp_path: Path) -> None:
    kept, drawn = read_gallery(DATA), None
    assert {picture.kind for picture in kept} >= set(KINDS)
    for picture in kept:
        assert hashlib.sha256(picture.path.read_bytes()).hexdigest() == picture.sha256
    write_gallery(tmp_path)
    drawn = read_gallery(tmp_path)
    assert [(p.path.name, p.caption, p.kind) for p in drawn] == [
        (p.path.name, p.caption, p.kind) for p in kept
    ]
    # Another version of FreeType may shade an edge differently, but never more.
    for ours, theirs in zip(kept[::7], drawn[::7], strict=True):
        difference = np.abs(np.asarray(ours.open()).astype(int) - np.asarray(theirs.open()).astype(int))
        assert difference.mean() < 2


def test_a_folder_without_a_gallery_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"captions\.jsonl"):
        read_gallery(tmp_path)


@pytest.mark.parametrize("number", range(40))
def test_a_close_up_shows_one_kind_and_says_so_always_alike(number):
    scene = close_up(number)
    assert scene.image.size == (224, 224)
    assert len({thing.kind.name for thing in scene.things}) == 1
    first = scene.things[0]
    assert scene.caption.endswith(f"{scene.background.name} background")
    if first.kind.takes_color:
        assert first.look.color.name in scene.caption
    asked = {question.topic: question for question in questions_of(scene, np.random.default_rng(number))}
    assert asked["caption"].answer == scene.caption
    assert asked["count"].answer == NUMBERS[len(scene.things)]


def test_close_ups_know_every_family():
    missing = {kind.family for kind in KINDS.values()}
    for number in range(600):
        missing.discard(close_up(number).things[0].kind.family)
        if not missing:
            return
    raise AssertionError(missing)
