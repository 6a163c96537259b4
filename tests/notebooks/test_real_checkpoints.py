"""The notebooks with models="real": published layouts with small random weights, served by a hub stand-in.

Each execution is also what `make real` would report of it.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

from phi3lib.lab.lessons import a2_report
from tests.hub_stand_in import HubStandIn
from tests.real_layout import make_clip_checkpoint, make_phi3_checkpoint, small_phi3_config
from tests.warm_kernels import warm_kernels

ROOT = Path(__file__).resolve().parents[2]
WITH_CLIP = {
    "01_clip_concepts", "02_vision_tower", "05_umap_maps", "06_clip_vs_phi3", "07_search_and_classify",
    "08_fine_tuning", "09_phi3_answers", "10_another_encoder", "A2_real_checkpoints",
}  # fmt: skip
WITH_PHI3 = {
    "04_image_embeddings", "06_clip_vs_phi3", "09_phi3_answers", "10_another_encoder", "A2_real_checkpoints",
}  # fmt: skip


# Fewer pictures and steps than a reader with published checkpoints takes. What is tested is that every cell
# runs: what it computes with random weights has no meaning. Each text is once in its notebook.
FEWER = {
    "02_vision_tower": {"range(400)": "range(120)", ">= 20": ">= 5"},
    "05_umap_maps": {"range(400)": "range(168)"},  # 21 of a kind: ten neighbors are less than half
    "06_clip_vs_phi3": {"real=72": "real=60", "num_crops = 4": "num_crops = 1"},
    "08_fine_tuning": {
        "bundled=2, real=1)": "bundled=2, real=1), pairs=24, digits=20",
        'real=6), "batch_size"': 'real=2), "batch_size"',
    },
    "09_phi3_answers": {"real=40": "real=24"},
    "10_another_encoder": {
        "asked_scenes(50,": "asked_scenes(8,",
        "asked_scenes(240,": "asked_scenes(24,",
        '"projector", steps=60': '"projector", steps=4',
    },
}


@dataclass(frozen=True)
class World:
    """What all these notebooks run in: the hub, the home of what they download, and warm kernels."""

    hub: HubStandIn
    home: Path
    environment: dict[str, str]

    def begin(self) -> None:
        """Forget what was asked for and downloaded."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.hub.requests.clear()


@pytest.fixture(scope="module")
def world(real, tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    make_clip_checkpoint(folder / "clip")
    make_phi3_checkpoint(folder / "phi3", config=few_heads(), tokenizer=True)
    with HubStandIn() as hub:
        hub.add("openai/clip-vit-base-patch32", folder / "clip")
        hub.add("microsoft/Phi-3.5-vision-instruct", folder / "phi3")
        home = folder / "home"
        changes = {
            "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", "PYTHONPATH": str(ROOT)
        }  # fmt: skip
        environment = {**real.kernel_environment("real"), **changes}
        with warm_kernels(tmp_path_factory.mktemp("kernels"), {**os.environ, **environment}) as with_kernels:
            paths = {name: with_kernels[name] for name in ("JUPYTER_PATH",) if name in with_kernels}
            yield World(hub, home, {**environment, **paths})


def few_heads() -> dict[str, Any]:
    """The small config.json with half as many heads: what they compute takes most of the time."""
    config = small_phi3_config(num_attention_heads=2, num_key_value_heads=2)
    config["rope_scaling"].update(long_factor=[1.08] * 8, short_factor=[1.05] * 8)
    config["img_processor"]["vision_config"]["num_attention_heads"] = 1
    return config


def with_fewer(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """The notebook with the changes of FEWER."""
    for text, change in FEWER.get(name, {}).items():
        (cell,) = (cell for cell in notebook.cells if cell.cell_type == "code" and text in cell.source)
        assert cell.source.count(text) == 1
        cell.source = cell.source.replace(text, change)
    return notebook


@pytest.mark.notebooks
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(WITH_CLIP | WITH_PHI3))
def test_a_notebook_runs_on_real_checkpoints(name, world, run, real, tmp_path, monkeypatch):
    world.begin()
    monkeypatch.setattr(run, "KERNEL_ENVIRONMENT", world.environment)
    if "JUPYTER_PATH" in world.environment:
        monkeypatch.setenv("JUPYTER_PATH", world.environment["JUPYTER_PATH"])
    path = ROOT / "notebooks" / f"{name}.ipynb"
    notebook, committed = (nbformat.read(path, as_version=4) for _ in range(2))
    measured = run.execute(with_fewer(notebook, name), path)
    assert measured.error == ""
    assert measured.broken_claims() == []  # claims about the bundled models are not made here
    fetched = {request.path.split("/")[1] for request in world.hub.requests if "/resolve/" in request.path}
    wanted = {"openai": name in WITH_CLIP, "microsoft": name in WITH_PHI3}
    assert fetched == {owner for owner, is_wanted in wanted.items() if is_wanted}
    said = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "Checkpoints: real" in said
    assert_reported(real.run_of(measured, committed), run.claims(committed), tmp_path)


def assert_reported(one, bundled, folder) -> None:
    """Every claim of the notebook is in the report, on both sides, with its outcome."""
    report = a2_report.make_report([one], models="real")
    data, text = a2_report.save_report(report, folder / "report")
    claims = a2_report.read_report(data)["notebooks"][0]["claims"]
    assert [claim["name"] for claim in claims] == [claim["name"] for claim in bundled]
    assert all(claim["bundled_holds"] and claim["holds"] is not None for claim in claims)
    assert report["summary"]["failed"] == [] and report["summary"]["not_reached"] == 0
    assert all(f"(`{claim['name']}`)" in text.read_text(encoding="utf-8") for claim in claims)
