"""How alike two spaces are, and what each knows: every number with an interval and its level of chance.

Two tables are compared on the pictures that both hold, in one order: see `matched`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phi3lib.vectors.intervals import Estimate, of_mean, of_statistic
from phi3lib.vectors.neighbours import nearest, share_in_common
from phi3lib.vectors.table import EmbeddingTable

Matrix = NDArray[np.floating]


def matched(first: EmbeddingTable, second: EmbeddingTable) -> tuple[EmbeddingTable, EmbeddingTable]:
    """Both tables cut to the ids that they share, in the order of the first. ValueError without any."""
    place = {name: row for row, name in enumerate(second.ids)}
    rows = [row for row, name in enumerate(first.ids) if name in place]
    if not rows:
        raise ValueError("the two tables have no picture in common")
    return first.select(rows), second.select([place[first.ids[row]] for row in rows])


# --------------------------------------------------------------------------- two spaces


def mutual_knn(first: ArrayLike, second: ArrayLike, k: int = 10) -> Estimate:
    """The mean share of each item's k nearest (by cosine) that are the same in both spaces.

    0 to 1; symmetric; chance is k / (N − 1). After Huh et al. 2024, "The Platonic Representation
    Hypothesis".
    """
    shares = shared_neighbours(first, second, k)
    return of_mean(shares, k / (len(shares) - 1))


def shared_neighbours(first: ArrayLike, second: ArrayLike, k: int = 10) -> NDArray[np.float64]:
    """For each item the share of its k nearest that are the same in both spaces: (N,)."""
    a, b = _pair(first, second, k + 2)
    return share_in_common(nearest(a, k).indices, nearest(b, k).indices)


def linear_cka(first: ArrayLike, second: ArrayLike, *, debiased: bool = True) -> float:
    """Linear centred kernel alignment: 1 for spaces that differ by turning, mirroring and one scale.

    Kornblith et al. 2019; `debiased` uses the unbiased estimate of HSIC (Song et al. 2012), whose expected
    value for unrelated spaces is 0 however wide they are. It is not invariant to arbitrary linear maps.
    """
    a, b = _pair(first, second, 4 if debiased else 2)
    a, b = a - a.mean(0), b - b.mean(0)
    gram_a, gram_b = a @ a.T, b @ b.T
    product = _unbiased_hsic if debiased else _biased_hsic
    own = product(gram_a, gram_a) * product(gram_b, gram_b)
    if own <= 0:
        raise ValueError("CKA needs spaces in which the items differ")
    return float(product(gram_a, gram_b) / np.sqrt(own))


def cka(first: ArrayLike, second: ArrayLike) -> Estimate:
    """Debiased linear CKA with an interval; chance 0."""
    a, b = _pair(first, second, 16)
    return of_statistic(lambda rows: linear_cka(a[rows], b[rows]), len(a), 0.0)


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
    """Representational similarity: Spearman's correlation of all pairwise cosines; chance 0.

    Kriegeskorte et al. 2008.
    """
    from scipy.stats import rankdata

    a, b = (_unit(space) for space in _pair(first, second, 8))

    def correlation(rows: NDArray[np.intp]) -> float:
        upper = np.triu_indices(len(rows), 1)
        ranks = [rankdata((space[rows] @ space[rows].T)[upper]) for space in (a, b)]
        return float(np.corrcoef(*ranks)[0, 1])

    return of_statistic(correlation, len(a), 0.0, resamples=40)


# --------------------------------------------------------------------------- what a space knows


def knn_accuracy(vectors: ArrayLike, labels: Sequence[object] | NDArray, k: int = 5) -> Estimate:
    """The share of items whose k nearest others, by majority, have their label; chance: the commonest label.

    Of labels with equally many votes the one that comes first among the neighbours wins.
    """
    space, wanted = _labelled(vectors, labels, k + 1)
    votes = wanted[nearest(space, k).indices]  # (N, k)
    counts = (votes[:, :, None] == votes[:, None, :]).sum(2)  # for each neighbour: votes for its label
    found = votes[np.arange(len(space)), counts.argmax(1)]
    return of_mean(found == wanted, _commonest(wanted))


def linear_probe() -> Any:
    """Logistic regression on standardised vectors, not fitted yet: Alain and Bengio 2016."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def probe_hits(
    vectors: ArrayLike, labels: Sequence[object] | NDArray, *, folds: int = 5
) -> NDArray[np.bool_]:
    """For each item whether a linear probe gets it right that was fitted on the other folds: (N,).

    Folds are stratified and in a fixed order. ValueError where a label has fewer items than there are folds.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    space, wanted = _labelled(vectors, labels, folds)
    smallest = np.bincount(wanted).min()
    if smallest < folds:
        raise ValueError(
            f"a label has {smallest} items, fewer than {folds} folds: leave it out, or take fewer"
        )
    split = StratifiedKFold(folds, shuffle=True, random_state=0)
    return cross_val_predict(linear_probe(), space, wanted, cv=split) == wanted


def probe_accuracy(vectors: ArrayLike, labels: Sequence[object] | NDArray, *, folds: int = 5) -> Estimate:
    """The share that a linear probe gets right on held-out folds; chance: the commonest label.

    ValueError as in `probe_hits`.
    """
    _, wanted = _labelled(vectors, labels, folds)
    return of_mean(probe_hits(vectors, labels, folds=folds), _commonest(wanted))


def retrieval(
    queries: ArrayLike, items: ArrayLike, wanted: Sequence[int] | NDArray[np.intp], k: int = 1
) -> Estimate:
    """Recall@k: the share of queries whose wanted item is among the k most similar; chance k / N.

    Items as similar as the wanted one count as better ones: a space in which all are equal finds nothing.
    """
    likeness = _unit(_matrix(queries)) @ _unit(_matrix(items)).T
    own = likeness[np.arange(len(likeness)), np.asarray(wanted)]
    better = (likeness >= own[:, None] - 1e-7).sum(1) - 1
    return of_mean(better < k, k / likeness.shape[1])


def mean_average_precision(vectors: ArrayLike, labels: Sequence[object] | NDArray) -> Estimate:
    """The mean over items of the average precision of finding all others with their label, by cosine.

    Items without a partner are left out. Chance: about the share of the label, averaged.
    """
    space, wanted = _labelled(vectors, labels, 2)
    unit = _unit(space)
    precisions, chances = [], []
    for row in range(len(space)):
        order = np.argsort(-(unit @ unit[row]), kind="stable")
        order = order[order != row]
        right = wanted[order] == wanted[row]
        if right.any():
            found = np.cumsum(right)[right]
            precisions.append(float((found / (np.flatnonzero(right) + 1)).mean()))
            chances.append(right.mean())
    return of_mean(precisions, float(np.mean(chances)))


# --------------------------------------------------------------------------- the shape of a space


def anisotropy(vectors: ArrayLike) -> Estimate:
    """The mean cosine of two different items: 0 where all directions are used, near 1 in a narrow cone.

    Ethayarajh 2019.
    """
    unit = _unit(_matrix(vectors))
    total = unit.sum(0)
    mean_to_others = (unit @ total - (unit * unit).sum(1)) / (len(unit) - 1)
    return of_mean(mean_to_others)


def modality_gap(pictures: ArrayLike, texts: ArrayLike) -> float:
    """The distance of the two centres of vectors of length one, 0 to 2: Liang et al. 2022."""
    return float(np.linalg.norm(_unit(_matrix(pictures)).mean(0) - _unit(_matrix(texts)).mean(0)))


def principal_parts(vectors: ArrayLike, width: int) -> Matrix:
    """The vectors along their `width` directions of largest variance: (N, width).

    Makes spaces of different width comparable; no label is seen. ValueError where there are fewer numbers or
    items than that.
    """
    space = _matrix(vectors)
    if not 1 <= width <= min(space.shape):
        raise ValueError(f"{width} directions of {len(space)} vectors with {space.shape[1]} numbers each")
    centred = space - space.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return centred @ directions[:width].T


# --------------------------------------------------------------------------- helpers


def _matrix(vectors: ArrayLike) -> Matrix:
    matrix = np.asarray(vectors, dtype=np.float64)
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise ValueError(f"vectors must be finite and of shape (N, d); the shape is {matrix.shape}")
    return matrix


def _pair(first: ArrayLike, second: ArrayLike, least: int) -> tuple[Matrix, Matrix]:
    a, b = _matrix(first), _matrix(second)
    if len(a) != len(b) or len(a) < least:
        raise ValueError(f"{len(a)} and {len(b)} vectors: equally many are needed, {least} at least")
    return a, b


def _labelled(
    vectors: ArrayLike, labels: Sequence[object] | NDArray, least: int
) -> tuple[Matrix, NDArray[np.intp]]:
    """The vectors and their labels as numbers from 0."""
    space = _matrix(vectors)
    names, wanted = np.unique(np.asarray(labels), return_inverse=True)
    if len(wanted) != len(space) or len(space) < least:
        raise ValueError(f"{len(space)} vectors and {len(wanted)} labels: equally many, {least} at least")
    if len(names) < 2:
        raise ValueError(f"all labels are {names[0]!r}: there is nothing to tell apart")
    return space, wanted


def _commonest(wanted: NDArray[np.intp]) -> float:
    return float(np.bincount(wanted).max() / len(wanted))


def _unit(matrix: Matrix) -> Matrix:
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix / np.where(lengths == 0, 1, lengths)
