"""Small models with random weights and pictures to embed: for tests of the machinery, not of the results."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from phi3lib import load_clip, load_phi3_model
from tests.real_layout import make_clip_checkpoint, make_phi3_checkpoint


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    make_clip_checkpoint(folder)
    return load_clip(folder)


@pytest.fixture(scope="session")
def phi3_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("phi3")
    make_phi3_checkpoint(folder, tokenizer=True)
    return folder


@pytest.fixture(scope="session")
def phi3(phi3_folder):
    return load_phi3_model(phi3_folder)


@pytest.fixture
def photos(tmp_path) -> Path:
    """A folder of forty pictures in two subfolders, and five files that are none."""
    rng = np.random.default_rng(0)
    for number in range(40):
        folder = tmp_path / "photos" / ("a" if number % 2 else "b")
        folder.mkdir(parents=True, exist_ok=True)
        size = [(40, 30), (30, 50), (90, 30)][number % 3]
        noise = rng.integers(0, 255, (3, 4, 3), dtype=np.uint8)
        Image.fromarray(noise).resize(size, Image.Resampling.NEAREST).save(folder / f"{number:02}.png")
    root = tmp_path / "photos"
    (root / "notes.txt").write_text("no picture")
    (root / "empty.jpg").write_bytes(b"")
    (root / "cut.png").write_bytes((root / "a" / "01.png").read_bytes()[:60])
    (root / "hidden").mkdir()
    (root / ".hidden.png").write_bytes(b"x")
    (root / "wide.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 30)
    return root
