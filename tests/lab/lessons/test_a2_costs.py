"""The committed table of costs: complete, from random weights, on a named processor."""

import pytest

from phi3lib.lab.lessons.a2_costs import (
    GPU_TABLE,
    gpu_seconds,
    measured_costs,
    seconds_here,
    seconds_of,
    show_costs,
    show_gpu_costs,
    show_gpu_steps,
)
from phi3lib.lab.lessons.nb10_results import PUBLISHED, published_costs

PHI3, CLIP = "microsoft/Phi-3.5-vision-instruct", "openai/clip-vit-base-patch32"


def test_the_table_names_its_processor_and_says_that_weights_are_random():
    costs = measured_costs()
    assert costs["processor"] and costs["processor"] in costs["machine"]
    assert costs["weights"].startswith("random numbers") and "never results" in costs["weights"]
    assert costs["whole_bytes"] == 8_293_242_880


def test_every_model_is_measured_and_every_number_is_a_cost():
    rows = measured_costs()["rows"]
    measured = {(row["model"], row["part"], row["precision"]) for row in rows}
    for precision in ("fp32", "bf16", "int8"):
        assert {(CLIP, "whole model", precision), (PHI3, "vision part", precision)} <= measured
    assert (PHI3, "whole model", "bf16") in measured
    allowed = {"model", "part", "precision", "seconds", "load_seconds", "bytes", "peak_bytes", "work_bytes"}
    assert all(set(row) <= allowed for row in rows)  # no vector and no word of an untrained model
    assert all(seconds > 0 for row in rows for seconds in row["seconds"].values())


def test_seconds_are_found_by_the_beginning_of_their_name():
    costs = {
        "rows": [{"model": "a/Phi-3", "part": "p", "precision": "bf16", "seconds": {"a picture at 4": 2}}]
    }
    assert seconds_of(costs, "p", "bf16", "a picture") == 2
    with pytest.raises(ValueError, match="no seconds of 'a prompt' for Phi-3, p, bf16"):
        seconds_of(costs, "p", "bf16", "a prompt")


def test_the_printed_table_fits_a_page_and_holds_each_row_once(capsys):
    costs = measured_costs()
    show_costs(costs)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert costs["processor"] in lines[0] and "random weights" in lines[0]
    assert any("of 12 crops, at most 16 (1921 tokens)" in line for line in lines)
    # A precision without a measurement shows a dash.
    numbers = sum(len(row["seconds"]) + ("load_seconds" in row) for row in costs["rows"])
    shown = [cell for line in lines if line.startswith("  ") for cell in line[68:].split()]
    assert len([cell for cell in shown if cell != "–"]) == numbers


def test_the_gpu_s_table_names_it_and_holds_costs_of_random_weights_only():
    costs = measured_costs(GPU_TABLE)
    assert "NVIDIA" in costs["machine"] and costs["weights"].startswith("random numbers")
    assert {(CLIP, "fp32"), (CLIP, "bf16"), (PHI3, "bf16")} <= {
        (r["model"], r["precision"]) for r in costs["rows"]
    }
    assert all(set(row) == {"model", "precision", "seconds", "bytes"} for row in costs["rows"])
    assert all(seconds > 0 for row in costs["rows"] for seconds in row["seconds"].values())


def test_the_gpu_s_seconds_are_found_by_the_beginning_of_their_name():
    costs = {"rows": [{"seconds": {"a prompt (9 tokens)": 0.5}}, {"seconds": {"a prompt (99 tokens)": 0.7}}]}
    assert gpu_seconds(costs, "a prompt") == (0.5, 9)
    assert gpu_seconds({"rows": [{"seconds": {"each token": 0.1}}]}, "each token") == (0.1, 1)
    with pytest.raises(ValueError, match="no work that begins with 'a picture'"):
        gpu_seconds(costs, "a picture")


@pytest.mark.parametrize("tower", PUBLISHED)
def test_a_measured_step_trains_what_the_table_on_paper_counts_and_needs_more_than_its_weights(tower):
    measured, paper = measured_costs(GPU_TABLE), published_costs(tower, lora_rank=16)
    assert measured["lora_rank"] == 16
    rows = {row["stage"]: row for row in measured["towers"] if row["tower"] == tower}
    for stage in ("projector", "lora", "both"):
        assert rows[stage]["trained"] == paper[stage]
        assert rows[stage]["bytes"] > 1e9 * paper[f"{stage} GB"]  # activations come on top


def test_the_gpu_s_tables_fit_a_page_and_hold_each_row_once(capsys):
    costs = measured_costs(GPU_TABLE)
    show_gpu_costs(costs)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert sum(line.startswith("  ") and line[-1].isdigit() for line in lines) == sum(
        len(row["seconds"]) for row in costs["rows"]
    )
    show_gpu_steps(costs)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert [line[:34].strip() for line in lines[3:]] == list(PUBLISHED)


def test_work_is_measured_after_a_first_call():
    calls = []
    assert seconds_here(lambda: calls.append(1), times=3) >= 0
    assert len(calls) == 4


def test_outside_a_checkout_the_program_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run `python benchmarks/real_checkpoints\.py`"):
        measured_costs(tmp_path / "real_checkpoints.json")
