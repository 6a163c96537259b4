"""The parts of the trainings: tokenizers, labels, packing, mixed precision, and a training that improves."""

import argparse
import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

from phi3lib import load_clip
from phi3lib.embeddings.confidence import of_mean
from phi3lib.embeddings.search import class_vectors
from phi3lib.vision.token_map import tokens_at_pixel
from picturebook import captions
from picturebook.kinds import KINDS
from picturebook.pages.words import HELD_OUT_WORDS, TRAINED_WORDS
from picturebook.pictures import SIDE, draw_picture
from picturebook.questions import Question, questions_of
from picturebook.scenes import CAPS, close_up, draw_scene
from training import train_clip, train_phi3_vision
from training.clip_examples import Pace
from training.clip_model import PATCH, busiest_patches, contrastive, make_clip
from training.dense_labels import BARS, CELLS, CHARACTERS, NOWHERE, dense_labels, token_places
from training.drawing import Ahead
from training.evaluate_clip import picture_vectors
from training.evaluate_phi3 import NUM_CROPS, objects_of
from training.packing import pack
from training.phi3_examples import (
    DIETS,
    LARGE_CAPS,
    MODES,
    PATCHES,
    _asked_of,
    caps_at,
    draw_scenes,
    draw_tiles,
    print_side,
    scene_batch,
    scene_labels,
)
from training.phi3_model import (
    TILE,
    Phi3Learner,
    PlaceHeads,
    look,
    make_phi3,
    start_from_clip,
    start_from_phi3,
)
from training.runs import Checkpoint, Clock, Log, MixedMuon, layer_matrices, learning_rate, moved, smoothed
from training.tokenizer import make_tokenizer

# Trainings of the tests are of shallow models: what they assert does not depend on the depth.
shallow_clip = partial(make_clip, layers=2, text_layers=1)
shallow_phi3 = partial(make_phi3, tower_layers=2)


ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def trainings_are_of_shallow_models():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_clip, "make_clip", shallow_clip)
        patch.setattr(train_phi3_vision, "make_phi3", shallow_phi3)
        yield


@pytest.fixture(scope="module")
def clip_tokenizer():
    return make_tokenizer(800)


@pytest.fixture(scope="module")
def phi3_run(tmp_path_factory):
    """The processor of a run with few scenes behind its tokenizer."""
    from training import phi3_tokenizer

    folder = tmp_path_factory.mktemp("run")
    phi3_tokenizer.make_phi3_tokenizer(120).save_pretrained(folder / "tokenizer")
    return train_phi3_vision.processor_of(folder)


# ------------------------------------------------------------------------------- tokenizers


@pytest.mark.parametrize(
    "text", ["a red cat on a blue background", "une étoile à gauche", "日本 xyzzy 42", 'a sign saying "open"']
)
def test_the_clip_tokenizer_loses_nothing(clip_tokenizer, text):
    ids = clip_tokenizer(text).input_ids
    assert ids[0] == clip_tokenizer.bos_token_id
    assert ids[-1] == clip_tokenizer.eos_token_id
    assert clip_tokenizer.decode(ids[1:-1]).replace(" ", "") == text.replace(" ", "")


def test_an_unknown_word_is_spelled_and_not_dropped(clip_tokenizer):
    known, unknown = (clip_tokenizer(f"a {word}").input_ids for word in ("cat", "zyxwvut"))
    assert len(unknown) > len(known)
    assert clip_tokenizer.unk_token_id == clip_tokenizer.eos_token_id
    assert unknown.count(clip_tokenizer.eos_token_id) == 1


@pytest.mark.parametrize("word", [*TRAINED_WORDS[:6], *HELD_OUT_WORDS[:6], "1234", "15.05"])
def test_words_in_capitals_and_numbers_are_spelled(phi3_run, word):
    tokens = [token for token in phi3_run.tokenizer.tokenize(word) if token != "▁"]
    assert [token.removeprefix("▁") for token in tokens] == list(word)


# ------------------------------------------------------------------------------- CLIP


def test_the_pace_waits_for_the_model():
    pace = Pace()
    for _ in range(100):
        pace.learn(0.2, 0.9)
    assert pace.pictures == 0.0
    assert pace.words > 0.1
    for _ in range(600):
        pace.learn(0.9, 0.9)
    assert pace.pictures == pace.words == 1.0


def test_the_busiest_patches_are_kept():
    pixels = torch.zeros(2, 3, SIDE, SIDE)
    pixels[0, :, 2 * PATCH : 3 * PATCH, PATCH : PATCH + 7] = 3.0  # row 2, column 1
    pixels[1, :, :7, -PATCH:] = 3.0  # row 0, last column
    kept = busiest_patches(pixels, 5)
    side = SIDE // PATCH
    assert kept.shape == (2, 5)
    assert kept[0, 0] == 2 * side + 1
    assert kept[1, 0] == side - 1
    assert all(len(set(row.tolist())) == 5 for row in kept)


def test_equal_captions_are_no_wrong_answers():
    images = torch.eye(3)[[0, 0, 1]]
    texts = torch.eye(3)[[0, 0, 1]]
    ids = torch.tensor([[1, 5, 2], [1, 5, 2], [1, 6, 2]])
    loss, right = contrastive(images, texts, torch.tensor(4.6), ids)
    assert float(right) == 1.0
    assert float(loss) < 1e-3
    other = torch.tensor([[1, 5, 2], [1, 7, 2], [1, 6, 2]])
    assert float(contrastive(images, texts, torch.tensor(4.6), other)[0]) > 0.4


@pytest.mark.parametrize("name", ["clip-small", "phi3-vision-small"])
def test_an_untrained_model_has_the_weights_of_the_bundled_one(name, clip_tokenizer, phi3_run):
    model = make_clip(clip_tokenizer) if name == "clip-small" else make_phi3(phi3_run.tokenizer)
    with safe_open(ROOT / "data" / "models" / name / "model.safetensors", "pt") as bundled:
        shapes = {weight: tuple(bundled.get_slice(weight).get_shape()) for weight in bundled.keys()}  # noqa: SIM118

    def without_words(weight: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Tokenizers of tests have fewer words."""
        return (
            shape[1:]
            if weight.endswith(("token_embedding.weight", "embed_tokens.weight", "lm_head.weight"))
            else shape
        )

    assert {weight: without_words(weight, shape) for weight, shape in shapes.items()} == {
        weight: without_words(weight, tuple(value.shape)) for weight, value in model.state_dict().items()
    }


# ------------------------------------------------------------------------------- runs


class Small(nn.Module):
    """Two layers and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh())
        self.lm_head = nn.Linear(16, 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.lm_head(self.layers(inputs))


def test_the_matrices_of_layers_are_told_from_classifiers_and_the_rest():
    model = Small()
    assert {id(m) for m in layer_matrices(model)} == {id(model.layers[0].weight), id(model.layers[2].weight)}
    model.layers[0].weight.requires_grad_(False)
    assert [id(m) for m in layer_matrices(model)] == [id(model.layers[2].weight)]


def test_mixed_precision_follows_plain_muon_and_adamw():
    torch.manual_seed(0)
    plain, mixed = Small(), Small()
    mixed.load_state_dict(plain.state_dict())
    mixed = mixed.to(torch.bfloat16)
    biases = [p for p in plain.parameters() if p.ndim < 2]
    references = [
        torch.optim.AdamW(
            [
                {"params": [plain.lm_head.weight], "weight_decay": 0.05},
                {"params": biases, "weight_decay": 0.0},
            ],
            lr=1e-2, betas=(0.9, 0.98), eps=1e-6,
        ),
        torch.optim.Muon(layer_matrices(plain), lr=1e-2, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
    ]  # fmt: skip
    ours = MixedMuon(mixed)
    inputs = torch.randn(64, 8)
    wanted = inputs.sum(1, keepdim=True).tanh()

    def loss_of(model: nn.Module) -> torch.Tensor:
        dtype = next(model.parameters()).dtype
        return ((model(inputs.to(dtype)).float() - wanted) ** 2).mean()

    for _ in range(250):
        for model in (plain, mixed):
            loss_of(model).backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        for reference in references:
            reference.step()
            reference.zero_grad()
        ours.step(1e-2)
    with torch.no_grad():
        ends = [float(loss_of(model)) for model in (plain, mixed)]
    assert ends[0] < 0.05
    assert ends[1] == pytest.approx(ends[0], abs=0.02)


def test_an_optimizer_goes_on_as_if_it_had_not_stopped():
    torch.manual_seed(0)
    straight = Small()
    other = Small()
    other.load_state_dict(straight.state_dict())
    inputs = torch.randn(32, 8)

    def steps(model: nn.Module, optimizer: MixedMuon, count: int) -> None:
        for _ in range(count):
            model(inputs).square().mean().backward()
            optimizer.step(1e-2)

    steps(straight, MixedMuon(straight), 6)
    first = MixedMuon(other)
    steps(other, first, 3)
    kept = {name: tensor.clone() for name, tensor in first.state().items()}
    second = MixedMuon(other)
    second.load(kept)
    steps(other, second, 3)
    for mine, theirs in zip(straight.parameters(), other.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-6)


def test_the_learning_rate_warms_up_and_ends_near_zero():
    assert learning_rate(0, 0.0, 1.0) == pytest.approx(1 / 30)
    assert learning_rate(29, 0.0, 1.0) == pytest.approx(1.0)
    assert learning_rate(500, 0.5, 1.0) == pytest.approx(0.505)
    assert learning_rate(900, 1.0, 1.0) == pytest.approx(0.01)


def test_a_mean_waits_while_its_measure_does_not_come():
    means = smoothed({}, {"loss": 4.0})
    assert means == {"loss": 4.0}
    means = smoothed(means, {"right": 1.0})
    assert means == {"loss": 4.0, "right": 1.0}
    assert smoothed(means, {"loss": 2.0})["loss"] == pytest.approx(3.9)
    assert smoothed(means, {"loss": float("nan")}) == means  # nothing was measured


class Ticks:
    """A clock for `now=`: one second passes with every look at it, however fast the machine is."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1
        return self.seconds


def test_a_clock_goes_on_from_what_was_spent():
    times = iter([100.0, 112.0, 200.0])
    clock = Clock(minutes=1, spent=30, now=lambda: next(times))
    assert clock.seconds == 42
    assert clock.share == 1.0
    assert 30 <= Clock(minutes=1, spent=30).seconds < 1e6  # the real clock


@pytest.mark.slow
def test_workers_draw_what_would_be_drawn_without_them(phi3_run):
    with_workers, without = Ahead(partial(draw_tiles, phi3_run), 1), Ahead(partial(draw_tiles, phi3_run), 0)
    asked: list[int] = []

    def arguments_of(number: int) -> tuple[int, int, float]:
        asked.append(number)
        return 4 * number, 4, 0.5

    try:
        for number in range(3):
            ours = with_workers.take(number, arguments_of)
            assert max(asked) > number  # the next ones are under way
            plain = without.take(number, lambda n: (4 * n, 4, 0.5))
            assert torch.equal(ours.pixels, plain.pixels)
            assert all(torch.equal(ours.labels[name], plane) for name, plane in plain.labels.items())
    finally:
        with_workers.close()


def test_all_tensors_of_a_batch_move(phi3_run):
    scene = draw_scene(3, style="things", tile=TILE, grid=(2, 2))
    asked = questions_of(scene, np.random.default_rng(0))[:2]
    batch = moved(scene_batch(phi3_run, [scene], [asked], "sharp", "things", 2), torch.device("meta"))
    assert batch.mode == "sharp"
    tensors = [batch.pixel_values, batch.image_sizes, *batch.labels.values(), *vars(batch.rows).values()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}


# ------------------------------------------------------------------------------- Phi-3-vision


def test_every_letter_is_in_the_patch_that_shows_it():
    for number in range(30):
        scene = draw_scene(number, style="print", tile=TILE, grid=(3, 3), print_kind="letter")
        labels = dense_labels(scene, 3 * PATCHES, 3 * PATCHES)
        for piece in scene.prints:
            col = int((piece.box[0] + piece.box[2]) / 2 / 14)
            row = int((piece.box[1] + piece.box[3]) / 2 / 14)
            found = {
                CHARACTERS[labels.first[row, c] - 1]
                for c in (col - 1, col, min(col + 1, 23))
                if labels.first[row, c]
            }
            assert piece.text in found


def test_a_word_is_spelled_by_its_patches():
    scene = draw_scene(5, style="print", tile=TILE, grid=(3, 3), print_kind="word")
    labels = dense_labels(scene, 3 * PATCHES, 3 * PATCHES)
    for piece in scene.prints:
        row = int((piece.box[1] + piece.box[3]) / 2 / 14)
        cols = range(piece.box[0] // 14, piece.box[2] // 14 + 1)
        spelled = ""
        for col in cols:
            first, last = labels.first[row, col], labels.last[row, col]
            spelled += CHARACTERS[first - 1] if first else ""
            spelled += CHARACTERS[last - 1] if last and last != first else ""
        assert spelled[0] == piece.text[0]
        assert spelled[-1] == piece.text[-1]


def test_print_gets_smaller_only_while_it_is_read():
    assert caps_at(0.0) == LARGE_CAPS
    assert caps_at(1.0) == CAPS
    assert train_phi3_vision.harder(0.5, {"patch first": 0.2}) == 0.5
    assert train_phi3_vision.harder(0.5, {"patch first": 0.9}) > 0.5
    assert train_phi3_vision.harder(1.0, {"patch first": 0.9}) == 1.0


def test_tiles_have_one_label_for_each_patch(phi3_run):
    batch = draw_tiles(phi3_run, 0, 8)
    assert batch.pixels.shape == (8, 3, TILE, TILE)
    for plane in batch.labels.values():
        assert plane.shape == (8, PATCHES * PATCHES)
    assert (batch.labels["first"] > 0).any()
    assert (batch.labels["kind"] > 0).any()


def test_print_is_practised_on_few_tiles_first_and_asked_for_where_it_can_be_read(phi3_run):
    early, late = (
        np.mean([print_side(share, np.random.default_rng(n)) == 1 for n in range(300)]) for share in (0, 1)
    )
    assert 0.65 < early < 0.85 and 0.2 < late < 0.4
    scene = draw_scene(3, style="print", tile=TILE, grid=(1, 1))
    asked = questions_of(scene, np.random.default_rng(0))
    alone = scene_batch(phi3_run, [scene], [asked], "sharp", "print", 1).labels["first"]
    assert (alone[0, 0] == alone[0, 1]).all() and (alone > 0).any()  # the global view is the crop
    large = draw_scene(3, style="print", tile=TILE, grid=(3, 3))
    labels = {
        mode: scene_batch(phi3_run, [large], [asked], mode, "print", 3).labels["first"] for mode in MODES
    }
    assert (labels["sharp"][0, 1:] > 0).any() and not labels["sharp"][0, 0].any()
    assert not labels["blurred"].any() and not labels["global"].any()


@pytest.mark.parametrize("mode", MODES)
def test_packed_questions_are_answered_as_if_each_stood_alone(phi3_run, mode):
    torch.manual_seed(1)
    learner = Phi3Learner(shallow_phi3(phi3_run.tokenizer)).eval()
    scene = draw_scene(3, style="things", tile=TILE, grid=(2, 2))
    asked = questions_of(scene, np.random.default_rng(0))[:4]

    def loss_of(questions: list[Question]) -> tuple[float, int]:
        batch = scene_batch(phi3_run, [scene], [questions], mode, "things", 2)
        features = learner.features(batch.pixel_values.flatten(0, 1))
        features = features.view(1, -1, *features.shape[1:])
        answered = learner.answers(features, batch.image_sizes, batch.rows)
        return float(answered.loss), int(batch.rows.is_answer.sum())

    with torch.no_grad():
        together, tokens = loss_of(asked)
        alone = [loss_of([question]) for question in asked]
    assert sum(count for _, count in alone) == tokens
    assert together == pytest.approx(sum(loss * count for loss, count in alone) / tokens, rel=1e-4)


def test_every_visual_token_knows_its_cell_and_separators_have_none(phi3_run):
    grid = phi3_run.image_processor.grid(2 * TILE, 2 * TILE)
    assert (grid.rows, grid.cols) == (2, 2)
    places = token_places(grid)
    crops, view_separator, whole = places[: 8 * 9], places[8 * 9], places[8 * 9 + 1 :]
    assert (view_separator == NOWHERE).all()
    for view, side in ((crops.reshape(8, 9, 2), 8), (whole.reshape(4, 5, 2), 4)):
        assert (view[:, side] == NOWHERE).all()  # the separators of the rows
        cells = np.arange(side) * CELLS // side
        assert (view[:, :side, 0] == cells[:, None]).all()
        assert (view[:, :side, 1] == cells[None]).all()


def test_places_are_told_from_the_visual_tokens_alone(phi3_run):
    learner = Phi3Learner(shallow_phi3(phi3_run.tokenizer)).eval()
    scene = draw_scene(3, style="things", tile=TILE, grid=(2, 2))
    asked = questions_of(scene, np.random.default_rng(0))
    seen = []
    learner.places.register_forward_pre_hook(lambda _, given: seen.append(given))
    for questions in (asked[:1], asked[1:4]):
        batch = scene_batch(phi3_run, [scene], [questions], "sharp", "things", 2)
        features = learner.features(batch.pixel_values.flatten(0, 1))[None]
        learner.answers(features, batch.image_sizes, batch.rows)
    (first, places), (second, _) = seen
    assert first.shape[1] == len(places) == phi3_run.image_processor.grid(2 * TILE, 2 * TILE).num_image_tokens
    assert torch.allclose(first, second, atol=1e-5)  # the picture's tokens see no question


def test_a_place_counts_as_right_when_row_and_column_are():
    heads = PlaceHeads(CELLS)
    with torch.no_grad():
        for head in (heads.row, heads.column):
            head.weight.copy_(50 * torch.eye(CELLS))
            head.bias.zero_()
    told = torch.eye(CELLS)[None, [0, 1, 2, 0]]  # both heads say 0, 1, 2, 0
    places = torch.tensor([[0, 0], [1, 1], [2, 3], [NOWHERE, NOWHERE]])
    with torch.no_grad():
        loss, right = heads(told, places)
    assert right == pytest.approx(2 / 3)  # the separator is not asked for
    assert loss == pytest.approx(50 / 3, rel=1e-3)  # one column of three is 50 off


def test_questions_look_at_the_tokens_that_show_what_they_are_about(phi3_run):
    scene = draw_scene(4, style="things", tile=TILE, grid=(2, 2))
    asked = questions_of(scene, np.random.default_rng(0))
    grid = phi3_run.image_processor.grid(*scene.image.size)
    rows = pack(phi3_run, grid, [asked])
    assert rows.looks.shape == (1, 1 + len(asked), grid.num_image_tokens)
    assert not rows.looks[0, 0].any()  # the picture itself looks nowhere
    for question, looks in zip(asked, rows.looks[0, 1:], strict=True):
        if question.box is None:
            assert not looks.any()
            continue
        left, top, right, bottom = question.box
        middle = (left + right) // 2, (top + bottom) // 2
        assert looks[list(tokens_at_pixel(grid, *middle))].all()
        others = [thing.box for thing in scene.things if thing.box != question.box]
        for left, top, right, bottom in others:
            crop = min(tokens_at_pixel(grid, (left + right) // 2, (top + bottom) // 2))
            assert not looks[crop]
    assert set(rows.question[rows.is_answer].tolist()) == set(range(1, 1 + len(asked)))


def test_a_head_is_judged_by_its_attention_to_what_is_asked_about(phi3_run):
    grid = phi3_run.image_processor.grid(TILE, TILE)
    box = (0, 0, TILE // 2, TILE // 2)
    rows = pack(
        phi3_run, grid,
        [[Question("Where is the cat?", "on the left", "where", box), Question("How many?", "one", "count")]],
    )  # fmt: skip
    before = rows.is_answer.roll(-1, dims=1)
    tokens = grid.num_image_tokens
    even = torch.full((1, rows.question.shape[1], tokens), 1 / tokens)
    share = float(rows.looks[0, 1].float().mean())
    loss, looks = look(even, before, rows)
    assert looks == pytest.approx(share) and loss == pytest.approx(-np.log(share), rel=1e-4)
    better = even.clone()
    better[0, rows.question[0] == 1] = rows.looks[0, 1] / rows.looks[0, 1].sum()  # the count looks as before
    loss, looks = look(better, before, rows)
    assert looks == pytest.approx(1) and loss == pytest.approx(0, abs=1e-5)
    nothing = replace(rows, looks=torch.zeros_like(rows.looks))
    loss, looks = look(even, before, nothing)
    assert loss == 0 and looks.isnan()


def test_a_caption_is_judged_by_what_it_names():
    wanted = objects_of(
        "a red cat in the top left corner, a blue dog at the top and an orange cup on the right"
    )
    assert wanted == ["a blue dog", "a red cat", "an orange cup"]
    assert objects_of("an orange cup, a red cat and a blue dog") == wanted
    assert objects_of("a blue cat, a red dog and an orange cup") != wanted
    assert objects_of("a red cat and a blue dog") != wanted
    assert objects_of("three red cats") == ["three red cats"]


def test_a_scene_is_asked_about_on_the_grid_that_it_was_drawn_for(phi3_run):
    grids = {"things": (2, 2), "close-up": (2, 2), "print": (3, 3), "page": (3, 3)}
    for style, (rows, cols) in grids.items():
        if style == "close-up":
            scene = close_up(1, side=2 * TILE)
        else:
            scene = draw_scene(1, style=style, tile=TILE, grid=(rows, cols))
        inputs = phi3_run.image_processor([scene.image], num_crops=NUM_CROPS[style], return_tensors="pt")
        assert inputs["image_sizes"].tolist() == [[rows * TILE, cols * TILE]]


def run_of(phi3_run, tmp_path, **options) -> train_phi3_vision.Run:
    """One process of a training that has not begun, with an untrained model, by a clock that stands."""
    torch.manual_seed(0)
    given = {"run": tmp_path, "minutes": 10, "tower": 0.2, "together": 0.2, "processes": 1, "scenes": 1}
    given |= {"tiles": 2, "rate": 1e-3, "out": None, "earlier": None, "workers": 0, **options}
    learner = Phi3Learner(shallow_phi3(phi3_run.tokenizer)).to(torch.bfloat16)
    return train_phi3_vision.Run(0, argparse.Namespace(**given), phi3_run, learner, now=lambda: 0.0)


def test_each_stage_moves_its_own_weights_alone(phi3_run, tmp_path):
    run = run_of(phi3_run, tmp_path)

    def moved_by(stage: str) -> set[str]:
        run.enter(stage)
        before = {name: weight.detach().clone() for name, weight in run.learner.named_parameters()}
        for _ in range(2):
            run.one_step()
        return {
            "tower" if "img_processor" in name else "heads" if name.startswith("dense") else "rest"
            for name, weight in run.learner.named_parameters()
            if not torch.equal(weight, before[name])
        }

    moved = {}
    for stage, share in (("tower", 0.1), ("answers", 0.5), ("together", 0.9)):
        run.clock = replace(run.clock, spent=600 * share)
        moved[stage] = moved_by(stage)
    assert moved == {"tower": {"tower", "heads"}, "answers": {"rest"}, "together": {"tower", "heads", "rest"}}


def test_the_time_has_three_stages():
    options = argparse.Namespace(tower=0.2, together=0.15)
    stages = [train_phi3_vision.stage_of(share, options) for share in (0, 0.19, 0.21, 0.84, 0.86, 1)]
    assert stages == ["tower", "tower", "answers", "answers", "together", "together"]


def test_a_training_goes_on_from_the_weights_that_were_committed(phi3_run, tmp_path):
    run = run_of(phi3_run, tmp_path)
    train_phi3_vision.export(run.learner.phi3, phi3_run, tmp_path / "out")
    processor = train_phi3_vision.processor_of(tmp_path / "new", tmp_path / "out")
    assert processor.tokenizer.get_vocab() == phi3_run.tokenizer.get_vocab()
    torch.manual_seed(5)
    model = shallow_phi3(processor.tokenizer)
    start_from_phi3(model, str(tmp_path / "out" / "model.safetensors"))
    for mine, theirs in zip(model.parameters(), run.learner.phi3.parameters(), strict=True):
        assert torch.allclose(mine, theirs.float(), atol=1e-3)


def test_a_training_goes_on_where_it_stopped(phi3_run, tmp_path):
    run = run_of(phi3_run, tmp_path)
    run.clock = replace(run.clock, spent=300)
    run.one_step()
    run.keep()
    other = run_of(phi3_run, tmp_path)
    kept = Checkpoint.load(tmp_path)
    assert kept is not None
    other.go_on(kept)
    assert (other.step, other.stage, other.entered) == (1, "answers", 0)
    assert other.clock.seconds == 300
    for mine, theirs in zip(run.learner.parameters(), other.learner.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert len(other.optimizer.masters) == len(run.optimizer.masters)


def test_a_terminated_launcher_leaves_no_worker_behind(tmp_path):
    program = tmp_path / "waiters.py"
    program.write_text(
        "import argparse, os, sys, threading\nfrom pathlib import Path\nfrom training.runs import launch\n"
        "def wait(rank, options):\n    print(os.getpid(), flush=True)\n    threading.Event().wait()\n"
        "if __name__ == '__main__':\n"
        "    launch(wait, argparse.Namespace(run=Path(sys.argv[1]), processes=2))\n"
    )
    root = str(Path(train_phi3_vision.__file__).parents[1])
    launcher = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        text=True,
    )
    workers = {int(launcher.stdout.readline()) for _ in range(2)}
    assert launcher.pid not in workers and len(workers) == 2
    launcher.terminate()
    assert launcher.wait() != 0
    # The workers hold the other end of the pipe: it ends when the last of them has ended.
    assert launcher.stdout.read() == ""
    launcher.stdout.close()


def test_a_log_gives_later_names_their_own_column(tmp_path):
    log = Log(tmp_path / "log.csv")
    log.write(step=1, loss=3.0, zeal=7.0)
    log.write(step=2, early=5.0, loss=2.0, zeal=8.0)
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["loss"] for row in rows] == ["3", "2"]
    assert [row["zeal"] for row in rows] == ["7", "8"]
    assert [row["early"] for row in rows] == ["", "5"]


def test_packed_rows_of_unequal_length_do_not_disturb_each_other(phi3_run):
    grid = phi3_run.image_processor.grid(TILE, TILE)
    short, long = (
        [Question("What is red?", "the cat", "kind")],
        [Question("Describe the picture.", "a cat", "caption")] * 3,
    )
    rows = pack(phi3_run, grid, [short, long])
    alone = pack(phi3_run, grid, [short])
    used = alone.input_ids.shape[1]
    assert torch.equal(rows.input_ids[0, :used], alone.input_ids[0])
    assert not rows.mask[0, 0, :used, used:].any()
    assert torch.equal(rows.is_answer[0, :used], alone.is_answer[0])
    assert not rows.is_answer[0, used:].any()


# ------------------------------------------------------------------------------- whole trainings


# Without AVX-512, bfloat16 is emulated, and a training of a minute takes an hour.
FAST = "bfloat16" if torch.backends.cpu.get_cpu_capability() == "AVX512" else "float32"


def options(run: Path, **changes: object) -> argparse.Namespace:
    run.mkdir(parents=True, exist_ok=True)
    return argparse.Namespace(
        **{
            "minutes": 1.0,
            "processes": 1,
            "batch": 16,
            "rate": 1e-3,
            "run": run,
            "out": run / "out",
            "earlier": None,
            "workers": 0,
            "device": "cpu",
            "dtype": FAST,
            **changes,
        }
    )


@pytest.fixture(scope="module")
def short_clip(tmp_path_factory, clip_tokenizer) -> Path:
    """The run of a CLIP that was trained from nothing for thirty steps, in two starts."""
    run = tmp_path_factory.mktemp("clip")
    clip_tokenizer.save_pretrained(run / "tokenizer")
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_clip, "REPORT_STEPS", 5)
        patch.setattr(train_clip, "learning_rate", partial(learning_rate, warm_up=8))
        for minutes in (0.6, 1.2):
            train_clip.train(0, options(run, minutes=minutes, rate=1e-2, dtype="float32"), Ticks())
    torch.set_num_threads(threads)
    return run


@pytest.mark.slow
def test_thirty_steps_of_training_lower_the_loss(short_clip):
    with (short_clip / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 2
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) - 0.3
    assert float(rows[-1]["step"]) > float(rows[0]["step"])


@pytest.mark.slow
def test_after_thirty_steps_zero_shot_is_above_chance(short_clip):
    clip = load_clip(short_clip / "out")
    kinds = list(KINDS.values())
    pictures = [
        draw_picture(n, split="test", kind=kinds[n % len(kinds)], difficulty=0.0)
        for n in range(4 * len(kinds))  # so many that a rounding of another processor does not decide
    ]
    classes = class_vectors(clip, [captions.class_phrase(kind) for kind in kinds])
    likeness = picture_vectors(clip, [p.image for p in pictures]) @ classes.T
    right = likeness[np.arange(len(pictures)), np.arange(len(pictures)) % len(kinds)]
    # The share of the wrong kinds that stand below the right one: a short training moves it far from chance.
    below = of_mean((likeness < right[:, None]).sum(1) / (len(kinds) - 1), 0.5)
    assert below.low > below.chance + 0.05


@pytest.mark.slow
def test_phi3_starts_from_clips_tower_and_goes_through_all_stages(
    short_clip, tmp_path, phi3_run, monkeypatch
):
    phi3_run.tokenizer.save_pretrained(tmp_path / "tokenizer")
    model = shallow_phi3(phi3_run.tokenizer)
    start_from_clip(model, str(short_clip / "out" / "model.safetensors"))
    ours = model.model.vision_embed_tokens.img_processor.vision_model.embeddings.patch_embedding.weight
    theirs = load_clip(short_clip / "out").model.vision_model.embeddings.patch_embedding.weight
    assert torch.equal(ours, theirs)
    threads = torch.get_num_threads()
    train_phi3_vision.train(
        0,
        options(tmp_path, minutes=0.2, clip=short_clip / "out", tower=0.3, together=0.3, tiles=4, scenes=1),
        Ticks(),
    )
    torch.set_num_threads(threads)
    reached = Checkpoint.load(tmp_path)
    assert reached is not None and reached.facts["stage"] == "together"
    from training import evaluate_phi3

    # After so short a training no answer ends by itself.
    monkeypatch.setattr(evaluate_phi3, "answer", partial(evaluate_phi3.answer, max_new_tokens=4))
    scores = evaluate_phi3.evaluate_phi3(tmp_path / "out", scenes=4)
    assert all(0 <= score.value <= 1 for score in scores.values())
    assert any("blurred" in name for name in scores)


def test_a_card_is_written_from_what_was_measured(tmp_path, short_clip):
    import shutil

    from training import cards

    folder = tmp_path / "model"
    shutil.copytree(short_clip / "out", folder)
    (folder / "README.md").write_text(f"before\n{cards.BEGIN}old\n{cards.END}after\n", encoding="utf-8")
    scores = {
        "zero-shot, kind": {"value": 0.9, "low": 0.88, "high": 0.92, "chance": 0.01, "count": 50},
        "R@1 of 500, picture to text": {"value": 0.1, "low": 0.0, "high": 0.2, "chance": 0.01, "count": 50},
        "small print, words, global view only": {
            "value": 0.4,
            "low": 0.3,
            "high": 0.5,
            "chance": 0.0,
            "count": 9,
        },
        "caption": {"value": 0.4, "low": 0.3, "high": 0.5, "chance": None, "count": 9},
    }
    (folder / "evaluation.json").write_text(json.dumps(scores), encoding="utf-8")
    cards.write_card(folder)
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "| 90.0% | 88.0% to 92.0% | 1.0% | at least 85% | reached |" in text
    assert "at least 75% | **missed**" in text
    assert "at most 30% | **missed**" in text
    assert "million parameters" in text
    assert "training/train_clip.py" in text


@pytest.mark.slow
def test_a_run_that_ends_before_its_first_report_leaves_a_model(tmp_path, clip_tokenizer):
    clip_tokenizer.save_pretrained(tmp_path / "tokenizer")
    threads = torch.get_num_threads()
    train_clip.train(0, options(tmp_path, minutes=0.1, batch=8), Ticks())
    torch.set_num_threads(threads)
    assert load_clip(tmp_path / "out").model is not None
    assert not (tmp_path / "out" / "training.json").exists()


# ------------------------------------------------------------------------------- pages and strings


def test_the_letters_of_a_page_are_in_the_patches_that_show_them():
    page = next(
        scene
        for scene in (draw_scene(n, style="page", tile=TILE, grid=(3, 3)) for n in range(20))
        if scene.page == "receipt" and scene.lines
    )
    labels = dense_labels(page, 3 * PATCHES, 3 * PATCHES)
    shop = next(line for line in page.lines if line.text == page.facts["shop"])
    row = int((shop.box[1] + shop.box[3]) / 2 / 14)
    first = labels.first[row, shop.box[0] // 14 : shop.box[0] // 14 + 2]
    assert CHARACTERS[first[first > 0][0] - 1] == shop.text[0]


def test_the_diet_of_pages_has_pages_and_strings(phi3_run):
    batches = [draw_scenes(phi3_run, number, 1, diet="pages") for number in range(12)]
    styles = [batch.style for batch in batches]
    assert styles.count("page") >= 3 and "print" in styles
    assert all(batch.rows.looks.any() for batch in batches if batch.style == "page")
    assert set(DIETS) == {"scenes", "pages", "bars", "balanced"}
    assert all(abs(sum(diet.styles.values()) - 1) < 1e-9 for diet in DIETS.values())


def test_the_diet_of_bars_has_bar_charts_only_in_most_of_its_batches_of_pages(phi3_run):
    batches = [draw_scenes(phi3_run, number, 1, diet="bars", dtype=torch.bfloat16) for number in range(24)]
    pages = [batch for batch in batches if batch.style == "page"]
    with_bars = [bool((batch.labels["bar"] > 0).flatten(1).any(1).all()) for batch in pages]
    assert sum(with_bars) > len(pages) / 3 and not all(with_bars)
    assert all(batch.pixel_values.dtype == torch.bfloat16 for batch in batches)


def test_a_diet_says_which_topics_come_first_in_every_second_scene():
    scenes = [draw_scene(number, style="things", tile=TILE, grid=(2, 2)) for number in range(40)]
    first = {
        name: [_asked_of(scene, DIETS[name].asked_first, np.random.default_rng(number))[0].topic
               for number, scene in enumerate(scenes)]
        for name in ("scenes", "balanced")
    }  # fmt: skip
    shares = {name: np.isin(topics, DIETS[name].asked_first).mean() for name, topics in first.items()}
    assert all(0.4 < share < 1 for share in shares.values()), shares
    assert (
        np.isin(first["balanced"], ("relation", "caption")).mean()
        > 0.1 + np.isin(first["scenes"], ("relation", "caption")).mean()
    )


def test_the_highest_bar_is_told_in_the_global_view_only():
    page = draw_scene(5, style="page", tile=TILE, grid=(2, 2), page="bar chart")
    labels = scene_labels([page], 2, "sharp")["bar"][0]  # (5, patches²)
    assert not labels[1:].any()
    cell = page.image.width / PATCHES
    for name, value in BARS.items():
        left, top, right, bottom = page.parts[name]
        rows, columns = np.nonzero(labels[0].view(PATCHES, PATCHES).numpy() == value)
        assert len(rows)
        assert ((columns + 0.5) * cell >= left - 1).all() and ((columns + 0.5) * cell <= right + 1).all()
        assert ((rows + 0.5) * cell >= top - 1).all() and ((rows + 0.5) * cell <= bottom + 1).all()


def test_new_heads_do_not_move_an_earlier_model(phi3_run):
    learner = Phi3Learner(shallow_phi3(phi3_run.tokenizer))
    scene = draw_scene(3, style="things", tile=TILE, grid=(1, 1))
    batch = scene_batch(
        phi3_run, [scene], [questions_of(scene, np.random.default_rng(0))], "sharp", "things", 1
    )
    features = torch.zeros(1, 2, PATCHES**2, 192, requires_grad=True)
    for new in (True, False):
        learner.new_heads = new
        features.grad = None
        learner.answers(features, batch.image_sizes, batch.rows).place_loss.backward()
        assert (features.grad is None or not features.grad.any()) == new
