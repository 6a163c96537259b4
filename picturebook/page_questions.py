"""More questions about pages than `questions_of` asks: every printed part, each with the place of its answer.

They are for training: a model that answers them has to find a line by what stands beside it, and to read it.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

from numpy.random import Generator

from picturebook.pictures import Box
from picturebook.questions import Question, questions_of
from picturebook.scenes import Print, Scene


def page_questions(scene: Scene, rng: Generator) -> list[Question]:
    """Return the questions of `questions_of`, with boxes, and those about details; in an order by chance.

    Raises ValueError for a scene that is no page.
    """
    if scene.style != "page":
        raise ValueError(f"questions about a page, but the scene is of the style {scene.style!r}")
    asked = [_with_box(question, scene) for question in questions_of(scene, rng)]
    asked += list(_DETAILS[scene.page](scene))
    return [asked[int(index)] for index in rng.permutation(len(asked))]


def _with_box(question: Question, scene: Scene) -> Question:
    """Return the question with the place of its answer, if it has one."""
    if question.topic == "highest":
        return Question(question.text, question.answer, question.topic, scene.parts.get("highest"))
    if question.topic == "total":
        return Question(question.text, question.answer, question.topic, beside(scene, "TOTAL"))
    if question.topic == "title":
        return Question(question.text, question.answer, question.topic, box_of(scene, question.answer))
    return question


def box_of(scene: Scene, text: str) -> Box | None:
    """Return the box of the first line with this text; None if there is none."""
    return next((line.box for line in scene.lines if line.text == text), None)


def beside(scene: Scene, text: str) -> Box | None:
    """Return the box of what is printed to the right of a text, in the same row."""
    start = next((line for line in scene.lines if line.text == text), None)
    if start is None:
        return None
    row = [line for line in scene.lines if _same_row(line, start) and line.box[0] >= start.box[2]]
    return min((line.box for line in row), default=None)


def _same_row(first: Print, second: Print) -> bool:
    middle = (first.box[1] + first.box[3]) / 2
    return second.box[1] < middle < second.box[3]


def _about_chart(scene: Scene) -> Iterator[Question]:
    if "x" in scene.facts:
        word = str(scene.facts["x"])
        yield Question("What does the x axis show?", word, "axis", box_of(scene, word))
    names = scene.facts.get("categories", ())
    if scene.page == "bar chart" and isinstance(names, tuple) and names:
        yield Question(
            "Which bar is the lowest?", str(scene.facts["lowest"]), "lowest", scene.parts["lowest"]
        )
        for order, name in (("first", names[0]), ("last", names[-1])):
            yield Question(
                f"What is written under the {order} bar?", str(name), "label", _last(scene, str(name))
            )
        for before, after in pairwise(map(str, names)):
            yield Question(f"Which bar is right of {before}?", after, "label", _last(scene, after))
        yield from _compared(scene, names)


def _compared(scene: Scene, names: tuple[object, ...]) -> Iterator[Question]:
    """Ask which of two neighboring bars is higher."""
    values = scene.facts["values"]
    if not isinstance(values, tuple):
        return
    heights = [float(str(value)) for value in values]
    for (first, a), (second, b) in pairwise(zip(map(str, names), heights, strict=True)):
        if a != b:
            higher = first if a > b else second
            yield Question(
                f"Which bar is higher, {first} or {second}?", higher, "higher", _last(scene, higher)
            )


def _last(scene: Scene, text: str) -> Box | None:
    """Return the box of the lowest line with this text: a label may also be the title's first word."""
    return max((line.box for line in scene.lines if line.text == text), key=lambda box: box[1], default=None)


def _about_receipt(scene: Scene) -> Iterator[Question]:
    for fact, asked in (("shop", "Which shop is it from?"), ("date", "What is the date?")):
        if fact in scene.facts:
            text = str(scene.facts[fact])
            yield Question(asked, text, fact, box_of(scene, text))
    yield from _pairs(scene, "items", "prices", "What is the price of {}?", "price")


def _about_ticket(scene: Scene) -> Iterator[Question]:
    for fact, asked in (
        ("from", "Where does the journey begin?"), ("to", "Where does the journey end?"),
        ("date", "What is the date?"), ("time", "What is the time?"), ("seat", "Which seat is it?"),
    ):  # fmt: skip
        if fact in scene.facts:
            text = str(scene.facts[fact])
            yield Question(asked, text, fact, box_of(scene, text))


def _about_timetable(scene: Scene) -> Iterator[Question]:
    yield from _pairs(scene, "times", "places", "Where does the train at {} go?", "place")
    places, times = scene.facts.get("places", ()), scene.facts.get("times", ())
    if isinstance(places, tuple) and isinstance(times, tuple):
        for place, time in zip(places, times, strict=True):
            asked = f"When does the train to {place} leave?"
            yield Question(asked, str(time), "time", box_of(scene, str(time)))


def _pairs(scene: Scene, keys: str, values: str, asked: str, topic: str) -> Iterator[Question]:
    """Ask for each value by the key that is printed on its left."""
    first, second = scene.facts.get(keys, ()), scene.facts.get(values, ())
    if isinstance(first, tuple) and isinstance(second, tuple):
        for key, value in zip(first, second, strict=True):
            yield Question(asked.format(key), str(value), topic, beside(scene, str(key)))


_DETAILS: dict[str, Callable[[Scene], Iterator[Question]]] = {
    "receipt": _about_receipt,
    "ticket": _about_ticket,
    "timetable": _about_timetable,
    **dict.fromkeys(("bar chart", "line chart", "pie chart", "scatter plot"), _about_chart),
}
