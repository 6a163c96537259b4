"""The kinds with content: what they print is in the facts, exact, and inside the picture."""

from itertools import combinations, product

import numpy as np
import pytest
from numpy.random import default_rng
from PIL import Image
from scipy import ndimage

from picturebook.colors import COLORS
from picturebook.kind import Kind, Look
from picturebook.pages import PAGE_KINDS, WITHOUT_PATTERN, digits
from picturebook.pages.cards import RANKS, SUITS, draw_card
from picturebook.pages.charts import CHARTS, draw_chart
from picturebook.pages.clocks import draw_clock, time_in_words
from picturebook.pages.dice import draw_die
from picturebook.pages.digits import SCANS, TEST_DIGITS, TRAIN_DIGITS, handwritten_digit
from picturebook.pages.documents import DOCUMENTS, draw_document, smallest_side
from picturebook.pages.flags import COUNTRIES, draw_flag
from picturebook.pages.glyphs import fonts_for, glyph_mask
from picturebook.pages.ink import BLACK, TEXT_FONTS, cap_font, draw_text, text_mask
from picturebook.pages.signs import FORMS, draw_sign
from picturebook.pages.words import HELD_OUT_WORDS, TRAINED_WORDS, position_classes

RED, WHITE = Look(COLORS["red"]), Look(COLORS["white"])
by_name = pytest.mark.parametrize("kind", PAGE_KINDS, ids=lambda kind: kind.name)


def pixels_of(image: Image.Image) -> np.ndarray:
    """The picture on a white ground, height × width × 3."""
    ground = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(ground, image).convert("RGB")).astype(int)


def ring(image: Image.Image, width: int = 2) -> np.ndarray:
    """The outermost pixels of a picture on all four sides, n × 3."""
    pixels = pixels_of(image)
    inner = np.zeros(pixels.shape[:2], bool)
    inner[width:-width, width:-width] = True
    return pixels[~inner]


def near(pixels: np.ndarray, color: tuple[int, int, int], distance: int = 40) -> np.ndarray:
    return np.abs(pixels - np.array(color)).max(axis=-1) < distance


# All kinds


@by_name
def test_the_longer_side_is_the_one_asked_for(kind: Kind) -> None:
    for side, seed in product((24, 30, 57, 90, 133, 300), range(3)):
        image = kind.draw(RED, side, default_rng(seed)).image
        assert max(image.size) == side
        assert image.mode == "RGBA"


@by_name
def test_the_same_seed_draws_the_same(kind: Kind) -> None:
    first, second = (kind.draw(RED, 70, default_rng(5)) for _ in range(2))
    assert first.image.tobytes() == second.image.tobytes()
    assert first.facts == second.facts


@by_name
def test_a_drawing_can_be_changed_without_changing_the_next(kind: Kind) -> None:
    first = kind.draw(RED, 70, default_rng(5)).image
    before = first.tobytes()
    first.paste((1, 2, 3, 255), (0, 0, *first.size))
    assert kind.draw(RED, 70, default_rng(5)).image.tobytes() == before


@by_name
def test_a_kind_shows_the_color_that_it_takes_and_no_other(kind: Kind) -> None:
    pictures = {}
    for color in ("red", "green", "purple"):
        image = kind.draw(Look(COLORS[color]), 80, default_rng(1)).image
        pictures[color] = image.tobytes()
        pixels = np.asarray(image).astype(int)
        solid = pixels[pixels[..., 3] > 250][:, :3]
        if kind.takes_color:  # a clock does on its rim only
            assert near(solid, COLORS[color].rgb).mean() > 0.1
    assert len(set(pictures.values())) == (3 if kind.takes_color else 1)


@by_name
def test_a_pattern_is_shown_except_where_it_is_said_not_to_be(kind: Kind) -> None:
    pictures = {
        pattern: kind.draw(Look(COLORS["blue"], pattern), 40, default_rng(2)).image.tobytes()
        for pattern in ("plain", "striped", "dotted")
    }
    shown = kind.takes_color and kind.name not in WITHOUT_PATTERN
    assert len(set(pictures.values())) == (3 if shown else 1)


def test_no_name_stands_for_two_kinds() -> None:
    names = [name.lower() for kind in PAGE_KINDS for name in (kind.name, *kind.synonyms)]
    assert len(names) == len(set(names))
    for field in ("plural", "french"):
        assert len({getattr(kind, field) for kind in PAGE_KINDS}) == len(PAGE_KINDS)


# Type


@pytest.mark.parametrize("name", TEXT_FONTS)
def test_cap_height_is_exact(name: str) -> None:
    for cap in range(6, 21):
        mask = np.asarray(text_mask("HITE", cap, name))
        assert mask.shape[0] == cap
        # Crisp: the first and the last row are drawn in strong ink, not as a shade.
        assert min(mask[0].max(), mask[-1].max()) > 120


def test_text_of_a_cap_height_that_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="smallest is 5"):
        draw_text("EXIT", 4)
    with pytest.raises(ValueError, match="no font"):
        cap_font("comic", 10)


def test_tracking_moves_letters_apart() -> None:
    plain, wide = draw_text("OPEN", 10), draw_text("OPEN", 10, tracking=3)
    assert wide.width == plain.width + 9
    assert wide.height == plain.height


# Digits and letters


def test_halves_of_the_handwriting_are_disjoint_and_complete() -> None:
    assert not set(TRAIN_DIGITS) & set(TEST_DIGITS)
    assert sorted([*TRAIN_DIGITS, *TEST_DIGITS]) == list(range(SCANS))


def drawn_digits(count: int = 200) -> list[tuple[str, Image.Image]]:
    rng = default_rng(0)
    drawings = [digits.draw_digit(int(rng.integers(10)), RED, 30, rng) for _ in range(count)]
    return [(str(drawing.facts["hand"]), drawing.image) for drawing in drawings]


def test_only_the_training_half_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    before = drawn_digits()
    assert 70 < [hand for hand, _ in before].count("handwritten") < 130
    images, values = digits._scans()
    for half, changes in ((TEST_DIGITS, False), (TRAIN_DIGITS, True)):
        spoiled = images.copy()
        spoiled[half] = 1 - spoiled[half]
        monkeypatch.setattr(digits, "_scans", lambda spoiled=spoiled: (spoiled, values))
        differs = [hand for (hand, old), (_, new) in zip(before, drawn_digits(), strict=True) if old != new]
        assert set(differs) == ({"handwritten"} if changes else set())


def test_no_two_hands_are_alike() -> None:
    hands = [image for hand, image in drawn_digits() if hand == "handwritten"]
    assert len({image.tobytes() for image in hands}) == len(hands)


def test_a_handwritten_digit_is_ink_on_nothing() -> None:
    rng = default_rng(1)
    for number in range(200):
        mask = np.asarray(digits._other_hand(number % 10, rng)) / 255
        assert 0.15 < mask.mean() < 0.95
    untouched = digits._pen_stroke(np.zeros((8, 8), np.float32), 40)
    assert untouched.getextrema() == (0, 0)


def test_a_scan_is_asked_for_by_its_own_value() -> None:
    from sklearn.datasets import load_digits

    target = load_digits().target
    index = int(TEST_DIGITS[0])
    assert max(handwritten_digit(int(target[index]), index, 60).size) == 60
    with pytest.raises(ValueError, match="is not a"):
        handwritten_digit((int(target[index]) + 1) % 10, index)
    with pytest.raises(ValueError, match="is not a"):
        handwritten_digit(0, SCANS)


@pytest.mark.parametrize("character", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
def test_no_character_is_clipped(character: str) -> None:
    for name in fonts_for(character, RED, 90):
        # A clipped glyph has a long straight edge; a whole one has its own proportion at every size.
        small, large = glyph_mask(character, name, 100), glyph_mask(character, name, 300)
        assert small.width / small.height == pytest.approx(large.width / large.height, rel=0.04)
        assert np.asarray(large).max() == 255


def test_an_o_is_never_set_in_a_font_where_it_is_as_narrow_as_a_zero() -> None:
    for name in fonts_for("O", RED, 90):
        letter, zero = glyph_mask("O", name, 200), glyph_mask("0", name, 200)
        assert letter.width / letter.height > 1.1 * zero.width / zero.height


# Signs


def test_held_out_words_are_made_of_what_is_trained() -> None:
    trained = set().union(*map(position_classes, TRAINED_WORDS))
    assert not set(HELD_OUT_WORDS) & set(TRAINED_WORDS)
    for word in HELD_OUT_WORDS:
        assert position_classes(word) <= trained, word
    for word in (*HELD_OUT_WORDS, *TRAINED_WORDS):
        assert 3 <= len(word) <= 6 and word.isupper()


def test_held_out_words_are_drawn_only_when_asked_for() -> None:
    sign = next(kind for kind in PAGE_KINDS if kind.name == "sign")
    rng = default_rng(1)
    drawn = {sign.draw(RED, 24, rng).facts["text"] for _ in range(1500)}
    assert drawn == set(TRAINED_WORDS)
    assert draw_sign(HELD_OUT_WORDS[0], RED, 90, rng).facts["text"] == HELD_OUT_WORDS[0]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("word", ["BUS", "MUSEUM", "HARBOR"])
def test_the_word_stays_inside_its_board(form: str, word: str) -> None:
    for side in (40, 64, 90, 200):
        drawing = draw_sign(word, WHITE, side, default_rng(0), form=form, font="sans bold")
        # On white the ink is black, and nothing else is.
        assert not near(ring(drawing.image), BLACK).any()


def test_the_cap_height_of_a_sign_is_the_one_in_its_facts() -> None:
    for seed in range(20):
        drawing = draw_sign("HIT", WHITE, 60 + 3 * seed, default_rng(seed), form="plate", font="sans bold")
        rows = near(pixels_of(drawing.image), BLACK).any(axis=1)
        assert rows.sum() == drawing.facts["cap_height"]


# Charts


@pytest.mark.parametrize("kind", CHARTS)
def test_nothing_on_a_chart_touches_its_edge(kind: str) -> None:
    for seed in range(12):
        for side in (60, 160, 336):
            edge = ring(draw_chart(kind, side, default_rng(seed)).image, 1)
            assert (edge == edge[0]).all()


@pytest.mark.parametrize("kind", CHARTS)
@pytest.mark.parametrize("cap", [6, 9, 12])
def test_a_chart_prints_at_the_cap_height_asked_for(kind: str, cap: int) -> None:
    for seed in range(8):
        drawing = draw_chart(kind, 40 * cap, default_rng(seed), cap_height=cap)
        assert drawing.facts["cap_height"] == cap
        # The title stands alone in the uppermost rows: it begins with a capital, and its baseline is known.
        pixels = pixels_of(drawing.image)[: 2 * cap]
        rows = np.flatnonzero((np.abs(pixels - pixels[0, 0]).max(axis=-1) > 30).any(axis=1))
        assert rows[-1] == 2 * cap - 1
        assert rows[0] in (cap - 1, cap)


@pytest.mark.parametrize("kind", ["bar chart", "line chart", "pie chart"])
def test_highest_and_lowest_are_the_highest_and_the_lowest(kind: str) -> None:
    for seed in range(40):
        facts = draw_chart(kind, 300, default_rng(seed)).facts
        values, names = facts["values"], facts["categories"]
        assert isinstance(values, tuple) and isinstance(names, tuple)
        assert names[values.index(max(values))] == facts["highest"] == names[facts["highest_position"] - 1]
        assert names[values.index(min(values))] == facts["lowest"]
        ordered = sorted(map(int, values))
        assert ordered[-1] > ordered[-2] and ordered[0] < ordered[1]
        if kind != "line chart":
            assert ordered[-1] >= 1.15 * ordered[-2]
        if kind == "pie chart":
            assert sum(ordered) == 100


def test_the_highest_bar_in_the_picture_is_the_one_in_the_facts() -> None:
    for seed in range(20):
        drawing = draw_chart("bar chart", 140, default_rng(seed))
        pixels = pixels_of(drawing.image)
        bars = pixels.max(axis=-1) - pixels.min(axis=-1) > 70
        columns = np.flatnonzero(bars.any(axis=0))
        top = np.flatnonzero(bars[np.flatnonzero(bars.any(axis=1))[0]]).mean()
        share = (top - columns[0]) / (columns[-1] - columns[0])
        assert int(share * len(drawing.facts["values"])) + 1 == drawing.facts["highest_position"]


def test_a_line_goes_where_its_trend_says() -> None:
    for seed in range(30):
        facts = draw_chart("line chart", 200, default_rng(seed)).facts
        steps = np.diff(facts["values"])
        assert (steps > 0).all() if facts["trend"] == "rising" else (steps < 0).all()


def test_small_charts_claim_no_text() -> None:
    for kind in CHARTS:
        assert "title" not in draw_chart(kind, 90, default_rng(0)).facts
        assert "title" in draw_chart(kind, 90 * 4, default_rng(0)).facts
        with pytest.raises(ValueError, match="no room"):
            draw_chart(kind, 100, default_rng(0), with_text=True, cap_height=14)
    with pytest.raises(ValueError, match="no chart"):
        draw_chart("radar chart", 100, default_rng(0))


# Cards, dice, clocks


def test_the_52_cards_differ() -> None:
    cards = [np.asarray(draw_card(rank, suit, 64)).astype(int) for rank in RANKS for suit in SUITS]
    assert len(cards) == 52
    assert min((np.abs(a - b).max(axis=-1) > 60).sum() for a, b in combinations(cards, 2)) > 20


@pytest.mark.parametrize("suit", SUITS)
def test_nothing_on_a_card_is_clipped(suit: str) -> None:
    for rank in RANKS:
        pixels = pixels_of(draw_card(rank, suit, 400))
        ink = near(pixels, SUITS[suit][1], 90)
        rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        height, width = ink.shape
        assert min(rows[0], height - 1 - rows[-1], columns[0], width - 1 - columns[-1]) > 12
        # Corner, suit and corner do not run into each other: rank and small suit twice, the large one.
        parts = ndimage.label(ink, structure=np.ones((3, 3)))[1]
        assert parts == (7 if rank == "ten" else 5)
        # The card reads the same upside down, but for its middle suit.
        assert (ink[: height // 4] == ink[::-1, ::-1][: height // 4]).mean() > 0.99


@pytest.mark.parametrize("value", range(1, 7))
def test_a_die_shows_as_many_pips_as_its_value(value: int) -> None:
    for side in (24, 40, 90, 200):
        for turned in (False, True):
            pixels = pixels_of(draw_die(value, WHITE, side, turned=turned))
            assert ndimage.label(pixels.max(axis=-1) < 100)[1] == value


@pytest.mark.parametrize(
    ("hour", "minute", "words"),
    [
        (3, 0, "three o'clock"),
        (3, 30, "half past three"),
        (4, 40, "twenty to five"),
        (12, 45, "quarter to one"),
        (11, 55, "five to twelve"),
        (12, 5, "five past twelve"),
        (1, 25, "twenty-five past one"),
    ],
)
def test_time_in_words(hour: int, minute: int, words: str) -> None:
    assert time_in_words(hour, minute) == words


@pytest.mark.parametrize(("hour", "tip"), [(3, (130, 100)), (6, (100, 130)), (9, (70, 100))])
def test_hands_point_where_the_time_says(hour: int, tip: tuple[int, int]) -> None:
    pixels = draw_clock(hour, 0, WHITE, 200).convert("L")
    assert pixels.getpixel(tip) < 60
    assert pixels.getpixel((100, 55)) < 60
    others = {(130, 100), (100, 130), (70, 100)} - {tip}
    assert min(pixels.getpixel(place) for place in others) > 200


def test_what_does_not_exist_is_refused() -> None:
    for call in (
        lambda: draw_card("one", "hearts", 60),
        lambda: draw_die(7, RED, 60),
        lambda: draw_clock(13, 0, RED, 60),
        lambda: draw_clock(3, 7, RED, 60),
        lambda: draw_flag("Atlantis", 60),
        lambda: draw_sign("EXIT", RED, 60, default_rng(0), form="cloud"),
        lambda: draw_document("novel", 60, default_rng(0)),
    ):
        with pytest.raises(ValueError, match="no |has no|not"):
            call()


# Flags: colour at points given in shares of width and height

POINTS = {
    "France": {(0.15, 0.5): (0, 0, 145), (0.5, 0.5): (255, 255, 255), (0.85, 0.5): (225, 0, 15)},
    "Italy": {(0.15, 0.5): (0, 140, 69), (0.85, 0.5): (205, 33, 42)},
    "Germany": {(0.5, 0.15): (0, 0, 0), (0.5, 0.5): (221, 0, 0), (0.5, 0.85): (255, 204, 0)},
    "Belgium": {(0.15, 0.5): (20, 20, 20), (0.5, 0.5): (253, 218, 36), (0.85, 0.5): (239, 51, 64)},
    "Poland": {(0.5, 0.25): (255, 255, 255), (0.5, 0.75): (220, 20, 60)},
    "Ukraine": {(0.5, 0.25): (0, 87, 183), (0.5, 0.75): (255, 215, 0)},
    "Colombia": {(0.5, 0.4): (252, 209, 22), (0.5, 0.62): (0, 56, 147), (0.5, 0.88): (206, 17, 38)},
    "Japan": {(0.5, 0.5): (188, 0, 45), (0.1, 0.1): (255, 255, 255), (0.5, 0.1): (255, 255, 255)},
    "Sweden": {(0.1, 0.5): (254, 204, 2), (0.375, 0.1): (254, 204, 2), (0.7, 0.2): (0, 106, 167)},
    "Norway": {(8 / 22, 0.1): (0, 32, 91), (6.5 / 22, 0.1): (255, 255, 255), (0.1, 0.1): (186, 12, 47)},
    "Czechia": {(0.1, 0.5): (17, 69, 126), (0.8, 0.2): (255, 255, 255), (0.8, 0.8): (215, 20, 26)},
    "Switzerland": {(0.5, 0.5): (255, 255, 255), (0.1, 0.5): (218, 41, 28), (0.3, 0.3): (218, 41, 28)},
    "Vietnam": {(0.5, 0.5): (255, 255, 0), (0.1, 0.1): (218, 37, 29)},
    "Turkey": {(0.2, 0.5): (255, 255, 255), (0.4, 0.5): (227, 10, 23), (0.9, 0.5): (227, 10, 23)},
    "the United Kingdom": {
        (0.5, 0.1): (200, 16, 46),
        (0.3, 0.05): (1, 33, 105),
    },
    "the United States": {
        (0.9, 0.19): (179, 25, 66),
        (0.9, 0.11): (255, 255, 255),
    },
}


@pytest.mark.parametrize("country", POINTS)
def test_flags_have_their_colors(country: str) -> None:
    for side in (60, 90, 400):
        image = draw_flag(country, side).convert("RGB")
        for (x, y), color in POINTS[country].items():
            place = (int(x * image.width), int(y * image.height))
            assert near(np.array(image.getpixel(place)), color, 30), (side, place)


def test_no_two_flags_look_alike() -> None:
    small = [draw_flag(name, 90).convert("RGB").resize((60, 40)) for name in COUNTRIES]
    flags = [np.asarray(image).astype(int) for image in small]
    assert min(np.abs(a - b).mean() for a, b in combinations(flags, 2)) > 15


# Documents


def test_the_total_of_a_receipt_is_the_sum_of_its_prices() -> None:
    for seed in range(60):
        facts = draw_document("receipt", 300, default_rng(seed)).facts
        cents = [int(price.replace(".", "")) for price in facts["prices"]]
        assert sum(cents) == int(facts["total"].replace(".", ""))
        assert len(cents) == len(facts["items"]) == len(set(facts["items"]))


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_the_facts_hold_every_printed_line(kind: str) -> None:
    for seed in range(20):
        facts = draw_document(kind, 300, default_rng(seed)).facts
        lines = " ".join(facts["lines"])
        parts = [value for name, value in facts.items() if name not in ("lines", "cap_height")]
        for part in parts:
            for text in part if isinstance(part, tuple) else (part,):
                assert text in lines


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("cap", [6, 8, 10, 14, 20])
def test_print_has_room_from_the_smallest_side_on(kind: str, cap: int) -> None:
    for seed in range(25):
        for side in (smallest_side(kind, cap), 2 * smallest_side(kind, cap)):
            drawing = draw_document(kind, side, default_rng(seed), cap_height=cap)
            assert drawing.facts["cap_height"] == cap
            # Paper or board up to the edge: no print there.
            if kind == "receipt":
                assert not near(ring(drawing.image, 4), BLACK).any()
            elif kind == "ticket":
                assert not near(ring(drawing.image, 3), BLACK).any()


def test_the_cap_height_of_a_receipt_is_exact() -> None:
    for cap in range(6, 17):
        image = draw_document("receipt", 30 * cap, default_rng(cap), cap_height=cap).image
        ink = near(pixels_of(image), BLACK).any(axis=1)
        # The first run of rows is the name of the shop, the last one the total.
        runs = np.flatnonzero(np.diff(np.concatenate([[0], ink.astype(int), [0]]))).reshape(-1, 2)
        assert runs[0][1] - runs[0][0] == cap
        assert runs[-1][1] - runs[-1][0] == cap


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_small_document_claims_no_text(kind: str) -> None:
    assert draw_document(kind, 70, default_rng(0)).facts == {}
    with pytest.raises(ValueError, match="has room"):
        draw_document(kind, 100, default_rng(0), cap_height=12)


def test_no_two_drawings_of_one_scan_are_the_same_and_none_is_clipped() -> None:
    drawn = []
    for seed in range(40):
        drawing = digits.draw_digit(5, RED, 60, default_rng(seed))
        if drawing.facts["hand"] == "handwritten":
            alpha = np.asarray(drawing.image)[..., 3]
            assert alpha.max(0).min() > 0 and alpha.max(1).min() > 0  # cut to its ink, with no empty edge
            drawn.append(drawing.image.tobytes())
    assert len(set(drawn)) == len(drawn) > 10
