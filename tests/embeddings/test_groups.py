"""Groups of points: centres, distances and widths."""

import numpy as np
import pytest

from phi3lib.embeddings.groups import groups_of

SQUARE = np.array([[-1, 0], [1, 0], [0, 1], [0, -1]], dtype=np.float32)


def test_distances_and_widths_are_those_of_the_points() -> None:
    points = np.concatenate([SQUARE, 3 * SQUARE + [3, 4]])
    found = groups_of(points, ["near"] * 4 + ["far"] * 4)
    assert found.names == ("far", "near")
    np.testing.assert_allclose(found.centers, [[3, 4], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(found.distances, [[0, 5], [5, 0]])
    np.testing.assert_allclose(found.widths, [3, 1])


def test_nothing_changes_when_items_are_shuffled_or_the_space_is_turned() -> None:
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(60, 5)), rng.integers(4, size=60)
    turned = points @ np.linalg.qr(rng.normal(size=(5, 5)))[0] + rng.normal(size=5)
    order = rng.permutation(60)
    first, second = groups_of(points, labels), groups_of(turned[order], labels[order])
    np.testing.assert_allclose(first.distances, second.distances)
    np.testing.assert_allclose(first.widths, second.widths)


def test_every_pair_counts_once() -> None:
    found = groups_of([[0, 0], [1, 0], [0, 2]], list("abc"))
    np.testing.assert_allclose(sorted(found.pairs()), [1, 2, np.sqrt(5)])


@pytest.mark.parametrize(("points", "labels"), [(SQUARE, "abc"), (SQUARE[0], "ab")])
def test_what_does_not_fit_is_refused(points: np.ndarray, labels: str) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        groups_of(points, list(labels))


def test_the_width_is_the_mean_distance_of_the_members() -> None:
    found = groups_of([[0, 0], [0, 0], [0, 6], [9, 9]], ["a", "a", "a", "b"])  # the center of a is (0, 2)
    assert found.widths.tolist() == pytest.approx([(2 + 2 + 4) / 3, 0])
