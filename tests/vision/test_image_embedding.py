"""`Phi3ImageEmbedding` against the official code's hidden states, and its promises one by one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from phi3lib import Phi3ImageEmbedding
from phi3lib.vision.hd_transform import count_image_tokens
from phi3lib.vision.vision_tower import VisionTower, vision_config_of
from tests.golden_inputs import GOLDEN, golden_json, synth_pixels
from tests.golden_models import (
    golden_embedding,
    golden_plain_embedding,
    golden_weights,
    pictures,
    small_config,
    small_tower,
)

CASES = golden_json("embedding.json")["cases"]
HD_CASES = [case for case in CASES if not case["case"].startswith("nonhd")]
PLAIN_CASES = [case["case"] for case in CASES if case["case"].startswith("nonhd")]
ARRAYS = np.load(GOLDEN / "embedding.npz")
HD = {
    "use_hd_transform": True,
    "with_learnable_separator": True,
    "hd_transform_order": "sub_glb",
    "projection_cls": "mlp",
}


def ids_and_hidden(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(ARRAYS[f"{name}/input_ids"]).long(), torch.from_numpy(ARRAYS[f"{name}/hidden"])


def one_picture(places: int = 313, tag: int = 1) -> torch.Tensor:
    return torch.tensor([[5, *[-tag] * places, 7]])


# ------------------------------------------------------------------------------ golden


@pytest.mark.parametrize("case", HD_CASES, ids=lambda case: case["case"])
def test_hd_hidden_states_are_the_official_ones(case):
    ids, hidden = ids_and_hidden(case["case"])
    inputs = pictures(case["image_sizes_hw"], case["pixel_values"]["shape"][1], seed=20)
    with torch.inference_mode():
        ours = golden_embedding(case["order"])(ids, **inputs)
    torch.testing.assert_close(ours, hidden, atol=2e-4, rtol=0)


@pytest.mark.parametrize("name", PLAIN_CASES)
def test_plain_hidden_states_are_the_official_ones(name):
    _, projection, kind = name.split("/")
    ids, hidden = ids_and_hidden(name)
    if kind == "4D":
        pixels = synth_pixels(2, seed=33)
    else:  # ready features
        pixels = np.stack(
            [synth_pixels(1, seed=40 + i).reshape(-1)[: 576 * 64].reshape(576, 64) for i in (0, 1)]
        )
    with torch.inference_mode():
        ours = golden_plain_embedding(projection)(ids, torch.from_numpy(pixels))
    torch.testing.assert_close(ours, hidden, atol=2e-4, rtol=0)


def test_patch_features_are_the_official_ones():
    want = torch.from_numpy(ARRAYS["tower/patch_features_seed20_crop0"])
    with torch.inference_mode():
        ours = golden_embedding().get_img_features(torch.from_numpy(synth_pixels(1, seed=20)))
    torch.testing.assert_close(ours[0], want, atol=2e-4, rtol=0)


# ------------------------------------------------------------------------------ names and options


def test_state_dict_names_are_the_published_ones():
    names = set(golden_embedding().state_dict())
    assert names == set(golden_weights("embedding_state.safetensors"))
    assert "img_processor.vision_model.pre_layrnorm.weight" in names


def test_loads_with_and_without_the_word_embedding():
    weights = golden_weights("embedding_state.safetensors")
    without = {key: value for key, value in weights.items() if key != "wte.weight"}
    embedding = Phi3ImageEmbedding(small_config(), **HD)  # no wte at all
    embedding.load_state_dict(without)
    result = golden_embedding().load_state_dict(without, strict=False)
    assert result.missing_keys == ["wte.weight"]


def test_without_vision_config_the_tower_is_vit_l_14_336():
    config = small_config(image_dim_out=1024)
    del config.img_processor["vision_config"]
    with torch.device("meta"):
        embedding = Phi3ImageEmbedding(config, **HD)
    shapes = {name: tuple(value.shape) for name, value in embedding.state_dict().items()}
    assert shapes["glb_GN"] == (1, 1, 4096) and shapes["sub_GN"] == (1, 1, 1, 4096)
    assert shapes["img_processor.vision_model.embeddings.position_embedding.weight"] == (577, 1024)
    assert "img_processor.vision_model.encoder.layers.23.mlp.fc1.weight" in shapes
    assert shapes["img_projection.0.weight"] == (96, 4096)


def test_attributes_of_the_original_class():
    embedding = golden_embedding()
    assert (embedding.layer_idx, embedding.type_feature, embedding.vocab_size) == (-2, "patch", 512)
    assert (embedding.num_img_tokens, embedding.image_dim_out) == (144, 64)
    assert embedding.img_features is None and embedding.img_sizes is None
    assert isinstance(embedding.drop, nn.Dropout)


def test_options_come_from_the_configuration_when_left_out():
    config = small_config()
    config.embd_layer = {"embedding_cls": "image", **HD, "hd_transform_order": "glb_sub"}
    embedding = Phi3ImageEmbedding(config)
    assert (embedding.use_hd_transform, embedding.hd_transform_order) == (True, "glb_sub")
    assert Phi3ImageEmbedding(config, hd_transform_order="sub_glb").hd_transform_order == "sub_glb"


def test_a_mistyped_option_is_refused():
    with pytest.raises(TypeError, match="use_hd_tranform"):
        Phi3ImageEmbedding(small_config(), use_hd_tranform=True)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"image_dim_out": 32}, HD, "image_dim_out is 32.*64 wide"),
        ({"type_feature": "cls"}, {}, "type_feature is 'cls'"),
        ({"type_feature": "cls_patch"}, HD, "576 patch features.*577"),
        ({"layer_idx": -9}, HD, "layer -9"),
        ({"name": "siglip"}, HD, "clip_vision_model"),
        ({}, {**HD, "projection_cls": "linear"}, "64 numbers.*256"),
        ({}, {**HD, "projection_cls": "conv"}, "'conv'"),
        ({}, {**HD, "hd_transform_order": "glb"}, "'sub_glb', 'glb_sub'"),
        ({}, {**HD, "with_learnable_separator": False}, "go together"),
    ],
)
def test_configurations_that_could_not_run_are_refused(change, options, message):
    with pytest.raises(ValueError, match=message):
        Phi3ImageEmbedding(small_config(**change), **options)


def test_missing_entries_are_named():
    config = SimpleNamespace(
        hidden_size=8, vocab_size=8, img_processor={"name": "clip_vision_model", "image_dim_out": 64}
    )
    with pytest.raises(ValueError, match="num_img_tokens missing"):
        Phi3ImageEmbedding(config)


@pytest.mark.parametrize("tile", [(56, 14), (64, 16), (96, 12)], ids=str)
def test_other_tile_and_patch_sizes(tile):
    size, patch = tile
    tower = {**small_tower(), "image_size": size, "patch_size": patch}
    embedding = Phi3ImageEmbedding(small_config(vision_config=tower), **HD).eval()
    shape = (2, 3)
    features = embedding.get_image_features(
        torch.randn(1, 7, 3, size, size, generator=torch.Generator().manual_seed(0)),
        [[shape[0] * size, shape[1] * size]],
    )
    assert features.tokens[0].shape == (count_image_tokens(*shape, embedding.tile), 96)


# ------------------------------------------------------------------------------ tower


@pytest.mark.parametrize("layer_idx", [0, 1, 2, 3, -1, -2, -4])
def test_every_layer_is_the_hidden_state_of_that_index(layer_idx):
    embedding = golden_embedding()
    tiles = torch.from_numpy(synth_pixels(2, seed=3))
    with torch.inference_mode():
        states = embedding.img_processor.vision_model(tiles, output_hidden_states=True).hidden_states
        ours = embedding.img_processor(tiles, layer=layer_idx)
    torch.testing.assert_close(ours, states[layer_idx], atol=1e-5, rtol=0)


def test_layers_behind_the_used_one_never_run():
    embedding = golden_embedding()
    runs = []
    for number, layer in enumerate(embedding.img_processor.vision_model.encoder.layers):
        layer.register_forward_hook(lambda *_, number=number: runs.append(number))
    embedding.img_processor.vision_model.post_layernorm.register_forward_hook(lambda *_: runs.append("post"))
    with torch.inference_mode():
        embedding.get_img_features(torch.from_numpy(synth_pixels(1)))
    assert runs == [0, 1]


def test_padding_tiles_never_reach_the_tower():
    embedding = golden_embedding()
    seen = []
    embedding.img_processor.vision_model.embeddings.register_forward_hook(
        lambda module, args, output: seen.append(len(args[0]))
    )
    with torch.inference_mode():
        embedding.get_image_features(pictures([[336, 336], [672, 336]], tiles=17, seed=1))
    assert sum(seen) == 2 + 3


def test_padding_content_does_not_matter():
    inputs = pictures([[336, 336], [672, 336]], tiles=5, seed=1)
    other = {**inputs, "pixel_values": inputs["pixel_values"].clone()}
    other["pixel_values"][0, 2:] = 9.0
    embedding = golden_embedding()
    with torch.inference_mode():
        a, b = embedding.get_image_features(inputs), embedding.get_image_features(other)
    assert torch.equal(a.tokens[0], b.tokens[0]) and torch.equal(a.pooler_output, b.pooler_output)


def test_one_projection_call_for_all_pictures():
    embedding = golden_embedding()
    calls = []
    embedding.img_projection.register_forward_hook(lambda module, args, output: calls.append(len(args[0])))
    with torch.inference_mode():
        embedding.get_image_features(pictures([[336, 336], [672, 336]], tiles=3, seed=1))
    assert calls == [313 + 469]


def test_cls_patch_keeps_the_cls_feature():
    embedding = Phi3ImageEmbedding(small_config(type_feature="cls_patch", num_img_tokens=577)).eval()
    tiles = torch.from_numpy(synth_pixels(2))
    with torch.inference_mode():
        tokens = embedding.get_image_features(tiles).tokens
        features = embedding.img_processor(tiles, layer=-2)
        torch.testing.assert_close(tokens[0], embedding.img_projection(features[0]), atol=1e-5, rtol=0)
    assert tokens[0].shape == (577, 96)


# ------------------------------------------------------------------------------ pictures and places


def test_text_alone_is_the_word_embedding():
    embedding = golden_embedding()
    ids = torch.tensor([[1, 2, 3]])
    assert torch.equal(embedding(ids), embedding.wte(ids))


def test_input_ids_stay_as_they_were():
    ids = one_picture()
    before = ids.clone()
    golden_embedding()(ids, **pictures([[336, 336]], tiles=2, seed=1))
    assert torch.equal(ids, before)


def test_the_tag_number_picks_the_picture():
    embedding = golden_embedding()
    inputs = pictures([[336, 336], [672, 336]], tiles=3, seed=1)
    with torch.inference_mode():
        tokens = embedding.get_image_features(inputs).tokens
        straight = embedding(torch.tensor([[*[-1] * 313, 4, *[-2] * 469]]), **inputs)
        swapped = embedding(torch.tensor([[*[-2] * 469, 4, *[-1] * 313]]), **inputs)
    torch.testing.assert_close(straight[0, :313], tokens[0])
    torch.testing.assert_close(swapped[0, :469], tokens[1])
    torch.testing.assert_close(swapped[0, 470:], tokens[0])


def test_tags_count_within_their_row_and_rows_follow_each_other():
    embedding = golden_embedding()
    inputs = pictures([[336, 336], [336, 336], [336, 336]], tiles=2, seed=1)
    ids = torch.tensor([[*[-2] * 313, *[-1] * 313], [9] * 313 + [-7] * 313])
    with torch.inference_mode():
        tokens = embedding.get_image_features(inputs).tokens
        hidden = embedding(ids, **inputs)
    torch.testing.assert_close(hidden[0, :313], tokens[1])
    torch.testing.assert_close(hidden[0, 313:], tokens[0])
    torch.testing.assert_close(hidden[1, 313:], tokens[2])


def test_interleaved_places_keep_left_to_right():
    embedding = golden_embedding()
    inputs = pictures([[336, 336]], tiles=2, seed=1)
    with torch.inference_mode():
        tokens = embedding.get_image_features(inputs).tokens[0]
        hidden = embedding(torch.tensor([[*[-1] * 13, 6, *[-1] * 300]]), **inputs)
    torch.testing.assert_close(torch.cat([hidden[0, :13], hidden[0, 14:]]), tokens)


@pytest.mark.parametrize(
    ("ids", "sizes", "message"),
    [
        (one_picture(312), [[336, 336]], "313 tokens.*312 positions"),
        (one_picture(314), [[336, 336]], "313 tokens.*314 positions"),
        (one_picture(626), [[336, 336]], "313 tokens.*626 positions.*2 times"),
        (one_picture(313, tag=100)[:, :50], [[336, 336]], "-100 marks ignored labels"),
        (torch.tensor([[1, 2]]), [[336, 336]], r"0 picture\(s\), but 1 were passed.*there are none"),
        (one_picture(313), [[336, 336], [336, 336]], r"1 picture\(s\), but 2 were passed"),
        (torch.tensor([[512, *[-1] * 313]]), [[336, 336]], "id 512.*ends at 511"),
        (one_picture(), [[336, 336, 336]], "invalid|shape"),
        (one_picture(), [[335, 336]], r"\(335, 336\).*multiples of the tile size 336"),
        (one_picture(), [[672, 672]], "2×2 crops.*only 3 tiles"),
        (one_picture(), None, "need image_sizes"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_numbers(ids, sizes, message):
    count = len(sizes) if sizes else 1
    pixels = pictures([[336, 336]] * count, tiles=3, seed=1)["pixel_values"]
    with pytest.raises((ValueError, RuntimeError), match=message):
        golden_embedding()(ids, pixels, sizes)


def test_placeholders_without_pictures_are_refused():
    with pytest.raises(ValueError, match=r"1 picture\(s\), but no pictures were passed"):
        golden_embedding()(one_picture())


def test_sizes_and_pixels_of_different_number_are_refused():
    pixels = pictures([[336, 336]], tiles=2, seed=1)["pixel_values"]
    with pytest.raises(ValueError, match=r"1 picture\(s\) in pixel_values, 2 in image_sizes"):
        golden_embedding()(one_picture(), pixels, [[336, 336], [336, 336]])


@pytest.mark.parametrize("shape", [(1, 3, 336, 336), (1, 576, 64), (336, 336)], ids=str)
def test_shapes_without_tiles_are_refused_by_the_hd_transform(shape):
    with pytest.raises(ValueError, match="with the HD transform pixel_values must be"):
        golden_embedding()(one_picture(), torch.zeros(shape), [[336, 336]])


def test_no_word_embedding_is_a_clear_error():
    with pytest.raises(ValueError, match="no input_ids and no pixel_values"):
        Phi3ImageEmbedding(small_config(), **HD)(None)
    with pytest.raises(ValueError, match="no wte"):
        Phi3ImageEmbedding(small_config(), **HD)(torch.tensor([[1]]))


@pytest.mark.parametrize(
    "sizes",
    [
        [[336, 336]], [336, 336], torch.tensor([336, 336]), [torch.tensor([336, 336])], ((336, 336),),
        torch.tensor([[336, 336]], dtype=torch.float16),
    ],
)  # fmt: skip
def test_image_sizes_in_every_form(sizes):
    pixels = pictures([[336, 336]], tiles=2, seed=1)["pixel_values"]
    with torch.inference_mode():
        assert golden_embedding()(one_picture(), pixels, sizes).shape == (1, 315, 96)


def test_ready_tower_features_give_the_same_tokens():
    embedding = golden_embedding()
    inputs = pictures([[672, 336]], tiles=3, seed=1)
    with torch.inference_mode():
        features = embedding.get_img_features(inputs["pixel_values"][0])[None]
        a = embedding.get_image_features(inputs)
        b = embedding.get_image_features(features, inputs["image_sizes"])
    torch.testing.assert_close(a.tokens[0], b.tokens[0])


# ------------------------------------------------------------------------------ kept inputs


def test_kept_inputs_are_used_once():
    embedding = golden_embedding()
    first, second = pictures([[336, 336]], 2, seed=1), pictures([[672, 336]], 3, seed=2)
    embedding.set_img_features(first["pixel_values"])
    embedding.set_img_sizes(first["image_sizes"])
    with torch.inference_mode():
        kept = embedding(one_picture())
        assert torch.equal(kept, embedding(one_picture(), **first))
        assert embedding(one_picture(469), **second).shape == (1, 471, 96)  # no old size in the way
        with pytest.raises(ValueError, match="no (pictures were passed|images found)"):
            embedding(one_picture())


def test_inputs_of_the_call_win_over_kept_ones_and_clear_them():
    embedding = golden_embedding()
    first, second = pictures([[336, 336]], 2, seed=1), pictures([[672, 336]], 3, seed=2)
    embedding.set_img_features(first["pixel_values"])
    embedding.set_img_sizes(first["image_sizes"])
    with torch.inference_mode():
        assert torch.equal(
            embedding(one_picture(469), **second), golden_embedding()(one_picture(469), **second)
        )
    assert embedding.img_features is None and embedding.img_sizes is None


# ------------------------------------------------------------------------------ vectors


@pytest.mark.parametrize("order", ["sub_glb", "glb_sub"])
def test_the_pooled_vector_is_the_mean_without_separators(order):
    embedding = golden_embedding(order)
    with torch.inference_mode():
        features = embedding.get_image_features(pictures([[672, 336]], 3, seed=1))
    tokens = features.tokens[0]
    crops, whole = (24, 13), (12, 13)  # rows of tokens and tokens a row, separator included
    parts = tokens[: 24 * 13], tokens[-12 * 13 :]
    if order == "glb_sub":
        parts = tokens[-24 * 13 :], tokens[: 12 * 13]
    kept = [
        part.reshape(*shape, 96)[:, :-1].reshape(-1, 96)
        for part, shape in zip(parts, (crops, whole), strict=True)
    ]
    torch.testing.assert_close(features.pooler_output[0], torch.cat(kept).mean(0))


def test_a_picture_has_the_same_vector_alone_and_in_a_batch():
    embedding = golden_embedding()
    both = pictures([[336, 672], [336, 336]], 3, seed=1)
    with torch.inference_mode():
        together = embedding.get_image_features(both).pooler_output
        alone = embedding.get_image_features(both["pixel_values"][:1], both["image_sizes"][:1]).pooler_output
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=0)


# ------------------------------------------------------------------------------ training


def test_gradients_reach_separators_and_projector_past_a_frozen_word_embedding():
    embedding = golden_embedding().train()
    embedding.wte.requires_grad_(False)
    # What `enable_input_require_grads` does: the embedding's output becomes a leaf that wants gradients.
    embedding.wte.register_forward_hook(lambda module, args, output: output.requires_grad_(True))
    embedding(one_picture(), **pictures([[336, 336]], 2, seed=1)).square().sum().backward()
    assert embedding.wte.weight.grad is None
    for name in ("glb_GN", "sub_GN"):
        assert getattr(embedding, name).grad.abs().sum() > 0
    assert all(parameter.grad.abs().sum() > 0 for parameter in embedding.img_projection.parameters())


def test_bfloat16_tower_takes_float32_pictures():
    embedding = golden_embedding()
    inputs = pictures([[336, 336]], 2, seed=1)
    with torch.inference_mode():
        exact = embedding.get_image_features(inputs).pooler_output[0]
        rough = embedding.to(torch.bfloat16).get_image_features(inputs).pooler_output[0]
    assert rough.dtype == torch.bfloat16
    assert torch.cosine_similarity(exact, rough.float(), dim=0) > 0.999


@pytest.mark.parametrize(
    ("size", "mlp", "parts"), [(28, 32, [9, 8, 8]), (336, 4096, [3, 2]), (336, 2**14, [1, 1])]
)
def test_on_a_cpu_small_tiles_are_computed_by_the_dozen_and_large_ones_by_their_memory(size, mlp, parts):
    fields = {"image_size": size, "intermediate_size": mlp, "hidden_size": 8, "num_attention_heads": 1}
    tower = VisionTower(vision_config_of({"vision_config": {**fields, "num_hidden_layers": 1}}))
    seen: list[int] = []
    tower.vision_model.embeddings.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    with torch.inference_mode():
        assert len(tower(torch.zeros(sum(parts), 3, size, size))) == sum(parts)
    assert seen == parts
