"""Fewer bits: what changes, what stays, and what is said about it."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image

from phi3lib import embed_images, load_phi3_model
from phi3lib.embeddings import embed as embed_module
from phi3lib.embeddings import trial
from phi3lib.encoders import as_encoder
from phi3lib.encoders.clip import ClipEncoder
from phi3lib.vision import precision as precision_module
from phi3lib.vision.precision import Agreement, agreement, in_precision, precision_of


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)) for _ in range(5)]


@pytest.mark.parametrize("precision", ["bf16", "int8"])
@pytest.mark.parametrize("name", ["clip", "phi3"])
def test_vectors_of_fewer_bits_are_close_and_say_so(name, precision, pictures, request, capsys):
    model = request.getfixturevalue(name)
    before = [weight.clone() for weight in _network(model).parameters()]
    exact = embed_images(pictures, model=model, progress=False)
    quick = embed_images(pictures, model=model, precision=precision, progress=False)
    assert "cosine to float32" in capsys.readouterr().out
    assert exact.recipe["dtype"] == "float32"
    assert quick.recipe["dtype"] == {"bf16": "bfloat16", "int8": "int8"}[precision]
    found = agreement(torch.from_numpy(exact.vectors), torch.from_numpy(quick.vectors))
    assert 0.98 < found.least <= found.mean <= 1 + 1e-9
    assert not np.array_equal(exact.vectors, quick.vectors)
    for old, new in zip(before, _network(model).parameters(), strict=True):
        assert torch.equal(old, new)  # the model itself stays


def _network(model):
    return model.model if hasattr(model, "text_features") else model


def test_int8_holds_whole_numbers_where_the_work_is(clip):
    quick = in_precision(clip, "int8")
    layer = quick.model.vision_model.encoder.layers[0].self_attn.q_proj
    assert layer.weight().dtype == torch.qint8
    assert precision_of(quick.model) == "int8" and precision_of(clip.model) == "float32"


@pytest.mark.parametrize(
    ("chosen", "vnni", "most", "packed_for"),
    [
        ("x86", True, 10**9, "onednn"),
        ("x86", False, 10**9, "x86"),
        ("x86", True, 10, "x86"),  # a large model holds its weights once
        ("fbgemm", True, 10**9, "fbgemm"),
    ],
)
def test_whole_numbers_are_packed_for_the_processor_and_no_setting_stays(
    clip, pictures, monkeypatch, chosen, vnni, most, packed_for
):
    engines, quantize_dynamic, seen = torch.backends.quantized, torch.ao.quantization.quantize_dynamic, []
    if not {chosen, packed_for} <= set(engines.supported_engines):
        pytest.skip("this torch was built without these engines")

    def note(network, *arguments, **options):
        seen.append(engines.engine)
        return quantize_dynamic(network, *arguments, **options)

    monkeypatch.setattr(torch.ao.quantization, "quantize_dynamic", note)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_vnni": vnni})
    monkeypatch.setattr(precision_module, "MOST_HELD_TWICE", most)
    before = engines.engine
    engines.engine = chosen
    try:
        quick = in_precision(clip, "int8")
        assert seen == [packed_for] and engines.engine == chosen
        again = copy.deepcopy(quick)  # packed anew
    finally:
        engines.engine = before
    exact = clip.image_features(pictures)
    for one in (quick, again):
        assert agreement(exact, one.image_features(pictures)).least > 0.98


def test_no_setting_stays_where_packing_fails(clip, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no memory")

    before = torch.backends.quantized.engine
    monkeypatch.setattr(torch.ao.quantization, "quantize_dynamic", fail)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_vnni": True})
    with pytest.raises(RuntimeError, match="no memory"):
        in_precision(clip, "int8")
    assert torch.backends.quantized.engine == before


def test_the_agreement_names_the_model_as_it_came(phi3_folder, pictures, capsys):
    half = load_phi3_model(phi3_folder, dtype=torch.bfloat16)
    embed_images(pictures, model=half, precision="int8", progress=False)
    assert "int8: cosine to bfloat16" in capsys.readouterr().out


def test_pictures_of_many_tiles_are_compared_in_smaller_number(phi3, pictures, capsys, monkeypatch):
    monkeypatch.setattr(embed_module, "TILES_COMPARED", 2 + phi3.processor.num_crops)
    embed_images(pictures, model=phi3, precision="bf16", progress=False)
    assert "(2 pictures)" in capsys.readouterr().out


def test_a_picture_that_the_model_cannot_take_stops_no_comparison(phi3, pictures, capsys):
    table = embed_images(
        [Image.new("RGB", (1, 9000)), *pictures], model=phi3, precision="bf16", progress=False
    )
    assert len(table) == len(pictures) and len(table.errors) == 1
    assert "bf16: cosine" in capsys.readouterr().out


def test_nothing_is_compared_where_nothing_is_computed(clip, pictures, tmp_path, capsys):
    for expected in ("(5 pictures)", ""):
        embed_images(pictures, model=clip, precision="bf16", out=tmp_path / "t.parquet", progress=False)
        out = capsys.readouterr().out
        assert expected in out and bool(out) == bool(expected)


def test_another_precision_is_another_recipe(clip, pictures, tmp_path):
    embed_images(pictures, model=clip, out=tmp_path / "t.parquet", progress=False)
    with pytest.raises(ValueError, match="dtype"):
        embed_images(pictures, model=clip, precision="int8", out=tmp_path / "t.parquet", progress=False)


def test_unknown_precisions_and_other_shapes_are_refused(clip):
    with pytest.raises(ValueError, match="no precision 'fp8'"):
        in_precision(clip, "fp8")
    with pytest.raises(ValueError, match="same pictures"):
        agreement(torch.ones(2, 3), torch.ones(2, 4))


# --------------------------------------------------------------------------- "auto"


def close(least: float) -> Agreement:
    return Agreement(mean=1.0, least=least, count=5)


@pytest.mark.parametrize(
    ("seconds", "least", "chosen"),
    [
        ({"fp32": 1.0, "bf16": 0.5, "int8": 0.4}, {"bf16": 0.9999, "int8": 0.995}, "int8"),
        (
            {"fp32": 1.0, "bf16": 0.5, "int8": 0.4},
            {"bf16": 0.9999, "int8": 0.98},
            "bf16",
        ),  # int8: too far off
        (
            {"fp32": 1.0, "bf16": 1.9, "int8": 0.95},
            {"bf16": 0.9999, "int8": 0.995},
            None,
        ),  # noise
        ({"bf16": 1.0, "fp32": 0.6, "int8": 0.8}, {"fp32": 0.9999, "int8": 0.995}, "fp32"),
        ({"fp32": 1.0}, {}, None),
    ],
)
def test_the_fastest_precision_that_is_close_is_chosen(seconds, least, chosen):
    assert trial.fastest(seconds, {name: close(value) for name, value in least.items()}) == chosen


class Clock:
    """Goes on by what the last pass is said to have taken, so that no time of this machine counts."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("slow", "chosen"), [("bfloat16", "int8"), ("int8", "bf16"), ("both", None)])
def test_a_trial_follows_the_clock(clip, pictures, monkeypatch, slow, chosen):
    clock, encoder = Clock(), as_encoder(clip)
    real = ClipEncoder.encode

    def encode(one, images, recipe):
        dtype = precision_of(one.network)
        clock.now += 0.2 if dtype == "float32" else 0.5 if slow in (dtype, "both") else 0.05
        return real(one, images, recipe)

    monkeypatch.setattr(ClipEncoder, "encode", encode)
    monkeypatch.setattr(trial, "CLOSE", 0.9)  # how far int8 is off depends on the processor
    found = trial.try_precisions(encoder, encoder.recipes.choose(), pictures, clock=clock)
    assert found.chosen == chosen and list(found.seconds) == ["fp32", "bf16", "int8"]
    assert found.seconds["fp32"] == pytest.approx(0.2)
    assert list(found.agreements) == ["bf16", "int8"]
    assert f"precision: {chosen or 'fp32'} (speed against fp32" in str(found)


def test_a_trial_in_words_names_how_many_times_as_fast_the_others_are():
    found = trial.Trial("bf16", {"fp32": 3.0, "bf16": 1.5, "int8": 6.0}, {})
    assert str(found) == "precision: bf16 (speed against fp32, in a trial: bf16 2.00 ×, int8 0.50 ×)"
    assert str(trial.Trial(None, {"fp32": 3.0, "bf16": 4.0}, {})).startswith("precision: fp32 (speed")


def test_a_resumed_table_keeps_its_precision(clip, pictures, tmp_path, monkeypatch):
    found = []

    def choose(encoder, recipe, few):
        found.append(len(few))
        return trial.Trial("int8", {}, {})

    monkeypatch.setattr(trial, "try_precisions", choose)
    out = tmp_path / "vectors.parquet"
    first = embed_images(pictures, model=clip, precision="auto", out=out, progress=False)
    again = embed_images(pictures, model=clip, precision="auto", out=out, progress=False)
    assert found == [5]  # one trial
    assert first.recipe["dtype"] == again.recipe["dtype"] == "int8"
    plain = tmp_path / "plain.parquet"
    embed_images(pictures, model=clip, out=plain, progress=False)
    assert (
        embed_images(pictures, model=clip, precision="auto", out=plain, progress=False).recipe["dtype"]
        == "float32"
    )


def test_a_trial_uses_few_tiles_and_leaves_unreadable_images_to_the_run(phi3, tmp_path, monkeypatch):
    tried, real = [], trial.try_precisions
    monkeypatch.setattr(trial, "try_precisions", lambda *taken: tried.append(taken[2]) or real(*taken))
    (tmp_path / "a.png").write_bytes(b"no image")
    Image.new("RGB", (3000, 2000), "red").save(tmp_path / "b.png")
    table = embed_images(tmp_path, model=phi3, precision="auto", progress=False)
    encoder = as_encoder(phi3)
    assert {sum(encoder.tiles(*one.size) for one in few) <= trial.TILES for few in tried} == {True}
    assert len(table) == 1 and [name for name, _ in table.errors] == ["a.png"]


def test_without_copies_the_model_stays_as_it_came(clip, pictures, monkeypatch):
    encoder = as_encoder(clip)
    recipe = encoder.recipes.choose()
    assert trial.try_precisions(encoder, recipe, []).chosen is None
    monkeypatch.setattr(trial, "MOST_WEIGHTS", 10)
    assert trial.try_precisions(encoder, recipe, pictures) == trial.Trial(None, {}, {})


def test_eight_bits_are_for_the_cpu():
    with pytest.raises(ValueError, match="'int8' computes on the CPU only, and the model is on meta"):
        in_precision(torch.nn.Linear(4, 4, device="meta"), "int8")
