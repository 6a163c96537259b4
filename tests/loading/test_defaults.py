"""The switch: bundled, real or a folder."""

import json
from pathlib import Path

import pytest

from phi3lib.loading import defaults as switch
from phi3lib.loading.defaults import CLIP_TYPE, PHI3_TYPE, default_models, locate, set_default_models
from phi3lib.loading.safetensors_io import CheckpointError


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(switch.ENVIRONMENT_VARIABLE, raising=False)


def checkpoint(folder: Path, model_type: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    return folder


def test_bundled_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(switch, "BUNDLED_FOLDER", tmp_path)
    assert default_models().choice == "bundled"
    with pytest.raises(CheckpointError, match="PHI3LIB_MODELS=real"):
        locate(None, PHI3_TYPE)
    small = checkpoint(tmp_path / "phi3-vision-small", PHI3_TYPE)
    assert locate(None, PHI3_TYPE) == small


def test_real_names_the_published_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(switch.ENVIRONMENT_VARIABLE, "real")
    assert locate(None, PHI3_TYPE) == "microsoft/Phi-3.5-vision-instruct"
    assert locate(None, CLIP_TYPE) == "openai/clip-vit-base-patch32"


def test_the_call_wins_over_the_environment_until_it_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(switch.ENVIRONMENT_VARIABLE, "real")
    assert set_default_models("bundled").choice == "bundled"
    assert default_models().choice == "bundled"
    set_default_models(None)
    assert default_models().choice == "real"


@pytest.mark.parametrize("name", ["microsoft/Phi-3-vision-128k-instruct", "Phi-3-vision-128k-instruct"])
def test_a_folder_of_checkpoints_is_searched_by_hub_names(tmp_path: Path, name: str) -> None:
    phi3 = checkpoint(tmp_path / name, PHI3_TYPE)
    clip = checkpoint(tmp_path / "clip-vit-large-patch14-336", CLIP_TYPE)
    set_default_models(tmp_path)
    assert locate(None, PHI3_TYPE) == phi3
    assert locate(None, CLIP_TYPE) == clip
    # A name that is asked for is looked for there too, so that a room without network needs one folder.
    assert locate("microsoft/Phi-3-vision-128k-instruct", PHI3_TYPE) == phi3
    assert locate("someone/else", PHI3_TYPE) == "someone/else"


def test_a_checkpoint_folder_is_itself_the_model(tmp_path: Path) -> None:
    phi3 = checkpoint(tmp_path / "mine", PHI3_TYPE)
    assert set_default_models(phi3).phi3 == str(phi3)
    with pytest.raises(CheckpointError, match="holds no CLIP checkpoint"):
        locate(None, CLIP_TYPE)


def test_a_wrong_choice_leaves_the_old_one(tmp_path: Path) -> None:
    set_default_models("real")
    with pytest.raises(CheckpointError, match="is no folder"):
        set_default_models(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="holds none"):
        set_default_models(tmp_path)
    assert default_models().choice == "real"


@pytest.mark.parametrize("name", ["/no/such/folder", "./here", "a/b/c", Path("models/x")])
def test_paths_are_not_taken_for_hub_names(name: str | Path) -> None:
    with pytest.raises(CheckpointError, match="there is no folder"):
        locate(name, PHI3_TYPE)
