"""What is in a folder: duplicates, outliers, empty and blurred images, clusters with words that fit.

report = report_of(table, pictures="photos/", model=clip, words=["cat", "dog", "beach"])
print(report)
atlas.select(report.of("outliers")[0].rows)     # a finding on the map
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.duplicates import duplicate_groups
from phi3lib.embeddings.knn import exact_unit_rows, nearest, require_one_space
from phi3lib.embeddings.quality import Quality, qualities
from phi3lib.embeddings.row_pictures import pictures_of_rows
from phi3lib.embeddings.search import class_vectors
from phi3lib.embeddings.table import EmbeddingTable, as_table
from phi3lib.vision.inputs import as_seed, as_texts, as_whole

NEAREST = 5  # neighbors whose mean distance identifies outliers
FAR = 3.5  # robust standard deviations (Iglewicz and Hoaglin 1993)
MOST_OUTLIERS = 20
MOST_CLUSTERS = 12
SAMPLE = 2_000  # images of which the number of clusters is chosen
SMALLEST = 5  # images of a cluster, on average
SHOWN = 5  # typical and atypical images of a cluster

Unit = NDArray[np.float64]


@dataclass(frozen=True)
class Finding:
    """One finding: images that belong together for one reason.

    kind: "duplicates", "outliers", "empty", "blurred" or "cluster". says: one sentence. ids, rows: the
    images, as names and as rows of the table, for `Atlas.select`. typical, atypical: of a cluster, the
    images nearest to its center and furthest from it. words: of a cluster, those that fit, the best first.
    """

    kind: str
    says: str
    ids: tuple[str, ...]
    rows: tuple[int, ...]
    typical: tuple[str, ...] = ()
    atypical: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "kind": self.kind,
            "says": self.says,
            "ids": list(self.ids),
            "typical": list(self.typical),
            "atypical": list(self.atypical),
            "words": list(self.words),
        }


@dataclass(frozen=True)
class FolderReport:
    """The findings of a folder, and what could not be read."""

    count: int
    findings: tuple[Finding, ...]
    errors: tuple[tuple[str, str], ...] = ()

    def of(self, kind: str) -> list[Finding]:
        """Return the findings of one kind."""
        return [finding for finding in self.findings if finding.kind == kind]

    def __str__(self) -> str:
        lines = [f"{self.count:,} images; {len(self.errors):,} more could not be read"]
        for finding in self.findings:
            shown = finding.typical or finding.ids
            more = ", …" if len(shown) > SHOWN else ""
            lines.append(f"{finding.kind}: {finding.says}: {', '.join(shown[:SHOWN])}{more}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "images": self.count,
            "findings": [finding.as_dict() for finding in self.findings],
            "not_read": [{"name": name, "reason": reason} for name, reason in self.errors],
        }


def report_of(
    table: EmbeddingTable,
    *,
    pictures: Any = None,
    model: Any = None,
    words: Sequence[str] | None = None,
    least: float = 0.98,
    clusters: int | None = None,
    seed: int = 0,
) -> FolderReport:
    """Return what is in a folder, as findings.

    pictures: the folder, or one image or file for each row, to look for empty and blurred ones; None: these
    are left out. model, words: a CLIP or SigLIP that made the table, and words to describe clusters with;
    without them clusters have no words. least: the smallest cosine of near duplicates. clusters: their
    number; None: chosen by the silhouette. seed: of the clusters.

    Raises ValueError for fewer than four images, for words without a model, and for images that cannot be
    read.
    """
    if len(as_table(table)) < 4:
        raise ValueError(f"a report needs at least four images; there are {len(table)}")
    seed = as_seed(seed)
    if words is not None and model is None:
        raise ValueError("words need model=, the CLIP or SigLIP that made the table")
    unit = exact_unit_rows(table.vectors)
    groups = duplicate_groups(table, least)
    findings = [
        *_duplicates(table, groups, least),
        *([] if pictures is None else _quality(table, qualities(pictures_of_rows(pictures, table)))),
        *_outliers(table, unit, groups),
        *_clusters(table, unit, clusters, _Words(table, model, words), seed),
    ]
    return FolderReport(len(table), tuple(findings), table.errors)


def _finding(kind: str, says: str, table: EmbeddingTable, rows: Any, **more: Any) -> Finding:
    chosen = tuple(int(row) for row in rows)
    return Finding(kind, says, tuple(table.ids[row] for row in chosen), chosen, **more)


def _duplicates(table: EmbeddingTable, groups: list[tuple[str, ...]], least: float) -> list[Finding]:
    row_of = {name: row for row, name in enumerate(table.ids)}
    says = "{} images with a cosine of at least {:g}"
    return [
        _finding("duplicates", says.format(len(group), least), table, [row_of[name] for name in group])
        for group in groups
    ]


def _quality(table: EmbeddingTable, measured: Sequence[Quality]) -> list[Finding]:
    found = []
    empty = [row for row, one in enumerate(measured) if one.is_empty]
    if empty:
        found.append(_finding("empty", f"{len(empty)} of nearly one tone", table, empty))
    blurred = sorted(
        (row for row, one in enumerate(measured) if one.is_blurred), key=lambda row: -measured[row].blur
    )
    if blurred:
        found.append(_finding("blurred", f"{len(blurred)} without sharp edges", table, blurred))
    return found


def _outliers(table: EmbeddingTable, unit: Unit, groups: list[tuple[str, ...]]) -> list[Finding]:
    """Images whose nearest others are unusually far away; duplicates are represented by the first."""
    copies = {name for group in groups for name in group[1:]}
    rows = np.array([row for row, name in enumerate(table.ids) if name not in copies])
    k = min(NEAREST, len(rows) - 2)
    if k < 1:
        return []
    away = nearest(unit[rows], k).distances.mean(1)
    middle = np.median(away)
    spread = 1.4826 * np.median(np.abs(away - middle))  # the standard deviation, of a normal distribution
    if spread == 0:
        return []
    order = np.argsort(-away, kind="stable")[:MOST_OUTLIERS]
    far = [int(rows[index]) for index in order if away[index] > middle + FAR * spread]
    says = f"{len(far)} unusually far from their nearest images"
    return [_finding("outliers", says, table, far)] if far else []


# --------------------------------------------------------------------------- clusters


class _Words:
    """Words that may fit a cluster, as vectors; none without words."""

    def __init__(self, table: EmbeddingTable, model: Any, words: Sequence[str] | None) -> None:
        self.words = [] if words is None else as_texts(words, "words")
        self.vectors = class_vectors(model, self.words) if self.words else None
        if self.vectors is not None:
            require_one_space("the table's vectors", table.vectors, "those of words", self.vectors)

    def fitting(self, members: Unit, everything: Unit) -> tuple[str, ...]:
        """Return the words, best first, that fit these images clearly better than all images together.

        Some words are near to every image, so a word counts by how much nearer it is to these. At most three.
        """
        if self.vectors is None:
            return ()
        all_cosines, member_cosines = everything @ self.vectors.T, members @ self.vectors.T
        spread = np.maximum(all_cosines.std(0), 1e-9)
        above = (member_cosines.mean(0) - all_cosines.mean(0)) / spread
        return tuple(
            self.words[index] for index in np.argsort(-above, kind="stable")[:3] if above[index] > 0.5
        )


def _clusters(
    table: EmbeddingTable, unit: Unit, count: int | None, words: _Words, seed: int
) -> list[Finding]:
    labels, centers = _grouped(unit, count, seed)
    found = []
    for group in np.argsort(-np.bincount(labels), kind="stable"):
        rows = np.flatnonzero(labels == group)
        order = rows[np.argsort(-(unit[rows] @ centers[group]), kind="stable")]
        fitting = words.fitting(unit[rows], unit)
        says = f"{len(rows)} images" + (f", {' or '.join(fitting)}" if fitting else "")
        typical, atypical = order[:SHOWN], order[::-1][:SHOWN]
        found.append(
            _finding(
                "cluster", says, table, order,
                typical=tuple(table.ids[row] for row in typical),
                atypical=tuple(table.ids[row] for row in atypical),
                words=fitting,
            )
        )  # fmt: skip
    return found


def _grouped(unit: Unit, count: int | None, seed: int) -> tuple[NDArray[np.intp], Unit]:
    """(cluster of each image, centers) by k-means on directions."""
    from sklearn.cluster import KMeans

    most = min(MOST_CLUSTERS, len(unit) // SMALLEST)
    if count is None:
        count = _best_count(unit, most, seed)
    fitted = KMeans(as_whole(count, "clusters", 1, len(unit)), n_init=4, random_state=seed).fit(unit)
    return fitted.labels_.astype(np.intp), fitted.cluster_centers_


def _best_count(unit: Unit, most: int, seed: int) -> int:
    """Return the number of clusters with the largest silhouette, on a sample; 1 for few images."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    rng = np.random.default_rng(seed)
    some = unit if len(unit) <= SAMPLE else unit[np.sort(rng.choice(len(unit), SAMPLE, replace=False))]
    scores = {}
    for count in range(2, most + 1):
        labels = KMeans(count, n_init=2, random_state=seed).fit_predict(some)
        if 1 < len(set(labels.tolist())) < len(some):
            scores[count] = float(silhouette_score(some, labels))
    return max(scores, key=scores.__getitem__) if scores else 1
