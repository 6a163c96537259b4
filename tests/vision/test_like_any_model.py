"""`Phi3VForCausalLM` with the tools that people load every other model of transformers with."""

import copy
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForCausalLM, Trainer, TrainingArguments
from transformers.modeling_outputs import BaseModelOutputWithPooling

from phi3lib import Phi3VConfig, Phi3VForCausalLM, Phi3VImageProcessor, register_auto_classes
from phi3lib.loading.phi3 import whole_model
from phi3lib.loading.safetensors_io import CheckpointError
from tests.golden_inputs import GOLDEN, golden_json
from tests.golden_models import WTE, golden_config, golden_lm, lm_inputs, pictures, train, with_labels
from tests.real_layout import make_phi3_checkpoint

WORDS = "model.embed_tokens.weight"
CASE = golden_json("lm.json")["cases"][0]
ARRAYS = np.load(GOLDEN / "lm.npz")


@pytest.fixture(scope="module", autouse=True)
def _registered():
    register_auto_classes()


def case_inputs() -> dict[str, torch.Tensor]:
    return lm_inputs(CASE, ARRAYS)


def training_inputs() -> dict[str, torch.Tensor]:
    return with_labels(case_inputs())


@pytest.fixture
def folder(tmp_path):
    make_phi3_checkpoint(tmp_path, single_file=True)
    return tmp_path


def change_file(folder, change) -> dict[str, torch.Tensor]:
    """Apply `change` to the dict of tensors of a checkpoint; returns what the file held before."""
    before = load_file(folder / "model.safetensors")
    after = dict(before)
    change(after)
    save_file(after, folder / "model.safetensors", {"format": "pt"})
    return before


# ------------------------------------------------------------------------------ loading


@pytest.mark.parametrize("auto_class", [AutoModel, AutoModelForCausalLM])
def test_a_file_without_the_word_embedding_is_reported_and_nothing_stays_on_meta(folder, auto_class):
    change_file(folder, lambda tensors: tensors.pop(WORDS))
    model, info = auto_class.from_pretrained(folder, output_loading_info=True)
    assert [name.removeprefix("model.") for name in info["missing_keys"]] == ["embed_tokens.weight"]
    assert not any(parameter.is_meta for parameter in model.parameters())
    assert model.get_input_embeddings().weight.float().std() > 0


def test_our_loader_refuses_a_file_without_the_word_embedding(folder):
    change_file(folder, lambda tensors: tensors.pop(WORDS))
    with pytest.raises(CheckpointError, match=r"lacks tensors: 1, such as model\.embed_tokens\.weight"):
        whole_model(folder, device=None, dtype=None)


@pytest.mark.parametrize("names", [[WORDS], [WTE], [WORDS, WTE]], ids=["published", "second", "both"])
def test_the_word_embedding_is_read_by_either_name_and_saved_by_the_published_one(folder, tmp_path, names):
    def rename(tensors):
        weight = tensors.pop(WORDS)
        tensors.update({name: weight.clone() for name in names})

    want = change_file(folder, rename)[WORDS]
    model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert torch.equal(model.get_input_embeddings().weight, want)
    model.save_pretrained(tmp_path / "again")
    saved = load_file(tmp_path / "again" / "model.safetensors")
    assert WORDS in saved and WTE not in saved


def test_a_state_dict_with_both_names_loads_strictly():
    model = golden_lm()
    state = {name: torch.ones_like(tensor) for name, tensor in model.state_dict().items()}
    model.load_state_dict({**state, WTE: state[WORDS]})
    model.load_state_dict({name: t for name, t in state.items() if name != WORDS} | {WTE: 2 * state[WORDS]})
    assert (model.model.embed_tokens.weight == 2).all()


@pytest.mark.parametrize(
    ("asked", "language", "tower"),
    [
        ("eager", "eager", "eager"),
        ("sdpa", "sdpa", "sdpa"),
        ({"vision_config": "eager"}, "sdpa", "eager"),
        ({"": "eager", "vision_config": "sdpa"}, "eager", "sdpa"),
    ],
    ids=str,
)
def test_the_attention_asked_for_reaches_the_tower(folder, asked, language, tower):
    loaded = AutoModelForCausalLM.from_pretrained(folder, attn_implementation=asked)
    later = AutoModelForCausalLM.from_pretrained(folder)
    later.set_attn_implementation(asked)
    for model in (loaded, later):
        assert model.config._attn_implementation == language
        assert model.vision_tower.vision_model.config._attn_implementation == tower


def test_the_towers_configuration_is_readable_and_not_saved(tmp_path):
    config = golden_config()
    assert config.vision_config is config.vision_config
    assert config.vision_config.hidden_size == 64
    config.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert "vision_config" in saved["img_processor"] and not {"vision_config", "_vision_config"} & set(saved)
    assert Phi3VConfig(vocab_size=100).vision_config is None
    saved.update(vision_config={"hidden_size": 3}, layer_types=["sliding_attention"] * 2)  # of another class
    again = Phi3VConfig(**saved)
    assert again.vision_config.hidden_size == 64 and set(again.layer_types) == {"full_attention"}


def test_to_empty_gives_room_for_weights_and_right_buffers():
    with torch.device("meta"):
        model = Phi3VForCausalLM(golden_config())
    model.to_empty(device="cpu")
    want = golden_lm()
    model.load_state_dict(want.state_dict())
    there = dict(model.named_buffers())
    assert all(torch.equal(there[name], buffer) for name, buffer in want.named_buffers())
    assert {"inv_freq", "position_ids"} <= {name.rpartition(".")[2] for name in there}
    assert model.model.vision_embed_tokens.wte is model.model.embed_tokens


@pytest.mark.parametrize(
    "options",
    [
        {"device_map": "cpu"},
        {"device_map": "auto"},
        {"low_cpu_mem_usage": True},
        {"dtype": torch.float16},
        {"dtype": "auto"},
    ],
    ids=str,
)
def test_shards_come_back_as_they_were_saved(tmp_path, options):
    model = golden_lm()
    model.save_pretrained(tmp_path, max_shard_size="200KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    again = AutoModelForCausalLM.from_pretrained(tmp_path, **options).eval()
    state = again.state_dict()
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[name], t.to(again.dtype)) for name, t in model.state_dict().items())
    assert again.model.rotary_emb.inv_freq.dtype == torch.float32


@pytest.mark.parametrize(
    "on_disk", [["embed_tokens", "vision_embed_tokens"], ["vision_embed_tokens", "layers"]]
)
def test_parts_may_wait_on_the_disk(tmp_path, on_disk):
    want = golden_lm()
    want.save_pretrained(tmp_path)
    parts = ["embed_tokens", "vision_embed_tokens", "layers", "norm", "rotary_emb"]
    places = {f"model.{part}": "disk" if part in on_disk else "cpu" for part in parts}
    model = AutoModelForCausalLM.from_pretrained(
        tmp_path, device_map={**places, "lm_head": "cpu"}, offload_folder=tmp_path / "offloaded"
    )
    assert model.model.vision_embed_tokens.sub_GN.is_meta
    inputs = case_inputs()
    images = {name: inputs[name] for name in ("pixel_values", "image_sizes")}
    with torch.inference_mode():
        assert torch.equal(model(**inputs).logits, want(**inputs).logits)
        features = model.get_image_features(**images)
        assert torch.equal(features.pooler_output, want.get_image_features(**images).pooler_output)


# ------------------------------------------------------------------------------ the word embedding


def test_the_word_embedding_is_one_module_under_one_name():
    model = golden_lm()
    names = [name for name, m in model.named_modules(remove_duplicate=False) if m is model.model.embed_tokens]
    assert names == ["model.embed_tokens"]
    assert (
        model.model.vision_embed_tokens.wte is model.model.embed_tokens
    )  # readable as in the published class
    copied = copy.deepcopy(model)
    assert copied.model.vision_embed_tokens.wte is copied.model.embed_tokens is not model.model.embed_tokens


def test_lora_on_the_word_embedding_learns():
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(golden_lm().train(), peft.LoraConfig(r=4, target_modules=["embed_tokens"]))
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert len(trained) == 2 and all(".embed_tokens.lora_embedding_" in name for name in trained)
    losses = train(model, training_inputs(), rate=5e-2)
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("name", ["embed_tokens", "model.embed_tokens"])
def test_saving_the_word_embedding_with_an_adapter_trains_it_alone(name):
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=4, target_modules=["qkv_proj"], modules_to_save=[name])
    model = peft.get_peft_model(golden_lm().train(), config)
    model(**training_inputs()).loss.backward()
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad and "lora_" not in name}
    assert len(trained) == 1
    (name,) = trained
    assert ".embed_tokens.modules_to_save" in name
    assert trained[name].grad.abs().sum() > 0


@pytest.mark.parametrize(
    "words", [{"modules_to_save": ["embed_tokens"]}, {"trainable_token_indices": [5, 6]}]
)
def test_an_adapter_with_words_is_saved_loaded_and_merged(tmp_path, words):
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(golden_lm(), peft.LoraConfig(r=4, target_modules=["o_proj"], **words))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.full_like(parameter, 0.01))
    model.save_pretrained(tmp_path)
    inputs = case_inputs()
    with torch.inference_mode():
        want = model.eval()(**inputs).logits
        loaded = peft.PeftModel.from_pretrained(golden_lm(), tmp_path).eval()
        torch.testing.assert_close(loaded(**inputs).logits, want)
        merged = loaded.merge_and_unload()
        torch.testing.assert_close(merged(**inputs).logits, want, atol=1e-4, rtol=1e-4)
    assert merged.model.vision_embed_tokens.wte is merged.get_input_embeddings()


def test_the_vision_part_can_be_saved_with_an_adapter_by_its_name():
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=4, target_modules=["qkv_proj"], modules_to_save=["vision_embed_tokens"])
    model = peft.get_peft_model(golden_lm().train(), config)
    trained = [name for name, p in model.named_parameters() if p.requires_grad and "lora_" not in name]
    assert len(trained) > 50 and all(".vision_embed_tokens.modules_to_save." in name for name in trained)


def test_names_of_modules_end_with_whole_names():
    name = next(n for n, _ in golden_lm().named_modules() if n == "model.vision_embed_tokens")
    assert not name.endswith("embed_tokens") and not name.endswith((".embed_tokens", "tokens"))
    assert name.endswith("vision_embed_tokens") and name.endswith(("x", ".vision_embed_tokens"))
    assert name.endswith("model.vision_embed_tokens") and name.endswith("tokens", 0)
    assert golden_lm().get_submodule(name)


def test_tied_words_and_head_are_one_tensor_before_and_after_saving(tmp_path):
    config = golden_config()
    config.tie_word_embeddings = True
    model = Phi3VForCausalLM(config)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    model.resize_token_embeddings(520)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    model.save_pretrained(tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert again.lm_head.weight is again.model.embed_tokens.weight
    assert torch.equal(again.lm_head.weight, model.lm_head.weight)


def test_gradients_reach_the_inputs_of_a_frozen_model_with_checkpointing():
    model = golden_lm().train().requires_grad_(False)
    model.lm_head.requires_grad_(True)
    model.enable_input_require_grads()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": True})
    seen = []
    model.model.layers[0].register_forward_pre_hook(lambda module, args: seen.append(args[0].requires_grad))
    model(**training_inputs()).loss.backward()
    assert seen and seen[0]


def test_the_trainer_trains_saves_and_goes_on(tmp_path):
    def train(steps, **options):
        arguments = TrainingArguments(
            tmp_path, max_steps=steps, save_steps=1, learning_rate=1e-3, report_to=[], use_cpu=True
        )
        data = [{name: value[0] for name, value in training_inputs().items()}]
        trainer = Trainer(golden_lm().train(), arguments, train_dataset=data)
        trainer.train(**options)
        return trainer.model.state_dict()

    whole = train(3)
    for number in (2, 3):
        assert (tmp_path / f"checkpoint-{number}" / "model.safetensors").is_file()
    resumed = train(3, resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert all(torch.equal(whole[name], tensor) for name, tensor in resumed.items())
    assert not torch.equal(whole[WORDS], golden_lm().state_dict()[WORDS])


# ------------------------------------------------------------------------------ image features


def test_image_features_are_the_output_class_of_transformers():
    model = golden_lm()
    inputs = pictures([[336, 336], [672, 336]], tiles=3, seed=1)
    with torch.inference_mode():
        features = model.get_image_features(**inputs, num_img_tokens=[313, 469])
        of_model = model.model.get_image_features(inputs)
        as_tuple = model.get_image_features(**inputs, return_dict=False)
    assert isinstance(features, BaseModelOutputWithPooling)
    assert features.last_hidden_state.shape == (2, 469, 96)
    assert not features.last_hidden_state[0, 313:].any()
    assert [len(tokens) for tokens in features.tokens] == features.num_img_tokens == [313, 469]
    assert torch.equal(features.pooler_output, of_model.pooler_output)
    assert torch.equal(features["last_hidden_state"], as_tuple[0])


def test_image_features_take_what_the_processor_returns(folder):
    model = Phi3VForCausalLM.from_pretrained(folder, dtype=torch.float32)
    processor = Phi3VImageProcessor.from_pretrained(folder)
    inputs = processor([np.zeros((40, 60, 3), np.uint8)], return_tensors="pt", num_crops=1)
    with torch.inference_mode():
        features = model.get_image_features(**inputs)
        alone = model.model(**inputs)  # what the pipeline "image-feature-extraction" does
    assert features.num_img_tokens == inputs["num_img_tokens"].flatten().tolist()
    assert torch.equal(alone.last_hidden_state, features.last_hidden_state)


def test_the_parts_have_their_usual_names():
    model = golden_lm()
    vision = model.model.vision_embed_tokens
    for owner in (model, model.model):
        assert owner.vision_tower is vision.img_processor
        assert owner.multi_modal_projector is vision.img_projection
        assert owner.language_model is model.model
    assert model.get_encoder(modality="image") is vision.img_processor
    assert model.get_decoder() is model.model
    text = Phi3VForCausalLM(Phi3VConfig(**{**golden_json("lm.json")["config"], "embd_layer": "default"}))
    assert not hasattr(text, "vision_tower") and not hasattr(text.model, "multi_modal_projector")
    with pytest.raises(ValueError, match="no embd_layer"):
        text.get_image_features(torch.zeros(1, 2, 3, 336, 336))
