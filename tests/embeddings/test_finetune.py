"""Fine-tuning of small CLIPs and SigLIPs: what is trained, the losses, resuming, saving."""

import math
import random
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from transformers import TrainerState

from phi3lib import load_clip, load_encoder
from phi3lib.embeddings.finetune import _usual_rate, average_weights, fine_tune, make_pairs
from phi3lib.embeddings.finetune_runs import resume_point
from phi3lib.embeddings.finetune_towers import Trained, by_length, copied, set_trained, towers_of
from phi3lib.embeddings.finetune_trainer import Watching, score
from phi3lib.encoders import as_encoder
from tests.encoder_layout import make_dino_checkpoint, make_siglip_checkpoint
from tests.real_layout import make_clip_checkpoint

COLORS = {"red": (220, 30, 30), "green": (20, 160, 60), "blue": (30, 60, 220), "black": (10, 10, 10)}
SHAPES = ("wide", "tall")
FAMILIES = ("clip", "siglip", "siglip2", "naflex")
PARTS = {"text", "image", "projections", "temperature"}


def picture(color: str, shape: str) -> Image.Image:
    size = (48, 12) if shape == "wide" else (12, 48)
    image = Image.new("RGB", (64, 64), "white")
    image.paste(Image.new("RGB", size, COLORS[color]), (8, 8))
    return image


def some_pairs(of: slice = slice(None)):
    names = [(color, shape) for color in COLORS for shape in SHAPES][of]
    return make_pairs([picture(*name) for name in names], [" ".join(name) for name in names])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    make_clip_checkpoint(root / "clip")
    make_siglip_checkpoint(root / "siglip")
    make_siglip_checkpoint(root / "siglip2", version=2)
    make_siglip_checkpoint(root / "naflex", version=2, naflex=True)
    make_dino_checkpoint(root / "dino")
    return {"clip": load_clip(root / "clip")} | {
        name: load_encoder(root / name) for name in (*FAMILIES[1:], "dino")
    }


@pytest.fixture(scope="module")
def clip(models):
    return models["clip"]


def weights(model):
    return {name: one.detach().clone() for name, one in as_encoder(model).network.state_dict().items()}


def quick(model, pairs=None, **options):
    usual = {"steps": 3, "batch_size": 4, "evaluate_every": 2, "progress": False, "learning_rate": 1e-2}
    return fine_tune(model, some_pairs() if pairs is None else pairs, **{**usual, **options})


# ------------------------------------------------------------------------------- what is trained


def part_of(name: str) -> str:
    if name.startswith(("visual_projection", "text_projection", "text_model.head.")):
        return "projections"
    if name.startswith("logit_"):
        return "temperature"
    return "image" if name.startswith("vision_model.") else "text"


@pytest.mark.parametrize("family", ["clip", "siglip", "naflex"])
@pytest.mark.parametrize("part", sorted(PARTS))
def test_what_is_chosen_changes_and_nothing_else(models, family, part):
    model, before = models[family], weights(models[family])
    tuned = quick(model, train=(part,))
    after = weights(tuned.model)
    changed = {part_of(name) for name in before if not torch.equal(before[name], after[name])}
    assert changed == {part}
    assert tuned.trained == sum(w.numel() for name, w in before.items() if part_of(name) == part)
    assert all(torch.equal(one, before[name]) for name, one in weights(model).items())
    assert type(tuned.model) is type(model)


@pytest.mark.parametrize("family", FAMILIES)
def test_adapters_are_few_numbers_and_are_merged(models, family):
    pytest.importorskip("peft")
    before = weights(models[family])
    tuned = quick(models[family], train=("text", "image"), lora=2)
    after = weights(tuned.model)
    assert list(after) == list(before)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {part_of(name) for name in changed} == {"text", "image"}
    assert all(before[name].ndim == 2 for name in changed)
    assert "text_model.embeddings.token_embedding.weight" in changed  # new words need their pieces
    assert tuned.trained < sum(before[name].numel() for name in changed)
    assert all(weight.requires_grad for weight in as_encoder(tuned.model).network.parameters())


def test_a_tower_that_is_not_trained_runs_once_for_each_image(clip):
    def images_seen(train):
        seen = []

        def watch(step, encoder):
            if step == 0:
                encoder.network.vision_model.register_forward_pre_hook(
                    lambda module, args, kwargs: seen.append(len(kwargs["pixel_values"])), with_kwargs=True
                )

        quick(clip, train=train, watch=watch)
        return sum(seen)

    assert images_seen(("text", "projections")) == 0  # all were encoded before the first step
    assert images_seen(("image",)) == 3 * 4


def test_a_cache_serves_several_runs_of_the_same_tower(clip, models):
    cache = {}
    first = quick(clip, cache=cache)
    kept = dict(cache)
    assert len(kept) == len(COLORS) * len(SHAPES)
    again = quick(clip, held_out=some_pairs(), cache=cache)
    assert list(cache) == list(kept)
    assert again.curve("loss") == first.curve("loss")
    quick(models["siglip"], cache=cache)
    assert len(cache) == 2 * len(kept)


def test_a_rate_fits_the_size_of_the_model(clip):
    published = torch.nn.Linear(5000, 4001, device="meta")
    small = as_encoder(clip).network
    assert [_usual_rate(network, Trained(("text",))) for network in (small, published)] == [5e-4, 1e-5]
    assert _usual_rate(published, Trained(("text",), lora=4)) == 1e-3


def test_adapters_count_twice(clip):
    """`lora_alpha` is twice the rank: the step of an adapter does not depend on its rank."""
    pytest.importorskip("peft")
    for rank in (2, 8):
        adapted = set_trained(towers_of(copied(clip, "copy")), Trained(("text",), rank))
        scales = {scale for one in adapted.modules() for scale in getattr(one, "scaling", {}).values()}
        assert scales == {2.0}


def test_the_rate_rises_for_a_share_of_the_steps_and_weights_decay(clip):
    tuned = quick(clip, steps=10, warmup=0.3)
    steps, rates = tuned.curve("learning_rate")
    assert len(steps) == 10
    assert rates[:4] == pytest.approx([0, 1e-2 / 3, 2e-2 / 3, 1e-2])  # those with which each step was made
    assert rates[3:] == sorted(set(rates[3:]), reverse=True)
    decayed = quick(clip, steps=10, warmup=0.3, weight_decay=5.0)
    long, short = (
        sum(one.float().square().sum() for name, one in weights(model).items() if part_of(name) == "text")
        for model in (tuned.model, decayed.model)
    )
    assert short < 0.9 * long


def test_the_result_is_ready_for_use(clip):
    tuned = quick(clip)
    assert not any(module.training for module in as_encoder(tuned.model).network.modules())
    assert tuned.curve("learning_rate")[1][:2] == pytest.approx([0, 1e-2])  # a tenth of the steps, rounded up


def test_scores_are_those_of_their_definition():
    """Recall@1 in both directions, equal captions right, and the mean loss of the whole batches."""
    clip = load_clip()
    names = [(color, shape) for color in COLORS for shape in SHAPES] * 2
    texts = [" ".join(name) for name in names[:8]] + ["red wide"] * 3 + ["two", "three", "four"]
    images = [picture(*name).rotate(place) for place, name in enumerate(names[: len(texts)])]
    row = quick(clip, held_out=make_pairs(images, texts), steps=1).history[0]
    assert row["step"] == 0
    one = torch.nn.functional.normalize(torch.cat([clip.image_features(image) for image in images]).float())
    two = torch.nn.functional.normalize(torch.cat([clip.text_features(text) for text in texts]).float())
    cosines = one @ two.T
    right = torch.tensor([[a == b for b in texts] for a in texts])
    to_text, to_image = (
        right.gather(axis, cosines.argmax(axis, keepdim=True)).float().mean().item() for axis in (1, 0)
    )
    assert to_text != to_image
    assert (row["eval_image_to_text"], row["eval_text_to_image"]) == pytest.approx((to_text, to_image))
    order = torch.randperm(14, generator=torch.Generator().manual_seed(0))
    scale = clip.model.logit_scale.exp().item()
    losses = []
    for at in order[:12].split(4):  # the last two pairs are no whole batch
        equal = right[at][:, at] & ~torch.eye(4, dtype=torch.bool)
        logits = (scale * cosines[at][:, at]).masked_fill(equal, -math.inf)
        both = [torch.nn.functional.cross_entropy(side, torch.arange(4)) for side in (logits, logits.T)]
        losses.append(sum(both).item() / 2)
    assert row["eval_loss"] == pytest.approx(np.mean(losses), rel=1e-3)


def test_recall_is_among_all_of_sixty_pairs():
    class Given(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def image_vectors(self, inputs):
            return inputs["given"]

        text_vectors = image_vectors

        def loss(self, images, texts, right):
            return self.weight.sum()

    class Held:
        image_ids = text_ids = torch.arange(60)
        texts = torch.eye(60)[[1, 0, *range(2, 60)]]  # two are exchanged

        def __len__(self):
            return 60

        def collate(self, rows):
            return {"images": {"given": torch.eye(60)[rows]}, "texts": {"given": self.texts[rows]}}

    found = score(Given(), Held(), 4)
    assert found.image_to_text == found.text_to_image == pytest.approx(58 / 60)


def test_what_cannot_be_trained_is_refused(clip, models):
    for options, said in (
        ({"train": ("words",)}, "train= got .*'projections'"),
        ({"train": ()}, "choose one or more"),
        ({"train": ("projections",), "lora": 4}, "adapters are for"),
        ({"batch_size": 9}, "8 readable pairs are fewer than batch_size=9"),
        ({"batch_size": 1}, "no negatives"),
        ({"batch_size": 2.5}, "batch_size is 2.5; expected a whole number"),
        ({"warmup": 2}, "warmup is 2; expected a number from 0 to 1"),
        ({"patience": 2}, "needs held_out="),
    ):
        with pytest.raises(ValueError, match=said):
            quick(clip, **options)
    with pytest.raises(ValueError, match="pairs: got a NoneType"):
        fine_tune(clip, None)
    with pytest.raises(ValueError, match="'dino' has no text tower"):
        quick(models["dino"])


def test_half_precision_is_refused(tmp_path):
    make_clip_checkpoint(tmp_path)
    with pytest.raises(ValueError, match="dtype=torch.float32"):
        quick(load_clip(tmp_path, dtype=torch.bfloat16))


def test_the_temperature_of_published_models_can_fall_and_not_rise(clip):
    """Their scale is CLIP's limit of 100: a limit within the loss would leave no gradient."""
    assert float(clip.model.logit_scale.detach()) >= math.log(100)
    scale = quick(clip, train=("temperature",)).model.model.logit_scale
    assert float(scale.detach()) <= math.log(100)


def test_a_scale_is_limited_to_a_hundred_and_only_where_it_is_trained(clip):
    towers = towers_of(copied(clip, "copy"))
    for part, limited in (("text", 6.0), ("temperature", math.log(100))):
        set_trained(towers, Trained((part,)))
        with torch.no_grad():
            towers.network.logit_scale.fill_(6.0)
        towers.limit_temperature()
        assert towers.network.logit_scale.item() == pytest.approx(limited)
    with torch.no_grad():
        towers.network.logit_scale.fill_(4.0)
    towers.limit_temperature()
    assert towers.network.logit_scale.item() == 4.0


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_towers_make_the_vectors_of_their_encoder(models, family):
    """Those that a search uses, and the loss of transformers on them."""
    towers, encoder = towers_of(models[family]), as_encoder(models[family])
    words, images = ["red wide", "a cup"], [picture("red", "wide"), picture("blue", "tall")]
    texts, seen = towers.text_inputs(words), towers.image_inputs(images)
    vectors = towers.text_vectors(texts), towers.image_vectors(seen)
    wanted = (
        encoder.encode_texts(words),
        encoder.encode(images, encoder.recipes[encoder.recipes.shared_with_text]),
    )
    for found, one in zip(vectors, wanted, strict=True):
        torch.testing.assert_close(*(torch.nn.functional.normalize(side) for side in (found, one)))
    none = torch.zeros(2, 2, dtype=torch.bool)
    loss = towers(seen, texts, none)["loss"]
    assert loss.item() == pytest.approx(
        encoder.network(**texts, **seen, return_loss=True).loss.item(), rel=1e-4
    )


def test_texts_of_similar_length_run_together(clip):
    """They have the vectors and the gradients of all texts side by side, with less padding."""
    towers = towers_of(copied(clip, "copy"))
    texts = [" ".join(["cat", "dog"][: 1 + n % 2] * (1 + n // 6)) for n in range(36)]
    inputs = towers.text_inputs(texts)
    groups = by_length(inputs["attention_mask"])
    lengths = inputs["attention_mask"].sum(1)
    assert torch.cat(groups).sort().values.tolist() == list(range(36))
    assert [len(group) for group in groups] == [18, 18]
    assert lengths[groups[0]].max() <= lengths[groups[1]].min() < lengths.max()
    weight = towers.network.text_model.embeddings.token_embedding.weight
    seen = []
    for vectors in (towers.text_hidden(inputs), towers.network.text_model(**inputs).pooler_output):
        (gradient,) = torch.autograd.grad((vectors * torch.arange(36)[:, None]).sum(), weight)
        seen.append((vectors, gradient))
    torch.testing.assert_close(*seen)


# ------------------------------------------------------------------------------- it learns


def test_the_small_clip_learns_new_words_for_what_it_sees():
    """Nonsense words for colors: after some steps held-out images find theirs."""
    words = dict(zip(COLORS, ("zork", "blick", "dax", "wug"), strict=True))
    pairs = make_pairs([picture(c, "wide") for c in COLORS] * 4, [words[c] for c in COLORS] * 4)
    held_out = make_pairs([picture(c, "tall") for c in COLORS], list(words.values()))
    tuned = fine_tune(
        load_clip(), pairs, held_out=held_out, steps=30, batch_size=16, evaluate_every=15, progress=False
    )
    steps, found = tuned.curve("eval_image_to_text")
    assert steps == [0, 15, 30]
    assert found[0] < 0.75 < found[-1]
    losses = tuned.curve("loss")[1]
    assert len(losses) == 30 and losses[-1] < losses[0]


@pytest.mark.parametrize("family", ["clip", "naflex"])
def test_small_chunks_lead_to_the_same_weights(models, family):
    whole = quick(models[family], train=("text", "image", "projections"), learning_rate=1e-3)
    parts = quick(models[family], train=("text", "image", "projections"), learning_rate=1e-3, chunk_size=3)
    for one, other in zip(whole.curve("loss")[1], parts.curve("loss")[1], strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_watch_sees_the_model_at_its_steps_without_changing_the_training(clip):
    seen = {}

    def watch(step, encoder):
        torch.rand(5)
        seen[step] = encoder.encode_texts(["red wide"])[0]

    watched, alone = quick(clip, steps=5, watch=watch), quick(clip, steps=5)
    assert list(seen) == [0, 2, 4, 5]
    assert torch.allclose(seen[0], clip.text_features("red wide")[0])
    assert torch.allclose(seen[5], watched.model.text_features("red wide")[0])
    assert watched.curve("loss") == alone.curve("loss")


def test_what_a_watcher_draws_leaves_the_random_numbers_of_the_training(clip):
    steps = []

    def watch(step, encoder):
        torch.rand(5)
        steps.append(step)

    watching = Watching(towers_of(clip), watch, every=2)
    before = torch.get_rng_state()
    for step in range(4):
        state = TrainerState(global_step=step, max_steps=3)
        watching.on_train_begin(None, state, None)  # also at a resumed one, which was shown before
        watching.on_step_end(None, state, None) if step else None
    assert steps == [0, 2, 3] and torch.equal(torch.get_rng_state(), before)


def test_the_callers_random_numbers_go_on(clip):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    wanted = torch.rand(3), np.random.rand(3), random.random()  # noqa: NPY002
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    quick(clip)
    assert torch.equal(torch.rand(3), wanted[0]) and (np.random.rand(3) == wanted[1]).all()  # noqa: NPY002
    assert random.random() == wanted[2]


def test_it_stops_early_with_the_best_weights(clip):
    """At a rate that destroys the model the first scored steps are the best ones."""
    tuned = quick(
        clip,
        held_out=some_pairs(),
        train=("text",),
        steps=40,
        evaluate_every=1,
        patience=3,
        learning_rate=0.3,
    )
    steps, losses = tuned.curve("eval_loss")
    best = steps[1 + int(np.argmin(losses[1:]))]  # the score before the first step has no weights saved
    assert tuned.steps == best + 3 < 40
    assert tuned.best_step == best
    again = quick(tuned.model, held_out=some_pairs(), steps=1, learning_rate=0.0)
    assert again.curve("eval_loss")[1][0] == pytest.approx(min(losses[1:]), rel=1e-5)


# ------------------------------------------------------------------------------- resuming


class Stop(Exception):
    """A kill in the middle of a run."""


@pytest.mark.parametrize("options", [{}, {"lora": 2}, {"patience": 9}], ids=["weights", "lora", "patience"])
def test_an_interrupted_run_resumes_to_the_same_losses(clip, tmp_path, options):
    def stop(step, encoder):
        if step == 5:
            raise Stop

    usual = {"held_out": some_pairs(slice(4)), "steps": 7, "evaluate_every": 2, **options}
    whole = quick(clip, out=tmp_path / "whole", **usual)
    assert len(list((tmp_path / "whole").glob("checkpoint-*"))) == 2  # of three or four
    with pytest.raises(Stop):
        quick(clip, out=tmp_path / "cut", watch=Odd(stop), **usual)
    half_written = tmp_path / "cut" / "checkpoint-6"
    half_written.mkdir()
    (half_written / "trainer_state.json").write_text('{"global_')
    resumed = quick(clip, out=tmp_path / "cut", **usual)
    assert resumed.history == whole.history
    assert resumed.steps == 7
    after = weights(resumed.model)
    assert all(torch.equal(one, after[name]) for name, one in weights(whole.model).items())


class Odd:
    """Calls at an odd step too: `watch` is asked at every second step only."""

    def __init__(self, stop):
        self._stop = stop

    def __call__(self, step, encoder):
        if step == 4:
            self._stop(5, encoder)


def test_a_run_resumes_from_the_last_complete_checkpoint(tmp_path):
    folder, marks = tmp_path / "run", {"weights": "w", "pairs": "p"}
    assert resume_point(folder, marks) is None
    for name, state in (
        ("2", '{"global_step": 2}'),
        ("10", '{"global_step": 10}'),
        ("12", "{"),
        ("14", "{}"),
    ):
        (folder / f"checkpoint-{name}").mkdir()
        (folder / f"checkpoint-{name}" / "trainer_state.json").write_text(state)
    assert resume_point(folder, marks) == folder / "checkpoint-10"
    with pytest.raises(ValueError, match="a run with other pairs"):
        resume_point(folder, marks | {"pairs": "q"})


def test_a_finished_run_is_taken_up_as_it_is(clip, tmp_path):
    first = quick(clip, out=tmp_path, steps=4)
    again = quick(clip, out=tmp_path, steps=4)
    assert again.steps == 4
    assert again.curve("loss") == first.curve("loss")
    after = weights(again.model)
    assert all(torch.equal(one, after[name]) for name, one in weights(first.model).items())


def test_checkpoints_of_another_run_are_refused(clip, tmp_path):
    quick(clip, out=tmp_path, steps=2)
    for options, said in (
        ({"learning_rate": 1e-4}, "other options"),
        ({"train": ("image",)}, "other options"),
        ({"pairs": some_pairs(slice(6))}, "other pairs"),
    ):
        with pytest.raises(ValueError, match=said):
            quick(clip, out=tmp_path, steps=2, **options)
    shutil.rmtree(tmp_path)
    quick(clip, out=tmp_path, steps=2, learning_rate=1e-4)


# ------------------------------------------------------------------------------- saving and averaging


def tensor_names(folder):
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        return set(file.keys())


def test_load_clip_loads_what_was_saved(tmp_path):
    make_clip_checkpoint(tmp_path / "published", position_ids=False)
    tuned = quick(load_clip(tmp_path / "published"), train=("text", "image", "projections"))
    folder = tuned.save_pretrained(tmp_path / "tuned")
    assert tensor_names(folder) == tensor_names(tmp_path / "published")
    loaded = load_clip(folder)
    assert torch.equal(loaded.text_features("red"), tuned.model.text_features("red"))
    one = picture("red", "wide")
    assert torch.equal(loaded.image_features(one), tuned.model.image_features(one))


@pytest.mark.parametrize("family", FAMILIES[1:])
def test_load_encoder_loads_what_was_saved(models, family, tmp_path):
    tuned = quick(models[family], train=("text", "image"))
    loaded = load_encoder(tuned.save_pretrained(tmp_path))
    assert torch.equal(loaded.encode_texts("Red cat."), tuned.model.encode_texts("Red cat."))
    recipe, one = loaded.recipes.choose(), picture("red", "wide")
    assert torch.equal(loaded.encode([one], recipe), tuned.model.encode([one], recipe))


def test_averaged_weights_lie_between_the_two_models(clip, models):
    tuned = quick(clip).model
    first, second = weights(clip), weights(tuned)
    for share in (0.0, 0.25, 1.0):
        mixed = weights(average_weights(clip, tuned, share))
        for name, one in mixed.items():
            wanted = (1 - share) * first[name] + share * second[name]
            assert torch.allclose(one.float(), wanted.float(), atol=1e-6)
    assert all(torch.equal(one, first[name]) for name, one in weights(clip).items())
    with pytest.raises(ValueError, match="different weights"):
        average_weights(clip, models["siglip"], 0.5)


def test_a_batch_is_never_spread_over_several_gpus(monkeypatch, tmp_path):
    from transformers import TrainingArguments

    from phi3lib.embeddings.finetune_trainer import OneDeviceArguments

    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda _: 2))
    assert (
        OneDeviceArguments(str(tmp_path), use_cpu=True, per_device_train_batch_size=8).train_batch_size == 8
    )
