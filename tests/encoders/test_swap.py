"""`swap_vision_tower`: towers of every family inside Phi-3-vision, saved and loaded; errors."""

import copy
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from phi3lib import embed_images, load_encoder, load_phi3_model, swap_vision_tower
from phi3lib.encoders.swap import even_tile_size
from phi3lib.vision.answers import answer
from phi3lib.vision.tower_families import vision_config_of

FAMILIES = ["clip", "siglip", "siglip2", "dino", "registers"]
TILE = {"clip": 256, "siglip": 224, "siglip2": 224, "dino": 224, "registers": 224}
PROMPT = "<|user|>\n<|image_1|>\nWhat is it?<|end|>\n<|assistant|>\n"


def options(name):
    # The real ViT-B/32 has 7 patches a side at 224 pixels; 8 at 256.
    return {"projector": "new", "tile_size": 256 if name == "clip" else None}


@pytest.fixture(scope="module")
def swapped(phi3_whole, encoders):
    return {name: swap_vision_tower(phi3_whole, encoders[name], **options(name)) for name in FAMILIES}


@torch.no_grad()
def logits(model, images):
    inputs = model.processor([PROMPT] * len(images), images, padding=True, return_tensors="pt")
    return model(**inputs).logits


@pytest.mark.parametrize("name", FAMILIES)
def test_geometry_and_pixels_follow_the_tower(name, swapped, encoders, images):
    model, parts = swapped[name], encoders[name].tower()
    images_of = model.processor.image_processor
    tile = model.model.vision_embed_tokens.tile
    assert images_of.tile == tile and tile.tile_size == TILE[name]
    assert images_of.num_img_tokens == tile.tokens_per_tile == model.config.img_processor["num_img_tokens"]
    assert tuple(images_of.image_mean) == parts.mean and tuple(images_of.image_std) == parts.std
    inputs = model.processor([PROMPT], [images[1]], return_tensors="pt")
    counted = model.model.vision_embed_tokens.num_tokens(inputs["pixel_values"], inputs["image_sizes"])
    assert counted == [images_of.grid(*images[1].size).num_image_tokens]
    assert torch.isfinite(logits(model, images)).all()


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_features_are_the_hidden_states_of_transformers(name, swapped, encoders):
    model, network = swapped[name], encoders[name].tower().network
    pixels = torch.randn(2, 3, TILE[name], TILE[name], generator=torch.Generator().manual_seed(0))
    # DINOv2 interpolates its positions by itself, CLIP when it is asked to: the same numbers.
    asked = {"interpolate_pos_encoding": True} if name == "clip" else {}
    states = network(pixel_values=pixels, output_hidden_states=True, **asked).hidden_states
    registers = 4 if name == "registers" else 0
    prefix = 0 if name.startswith("siglip") else 1 + registers
    features = model.model.vision_embed_tokens.get_img_features(pixels)
    torch.testing.assert_close(features, states[-2][:, prefix:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_it_is_saved_and_loaded_whole_in_part_and_by_auto_classes(name, swapped, images, tmp_path):
    model = swapped[name]
    model.save_pretrained(tmp_path)
    model.processor.save_pretrained(tmp_path)
    want = logits(model, images)
    whole = load_phi3_model(tmp_path, language_model=True, dtype=torch.float32)
    torch.testing.assert_close(logits(whole, images), want)
    assert whole.config.img_processor == model.config.img_processor
    auto = AutoModelForImageTextToText.from_pretrained(tmp_path, dtype=torch.float32).eval()
    auto.processor = AutoProcessor.from_pretrained(tmp_path)
    torch.testing.assert_close(logits(auto, images), want)
    inputs = model.processor.image_processor(images, return_tensors="pt")
    with torch.no_grad():
        want = model.get_image_features(inputs).pooler_output
        for part in (load_phi3_model(tmp_path), load_phi3_model("nowhere", fine_tuned=tmp_path)):
            torch.testing.assert_close(part.get_image_features(inputs).pooler_output, want)


def test_its_own_tower_put_in_changes_nothing(phi3_whole, images):
    before = copy.deepcopy(phi3_whole.state_dict())
    want = logits(phi3_whole, images)
    for share in (False, True):
        same = swap_vision_tower(phi3_whole, phi3_whole, copy_weights=not share)
        torch.testing.assert_close(logits(same, images), want, rtol=0, atol=0)
        ours, theirs = same.lm_head.weight, phi3_whole.lm_head.weight
        assert (ours.data_ptr() == theirs.data_ptr()) is share
        assert same.model.vision_embed_tokens.wte is same.model.embed_tokens
        assert same.config is not phi3_whole.config and same.model.config is same.config
    after = phi3_whole.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[name], before[name]) for name in before)
    assert phi3_whole.processor is not None


def test_the_result_is_for_evaluation_and_the_given_model_keeps_its_processor(phi3_whole, encoders):
    before = phi3_whole.processor.image_processor.to_dict()
    encoder = copy.copy(encoders["siglip"])
    encoder.processor = copy.copy(encoder.processor)
    encoder.processor.rescale_factor = 1 / 127.5
    swapped = swap_vision_tower(phi3_whole, encoder, projector="new")
    assert not any(module.training for module in swapped.modules())
    assert swapped.processor.image_processor.rescale_factor == 1 / 127.5
    assert phi3_whole.processor.image_processor.to_dict() == before


@pytest.mark.parametrize(("size", "wanted"), [(5, 28), (41, 28), (43, 56), (224, 224), (230, 224)])
def test_an_even_tile_size_is_the_nearest_and_never_zero(size, wanted, encoders):
    encoder = copy.copy(encoders["dino"])
    parts = replace(encoder.tower(), size=size)
    encoder.tower = lambda: parts
    assert even_tile_size(encoder) == wanted


def test_the_vision_part_alone_takes_another_tower_too(folders, encoders, images):
    part = load_phi3_model(folders["phi3"])
    swapped = swap_vision_tower(part, encoders["siglip"], projector="new")
    table = embed_images(images, model=swapped, pooling="mean", progress=False)
    assert table.vectors.shape == (len(images), 32)
    assert "vision tower of" in table.recipe["model"]
    with pytest.raises(ValueError, match="needs a class token, which the vision tower"):
        embed_images(images, model=swapped, pooling="cls", progress=False)


def test_a_kept_projector_stays_and_a_new_one_depends_on_the_seed_alone(phi3_whole, encoders):
    kept = swap_vision_tower(phi3_whole, encoders["dino"])  # both towers are 16 wide
    for name in ("img_projection.0.weight", "sub_GN", "glb_GN"):
        ours = kept.model.vision_embed_tokens.state_dict()[name]
        theirs = phi3_whole.model.vision_embed_tokens.state_dict()[name]
        assert torch.equal(ours, theirs) and ours.data_ptr() != theirs.data_ptr()
    state = torch.get_rng_state()
    weights = [
        swap_vision_tower(phi3_whole, encoders["dino"], projector="new", seed=seed)
        .model.multi_modal_projector[0]
        .weight
        for seed in (0, 0, 1)
    ]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.get_rng_state(), state)


def test_a_layer_can_be_chosen(phi3_whole, encoders):
    first = swap_vision_tower(phi3_whole, encoders["dino"], layer=0)
    assert first.model.vision_embed_tokens.layer_idx == 0
    with pytest.raises(ValueError, match="layer -4: a tower of 2 layers"):
        swap_vision_tower(phi3_whole, encoders["dino"], layer=-4)


def test_answers_come_without_an_error(swapped, images):
    said = answer(swapped["siglip"], images[:2], "What is it?", max_new_tokens=3)
    assert len(said) == 2


def test_without_an_entry_the_tower_is_that_of_the_published_models():
    """openai/clip-vit-large-patch14-336, as its own config.json has it."""
    config = vision_config_of({})
    sizes = (config.hidden_size, config.intermediate_size, config.image_size, config.patch_size)
    assert sizes == (1024, 4096, 336, 14)
    assert (config.num_hidden_layers, config.num_attention_heads) == (24, 16)
    assert (config.hidden_act, config.layer_norm_eps, config.projection_dim) == ("quick_gelu", 1e-5, 768)


# ------------------------------------------------------------------------------- what cannot work


def test_an_odd_number_of_patches_names_a_size_that_works(phi3_whole, encoders):
    with pytest.raises(ValueError, match=r"tiles of 224 pixels and patches of 32: 7 patches a side.*=256"):
        swap_vision_tower(phi3_whole, encoders["clip"], projector="new")
    with pytest.raises(ValueError, match=r"tiles of 230 pixels.*tile_size=224"):
        swap_vision_tower(phi3_whole, encoders["dino"], projector="new", tile_size=230)


def test_another_width_needs_a_new_projector(phi3_whole, encoders):
    wide = copy.deepcopy(encoders["dino"])
    wide.network.config.hidden_size = 24
    with pytest.raises(ValueError, match=r"24 wide and the projector was made for 16: pass projector='new'"):
        swap_vision_tower(phi3_whole, fresh_dino(wide), projector="keep")


def fresh_dino(encoder):
    from transformers import Dinov2Config, Dinov2Model

    fields = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 56}
    encoder.network = Dinov2Model(Dinov2Config(**fields, patch_size=14))
    return encoder


def test_naflex_other_encoders_and_other_words_are_refused(phi3_whole, encoders, folders):
    with pytest.raises(ValueError, match="NaFlex checkpoint.*fixed size"):
        swap_vision_tower(phi3_whole, encoders["naflex"], projector="new")
    with pytest.raises(ValueError, match="projector is 'mlp'; it must be 'keep' or 'new'"):
        swap_vision_tower(phi3_whole, encoders["dino"], projector="mlp")
    with pytest.raises(ValueError, match="phi3 is a ClipEncoder; pass a model of load_phi3_model"):
        swap_vision_tower(encoders["clip"], encoders["dino"])


def test_a_class_token_is_needed_where_the_model_reads_it(folders, encoders):
    part = load_phi3_model(folders["phi3"])
    part.use_hd_transform = part.with_learnable_separator = False
    part.type_feature = "cls_patch"
    with pytest.raises(ValueError, match="'cls_patch', but the tower of .* has no class token"):
        swap_vision_tower(part, encoders["siglip"], projector="new")


def test_a_name_is_loaded(phi3_whole, folders):
    by_name = swap_vision_tower(phi3_whole, str(folders["dino"]))
    by_encoder = swap_vision_tower(phi3_whole, load_encoder(folders["dino"]))
    assert by_name.config.img_processor == by_encoder.config.img_processor
