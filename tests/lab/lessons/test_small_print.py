"""Small print read in three ways: the questions fit the print, the scores are those of the answers."""

import numpy as np
import pytest

from phi3lib import load_phi3_model
from phi3lib.lab.lessons.small_print import readings, score, small_print, two_views
from phi3lib.vision.answers import CROPS, answer

TILE = 112


@pytest.fixture(scope="module")
def phi3():
    return load_phi3_model(language_model=True)


def test_each_question_is_about_the_print_that_it_names():
    for one in small_print(30, TILE):
        assert one.image.size == (3 * TILE, 3 * TILE)
        left, top, right, bottom = one.box
        middle = ((left + right) / 2 < one.image.width / 2, (top + bottom) / 2 < one.image.height / 2)
        for word, is_there in (("left", middle[0]), ("top", middle[1])):
            if f"{word} " in one.question.text and "corner" in one.question.text:
                assert is_there
        if one.kind == "number":
            assert one.question.answer.isdigit()


def test_the_same_print_comes_again():
    first, second = small_print(3, TILE), small_print(3, TILE)
    assert [one.question for one in first] == [one.question for one in second]


def test_a_score_counts_right_answers_beside_chance():
    prints = small_print(20, TILE)
    right = [one.question.answer for one in prints]
    assert score(prints, right).value == 1.0
    half = [text if n % 2 else "?" for n, text in enumerate(right)]
    estimate = score(prints, half)
    assert estimate.value == 0.5
    assert 0 <= estimate.chance < 1 / 26


def test_the_global_view_has_less_detail():
    for one in small_print(5, TILE):
        sharp, blurred = (np.asarray(view.convert("L"), dtype=float) for view in two_views(one))
        assert sharp.shape == blurred.shape
        assert np.abs(np.diff(sharp)).mean() > np.abs(np.diff(blurred)).mean()


@pytest.mark.parametrize("crops", CROPS)
def test_the_model_reads_in_every_way(phi3, crops):
    prints = small_print(2, TILE)
    said = readings(phi3, prints, crops)
    assert len(said) == 2 and all(isinstance(text, str) for text in said)


def test_none_is_one_crop_and_other_words_are_refused(phi3):
    one = small_print(1, TILE)[0]
    asked = [one.question.text]
    alone = answer(phi3, [one.image], asked, num_crops=1)
    assert answer(phi3, [one.image], asked, num_crops=9, crops="none") == alone
    with pytest.raises(ValueError, match="no crops 'soft'; there are: sharp, blurred, none"):
        answer(phi3, [one.image], asked, crops="soft")
    with pytest.raises(ValueError, match="2 questions about 1 pictures"):
        answer(phi3, [one.image], ["a", "b"])
