"""The colours of the picture-book: their names in two languages, and which pairs can be told apart."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Color:
    """A colour with its English name, its French masculine and feminine, and its sRGB value (0 to 255)."""

    name: str
    french: str
    french_feminine: str
    rgb: tuple[int, int, int]


_TABLE = (
    ("red", "rouge", "rouge", (214, 40, 40)),
    ("orange", "orange", "orange", (244, 132, 20)),
    ("yellow", "jaune", "jaune", (248, 208, 36)),
    ("green", "vert", "verte", (40, 156, 72)),
    ("turquoise", "turquoise", "turquoise", (32, 190, 190)),
    ("blue", "bleu", "bleue", (36, 84, 208)),
    ("purple", "violet", "violette", (126, 52, 168)),
    ("pink", "rose", "rose", (246, 130, 180)),
    ("brown", "marron", "marron", (126, 78, 40)),
    ("black", "noir", "noire", (24, 24, 26)),
    ("grey", "gris", "grise", (136, 138, 142)),
    ("white", "blanc", "blanche", (250, 250, 248)),
)
COLORS: dict[str, Color] = {row[0]: Color(*row) for row in _TABLE}


def luminance(rgb: tuple[int, int, int]) -> float:
    """Relative luminance, 0 (black) to 1 (white), after WCAG 2.2."""
    linear = [c / 12.92 if (c := value / 255) <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for value in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: tuple[int, int, int], second: tuple[int, int, int]) -> float:
    """Contrast ratio of two colours, 1 (equal) to 21 (black on white), after WCAG 2.2."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
