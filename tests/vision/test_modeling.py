"""`Phi3VForCausalLM` against the official code's logits, and as a citizen of transformers."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from phi3lib import Phi3VConfig, Phi3VForCausalLM, register_auto_classes
from phi3lib.vision.modeling import Phi3VModel
from tests.golden_inputs import GOLDEN, golden_json
from tests.golden_models import (
    WTE,
    golden_lm,
    golden_weights,
    lm_inputs,
    pictures,
    small_tower,
    train,
    with_labels,
)

LM = golden_json("lm.json")
CASES = LM["cases"]
ARRAYS = np.load(GOLDEN / "lm.npz")
PUBLISHED = json.loads((GOLDEN.parent / "published_configs.json").read_text())
PUBLISHED_KEYS = json.loads((GOLDEN.parent / "published_tensor_names.json").read_text())


def golden_array(case: dict, start: str) -> torch.Tensor:
    name = next(name for name in ARRAYS.files if name.startswith(f"{case['case']}/{start}"))
    return torch.from_numpy(ARRAYS[name])


@pytest.fixture(scope="module", autouse=True)
def _registered():
    register_auto_classes()


@pytest.fixture
def published_folder(tmp_path):
    """A checkpoint laid out as the published ones: config.json as it is, one copy of the word embedding."""
    config = {**PUBLISHED["phi3_vision_128k"]["config"], **golden_json("lm.json")["config"]}
    config["img_processor"] = {**config["img_processor"], "vision_config": small_tower()}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(load_file(GOLDEN / "lm_state.safetensors"), tmp_path / "model.safetensors", {"format": "pt"})
    return tmp_path


# ------------------------------------------------------------------------------ golden


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_logits_and_hidden_states_are_the_official_ones(case):
    inputs = lm_inputs(case, ARRAYS)
    with torch.inference_mode():
        outputs = golden_lm(case["cfg_overrides"])(**inputs, output_hidden_states=True)
    logits = outputs.logits
    last = golden_array(case, "logits_last")
    torch.testing.assert_close(logits[:, -last.shape[1] :], last, atol=2e-3, rtol=0)
    hidden = golden_array(case, "last_hidden")
    torch.testing.assert_close(outputs.hidden_states[-1][:, -8:], hidden, atol=2e-3, rtol=0)
    # Rows of padding see nothing, and what comes of that is defined nowhere.
    attended = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])).bool()[:, ::16]
    every16 = golden_array(case, "logits_every16")
    torch.testing.assert_close(logits[:, ::16, :64][attended], every16[attended], atol=2e-3, rtol=0)


def test_training_loss_and_every_gradient_are_the_official_ones():
    model = golden_lm()
    inputs = lm_inputs(CASES[0], ARRAYS)
    labels = inputs["input_ids"].clone()
    labels[:, :317] = -100  # only the text behind the picture counts
    outputs = model(**inputs, labels=labels)
    assert outputs.loss.item() == pytest.approx(LM["train"]["loss"], abs=2e-3)
    outputs.loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert set(gradients) == set(LM["train"]["grad_norms"])
    for name, norm in LM["train"]["grad_norms"].items():
        if norm is None:  # the tower's last layer and post_layernorm never run
            assert gradients[name] is None, name
        else:
            assert gradients[name].norm().item() == pytest.approx(norm, rel=2e-3, abs=1e-5), name


# ------------------------------------------------------------------------------ configuration


@pytest.mark.parametrize(
    ("name", "window"), [("phi3_vision_128k", 131072), ("phi35_vision", 262144)], ids=["phi-3", "phi-3.5"]
)
def test_the_published_configurations_are_read_as_they_are(name, window, tmp_path):
    published = PUBLISHED[name]["config"]
    assert published["_attn_implementation"] == "flash_attention_2" and "auto_map" in published
    (tmp_path / "config.json").write_text(json.dumps(published))
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, Phi3VConfig)
    assert config.sliding_window == window
    assert config.rope_parameters["original_max_position_embeddings"] == 4096
    assert config.rope_parameters["long_factor"] == published["rope_scaling"]["long_factor"]
    assert config._attn_implementation is None
    config.save_pretrained(tmp_path / "again")
    again = AutoConfig.from_pretrained(tmp_path / "again").to_dict()
    assert {**again, "_name_or_path": ""} == {**config.to_dict(), "_name_or_path": ""}


def test_published_sizes_give_the_published_names_and_number_of_parameters():
    config = Phi3VConfig(**PUBLISHED["phi3_vision_128k"]["config"])
    with torch.device("meta"):
        model = Phi3VForCausalLM(config)
    assert set(model.state_dict()) - {WTE} == set(PUBLISHED_KEYS)
    assert sum(parameter.numel() for parameter in model.parameters()) == 4_146_621_440


@pytest.mark.parametrize(
    ("kind", "factor"),
    [("su", math.sqrt(1 + math.log(32) / math.log(4096))), ("yarn", 0.1 * math.log(32) + 1)],
)
def test_both_rope_scalings_keep_the_published_attention_factor(kind, factor):
    fields = golden_json("lm.json")["config"]
    fields["rope_scaling"]["type"] = kind
    fields["img_processor"]["vision_config"] = small_tower()
    model = Phi3VModel(Phi3VConfig(**fields))
    assert model.rotary_emb.attention_scaling == pytest.approx(factor)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"short_factor": [1.0]}, "1 numbers in short_factor; it must have 12"),  # torch would repeat it
        ({"long_factor": [1.0] * 13}, "13 numbers in long_factor; it must have 12"),
        ({"long_factor": None}, "no list of numbers in long_factor"),
        ({"type": "dynamic", "factor": 2.0}, "has type 'dynamic'; it must be 'su', 'yarn' or 'longrope'"),
    ],
    ids=str,
)
def test_rope_scalings_that_do_not_fit_are_refused(change, said):
    fields = json.loads(json.dumps(LM["config"]))
    fields["rope_scaling"].update(change)
    with pytest.raises(ValueError, match=said):
        Phi3VConfig(**fields)


def test_reading_a_configuration_leaves_the_given_dict_alone():
    fields = golden_json("lm.json")["config"]
    Phi3VConfig(**fields)
    assert fields == golden_json("lm.json")["config"]


def test_ids_outside_a_small_vocabulary_are_no_defaults():
    config = Phi3VConfig(vocab_size=100)
    assert config.pad_token_id is None and config.eos_token_id is None
    assert Phi3VConfig().pad_token_id == 32000


def test_a_configuration_without_picture_side_makes_a_text_model():
    fields = {**golden_json("lm.json")["config"], "embd_layer": "default"}
    model = Phi3VForCausalLM(Phi3VConfig(**fields)).eval()
    assert model(torch.tensor([[1, 2]])).logits.shape == (1, 2, 512)
    with pytest.raises(ValueError, match="no embd_layer"):
        model(torch.tensor([[1, -1]]), pixel_values=torch.zeros(1, 2, 3, 336, 336))


# ------------------------------------------------------------------------------ loading and saving


@pytest.mark.parametrize(
    "options",
    [{}, {"attn_implementation": "eager"}, {"dtype": torch.float32}, {"device_map": "auto"}],
    ids=lambda options: next(iter(options), "plain"),
)
def test_from_pretrained_reads_the_published_layout(published_folder, options):
    model, info = AutoModelForCausalLM.from_pretrained(published_folder, output_loading_info=True, **options)
    assert isinstance(model, Phi3VForCausalLM)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert model.dtype == options.get("dtype", torch.bfloat16)
    weights, want = model.state_dict(), golden_lm().state_dict()
    assert all(torch.equal(weights[name].float(), want[name].to(model.dtype).float()) for name in want)
    assert model.model.vision_embed_tokens.wte.weight is model.model.embed_tokens.weight


def test_auto_model_gives_the_model_without_head(published_folder):
    model = AutoModel.from_pretrained(published_folder, dtype=torch.float32).eval()
    assert isinstance(model, Phi3VModel)
    inputs = lm_inputs(CASES[0], ARRAYS)
    with torch.inference_mode():
        hidden = model(**inputs).last_hidden_state
    torch.testing.assert_close(hidden[:, -8:], golden_array(CASES[0], "last_hidden"), atol=2e-3, rtol=0)


def test_fine_tuned_files_may_hold_the_word_embedding_twice(published_folder):
    weights = load_file(published_folder / "model.safetensors")
    weights[WTE] = weights["model.embed_tokens.weight"].clone()
    save_file(weights, published_folder / "model.safetensors", {"format": "pt"})
    model, info = AutoModelForCausalLM.from_pretrained(published_folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert model.model.vision_embed_tokens.wte.weight is model.model.embed_tokens.weight


def test_save_pretrained_writes_the_published_names_and_reads_back(tmp_path):
    model = golden_lm()
    model.save_pretrained(tmp_path)
    assert set(load_file(tmp_path / "model.safetensors")) == set(golden_weights("lm_state.safetensors"))
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    inputs = lm_inputs(CASES[0], ARRAYS)
    with torch.inference_mode():
        assert torch.equal(model(**inputs).logits, again(**inputs).logits)


def test_resized_embeddings_are_resized_under_both_names():
    model = golden_lm()
    model.resize_token_embeddings(520)
    embedding = model.model.vision_embed_tokens
    assert embedding.wte is model.model.embed_tokens and embedding.vocab_size == 520
    assert model(torch.tensor([[519]])).logits.shape == (1, 1, 520)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_float64_takes_padded_rows(attention):
    model = golden_lm()
    model.set_attn_implementation(attention)
    inputs = {"input_ids": torch.tensor([[0, 0, 5, 9]]), "attention_mask": torch.tensor([[0, 0, 1, 1]])}
    with torch.inference_mode():
        want = model(**inputs).logits[:, 2:]
        found = model.double()(**inputs).logits[:, 2:]
    torch.testing.assert_close(found.float(), want, atol=2e-3, rtol=0)


def test_bfloat16_stays_close_and_keeps_exact_rope_frequencies(tmp_path):
    inputs = lm_inputs(CASES[0], ARRAYS)
    exact, cast = golden_lm(), golden_lm().to(torch.bfloat16)
    exact.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16).eval()
    with torch.inference_mode():
        a, b, c = (model(**inputs).logits[0, -1].float() for model in (exact, cast, loaded))
    assert torch.equal(b, c)
    assert cast.model.rotary_emb.inv_freq.dtype == torch.float32
    assert torch.cosine_similarity(a, b, dim=0) > 0.98  # random weights magnify the rounding


# ------------------------------------------------------------------------------ pictures


def test_get_image_features_of_the_model_and_of_its_embedding_agree():
    model = golden_lm()
    inputs = pictures([[336, 336], [672, 336]], tiles=3, seed=1)
    with torch.inference_mode():
        ours = model.get_image_features(inputs)
        want = model.model.vision_embed_tokens.get_image_features(**inputs)
    assert [len(tokens) for tokens in ours.tokens] == [313, 469]
    assert torch.equal(ours.pooler_output, want.pooler_output)


def test_wrong_counts_are_refused_through_the_whole_model():
    inputs = pictures([[336, 336]], tiles=2, seed=1)
    with pytest.raises(ValueError, match="313 tokens.*312 positions"):
        golden_lm()(torch.tensor([[5] + [-1] * 312]), **inputs)


def test_exactly_one_of_ids_and_embeddings():
    model = golden_lm()
    with pytest.raises(ValueError, match="exactly one"):
        model()
    with pytest.raises(ValueError, match="exactly one"):
        model(torch.tensor([[1]]), inputs_embeds=torch.zeros(1, 1, 96))


# ------------------------------------------------------------------------------ training


def training_inputs() -> dict[str, torch.Tensor]:
    return with_labels(lm_inputs(CASES[0], ARRAYS))


def test_gradient_checkpointing_gives_the_same_gradients():
    def gradients(checkpointing: bool) -> dict[str, torch.Tensor]:
        model = golden_lm().train()
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model(**training_inputs()).loss.backward()
        return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}

    plain, checkpointed = gradients(False), gradients(True)
    assert plain.keys() == checkpointed.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(checkpointed[name], gradient, atol=1e-5, rtol=1e-4)


def test_peft_lora_trains_through_the_pictures():
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(
        r=4,
        target_modules=["qkv_proj", "o_proj", "img_projection.0", "img_projection.2"],
        modules_to_save=None,
    )
    model = peft.get_peft_model(golden_lm().train(), config)
    model.enable_input_require_grads()
    losses = train(model, training_inputs(), rate=5e-3)
    assert losses[-1] < 0.8 * losses[0]
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in trained)
    assert any("img_projection" in name for name in trained)
