"""French captions of the pictures, for a model that was trained on English ones.

    caption(draw_picture(7))        "une tasse rouge"

A caption follows from what a picture shows and draws no random numbers of the picture: pictures and English
captions stay as they are. The grammar is that of noun phrases: gender of articles and adjectives, elision,
and adjectives of color behind the noun that they belong to, before what follows it ("une flèche rouge vers
la droite").
"""

from numpy.random import Generator

from picturebook.colours import COLOURS, Colour
from picturebook.kind import Kind
from picturebook.pictures import Picture, Placed

# Nouns whose last words say more about them: the color stands before these words.
_TURNS = (" vers ", " qui ", " en colère", " à jouer")
FRAMES = ("{}", "{}", "{}", "une image {de}", "un dessin {de}", "voici {}", "c'est {}")
_VOWELS = "aeiouyàâéèêëîïôöùûœ"


def phrase(kind: Kind, colour: Colour | None = None) -> str:
    """Return the noun phrase of a kind with its article, in a color if one is given.

    >>> from picturebook.kinds import KINDS
    >>> phrase(KINDS["cup"], COLOURS["green"]), phrase(KINDS["arrow pointing left"], COLOURS["white"])
    ('une tasse verte', 'une flèche blanche vers la gauche')
    """
    head, rest = _parted(kind.french)
    words = ["une" if kind.feminine else "un", head, colour_word(kind, colour), rest]
    return " ".join(word for word in words if word)


def colour_word(kind: Kind, colour: Colour | None) -> str:
    """Return the adjective of a color as it agrees with a kind; "" without a color."""
    if colour is None:
        return ""
    return colour.french_feminine if kind.feminine else colour.french


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
        return phrase(thing.kind, _colour(thing))
    said = phrase(thing.kind, _colour(thing) if rng.random() < 0.6 else None)
    return FRAMES[int(rng.integers(len(FRAMES)))].format(said, de=of(said))


def _colour(thing: Placed) -> Colour | None:
    return COLOURS[thing.look.colour.name] if thing.kind.takes_colour else None
