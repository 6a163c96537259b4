"""Faces, symbols and chess pieces."""

from functools import partial
from math import cos, pi, sin

from picturebook.kind import Kind
from picturebook.stencils.pen import CUT, DETAIL, PAPER, Pen, kind


def _face(pen: Pen, mood: str) -> None:
    pen.oval(50, 50, 50)
    for x in (33, 67):
        if mood == "winking" and x == 67:
            pen.line([(58, 38), (76, 38)], 7, DETAIL)
        else:
            pen.oval(x, 37, 8, 11, DETAIL)
    if mood == "sad":
        pen.arc(50, 86, 23, 215, 325, 9, DETAIL)
    elif mood == "surprised":
        pen.oval(50, 73, 14, 17, DETAIL)
    elif mood == "angry":
        pen.line([(20, 16), (42, 27)], 7, DETAIL)
        pen.line([(80, 16), (58, 27)], 7, DETAIL)
        pen.line([(30, 74), (70, 74)], 7, DETAIL)
    else:
        pen.arc(50, 52, 26, 30, 150, 9, DETAIL)


def _glyph(character: str, thicker: int = 0) -> partial[None]:
    return partial(Pen.glyph, character=character, thicker=thicker)


def _peace(pen: Pen) -> None:
    pen.arc(50, 50, 44, 0, 360, 11)
    pen.line([(50, 8), (50, 92)], 10)
    for side in (-1, 1):
        pen.line([(50, 50), (50 + side * 31, 81)], 10)


def _yin_yang(pen: Pen) -> None:
    pen.oval(50, 50, 50)
    pen.slice(50, 50, 46, -90, 90, PAPER)
    pen.oval(50, 27, 23, ink=PAPER)
    pen.oval(50, 73, 23)
    pen.oval(50, 27, 7)
    pen.oval(50, 73, 7, ink=PAPER)


def _anchor(pen: Pen) -> None:
    pen.arc(50, 14, 10, 0, 360, 7)
    pen.line([(50, 24), (50, 92)], 9)
    pen.line([(28, 38), (72, 38)], 8)
    pen.arc(50, 52, 40, 15, 165, 9)
    for side in (-1, 1):
        pen.shape([(50 + side * 48, 48), (50 + side * 46, 74), (50 + side * 26, 60)])


def _radiation(pen: Pen) -> None:
    for start in (-30, 90, 210):
        pen.slice(50, 50, 50, start - 30, start + 30)
    pen.oval(50, 50, 15, ink=CUT)
    pen.oval(50, 50, 10)


def _infinity(pen: Pen) -> None:
    steps = [2 * pi * step / 60 for step in range(61)]
    pen.line([(50 + 44 * cos(t), 50 + 40 * sin(t) * cos(t)) for t in steps], 12)


def _note(pen: Pen) -> None:
    for x in (20, 76):
        pen.oval(x, 84, 18, 13)
    pen.line([(34, 84), (34, 16)], 7)
    pen.line([(90, 84), (90, 8)], 7)
    pen.shape([(31, 12), (93, 2), (93, 22), (31, 32)])


def _spade(pen: Pen) -> None:
    pen.shape([(50, 0), (92, 50), (8, 50)])
    pen.oval(28, 56, 23)
    pen.oval(72, 56, 23)
    pen.shape([(50, 52), (66, 98), (34, 98)])


def _club(pen: Pen) -> None:
    for x, y, radius in ((50, 23, 23), (24, 56, 23), (76, 56, 23), (50, 46, 14)):
        pen.oval(x, y, radius)
    pen.shape([(50, 44), (66, 98), (34, 98)])


_expression = partial(kind, family="faces")
_symbol = partial(kind, family="symbols", mirror=False)
_piece = partial(kind, family="chess pieces")


def _face_kind(mood: str, french: str, *synonyms: str) -> Kind:
    return _expression(f"{mood} face", f"visage {french}", partial(_face, mood=mood), synonyms=synonyms)


def _piece_kind(name: str, french: str, character: str, *, feminine: bool = False) -> Kind:
    return _piece(f"chess {name}", french, _glyph(character), feminine=feminine)


FACES: tuple[Kind, ...] = (
    _face_kind("happy", "content", "smiling face", "smiley"),
    _face_kind("sad", "triste"),
    _face_kind("surprised", "surpris"),
    _face_kind("winking", "qui fait un clin d'œil"),
    _face_kind("angry", "en colère"),
)
SYMBOLS: tuple[Kind, ...] = (
    _symbol("question mark", "point d'interrogation", _glyph("?")),
    _symbol("exclamation mark", "point d'exclamation", _glyph("!")),
    _symbol("dollar sign", "symbole dollar", _glyph("$")),
    _symbol("percent sign", "signe pour cent", _glyph("%")),
    _symbol("hash sign", "croisillon", _glyph("#"), synonyms=("number sign",)),
    _symbol("ampersand", "esperluette", _glyph("&"), feminine=True),
    _symbol("at sign", "arobase", _glyph("@", 3), feminine=True),
    _symbol("check mark", "coche", _glyph("✔"), feminine=True, synonyms=("tick",)),
    _symbol("music note", "note de musique", _note, feminine=True),
    _symbol("peace sign", "symbole de paix", _peace),
    _symbol("yin-yang sign", "symbole yin-yang", _yin_yang),
    _symbol("radiation sign", "symbole de radiation", _radiation),
    _symbol("anchor", "ancre", _anchor, feminine=True),
    _symbol("infinity sign", "symbole de l'infini", _infinity),
    _symbol("spade", "pique", _spade, synonyms=("spade of a card",)),
    _symbol("club", "trèfle", _club, synonyms=("club of a card",)),
)
CHESS: tuple[Kind, ...] = (
    _piece_kind("king", "roi", "♚"),
    _piece_kind("queen", "dame", "♛", feminine=True),
    _piece_kind("rook", "tour", "♜", feminine=True),
    _piece_kind("bishop", "fou", "♝"),
    _piece_kind("knight", "cavalier", "♞"),
    _piece_kind("pawn", "pion", "♟"),
)
