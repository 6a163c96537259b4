"""French noun phrases: gender, place of the color, elision; and that no picture changes by them."""

import numpy as np
import pytest

from picturebook import french
from picturebook.colors import COLORS
from picturebook.kind import Look
from picturebook.kinds import KINDS
from picturebook.pictures import Picture, draw_picture


@pytest.mark.parametrize(
    ("kind", "color", "said"),
    [
        ("house", "white", "une maison blanche"),
        ("cat", "green", "un chat vert"),
        ("umbrella", "purple", "un parapluie violet"),
        ("arrow pointing up", "grey", "une flèche grise vers le haut"),
        ("winking face", "black", "un visage noir qui fait un clin d'œil"),
        ("angry face", "blue", "un visage bleu en colère"),
        ("windmill", "orange", "un moulin à vent orange"),
        ("tree", None, "un arbre"),
        ("flag of Italy", None, "un drapeau de l'Italie"),
    ],
)
def test_phrases(kind, color, said):
    assert french.phrase(KINDS[kind], COLORS[color] if color else None) == said


def test_every_kind_has_a_noun_of_its_own():
    nouns = [kind.french for kind in KINDS.values()]
    assert len(set(nouns)) == len(nouns)
    for kind in KINDS.values():
        for color in COLORS.values():
            words = french.phrase(kind, color).split()
            assert words[0] == ("une" if kind.feminine else "un")
            assert (color.french_feminine if kind.feminine else color.french) in words


def test_captions_say_what_is_shown_and_are_the_same_every_time():
    for number in range(60):
        picture = draw_picture(number, kind=list(KINDS.values())[number])
        first, again = (french.caption(picture, np.random.default_rng(number)) for _ in range(2))
        assert first == again
        noun = picture.kind.french.split()[0]
        assert noun in first
        if picture.kind.takes_color:
            look = picture.things[0].look
            assert french.caption(picture) == french.phrase(picture.kind, look.color)
    said = {french.caption(picture, np.random.default_rng(seed)) for seed in range(40)}
    assert any("d'un" in one for one in said) and any(one.startswith("voici un") for one in said)


def test_several_things_are_refused():
    one = draw_picture(0, kind=KINDS["cat"])
    thing = one.things[0]
    assert isinstance(thing.look, Look)
    with pytest.raises(ValueError, match="2 things"):
        french.caption(Picture(one.image, "", one.background, (thing, thing)))
