"""Questions about scenes, each with its one right answer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from numpy.random import Generator

from picturebook.captions import COUNTS, pick
from picturebook.pictures import Box, Placed
from picturebook.scenes import Scene, phrase_of

NUMBERS = {1: "one", **COUNTS}
TOPICS = (
    "caption", "kind", "colour", "where", "side", "count", "relation", "print", "title", "highest", "total",
)  # fmt: skip


@dataclass(frozen=True)
class Question:
    """What is asked, the answer, the topic under which it is scored, and where to look.

    box: left, top, right, bottom in pixels of the scene, of the one thing or print that the answer is about;
    None where it is about all of them.
    """

    text: str
    answer: str
    topic: str
    box: Box | None = None


def questions_of(scene: Scene, rng: Generator) -> list[Question]:
    """All questions that this scene answers, in an order that `rng` chooses."""
    asked = list(_ASK[scene.style](scene, rng))
    return [asked[int(index)] for index in rng.permutation(len(asked))]


def _about_things(scene: Scene, rng: Generator) -> Iterator[Question]:
    things = list(zip(scene.things, scene.places, strict=True))
    alike = len({thing.kind.name for thing in scene.things}) < len(things)
    yield Question(_caption_request(rng), scene.caption, "caption")
    yield Question(
        pick(("How many things are there?", "How many things do you see?"), rng),
        NUMBERS[len(things)],
        "count",
    )
    if alike:
        first = scene.things[0]
        yield Question(f"How many {first.kind.plural} are there?", NUMBERS[len(things)], "count")
        yield Question(f"Which colour are the {first.kind.plural}?", first.look.color.name, "colour")
        return
    for thing, place in things:
        name = thing.kind.name
        yield Question(
            pick((f"What is {place}?", f"What do you see {place}?"), rng),
            phrase_of(thing),
            "kind",
            thing.box,
        )
        yield Question(
            pick((f"Which colour is the {name}?", f"What colour is the {name}?"), rng),
            thing.look.color.name,
            "colour",
            thing.box,
        )
        yield Question(f"Where is the {name}?", place, "where", thing.box)
        yield from _sides(thing, place)
        yield Question(f"What is {thing.look.color.name}?", f"the {name}", "kind", thing.box)
    yield from _relations(scene.things)


def _sides(thing: Placed, place: str) -> Iterator[Question]:
    """Half of "where" each, in one word; nothing is asked of what stands in the middle."""
    name = thing.kind.name
    for first, second, asked in (
        ("left", "right", f"Is the {name} on the left or on the right?"),
        ("top", "bottom", f"Is the {name} at the top or at the bottom?"),
    ):
        if side := next((side for side in (first, second) if side in place), None):
            yield Question(asked, side, "side", thing.box)


def _relations(things: tuple[Placed, ...]) -> Iterator[Question]:
    """For every thing with exactly one other thing beside it, or above or below it."""
    for thing in things:
        for relation, near in _NEIGHBORS.items():
            others = [other for other in things if other is not thing and near(other, thing)]
            if len(others) == 1:
                asked = f"What is {relation} the {thing.kind.name}?"
                yield Question(asked, phrase_of(others[0]), "relation", others[0].box)


def _middle(thing: Placed) -> tuple[float, float]:
    left, top, right, bottom = thing.box
    return (left + right) / 2, (top + bottom) / 2


def _beside(other: Placed, thing: Placed) -> bool:
    """Whether the two stand in one row: their heights overlap in the middle."""
    return other.box[1] < _middle(thing)[1] < other.box[3] or thing.box[1] < _middle(other)[1] < thing.box[3]


def _in_column(other: Placed, thing: Placed) -> bool:
    return other.box[0] < _middle(thing)[0] < other.box[2] or thing.box[0] < _middle(other)[0] < thing.box[2]


_NEIGHBORS: dict[str, Callable[[Placed, Placed], bool]] = {
    "left of": lambda other, thing: _beside(other, thing) and other.box[2] <= thing.box[0],
    "right of": lambda other, thing: _beside(other, thing) and other.box[0] >= thing.box[2],
    "above": lambda other, thing: _in_column(other, thing) and other.box[3] <= thing.box[1],
    "below": lambda other, thing: _in_column(other, thing) and other.box[1] >= thing.box[3],
}


def _about_close_up(scene: Scene, rng: Generator) -> Iterator[Question]:
    yield Question(_caption_request(rng), scene.caption, "caption")
    yield Question("Which colour is the background?", scene.background.name, "colour")
    first, count = scene.things[0], len(scene.things)
    how_many = pick(("How many things are there?", "How many things do you see?"), rng)
    yield Question(how_many, NUMBERS[count], "count")
    if first.kind.takes_color:
        named = f"are the {first.kind.plural}" if count > 1 else f"is the {first.kind.name}"
        yield Question(f"Which colour {named}?", first.look.color.name, "colour")


def _about_print(scene: Scene, rng: Generator) -> Iterator[Question]:
    if len(scene.prints) == 1:
        request = pick(("What does the small print say?", "What is written here?"), rng)
        yield Question(request, scene.prints[0].text, "print", scene.prints[0].box)
        return
    for piece in scene.prints:
        request = pick((f"What is written {piece.place}?", f"What does it say {piece.place}?"), rng)
        yield Question(request, piece.text, "print", piece.box)
    yield Question("How many pieces of print are there?", NUMBERS[len(scene.prints)], "count")


def _about_page(scene: Scene, rng: Generator) -> Iterator[Question]:
    yield Question(_caption_request(rng), scene.caption, "caption")
    yield Question("What kind of page is this?", scene.page, "kind")
    facts = scene.facts
    if "title" in facts:
        yield Question("What is the title?", str(facts["title"]), "title")
    if "highest" in facts and scene.page == "bar chart":
        yield Question("Which bar is the highest?", str(facts["highest"]), "highest")
    if "total" in facts:
        yield Question("What is the total?", str(facts["total"]), "total")


def _caption_request(rng: Generator) -> str:
    return pick(("Describe the picture.", "What is in the picture?", "Write a caption."), rng)


_ASK: dict[str, Callable[[Scene, Generator], Iterator[Question]]] = {
    "things": _about_things,
    "print": _about_print,
    "page": _about_page,
    "close-up": _about_close_up,
}
