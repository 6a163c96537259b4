"""Neighbors and cosines: exact for near copies, never above 1, and ties are ties in every measure."""

import tracemalloc

import numpy as np
import pandas
import pyarrow
import pytest
import torch

from phi3lib import EmbeddingTable
from phi3lib.embeddings.compare import linear_cka, mutual_knn, shared_neighbors
from phi3lib.embeddings.confidence import of_mean
from phi3lib.embeddings.knn import (
    Directions,
    Neighbors,
    cosine_matrix,
    exact_unit_rows,
    first_equal_row,
    nearest,
    share_in_common,
    unit_rows,
)
from phi3lib.embeddings.maps import Layout, map_neighbors, neighbors_for_maps, pca_map, steadiness
from phi3lib.embeddings.search import top_k


def near_copies(count: int, width: int, spread: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=width) + spread * rng.normal(size=(count, width))).astype(np.float32)


def by_differences(vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Neighbors from all differences in float64: slow, and without a product that loses digits."""
    unit = vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    apart = ((unit[:, None] - unit[None]) ** 2).sum(2) / 2
    np.fill_diagonal(apart, 9)
    order = np.argsort(apart, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(apart, order, axis=1)


# ------------------------------------------------------------------------------- exact


@pytest.mark.parametrize("spread", [1.0, 1e-2, 1e-3, 1e-5])
def test_neighbors_of_near_copies_are_exact(spread):
    vectors = near_copies(200, 64, spread)
    found, (rows, apart) = nearest(vectors, 5), by_differences(vectors, 5)
    assert (found.indices == rows).mean() > 0.999
    assert found.distances == pytest.approx(apart, rel=1e-5, abs=1e-15)


@pytest.mark.parametrize("products", [1, 200 * 150])
def test_neighbors_are_the_same_however_many_similarities_are_in_memory(products, monkeypatch):
    monkeypatch.setattr("phi3lib.embeddings.knn.PRODUCTS", products)  # 128 or 150 of 200 rows at a time
    vectors = near_copies(200, 64, 1.0)
    found, (rows, apart) = nearest(vectors, 5), by_differences(vectors, 5)
    assert (found.indices == rows).all()
    assert found.distances == pytest.approx(apart, rel=1e-6)


def test_a_search_of_few_reserves_memory_for_few():
    many = Directions(near_copies(50_000, 4, 1.0))
    tracemalloc.start()
    many.closest(Directions(near_copies(2, 4, 1.0)), 5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2 * 50_000 * 8  # some arrays of two rows; one of 128 has 26 MB


def test_equal_and_unequal_copies_are_told_apart():
    vectors = np.repeat(near_copies(60, 16, 1e-4), 5, axis=0)  # five of each
    found = nearest(vectors, 4)
    assert (found.distances == 0).all()
    assert (found.indices // 5 == np.arange(300)[:, None] // 5).all()
    assert (np.diff(found.indices, axis=1) > 0).all()  # of equals the earlier comes first


@pytest.mark.parametrize("classes", [1, 7, 16, 41])
def test_no_order_of_the_items_hides_a_neighbor(classes):
    """Many items: the k-th nearest is estimated by groups of them, which classes in turn could all fill."""
    rng = np.random.default_rng(classes)
    vectors = (rng.normal(size=(classes, 24)) * 3)[np.arange(656) % classes] + rng.normal(size=(656, 24))
    for ordered in (vectors, vectors[np.argsort(np.arange(656) % classes, kind="stable")]):
        found, (rows, apart) = nearest(ordered, 6), by_differences(ordered, 6)
        assert (found.indices == rows).all()
        assert found.distances == pytest.approx(apart, rel=1e-6)


def test_distances_reach_from_0_to_2():
    opposite = nearest(np.array([[1.0, 0.0], [-3.0, 0.0]]), 1)
    assert opposite.distances.tolist() == [[2.0], [2.0]]
    square = nearest(np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]), 2)
    assert square.distances == pytest.approx(np.array([[1, 2], [1, 1], [1, 2]]))
    assert top_k([[1.0, 0.0]], [[-2.0, 0.0]], 1)[1].item() == -1.0


# ------------------------------------------------------------------------------- cosines


def test_cosines_are_at_most_one():
    vectors = np.random.default_rng(0).normal(size=(300, 512)).astype(np.float32)
    rows, cosines = top_k(vectors, vectors, 3)
    assert (rows[:, 0] == np.arange(300)).all() and (cosines[:, 0] == 1).all()
    longer = vectors * np.array([1, 3, 1e-6])[np.arange(300) % 3, None]
    assert top_k(longer, vectors, 1)[1].max() <= 1
    products = cosine_matrix(vectors, longer)
    assert products.max() <= 1 and products.min() >= -1
    unit = exact_unit_rows(vectors)
    assert products == pytest.approx(unit @ unit.T, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_of_any_size_get_the_length_one(dtype):
    limit = float(np.finfo(dtype).max)
    vectors = np.array([[limit, limit], [limit, -limit], [np.finfo(dtype).tiny, 0]], dtype=dtype)
    half = np.sqrt(0.5)
    assert unit_rows(vectors) == pytest.approx(np.array([[half, half], [half, -half], [1, 0]]))
    assert unit_rows(vectors).dtype == np.float32 and exact_unit_rows(vectors).dtype == np.float64


def test_what_has_no_direction_is_refused():
    for bad, words in (
        ([1.0, 2.0], "shape"),
        ([[1.0, np.nan]], "NaN"),
        ([[np.inf, 1.0]], "NaN or infinity"),
        ([[1.0, 0.0], [0.0, 0.0]], "vector 1 is zero"),
        (np.empty((2, 0)), "no numbers"),
    ):
        with pytest.raises(ValueError, match=words):
            exact_unit_rows(bad)
    vectors = [[1.0, 0.0], [0.0, 1.0]]
    assert exact_unit_rows(vectors) is not vectors
    kept = np.array([[2.0, 0.0]])
    exact_unit_rows(kept)
    assert kept[0, 0] == 2  # what came in is not changed


def test_the_first_equal_row_is_found():
    rows = np.array([[0.0, 1], [2, 3], [-0.0, 1], [2, 3], [4, 5]])
    assert first_equal_row(rows).tolist() == [0, 1, 0, 1, 4]
    assert len(first_equal_row(rows[:0])) == 0


# ------------------------------------------------------------------------------- ties


def test_copies_on_one_point_are_all_kept():
    vectors = np.random.default_rng(0).normal(size=(120, 32)).astype(np.float32)
    vectors[:60] = vectors[0]
    kept = pca_map(vectors).kept(neighbors_for_maps(vectors))
    assert (kept[:60] == 1).all() and kept[60:].mean() < 0.9


def test_two_spaces_with_the_same_copies_share_all_neighbors():
    rng = np.random.default_rng(1)
    space = np.repeat(rng.normal(size=(6, 8)), 10, axis=0)
    turned = space[:, ::-1] + 1e-9 * rng.normal(size=space.shape)  # ties in one space, an order in the other
    assert (shared_neighbors(space, turned, 4) == 1).all()
    assert mutual_knn(space, turned, 4).value == 1


def test_a_space_of_equals_shares_no_more_than_chance():
    rng = np.random.default_rng(2)
    everything_equal = np.ones((60, 4))
    shared = [shared_neighbors(everything_equal, rng.normal(size=(60, 4)), 6).mean() for _ in range(10)]
    assert np.mean(shared) == pytest.approx(6 / 59, abs=0.05)


def test_shared_neighbors_without_ties_are_the_overlap_of_two_sets():
    rng = np.random.default_rng(3)
    one = rng.normal(size=(40, 5))
    other = one + rng.normal(size=(40, 5))
    a, b = by_differences(one, 6)[0], by_differences(other, 6)[0]
    overlap = [len(set(x) & set(y)) / 6 for x, y in zip(a, b, strict=True)]
    assert shared_neighbors(one, other, 6) == pytest.approx(np.array(overlap))
    assert share_in_common(nearest(one, 6), nearest(other, 6)) == pytest.approx(np.array(overlap))


def test_wobble_does_not_come_from_items_on_one_place():
    rng = np.random.default_rng(4)
    places = np.repeat(rng.normal(size=(5, 2)), 12, axis=0).astype(np.float32)
    order = rng.permutation(60)
    again = np.empty_like(places)
    again[order] = places[order]
    shaken = Layout(again + rng.normal(scale=1e-9, size=again.shape).astype(np.float32), {})
    assert (steadiness([Layout(places, {}), shaken], 5) == 1).all()
    found = map_neighbors(places, 5)
    assert (found.distances == 0).all() and (found.indices // 12 == np.arange(60)[:, None] // 12).all()


def test_the_first_of_the_neighbors():
    found = nearest(np.random.default_rng(5).normal(size=(12, 3)), 6)
    assert (found.first(2).indices == found.indices[:, :2]).all()
    assert found.first(6).distances.shape == (12, 6)
    for bad in (0, 7):
        with pytest.raises(ValueError, match="6 are known"):
            found.first(bad)


def test_no_item_has_as_many_neighbors_as_there_are_items():
    vectors = np.random.default_rng(0).normal(size=(5, 3))
    assert nearest(vectors, 4).indices.shape == (5, 4)
    with pytest.raises(ValueError, match="5 neighbors of 5 items"):
        nearest(vectors, 5)


def test_the_first_of_the_neighbors_have_the_same_idea_of_a_tie():
    known = Neighbors(np.array([[1, 2]]), np.zeros((1, 2), np.float32), np.zeros((3, 2)), tie=0.5)
    assert known.first(1).tie == 0.5


@pytest.mark.parametrize("measure", [nearest, pca_map, exact_unit_rows, linear_cka, EmbeddingTable, of_mean])
def test_numbers_of_every_library_are_the_same_numbers(measure):
    space = np.random.default_rng(0).integers(-9, 9, size=(6, 3)).astype(np.float32) + 0.5
    if measure is of_mean:
        space = space[:, 0]
    call = {
        nearest: lambda given: nearest(given, 2).distances,
        pca_map: lambda given: pca_map(given).coordinates,
        linear_cka: lambda given: linear_cka(given, space),
        EmbeddingTable: lambda given: EmbeddingTable(given, tuple("abcdef")).vectors,
        of_mean: lambda given: of_mean(given).value,
    }.get(measure, measure)
    tensor = torch.tensor(space, requires_grad=True)
    given = {
        "float16": space.astype(np.float16),
        "other byte order": space.astype(">f8"),
        "objects": space.astype(object),
        "tensor": tensor,
        "bfloat16": tensor.detach().bfloat16(),
        "column": pandas.Series(space.tolist(), index=range(6)[::-1]),
        "column of arrays": pandas.Series(list(space)),
        "frame": pandas.DataFrame(space),
        "Arrow": pyarrow.array(space.tolist()),
        "list of tensors": list(tensor),
        "generator": (row for row in space),
        "nothing masked": np.ma.array(space),
    }
    for name, values in given.items():
        if name != "frame" or measure is not of_mean:
            assert np.allclose(call(values), call(space), atol=1e-6), name
    refused = {
        "NaN|finite": np.ma.array(space, mask=space > 0),
        "type complex": space + 1j,
        r"pass its \.vectors": EmbeddingTable(np.eye(6), tuple("abcdef")),
        "inhomogeneous": [[1, 2], [1]] * 3,
        "shape": None,
    }
    for words, values in refused.items():
        with pytest.raises(ValueError, match=words):
            call(values)
