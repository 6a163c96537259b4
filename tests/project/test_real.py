"""`notebooks/real.py`, the program of `make real`: what is executed, reported and answered."""

import importlib.util
import json
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from phi3lib.lab.lessons import a2_published
from tests.hub_stand_in import HubStandIn, pointed_at
from tests.real_layout import make_clip_checkpoint, make_phi3_checkpoint

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def real(monkeypatch, tmp_path):
    """The module, with a folder of notebooks of its own and an execution that changes nothing."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "run", raising=False)
    spec = importlib.util.spec_from_file_location("real_course", ROOT / "notebooks" / "real.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("PHI3LIB_MODELS", "bundled")
    monkeypatch.setattr(module.run, "NOTEBOOKS", tmp_path)
    return module


def claim(name, holds, value):
    return {
        "name": name,
        "holds": holds,
        "claimed": False,
        "statement": name,
        "because": "",
        "shown": {"x": value},
    }


def write(folder, name, *claims):
    outputs = [new_output("display_data", {"application/vnd.phi3lib.claim+json": one}) for one in claims]
    cells = [new_markdown_cell("# A title\n\nA promise."), new_code_cell("x", outputs=outputs)]
    nbformat.write(new_notebook(cells=cells), folder / f"{name}.ipynb")


def executed(real, monkeypatch, found, error=""):
    """Let each execution find these claims, and remember its environment."""
    environments = []

    def execute(notebook, path, **options):
        environments.append(real.run.KERNEL_ENVIRONMENT)
        return real.run.Measurement(path.stem, 2.0, 1.0, 300.0, tuple(found), error)

    monkeypatch.setattr(real.run, "execute", execute)
    return environments


def test_the_report_holds_both_sides_and_the_notebooks_stay_as_they_are(real, tmp_path, monkeypatch, capsys):
    write(tmp_path, "00_one", claim("a", True, 0.9))
    before = (tmp_path / "00_one.ipynb").read_bytes()
    environments = executed(real, monkeypatch, [claim("a", False, 0.1)])
    models = ROOT / "data" / "models"
    assert real.main(["--models", str(models), "--out", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    (found,) = report["notebooks"][0]["claims"]
    assert (found["holds"], found["shown"], found["bundled_holds"]) == (False, {"x": 0.1}, True)
    assert {one["name"] for one in report["checkpoints"]} == {"clip-small", "phi3-vision-small"}
    assert (tmp_path / "00_one.ipynb").read_bytes() == before
    assert (tmp_path / "out" / "html" / "00_one.html").is_file()
    assert environments[0]["PHI3LIB_MODELS"] == str(models)
    assert str(tmp_path / "out" / "report.md") in capsys.readouterr().out


def test_a_notebook_that_fails_is_reported_and_fails_the_run(real, tmp_path, monkeypatch, capsys):
    write(tmp_path, "00_one", claim("a", True, 0.9))
    executed(real, monkeypatch, [], error="ValueError: broken")
    out = tmp_path / "out"
    assert real.main(["--models", str(ROOT / "data" / "models"), "--out", str(out)]) == 1
    assert "**Failed**: ValueError: broken" in (out / "report.md").read_text(encoding="utf-8")
    assert "ValueError: broken" in capsys.readouterr().err


def test_the_hub_is_asked_as_the_user_has_set_it(real):
    environment = real.kernel_environment("real")
    assert environment["PHI3LIB_MODELS"] == "real"
    assert "HF_HUB_OFFLINE" not in environment  # `make run` forbids the hub; here the user decides


def test_checkpoints_are_named_with_their_commits(real, monkeypatch, tmp_path):
    make_clip_checkpoint(tmp_path / "clip")
    make_phi3_checkpoint(tmp_path / "phi3")
    with HubStandIn() as hub, pointed_at(hub, tmp_path / "cache", monkeypatch.setattr):
        added = [
            hub.add("openai/clip-vit-base-patch32", tmp_path / "clip"),
            hub.add("microsoft/Phi-3.5-vision-instruct", tmp_path / "phi3"),
        ]
        used = real.checkpoints_used("real")
    assert used == [{"name": one.name, "revision": one.commit} for one in added]


def test_other_weights_leave_no_published_vectors_and_the_report_stays(real, tmp_path, monkeypatch, capsys):
    write(tmp_path, "00_one", claim("a", True, 0.9))
    executed(real, monkeypatch, [claim("a", True, 0.8)])
    folder = tmp_path / "published"
    monkeypatch.setattr(a2_published.write_published, "__defaults__", (folder,))
    models = str(ROOT / "data" / "models")
    assert real.main(["--models", models, "--out", str(tmp_path / "out"), "--published"]) == 0
    said = capsys.readouterr().out
    assert "data/published was not written:" in said and "not the name of a published checkpoint" in said
    assert (tmp_path / "out" / "report.json").is_file() and not folder.exists()


def test_make_knows_the_program():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "notebooks/real.py --published" in makefile
