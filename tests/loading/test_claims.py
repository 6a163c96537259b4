"""What settings claim costs nothing: it is compared with the weights before anything of its size is made."""

import json
import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from phi3lib import load_encoder
from phi3lib.loading.checkpoints import CheckpointError, load_clip, load_phi3_model
from phi3lib.vision.image_processing import Phi3VImageProcessor
from tests.encoder_layout import make_dino_checkpoint, make_siglip_checkpoint
from tests.real_layout import make_clip_checkpoint, make_phi3_checkpoint

MUCH = 10**12  # more than any machine holds, or would count to


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    make_phi3_checkpoint(root / "phi3", tokenizer=True)
    make_clip_checkpoint(root / "clip")
    make_siglip_checkpoint(root / "siglip")
    make_siglip_checkpoint(root / "naflex", version=2, naflex=True)
    make_dino_checkpoint(root / "dino")
    return root


def whole(folder):
    return load_phi3_model(folder, language_model=True)


def change(folder, file, path, value):
    place = content = json.loads((folder / file).read_text())
    *parts, name = path.split(".")
    for part in parts:
        place = place[part]
    place[name] = value
    (folder / file).write_text(json.dumps(content))


TOWER, CONFIG, IMAGES = "img_processor.vision_config.", "config.json", "preprocessor_config.json"


@pytest.mark.parametrize(
    ("load", "kind", "file", "path"),
    [
        *[(load_phi3_model, "phi3", CONFIG, f"{TOWER}{name}") for name in
          ("hidden_size", "intermediate_size", "num_hidden_layers", "image_size")],
        *[(one, "phi3", CONFIG, name) for one in (load_phi3_model, whole)
          for name in ("num_hidden_layers", "num_labels")],
        *[(whole, "phi3", CONFIG, f"{TOWER}{name}") for name in ("num_hidden_layers", "image_size")],
        *[(one, "phi3", IMAGES, "num_crops") for one in (load_phi3_model, whole)],
        *[(load_clip, "clip", CONFIG, f"{part}_config.{name}") for part in ("text", "vision")
          for name in ("num_hidden_layers", "num_labels", "hidden_size")],
        *[(load_clip, "clip", IMAGES, name) for name in ("size", "crop_size")],
        (load_encoder, "siglip", CONFIG, "vision_config.num_hidden_layers"),
        (load_encoder, "siglip", IMAGES, "size.height"),
        (load_encoder, "naflex", IMAGES, "max_num_patches"),
        (load_encoder, "dino", CONFIG, "num_hidden_layers"),
        (load_encoder, "dino", IMAGES, "crop_size.width"),
    ],
)  # fmt: skip
def test_a_claim_is_refused_in_a_sentence(folders, tmp_path, load, kind, file, path):
    folder = shutil.copytree(folders / kind, tmp_path / kind)
    change(folder, file, path, MUCH)
    with pytest.raises(CheckpointError) as refused:
        load(folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_std", [0, 0, 0]),
        ("image_std", [-1, 1, 1]),
        ("image_mean", [float("nan")] * 3),
        ("image_mean", ["0", "0", "0"]),
        ("rescale_factor", 0),
        ("rescale_factor", 1e300),
        ("rescale_factor", float("nan")),
    ],
    ids=str,
)
def test_pixel_values_that_would_be_equal_or_nan_are_refused(folders, tmp_path, name, value):
    for kind in ("clip", "phi3", "siglip", "dino"):
        folder = shutil.copytree(folders / kind, tmp_path / kind)
        change(folder, IMAGES, name, value)
        for load in (load_phi3_model, whole) if kind == "phi3" else (load_encoder,):
            with pytest.raises(CheckpointError, match=name):
                load(folder)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("clip", {"crop_size": {"height": 10, "width": 10}}),
        ("clip", {"do_center_crop": False}),
        ("siglip", {"size": {"height": 10, "width": 10}}),
        ("siglip", {"do_resize": False}),
        ("dino", {"crop_size": {"height": 10, "width": 10}}),
    ],
)  # fmt: skip
def test_images_that_do_not_fit_the_network_are_refused_at_once(folders, tmp_path, kind, settings):
    folder = shutil.copytree(folders / kind, tmp_path / kind)
    for name, value in settings.items():
        change(folder, IMAGES, name, value)
    with pytest.raises(CheckpointError, match=r"makes an image of \d+ × \d+ pixels .* but the network takes"):
        load_encoder(folder)


def test_a_claim_about_a_tensor_that_is_missing_is_refused_before_it_is_made(folders, tmp_path):
    folder = shutil.copytree(folders / "clip", tmp_path / "clip")
    tensors = load_file(folder / "model.safetensors")
    del tensors["vision_model.embeddings.position_embedding.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    change(folder, CONFIG, "vision_config.image_size", 10**8)
    with pytest.raises(CheckpointError, match="a model of .* numbers, but its files hold"):
        load_clip(folder)


def test_the_positions_of_a_vision_part_are_counted(folders):
    ids = load_phi3_model(folders / "phi3").img_processor.vision_model.embeddings.position_ids
    assert torch.equal(ids.flatten(), torch.arange(577))


@pytest.mark.parametrize(
    ("claim", "length"),
    [
        ({"pad_to_multiple_of": MUCH}, range(1, 9)),
        ({"max_length": MUCH, "padding": "longest"}, range(1, 9)),
        ({"max_length": 117, "padding": "max_length"}, [117]),  # as of any tokenizer of transformers
    ],
    ids=str,
)
def test_a_tokenizer_does_not_pad_prompts_to_more_than_models_read(folders, tmp_path, claim, length):
    folder = shutil.copytree(folders / "phi3", tmp_path / "phi3")
    for name, value in claim.items():
        change(folder, "tokenizer_config.json", name, value)
    assert whole(folder).processor("a", None)["input_ids"].shape[1] in length


def test_the_crops_of_a_picture_have_a_limit():
    assert Phi3VImageProcessor(num_crops=885).num_crops == 885
    for options in ({"num_crops": 886}, {"tile_size": 28_000, "num_img_tokens": 10**6}):
        with pytest.raises(ValueError, match="may have at most 100,000,000 pixels"):
            Phi3VImageProcessor(**options)
    with pytest.raises(ValueError, match="may have at most"):
        Phi3VImageProcessor()(Image.new("RGB", (9, 9)), num_crops=MUCH)
