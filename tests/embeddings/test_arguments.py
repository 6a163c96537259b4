"""Counts, shares, thresholds and seeds: one sentence for a value that no call can mean, never an answer."""

import numpy as np
import pytest
import torch

from phi3lib import EmbeddingTable, embed_images, hd_grid
from phi3lib.embeddings import approximate, compare, confidence, duplicates, knn, maps, search
from phi3lib.embeddings.costs import estimate_cost
from phi3lib.embeddings.disagreement import disagreements
from phi3lib.embeddings.finetune import fine_tune
from phi3lib.embeddings.locations import location_of
from phi3lib.embeddings.report import report_of
from phi3lib.embeddings.scale import embed_at_scale
from phi3lib.embeddings.shards import Shard, Shards
from phi3lib.encoders.swap import swap_vision_tower
from phi3lib.lab.atlas.settings import Settings, checked, usable
from phi3lib.vision.answers import answer, answers_with_probabilities, prompt_of
from phi3lib.vision.clip import Clip
from phi3lib.vision.inputs import as_number, as_seed, as_truth, as_whole

RNG = np.random.default_rng(0)
V, W, L = RNG.normal(size=(30, 6)), RNG.normal(size=(30, 6)), list("abc") * 10
TABLE = EmbeddingTable(V, tuple(map(str, range(30))))
OTHER = EmbeddingTable(W, TABLE.ids)
SPACE, LAYOUT = knn.nearest(V, 9), maps.pca_map(V)
CLIP = Clip("", None, None, None, None, {})
NO_NUMBER = (float("nan"), float("inf"), "3", None, True, np.True_, [3], b"3", 1 + 2j)
NO_WHOLE = (*NO_NUMBER, 1.5, np.float32(2), -1)
GRID = {"n_neighbors": [5], "min_dist": [0.1], "seed": [0]}

WHOLE = {
    ("k", "nearest"): lambda x: knn.nearest(V, x),
    ("k", "first"): lambda x: SPACE.first(x),
    ("k", "mutual"): lambda x: compare.mutual_knn(V, W, x),
    ("k", "shared"): lambda x: compare.shared_neighbors(V, W, x),
    ("k", "accuracy"): lambda x: compare.knn_accuracy(V, L, x),
    ("folds", "hits"): lambda x: compare.probe_hits(V, L, folds=x),
    ("width", "parts"): lambda x: compare.principal_parts(V, x),
    ("seed", "gap"): lambda x: compare.modality_gap_estimate(V, W, seed=x),
    ("seed", "mean"): lambda x: confidence.of_mean([0.1, 0.4], seed=x),
    ("seed", "difference"): lambda x: confidence.difference([0.1, 0.4], [0.2, 0.3], seed=x),
    ("k", "approximate"): lambda x: approximate.approximate_nearest(V, x),
    ("k", "recall"): lambda x: approximate.measured_recall(SPACE, x),
    ("n_neighbors", "umap"): lambda x: maps.umap_map(V, SPACE, n_neighbors=x),
    ("seed", "umap"): lambda x: maps.umap_map(V, SPACE, seed=x),
    ("k", "map"): lambda x: maps.map_neighbors(LAYOUT.coordinates, x),
    ("k", "stability"): lambda x: maps.stability([LAYOUT, LAYOUT], x),
    ("k", "trust"): lambda x: LAYOUT.trust(V, x),
    ("shots", "few"): lambda x: search.few_shot(V, L, x),
    ("seed", "few"): lambda x: search.few_shot(V, L, 3, seed=x),
    ("seed", "rows"): lambda x: search.few_shot_rows(L, 3, seed=x),
    ("seed", "report"): lambda x: report_of(TABLE, seed=x),
    ("n_neighbors", "settings"): lambda x: checked(Settings("UMAP", x), 20),
    ("seed", "settings"): lambda x: checked(Settings(seed=x), 20),
    ("seed", "grid"): lambda x: usable(GRID | {"seed": [x]}, 30),
    ("seed", "tune"): lambda x: fine_tune(None, None, seed=x),
    ("seed", "swap"): lambda x: swap_vision_tower(None, None, seed=x),
}
# A very large number is right for these: at most all are taken.
COUNTS = {
    ("most", "recall"): lambda x: approximate.measured_recall(SPACE, 3, most=x),
    ("recall_at", "approximate"): lambda x: approximate.approximate_nearest(V, 3, recall_at=x),
    ("most", "components"): lambda x: maps.principal_components(V, x),
    ("most", "neighbors"): lambda x: maps.neighbors_for_maps(V, x),
    ("most", "trust"): lambda x: LAYOUT.trustworthiness_estimate(V, 3, most=x),
    ("k", "top"): lambda x: search.top_k(V, W, x),
    ("k", "search"): lambda x: search.search(TABLE, picture="0", k=x),
    ("k", "retrieval"): lambda x: compare.retrieval(V[:1], W, [0], x),
    ("most", "disagreements"): lambda x: disagreements(TABLE, OTHER, k=3, most=x),
    ("sample", "cost"): lambda x: estimate_cost([], sample=x),
    ("batch_size", "images"): lambda x: CLIP.image_features([], batch_size=x),
    ("batch_size", "answer"): lambda x: answer(None, [], batch_size=x),
    ("batch_size", "probabilities"): lambda x: answers_with_probabilities(None, [], batch_size=x),
    ("num_pictures", "prompt"): lambda x: prompt_of("?", x),
    ("num_crops", "grid"): lambda x: hd_grid(3, 2, x),
    ("width", "grid"): lambda x: hd_grid(x, 2),
    ("resamples", "statistic"): lambda x: confidence.of_statistic(lambda rows: 1.0, 9, resamples=x),
    ("steps", "tune"): lambda x: fine_tune(None, None, steps=x),
    ("group", "scale"): lambda x: embed_at_scale(".", ".", group=x),
}
NUMBERS = {
    ("least", "pairs"): lambda x: duplicates.near_duplicates(TABLE, x),
    ("least", "groups"): lambda x: duplicates.duplicate_groups(TABLE, x),
    ("least", "report"): lambda x: report_of(TABLE, least=x),
    ("weight", "search"): lambda x: search.search(TABLE, picture="0", weight=x),
    ("min_dist", "umap"): lambda x: maps.umap_map(V, SPACE, n_neighbors=5, min_dist=x),
    ("min_dist", "grid"): lambda x: usable(GRID | {"min_dist": [x]}, 30),
    ("warmup", "tune"): lambda x: fine_tune(None, None, warmup=x),
}
TRUTHS = {
    ("draft", "embed"): lambda x: embed_images([], draft=x),
    ("draft", "cost"): lambda x: estimate_cost([], draft=x),
    ("debiased", "cka"): lambda x: compare.linear_cka(V, W, debiased=x),
}


@pytest.mark.parametrize(
    ("calls", "wrong"),
    [
        (WHOLE, NO_WHOLE),
        (COUNTS, (*NO_NUMBER, 1.5, -1, 0)),
        (NUMBERS, (*NO_NUMBER, 98, -1.5)),
        (TRUTHS, (0, 1, "no", None, float("nan"), [True])),
    ],
    ids=["whole", "counts", "numbers", "truths"],
)
def test_what_an_argument_cannot_be_is_refused_by_its_name(calls, wrong):
    for (name, _), call in calls.items():
        for value in wrong:
            with pytest.raises(
                ValueError, match=rf"\b{name}\b|neighbors|neighbours|weight|shots|k =|vectors: |directions"
            ):
                call(value)


def test_numbers_of_any_library_are_taken():
    assert [as_whole(one, "k") for one in (3, np.int8(3), np.uint64(3), np.array(3), torch.tensor(3))] == [
        3
    ] * 5
    assert [as_number(one, "w", 0, 1) for one in (0, 1, 0.5, np.float16(0.5), np.int64(1))] == [
        0,
        1,
        0.5,
        0.5,
        1,
    ]
    assert as_truth(np.False_, "draft") is False and as_seed(np.uint32(2**32 - 1)) == 2**32 - 1


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([1.7], "whole numbers"),
        ([True], "1 truth values for 3 rows"),
        ([-1], "rows from -1"),
        ([3], "to 3 of"),
    ],
)
def test_rows_of_many_files_are_numbers_or_truth_values(rows, words):
    shards = Shards(location_of("."), (Shard(f"part-{0:024}.parquet", 3, 0),), {"dimension": 2})
    with pytest.raises(ValueError, match=words):
        shards.select(rows)
    assert len(shards.select([False] * 3)) == 0


def test_the_most_tiles_are_those_of_counting_up():
    def counted(ratio, crops):
        tiles = 1
        while tiles * np.ceil(tiles / ratio) <= crops:
            tiles += 1
        return tiles - 1

    for crops in range(1, 40):
        for long_side in (1, 2, 3, 7, 16, 40, 336, 1000):
            for short_side in (1, 3, 7, 336):
                if (
                    long_side >= short_side
                    and counted(long_side / short_side, crops) * 336 >= long_side / short_side
                ):
                    grid = hd_grid(long_side, short_side, crops)
                    assert grid.cols == counted(long_side / short_side, crops)


def test_any_number_of_crops_costs_nothing():
    grid = hd_grid(10**6, 1, 10**15)
    assert (
        grid.cols * np.ceil(grid.cols / 10**6) <= 10**15 < (grid.cols + 1) * np.ceil((grid.cols + 1) / 10**6)
    )
