"""Where the print of a page is, and the questions about it: every answer is printed inside its box."""

import numpy as np
import pytest

from picturebook.page_questions import beside, page_questions
from picturebook.questions import TOPICS, questions_of
from picturebook.scenes import STRINGS, Scene, draw_scene

PAGES = [draw_scene(number, style="page", tile=112, grid=(3, 3)) for number in range(24)]
PAGE_NAMES = ("receipt", "ticket", "timetable", "bar chart", "line chart", "pie chart", "scatter plot")


def inside(inner, outer):
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def test_every_line_has_ink_and_lies_in_the_picture():
    assert {page.page for page in PAGES} == set(PAGE_NAMES)
    for page in PAGES:
        whole = (0, 0, *page.image.size)
        for line in page.lines:
            assert inside(line.box, whole)
            left, top, right, bottom = line.box
            pixels = np.asarray(page.image.convert("L"))[top:bottom, left:right].astype(int)
            assert np.ptp(pixels) > 60, (page.page, line.text)


def test_answers_are_printed_where_the_box_says():
    rng = np.random.default_rng(0)
    topics = set()
    for page in PAGES:
        for question in page_questions(page, rng):
            topics.add(question.topic)
            if question.box is not None:
                there = [line.text for line in page.lines if inside(line.box, grown(question.box))]
                assert question.answer in there, (page.page, question)
    assert {"title", "highest", "lowest", "total", "price", "time", "seat", "label", "axis"} <= topics


def grown(box):
    return box[0] - 6, box[1] - 6, box[2] + 6, box[3] + 6


def test_no_question_of_a_page_has_two_answers():
    rng = np.random.default_rng(1)
    for page in PAGES:
        answers = {}
        for question in page_questions(page, rng):
            assert answers.setdefault(question.text, question.answer) == question.answer


def test_the_questions_of_the_evaluation_are_the_same_as_before():
    for page in PAGES[:10]:
        assert {question.topic for question in questions_of(page, np.random.default_rng(0))} <= set(TOPICS)
        assert all(question.box is None for question in questions_of(page, np.random.default_rng(0)))


def test_a_price_is_beside_its_item():
    receipt = next(page for page in PAGES if page.page == "receipt" and page.lines)
    box = beside(receipt, "TOTAL")
    assert box in [line.box for line in receipt.lines if line.text == receipt.facts["total"]]
    assert beside(receipt, "no such item") is None


def test_of_two_bars_the_one_with_the_larger_value_is_higher():
    page = draw_scene(5, style="page", page="bar chart")
    heights = dict(zip(page.facts["categories"], page.facts["values"], strict=True))
    asked = [one for one in page_questions(page, np.random.default_rng(0)) if one.topic == "higher"]
    assert asked
    for question in asked:
        pair = question.text.removeprefix("Which bar is higher, ").rstrip("?").split(" or ")
        assert question.answer == max(pair, key=heights.__getitem__)


def test_a_page_can_be_asked_for():
    assert {draw_scene(n, style="page", page="receipt").page for n in range(6)} == {"receipt"}
    with pytest.raises(ValueError, match="no page 'poster'; there are: .*receipt"):
        draw_scene(1, style="page", page="poster")


def test_only_pages_have_such_questions():
    scene = draw_scene(1, style="things")
    with pytest.raises(ValueError, match="style 'things'"):
        page_questions(scene, np.random.default_rng(0))


def test_strings_have_no_vocabulary():
    texts = [piece.text for piece in strings()]
    assert all(3 <= len(text) <= 7 and text.isalpha() and text.isupper() for text in texts)
    assert len(set(texts)) > 0.98 * len(texts)
    letters = "".join(texts)
    assert {letters.count(letter) > 0 for letter in "QXZJ"} == {True}


def strings():
    scenes: list[Scene] = [
        draw_scene(number, style="print", tile=112, grid=(3, 3), print_kind=STRINGS) for number in range(60)
    ]
    return [piece for scene in scenes for piece in scene.prints]
