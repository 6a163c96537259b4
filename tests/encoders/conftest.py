"""Small encoders with random weights, and images."""

import numpy as np
import pytest
from PIL import Image

from phi3lib import load_clip, load_encoder, load_phi3_model
from tests.encoder_layout import make_dino_checkpoint, make_siglip_checkpoint
from tests.real_layout import make_clip_checkpoint, make_phi3_checkpoint

MAKERS = {
    "clip": make_clip_checkpoint,
    "siglip": make_siglip_checkpoint,
    "siglip2": lambda folder: make_siglip_checkpoint(folder, version=2),
    "naflex": lambda folder: make_siglip_checkpoint(folder, version=2, naflex=True),
    "dino": make_dino_checkpoint,
    "registers": lambda folder: make_dino_checkpoint(folder, registers=4),
    "phi3": lambda folder: make_phi3_checkpoint(folder, tokenizer=True),
}


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("encoders")
    for name, make in MAKERS.items():
        make(root / name)
    return {name: root / name for name in MAKERS}


@pytest.fixture(scope="session")
def encoders(folders):
    return {name: load_encoder(folder) for name, folder in folders.items()}


@pytest.fixture(scope="session")
def clip(folders):
    return load_clip(folders["clip"])


@pytest.fixture(scope="session")
def phi3_whole(folders):
    import torch

    return load_phi3_model(folders["phi3"], language_model=True, dtype=torch.float32)


@pytest.fixture(scope="session")
def images():
    rng = np.random.default_rng(0)
    sizes = [(40, 50), (300, 90), (64, 64), (224, 224)]
    return [Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)) for size in sizes]
