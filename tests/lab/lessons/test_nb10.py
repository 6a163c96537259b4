"""Notebook 10: packed questions are scored as greedy answers are, stages train what they say, towers fit."""

import copy
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from phi3lib import swap_vision_tower
from phi3lib.embeddings.confidence import Estimate
from phi3lib.lab.lessons import nb10_alignment as alignment
from phi3lib.lab.lessons import nb10_results as results
from phi3lib.lab.lessons import nb10_towers as towers
from phi3lib.lab.lessons.a2_costs import GPU_TABLE, measured_costs
from phi3lib.lab.lessons.nb10_switch import TowerSwitch
from phi3lib.vision.answers import answer

PUBLISHED_PARAMETERS = 4_146_621_440  # total_size of the published index, at two bytes each


@pytest.fixture(scope="module")
def phi3():
    return towers.small_phi3()


@pytest.fixture(scope="module")
def scenes():
    return alignment.asked_scenes(4, split="test", first=30_000)


@pytest.fixture(scope="module")
def clip_tower(phi3):
    return towers.with_tower(phi3, "clip")


def test_packed_questions_are_scored_as_greedy_answers_are(phi3, clip_tower, scenes):
    scenes = scenes[:2]
    for model in (phi3, clip_tower):
        right = alignment.answered(model, alignment.rows_of(model, scenes))
        want = {topic: [] for topic in alignment.TOPICS}
        for scene in scenes:
            asked = [question.text for question in scene.questions]
            said = answer(model, [scene.image] * len(asked), asked, max_new_tokens=16)
            for question, text in zip(scene.questions, said, strict=True):
                want[question.topic].append(text == question.answer)
        assert right == want


def test_scenes_follow_their_model_to_its_device(phi3, scenes):
    """The meta device has shapes and no numbers; a tensor that stayed on the CPU does not fit to it."""
    away = copy.deepcopy(phi3).to("meta")
    away.processor = phi3.processor
    rows = alignment.rows_of(away, scenes)
    assert rows.features.device.type == "meta"
    batch = alignment._batch(rows.rows, 0, away.get_input_embeddings().weight)
    assert {value.device.type for value in vars(batch).values()} == {"meta"}


def test_scenes_follow_their_model_to_its_dtype(phi3, scenes):
    half = copy.deepcopy(phi3).to(torch.bfloat16)
    half.processor = phi3.processor
    rows = alignment.rows_of(half, scenes)
    assert rows.features.dtype == torch.bfloat16
    exact = alignment.answer_loss(phi3, alignment.rows_of(phi3, scenes), [0, 2])
    torch.testing.assert_close(
        alignment.answer_loss(half, rows, [0, 2]).float(), exact.float(), rtol=0.1, atol=0.02
    )


def test_a_question_does_not_see_the_others(clip_tower, scenes):
    rows = alignment.rows_of(clip_tower, scenes[:1])
    alone = alignment.AskedScene(scenes[0].image, scenes[0].questions[-1:])
    topic = alone.questions[0].topic
    together = alignment.answered(clip_tower, rows)[topic][-1]
    assert alignment.answered(clip_tower, alignment.rows_of(clip_tower, [alone]))[topic] == [together]


@pytest.mark.parametrize("stage", alignment.STAGES)
def test_a_stage_trains_what_it_says_and_its_adapter_brings_it_back(stage, phi3, scenes):
    model = towers.with_tower(phi3, "untrained")
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    rows = alignment.rows_of(model, scenes)
    losses = []
    trained = alignment.train(model, rows, stage, steps=2, each=lambda step, loss: losses.append(loss))
    assert len(losses) == 2 and all(np.isfinite(losses))
    parts = {"lora" if "lora_" in name else name.split(".")[2] for name in trained}
    projector = {"img_projection", "glb_GN", "sub_GN"}
    assert parts == {"projector": projector, "lora": {"lora"}, "both": projector | {"lora"}}[stage]
    for name, weight in model.named_parameters():
        plain = name.replace(".base_layer", "")
        if name not in trained:
            assert torch.equal(weight, before[plain]), name
    adapter = alignment.adapter_of(trained)
    again = towers.with_tower(phi3, "untrained")
    alignment.apply_adapter(again, adapter)
    again_rows = alignment.rows_of(again, scenes)
    with torch.no_grad():
        first = alignment.answer_loss(model, rows, range(4))
        second = alignment.answer_loss(again, again_rows, range(4))
    torch.testing.assert_close(first, second, rtol=2e-2, atol=2e-2)  # stored in half precision


def test_training_the_projector_lowers_the_loss_of_what_it_sees(phi3, scenes):
    model = towers.with_tower(phi3, "pixels")
    rows = alignment.rows_of(model, scenes)
    before = float(alignment.answer_loss(model, rows, range(4)).detach())
    alignment.train(model, rows, "projector", steps=4)
    assert float(alignment.answer_loss(model, rows, range(4)).detach()) < before


def test_an_adapter_of_another_tower_is_refused(phi3, clip_tower):
    weight = clip_tower.model.vision_embed_tokens.img_projection[0].weight
    name = "model.vision_embed_tokens.img_projection.0.weight"
    with pytest.raises(ValueError, match="this model has no tensor"):
        alignment.apply_adapter(towers.with_tower(phi3, "pixels"), {name: weight})
    with pytest.raises(ValueError, match="no stage 'tower'"):
        alignment.prepare(clip_tower, "tower")
    with pytest.raises(ValueError, match="no tower 'dino'"):
        towers.bundled_tower("dino")


def test_raw_pixels_are_pixels(phi3):
    model = swap_vision_tower(phi3, towers.bundled_tower("pixels"), projector="new", layer=0)
    tiles = torch.randn(1, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    features = model.model.vision_embed_tokens.get_img_features(tiles)  # (1, 64, 147)
    small = torch.nn.functional.avg_pool2d(tiles, 2)  # (1, 3, 56, 56)
    patch = small[0, :, 7:14, 14:21].flatten()  # second row, third column
    torch.testing.assert_close(features[0, 8 + 2], patch, rtol=1e-4, atol=1e-5)


def test_untrained_weights_follow_from_the_seed():
    first, again, other = (towers.untrained_network(seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(
        first["embeddings.patch_embedding.weight"], other["embeddings.patch_embedding.weight"]
    )


# ------------------------------------------------------------------------------- what is bundled


def test_bundled_towers_and_adapters_fit_and_are_small(phi3):
    files = sorted(towers.FOLDER.glob("*.safetensors"))
    assert sum(file.stat().st_size for file in files) <= 5_000_000
    for name in towers.TOWERS:
        for adapters in towers.stages_of(name).values():
            model = towers.with_tower(phi3, name, adapters)
            assert all(torch.isfinite(weight).all() for weight in model.parameters())
    for file in files:
        with safe_open(file, "pt") as tensors:
            assert all(tensors.get_tensor(key).dtype == torch.float16 for key in tensors.keys())  # noqa: SIM118


def test_adapters_belong_to_the_bundled_phi3(phi3):
    """Where the small Phi-3-vision was trained anew, `python -m training.align_towers` must be run anew."""
    facts = json.loads((towers.FOLDER / "curves.json").read_text(encoding="utf-8"))
    assert facts["base"]["weights"] == towers.weights_of(phi3)


def test_measured_values_are_complete():
    facts = json.loads((towers.FOLDER / "curves.json").read_text(encoding="utf-8"))
    for tower in ("clip", "labels", "masked", "untrained", "pixels"):
        part = facts[f"{tower}-projector"]
        assert part["curve"][0]["step"] == 0 and part["curve"][-1]["step"] == part["steps"]
        assert set(part["final"]) == {"sharp", "blurred"}
    table = results.final_table({"original": "original", **results.tower_names(("clip",), "projector")})
    parts = [part.splitlines() for part in table.split("\n\n")]
    for _, *lines in parts:
        assert [line.split()[0] for line in lines] == ["original", "clip", "chance", "questions"]
    assert [topic for heads, *_ in parts for topic in heads.split()] == [*alignment.TOPICS, "print"]
    assert max(map(len, table.splitlines())) <= 80


def test_print_was_scored_for_every_aligned_model_and_read_by_the_original_alone():
    facts = json.loads((towers.FOLDER / "curves.json").read_text(encoding="utf-8"))
    aligned = {name for name in facts if "-" in name}
    read = {name: part for name, part in facts["print"].items() if isinstance(part, dict)}
    assert set(read) == {"original", *aligned}
    assert all(part[crops]["count"] == 60 for part in read.values() for crops in ("sharp", "blurred"))
    assert read["original"]["sharp"]["low"] > max(
        part["sharp"]["high"] for part in read.values() if part != read["original"]
    )


def test_stages_are_listed_with_what_they_took():
    lines = results.stage_table("clip").splitlines()
    assert len(lines) == 1 + len(results.STAGE_NAMES)
    assert "264,192" in lines[1] and "264,192" in lines[2] and lines[1].split()[-2] == "–"
    assert f"{alignment.LORA_RANK}" in lines[3].split()


def test_gains_are_differences_of_the_stored_scores():
    gained = results.gains("clip-new-projector", "clip-projector")
    for topic in alignment.TOPICS:
        before, after = (results.final_score(f"{one}-projector", topic) for one in ("clip-new", "clip"))
        assert gained[topic].value == pytest.approx(after["value"] - before["value"])
        assert len(results.single_answers("clip-projector", topic)) == after["count"]
    assert gained["all"].count == sum(gained[topic].count for topic in alignment.TOPICS)
    *_, heads, line = results.gain_table({"kept": ("clip-new-projector", "clip-projector")}).splitlines()
    assert heads.split()[-1] == "all" and f"{gained['all'].value:+.2f}" in line


def test_the_scenes_of_the_curves_are_the_first_of_the_final_ones():
    said = results.curve_against_others("clip-projector")
    last = towers.measured()["clip-projector"]["curve"][-1]
    for topic, shares in zip(alignment.TOPICS, said.split(", "), strict=True):
        assert shares.startswith(f"{topic} {last[topic]['value']:.0%} / ")


def test_the_most_frequent_right_answer_is_one_of_the_curves_questions():
    said = results.commonest_right("count")
    share, count = float(said.split()[1]), towers.measured()["clip-projector"]["curve"][0]["count"]["count"]
    assert said.startswith("'") and said.endswith(f"of {count} questions") and 1 / 4 <= share <= 1


def test_intervals_that_exclude_zero_are_named(monkeypatch):
    def interval(low, high):
        return Estimate((low + high) / 2, low, high, 0.0, 10)

    rows = {
        "better": {topic: interval(-0.1, 0.1) for topic in (*alignment.TOPICS, "all")}
        | {"side": interval(0.1, 0.3)},
        "worse": {topic: interval(-0.3, -0.1) for topic in (*alignment.TOPICS, "all")},
    }
    monkeypatch.setattr(results, "gains", lambda before, after: rows[after])
    first, second = results.excluding_zero({name: ("", name) for name in rows}).splitlines()
    assert first.startswith("of 10 intervals") and "better at side (+0.20), worse at kind (-0.20)" in first
    assert first.endswith("(by chance, 0.5 on average)") and second.endswith(": worse")
    none = results.excluding_zero({"better": ("", "better")})
    assert none.endswith("over all topics, these exclude 0: none")


def test_sharp_and_blurred_crops_stand_side_by_side():
    lines = results.crops_table({"original": "the original"}).splitlines()
    sharp, blurred = (results.final_score("original", "print", crops) for crops in ("sharp", "blurred"))
    assert lines[0].split() == [*alignment.TOPICS, "print"]
    assert lines[1].endswith(f"{sharp['value']:.0%} → {blurred['value']:.0%}")
    assert results.with_interval({"value": 0.5, "low": 0.25, "high": 0.75}) == "50% (25% to 75%)"


def test_the_share_that_came_back_is_that_of_the_loss():
    def scored(**shares):
        return {
            name: alignment.of_mean([True] * share + [False] * (10 - share)) for name, share in shares.items()
        }

    returned = results.share_returned(scored(a=10, b=5), scored(a=2, b=5), scored(a=6, b=9))
    assert returned == {"a": pytest.approx(0.5)}  # b lost nothing


def test_other_images_keep_the_questions_and_change_the_image(clip_tower, scenes):
    rows = alignment.rows_of(clip_tower, scenes[:2])
    others = alignment.with_other_images(rows)
    assert others.rows == rows.rows
    assert torch.equal(others.features[0], rows.features[1]) and torch.equal(
        others.features[1], rows.features[0]
    )


def test_scenes_with_print_ask_for_a_trained_word(phi3):
    from picturebook.pages.words import TRAINED_WORDS

    printed = alignment.print_scenes(2)
    rows = alignment.rows_of(phi3, printed, num_crops=9)
    assert rows.features.shape[1] == 1 + 9
    assert all(len(one.questions) == 1 and one.questions[0].answer in TRAINED_WORDS for one in printed)
    assert set(alignment.scores(alignment.answered(phi3, rows))) == {"print"}


def test_the_costs_are_those_of_the_published_model():
    cost = results.published_costs("CLIP ViT-L/14, 336 (as published)")
    assert cost["all"] == PUBLISHED_PARAMETERS
    hidden, wide = 3072, 4096
    assert cost["projector"] == wide * hidden + hidden + hidden * hidden + hidden + 2 * wide
    layer = (3 * hidden + hidden) + 2 * hidden + (2 * 8192 + hidden) + (8192 + hidden)
    assert cost["lora"] == 16 * 32 * layer
    assert cost["projector GB"] == pytest.approx(
        (2 * (PUBLISHED_PARAMETERS - cost["projector"]) + 16 * cost["projector"]) / 1e9
    )


def test_the_switch_says_what_it_shows_and_refuses_stages_that_there_are_not(phi3, scenes):
    switch = TowerSwitch(phi3, scenes, tower="untrained", stage="nothing")
    assert "With the tower 'untrained' after nothing" in switch.still().alt
    switch.choose(tower="original")
    assert switch.state.tower == "original"
    answers = switch.state.answers()
    assert len(answers) == len({question.topic for question in scenes[0].questions})
    assert all(len(one) == 3 for one in answers)
    with pytest.raises(ValueError, match="has no stage 'dream'"):
        switch.state.set("clip", "dream")


def test_costs_that_do_not_rise_with_the_tokens_are_noticed():
    steps = measured_costs(GPU_TABLE)["towers"]
    assert results.costs_rise_with_tokens(steps)
    for cost in ("step_seconds", "bytes"):
        wrong = copy.deepcopy(steps)
        last = next(step for step in wrong if step["tower"].startswith("SigLIP") and step["stage"] == "both")
        last[cost] = 0.0
        assert not results.costs_rise_with_tokens(wrong)
    on_paper = [
        {**step, "bytes": number} for number, step in enumerate(steps)
    ]  # in order, and far too little
    assert not results.costs_rise_with_tokens(on_paper)
