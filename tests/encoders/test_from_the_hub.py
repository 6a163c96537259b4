"""`load_encoder` by name: from a hub on loopback, through the same door as the other loaders."""

import numpy as np
import pytest

from phi3lib import embed_images, load_encoder
from phi3lib.loading import hub
from phi3lib.loading.checkpoints import CheckpointError
from tests.hub_stand_in import HubStandIn, pointed_at

NAMES = {
    "google/siglip-base-patch16-224": "siglip",
    "google/siglip2-base-patch16-224": "siglip2",
    "facebook/dinov2-small": "dino",
    "openai/clip-vit-base-patch32": "clip",
    "microsoft/Phi-3.5-vision-instruct": "phi3",
}


@pytest.fixture
def served(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("PHI3LIB_HOME", str(tmp_path / "phi3lib"))
    monkeypatch.delenv("PHI3LIB_MODELS", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(hub, "FIRST_PAUSE_S", 0.001)
    with HubStandIn() as stand_in, pointed_at(stand_in, tmp_path / "cache", monkeypatch.setattr):
        for name, folder in NAMES.items():
            stand_in.add(name, folders[folder])
        yield stand_in


@pytest.mark.parametrize("name", NAMES)
def test_the_family_is_that_of_the_configuration(name, served, encoders, images):
    encoder = load_encoder(name)
    assert encoder.name == name and len(encoder.revision) == 40
    table = embed_images(images, model=encoder, progress=False)
    assert (table.recipe["model"], table.recipe["revision"]) == (name, encoder.revision)
    want = embed_images(images, model=encoders[NAMES[name]], progress=False)
    assert np.allclose(table.vectors, want.vectors, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_fetched_once_is_loaded_without_a_hub(name, served, monkeypatch):
    from huggingface_hub import constants

    first = load_encoder(name)
    before = len(served.requests)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    again = load_encoder(name)
    assert len(served.requests) == before and again.revision == first.revision


def test_of_phi3_only_the_vision_part_is_fetched(served, folders):
    load_encoder("microsoft/Phi-3.5-vision-instruct")
    held = sum(file.stat().st_size for file in folders["phi3"].glob("*.safetensors"))
    assert 0 < served.bytes_served(".safetensors") < held


def test_nothing_large_is_fetched_of_a_family_that_is_not_known(served, tmp_path):
    folder = tmp_path / "vit"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "abacus"}')
    (folder / "model.safetensors").write_bytes(b"x" * 1000)
    served.add("google/vit", folder)
    with pytest.raises(CheckpointError, match="google/vit is a checkpoint of type 'abacus'"):
        load_encoder("google/vit")
    assert served.bytes_served("model.safetensors") == 0
    with pytest.raises(CheckpointError):
        load_encoder("google/nowhere")
