"""Loading from folders: CLIP, the vision part, the whole model, fine-tuned weights."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from phi3lib.encoders import load_encoder
from phi3lib.loading import fine_tuned
from phi3lib.loading.checkpoints import (
    CheckpointError,
    load_clip,
    load_phi3_model,
    process_for_phi3_model,
    set_default_models,
)
from tests.real_layout import (
    PHI35_CONFIG,
    VISION,
    make_clip_checkpoint,
    make_phi3_checkpoint,
    phi3_shapes,
    random_tensors,
    small_phi3_config,
    write_json,
)

PICTURES = [Image.new("RGB", (64, 48), (200, 30, 40)), Image.radial_gradient("L").resize((40, 90))]


@pytest.fixture(scope="module")
def phi3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "Phi-3.5-vision-instruct"
    make_phi3_checkpoint(folder, tokenizer=True)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "clip-vit-base-patch32"
    make_clip_checkpoint(folder)
    return folder


@pytest.fixture(autouse=True)
def no_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PHI3LIB_MODELS", raising=False)
    monkeypatch.setenv("PHI3LIB_HOME", str(tmp_path / "home"))


def copied(folder: Path, to: Path, *, without: str | None = None) -> Path:
    shutil.copytree(folder, to)
    if without:
        for file in to.glob(without):
            file.unlink()
    return to


def one_sentence(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text
    assert len(text) < 400
    return text


# ------------------------------------------------------------------------------- the published layout


def test_the_layout_of_the_tests_is_the_published_one() -> None:
    shapes = phi3_shapes(PHI35_CONFIG)
    sizes = {name: 2 * torch.Size(shape).numel() for name, shape in shapes.items()}
    published = Path(__file__).parents[1] / "data" / "published_tensor_names.json"
    assert sorted(shapes) == sorted(json.loads(published.read_text()))
    # total_size of the published model.safetensors.index.json
    assert sum(sizes.values()) == 8_293_242_880
    assert sum(size for name, size in sizes.items() if name.startswith(VISION)) == 651_083_776


# ------------------------------------------------------------------------------- CLIP


def test_clip_holds_every_tensor_of_its_file(clip: Path, tmp_path: Path) -> None:
    stored = load_file(clip / "model.safetensors")
    load_clip(clip).model.save_pretrained(tmp_path)  # writes the published names, whatever it uses inside
    saved = load_file(tmp_path / "model.safetensors")
    assert {name for name in stored if not name.endswith("position_ids")} == saved.keys()
    assert all(torch.equal(saved[name], stored[name]) for name in saved)


def test_clip_features_are_those_of_transformers(clip: Path) -> None:
    from transformers import CLIPModel

    loaded = load_clip(clip)
    reference = CLIPModel.from_pretrained(clip).eval()
    pixels = loaded.processor(images=[p.convert("RGB") for p in PICTURES], return_tensors="pt")
    tokens = loaded.tokenizer(["a cat", "dog"], padding=True, return_tensors="pt")
    with torch.no_grad():
        images = reference.get_image_features(**pixels).pooler_output
        texts = reference.get_text_features(**tokens).pooler_output
    got = loaded.image_features(PICTURES, batch_size=1)
    assert got.shape == (2, 8)
    assert got.dtype == torch.float32
    assert not got.is_inference()
    torch.testing.assert_close(got, images, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(loaded.text_features(["a cat", "dog"]), texts, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(got.norm(dim=1), torch.ones(2))  # not normalised, and said so
    assert loaded.recipe["normalisation"] == "none"


def test_clip_returns_texts_of_any_length_in_their_order(clip: Path) -> None:
    model = load_clip(clip)
    texts = ["a cat and a dog", "cat", "a dog, a cat and a dog", "a dog", "cat"]
    together = model.text_features(texts, batch_size=2)
    torch.testing.assert_close(together, torch.cat([model.text_features(text) for text in texts]))


def test_clip_takes_one_picture_one_text_and_long_texts(clip: Path) -> None:
    loaded = load_clip(clip)
    assert loaded.image_features(PICTURES[0]).shape == (1, 8)
    assert loaded.text_features("cat").shape == (1, 8)
    assert loaded.text_features("cat " * 200).shape == (1, 8)
    with pytest.raises(ValueError, match="no pictures found"):
        loaded.image_features([])


def test_clip_dtype_and_recipe(clip: Path) -> None:
    loaded = load_clip(clip, dtype=torch.bfloat16)
    assert loaded.model.dtype == torch.bfloat16
    assert loaded.image_features(PICTURES).dtype == torch.float32
    assert loaded.recipe["dtype"] == "bfloat16"
    assert loaded.recipe["model"] == loaded.name == str(clip)


@pytest.mark.parametrize("prefix_dropped", [False, True])
def test_clip_with_a_missing_tensor_is_refused(clip: Path, tmp_path: Path, prefix_dropped: bool) -> None:
    folder = copied(clip, tmp_path / "c")
    tensors = load_file(folder / "model.safetensors")
    lost = tensors.pop("vision_model.encoder.layers.1.mlp.fc1.weight")
    if prefix_dropped:
        tensors["vision_tower.encoder.layers.1.mlp.fc1.weight"] = lost
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks tensors: 1, such as .*layers\.1\.mlp\.fc1\.weight"):
        load_clip(folder)


def test_clip_with_an_unknown_tensor_is_refused(clip: Path, tmp_path: Path) -> None:
    folder = copied(clip, tmp_path / "c")
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, "extra.weight": torch.ones(1)}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"not provide for: 1, such as extra\.weight"):
        load_clip(folder)


def test_each_loader_refuses_the_other_kind(clip: Path, phi3: Path) -> None:
    with pytest.raises(CheckpointError, match=r"type 'clip', not of Phi-3-vision .*load_clip"):
        load_phi3_model(clip)
    with pytest.raises(CheckpointError, match="type 'clip'"):
        load_phi3_model(clip, language_model=True)
    with pytest.raises(CheckpointError, match=r"type 'phi3_v', not of CLIP .*load_phi3_model"):
        load_clip(phi3)


# ------------------------------------------------------------------------------- the vision part


@pytest.mark.parametrize("layout", ["published", "spread", "single_file"])
def test_the_vision_part_is_read_by_name_and_nothing_else(tmp_path: Path, layout: str) -> None:
    folder = tmp_path / "m"
    tensors = make_phi3_checkpoint(folder, spread=layout == "spread", single_file=layout == "single_file")
    model = load_phi3_model(folder)
    wanted = {n.removeprefix(VISION): t.float() for n, t in tensors.items() if n.startswith(VISION)}
    loaded = model.state_dict()
    assert loaded.keys() == wanted.keys()
    assert all(torch.equal(loaded[name], wanted[name]) for name in wanted)
    assert not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
    assert model.wte is None
    assert not model.training
    files = sorted(folder.glob("*.safetensors"))[: 1 if layout == "published" else None]
    headers = sum(8 + int.from_bytes(file.read_bytes()[:8], "little") for file in files)
    vision_bytes = sum(t.nbytes for n, t in tensors.items() if n.startswith(VISION))
    assert model.checkpoint.bytes_read == vision_bytes + headers
    assert model.checkpoint.tensors_read == len(wanted)


def test_shards_without_vision_tensors_are_not_even_opened(phi3: Path, tmp_path: Path) -> None:
    folder = copied(phi3, tmp_path / "m", without="model-00002*")
    assert load_phi3_model(folder).checkpoint.tensors_read == 61
    with pytest.raises(CheckpointError, match=r"model-00002-of-00002\.safetensors is missing"):
        load_phi3_model(folder, language_model=True)


def test_the_vision_part_gives_the_features_of_the_whole_model(phi3: Path) -> None:
    part = load_phi3_model(phi3)
    inputs = process_for_phi3_model(PICTURES, model=part)
    whole = load_phi3_model(phi3, language_model=True, dtype=torch.float32)
    with torch.inference_mode():
        mine, theirs = part.get_image_features(inputs), whole.get_image_features(inputs)
    assert mine.pooler_output.shape == (2, 32)
    torch.testing.assert_close(mine.pooler_output, theirs.pooler_output, atol=1e-5, rtol=1e-5)
    assert [t.shape for t in mine.tokens] == [t.shape for t in theirs.tokens]


def test_dtypes(phi3: Path) -> None:
    assert load_phi3_model(phi3).sub_GN.dtype == torch.float32
    assert load_phi3_model(phi3, dtype=torch.bfloat16).sub_GN.dtype == torch.bfloat16
    assert load_phi3_model(phi3, language_model=True).dtype == torch.bfloat16


def test_the_whole_model_has_every_tensor_and_answers(phi3: Path) -> None:
    model = load_phi3_model(phi3, language_model=True, dtype=torch.float32)
    stored = {}
    for file in phi3.glob("*.safetensors"):
        stored |= load_file(file)
    loaded = model.state_dict()
    assert all(torch.equal(loaded[name], tensor.float()) for name, tensor in stored.items())
    inputs = model.processor(
        "<|user|>\n<|image_1|>\nred?<|end|>\n<|assistant|>\n", PICTURES[:1], return_tensors="pt"
    )
    with torch.inference_mode():
        answer = model.generate(**inputs, max_new_tokens=2, do_sample=False)
    assert answer.shape[1] == inputs["input_ids"].shape[1] + 2


def test_processing_uses_the_model_at_hand(phi3: Path, tmp_path: Path) -> None:
    other = copied(phi3, tmp_path / "one_crop")
    settings = json.loads((other / "preprocessor_config.json").read_text())
    write_json(other / "preprocessor_config.json", {**settings, "num_crops": 1})
    set_default_models(phi3)
    assert process_for_phi3_model(PICTURES[0])["pixel_values"].shape[1] == 5  # the default checkpoint's
    small = load_phi3_model(other)
    assert process_for_phi3_model(PICTURES[0])["pixel_values"].shape[1] == 5  # whatever was loaded last
    assert process_for_phi3_model(PICTURES[0], model=small)["pixel_values"].shape[1] == 2
    whole = load_phi3_model(other, language_model=True)
    assert process_for_phi3_model(PICTURES[0], model=whole)["pixel_values"].shape[1] == 2
    with pytest.raises(ValueError, match=r"crops of 112 × 112 pixels.*crops of 336.*model=model"):
        small.get_image_features(torch.zeros(1, 2, 3, 112, 112), torch.tensor([[112, 112]]))
    small.processor = None
    with pytest.raises(ValueError, match="this Phi3ImageEmbedding has no processor; load the model with"):
        process_for_phi3_model(PICTURES[0], model=small)


def test_missing_tensors_and_wrong_shapes_are_named(phi3: Path, tmp_path: Path) -> None:
    config = small_phi3_config()
    shapes = phi3_shapes(config)
    tensors = random_tensors({n: s for n, s in shapes.items() if n.startswith(VISION)})
    folder = tmp_path / "m"
    folder.mkdir()
    write_json(folder / "config.json", config)
    shutil.copy(phi3 / "preprocessor_config.json", folder)
    lost = tensors.pop(VISION + "sub_GN")
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"lacks 1 of the 61 tensors .*sub_GN") as error:
        load_phi3_model(folder)
    one_sentence(error.value)
    save_file({**tensors, VISION + "sub_GN": lost[..., :8].contiguous()}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"sub_GN .* \(1, 1, 1, 8\), .* \(1, 1, 1, 64\)"):
        load_phi3_model(folder)
    save_file(
        {**tensors, VISION + "sub_GN": lost, VISION + "new": lost.clone()}, folder / "model.safetensors"
    )
    with pytest.raises(CheckpointError, match="not provide for, such as new"):
        load_phi3_model(folder)


def test_wrong_shapes_are_named_in_whole_models_too(phi3: Path, clip: Path, tmp_path: Path) -> None:
    folder = copied(phi3, tmp_path / "phi3")
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", {**config, "vocab_size": config["vocab_size"] + 8})
    with pytest.raises(
        CheckpointError, match=r"^(lm_head|model.embed_tokens).weight of .* asks for \("
    ) as error:
        load_phi3_model(folder, language_model=True)
    one_sentence(error.value)
    folder = copied(clip, tmp_path / "clip")
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", {**config, "projection_dim": 7})
    with pytest.raises(CheckpointError, match=r"_projection.weight of .* asks for \(7, ") as error:
        load_clip(folder)
    one_sentence(error.value)


def test_whole_numbers_are_no_weights(phi3: Path, clip: Path, tmp_path: Path) -> None:
    # transformers would convert them as they are, without the scales that make weights of them.
    said = r"holds quantized weights \(I8\): \d+, such as"
    for number, (folder, load) in enumerate(
        [
            (phi3, load_phi3_model),
            (phi3, lambda folder: load_phi3_model(folder, language_model=True)),
            (phi3, lambda folder: load_phi3_model(phi3, fine_tuned=folder)),
            (phi3, lambda folder: load_phi3_model(phi3, fine_tuned=folder, language_model=True)),
            (clip, load_clip),
        ]
    ):
        quantized = copied(folder, tmp_path / str(number))
        for file in quantized.glob("*.safetensors"):
            tensors = {name: tensor.to(torch.int8) for name, tensor in load_file(file).items()}
            save_file(tensors, file, {"format": "pt"})
        with pytest.raises(CheckpointError, match=said) as error:
            load(quantized)
        one_sentence(error.value)


@pytest.mark.parametrize("whole", [False, True])
def test_a_tower_of_an_unknown_kind_is_named(phi3: Path, tmp_path: Path, whole: bool) -> None:
    folder = copied(phi3, tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    config["img_processor"]["name"] = "resnet"
    write_json(folder / "config.json", config)
    with pytest.raises(
        CheckpointError, match="img_processor has the name 'resnet'; there are: 'clip_vision_model'"
    ):
        load_phi3_model(folder, language_model=whole)


def test_a_shard_cut_short_is_refused_in_one_sentence(phi3: Path, tmp_path: Path) -> None:
    folder = copied(phi3, tmp_path / "m")
    shard = folder / "model-00001-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    for whole in (False, True):
        with pytest.raises(CheckpointError, match=r"should hold .* but holds .*: fetch it again") as error:
            load_phi3_model(folder, language_model=whole)
        one_sentence(error.value)


def test_pickles_are_refused(phi3: Path, clip: Path, tmp_path: Path) -> None:
    for source, load in ((phi3, load_phi3_model), (clip, load_clip)):
        folder = copied(source, tmp_path / source.name, without="model*")
        (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'echo unpickled'\ntR.")
        with pytest.raises(CheckpointError, match="pickle") as error:
            load(folder)
        one_sentence(error.value)


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = (
        "import phi3lib.loading.checkpoints, sys; "
        "print(*[m for m in ('torch', 'transformers', 'huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# ------------------------------------------------------------------------------- fine-tuned weights


def test_without_a_fine_tuned_model_the_error_says_where_it_would_be(phi3: Path) -> None:
    set_default_models(phi3)
    with pytest.raises(CheckpointError, match=r"save one there with model\.save_pretrained") as error:
        load_phi3_model(fine_tuned=True)
    assert str(fine_tuned.default_folder()) in one_sentence(error.value)
    with pytest.raises(CheckpointError, match="there is no folder"):
        load_phi3_model(fine_tuned="nowhere")


def test_a_full_checkpoint_needs_no_base(phi3: Path, tmp_path: Path) -> None:
    tuned = fine_tuned.default_folder()
    tensors = make_phi3_checkpoint(tuned, seed=1, tokenizer=True)
    model = load_phi3_model(fine_tuned=True)
    assert torch.equal(model.sub_GN, tensors[VISION + "sub_GN"].float())
    assert model.checkpoint.fine_tuned == str(tuned)
    whole = load_phi3_model(fine_tuned=True, language_model=True)
    assert torch.equal(whole.lm_head.weight, tensors["lm_head.weight"])


def test_a_trained_checkpoint_without_processor_files_borrows_those_of_its_base(
    phi3: Path, tmp_path: Path
) -> None:
    make_phi3_checkpoint(tmp_path / "m", seed=1)
    (tmp_path / "m" / "preprocessor_config.json").unlink()
    assert load_phi3_model(phi3, fine_tuned=tmp_path / "m").processor.num_crops == 4
    assert load_phi3_model(phi3, fine_tuned=tmp_path / "m", language_model=True).processor.tokenizer
    # Without a name the base is the bundled model, whose tiles are smaller.
    for whole in (False, True):
        with pytest.raises(CheckpointError, match=r"has no preprocessor_config\.json.* name its base"):
            load_phi3_model(fine_tuned=tmp_path / "m", language_model=whole)


def test_a_checkpoint_that_holds_wte_too(phi3: Path, tmp_path: Path) -> None:
    folder = copied(phi3, tmp_path / "m", without="model*")
    tensors = random_tensors(phi3_shapes(small_phi3_config()), seed=2)
    tensors[VISION + "wte.weight"] = tensors["model.embed_tokens.weight"].clone()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    part = load_phi3_model(phi3, fine_tuned=folder)
    assert "wte.weight" not in part.state_dict()
    assert torch.equal(part.glb_GN, tensors[VISION + "glb_GN"].float())
    whole = load_phi3_model(phi3, fine_tuned=folder, language_model=True)
    assert torch.equal(whole.model.embed_tokens.weight, tensors["model.embed_tokens.weight"])
    assert whole.model.vision_embed_tokens.wte.weight is whole.model.embed_tokens.weight


@pytest.mark.parametrize("prefix", [VISION, ""])
def test_some_tensors_replace_those_of_the_base(phi3: Path, tmp_path: Path, prefix: str) -> None:
    base = load_phi3_model(phi3).state_dict()
    changed = {"sub_GN": torch.ones(1, 1, 1, 64), "img_projection.0.bias": torch.ones(32)}
    save_file({prefix + name: t for name, t in changed.items()}, tmp_path / "projector.safetensors")
    tuned = load_phi3_model(phi3, fine_tuned=tmp_path).state_dict()
    for name, tensor in tuned.items():
        assert torch.equal(tensor, changed.get(name, base[name])), name
    changed["wte.weight"] = words = torch.ones(1024, 32)
    save_file({prefix + name: t for name, t in changed.items()}, tmp_path / "projector.safetensors")
    whole = load_phi3_model(phi3, fine_tuned=tmp_path, language_model=True)
    assert torch.equal(whole.model.vision_embed_tokens.sub_GN, changed["sub_GN"].bfloat16())
    assert torch.equal(whole.get_input_embeddings().weight, words.bfloat16())


def test_fine_tuned_weights_that_do_not_fit_are_refused(phi3: Path, tmp_path: Path) -> None:
    save_file({"sub_GN": torch.ones(1, 1, 1, 4)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="sub_GN") as error:
        load_phi3_model(phi3, fine_tuned=tmp_path)
    assert str(tmp_path) in one_sentence(error.value)
    with pytest.raises(CheckpointError, match="base model has no tensor"):
        load_phi3_model(phi3, fine_tuned=tmp_path, language_model=True)
    save_file({"classifier.weight": torch.ones(1)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="no tensor of Phi-3-vision's vision part"):
        load_phi3_model(phi3, fine_tuned=tmp_path)


@pytest.fixture
def adapter(phi3: Path, tmp_path: Path) -> Path:
    peft = pytest.importorskip("peft")
    model = load_phi3_model(phi3, language_model=True)
    config = peft.LoraConfig(
        r=2, target_modules=["qkv_proj", "img_projection.0"], modules_to_save=["img_projection.2"]
    )
    adapted = peft.get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                parameter.copy_(torch.full_like(parameter, 0.5))
    adapted.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_a_peft_adapter_is_merged(phi3: Path, adapter: Path) -> None:
    base = load_phi3_model(phi3).state_dict()
    tuned = load_phi3_model(phi3, fine_tuned=adapter)
    assert tuned.checkpoint.fine_tuned == str(adapter)
    assert tuned.wte is None
    loaded = tuned.state_dict()
    assert loaded.keys() == base.keys()
    changed = {name for name in base if not torch.equal(base[name], loaded[name])}
    assert changed == {"img_projection.0.weight", "img_projection.2.weight", "img_projection.2.bias"}
    assert torch.all(loaded["img_projection.2.bias"] == 0.5)
    whole = load_phi3_model(fine_tuned=adapter, language_model=True)  # the adapter names its base
    assert not any("lora" in name for name in whole.state_dict())


def test_an_adapter_that_does_not_fit_is_refused(phi3: Path, adapter: Path) -> None:
    tensors = load_file(adapter / "adapter_model.safetensors")
    kept = {n: t for n, t in tensors.items() if "lora_A" not in n}
    save_file(kept, adapter / "adapter_model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="does not fit its base model") as error:
        load_phi3_model(phi3, fine_tuned=adapter)
    one_sentence(error.value)
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(CheckpointError, match="pickle"):
        load_phi3_model(phi3, fine_tuned=adapter)


def test_a_rank_that_an_adapter_only_claims_costs_nothing(phi3: Path, adapter: Path) -> None:
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    for claim in ({"r": 10**11}, {"rank_pattern": {"qkv_proj": 10**11}}):
        (adapter / "adapter_config.json").write_text(json.dumps(config | claim), encoding="utf-8")
        with pytest.raises(CheckpointError, match="claims a rank of 100,000,000,000") as error:
            load_phi3_model(phi3, fine_tuned=adapter)
        one_sentence(error.value)


def test_without_peft_the_error_says_what_to_install(
    phi3: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match="install peft"):
        load_phi3_model(phi3, fine_tuned=adapter)


def test_loading_draws_no_progress_bars_and_leaves_them_as_they_were(tmp_path, capfd):
    from transformers.utils import logging

    make_clip_checkpoint(tmp_path)
    load_clip(tmp_path)
    assert "Loading weights" not in capfd.readouterr().err
    assert logging.is_progress_bar_enabled()


@pytest.mark.parametrize("load", [load_clip, load_phi3_model, load_encoder])
@pytest.mark.parametrize("dtype", [torch.int8, "int8", "half float", 16])
def test_a_dtype_that_is_none_is_not_called_damage(load, dtype):
    with pytest.raises(ValueError, match="it must be a floating-point type such as torch.bfloat16"):
        load(dtype=dtype)


@pytest.mark.parametrize("whole", [False, True])
def test_a_dtype_may_be_given_by_its_name(whole):
    for name, dtype in (("float16", torch.float16), ("auto", torch.float32)):
        model = load_phi3_model(dtype=name, language_model=whole)
        assert {parameter.dtype for parameter in model.parameters()} == {dtype}


@pytest.mark.parametrize("load", [load_clip, load_phi3_model])
def test_an_empty_name_is_not_the_default(load):
    with pytest.raises(CheckpointError, match="the model's name is empty"):
        load("")


@pytest.mark.parametrize("load", [load_clip, load_phi3_model, load_encoder])
def test_a_device_that_is_not_there_is_not_called_damage(load):
    with pytest.raises(RuntimeError, match="device") as raised:
        load(device="nonsense")
    assert not isinstance(raised.value, CheckpointError)
