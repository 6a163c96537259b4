"""Similarity of two spaces, and what each encodes: every number with an interval and its chance level.

Two tables are compared on the pictures that both hold, in one order: see `matched`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phi3lib.embeddings.confidence import Estimate, of_mean, of_statistic
from phi3lib.embeddings.knn import (
    BLOCK,
    exact_unit_rows,
    matrix_of,
    nearest,
    require_one_space,
    share_in_common,
)
from phi3lib.embeddings.labels import known_labels
from phi3lib.embeddings.table import EmbeddingTable, as_table
from phi3lib.moved import old_names
from phi3lib.vision.inputs import as_list, as_seed, as_truth, as_whole

Matrix = NDArray[np.floating]
MANY_ROWS = 60  # half-samples of what takes the square of the items


def matched(first: EmbeddingTable, second: EmbeddingTable) -> tuple[EmbeddingTable, EmbeddingTable]:
    """Return both tables with the ids that they share, in the order of the first. ValueError without any."""
    row_of = {name: row for row, name in enumerate(as_table(second).ids)}
    rows = [row for row, name in enumerate(as_table(first).ids) if name in row_of]
    if not rows:
        raise ValueError("the two tables have no picture in common")
    return first.select(rows), second.select([row_of[first.ids[row]] for row in rows])


# --------------------------------------------------------------------------- two spaces


def mutual_knn(first: ArrayLike, second: ArrayLike, k: int = 10) -> Estimate:
    """Return the mean share of each item's k nearest (by cosine) that are the same in both spaces.

    0 to 1; symmetric; chance is k / (N − 1); ties count as shared. The interval is that of half-samples,
    since items share their neighbors: it is somewhat too wide, where a bootstrap over the items' shares
    would give an interval a third too narrow. With fewer than 2 (k + 2) items, which leave no
    half-samples, it is that of sampling other items. After Huh et al. 2024, "The Platonic Representation
    Hypothesis".
    """
    k = as_whole(k, "k", 1)
    a, b = _pair(first, second, k + 2)
    chance = k / (len(a) - 1)
    if len(a) < 2 * (k + 2):
        return of_mean(shared_neighbors(a, b, k), chance)

    def mean_share(rows: NDArray[np.intp]) -> float:
        return float(shared_neighbors(a[rows], b[rows], k).mean())

    return of_statistic(mean_share, len(a), chance, resamples=MANY_ROWS, most=1.0)


def shared_neighbors(first: ArrayLike, second: ArrayLike, k: int = 10) -> NDArray[np.float64]:
    """Return for each item the share of its k nearest that are the same in both spaces: (N,).

    Ties count as in `phi3lib.embeddings.knn.share_in_common`.
    """
    k = as_whole(k, "k", 1)
    a, b = _pair(first, second, k + 2)
    return share_in_common(nearest(a, k), nearest(b, k))


def linear_cka(first: ArrayLike, second: ArrayLike, *, debiased: bool = True) -> float:
    """Return linear centered kernel alignment: 1 for spaces that differ by turning, mirroring and one scale.

    Kornblith et al. 2019; `debiased` uses the unbiased estimate of HSIC (Song et al. 2012), whose expected
    value for unrelated spaces is 0 however wide they are. It is not invariant to arbitrary linear maps.
    """
    debiased = as_truth(debiased, "debiased")
    a, b = _pair(first, second, 4 if debiased else 2)
    a, b = a - a.mean(0), b - b.mean(0)
    gram_a, gram_b = a @ a.T, b @ b.T
    product = _unbiased_hsic if debiased else _biased_hsic
    own = product(gram_a, gram_a) * product(gram_b, gram_b)
    if own <= 0:
        raise ValueError("CKA needs spaces in which the items differ")
    return float(product(gram_a, gram_b) / np.sqrt(own))


def cka(first: ArrayLike, second: ArrayLike) -> Estimate:
    """Return debiased linear CKA with an interval; chance 0."""
    a, b = _pair(first, second, 16)
    linear_cka(a, b)  # raises the ValueError

    def alignment(rows: NDArray[np.intp]) -> float:
        try:
            return linear_cka(a[rows], b[rows])
        except ValueError:  # of these rows all are alike
            return float("nan")

    return of_statistic(alignment, len(a), 0.0, most=1.0)


def _biased_hsic(first: Matrix, second: Matrix) -> float:
    return float((first * second).sum())


def _unbiased_hsic(first: Matrix, second: Matrix) -> float:
    """Song et al. 2012, equation 5, up to a factor that CKA loses."""
    count = len(first)
    a, b = first.copy(), second.copy()
    np.fill_diagonal(a, 0)
    np.fill_diagonal(b, 0)
    means = a.sum() * b.sum() / ((count - 1) * (count - 2))
    return float((a * b).sum() + means - 2 * a.sum(0) @ b.sum(0) / (count - 2))


def rsa(first: ArrayLike, second: ArrayLike) -> Estimate:
    """Return the representational similarity: Spearman's correlation of all pairwise cosines; chance 0.

    Kriegeskorte et al. 2008. ValueError for a space in which all cosines are alike.
    """
    from scipy.stats import rankdata

    a, b = (exact_unit_rows(space) for space in _pair(first, second, 8))

    def correlation(rows: NDArray[np.intp]) -> float:
        upper = np.triu_indices(len(rows), 1)
        # Rounded, so that equal vectors have equal cosines and not ranks by chance.
        ranks = [rankdata((space[rows] @ space[rows].T)[upper].round(12)) for space in (a, b)]
        if min(np.ptp(rank) for rank in ranks) == 0:
            return float("nan")
        return float(np.corrcoef(*ranks)[0, 1])

    return of_statistic(correlation, len(a), 0.0, resamples=MANY_ROWS, most=1.0)


# --------------------------------------------------------------------------- what a space knows


def knn_accuracy(vectors: ArrayLike, labels: Sequence[object] | NDArray, k: int = 5) -> Estimate:
    """Return the leave-one-out accuracy of a k-nearest-neighbor vote; chance: the commonest label.

    Of labels with equally many votes the one that comes first among the neighbors wins. The interval is that
    of sampling other items; that these would have other neighbors is not included.
    """
    space, wanted = _labeled(vectors, labels, as_whole(k, "k", 1) + 1)
    votes = wanted[nearest(space, k).indices]  # (N, k)
    counts = (votes[:, :, None] == votes[:, None, :]).sum(2)  # for each neighbor: votes for its label
    predicted = votes[np.arange(len(space)), counts.argmax(1)]
    return of_mean(predicted == wanted, _commonest(wanted))


def linear_probe() -> Any:
    """Logistic regression on standardised vectors, not fitted yet: Alain and Bengio 2016."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def probe_hits(
    vectors: ArrayLike, labels: Sequence[object] | NDArray, *, folds: int = 5
) -> NDArray[np.bool_]:
    """Return for each item whether a linear probe fitted on the other folds predicts its label: (N,).

    Folds are stratified and in a fixed order. ValueError where a label has fewer items than there are folds.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    space, wanted = _labeled(vectors, labels, as_whole(folds, "folds", 2))
    smallest = np.bincount(wanted).min()
    if smallest < folds:
        raise ValueError(
            f"a label has {smallest} items, fewer than {folds} folds: leave it out, or take fewer"
        )
    split = StratifiedKFold(folds, shuffle=True, random_state=0)
    return cross_val_predict(linear_probe(), space, wanted, cv=split) == wanted


def probe_accuracy(vectors: ArrayLike, labels: Sequence[object] | NDArray, *, folds: int = 5) -> Estimate:
    """Return the accuracy of a linear probe on held-out folds; chance: the commonest label.

    ValueError as in `probe_hits`.
    """
    _, wanted = _labeled(vectors, labels, as_whole(folds, "folds", 2))
    return of_mean(probe_hits(vectors, labels, folds=folds), _commonest(wanted))


def retrieval(
    queries: ArrayLike, items: ArrayLike, wanted: Sequence[int] | NDArray[np.intp], k: int = 1
) -> Estimate:
    """Return recall@k: the share of queries whose wanted item is among the k most similar; chance k / N.

    Items as similar as the wanted one count as better ones: a space in which all are equal has a recall of 0.
    ValueError for k < 1 and where `wanted` does not name one item for each query.
    """
    asked, there, k = exact_unit_rows(queries), exact_unit_rows(items), as_whole(k, "k", 1)
    rows = np.asarray(as_list(wanted, "wanted"))
    require_one_space("queries", asked, "items", there)
    is_fitting = rows.shape == (len(asked),) and rows.dtype.kind in "iu"
    if not is_fitting or not ((rows >= 0) & (rows < len(there))).all():
        raise ValueError(f"expected one of {len(there)} items for each of {len(asked)} queries")
    own = (asked * there[rows]).sum(1)
    starts = range(0, len(asked), BLOCK)
    alike = [(asked[s : s + BLOCK] @ there.T >= own[s : s + BLOCK, None] - 1e-7).sum(1) - 1 for s in starts]
    return of_mean(np.concatenate(alike) < k, min(k / len(there), 1.0))


def mean_average_precision(vectors: ArrayLike, labels: Sequence[object] | NDArray) -> Estimate:
    """Return the mean average precision of retrieving, for each item, the others with its label, by cosine.

    Items without a partner are left out. Chance: about the share of the label, averaged.
    """
    space, wanted = _labeled(vectors, labels, 8)
    unit = exact_unit_rows(space)
    others = np.bincount(wanted)[wanted] - 1  # for each item: how many share its label
    if not others.any():
        raise ValueError("no label has two items: there is nothing to find")
    chance = float(others[others > 0].mean() / (len(wanted) - 1))
    mean = lambda rows: _mean_precision(unit[rows], wanted[rows])  # noqa: E731
    return of_statistic(mean, len(unit), chance, resamples=MANY_ROWS, most=1.0)


def _mean_precision(unit: Matrix, wanted: NDArray[np.intp]) -> float:
    """Return the mean of the average precisions of the items that have a partner; NaN without any."""
    precisions = []
    for row in range(len(unit)):
        order = np.argsort(-(unit @ unit[row]), kind="stable")
        order = order[order != row]
        right = wanted[order] == wanted[row]
        if right.any():
            hits = np.cumsum(right)[right]
            precisions.append(float((hits / (np.flatnonzero(right) + 1)).mean()))
    return float(np.mean(precisions)) if precisions else float("nan")


# --------------------------------------------------------------------------- the shape of a space


def anisotropy(vectors: ArrayLike) -> Estimate:
    """Return the mean cosine of two different items: 0 if all directions are equal, near 1 in a narrow cone.

    Chance, for vectors of no common direction, is 0. Ethayarajh 2019. ValueError for fewer than four items.
    """
    unit = exact_unit_rows(vectors)
    if len(unit) < 4:
        raise ValueError(f"{len(unit)} vectors: four at least are needed")
    return of_statistic(lambda rows: _mean_cosine(unit[rows]), len(unit), 0.0, most=1.0)


def _mean_cosine(unit: Matrix) -> float:
    """Of all pairs of different items, from the length of their sum."""
    pairs = len(unit) * (len(unit) - 1)
    return min(float((np.square(unit.sum(0)).sum() - np.square(unit).sum()) / pairs), 1.0)


def modality_gap(pictures: ArrayLike, texts: ArrayLike) -> float:
    """Return the distance of the centers of two sets of unit vectors, 0 to 2: Liang et al. 2022."""
    one, other = _both_modalities(pictures, texts)
    return _gap(one, other)


def modality_gap_estimate(pictures: ArrayLike, texts: ArrayLike, *, seed: int = 0) -> Estimate:
    """Return `modality_gap` with the interval of sampling other pictures and texts.

    Chance is the distance of the centers if the same vectors are split at random; for few vectors it is
    not 0.
    """
    one, other = _both_modalities(pictures, texts)
    rng, both = np.random.default_rng(as_seed(seed)), np.concatenate([one, other])
    dealt = [
        _gap(mixed[: len(one)], mixed[len(one) :]) for mixed in (rng.permutation(both) for _ in range(50))
    ]

    def gap(rows: NDArray[np.intp]) -> float:
        return _gap(one[rows[rows < len(one)]], other[rows[rows >= len(one)] - len(one)])

    if min(len(one), len(other)) < 8:
        raise ValueError(f"{len(one)} pictures and {len(other)} texts: eight of each at least are needed")
    return of_statistic(gap, len(both), float(np.mean(dealt)), seed=seed)


def _both_modalities(pictures: ArrayLike, texts: ArrayLike) -> tuple[Matrix, Matrix]:
    one, other = exact_unit_rows(pictures), exact_unit_rows(texts)
    if not len(one) or not len(other) or one.shape[1] != other.shape[1]:
        raise ValueError(f"pictures {one.shape} and texts {other.shape} are no vectors of one space")
    return one, other


def _gap(one: Matrix, other: Matrix) -> float:
    return float(np.linalg.norm(one.mean(0) - other.mean(0)))


def principal_parts(vectors: ArrayLike, width: int) -> Matrix:
    """Return the vectors projected onto their `width` directions of largest variance: (N, width).

    Makes spaces of different width comparable; labels are not used. ValueError for fewer numbers or
    items.
    """
    space = matrix_of(vectors)
    if not 1 <= as_whole(width, "width") <= min(space.shape):
        raise ValueError(f"{width} directions of {len(space)} vectors with {space.shape[1]} numbers each")
    centered = space - space.mean(0)
    _, _, directions = np.linalg.svd(centered, full_matrices=False)
    return centered @ directions[:width].T


# --------------------------------------------------------------------------- helpers


def _pair(first: ArrayLike, second: ArrayLike, least: int) -> tuple[Matrix, Matrix]:
    a, b = matrix_of(first), matrix_of(second)
    if len(a) != len(b) or len(a) < least:
        raise ValueError(f"{len(a)} and {len(b)} vectors: equally many are needed, {least} at least")
    return a, b


def _labeled(
    vectors: ArrayLike, labels: Sequence[object] | NDArray, least: int
) -> tuple[Matrix, NDArray[np.intp]]:
    """Return the vectors, and their labels as integers from 0."""
    space = matrix_of(vectors)
    names, wanted = np.unique(known_labels(labels), return_inverse=True)
    if len(wanted) != len(space) or len(space) < least:
        raise ValueError(f"{len(space)} vectors and {len(wanted)} labels: equally many, {least} at least")
    if len(names) < 2:
        raise ValueError(f"all labels are {names.tolist()[0]!r}: there is nothing to tell apart")
    return space, wanted


def _commonest(wanted: NDArray[np.intp]) -> float:
    return float(np.bincount(wanted).max() / len(wanted))


__getattr__ = old_names(__name__, {"shared_neighbours": "shared_neighbors"})  # changed in 0.2.0
