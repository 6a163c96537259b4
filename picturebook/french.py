"""French captions of the pictures, for a model that was trained on English ones.

    caption(draw_picture(7))        "une tasse rouge"

A caption follows from what a picture shows and draws no random numbers of the picture: pictures and English
captions stay as they are. The grammar is that of noun phrases: gender of articles and adjectives, elision,
and adjectives of color behind the noun that they belong to, before what follows it ("une flèche rouge vers
la droite").
"""

from numpy.random import Generator

from picturebook.colors import COLORS, Color
from picturebook.kind import Kind
from picturebook.moved import old_keyword, old_names
from picturebook.pictures import Picture, Placed

# Nouns whose last words say more about them: the color stands before these words.
_TURNS = (" vers ", " qui ", " en colère", " à jouer")
FRAMES = ("{}", "{}", "{}", "une image {de}", "un dessin {de}", "voici {}", "c'est {}")
_VOWELS = "aeiouyàâéèêëîïôöùûœ"


@old_keyword("colour", "color")  # changed in 0.2.0
def phrase(kind: Kind, color: Color | None = None) -> str:
    """Return the noun phrase of a kind with its article, in a color if one is given.

    >>> from picturebook.kinds import KINDS
    >>> phrase(KINDS["cup"], COLORS["green"]), phrase(KINDS["arrow pointing left"], COLORS["white"])
    ('une tasse verte', 'une flèche blanche vers la gauche')
    """
    head, rest = _parted(kind.french)
    words = ["une" if kind.feminine else "un", head, color_word(kind, color), rest]
    return " ".join(word for word in words if word)


@old_keyword("colour", "color")  # changed in 0.2.0
def color_word(kind: Kind, color: Color | None) -> str:
    """Return the adjective of a color as it agrees with a kind; "" without a color."""
    if color is None:
        return ""
    return color.french_feminine if kind.feminine else color.french


def _parted(noun: str) -> tuple[str, str]:
    """Return the noun up to its complement, and the rest."""
    places = [place for turn in _TURNS if (place := noun.find(turn)) > 0]
    return (noun[: min(places)], noun[min(places) + 1 :]) if places else (noun, "")


def of(phrase: str) -> str:
    """Return "de" with a phrase, elided before a vowel or the article un, une.

    >>> of("une tasse"), of("deux tasses")
    ("d'une tasse", 'de deux tasses')
    """
    return f"d'{phrase}" if phrase[0].lower() in _VOWELS else f"de {phrase}"


def caption(picture: Picture, rng: Generator | None = None) -> str:
    """Return a French caption of a picture of one thing.

    rng: draws whether the color is said, and a frame such as "un dessin de …"; None: the kind with its
    color. Patterns, backgrounds and what is written or counted are not said. Raises ValueError for a picture
    of several things.
    """
    if len(picture.things) != 1:
        raise ValueError(f"a picture of {len(picture.things)} things; French captions are for one thing")
    thing = picture.things[0]
    if rng is None:
        return phrase(thing.kind, _color(thing))
    said = phrase(thing.kind, _color(thing) if rng.random() < 0.6 else None)
    return FRAMES[int(rng.integers(len(FRAMES)))].format(said, de=of(said))


def _color(thing: Placed) -> Color | None:
    return COLORS[thing.look.color.name] if thing.kind.takes_color else None


__getattr__ = old_names(__name__, {"colour_word": "color_word"})  # changed in 0.2.0
