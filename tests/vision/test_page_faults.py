"""The 26 faults of the cookbook page: what its class does, and what ours does instead.

The page's class is `phi3lib.lab.lessons.a1.original_class`, which retells it. Each test repairs what must be
repaired for the fault under test to be reached, and nothing else.
"""

import ast
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from phi3lib import (
    Phi3ImageEmbedding,
    Phi3VImageProcessor,
    load_clip,
    load_phi3_model,
    process_for_phi3_model,
)
from phi3lib.lab.lessons.a1.original_class import FAULTS, build_original, original_source
from phi3lib.lab.lessons.a1.same_weights import HD_OPTIONS, copy_weights
from tests.golden_inputs import GOLDEN, golden_json, synth_picture, synth_pixels
from tests.golden_models import (
    golden_embedding,
    golden_plain_embedding,
    golden_weights,
    pictures,
    small_config,
    small_tower,
)
from tests.real_layout import make_clip_checkpoint, make_phi3_checkpoint

ROOT = Path(__file__).resolve().parents[2]
ARRAYS = np.load(GOLDEN / "embedding.npz")
CASES = golden_json("embedding.json")["cases"]
RUNS = (1, 2)  # the repairs that let HD pictures through


def original(repaired: tuple[int, ...] = RUNS, *, tower: dict | None = None, **options: Any) -> nn.Module:
    """The page's class at the golden size with the golden weights."""
    options = {**HD_OPTIONS, **options}
    cls = build_original(repaired, tower=tower or small_tower())
    module = cls(small_config(), wte=nn.Embedding(512, 96), **options)
    copy_weights(golden_embedding(), module)
    return module.eval()


def plain_original(repaired: tuple[int, ...], projection: str = "linear", places: int = 576) -> nn.Module:
    """The page's class without the HD transform, with the golden weights."""
    cls = build_original(repaired, tower=small_tower())
    module = cls(small_config(num_img_tokens=places), wte=nn.Embedding(512, 96), projection_cls=projection)
    copy_weights(golden_plain_embedding(projection), module)
    return module.eval()


def one_picture(places: int = 313, tag: int = 1) -> torch.Tensor:
    return torch.tensor([[5, *[-tag] * places, 7]])


def small() -> dict[str, torch.Tensor]:
    """One picture of one crop: 313 tokens."""
    return pictures([[336, 336]], tiles=2, seed=1)


@pytest.fixture(autouse=True)
def _no_gradients(request):
    with torch.set_grad_enabled("_with_gradients" in request.fixturenames):
        yield


@pytest.fixture
def _with_gradients():
    """For the tests that want gradients; the others run without."""


# ------------------------------------------------------------------------------ the retelling is faithful


@pytest.mark.parametrize(
    "case", [c for c in CASES if not c["case"].startswith("nonhd")], ids=lambda c: c["case"]
)
def test_with_faults_1_and_2_repaired_it_gives_the_published_hidden_states(case):
    ids = torch.from_numpy(ARRAYS[f"{case['case']}/input_ids"]).long()
    inputs = pictures(case["image_sizes_hw"], case["pixel_values"]["shape"][1], seed=20)
    hidden = original(hd_transform_order=case["order"])(ids, **inputs)
    want = torch.from_numpy(ARRAYS[f"{case['case']}/hidden"])
    torch.testing.assert_close(hidden, want, atol=2e-4, rtol=0)


@pytest.mark.parametrize("kind", ["4D", "3D"])
@pytest.mark.parametrize("projection", ["linear", "mlp"])
def test_with_fault_8_repaired_it_gives_the_published_hidden_states_without_hd(projection, kind):
    name = f"nonhd/{projection}/{kind}"
    pixels = synth_pixels(2, seed=33)
    if kind == "3D":
        pixels = np.stack(
            [synth_pixels(1, seed=40 + i).reshape(-1)[: 576 * 64].reshape(576, 64) for i in (0, 1)]
        )
    ids = torch.from_numpy(ARRAYS[f"{name}/input_ids"]).long()
    hidden = plain_original((8,), projection)(ids, torch.from_numpy(pixels))
    torch.testing.assert_close(hidden, torch.from_numpy(ARRAYS[f"{name}/hidden"]), atol=2e-4, rtol=0)


def test_every_number_has_a_fault_and_a_test():
    tests = [name for name in vars(sys.modules[__name__]) if re.match(r"test_fault_\d", name)]
    numbers = sorted(int(name.split("_")[2]) for name in tests)
    assert numbers == [fault.number for fault in FAULTS] == list(range(1, 27))
    assert all(vars(sys.modules[__name__])[name].__doc__ for name in tests)


# ------------------------------------------------------------------------------ the page's own faults


def test_fault_01_bs_is_never_assigned():
    """The page reads `bs`, which no line assigns."""
    with pytest.raises(NameError, match="'bs'"):
        original(())(one_picture(), **small())
    assert golden_embedding()(one_picture(), **small()).shape == (1, 315, 96)


def test_fault_02_start_time_is_not_assigned_for_hd_pictures():
    """The log line of the HD path reads a time that only the path without HD takes."""
    with pytest.raises(UnboundLocalError, match="'start_time'"):
        original((1,))(one_picture(), **small())
    assert "start_time" in original_source()
    assert "time" not in Phi3ImageEmbedding.forward.__code__.co_names


def test_fault_03_the_third_sample_calls_what_does_not_exist(tmp_path, monkeypatch):
    """The page's sample needs two functions and a method that it never defines; ours has them."""
    sample = (
        "phi3_model = load_phi3_model()\n"
        "inputs = process_for_phi3_model(images)\n"
        "embeddings = phi3_model.get_image_features(inputs).pooler_output\n"
    )
    namespace: dict[str, Any] = {"images": [synth_picture(64, 48), synth_picture(30, 90, seed=1)]}
    with pytest.raises(NameError, match="load_phi3_model"):
        exec(sample, namespace)
    assert not hasattr(build_original(), "get_image_features")
    make_phi3_checkpoint(tmp_path / "phi3-vision-small")
    monkeypatch.setenv("PHI3LIB_MODELS", str(tmp_path))
    namespace |= {"load_phi3_model": load_phi3_model, "process_for_phi3_model": process_for_phi3_model}
    exec(sample, namespace)
    assert namespace["embeddings"].shape == (2, 32)


def broken_fences(text: str) -> list[str]:
    """Lines that open a code block which nothing closes, or that seem to close one with two backticks."""
    broken, opened, length = [], None, 0
    for line in text.splitlines():
        fence = re.match(r"\s*(`{3,})", line)
        if fence and opened is None:
            opened, length = line, len(fence[1])
        elif opened is not None and fence and line.strip() == fence[1] and len(fence[1]) >= length:
            opened = None
        elif re.fullmatch(r"\s*``\s*", line):
            broken.append(line)
    return broken + ([opened] if opened is not None else [])


def texts_of_the_project() -> dict[str, str]:
    """Every Markdown file, and every text cell of every notebook."""
    import nbformat

    folders = [ROOT, *(ROOT / name for name in ("notebooks", "data", "training", "benchmarks"))]
    texts = {str(p.relative_to(ROOT)): p.read_text(encoding="utf-8") for f in folders for p in f.glob("*.md")}
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        texts |= {f"{path.name} {c.id}": c.source for c in cells if c.cell_type == "markdown"}
    return texts


def test_fault_04_a_code_block_closes_with_two_backticks():
    """The page's last code block never closes; the blocks of every text here do."""
    assert broken_fences("a\n```python\nx = 1\n```\nb ``c`` d\n````\n```\n````") == []
    assert broken_fences("a\n```python\nx = 1\n``\nb") == ["``", "```python"]
    assert broken_fences("```\nx") == ["```"]
    texts = texts_of_the_project()
    assert "README.md" in texts
    assert {name: broken for name, text in texts.items() if (broken := broken_fences(text))} == {}


def test_fault_05_get_image_features_returns_an_object(tmp_path):
    """Arithmetic on the output of transformers' own method fails; ours gives the vectors."""
    make_clip_checkpoint(tmp_path)
    clip = load_clip(tmp_path)
    picture = synth_picture(40, 30)
    output = clip.model.get_image_features(**clip.processor(images=picture, return_tensors="pt"))
    with pytest.raises((AttributeError, TypeError)):
        output / output.norm(dim=-1, keepdim=True)
    assert isinstance(clip.image_features(picture), torch.Tensor)
    assert clip.image_features(picture).shape == (1, 8)


def test_fault_06_vectors_and_sequences_are_compared():
    """512 numbers and a sequence of tokens have no cosine; ours gives one vector a picture of any size."""
    clip_vector = torch.ones(1, 512)
    ours = golden_embedding()
    features = ours.get_image_features(pictures([[336, 336], [336, 672]], tiles=3, seed=1))
    with pytest.raises(RuntimeError, match="size of tensor"):
        torch.cosine_similarity(clip_vector, features.tokens[1])
    assert [tuple(tokens.shape) for tokens in features.tokens] == [(313, 96), (457, 96)]
    assert features.pooler_output.shape == (2, 96)


def test_fault_07_weights_are_never_loaded(tmp_path):
    """Two of the page's objects disagree on every picture; ours loads the published names, or refuses."""
    cls = build_original(RUNS, tower=small_tower())
    first, second = (cls(small_config(), wte=nn.Embedding(512, 96), **HD_OPTIONS) for _ in range(2))
    second.wte.load_state_dict(first.wte.state_dict())
    for module in (first.eval(), second.eval()):
        assert not module.glb_GN.any() and not module.sub_GN.any()
    a, b = (module(one_picture(), **small()) for module in (first, second))
    assert not torch.allclose(a, b, atol=1e-2)

    weights = golden_weights("embedding_state.safetensors")
    ours, again = golden_embedding(), golden_embedding()
    assert all(torch.equal(value, weights[name]) for name, value in ours.state_dict().items())
    assert torch.equal(ours(one_picture(), **small()), again(one_picture(), **small()))
    make_phi3_checkpoint(tmp_path)
    tensors = load_phi3_model(tmp_path).state_dict()
    assert tensors["sub_GN"].any() and tensors["glb_GN"].any()


# ------------------------------------------------------------------------------ faults it inherited


@pytest.mark.parametrize("shape", [(1, 3, 336, 336), (1, 576, 64)], ids=["4-D", "3-D"])
def test_fault_08_hd_transform_is_unset_without_hd(shape):
    """Every call without HD reads a flag that only the HD path sets."""
    with pytest.raises(UnboundLocalError, match="'hd_transform'"):
        plain_original(())(one_picture(576), torch.zeros(shape))
    assert golden_plain_embedding("linear")(one_picture(576), torch.zeros(shape)).shape == (1, 578, 96)


@pytest.mark.parametrize("places", [144, 576])
def test_fault_09_144_placeholders_for_576_features(places):
    """With the published `num_img_tokens` no number of placeholders satisfies both asserts."""
    with pytest.raises(AssertionError, match=r"576 tokens|1 pictures, 4 tags"):
        plain_original((8,), places=144)(one_picture(places), torch.from_numpy(synth_pixels(1)))
    ours = golden_plain_embedding("linear")
    ours.num_img_tokens = 144
    assert ours(one_picture(576), torch.from_numpy(synth_pixels(1))).shape == (1, 578, 96)


def test_fault_10_an_error_without_words():
    """HD pictures without their sizes raise an error with an empty message."""
    with pytest.raises(NotImplementedError) as empty:
        original()(one_picture(), small()["pixel_values"])
    assert str(empty.value) == ""
    with pytest.raises(ValueError, match=r"need image_sizes, \(N, 2\)"):
        golden_embedding()(one_picture(), small()["pixel_values"])


def test_fault_11_the_callers_input_ids_are_changed():
    """The second call with the same ids sees no picture."""
    ids, module = one_picture(), original()
    first = module(ids, **small())
    assert ids.min() == 0
    assert torch.equal(module(ids, **small())[0, 1:314], module.wte.weight[0].expand(313, -1))
    ids, ours = one_picture(), golden_embedding()
    assert torch.equal(ours(ids, **small()), ours(ids, **small()))
    assert torch.equal(ids, one_picture())
    torch.testing.assert_close(ours(ids, **small()), first, atol=2e-4, rtol=0)


def test_fault_12_bad_ids_are_clamped_one_too_high():
    """An id above the vocabulary becomes `vocab_size`, which is one too high, and hides its origin."""
    with pytest.raises(IndexError, match="out of range"):
        original()(torch.tensor([[512]]), None)
    larger = original()
    larger.wte = nn.Embedding(513, 96)
    hidden = larger(torch.tensor([[512, 99999]]), None)  # no error: both read the same row, no word's
    assert torch.equal(hidden[0, 0], hidden[0, 1])
    with pytest.raises(ValueError, match="id 99999; the vocabulary ends at 511"):
        golden_embedding()(torch.tensor([[512, 99999]]))


def test_fault_13_kept_sizes_stay_for_ever():
    """Sizes kept for one call override the next call's own, and 156 places stay empty without an error."""
    tall = pictures([[672, 336]], tiles=3, seed=2)
    module = original()
    module.set_img_sizes(small()["image_sizes"])
    module(one_picture(), small()["pixel_values"])
    hidden = module(one_picture(469), **tall)
    empty = (hidden[0, 1:470] == module.wte.weight[0]).all(-1)
    assert int(empty.sum()) == 469 - 313

    ours = golden_embedding()
    ours.set_img_sizes(small()["image_sizes"])
    ours(one_picture(), small()["pixel_values"])
    with pytest.raises(ValueError, match="need image_sizes"):
        ours(one_picture(), small()["pixel_values"])  # the kept sizes are used up
    assert torch.equal(ours(one_picture(469), **tall), golden_embedding()(one_picture(469), **tall))


def test_fault_14_set_img_features_takes_pictures():
    """What is set as features goes through the tower again, and ready features are refused."""
    module, ours = original(), golden_embedding()
    runs = []
    module.img_processor.register_forward_hook(lambda *_: runs.append(1))
    module.set_img_features(small()["pixel_values"])
    module.set_img_sizes(small()["image_sizes"])
    module(one_picture(), None)
    assert runs == [1]
    features = ours.get_img_features(small()["pixel_values"][0])[None]  # (1, 2, 576, 64)
    module.set_img_features(features)
    with pytest.raises(AssertionError, match="pictures of shape"):
        module(one_picture(), None)
    ours.set_img_features(features)
    ours.set_img_sizes(small()["image_sizes"])
    torch.testing.assert_close(ours(one_picture()), golden_embedding()(one_picture(), **small()))


@pytest.mark.parametrize("places", [314, 626], ids=["one too many", "tag written twice"])
def test_fault_15_too_many_placeholders_are_accepted(places):
    """Places beyond the picture's tokens keep the vector of word 0."""
    module = original()
    hidden = module(one_picture(places), **small())
    assert torch.equal(hidden[0, 314 : places + 1], module.wte.weight[0].expand(places - 313, -1))
    with pytest.raises(ValueError, match=f"313 tokens.*{places} positions"):
        golden_embedding()(one_picture(places), **small())


def test_fault_16_the_tags_number_is_ignored():
    """Two tags in the other order swap the pictures; ours looks at the number."""
    both = pictures([[336, 336], [336, 336]], tiles=2, seed=1)
    ids = torch.tensor([[*[-2] * 313, 4, *[-1] * 313]])
    tokens = golden_embedding().get_image_features(both).tokens
    page, ours = original()(ids.clone(), **both)[0], golden_embedding()(ids, **both)[0]
    torch.testing.assert_close(page[:313], tokens[0], atol=2e-4, rtol=0)
    torch.testing.assert_close(ours[:313], tokens[1], atol=2e-4, rtol=0)
    torch.testing.assert_close(ours[314:], tokens[0], atol=2e-4, rtol=0)


def test_fault_17_every_negative_id_is_a_picture():
    """One -100 in front moves the whole picture a place to the left, without an error."""
    ids = torch.tensor([[5, -100, *[-1] * 313, 7]])
    module = original()
    page = module(ids.clone(), **small())[0]
    tokens = golden_embedding().get_image_features(small()).tokens[0]
    torch.testing.assert_close(page[1:314], tokens, atol=2e-4, rtol=0)
    assert torch.equal(page[314], module.wte.weight[0])
    with pytest.raises(ValueError, match=r"2 picture\(s\), but 1 were passed.*id -100"):
        golden_embedding()(ids, **small())


@pytest.mark.usefixtures("_with_gradients")
def test_fault_18_it_writes_into_the_words_own_tensor():
    """Frozen words whose output asks for gradients, as adapters make them, stop the page's class."""

    def frozen(module: nn.Module) -> nn.Module:
        module.wte.requires_grad_(False)
        module.wte.register_forward_hook(lambda m, args, output: output.requires_grad_(True))
        return module

    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        frozen(original())(one_picture(), **small())
    ours = frozen(golden_embedding())
    ours(one_picture(), **small()).sum().backward()
    assert ours.sub_GN.grad.any() and ours.img_projection[0].weight.grad.any()


def test_fault_19_wte_none_is_the_default():
    """The default of the argument cannot be called."""
    module = build_original(RUNS, tower=small_tower())(small_config(), **HD_OPTIONS)
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        module(one_picture(), **small())
    ours = Phi3ImageEmbedding(small_config(), **HD_OPTIONS)
    assert ours.get_image_features(small()).pooler_output.shape == (1, 96)
    with pytest.raises(ValueError, match="no wte"):
        ours(one_picture(), **small())


def test_fault_20_hd_with_a_linear_projector():
    """The page's class is made without a word and fails at the first picture."""
    options = {**HD_OPTIONS, "projection_cls": "linear"}
    cls = build_original(RUNS, tower=small_tower())
    with pytest.raises(RuntimeError, match="313x256 and 64x96"):
        cls(small_config(), nn.Embedding(512, 96), **options)(one_picture(), **small())
    with pytest.raises(ValueError, match="'mlp'"):
        Phi3ImageEmbedding(small_config(), **options)
    config = small_config()
    config.embd_layer = {"embedding_cls": "image", **HD_OPTIONS}
    assert not cls(config).use_hd_transform
    assert isinstance(cls(config).img_projection, nn.Linear)
    assert isinstance(Phi3ImageEmbedding(config).img_projection, nn.Sequential)


def test_fault_21_cls_patch_with_hd():
    """577 features pass the check for 24 × 24, and a reshape fails behind it."""
    module = original()
    module.type_feature = "cls_patch"
    assert int(577**0.5) == 24
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        module(one_picture(), **small())
    with pytest.raises(ValueError, match=r"cls_patch.*577"):
        Phi3ImageEmbedding(small_config(type_feature="cls_patch"), **HD_OPTIONS)


def test_fault_22_the_default_order_is_not_the_published_one():
    """An order that is left out puts the global view first, as no published model does."""
    options = {key: value for key, value in HD_OPTIONS.items() if key != "hd_transform_order"}
    page = build_original(RUNS, tower=small_tower())(small_config(), nn.Embedding(512, 96), **options)
    ours = Phi3ImageEmbedding(small_config(), nn.Embedding(512, 96), **options)
    assert (page.hd_transform_order, ours.hd_transform_order) == ("glb_sub", "sub_glb")


def test_fault_23_sizes_are_not_checked():
    """A flat pair cannot be unpacked, and sizes beyond the crops fail in a reshape."""
    pixels = small()["pixel_values"]
    with pytest.raises(TypeError, match="cannot unpack"):
        original()(one_picture(), pixels, [336, 336])
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        original()(one_picture(781), pixels, torch.tensor([[672, 672]]))
    ours = golden_embedding()
    assert torch.equal(ours(one_picture(), pixels, [336, 336]), ours(one_picture(), pixels, [[336, 336]]))
    with pytest.raises(ValueError, match=r"2×2 crops.*only 2 tiles"):
        ours(one_picture(781), pixels, torch.tensor([[672, 672]]))


def test_fault_24_assert_instead_of_errors():
    """Without asserts a wrong combination is made silently; a missing entry is an AttributeError."""
    options = {**HD_OPTIONS, "with_learnable_separator": False}
    with pytest.raises(AssertionError):
        build_original(RUNS, tower=small_tower())(small_config(), **options)
    build_original(RUNS, tower=small_tower(), optimize=1)(small_config(), **options)
    with pytest.raises(ValueError, match="go together"):
        Phi3ImageEmbedding(small_config(), **options)
    bare = SimpleNamespace(hidden_size=96, vocab_size=512)
    with pytest.raises(AttributeError, match="img_processor"):
        build_original()(bare)
    with pytest.raises(ValueError, match=r"config\.img_processor must be"):
        Phi3ImageEmbedding(bare)
    assert unused_imports(original_source()) == {"math"}
    own = (ROOT / "phi3lib" / "vision" / "image_embedding.py").read_text(encoding="utf-8")
    assert unused_imports(own) == set()
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(own)))


def unused_imports(source: str) -> set[str]:
    """Names that a source imports and never uses."""
    nodes = list(ast.walk(ast.parse(source)))
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    imported = {(alias.asname or alias.name).split(".")[0] for node in imports for alias in node.names}
    return imported - {node.id for node in nodes if isinstance(node, ast.Name)}


def test_fault_25_sizes_are_written_as_numbers():
    """Another tile or a projector without bias stops the page's class."""
    tower = {**small_tower(), "image_size": 56}
    config = small_config(vision_config=tower)
    cls = build_original(RUNS, tower=tower)
    inputs = {"pixel_values": torch.zeros(1, 2, 3, 56, 56), "image_sizes": torch.tensor([[56, 56]])}
    with pytest.raises(AssertionError, match="4x4 features, not 24x24"):
        cls(config, nn.Embedding(512, 96), **HD_OPTIONS)(one_picture(13), **inputs)
    ours = Phi3ImageEmbedding(config, nn.Embedding(512, 96), **HD_OPTIONS)
    assert ours(one_picture(13), **inputs).shape == (1, 15, 96)

    page, ours = original(), golden_embedding()
    for module in (page, ours):
        module.img_projection[0] = nn.Linear(256, 96, bias=False)
    with pytest.raises(AttributeError, match="'NoneType'"):
        page(one_picture(), **small())
    assert ours(one_picture(), **small()).shape == (1, 315, 96)


def test_fault_26_work_for_nothing():
    """The page runs every layer on every tile and projects picture by picture."""
    inputs = pictures([[336, 336], [336, 672]], tiles=17, seed=1)
    ids = torch.tensor([[*[-1] * 313, *[-2] * 457]])

    def work(module: nn.Module) -> tuple[int, set[int], int]:
        tiles, layers, projections = [], set(), []
        tower = getattr(module.img_processor, "vision_model", module.img_processor)
        tower.embeddings.register_forward_hook(lambda m, args, output: tiles.append(len(output)))
        for number, layer in enumerate(tower.encoder.layers):
            layer.register_forward_hook(lambda *_, number=number: layers.add(number))
        module.img_projection.register_forward_hook(lambda *_: projections.append(1))
        module(ids.clone(), **inputs)
        return sum(tiles), layers, len(projections)

    assert work(original()) == (34, {0, 1, 2}, 2)
    assert work(golden_embedding()) == (5, {0, 1}, 1)


# ------------------------------------------------------------------------------ from a real picture file


def test_both_agree_on_a_processed_picture():
    """The repaired page and ours, behind the real preprocessing."""
    picture = Image.new("RGB", (300, 200), (200, 120, 40))
    inputs = Phi3VImageProcessor(num_crops=4)([picture], return_tensors="pt")
    ids = one_picture(int(inputs["num_img_tokens"][0]))
    arguments = ids.clone(), inputs["pixel_values"], inputs["image_sizes"]
    torch.testing.assert_close(
        original()(*arguments), golden_embedding()(ids, *arguments[1:]), atol=2e-4, rtol=0
    )
