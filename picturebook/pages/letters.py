"""The capital letters."""

from string import ascii_uppercase

from numpy.random import Generator

from picturebook.kind import Drawing, Kind, Look
from picturebook.pages.glyphs import glyph_mask, pick_font
from picturebook.pages.ink import painted


def draw_letter(letter: str, look: Look, side: int, rng: Generator) -> Drawing:
    """Return a capital letter in one of several fonts; the letter is in the facts as `text`."""
    mask = glyph_mask(letter, pick_font(letter, look, side, rng), side)
    return Drawing(painted(mask, look, side // 8), {"text": letter})


def _kind(letter: str) -> Kind:
    def draw(look: Look, side: int, rng: Generator) -> Drawing:
        return draw_letter(letter, look, side, rng)

    return Kind(
        name=f"letter {letter}",
        plural=f"letters {letter}",
        family="letters",
        french=f"lettre {letter}",
        feminine=True,
        draw=draw,
        synonyms=(f"capital {letter}", f"capital letter {letter}"),
    )


LETTERS = tuple(_kind(letter) for letter in ascii_uppercase)
