"""Neighbors against brute force, maps that keep what they can, search and classification."""

import numpy as np
import pytest

from phi3lib.embeddings import knn as neighbors_module
from phi3lib.embeddings import maps as maps_module
from phi3lib.embeddings.knn import nearest, unit_rows
from phi3lib.embeddings.maps import (
    Layout,
    aligned,
    neighbors_for_maps,
    pca_map,
    plane_neighbors,
    stability,
    umap_map,
)
from phi3lib.embeddings.search import (
    class_vectors,
    few_shot,
    few_shot_rows,
    near_duplicates,
    search,
    top_k,
    zero_shot,
)
from phi3lib.embeddings.table import EmbeddingTable


@pytest.fixture(scope="module")
def groups() -> np.ndarray:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(4, 16)) * 3
    return (np.repeat(centers, 40, 0) + rng.normal(size=(160, 16))).astype(np.float32)


# ------------------------------------------------------------------------------- neighbors


def test_neighbors_are_those_of_brute_force(groups, monkeypatch):
    monkeypatch.setattr(neighbors_module, "BLOCK", 37)
    near = nearest(groups, 7)
    unit = groups / np.linalg.norm(groups, axis=1, keepdims=True)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -2)
    assert np.array_equal(near.indices, np.argsort(-likeness, axis=1)[:, :7])
    assert np.allclose(near.distances, 1 - np.sort(likeness, axis=1)[:, ::-1][:, :7], atol=1e-5)


def test_equal_vectors_are_neighbors_and_no_item_is_its_own():
    vectors = np.ones((5, 3))
    near = nearest(vectors, 3)
    assert all(row not in near.indices[row] for row in range(5))
    assert near.indices[4].tolist() == [0, 1, 2]
    assert np.allclose(near.distances, 0, atol=1e-6)


@pytest.mark.parametrize(
    ("vectors", "k", "words"),
    [
        (np.ones((3, 2)), 3, "3 neighbors of 3 items"),
        (np.array([[1.0, np.nan], [1, 2]]), 1, "NaN"),
        (np.array([[0.0, 0], [1, 2]]), 1, "vector 0 is zero"),
        (np.ones(4), 1, "shape"),
    ],
)
def test_what_has_no_neighbors_is_refused(vectors, k, words):
    with pytest.raises(ValueError, match=words):
        nearest(vectors, k)


# ------------------------------------------------------------------------------- maps


@pytest.fixture(scope="module")
def maps(groups) -> list[Layout]:
    space = nearest(groups, 30)
    return [umap_map(groups, space, n_neighbors=12, seed=seed) for seed in (0, 1)]


@pytest.mark.slow
def test_umap_keeps_neighbors_better_than_chance_and_groups_together(groups, maps):
    space = nearest(groups, 30)
    kept = maps[0].kept_estimate(space)
    assert kept.low > 3 * kept.chance
    assert maps[0].trustworthiness(groups) > 0.8
    labels = np.repeat(np.arange(4), 40)
    near = plane_neighbors(maps[0].coordinates, 5)
    assert (labels[near] == labels[:, None]).mean() > 0.95


@pytest.mark.slow
def test_a_map_is_the_same_on_every_run_and_another_with_another_seed(groups, maps):
    again = umap_map(groups, nearest(groups, 30), n_neighbors=12, seed=0)
    assert np.array_equal(again.coordinates, maps[0].coordinates)
    assert not np.allclose(maps[1].coordinates, maps[0].coordinates)
    same = stability(maps)
    assert same.chance < same.low < same.high <= 1


@pytest.mark.slow
def test_a_map_from_an_earlier_one_stays_near_it(groups, maps):
    warm = umap_map(groups, nearest(groups, 30), n_neighbors=14, seed=0, start=maps[0])
    assert warm.parameters["start"] == "a layout"
    moved = np.linalg.norm(aligned(warm, maps[0]).coordinates - maps[0].coordinates, axis=1).mean()
    spread = maps[0].coordinates.std()
    assert moved < spread
    assert warm.trustworthiness(groups) > 0.8


@pytest.mark.parametrize("start", ["pca", "random", "a layout"])
def test_maps_start_in_a_square_of_ten(groups, start):
    layout = Layout(pca_map(groups).coordinates * 3 - 70, {})
    places = maps_module._start(groups, layout if start == "a layout" else start, seed=0)
    low, high = places.min(0), places.max(0)
    noise = 1e-4 if start == "random" else 0.05
    assert (low > -noise).all() and (high < 10 + noise).all() and (high - low > 9).all()


@pytest.mark.slow
def test_a_map_by_umap_is_a_start_at_its_own_scale_and_any_other_is_laid_out_in_full(groups, monkeypatch):
    """Squeezed into a square, a map has to unfold once more: its neighbors are torn on the way."""
    ways, laid_out = [], maps_module._laid_out
    monkeypatch.setattr(
        maps_module, "_laid_out", lambda *a, **k: ways.append((k["epochs"], k["step"])) or laid_out(*a, **k)
    )
    space = nearest(groups, 30)
    flat = Layout(np.zeros((len(groups), 2), np.float32), {})  # noise drives it apart
    for start in (umap_map(groups, space, n_neighbors=12), flat):
        again = umap_map(groups, space, n_neighbors=12, start=start)
        assert again.kept(space).mean() > 3 * again.kept_estimate(space).chance
    full, warm = (maps_module.EPOCHS, maps_module.STEP), (maps_module.EPOCHS_WARM, maps_module.STEP_WARM)
    assert ways == [full, warm, full] and warm[1] < full[1]
    wide = Layout(again.coordinates * 7 + 3, again.parameters)
    assert np.array_equal(maps_module._start(groups, wide, seed=0), wide.coordinates)


@pytest.mark.slow
def test_many_items_start_from_a_map_of_a_part_and_keep_as_much_in_fewer_rounds(monkeypatch):
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(12, 20)) * 2)[np.arange(1600) % 12] + rng.normal(size=(1600, 20))
    vectors[:40] = vectors[0]  # copies
    space = nearest(vectors, 15)
    whole = umap_map(vectors, space, n_neighbors=12)
    ways, laid_out = [], maps_module._laid_out
    monkeypatch.setattr(
        maps_module,
        "_laid_out",
        lambda graph, *a, **k: ways.append((graph.shape[0], k["epochs"])) or laid_out(graph, *a, **k),
    )
    for name, value in (("LAID_OUT_TWICE", 1600), ("LEAST_PART", 200)):
        monkeypatch.setattr(maps_module, name, value)
    twice, again = (umap_map(vectors, space, n_neighbors=12) for _ in range(2))
    assert ways == [(200, 300), (1600, 100)] * 2
    assert np.array_equal(twice.coordinates, again.coordinates)
    assert twice.parameters == whole.parameters
    assert twice.kept(space).mean() > whole.kept(space).mean() - 0.02
    assert twice.trustworthiness(vectors) > whole.trustworthiness(vectors) - 0.01
    assert len(np.unique(twice.coordinates, axis=0)) == 1600
    umap_map(vectors, space, n_neighbors=12, start="random")
    assert ways[4:] == [(1600, 300)]  # what comes from the start is to be seen


def test_the_rounds_of_a_map_count_those_of_its_parts():
    rounds = maps_module.rounds_for
    assert rounds(4_999) == 300
    assert rounds(5_000) == 100 + 300 / 4 and rounds(10_000) == 100 + 300 / 8
    assert rounds(40_000) == 100 + rounds(5_000) / 8
    assert rounds(1_600_000) == 100 + rounds(20_000) / 80


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:precomputed_knn")  # that items cannot be added to the map
def test_layouts_are_those_of_umap(groups):
    """Bit by bit: from the same start umap-learn has the same places."""
    from umap import UMAP

    space = nearest(groups, 11)
    graph = maps_module._graph(space)
    rng = np.random.default_rng(0)
    start = np.stack([rng.permutation(641)[: len(groups)] / 64 for _ in range(2)], 1).astype(np.float32)
    start[0], start[-1] = 0, 10  # umap-learn scales to this square, here without rounding
    a, b = map(np.float32, maps_module.curve(0.1))
    fitted = UMAP(
        n_neighbors=12, metric="cosine", n_epochs=40, init=start.copy(), random_state=3, n_jobs=1, a=a, b=b,
        precomputed_knn=(
            np.hstack([np.arange(len(groups))[:, None], space.indices]).astype(np.int32),
            np.hstack([np.zeros((len(groups), 1)), space.distances]).astype(np.float32),
        ),
    ).fit(groups)  # fmt: skip
    ours = maps_module._laid_out(graph, start, min_dist=0.1, epochs=40, step=1.0, seed=3)
    assert np.array_equal(ours, fitted.embedding_)


@pytest.mark.parametrize(
    ("min_dist", "reference"), [(0.0, (1.932808, 0.790495)), (0.1, (1.576943, 0.895061))]
)
def test_the_curve_is_that_of_umap(min_dist, reference):
    assert maps_module.curve(min_dist) == pytest.approx(reference, abs=2e-6)


@pytest.mark.slow
def test_from_chance_the_large_order_is_another_one_for_each_seed(groups):
    space = nearest(groups, 30)
    maps = [umap_map(groups, space, n_neighbors=12, seed=seed, start="random") for seed in (0, 1)]
    assert all(one.trustworthiness(groups) > 0.8 for one in maps)
    with pytest.raises(ValueError, match="not from 'spectral'"):
        umap_map(groups, space, n_neighbors=12, start="spectral")


def test_pca_shows_the_two_widest_directions(groups):
    from sklearn.decomposition import PCA

    unit = groups / np.linalg.norm(groups, axis=1, keepdims=True)
    reference = PCA(2).fit(unit)
    ours = pca_map(groups)
    assert np.allclose(ours.parameters["variance"], reference.explained_variance_ratio_, atol=1e-4)
    assert np.allclose(np.abs(ours.coordinates), np.abs(reference.transform(unit)), atol=1e-3)


@pytest.mark.parametrize("count", [160, 12])  # more items than numbers, and fewer
def test_no_component_is_mirrored_from_one_computer_to_another(groups, count):
    """The longest coordinate of each direction is positive, whatever the sign that LAPACK gave."""
    unit = unit_rows(groups[:count]).astype(np.float64)
    centered = unit - unit.mean(0)
    values, _ = maps_module.principal_components(groups[:count], 6)
    directions = (centered.T @ values / np.square(values).sum(0)).T
    longest = np.abs(directions).argmax(1)
    assert (directions[np.arange(6), longest] > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("count", [5, 12])
def test_few_items_and_equal_items_make_a_map(count):
    vectors = np.ones((count, 4), np.float32)
    vectors[0, 0] = 2
    layout = umap_map(vectors, neighbors_for_maps(vectors), n_neighbors=4)
    assert layout.coordinates.shape == (count, 2)
    assert np.isfinite(layout.coordinates).all()


def test_wrong_parameters_are_refused(groups):
    space = nearest(groups, 10)
    with pytest.raises(ValueError, match="2 to 11"):
        umap_map(groups, space, n_neighbors=12)
    with pytest.raises(ValueError, match="3 items, the data 160"):
        umap_map(groups, space, n_neighbors=5, start=Layout(np.zeros((3, 2), np.float32), {}))
    with pytest.raises(ValueError, match="three items"):
        pca_map(groups[:2])


def test_alignment_undoes_turning_mirroring_and_scale(groups):
    fixed = pca_map(groups)
    turned = Layout((fixed.coordinates[:, ::-1] * 7 + 3).astype(np.float32), {})
    assert np.allclose(aligned(turned, fixed).coordinates, fixed.coordinates, atol=1e-4)


def test_trustworthiness_is_that_of_scikit_learn(groups, monkeypatch):
    from sklearn.manifold import trustworthiness

    monkeypatch.setattr(maps_module, "BLOCK", 37)
    rng = np.random.default_rng(5)
    for layout in (pca_map(groups), Layout(rng.normal(size=(160, 2)).astype(np.float32), {})):
        reference = trustworthiness(groups, layout.coordinates, n_neighbors=7, metric="cosine")
        assert layout.trustworthiness(groups, 7) == pytest.approx(reference, abs=1e-4)
    with pytest.raises(ValueError, match="less than half"):
        layout.trustworthiness(groups, 80)
    with pytest.raises(ValueError, match="do not fit"):
        layout.trustworthiness(groups[:9], 3)


def test_equal_items_do_not_lower_trust():
    vectors = np.repeat(np.eye(4, 6, dtype=np.float32), 10, 0)
    places = np.repeat(np.array([[0, 0], [0, 9], [9, 0], [9, 9]], np.float32), 10, 0)
    assert Layout(places, {}).trustworthiness(vectors, 5) == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda v, s: umap_map(v[:9], s, n_neighbors=5), "9 vectors, but neighbors of 160"),
        (lambda v, s: umap_map(v, s, n_neighbors=5, min_dist=-1.0), "min_dist is -1"),
        (lambda v, s: umap_map(v * np.nan, s, n_neighbors=5), "NaN"),
        (lambda v, s: pca_map(v[:, :1]), "one number"),
        (lambda v, s: pca_map(np.zeros_like(v)), "is zero"),
        (lambda v, s: plane_neighbors(v[:5, :2], 5), "5 neighbors on a map of 5"),
        (lambda v, s: stability([pca_map(v)]), "two layouts"),
        (lambda v, s: aligned(pca_map(v), pca_map(v[:9])), "160 and 9 items"),
        (lambda v, s: nearest(np.zeros((5, 3)), 2), "zero and has no direction"),
        (lambda v, s: top_k(v, v, 0), "k is 0; expected a whole number, at least 1"),
        (lambda v, s: top_k(v[:0], v), "no query"),
        (lambda v, s: few_shot(v, [0] * 160, 1), "1 kinds"),
        (lambda v, s: few_shot(v, [0, 1], 1), "2 labels"),
        (lambda v, s: few_shot(v, [0, 1] * 80, 0), "0 shots"),
    ],
)
def test_what_makes_no_map_or_search_is_refused_in_words(wrong, words, groups):
    with pytest.raises(ValueError, match=words):
        wrong(groups, nearest(groups, 10))


def test_more_vectors_than_numbers_or_fewer_give_the_same_kind_of_map(groups):
    wide = groups[:10]  # fewer items than numbers
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    from sklearn.decomposition import PCA

    assert np.allclose(np.abs(pca_map(wide).coordinates), np.abs(PCA(2).fit_transform(unit)), atol=1e-3)
    assert pca_map(np.ones((5, 3))).coordinates.std() == 0


def test_a_layout_on_one_place_is_shifted_only(groups):
    fixed = pca_map(groups)
    flat = Layout(np.zeros_like(fixed.coordinates), {})
    assert np.isfinite(aligned(flat, fixed).coordinates).all()


def test_layouts_are_saved_with_their_parameters(groups, tmp_path):
    layout = pca_map(groups)
    layout.save(tmp_path / "map.parquet", [str(row) for row in range(len(groups))])
    again, ids = Layout.load(tmp_path / "map.parquet")
    assert np.array_equal(again.coordinates, layout.coordinates)
    assert again.parameters.pop("versions")["umap-learn"]
    assert again.parameters == layout.parameters
    assert ids[3] == "3"


def test_points_on_one_place_are_neighbors_of_each_other():
    near = plane_neighbors(np.zeros((4, 2), np.float32), 3)
    assert all(sorted([*row, place]) == [0, 1, 2, 3] for place, row in enumerate(near.tolist()))


# ------------------------------------------------------------------------------- search


def test_top_k_is_sorted_and_exact(groups):
    rows, cosines = top_k(groups[:3], groups, 5)
    assert rows[:, 0].tolist() == [0, 1, 2]
    assert np.allclose(cosines[:, 0], 1, atol=1e-5)
    assert (np.diff(cosines, axis=1) <= 0).all()
    with pytest.raises(ValueError, match="not one space"):
        top_k(np.ones((1, 3)), groups)


def test_search_by_text_picture_and_both(clip):
    from PIL import Image

    from phi3lib.embeddings.embed import embed_images

    pictures = [Image.effect_noise((40, 40), 10 + 20 * n).convert("RGB") for n in range(6)]
    table = embed_images(pictures, model=clip, progress=False)
    assert search(table, picture="3", k=2)[0].id == "3"
    assert search(table, clip, picture=pictures[3], k=1)[0].id == "3"
    by_text = search(table, clip, text="noise", k=6)
    assert [hit.cosine for hit in by_text] == sorted((hit.cosine for hit in by_text), reverse=True)
    mixed = search(table, clip, text="noise", picture="3", weight=0.0, k=1)
    assert mixed[0].id == "3"
    with pytest.raises(ValueError, match="text, a picture"):
        search(table, clip)


def test_a_mixture_has_the_weights_that_are_asked_for(groups, monkeypatch):
    text, table = groups[:1] * 2, EmbeddingTable(groups, tuple(map(str, range(160))))
    monkeypatch.setattr("phi3lib.embeddings.search._text_vector", lambda *_: unit_rows(text))
    for weight in (0.2, 0.7):
        query = weight * unit_rows(text) + (1 - weight) * unit_rows(groups[90:91])
        rows, cosines = top_k(query, groups, 4)
        found = search(table, object(), text="words", picture="90", weight=weight, k=4)
        assert [hit.row for hit in found] == rows[0].tolist()
        assert [hit.cosine for hit in found] == pytest.approx(cosines[0].tolist())


def test_by_default_ten_are_found_and_text_and_picture_weigh_the_same(groups, monkeypatch):
    table = EmbeddingTable(groups, tuple(map(str, range(160))))
    monkeypatch.setattr("phi3lib.embeddings.search._text_vector", lambda *_: unit_rows(groups[:1]))
    found = search(table, object(), text="words", picture="90")
    assert len(found) == 10
    half = unit_rows(groups[:1]) + unit_rows(groups[90:91])
    assert [hit.row for hit in found] == top_k(half, groups, 10)[0][0].tolist()
    by_row = {hit.row: hit.cosine for hit in search(table, object(), text="words", picture="90", k=160)}
    assert by_row[0] == pytest.approx(by_row[90], abs=1e-6)


def test_a_class_is_the_mean_direction_of_its_prompts(clip):
    prompts, names = ("{}", "a picture of {}", "this is {}"), ["a cat", "a house"]
    found = class_vectors(clip, names, prompts)
    for name, vector in zip(names, found, strict=True):
        texts = unit_rows(clip.text_features([one.format(name) for one in prompts]).numpy())
        mean = texts.mean(0)
        assert np.allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)


def test_shots_are_so_many_of_each_label_and_all_others_are_scored(groups):
    labels = np.repeat(["a", "b", "c", "d"], [30, 40, 50, 40])
    train, test = few_shot_rows(labels, 7)
    assert sorted([*train, *test]) == list(range(160))
    assert np.unique(labels[train], return_counts=True)[1].tolist() == [7] * 4
    found = few_shot(groups, labels, 29)
    assert (found.count, found.chance) == (160 - 4 * 29, 1 / 4)
    with pytest.raises(ValueError, match="30 items of each label leave none"):
        few_shot(groups, labels, 30)


def test_a_search_reads_pictures_as_the_table_did_and_mixes_no_spaces(clip, phi3):
    from PIL import Image

    from phi3lib.embeddings.embed import embed_images

    pictures = [Image.effect_noise((40, 40), 10 + 20 * n).convert("RGB") for n in range(6)]
    patches = embed_images(pictures, model=clip, pooling="patches", progress=False)
    hit = search(patches, clip, picture=pictures[4], k=1)[0]
    assert (hit.id, round(hit.cosine, 4)) == ("4", 1.0)
    with pytest.raises(ValueError, match="not in the space of texts"):
        search(patches, clip, text="noise")
    of_phi3 = embed_images(pictures, model=phi3, progress=False)
    assert search(of_phi3, phi3, picture=pictures[2], k=1)[0].id == "2"
    with pytest.raises(ValueError, match="not in the space of texts"):
        search(of_phi3, phi3, text="noise")
    with pytest.raises(ValueError, match="family 'phi3'"):
        search(of_phi3, clip, picture=pictures[2])
    with pytest.raises(ValueError, match="need the model"):
        search(patches, picture=pictures[2])
    with pytest.raises(ValueError, match="weight of the text is .*; expected a number from 0 to 1"):
        search(patches, clip, text="noise", picture="3", weight=1.5)
    with pytest.raises(ValueError, match="class"):
        zero_shot(patches.vectors, clip, [])


def test_zero_shot_is_the_softmax_of_scaled_cosines(clip, groups):
    width = clip.model.config.projection_dim
    vectors = np.random.default_rng(0).normal(size=(4, width))
    names = ["a cat", "a dog", "a house"]
    answers = zero_shot(vectors, clip, names, prompts=("{}",))
    assert np.allclose(answers.sum(1), 1)
    turned = zero_shot(vectors, clip, names[::-1], prompts=("{}",))
    assert np.allclose(turned[:, ::-1], answers)
    texts = clip.text_features(names).numpy()
    cosines = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)) @ (
        texts / np.linalg.norm(texts, axis=1, keepdims=True)
    ).T
    logits = float(clip.model.logit_scale.detach().exp()) * cosines
    assert np.allclose(answers, np.exp(logits) / np.exp(logits).sum(1, keepdims=True), atol=1e-4)


def test_more_shots_help(groups):
    labels = np.repeat(np.arange(4), 40)
    noisy = groups + 3 * np.random.default_rng(1).normal(size=groups.shape).astype(np.float32)
    assert few_shot(noisy, labels, 20).value > few_shot(noisy, labels, 1).value
    with pytest.raises(ValueError, match="leave none"):
        few_shot(groups, labels, 40)


def test_planted_duplicates_are_found(groups):
    vectors = np.vstack([groups[:20], groups[3:4] + 1e-4])
    table = EmbeddingTable(vectors.astype(np.float32), tuple(f"p{n}" for n in range(21)))
    pairs = near_duplicates(table, 0.9999)
    assert [pair[:2] for pair in pairs] == [("p3", "p20")]


@pytest.mark.filterwarnings("error", "ignore:Tensorflow not installed:ImportWarning")  # where umap is new
def test_a_map_is_made_without_warnings_even_where_all_items_are_neighbors():
    vectors = np.random.default_rng(0).normal(size=(8, 5))
    assert umap_map(vectors, nearest(vectors, 7), n_neighbors=8).coordinates.shape == (8, 2)


def test_vectors_of_another_width_are_another_space(clip):
    with pytest.raises(ValueError, match="have 4 numbers, the model's 8: not one space"):
        search(EmbeddingTable(np.eye(4), tuple("abcd")), clip, text="a dog")
    with pytest.raises(ValueError, match="have 4 numbers, the model's 8: not one space"):
        zero_shot(np.eye(4), clip, ["a dog"])


@pytest.mark.parametrize("prompt", ["a photo", "{} {}", "a {label}", "a { }", "a {"])
def test_a_prompt_has_one_place_for_the_class(clip, prompt):
    with pytest.raises(ValueError, match="needs one {} where the class stands"):
        zero_shot(np.ones((1, 8)), clip, ["a dog", "a cat"], ["{}", prompt])


@pytest.mark.parametrize("count", [60, 5_000])
def test_a_layout_tells_after_each_round_and_can_be_ended(monkeypatch, count):
    monkeypatch.setattr(maps_module, "EPOCHS_AFTER_PART", 3)
    monkeypatch.setattr(maps_module, "EPOCHS", 4)
    vectors = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    near, told = nearest(vectors, 4), []
    plain = umap_map(vectors, near, n_neighbors=5)
    assert (umap_map(vectors, near, n_neighbors=5, tell=told.append).coordinates == plain.coordinates).all()
    rounds = [0.25, 0.5, 0.75, 1]
    assert told == pytest.approx(rounds if count == 60 else [*(one / 2 for one in rounds), 4 / 6, 5 / 6, 1])

    def end(share):
        raise KeyError(share)

    with pytest.raises(KeyError):
        umap_map(vectors, near, n_neighbors=5, tell=end)
