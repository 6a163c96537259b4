"""Notebook 08's words and exam: what is held out is held out, and the exam asks what it says."""

import re

import numpy as np
import pytest

from phi3lib import load_clip
from phi3lib.embeddings.finetune import fine_tune
from phi3lib.lab.lessons import nb08_measures as measures
from phi3lib.lab.lessons import new_words
from picturebook.splits import held_out


@pytest.fixture(scope="module")
def words():
    return new_words.french_words(each=1)


@pytest.fixture(scope="module")
def exam(words):
    return new_words.make_exam(words, each=1, pairs=24, digits=20)


@pytest.fixture(scope="module")
def clip():
    return load_clip()


def test_held_out_words_occur_in_no_training_caption(words):
    assert not set(words.new) & set(words.trained)
    assert {one.kind for one in words.pictures} == set(words.trained)
    assert len(words.new) >= 12
    said = {word for caption in words.french for word in re.split(r"[ ']", caption)}
    assert not said & {word for kind in words.new for word in kind.french.split()}
    assert all(kind.family != "digits" for kind in (*words.trained, *words.new))


def test_asked_pairs_of_kind_and_color_were_never_trained(exam):
    for place in exam.of_pairs:
        kind, color = exam.pair_candidates[place]
        assert held_out(kind.name, color)
        assert kind in exam.trained


def test_the_model_of_the_course_knows_english_and_no_french(exam, words, clip):
    scores = exam.ask(clip)
    assert tuple(scores) == new_words.TASKS
    assert scores["English"].value > 0.8 > 0.2 > scores["French, trained words"].value
    assert [scores[task].count for task in new_words.TASKS] == [
        len(exam.trained),
        len(words.new),
        24,
        len(exam.kinds),
        20,
    ]
    parts = [part.splitlines() for part in new_words.score_lines({"before": scores}).split("\n\n")]
    assert all(line.startswith("before") and guesses.startswith("by chance") for _, line, guesses in parts)
    assert [float(guess) for *_, guesses in parts for guess in guesses.split()[2:]] == [
        pytest.approx(one.chance, abs=5e-4) for one in scores.values()
    ]
    assert new_words.change_lines(scores, scores).count("+0.000") >= len(scores)


def test_an_exam_runs_an_image_tower_once(exam, clip):
    exam.ask(clip)
    calls = []
    hook = clip.model.vision_model.register_forward_pre_hook(lambda *_: calls.append(1))
    tuned = fine_tune(
        clip, exam.held_out_pairs(), train=["projections"], steps=2, batch_size=16, learning_rate=0.1,
        progress=False,
    ).model  # fmt: skip
    calls.clear()
    hook.remove()
    tuned.model.vision_model.register_forward_pre_hook(lambda *_: calls.append(1))
    before, after = exam.vectors(clip)[0], exam.vectors(tuned)[0]
    assert not calls
    assert not np.allclose(before, after)  # the projection has changed


def test_copies_of_a_leak_look_the_same_and_are_other_files(exam, words):
    copies, said = exam.leaked(words.new)
    assert len(copies) == len(said) == len(words.new)
    rows = [row for row, place in enumerate(exam.of_kinds) if exam.candidates[place] in words.new]
    for copy, row in zip(copies, rows, strict=True):
        apart = np.abs(np.asarray(copy, dtype=int) - np.asarray(exam.kinds[row], dtype=int))
        assert 0 < apart.mean() < 12


def test_exams_whose_numbers_do_not_overlap_share_no_picture(exam, words):
    other = new_words.make_exam(words, each=1, pairs=24, digits=20, first=500)
    assert np.array_equal(other.of_kinds, exam.of_kinds)
    for mine, theirs in ((exam.kinds, other.kinds), (exam.pairs, other.pairs), (exam.digits, other.digits)):
        assert not {one.tobytes() for one in mine} & {one.tobytes() for one in theirs}


def test_snapshots_keep_the_words_at_each_step(words, clip):
    from phi3lib.encoders import as_encoder

    snapshots = new_words.Snapshots(words.new)
    for step in (0, 5):
        snapshots(step, as_encoder(clip))
    assert snapshots.steps == [0, 5]
    assert snapshots.texts[0].shape == (len(new_words.SHOWN), 128)
    assert sum(word.endswith("(new)") for word in snapshots.words) == 2


def test_found_words_are_those_whose_pictures_are_right(exam, words, clip):
    scores = exam.ask(clip)
    found = measures.new_words_found(exam, scores)
    assert set(found) <= {kind.french for kind in words.new}
    assert len(found) == scores["French, new words"].values.sum()  # one picture of each
    with pytest.raises(ValueError, match="not of this exam"):
        measures.new_words_found(exam, {**scores, "French, new words": scores["digits"]})


def test_a_model_has_not_moved_from_itself_and_its_projections_move_alone(exam, clip):
    assert measures.weights_moved(clip, clip) == 0
    assert measures.text_cosines(exam, clip, clip) == {
        "French": pytest.approx(1, abs=1e-5),
        "English": pytest.approx(1, abs=1e-5),
    }
    tuned = fine_tune(
        clip, exam.held_out_pairs(), held_out=exam.held_out_pairs(), train=["projections"], steps=2,
        batch_size=16, learning_rate=0.1, evaluate_every=1, progress=False,
        watch=(snapshots := new_words.Snapshots([])),
    )  # fmt: skip
    assert 0 < measures.weights_moved(clip, tuned.model) < 1
    assert max(measures.text_cosines(exam, clip, tuned.model).values()) < 1
    centers = new_words.image_centers(exam, clip)
    lines = measures.learning_lines(tuned, snapshots, centers).splitlines()
    assert [int(line.split()[0]) for line in lines[1:]] == snapshots.steps == [0, 1, 2]
    assert all(line.endswith(f"of {len(centers)}") for line in lines[1:])


def test_the_share_of_a_change_runs_from_0_to_1():
    assert [measures.share_of_change([8.0, 4.0, 0.0], at) for at in range(3)] == [0, 0.5, 1]
    assert measures.share_of_change([0.1, 0.4, 0.7], 1) == pytest.approx(0.5)


def test_the_search_finds_copies_and_no_other_pictures(exam, words, clip):
    copies, _ = exam.leaked(words.new)
    assert measures.near_copies(exam, copies, clip) > 0.8 * len(copies)
    assert measures.near_copies(exam, words.images[:20], clip) == 0
