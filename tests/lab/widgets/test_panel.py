"""The panel that most instruments stand on, without a browser: its controls, its answers, its helpers."""

import pytest
import traitlets
from ipywidgets import HBox
from PIL import Image

from phi3lib.lab.figures import plots
from phi3lib.lab.widgets.base import drawable, middle_square, number_among
from phi3lib.lab.widgets.panel import choice, slider
from tests.counter import Counter


@pytest.fixture
def counter() -> Counter:
    return Counter()


def test_a_slider_holds_the_value_it_starts_with():
    control = slider("scale", "Scale", (1.0, 10.0), 4.5, "{:.1f}".format)
    assert control.values == (1.0, 4.5, 10.0)
    assert control.texts == ("1.0", "4.5", "10.0")
    assert control.to_page(4.5) == 1 and control.from_page(2) == 10.0


def test_a_choice_may_offer_nothing_at_all_as_a_value():
    control = choice("picture", "Picture", (None, 0, 1), None, ("none", "cat", "dog"))
    assert control.to_page(None) == 0 and control.from_page(0) is None


@pytest.mark.parametrize("sent", [-1, 3, "1", None, True, 0.5])
def test_places_that_are_not_offered_are_refused(sent):
    with pytest.raises(ValueError, match="Scale has no position"):
        slider("scale", "Scale", (1, 2, 3), 2).from_page(sent)


def test_the_page_sets_the_state_and_gets_one_picture_and_one_sentence(counter):
    page = counter.live()
    before = page.picture
    page.values = {"number": 2, "word": "geese", "loud": True}
    assert (counter.number, counter.word, counter.loud) == (5, "geese", True)
    assert page.sentence == "5 geese!" and page.picture != before


def test_what_cannot_be_is_said_and_changes_nothing(counter):
    page = counter.live()
    before = page.picture
    counter.choose(number=10)
    assert page.sentence == "Not applied: that is too many."
    page.values = {**page.values, "number": 99}
    assert "Number has no position 99" in page.sentence
    assert counter.number == 1 and page.picture == before
    counter.choose(number=0)
    assert page.sentence == "0 ducks"


def test_choosing_names_what_is_not_offered(counter):
    with pytest.raises(ValueError, match="no control size; there are: number, word, loud"):
        counter.choose(size=3)
    with pytest.raises(ValueError, match="Number offers 0, 1, 5, 10, not 7"):
        counter.choose(number=7)
    counter.choose(number=5)
    counter.choose(number=1)  # what it started with is still offered
    assert counter.number == 1


def test_every_view_shows_the_same_widget(counter):
    assert counter.live() is counter.live()
    assert "application/vnd.jupyter.widget-view+json" in counter._repr_mimebundle_()


def test_an_instrument_is_a_widget_that_is_made_when_it_is_shown(counter):
    assert repr(counter) == "Counter()" and counter.children == () and counter.comm is None
    box = HBox([counter, Counter()])
    assert box.get_state("children")["children"][0] == f"IPY_MODEL_{counter.model_id}"
    assert counter.children == (counter.live(),)


def test_the_values_of_an_instrument_are_observed_linked_and_set(counter):
    other, seen = Counter(), []
    counter.observe(lambda change: seen.append(change["new"]), "values")
    traitlets.link((counter, "values"), (other, "values"))
    counter.choose(number=5)
    assert seen == [{"number": 5, "word": "ducks", "loud": False}] and other.number == 5
    other.values = {**other.values, "word": "geese"}
    assert counter.word == "geese" and counter.live().sentence == "5 geese"
    counter.choose(number=10)  # refused: nothing changes
    assert counter.values["number"] == other.number == 5
    with pytest.raises(ValueError, match="no control size"):
        counter.values = {"size": 3}


@pytest.mark.parametrize(("number", "meant"), [(0, 0), (3, 3), (-1, 3), (-4, 0)])
def test_numbers_count_from_both_ends(number, meant):
    assert number_among(4, number, "layer") == meant


@pytest.mark.parametrize("number", [4, -5])
def test_numbers_beyond_the_ends_are_refused(number):
    with pytest.raises(ValueError, match=f"no layer {number}: they are numbered 0 to 3"):
        number_among(4, number, "layer")


def test_text_in_figures_is_short_and_never_a_formula():
    assert drawable("two\n lines") == "two lines"
    assert drawable("$5") == "$5"
    long = drawable("abcdefghij" * 9, 20)
    assert len(long) == 20 and long.startswith("abc") and long.endswith("hij") and "…" in long
    fig, axes = plots.figure(height=1)
    axes.set_axis_off()
    axes.text(0, 0, drawable("$_^ and $"))
    assert plots.still(fig, alt="Dollars.").data


@pytest.mark.parametrize("size", [(90, 40), (40, 90), (41, 40), (40, 40), (1, 3)])
def test_the_middle_square_is_square(size):
    assert middle_square(Image.new("RGB", size)).size == (min(size),) * 2
