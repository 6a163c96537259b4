"""Captions: noun phrases of kinds with their looks, and sentences around them."""

from collections.abc import Mapping, Sequence

from numpy.random import Generator

from picturebook.kind import Fact, Kind, Look
from picturebook.moved import old_keyword

COUNTS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
PLACES = {
    (-1, -1): "in the top left corner",
    (0, -1): "at the top",
    (1, -1): "in the top right corner",
    (-1, 0): "on the left",
    (0, 0): "in the middle",
    (1, 0): "on the right",
    (-1, 1): "in the bottom left corner",
    (0, 1): "at the bottom",
    (1, 1): "in the bottom right corner",
}
SIZES = ("small", "large")
_SYNONYM_OF_COLOR = {"purple": ("violet",), "grey": ("gray",)}
_SYNONYM_OF_PATTERN = {"striped": ("striped",), "dotted": ("dotted", "spotted")}

SENTENCES = (
    "{}",
    "{}",
    "{}",
    "a picture of {}",
    "a drawing of {}",
    "an image of {}",
    "this is {}",
    "there is {}",
)
SENTENCES_ABOUT_MANY = ("{}", "{}", "a picture of {}", "a drawing of {}", "there are {}")


def with_article(phrase: str) -> str:
    """Return the phrase with "a" or "an".

    >>> with_article("orange cup"), with_article("umbrella"), with_article("yellow umbrella")
    ('an orange cup', 'an umbrella', 'a yellow umbrella')
    """
    vowel = phrase[0].lower() in "aeiou" and not phrase.startswith("one")
    return f"{'an' if vowel else 'a'} {phrase}"


def pick(options: Sequence[str], rng: Generator) -> str:
    """One of the options, each as likely as the other."""
    return options[int(rng.integers(len(options)))]


def noun(kind: Kind, facts: Mapping[str, Fact], rng: Generator, *, synonyms: float = 0.25) -> str:
    """Return the kind's name with its facts; with this probability one of its synonyms instead."""
    if kind.synonyms and rng.random() < synonyms:
        return pick(kind.synonyms, rng)
    return kind.describe(facts) if kind.describe else kind.name


def adjectives(kind: Kind, look: Look, rng: Generator) -> list[str]:
    """Pattern and colour as they are said; the colour is left out now and then."""
    words = []
    if look.pattern != "plain" and rng.random() < 0.7:
        words.append(pick(_SYNONYM_OF_PATTERN[look.pattern], rng))
    if kind.takes_color and rng.random() < 0.85:
        names = (look.color.name,) * 3 + _SYNONYM_OF_COLOR.get(look.color.name, ())
        words.append(pick(names, rng))
    return words


@old_keyword("colour", "color")  # changed in 0.2.0
def class_phrase(kind: Kind, color: str = "") -> str:
    """Return the phrase of a zero-shot class: the kind, or the kind in a color, with its article."""
    return with_article(f"{color} {kind.name}".strip())


@old_keyword("colour", "color")  # changed in 0.2.0
def french_phrase(kind: Kind, color: str = "") -> str:
    """Return the French phrase of a class; the bundled CLIP was not trained on French."""
    from picturebook.colors import COLORS

    article = "une" if kind.feminine else "un"
    if not color:
        return f"{article} {kind.french}"
    paint = COLORS[color]
    return f"{article} {kind.french} {paint.french_feminine if kind.feminine else paint.french}"
