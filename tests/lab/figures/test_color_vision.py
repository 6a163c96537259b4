"""The colours of the course stay apart under three simulated colour-vision deficiencies."""

import itertools

import matplotlib
import numpy as np
import pytest

from phi3lib.lab.figures import hd_plots, plots
from tests.lab.figures.color_vision import DEFICIENCIES, difference, lab

AT_A_GLANCE = 10
MEANINGS = (
    plots.CROP,
    plots.GLOBAL_VIEW,
    plots.ROW_SEPARATOR,
    plots.VIEW_SEPARATOR,
    plots.PADDING,
    plots.HERE,
)
each = pytest.mark.parametrize("deficiency", DEFICIENCIES)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_difference_is_ciede2000_as_published(one, other, expected):
    assert difference(one, other) == pytest.approx(expected, abs=1e-4)


def test_the_simulation_confuses_what_it_should():
    red, green = "#b04a3a", "#7a7a2e"
    assert difference(lab(red), lab(green)) > 25
    assert difference(lab(red, "deuteranopia"), lab(green, "deuteranopia")) < 12
    assert all(np.allclose(lab("white", kind), (100, 0, 0), atol=0.1) for kind in DEFICIENCIES)


@each
@pytest.mark.parametrize("palette", [plots.CLASSES, MEANINGS], ids=["classes", "meanings"])
def test_two_colors_of_a_palette_are_told_apart_at_a_glance(palette, deficiency):
    seen = {color: lab(color, deficiency) for color in palette}
    pairs = {(one, two): difference(seen[one], seen[two]) for one, two in itertools.combinations(palette, 2)}
    assert min(pairs.values()) > AT_A_GLANCE, min(pairs, key=pairs.get)


def test_no_meaning_depends_on_color_alone():
    assert len(set(plots.MARKERS)) == len(plots.MARKERS) == len(plots.CLASSES)
    assert len(set(plots.HATCHES.values())) == len(plots.HATCHES)
    assert set(hd_plots.COLORS.values()) <= set(plots.HATCHES)


@each
def test_magnitudes_get_lighter_step_by_step(deficiency):
    steps = [
        lab(matplotlib.colormaps[plots.MAGNITUDE](share)[:3], deficiency) for share in np.linspace(0, 1, 10)
    ]
    assert (np.diff([step[0] for step in steps]) > 5).all()


@each
def test_above_and_below_zero_look_different(deficiency):
    ends = [lab(matplotlib.colormaps["RdBu_r"](share)[:3], deficiency) for share in (0.1, 0.9)]
    assert difference(*ends) > 3 * AT_A_GLANCE
