"""Search and classify: nearest pictures of a text or a picture, zero-shot, few-shot, near duplicates."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from phi3lib.embeddings.compare import linear_probe
from phi3lib.embeddings.confidence import Estimate, of_mean
from phi3lib.embeddings.duplicates import duplicate_groups, near_duplicates
from phi3lib.embeddings.knn import Directions, require_one_space, unit_rows
from phi3lib.embeddings.labels import known_labels
from phi3lib.embeddings.table import EmbeddingTable, as_table
from phi3lib.encoders import as_encoder, text_encoder
from phi3lib.vision.inputs import as_number, as_seed, as_texts, as_whole

__all__ = [  # duplicates have a module of their own and are searched for from here
    "PROMPTS", "Hit", "class_vectors", "duplicate_groups", "few_shot", "near_duplicates", "search", "top_k",
    "zero_shot",
]  # fmt: skip

# Radford et al. 2021 average the vectors of eighty sentences; for drawn pictures these few say it.
PROMPTS = ("{}", "a picture of {}", "a drawing of {}", "this is {}")


@dataclass(frozen=True)
class Hit:
    """One found picture: its row in the table, its id, and its cosine to the query."""

    row: int
    id: str
    cosine: float


def top_k(queries: ArrayLike, items: ArrayLike, k: int = 10) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the k items most similar to each query: (rows, cosines), each (queries, k), best first.

    Exact, in blocks; cosines are at most 1, and 1 for equal vectors; fewer where there are fewer items.
    ValueError for zero vectors or other widths.
    """
    asked, there = Directions(queries), Directions(items)
    if not len(asked.exact):
        raise ValueError("there is no query")
    require_one_space("queries", asked.exact, "items", there.exact)
    if not len(there.exact):
        raise ValueError("there is no item")
    k = min(as_whole(k, "k", 1), len(there.exact))
    rows, distances = there.closest(asked, k)
    return rows, (1 - distances).astype(np.float32)


def search(
    table: EmbeddingTable,
    model: Any = None,
    *,
    text: str | None = None,
    picture: Any = None,
    weight: float = 0.5,
    k: int = 10,
) -> list[Hit]:
    """Return the k pictures of a table nearest to a text, a picture, or a mixture of both.

    picture: an id of the table, or anything that `embed_images` takes as one picture; it is read as the
    table's own were. model: the one that made the table; needed for a text and for a picture that is not an
    id. weight: of the text in a mixture, 0 to 1. ValueError without a query, where the model is missing or
    made no such table, and for a text where the table's vectors are not in the space of texts.
    """
    as_table(table)
    weight, k = as_number(weight, "the weight of the text", 0, 1), as_whole(k, "k", 1)
    parts: list[tuple[float, NDArray[np.float32]]] = []
    if text is not None:
        parts.append((weight if picture is not None else 1.0, _text_vector(table, model, text)))
    if picture is not None:
        parts.append((1 - weight if text is not None else 1.0, _picture_vector(table, model, picture)))
    if not parts:
        raise ValueError("give a text, a picture, or both")
    for _, vector in parts:
        require_one_space("the table's vectors", table.vectors, "the model's", vector)
    query = sum(
        (factor * vector for factor, vector in parts), np.zeros((1, table.vectors.shape[1]), np.float32)
    )
    rows, cosines = top_k(query, table.vectors, k)
    return [
        Hit(int(row), table.ids[row], float(value)) for row, value in zip(rows[0], cosines[0], strict=True)
    ]


def _text_vector(table: EmbeddingTable, model: Any, text: str) -> NDArray[np.float32]:
    return unit_rows(text_encoder(text_space(table, model)).encode_texts([text]).numpy())


def text_space(table: EmbeddingTable, model: Any) -> Any:
    """Return the encoder of a model. ValueError unless its texts are in the space of the table's vectors."""
    encoder = _maker(table, model)
    shared = encoder.recipes.shared_with_text
    if shared is None or not (encoder.recipes[shared].made(table.recipe) or "pooling" not in table.recipe):
        how = f"make the table with pooling={shared!r}" if shared else "this model has no such recipe"
        raise ValueError(f"these vectors are not in the space of texts: {how}")
    return encoder


def _picture_vector(table: EmbeddingTable, model: Any, picture: Any) -> NDArray[np.float32]:
    if isinstance(picture, str) and picture in table.ids:
        return unit_rows(table.vectors[[table.ids.index(picture)]])
    from phi3lib.embeddings.embed import embed_images

    encoder = _maker(table, model)
    recipe = encoder.recipes.of_table(table.recipe)
    if recipe is None and "pooling" in table.recipe:
        raise ValueError(
            f"the table was made with {table.recipe['pooling']!r}; this model has "
            f"{', '.join(map(repr, encoder.recipes))}"
        )
    pooling = recipe and recipe.name
    return unit_rows(embed_images([picture], model=encoder, pooling=pooling, progress=False).vectors)


def _maker(table: EmbeddingTable, model: Any) -> Any:
    """Return the encoder of a model. ValueError if, as far as the recipe shows, it did not make the table."""
    if model is None:
        raise ValueError(
            "a text, and a picture that is no id of the table, need the model that made the table"
        )
    encoder = as_encoder(model)
    table_family = table.recipe.get("family")
    if table_family not in (None, encoder.family):
        raise ValueError(
            f"the table was made by a model of the family {table_family!r}; this one is {encoder.family!r}"
        )
    return encoder


# --------------------------------------------------------------------------- classify


def class_vectors(
    model: Any, classes: Sequence[str], prompts: Sequence[str] = PROMPTS
) -> NDArray[np.float32]:
    """Return (classes, d): for each class the mean of its prompts' vectors, of length one."""
    names, sentences = as_texts(classes, "classes"), as_texts(prompts, "prompts")
    texts = [_sentence(prompt, name) for name in names for prompt in sentences]
    vectors = unit_rows(text_encoder(model).encode_texts(texts).numpy())
    return unit_rows(vectors.reshape(len(names), len(sentences), -1).mean(1))


def _sentence(prompt: str, name: str) -> str:
    try:
        sentence = prompt.format(name)
        if sentence != prompt.format(f"{name} "):
            return sentence
    except (IndexError, KeyError, ValueError):
        pass
    raise ValueError(f"the prompt {prompt!r} needs one {{}} where the class stands, as 'a picture of {{}}'")


def zero_shot(
    vectors: ArrayLike, model: Any, classes: Sequence[str], prompts: Sequence[str] = PROMPTS
) -> NDArray[np.float64]:
    """Return the probability of each class for each image: (N, classes).

    By the model's own rule for cosines: CLIP takes the softmax over the classes, SigLIP a sigmoid for each
    class. ValueError for a model that has no such rule or makes no vectors of texts.
    """
    unit, named = unit_rows(vectors), class_vectors(model, classes, prompts)
    require_one_space("the vectors", unit, "the model's", named)
    cosines = unit @ named.T
    return text_encoder(model).class_probabilities(torch.from_numpy(cosines)).numpy()


def few_shot_rows(
    labels: Sequence[object] | NDArray, shots: int, *, seed: int = 0
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows that `few_shot` trains on, `shots` of each label drawn by `seed`, and the others.

    ValueError as there.
    """
    _, wanted = np.unique(known_labels(labels), return_inverse=True)
    return _drawn(wanted, shots, seed)


def _drawn(wanted: NDArray[np.intp], shots: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows of `few_shot_rows`, for labels that are numbers from 0."""
    counts, rng = np.bincount(wanted), np.random.default_rng(as_seed(seed))
    if len(counts) < 2 or as_whole(shots, "shots") < 1:
        raise ValueError(
            f"{len(wanted)} labels of {len(counts)} kinds, {shots} shots: two kinds and one shot at least"
        )
    if counts.min() <= shots:
        raise ValueError(f"{shots} items of each label leave none to score for some label")
    train = np.concatenate(
        [rng.permutation(np.flatnonzero(wanted == label))[:shots] for label in range(len(counts))]
    )
    return train, np.setdiff1d(np.arange(len(wanted)), train)


def few_shot(
    vectors: ArrayLike, labels: Sequence[object] | NDArray, shots: int, *, seed: int = 0
) -> Estimate:
    """Return a linear probe trained on `shots` items of each label, scored on all others.

    Chance: one label of as many as there are. ValueError for fewer than two labels or one shot, and where a
    label has no item left to score.
    """
    space = unit_rows(vectors)
    names, wanted = np.unique(known_labels(labels), return_inverse=True)
    if len(wanted) != len(space):
        raise ValueError(f"{len(space)} vectors, {len(wanted)} labels: one label each")
    train, test = _drawn(wanted, shots, seed)
    probe = linear_probe()
    with warnings.catch_warnings():
        # scikit-learn takes labels with one item each for a regression that went astray; here it is meant.
        warnings.filterwarnings("ignore", "The number of unique classes")
        probe.fit(space[train], wanted[train])
    return of_mean(probe.predict(space[test]) == wanted[test], 1 / len(names))
