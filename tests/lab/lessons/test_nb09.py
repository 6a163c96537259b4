"""Notebook 09's lessons: questions with their places, pairs, what is hidden, what the lens reads."""

import re
from dataclasses import replace

import numpy as np
import pytest

from phi3lib import load_phi3_model
from phi3lib.lab.figures import plots
from phi3lib.lab.figures.attention_plots import show_heads, view_of_weights
from phi3lib.lab.lessons import nb09_asking as asking
from phi3lib.lab.lessons import nb09_looking as looking
from phi3lib.vision.token_map import TokenKind
from picturebook.pages.words import HELD_OUT_WORDS, TRAINED_WORDS
from picturebook.scenes import CAPS

TILE = 112


@pytest.fixture(scope="module")
def phi3():
    return load_phi3_model(language_model=True)


@pytest.fixture(scope="module")
def looked(phi3):
    return [looking.look(phi3, item) for item in asking.items_about("colour", 3, TILE, least_things=3)]


def test_items_are_about_their_topic_and_come_again(monkeypatch):
    for topic, style in (("colour", "things"), ("print", "print"), ("total", "page")):
        first, second = (asking.items_about(topic, 3, TILE, style=style) for _ in range(2))
        assert [one.question for one in first] == [one.question for one in second]
        assert {one.question.topic for one in first} == {topic}
        assert all(one.image.width == one.grid[1] * TILE for one in first)
    some = asking.items_about("colour", 5, TILE, least_things=3)
    assert all(len(one.scene.things) >= 3 and one.question.box for one in some)
    monkeypatch.setattr(asking, "MOST_TRIED", 5)
    with pytest.raises(ValueError, match="have a question of 'highest'"):
        asking.items_about("highest", 1, 28, style="things")


def test_the_thing_of_a_pair_is_in_one_picture_only():
    for number, pair in enumerate(asking.pairs(6, TILE)):
        assert pair.about == number % 2
        assert pair.images[0] is not pair.images[1]


def test_pairs_are_scored_beside_their_control(phi3):
    scores = asking.pair_scores(phi3, asking.pairs(4, TILE))
    assert list(scores) == ["both images", "its own image", "the other image"]
    assert scores["its own image"].value > scores["the other image"].value


def test_typed_text_is_drawn_or_refused(phi3):
    assert asking.typed("MUSEUM", TILE).size == (3 * TILE, 3 * TILE)
    assert np.asarray(asking.typed("A", TILE)).std() > 0
    for wrong, named in ((" ", "is empty"), ("W" * 60, "shorten it")):
        with pytest.raises(ValueError, match=named):
            asking.typed(wrong, TILE)


def test_shares_and_commonest():
    assert asking.share_of_letters("MOTEL", "MUSIC") == 0.2
    text, share = asking.commonest(["a", "b", "a", "c"])
    assert (text, share.value) == ("a", 0.5)


def test_the_card_names_its_weakest_topic_first():
    topics = asking.card_topics()
    assert {"kind", "colour", "where", "side", "count", "relation"} <= set(topics)
    assert list(topics.values()) == sorted(topics.values()) and not any("caption" in name for name in topics)


def test_scores_of_pages_know_the_level_of_chance():
    kinds, highest, titles = (
        asking.items_about(topic, 3, TILE, style="page") for topic in ("kind", "highest", "title")
    )
    scores = {
        name: asking.page_scores(items, [items[0].question.answer] * 3)
        for name, items in (("kind", kinds), ("highest", highest), ("title", titles))
    }
    assert scores["kind"].chance == pytest.approx(1 / 7)
    bars = [len(one.scene.facts["categories"]) for one in highest]
    assert scores["highest"].chance == pytest.approx(np.mean([1 / count for count in bars]))
    assert scores["title"].chance is None and all(one.value >= 1 / 3 for one in scores.values())
    assert asking.in_words({"kind": scores["kind"]}) == f"kind {scores['kind'].value:.2f}"


def test_effects_are_told_for_heads_with_little_and_with_much_weight():
    weights = np.array([[0.05, 0.9], [0.5, 0.2]])
    heads = [(0, 0), (0, 1), (1, 0), (1, 1)]
    drops = np.array([[0.2, 0.4], [3.0, 1.0], [0.0, 0.2], [9.0, 9.0]])
    assert looking.effects_by_weight(heads, weights, drops).splitlines() == [
        "weight on the thing below 0.1 (heads: 1): falls of 0.30 to 0.30 nats",
        "weight on the thing above 0.4 (heads: 2): falls of 0.10 to 2.00 nats",
        "The ranges overlap: what a head of the first line reads can have as much effect as what "
        "one of the second reads.",
    ]
    apart = looking.effects_by_weight(heads, weights, np.array([[0.0], [3.0], [2.0], [9.0]]))
    assert apart.splitlines()[-1].startswith("The ranges do not overlap:")
    one_kind = looking.effects_by_weight(heads[1:3], weights, drops[1:3])
    assert one_kind.count("nats") == 1 and "overlap" not in one_kind


def test_small_words_differ_in_the_words_alone(monkeypatch):
    monkeypatch.setattr(asking, "asked", lambda phi3, items: ["?"] * len(items))
    words = asking.small_words(None, 4, TILE)
    for (items, said), vocabulary in zip(words.values(), (TRAINED_WORDS, HELD_OUT_WORDS), strict=True):
        assert len(items) == len(said) == 4
        assert {one.question.answer for one in items} <= set(vocabulary)
        assert all(CAPS[0] <= piece.cap_height <= CAPS[1] for one in items for piece in one.scene.prints)


def test_wrong_answers_stand_beside_the_right_ones():
    items = asking.items_about("print", 3, TILE, style="print")
    right = [one.question.answer for one in items]
    assert asking.wrong_ones(items, right) == "none"
    assert asking.wrong_ones(items, ["X", *right[1:]]) == f"'X' for {right[0]!r}"
    assert asking.wrong_ones(items, ["X"] * 3, most=1) == f"'X' for {right[0]!r}"


def test_columns_of_the_thing_are_visual_and_see_it(looked):
    for one in looked:
        assert set(one.inside) < set(one.visual)
        crops = looking.columns_of_the_thing(one.asked, one.item, crops_only=True)
        assert set(crops) < set(one.inside)
        heat = np.zeros(len(one.asked.input_ids))
        heat[list(crops)] = 1
        left, top, right, bottom = one.item.question.box
        seen = view_of_weights(one.asked.pictures[0], heat, TokenKind.CROP)
        assert seen[(top + bottom) // 2 // 28, (left + right) // 2 // 28] == 1
        assert view_of_weights(one.asked.pictures[0], heat, TokenKind.GLOBAL).sum() == 0


def test_the_most_read_tokens_have_the_largest_weights(looked):
    one = looked[0]
    chosen = looking.most_read(one, 2, 0, 5)
    weights = one.attention[2, 0]
    assert min(weights[chosen]) >= max(weights[[c for c in one.visual if c not in chosen]])
    assert len(set(looking.random_tokens(one, 7, 0))) == 7


def test_another_thing_is_elsewhere_and_of_a_size_that_the_scene_has(looked):
    for one in looked:
        columns = looking.columns_of_another_thing(one)
        assert columns and not set(columns) & set(one.inside) and set(columns) <= set(one.visual)
    item = looked[0].item
    asked = tuple(thing for thing in item.scene.things if thing.box == item.question.box)
    alone = replace(looked[0], item=replace(item, scene=replace(item.scene, things=asked)))
    with pytest.raises(ValueError, match="one thing only"):
        looking.columns_of_another_thing(alone)


def test_hiding_is_counted_beside_random_tokens(phi3, looked):
    changed = looking.changed_answers(phi3, looked, 2, 0, draws=2)
    assert len(changed) == 5 and all(one.count == 3 for one in changed.values())
    read, few, thing, many, other = (one.value for one in changed.values())
    assert thing > max(many, other) and read >= few
    heads, drops = looking.drops_by_head(phi3, looked, most=3)
    assert len(heads) == 3 and drops.shape == (3, 3) and (2, 0) in heads


def titles_of(monkeypatch, draw):
    """The titles of the figure that `draw` shows."""
    shown = []
    monkeypatch.setattr(plots, "show", lambda figure, alt: shown.append(figure))
    draw()
    return [axes.get_title() for axes in shown[0].axes]


def test_maps_of_heads_state_their_weight_on_the_thing(monkeypatch, looked):
    one = looked[0]
    picture, box = one.asked.pictures[0], one.item.question.box
    titles = titles_of(
        monkeypatch,
        lambda: show_heads(one.item.image, picture, one.attention, box=box, inside=one.inside, alt="Maps."),
    )
    on_it = one.attention[2, 0, list(one.inside)].sum()
    assert titles[8] == f"layer 2, head 0\n{on_it:.2f} on the thing"
    bare = titles_of(monkeypatch, lambda: show_heads(one.item.image, picture, one.attention, alt="Maps."))
    assert bare[8] == "layer 2, head 0"


def test_a_reading_states_the_weight_on_the_print_by_view(monkeypatch, phi3):
    item = asking.items_about("print", 1, TILE, style="print")[0]
    titles = titles_of(monkeypatch, lambda: looking.show_reading(phi3, item, 2, 0, alt="Three ways."))
    seen = looking.look(phi3, item)
    weights = [float(part) for part in re.findall(r"\d\.\d\d", titles[0])]
    assert len(weights) == 2 and titles[0].startswith("crops: sharp\n")
    assert sum(weights) == pytest.approx(seen.attention[2, 0, list(seen.inside)].sum(), abs=0.011)


def test_the_lens_and_the_vectors_have_one_value_for_each_question(phi3, looked):
    layers = 1 + phi3.config.num_hidden_layers
    assert len(looking.lens_at_the_answer(phi3, looked)) == layers
    assert looking.lens_at_the_answer(phi3, looked)[-1].value == 1.0
    assert len(looking.lens_on_the_thing(phi3, looked)) == layers
    vectors = looking.thing_vectors(phi3, [one.item for one in looked])
    assert vectors.shape == (3, phi3.config.hidden_size)
    words = looking.words_of_lens(phi3, looked[0], layer=0)
    assert len(words) == len(words[0]) == 8
    assert len(looking.blind_answers(phi3, [looked[0].item])) == 1
