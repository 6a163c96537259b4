"""The program that trains and aligns towers: every part leaves its files, a second start repeats nothing."""

import json
import sys

import pytest
import torch
from safetensors.torch import load_file

from phi3lib.lab.lessons import nb10_towers
from training import align_towers

PARTS = ("masked", "clip-projector", "clip-further", "clip-lora", "print")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two parts of the program, run with a handful of scenes and steps."""
    run, out = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("out")
    (out / "README.md").write_text(f"# Card\n{align_towers.BEGIN}{align_towers.END}rest\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "SCENES": 4,
            "TEST": 2,
            "TEST_CURVE": 1,
            "TEST_PRINT": 2,
            "TOWER_STEPS": 2,
            "TOWER_BATCH": 4,
            "STEPS": {"projector": 2, "further": 1, "lora": 1, "both": 1},
        }.items():
            patch.setattr(align_towers, name, value)
        patch.setattr(nb10_towers, "FOLDER", out)
        patch.setattr(torch, "set_num_threads", lambda count: None)
        command = ["align_towers", "--run", str(run), "--out", str(out)]
        patch.setattr(sys, "argv", [*command, "--only", *PARTS])
        align_towers.main()
        written = {file.name: file.stat().st_mtime_ns for file in run.iterdir()}
        align_towers.main()
        again = {file.name: file.stat().st_mtime_ns for file in run.iterdir()}
    return run, out, written == again


def test_each_part_leaves_weights_and_facts(finished):
    _, out, _ = finished
    facts = json.loads((out / "curves.json").read_text(encoding="utf-8"))
    assert set(facts) == {*PARTS, "base"}
    assert set(facts["print"]) == {"original", "clip-projector", "clip-further", "clip-lora", "cpu seconds"}
    assert [point["step"] for point in facts["clip-projector"]["curve"]][:1] == [0]
    assert facts["clip-lora"]["trainable"] == sum(
        tensor.numel() for tensor in load_file(out / "clip-lora.safetensors").values()
    )
    learned = load_file(out / "masked.safetensors")
    first = nb10_towers.untrained_network().state_dict()
    assert any(not torch.equal(learned[name].float(), first[name]) for name in first)


def test_single_answers_give_the_scores(finished):
    facts = json.loads((finished[1] / "curves.json").read_text(encoding="utf-8"))
    for part in ("clip-projector", "clip-further"):
        for topic, score in facts[part]["final"]["sharp"].items():
            marks = facts[part]["answers"][topic]
            assert len(marks) == score["count"]
            assert marks.count("1") / len(marks) == pytest.approx(score["value"])


def test_the_control_of_lora_trains_the_projector_alone_for_as_many_steps(finished):
    facts = json.loads((finished[1] / "curves.json").read_text(encoding="utf-8"))
    further, first, lora = (facts[f"clip-{stage}"] for stage in ("further", "projector", "lora"))
    assert further["trainable"] == first["trainable"] and further["steps"] == lora["steps"]
    names = set(load_file(finished[1] / "clip-further.safetensors"))
    assert names == set(load_file(finished[1] / "clip-projector.safetensors"))


def test_a_second_start_repeats_nothing(finished):
    assert finished[2]


def test_the_card_has_the_budgets_and_the_scores(finished):
    card = (finished[1] / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# Card\n") and card.endswith("rest\n")
    assert "| masked | 2 | 8 |" in card and "| clip-projector | 8 |" in card
    assert "| part | sharp crops | blurred crops |" in card


@pytest.mark.parametrize("objective", ["labels", "masked"])
def test_objectives_reach_the_whole_network(objective):
    network, head = nb10_towers.untrained_network(), align_towers.OBJECTIVES[objective]()
    tiles = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    labels = torch.ones(2, 64, 2, dtype=torch.long)
    loss = head(network, tiles, labels, align_towers.np.random.default_rng(0))
    loss.backward()
    idle = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert torch.isfinite(loss) and all("post_layernorm" in name for name in idle)
