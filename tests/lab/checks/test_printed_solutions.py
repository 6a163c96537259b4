"""Every solution that a notebook prints is right by its check; none stands without the other."""

import numpy as np
import pytest

from phi3lib import lab
from phi3lib.embeddings.knn import nearest
from phi3lib.embeddings.maps import Layout
from tests.printed_solutions import all_exercises, cells, evaluate, namespace

EXERCISES = all_exercises()
WITHOUT_A_CHECK = {"00.2"}  # a guess before a figure: nothing is right or wrong
WITH_STATE = {"00.1", "02.3", "05.1", "05.2", "08.3"}  # 08.3: in test_nb08.py


def test_each_exercise_has_a_check_and_a_solution():
    for one in EXERCISES:
        assert (one.check is None) == (one.solution is None) == (one.number in WITHOUT_A_CHECK), one.number
        assert one.solution != "", f"{one.number} prints no code as its solution"
    assert len({one.number for one in EXERCISES}) == len(EXERCISES)


def test_each_check_belongs_to_one_exercise():
    lines = [one.check or "" for one in EXERCISES]
    for name in set(lab.checks.__all__) - {"Verdict", "best_layer"}:  # best_layer stands behind lab.layers
        assert sum(f".{name}(" in line for line in lines) == 1, name
    assert sum(".check_of_layers(" in line for line in lines) == 1


@pytest.mark.parametrize(
    "one",
    [one for one in EXERCISES if one.check and one.number not in WITH_STATE],
    ids=lambda one: one.number,
)
def test_the_printed_solution_is_right(one):
    verdict = evaluate(one.check, namespace(one.notebook, {}, one.number))
    assert verdict.right, f"{one.number}: {verdict}"


def verdict_of(number, state):
    one = next(one for one in EXERCISES if one.number == number)
    return evaluate(one.check, namespace(one.notebook, state, number))


def test_the_report_is_read_right():
    verdict = verdict_of("00.1", {"report": lab.doctor()})
    assert verdict.right, verdict


@pytest.fixture(scope="module")
def layers():
    """Features whose class token knows the colour early and the shape late, and what the notebook reads."""
    rng = np.random.default_rng(0)
    shape_labels, color_labels = rng.permuted(np.repeat([list("abc"), list("xyz")], 60, axis=1), axis=1)
    directions = rng.normal(size=(2, 3, 12))
    states = []
    for shape, color in ((0, 0), (0.1, 0.3), (0.2, 1), (2, 4), (4, 4)):  # how much of each a layer holds
        state = rng.normal(size=(180, 5, 12))
        for strength, labels, of in ((shape, shape_labels, 0), (color, color_labels, 1)):
            state[:, 0] += strength * directions[of][np.unique(labels, return_inverse=True)[1]]
        states.append(state.astype(np.float32))
    space = {"states": states, "kept": np.ones(180, dtype=bool)}
    space |= {"shape_labels": shape_labels, "color_labels": color_labels}
    exec(cells("02")["02-13"], space)  # the notebook's own measurement: `known`
    return space


def test_the_printed_layer_is_right(layers):
    verdict = verdict_of("02.3", layers)
    assert verdict.right, verdict
    assert "layer 2" in verdict.sentence


def test_the_named_slips_of_the_layers_are_wrong(layers):
    names = ("states", "kept", "shape_labels", "color_labels")
    states, *others = (layers[name] for name in names)
    check = lab.layers.check_of_layers(states[1:], *others)
    of_color, of_shape = (
        np.array([score.value for score in layers["known"]["class token", label]])
        for label in ("colour", "shape")
    )
    best_at_color, smallest = int(of_color.argmax()) + 1, int((of_color - of_shape).argmin()) + 1
    assert check(lambda: best_at_color).right is False
    assert check(lambda: smallest).right is False
    assert check(lambda: int((of_color - of_shape).argmax())).right is False  # counted from 0
    assert "There is no layer 0" in check(lambda: 0).sentence


@pytest.mark.slow
def test_the_printed_settings_make_a_good_map():
    space = {"lab": lab}
    exec(cells("05")["05-03"], space)
    state = {"table": space["table"], "space": nearest(space["table"].vectors, 60)}
    verdict = verdict_of("05.1", state)
    assert verdict.right, verdict
    check = lab.checks.settings(state["table"].vectors, state["space"])
    for poor in ((61, 1.0), (3, 1.0), (2, 0.1)):
        assert check(lambda poor=poor: poor).right is False, poor


def test_the_printed_statements_are_right():
    rng = np.random.default_rng(0)
    labels = np.repeat(["x", "y", "z"], 20)
    maps = []
    for order in ((0, 9, 50), (50, 9, 0), (0, 30, 9)):
        centers = np.stack([np.array(order, dtype=float), np.zeros(3)], axis=1)
        maps.append(Layout(np.repeat(centers, 20, 0) + rng.normal(size=(60, 2)), {}))
    verdict = verdict_of("05.2", {"seeds": maps, "labels": labels})
    assert verdict.right, verdict


def test_an_exercise_without_an_answer_stops_nothing():
    """The cells as they are committed, with their stubs, give "Not answered yet"."""
    for number in ("01", "03", "06", "07"):
        space = {"np": np, "lab": lab}
        for source in cells(number).values():
            if "def my_" in source and "lab.checks." in source and source.startswith("def my_"):
                stub, check = source.rsplit("\n\n\n", 1)
                exec(stub, space)
                assert evaluate(check, space).right is None, source
