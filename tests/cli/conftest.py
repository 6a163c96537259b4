"""A folder of images with everything that goes wrong, and a small encoder of its own."""

import numpy as np
import pytest
import torch
from PIL import Image

from phi3lib.cli import main
from phi3lib.encoders import Encoder, recipe

HOSTILE = "\x1b[31mred\nline\u202e.png"


class Colors(Encoder):
    """Vectors of nine numbers: the image in nine squares of gray."""

    family = "cli-colors"

    def features(self, images):
        return [np.asarray(one.convert("L").resize((3, 3)), np.float32).ravel() + 1 for one in images]


@recipe("squares", family="cli-colors", says="nine squares", size=lambda encoder: 9)
def squares(features):
    return torch.from_numpy(np.stack(features))


class Middle(Colors):
    """The same, turned and with other weights."""

    def features(self, images):
        return [one[::-1] ** 2 * np.linspace(0, 1, 9, dtype=np.float32) for one in super().features(images)]


def save(path, seed):
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    small = Image.fromarray(rng.integers(0, 256, (3, 3, 3), dtype=np.uint8))
    small.resize((24, 24), Image.Resampling.NEAREST).save(path, "PNG")


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Eight images, two of them equal and one with a hostile name; a broken file, a text; cwd is beside."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    for number in range(6):
        save(folder / ("cats" if number % 2 else "dogs") / f"{number}.png", number)
    save(folder / "copy of 0.png", 0)
    save(folder / HOSTILE, 7)
    (folder / "broken.jpg").write_bytes(b"no image")
    (folder / "notes.txt").write_text("no image either")
    return folder


@pytest.fixture
def colors(monkeypatch):
    """Let every command use the small encoder."""
    encoder = Colors("colors", network=torch.nn.Identity())
    monkeypatch.setattr("phi3lib.cli.vectors.load", lambda name, revision=None: encoder)
    return encoder


@pytest.fixture
def shell(capsys):
    """Run a command in this process: (exit code, standard output, standard error)."""

    def call(*arguments):
        code = main([str(one) for one in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call
