"""One palette: no other file of the lab has a color of its own, and every name that a page uses is given."""

import re
from pathlib import Path

import pytest
from matplotlib.colors import to_rgb

import phi3lib.lab
from phi3lib.lab.figures import palette

LAB = Path(phi3lib.lab.__file__).parent
NUMBER = r"(?<!&)#(?:[0-9a-fA-F]{3,4}){1,2}\b|\b(?:rgba?|hsla?)\([\d.]"
# On a page, a word for a color is one, too: it would not follow the theme. Figures stand on white paper.
WHERE = r"(?:color|background|fill|stroke|fillStyle|strokeStyle|border[\w-]*)"
WORD = WHERE + r"['\"]?\s*[=:]\s*[^;,}\n]*?\b(?<!\.)(?:white|black|gr[ae]y|red)\b"
FILES = sorted(path for kind in ("*.py", "*.js", "*.css") for path in LAB.rglob(kind))
PAGES = [path for path in FILES if path.suffix != ".py"]


def literals(code: str, *, page: bool) -> list[str]:
    """Return the colors that a text writes down itself."""
    return re.findall(f"{NUMBER}|{WORD}" if page else NUMBER, code)


def test_every_color_of_the_lab_is_in_the_palette():
    others = [path for path in FILES if path != Path(palette.__file__)]
    found = {
        str(path.relative_to(LAB)): colors
        for path in others
        if (colors := literals(path.read_text(encoding="utf-8"), page=path.suffix != ".py"))
    }
    assert len(others) > 100 and not found, "move these to phi3lib/lab/figures/palette.py"


@pytest.mark.parametrize(
    "code",
    [
        'const HERE = "#D55E00";',
        "a { color: #fff; }",
        'pen.fillStyle = "rgba(213,94,0,.15)"',
        "a { border: 1px solid black; }",
        "shape('rect', { fill: \"white\" })",
        "pen.strokeStyle = 'gray'",
    ],
)
def test_a_new_literal_is_found(code):
    assert literals(code, page=True)


@pytest.mark.parametrize(
    "code",
    ["white-space: pre;", 'color.value = "black";', "&#39;", "fill: url(#hatch)", "color: var(--text)"],
)
def test_what_is_no_color_is_not_taken_for_one(code):
    assert not literals(code, page=True)


def test_light_and_dark_have_the_same_names():
    assert palette.LIGHT.keys() == palette.DARK.keys()


def test_the_pages_use_only_colors_that_they_are_given():
    given = palette.as_data()
    styles = palette.theme_styles(".atlas") + palette.instrument_styles(".panel")
    for path in PAGES:
        code = path.read_text(encoding="utf-8")
        for name, key in re.findall(r"\bPALETTE\.(\w+)(?:\.(\w+))?", code):
            assert name in given, f"{path.name}: PALETTE.{name}"
            assert not isinstance(given[name], dict) or not key or key in given[name], (
                f"{path.name}: {name}.{key}"
            )
        for name in re.findall(r"var\(--((?!jp-)[\w-]+)", code):
            assert f"--{name}:" in styles, f"{path.name}: --{name}"


@pytest.mark.parametrize("theme", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
@pytest.mark.parametrize("text", ["text", "quiet", "accent", "warn"])
def test_words_on_a_page_have_enough_contrast(theme, text):
    for paper in ("paper", "panel"):
        assert contrast(theme[text], theme[paper]) >= 4.5


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colors (WCAG 2.2, 1 to 21)."""

    def luminance(color: str) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
