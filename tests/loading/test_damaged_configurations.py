"""Configurations with values of any type: a checkpoint loads, or one sentence says that it is damaged."""

import contextlib
import json
import random
import shutil

import pytest

from phi3lib.loading.checkpoints import CheckpointError, load_clip, load_phi3_model
from tests.real_layout import make_clip_checkpoint, make_phi3_checkpoint

VALUES = (None, "x", "", -1, 0, 1.5, [], ["x"], {}, {"x": 1}, True, [1, "a"], 3, float("nan"))
FILES = {
    "phi3": ("config.json", "preprocessor_config.json", "tokenizer_config.json"),
    "clip": ("config.json", "preprocessor_config.json", "tokenizer_config.json"),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    make_phi3_checkpoint(root / "phi3", tokenizer=True)
    make_clip_checkpoint(root / "clip")
    return root


def places(content, path=()):
    """All keys of nested objects, as paths."""
    for key, value in content.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from places(value, (*path, key))


def change(content, rng):
    """Give a random place a random value, or remove it."""
    path = rng.choice(list(places(content)))
    for key in path[:-1]:
        content = content[key]
    if rng.random() < 0.2:
        del content[path[-1]]
    else:
        content[path[-1]] = rng.choice(VALUES)


@pytest.mark.parametrize("kind", ["vision part", "whole", "clip"])
@pytest.mark.parametrize("seed", range(25))
def test_a_damaged_configuration_is_one_sentence(folders, tmp_path, kind, seed):
    rng = random.Random(f"{kind} {seed}")
    model = "clip" if kind == "clip" else "phi3"
    folder = shutil.copytree(folders / model, tmp_path / model)
    known = [name for name in FILES[model] if (folder / name).exists()]
    file = folder / rng.choice(known)
    content = json.loads(file.read_text())
    change(content, rng)
    file.write_text(json.dumps(content))
    with contextlib.suppress(CheckpointError):
        load_clip(folder) if model == "clip" else load_phi3_model(folder, language_model=kind == "whole")


def test_the_sentence_names_the_folder_and_the_field(folders, tmp_path):
    folder = shutil.copytree(folders / "phi3", tmp_path / "phi3")
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**content, "hidden_size": "wide"}))
    with pytest.raises(
        CheckpointError, match="phi3 cannot be loaded .*'hidden_size'.* fetch the whole"
    ) as raised:
        load_phi3_model(folder, language_model=True)
    assert "\n" not in str(raised.value)
