"""The notebooks with models="real": published layouts with small random weights, served by a hub stand-in."""

import importlib.util
import sys
from pathlib import Path

import nbformat
import pytest

from tests.hub_stand_in import HubStandIn
from tests.real_layout import make_clip_checkpoint

ROOT = Path(__file__).resolve().parents[2]
WITH_CLIP = ("01_clip_concepts", "02_vision_tower", "05_umap_maps", "07_search_and_classify")


@pytest.fixture(scope="module")
def run():
    """notebooks/run.py as a module."""
    spec = importlib.util.spec_from_file_location("run_notebooks", ROOT / "notebooks" / "run.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["run_notebooks"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.notebooks
@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_CLIP)
def test_a_notebook_runs_on_real_checkpoints(name, run, tmp_path, monkeypatch):
    make_clip_checkpoint(tmp_path / "clip")
    with HubStandIn() as hub:
        hub.add("openai/clip-vit-base-patch32", tmp_path / "clip")
        changes = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_OFFLINE": "0",
            "PHI3LIB_MODELS": "real",
        }
        monkeypatch.setattr(run, "KERNEL_ENVIRONMENT", {**run.KERNEL_ENVIRONMENT, **changes})
        path = ROOT / "notebooks" / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        measured = run.execute(notebook, path)
        assert measured.error == ""
        assert any(request.path.endswith("model.safetensors") for request in hub.requests)
    said = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "Checkpoints: real" in said
