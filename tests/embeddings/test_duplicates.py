"""Near duplicates: every exact copy is found, and thousands of copies stay a short list."""

import tracemalloc

import numpy as np
import pytest

from phi3lib.embeddings.duplicates import MOST_PAIRS, SMALL_GROUP, duplicate_groups, near_duplicates
from phi3lib.embeddings.table import EmbeddingTable


def table_of(vectors: np.ndarray) -> EmbeddingTable:
    return EmbeddingTable(vectors.astype(np.float32), tuple(f"p{n}" for n in range(len(vectors))))


def test_every_exact_copy_is_found():
    vectors = np.random.default_rng(0).normal(size=(300, 512))
    pairs = near_duplicates(table_of(np.concatenate([vectors, vectors])), least=1.0)
    assert sorted(pairs) == sorted((f"p{n}", f"p{n + 300}", 1.0) for n in range(300))


def test_pairs_are_those_of_all_cosines():
    rng = np.random.default_rng(1)
    vectors = np.repeat(rng.normal(size=(40, 8)), 3, axis=0) + rng.normal(scale=0.1, size=(120, 8))
    vectors = vectors.astype(np.float32)
    unit = vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = unit @ unit.T
    wanted = {(f"p{a}", f"p{b}") for a in range(120) for b in range(a + 1, 120) if cosines[a, b] >= 0.97}
    pairs = near_duplicates(table_of(vectors), least=0.97)
    assert {pair[:2] for pair in pairs} == wanted and len(pairs) == len(wanted) > 30
    values = [pair[2] for pair in pairs]
    assert values == sorted(values, reverse=True)
    assert all(c == pytest.approx(cosines[int(a[1:]), int(b[1:])], abs=1e-9) for a, b, c in pairs)


def test_groups_are_linked_by_their_members():
    angles = np.array([0, 10, 20, 90, 95, 180, 270])  # 0 and 20 are linked through 10 only
    vectors = np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=1)
    least = float(np.cos(np.radians(10.5)))
    assert duplicate_groups(table_of(vectors), least) == [("p0", "p1", "p2"), ("p3", "p4")]
    assert [pair[:2] for pair in near_duplicates(table_of(vectors), least)] == [
        ("p3", "p4"),
        ("p0", "p1"),
        ("p1", "p2"),
    ]
    assert duplicate_groups(table_of(vectors), 1.0) == [] and near_duplicates(table_of(vectors), 1.0) == []
    with pytest.raises(ValueError, match="least is 1.1; expected a number from -1 to 1"):
        near_duplicates(table_of(vectors), 1.1)


def test_thousands_of_copies_are_a_short_list_and_need_little_memory():
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(2600, 16)).astype(np.float32)
    vectors[50:2550] = vectors[50]  # 2,500 placeholders: 3.1 million pairs
    vectors[7] = vectors[3]
    table = table_of(vectors)
    tracemalloc.start()
    pairs = near_duplicates(table, least=0.9999)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100e6 and len(pairs) < MOST_PAIRS
    assert ("p3", "p7", 1.0) in pairs
    of_copies = [pair for pair in pairs if pair[:2] != ("p3", "p7")]
    assert {name for pair in of_copies for name in pair[:2]} == {f"p{n}" for n in range(50, 2550)}
    assert all(first == "p50" for first, _, _ in of_copies) and len(of_copies) == 2499
    groups = duplicate_groups(table, least=0.9999)
    assert [len(group) for group in groups] == [2500, 2] and groups[1] == ("p3", "p7")


def test_small_groups_are_listed_in_full_beside_large_ones(monkeypatch):
    monkeypatch.setattr("phi3lib.embeddings.duplicates.MOST_PAIRS", 20)
    vectors = np.repeat(np.eye(3), (SMALL_GROUP + 1, SMALL_GROUP, 1), axis=0)
    pairs = near_duplicates(table_of(vectors), least=1.0)
    large = [pair for pair in pairs if int(pair[0][1:]) <= SMALL_GROUP]
    assert len(large) == SMALL_GROUP and len(pairs) - len(large) == SMALL_GROUP * (SMALL_GROUP - 1) // 2
