"""Notebooks 05, 06 and 07: vectors of the published models beside those of the models that are loaded.

    lab.beside_published.show_maps(lab.published(), clip)

Each function takes what `lab.published()` returns and prints one sentence where that is None. The loaded
models read the thumbnails, because the folder holds no other pictures.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from phi3lib.embeddings.compare import knn_accuracy, mutual_knn
from phi3lib.embeddings.confidence import Estimate
from phi3lib.embeddings.embed import embed_images, embed_recipes, embed_texts
from phi3lib.embeddings.knn import nearest
from phi3lib.embeddings.maps import Layout, umap_map
from phi3lib.embeddings.search import top_k
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.lab.figures import plots
from phi3lib.lab.lessons.spaces import SPACES
from phi3lib.lab.published_vectors import TEST, Published

EMPTY = (
    "data/published is empty in this checkout: `make real` fills it on a machine that has the published "
    "checkpoints (notebook A2)."
)
TEST_VECTORS = (
    "TEST VECTORS: computed without published weights; they say nothing about the published models."
)
QUERIES = ("a photograph of a flower", "a photograph of a roof", "a photograph of a dog")
SHOWN, K = 4, 5


def show_maps(found: Published | None, clip: Any) -> dict[str, Layout] | None:
    """Show a map of the published CLIP vectors beside one of `clip`; return both by the model's name."""
    if not _said(found):
        return None
    tables = _clip_tables(found, clip)
    photographs = found.tables["CLIP vector"].labels["photograph"]
    layouts = {name: _map_of(table.vectors) for name, table in tables.items()}
    fig, axes = plots.figure(1, len(layouts), height=3.6, squeeze=False)
    for ax, (name, layout) in zip(axes.flat, layouts.items(), strict=True):
        plots.map_axes(ax, layout.coordinates, photographs, name)
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    shares = {name: _own_photograph(table, photographs) for name, table in tables.items()}
    said = "; ".join(f"{name} {share.value:.0%}" for name, share in shares.items())
    plots.show(
        fig,
        alt=f"Maps of {len(photographs)} photographs and pieces of photographs, each photograph with a color "
        f"and a mark. Items whose {K} nearest neighbors name their own photograph: {said}.",
    )
    _print_shares("the nearest neighbors name the own photograph", shares)
    return layouts


def show_spaces(found: Published | None, clip: Any, phi3: Any) -> dict[str, dict[str, Estimate]] | None:
    """Show for each space how often neighbors name the own photograph, published and loaded; return both."""
    if not _said(found):
        return None
    photographs = next(iter(found.tables.values())).labels["photograph"]
    loaded = _loaded_spaces(found, clip, phi3)
    shares = {
        "published": {name: _own_photograph(table, photographs) for name, table in found.tables.items()},
        "loaded": {name: _own_photograph(table, photographs) for name, table in loaded.items()},
    }
    _draw_shares(shares)
    for side, estimates in shares.items():
        _print_shares(f"{side}: the nearest neighbors name the own photograph", estimates)
    first, *others = found.tables
    k = min(10, len(photographs) - 2)
    for name in others:
        agree = mutual_knn(found.tables[first].vectors, found.tables[name].vectors, k)
        print(f"published, {first} and {name}, {k} nearest in common: {agree}")
    return shares


def show_search(found: Published | None, clip: Any) -> dict[str, dict[str, list[str]]] | None:
    """Show what three cached queries find, published and with `clip`; return the found ids by model."""
    if not _said(found):
        return None
    published = found.queries["CLIP vector"]
    asked = [query for query in QUERIES if query in published.ids] or list(published.ids[: len(QUERIES)])
    rows = [published.ids.index(query) for query in asked]
    tables = _clip_tables(found, clip)
    texts = [published.vectors[rows], embed_texts(asked, model=clip).vectors]
    results = {}
    for (name, table), vectors in zip(tables.items(), texts, strict=True):
        rows_found, cosines = top_k(vectors, table.vectors, SHOWN)
        results[name] = {
            query: [table.ids[row] for row in line] for query, line in zip(asked, rows_found, strict=True)
        }
        _draw_hits(found, name, results[name], cosines)
    return results


# ------------------------------------------------------------------------------- what they share


def _said(found: Published | None) -> TypeGuard[Published]:
    """Print what the folder holds, in one sentence; return whether it holds anything."""
    if found is None:
        print(EMPTY)
        return False
    items = len(next(iter(found.tables.values())))
    names = ", ".join(_name(one["name"], one["revision"]) for one in found.checkpoints)
    print(TEST_VECTORS if found.weights == TEST else f"{items} photographs and pieces, by {names}")
    return True


def _name(name: str, revision: str | None) -> str:
    return f"{name} ({revision[:12]})" if revision else f"{name} (from a folder)"


def _titles(found: Published, model: Any) -> tuple[str, str]:
    """Return names of the published and of the loaded model that differ."""
    mark = "test" if found.weights == TEST else "published"
    stored = Path(str(found.tables["CLIP vector"].recipe["model"])).name
    return f"{stored} ({mark})", f"{Path(str(model.name)).name} (loaded)"


def _clip_tables(found: Published, clip: Any) -> dict[str, EmbeddingTable]:
    table = embed_images(_pictures(found), model=clip, progress=False)
    names = _titles(found, clip)
    return {
        names[0]: found.tables["CLIP vector"],
        names[1]: EmbeddingTable(table.vectors, found.tables["CLIP vector"].ids, recipe=table.recipe),
    }


def _pictures(found: Published) -> list[Any]:
    return [found.thumbnail(name) for name in next(iter(found.tables.values())).ids]


def _loaded_spaces(found: Published, clip: Any, phi3: Any) -> dict[str, EmbeddingTable]:
    """Return a table for each published space, with the models that are loaded."""
    pictures = _pictures(found)
    made: dict[str, EmbeddingTable] = {}
    for whose, model in (("clip", clip), ("phi3", phi3)):
        recipes = {name: SPACES[name][1] for name in found.tables if SPACES[name][0] == whose}
        by_recipe = embed_recipes(pictures, list(recipes.values()), model=model, progress=False)
        made |= {name: by_recipe[recipe] for name, recipe in recipes.items()}
    return {name: made[name] for name in found.tables}


def _map_of(vectors: Any) -> Layout:
    count = min(10, len(vectors) - 1)
    return umap_map(vectors, nearest(vectors, count), n_neighbors=count, seed=0)


def _own_photograph(table: EmbeddingTable, photographs: Any) -> Estimate:
    return knn_accuracy(table.vectors, np.asarray(photographs), k=min(K, len(table) - 1))


def _print_shares(what: str, shares: Mapping[str, Estimate]) -> None:
    print(f"{what}:")
    for name, share in shares.items():
        print(f"  {name}: {share}")


def _draw_shares(shares: Mapping[str, Mapping[str, Estimate]]) -> None:
    names = list(shares["published"])
    fig, axes = plots.figure(height=0.9 + 0.5 * len(names))
    positions = np.arange(len(names))
    colors, hatches = (plots.BLUE, plots.ORANGE), ("", "//")
    for number, (side, estimates) in enumerate(shares.items()):
        values = [estimates[name].value for name in names]
        at = positions + 0.38 * number
        bars = axes.barh(
            at, values, height=0.36, color=colors[number], hatch=hatches[number], ec=plots.BLACK, label=side
        )
        axes.bar_label(bars, padding=3, fmt="%.2f")
    chance = next(iter(shares["published"].values())).chance or 0.0
    axes.axvline(chance, color=plots.OUTLINE, ls="--", label="chance")
    axes.set_yticks(positions + 0.19, labels=names)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.15), xlabel="share of items whose neighbors name the own photograph", ylabel="space")
    fig.legend(loc="outside upper center", ncols=3, frameon=False)
    said = "; ".join(
        f"{name}: published {shares['published'][name].value:.2f}, loaded {shares['loaded'][name].value:.2f}"
        for name in names
    )
    plots.show(fig, alt=f"Bars for each space, published and loaded, with chance as a dashed line. {said}.")


def _draw_hits(found: Published, name: str, hits: Mapping[str, Sequence[str]], cosines: Any) -> None:
    ids = [one for line in hits.values() for one in line]
    titles = [f"{one}\n{value:.2f}" for one, value in zip(ids, np.ravel(cosines), strict=True)]
    said = "; ".join(f"“{query}”: {', '.join(line)}" for query, line in hits.items())
    print(f"{name}: one row for each query: {', '.join(f'“{query}”' for query in hits)}")
    plots.pictures(
        [found.thumbnail(one) for one in ids],
        titles,
        cols=len(next(iter(hits.values()))),
        height=1.5,
        alt=f"What {name} finds for each query, the best first, with cosines. {said}.",
    )
