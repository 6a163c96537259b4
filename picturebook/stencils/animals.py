"""Animals, each with one outline that is its own."""

from functools import partial

from picturebook.kind import Kind
from picturebook.stencils.pen import DETAIL, PAPER, Pen, kind


def _eyes(pen: Pen, left: float, right: float, y: float, radius: float) -> None:
    for x in (left, right):
        pen.oval(x, y, radius, ink=PAPER)
        pen.oval(x, y + radius * 0.15, radius * 0.5, ink=DETAIL)


def _cat(pen: Pen) -> None:
    pen.shape([(8, 2), (46, 26), (12, 56)])
    pen.shape([(92, 2), (54, 26), (88, 56)])
    pen.oval(50, 58, 45, 39)
    _eyes(pen, 31, 69, 50, 10)
    pen.shape([(43, 66), (57, 66), (50, 74)], DETAIL)
    for y in (70, 80):
        pen.line([(4, y - 4), (32, 73)], 2.5, DETAIL)
        pen.line([(96, y - 4), (68, 73)], 2.5, DETAIL)


def _dog(pen: Pen) -> None:
    pen.oval(50, 46, 34, 40)
    pen.oval(14, 46, 13, 34, DETAIL)
    pen.oval(86, 46, 13, 34, DETAIL)
    _eyes(pen, 37, 63, 38, 8)
    pen.oval(50, 72, 24, 20, PAPER)
    pen.oval(50, 63, 10, 7, DETAIL)
    pen.line([(50, 70), (50, 80)], 3, DETAIL)


def _fish(pen: Pen) -> None:
    pen.oval(40, 50, 40, 27)
    pen.shape([(68, 50), (100, 20), (94, 50), (100, 80)])
    pen.shape([(30, 26), (46, 6), (60, 28)])
    pen.oval(20, 43, 7, ink=PAPER)
    pen.oval(19, 43, 3.5, ink=DETAIL)
    pen.arc(24, 50, 16, -55, 55, 3, DETAIL)


def _bird(pen: Pen) -> None:
    pen.oval(52, 56, 32, 25)
    pen.oval(28, 32, 20)
    pen.shape([(74, 46), (100, 30), (98, 62)])
    pen.shape([(10, 28), (10, 40), (-6, 36)], DETAIL)
    pen.shape([(40, 46), (76, 46), (62, 72)], DETAIL)
    pen.oval(24, 28, 5, ink=PAPER)
    for x in (46, 58):
        pen.line([(x, 78), (x, 96), (x - 8, 96)], 4, DETAIL)


def _rabbit(pen: Pen) -> None:
    for x, inner in ((34, 34), (66, 66)):
        pen.oval(x, 26, 12, 28)
        pen.oval(inner, 26, 5, 20, PAPER)
    pen.oval(50, 70, 33, 29)
    _eyes(pen, 38, 62, 64, 6)
    pen.oval(50, 76, 5, 4, DETAIL)
    pen.box(45, 82, 55, 94, 2, PAPER)


def _bear(pen: Pen) -> None:
    for x in (20, 80):
        pen.oval(x, 22, 19)
        pen.oval(x, 22, 9, ink=DETAIL)
    pen.oval(50, 55, 43, 41)
    pen.oval(50, 70, 19, 16, PAPER)
    pen.oval(50, 63, 9, 6, DETAIL)
    pen.oval(33, 44, 5, ink=DETAIL)
    pen.oval(67, 44, 5, ink=DETAIL)


def _butterfly(pen: Pen) -> None:
    for side in (-1, 1):
        pen.oval(50 + side * 27, 32, 24, 27)
        pen.oval(50 + side * 22, 72, 18, 22)
        pen.oval(50 + side * 29, 30, 10, ink=PAPER)
        pen.oval(50 + side * 23, 73, 7, ink=PAPER)
        pen.line([(50, 26), (50 + side * 14, 3)], 3, DETAIL)
    pen.oval(50, 54, 6, 34, DETAIL)


def _snail(pen: Pen) -> None:
    pen.box(2, 74, 98, 92, 9, DETAIL)
    pen.line([(10, 80), (10, 46)], 12, DETAIL)
    pen.line([(8, 46), (2, 28)], 3, DETAIL)
    pen.line([(13, 46), (20, 28)], 3, DETAIL)
    pen.oval(58, 46, 36)
    pen.arc(58, 46, 22, -60, 200, 5, DETAIL)
    pen.arc(58, 46, 10, 160, 420, 5, DETAIL)


def _turtle(pen: Pen) -> None:
    pen.oval(12, 50, 13, 11, DETAIL)
    for x in (34, 72):
        pen.box(x - 9, 58, x + 9, 86, 7, DETAIL)
    pen.shape([(92, 58), (100, 72), (82, 66)], DETAIL)
    pen.slice(53, 64, 42, 180, 360)
    pen.oval(8, 47, 3, ink=PAPER)
    pen.line([(40, 62), (40, 42), (53, 30), (66, 42), (66, 62)], 3.5, DETAIL)
    for start, end in (((40, 42), (22, 38)), ((66, 42), (84, 38)), ((53, 30), (53, 22))):
        pen.line([start, end], 3.5, DETAIL)


def _duck(pen: Pen) -> None:
    pen.shape([(74, 46), (100, 34), (92, 68), (64, 84)])
    pen.oval(56, 66, 38, 25)
    pen.oval(30, 28, 21)
    pen.shape([(18, 40), (42, 42), (48, 62), (24, 64)])
    pen.shape([(14, 26), (14, 40), (-8, 38), (-8, 32)], DETAIL)
    pen.oval(25, 22, 5, ink=PAPER)
    pen.arc(62, 60, 16, 10, 170, 4, DETAIL)


def _whale(pen: Pen) -> None:
    pen.slice(44, 56, 44, 0, 180)
    pen.slice(36, 58, 36, 180, 300)
    pen.shape([(40, 30), (64, 46), (88, 58), (10, 60)])
    pen.shape([(76, 60), (84, 28), (68, 12), (88, 18), (100, 6), (98, 30), (88, 62)])
    pen.oval(22, 58, 5, ink=PAPER)
    pen.arc(30, 66, 22, 60, 150, 3.5, DETAIL)
    pen.arc(26, 6, 10, 190, 330, 4)
    pen.line([(34, 4), (34, 20)], 4)


def _spider(pen: Pen) -> None:
    for turn, (x, y) in enumerate(((2, 20), (0, 44), (0, 66), (6, 92))):
        bend = (26, 22 + 17 * turn)
        for side in (0, 1):
            points = [(50, 50), bend, (x, y)]
            pen.line([(100 - px if side else px, py) for px, py in points], 5)
    pen.oval(50, 58, 22, 25)
    pen.oval(50, 31, 14)
    _eyes(pen, 44, 56, 28, 4.5)


def _bee(pen: Pen) -> None:
    for x, tilt in ((38, -4), (62, 4)):
        pen.oval(x + tilt, 22, 15, 22, PAPER)
        pen.arc(x + tilt, 22, 18, 0, 360, 2, DETAIL)
    pen.oval(52, 62, 44, 28)
    for x in (44, 62, 78):
        pen.line([(x, 37 + abs(x - 50) * 0.12), (x, 87 - abs(x - 50) * 0.12)], 8, DETAIL)
    pen.oval(22, 56, 5, ink=PAPER)
    pen.oval(22, 57, 2.5, ink=DETAIL)


def _snake(pen: Pen) -> None:
    pen.arc(28, 70, 18, 0, 180, 14)
    pen.arc(64, 70, 18, 180, 360, 14)
    pen.line([(82, 70), (82, 86), (96, 92)], 12)
    pen.line([(10, 70), (10, 24)], 14)
    pen.oval(16, 18, 20, 13)
    pen.oval(22, 14, 4, ink=PAPER)
    pen.line([(34, 20), (46, 20)], 3, DETAIL)


def _penguin(pen: Pen) -> None:
    pen.oval(50, 54, 33, 44)
    pen.oval(16, 56, 8, 26)
    pen.oval(84, 56, 8, 26)
    pen.oval(50, 64, 22, 29, PAPER)
    pen.oval(50, 27, 20, 14, PAPER)
    pen.oval(41, 24, 4, ink=DETAIL)
    pen.oval(59, 24, 4, ink=DETAIL)
    pen.shape([(43, 31), (57, 31), (50, 41)], DETAIL)
    pen.oval(36, 98, 13, 5, DETAIL)
    pen.oval(64, 98, 13, 5, DETAIL)


_animal = partial(kind, family="animals")

ANIMALS: tuple[Kind, ...] = (
    _animal("cat", "chat", _cat),
    _animal("dog", "chien", _dog),
    _animal("fish", "poisson", _fish, plural="fish"),
    _animal("bird", "oiseau", _bird),
    _animal("rabbit", "lapin", _rabbit),
    _animal("bear", "ours", _bear),
    _animal("butterfly", "papillon", _butterfly, plural="butterflies"),
    _animal("snail", "escargot", _snail),
    _animal("turtle", "tortue", _turtle, feminine=True, synonyms=("tortoise",)),
    _animal("duck", "canard", _duck),
    _animal("whale", "baleine", _whale, feminine=True),
    _animal("spider", "araignée", _spider, feminine=True),
    _animal("bee", "abeille", _bee, feminine=True),
    _animal("snake", "serpent", _snake),
    _animal("penguin", "manchot", _penguin),
)
