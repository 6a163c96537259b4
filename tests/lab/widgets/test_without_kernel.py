"""Instruments on pages without a kernel: their forms, and what answers in the place of Python."""

import json
import math
from functools import partial

import numpy as np
import pytest
from PIL import Image

from phi3lib import lab
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.lab.widgets import without_kernel
from phi3lib.lab.widgets.base import Instrument
from phi3lib.lab.widgets.panel import choice
from phi3lib.lab.widgets.temperature import TemperatureBoard
from phi3lib.lab.widgets.without_kernel import drawing, frames, recording
from tests.counter import Counter
from tests.hostile_strings import HOSTILE
from tests.javascript import computed, needs_javascript

from_five = partial(Counter, 5)


PANEL = "return given.states.map((values) => panelOf(given.data, given.controls, values).sentence);"


def sentences(form, states):
    """What the page says in these states."""
    return computed(PANEL, {"data": form.data, "controls": form.values["controls"], "states": states})


@needs_javascript
def test_every_state_of_a_panel_is_found_by_its_controls():
    counter = from_five()
    form = frames.frames(counter, {"word": ["geese"]}, "Other words need a kernel.")
    states, expected = [], []
    for n, number in enumerate((0, 5, 10)):
        for w, word in enumerate(("ducks", "geese")):
            for loud in (False, True):
                states.append({"number": n, "word": w, "loud": loud})
                said = f"{number} {word}{'!' if loud else ''}"
                expected.append("Not applied: that is too many." if number == 10 else said)
    assert sentences(form, states) == expected
    assert (counter.number, counter.word, counter.loud) == (5, "ducks", False)
    assert form.values["values"] == {"number": 1, "word": 0, "loud": 0}
    assert [one["kind"] for one in form.values["controls"]] == ["slider", "choice", "tick"]
    assert form.limits == "Other words need a kernel."


def test_equal_panels_are_kept_once():
    form = frames.frames(from_five(), {"number": [5]})
    assert len(form.data["panels"]) == 2 and sorted(form.data["frames"]) == [0, 1]


def test_too_many_states_and_bytes_are_refused_with_advice(monkeypatch):
    monkeypatch.setattr(frames, "MOST_PICTURES", 5)
    with pytest.raises(ValueError, match="Counter has 6 states .* at most 5 .*offered_without_kernel"):
        frames.frames(from_five())
    monkeypatch.setattr(frames, "MOST_PICTURES", 6)
    monkeypatch.setattr(frames, "MOST_BYTES", 100)
    with pytest.raises(ValueError, match="bytes without a kernel, at most 100"):
        frames.frames(from_five())


def test_a_narrowed_control_keeps_its_order_and_the_current_value():
    control = frames.narrowed(
        choice("picture", "Picture", (None, 0, 1, 2), 2, "none a b c".split()), (1, None)
    )
    assert control.values == (None, 1, 2) and control.texts == ("none", "b", "c")


def test_an_instrument_has_no_form_unless_it_says_so():
    assert Instrument().without_kernel() is None


def test_only_a_recording_kernel_makes_forms(tmp_path, monkeypatch):
    monkeypatch.delenv(recording.RECORD, raising=False)
    counter = from_five()
    monkeypatch.setattr(counter, "without_kernel", lambda: pytest.fail("computed for nobody"))
    recording.record(counter, "key")
    path = tmp_path / "forms.json"
    monkeypatch.setenv(recording.RECORD, str(path))
    recording.record(Instrument(), "none")
    assert not path.exists()
    recording.record(from_five(), "first")
    recording.record(from_five(), "second")
    kept = json.loads(path.read_text("utf-8"))
    assert list(kept["forms"]) == ["first", "second"]
    assert kept["forms"]["first"] == from_five().without_kernel().to_json()
    assert kept["seconds"] > 0 and kept["cpu_seconds"] >= 0


def test_levels_span_a_byte_and_constant_numbers_are_no_error():
    assert drawing.levels([0.0, 0.5, 1.0]) == "0080ff"
    assert drawing.levels([3, 3]) == "0000"
    assert drawing.levels([-2, 0, 1], -1, 1) == "0080ff"


@needs_javascript
@pytest.mark.parametrize("digits", [0, 1, 2])
def test_numbers_are_written_as_python_writes_them(digits):
    draws = np.random.default_rng(0).uniform(-3, 300, 500)
    numbers = [
        *draws.tolist(),
        *(n / 8 for n in range(-41, 41)),
        1.145,
        0.575,
        1.005,
        2.5,
        0.05,
        0.25,
        99.995,
    ]
    code = "return given.numbers.map((n) => fixed(n, given.digits));"
    expected = [f"{number:.{digits}f}" for number in numbers]
    assert computed(code, {"numbers": numbers, "digits": digits}) == expected


class SmallClip:
    """Random vectors that depend on the text alone, and a scale of 30."""

    class model:
        class logit_scale:
            @staticmethod
            def detach():
                import torch

                return torch.tensor(math.log(30.0))

    def vector(self, seed):
        return np.random.default_rng(seed).normal(size=16)

    def image_features(self, pictures):
        import torch

        return torch.tensor(np.stack([self.vector(n) for n in range(len(pictures))]))

    def text_features(self, texts):
        import torch

        return torch.tensor(np.stack([self.vector(list(one.encode())) for one in texts]))


@needs_javascript
def test_the_temperature_boards_numbers_are_equal():
    pictures = [Image.new("RGB", (20, 20), color) for color in ("red", "green")]
    board = TemperatureBoard(pictures, ["a cat", "a dog", "a red thing"], SmallClip())
    form = board.without_kernel()
    offered, states, expected = form.data["offered"], [], []
    for scale in range(0, 81, 4):
        for picture, second in ((0, 1), (1, 0), (1, 7)):
            values = {"picture": picture, "scale": scale, **{f"caption_{n}": n - 1 for n in (1, 3)}}
            values |= {"caption_2": offered["caption_2"].index(offered["caption_1"][second]), "caption_4": 3}
            states.append(values)
            board.take({name: offered[name][place] for name, place in sorted(values.items())})
            state = board.state
            expected.append([state.sentence(), state.probabilities().tolist(), state.entropy()])
    code = (
        "return given.states.map((places) => { const o = given.data.offered;"
        "const captions = [...new Set(Object.keys(o).filter((n) => n.startsWith('caption'))"
        ".map((n) => o[n][places[n]]).filter(Boolean))];"
        "const own = given.data.cosines[places.picture];"
        "const c = captions.map((one) => own[given.data.captions.indexOf(one)]);"
        "const scale = o.scale[places.scale], p = probabilities(c, scale);"
        "return [temperatureSentence(captions, c, scale, places.picture), p, entropy(p)]; });"
    )
    for (said, p, bits), (sentence, probabilities, entropy) in zip(
        computed(code, {"states": states, "data": form.data}), expected, strict=True
    ):
        assert said == sentence
        assert p == pytest.approx(probabilities, abs=1e-6) and bits == pytest.approx(entropy, abs=1e-5)


def unit_table(count, ids=None):
    vectors = np.random.default_rng(1).normal(size=(count, 12)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return EmbeddingTable(ids=tuple(ids or map(str, range(count))), vectors=vectors, recipe={})


@needs_javascript
def test_names_from_outside_are_text_in_every_drawing():
    names = [f"<img src=x onerror=alert(1)>' \" & {n} {one}" for n, one in enumerate(HOSTILE.values())]
    pictures = [Image.new("RGB", (9, 9))] * len(names)
    tables = {"<b>one</b>": unit_table(len(names), names), "two": unit_table(len(names), names)}
    form = lab.RankedStrips(tables, pictures).without_kernel()
    code = "return given.panels.map((one) => decodeURIComponent(drawn(one.drawing, given, false)));"
    from xml.etree import ElementTree

    for svg in computed(code, json.loads(json.dumps(form.to_json()["data"]))):
        root = ElementTree.fromstring(svg.partition(",")[2])  # well-formed
        assert {one.tag.rpartition("}")[2] for one in root.iter()} <= {
            "svg", "defs", "filter", "feColorMatrix", "rect", "image", "text", "g"
        }  # fmt: skip
        assert not any(name.startswith("on") for one in root.iter() for name in one.attrib)


@needs_javascript
@pytest.mark.parametrize("narrow", [False, True])
def test_a_drawing_shows_each_tile_with_its_title_and_marks(narrow):
    pictures = [Image.new("RGB", (30, 20), color) for color in ("red", "green", "blue")]
    tiles = [drawing.tile(n, f"number {n}\n0.5{n}", frame=("", "full", "dashed")[n]) for n in range(3)]
    rows = [
        drawing.line(tiles, "three"),
        drawing.line([drawing.tile(None, heat=np.eye(4), patch=(1, 2, 4))]),
        drawing.strip(np.linspace(-1, 1, 5), "a vector: 5 numbers"),
        drawing.note("dashed: in some"),
    ]
    shared = {
        "pictures": [one.data_uri for one in drawing.small_pictures(pictures)],
        "sizes": [one.size for one in drawing.small_pictures(pictures)],
        "palettes": drawing.palettes(),
    }
    code = "return decodeURIComponent(drawn(given.rows, given.shared, given.narrow));"
    svg = computed(code, {"rows": rows, "shared": shared, "narrow": narrow})
    for said in ("three", "number 0", "0.52", "a vector: 5 numbers", "dashed: in some"):
        assert f">{said}</text>" in svg
    assert svg.count("<image ") == 3 and svg.count("stroke-dasharray") == 1
    assert (
        svg.count(f"#{shared['palettes']['heat'][:6]}") >= 12
    )  # the least of cividis, off the diagonal of the heat


def test_the_scripts_name_all_parts():
    from pathlib import Path

    from tools.site_instruments import PARTS

    assert {path.stem for path in Path(without_kernel.__file__).parent.glob("*.js")} == set(PARTS)
