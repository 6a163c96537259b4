"""Notebook 07: does the cosine of the best hit show whether the right picture is there at all?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phi3lib.embeddings.confidence import Estimate, of_mean
from phi3lib.embeddings.knn import cosine_matrix
from phi3lib.lab.figures import plots

Scores = NDArray[np.float64]
FALSE_ALARMS = 0.05


@dataclass(frozen=True)
class BestHits:
    """The score of the best hit of each query, with all pictures and without those of the query's kind.

    score: what is compared. present: (queries,), all pictures. absent: (queries,), without pictures of the
    kind that was asked for, so that nothing right can be found.
    """

    score: str
    present: Scores
    absent: Scores

    @property
    def threshold(self) -> float:
        """The score that one in twenty queries for something absent exceeds."""
        return float(np.quantile(self.absent, 1 - FALSE_ALARMS))

    def missed(self, threshold: float | None = None) -> Estimate:
        """Return the share of queries whose picture is there and whose best score is below the threshold."""
        limit = self.threshold if threshold is None else threshold
        return of_mean((self.present < limit).astype(float))


def best_hits(
    queries: ArrayLike, pictures: ArrayLike, kinds: Sequence[Any], asked: Sequence[Any]
) -> BestHits:
    """Return the best cosines of query vectors (Q, d) among picture vectors (N, d).

    kinds: the kind of each picture. asked: the kind that each query asks for.
    """
    cosines, right = _of_kind(queries, pictures, kinds, asked)
    without = np.where(right, -np.inf, cosines)
    return BestHits("cosine of the best hit", cosines.max(1), without.max(1))


def best_z_scores(
    queries: ArrayLike, pictures: ArrayLike, kinds: Sequence[Any], asked: Sequence[Any]
) -> BestHits:
    """Return the same in standard deviations above the mean of all pictures that are left."""
    cosines, right = _of_kind(queries, pictures, kinds, asked)
    without = np.where(right, np.nan, cosines)
    present = (cosines.max(1) - cosines.mean(1)) / cosines.std(1)
    absent = (np.nanmax(without, 1) - np.nanmean(without, 1)) / np.nanstd(without, 1)
    return BestHits("z-score of the best hit", present, absent)


def _of_kind(
    queries: ArrayLike, pictures: ArrayLike, kinds: Sequence[Any], asked: Sequence[Any]
) -> tuple[Scores, NDArray[np.bool_]]:
    right = np.asarray(asked)[:, None] == np.asarray(kinds)[None]  # (Q, N)
    if right.all(1).any():
        raise ValueError("a query asks for the only kind there is; without it no picture would be left")
    return np.asarray(cosine_matrix(queries, pictures), dtype=np.float64), right


def show_hits(hits: BestHits) -> None:
    """Draw both distributions of a score, and the threshold between them."""
    fig, axes = plots.figure(height=2.4)
    bins = np.linspace(
        min(hits.absent.min(), hits.present.min()), max(hits.absent.max(), hits.present.max()), 31
    )
    axes.hist(hits.absent, bins, color=plots.ORANGE, hatch="///", edgecolor="white", label="no such picture")
    axes.hist(hits.present, bins, color=plots.BLUE, alpha=0.7, label="the picture is there")
    axes.axvline(hits.threshold, color=plots.BLACK, ls="--", label="threshold")
    axes.set(xlabel=hits.score, ylabel="queries")
    axes.legend()
    missed = hits.missed()
    plots.show(
        fig,
        alt=f"Two overlapping distributions of the {hits.score}: queries whose picture is there, and the "
        f"same queries without pictures of their kind. Above the threshold are {FALSE_ALARMS:.0%} of the "
        f"latter; below it {missed.value:.0%} of the former.",
    )
