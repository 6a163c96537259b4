"""The cells of notebooks 05, 06 and 07 on published vectors: one sentence, or what a filled folder holds."""

import contextlib
import io
from functools import cache

import nbformat
import pytest

from phi3lib import lab, load_clip, load_phi3_model
from phi3lib.lab.figures import plots
from phi3lib.lab.lessons import beside_published
from phi3lib.lab.lessons.a2_photographs import QUERIES, free_photographs, items_of
from phi3lib.lab.lessons.a2_published import checkpoints_read, compute, save
from phi3lib.lab.published_vectors import published
from phi3lib.loading.defaults import DATA_FOLDER

NOTEBOOKS = {"05": "05_umap_maps", "06": "06_clip_vs_phi3", "07": "07_search_and_classify"}
SHARES = "the nearest neighbors name the own photograph"


@pytest.fixture(scope="module")
def models():
    return {"clip": load_clip(), "phi3": load_phi3_model()}


@pytest.fixture(scope="module")
def filled(models, tmp_path_factory):
    """A folder that this test has filled with vectors of the bundled models; its record says so."""
    photographs = {name: free_photographs()[name] for name in ("china", "flower")}
    items = [item for number, item in enumerate(items_of(photographs)) if number % 13 < 6]
    made = compute(items, QUERIES, models)
    credits = {name: credit for name, (_, credit) in photographs.items()}
    folder = tmp_path_factory.mktemp("filled") / "published"
    save(folder, items, *made, credits, checkpoints=checkpoints_read(), test=True)
    return published(folder, test=True)


def source_of(number):
    notebook = nbformat.read(DATA_FOLDER.parent / "notebooks" / f"{NOTEBOOKS[number]}.ipynb", as_version=4)
    return next(cell.source for cell in notebook.cells if cell.id == f"{number}-published-shown")


def run_cell(number, found, models):
    """Run the cell of a notebook with what `lab.published()` finds: (printed, stills)."""
    stills, printed = [], io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(plots, "display_still", stills.append)
        patch.setattr(lab, "published", lambda: found)
        exec(source_of(number), {"lab": lab, **models})
    return printed.getvalue(), stills


@pytest.fixture(scope="module")
def cell(filled, models):
    """A function that runs the cell of a notebook with the filled folder, once for all tests."""
    return cache(lambda number: run_cell(number, filled, models))


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_an_empty_folder_is_one_sentence(number, models):
    printed, stills = run_cell(number, None, models)
    assert printed == beside_published.EMPTY + "\n" and stills == []


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_test_vectors_are_called_so(number, cell):
    printed, _ = cell(number)
    assert printed.startswith(beside_published.TEST_VECTORS + "\n")


def test_05_shows_a_map_of_each_model(cell):
    printed, (still,) = cell("05")
    for name in ("clip-small (test)", "clip-small (loaded)"):
        assert name in printed and name in still.alt
    assert "12 photographs and pieces" in still.alt and SHARES in printed


def test_06_compares_every_space_and_the_full_pictures_with_the_thumbnails(cell, filled, models):
    printed, (still,) = cell("06")
    assert all(space in still.alt for space in filled.tables)
    assert printed.count("nearest in common") == len(filled.tables) - 1
    with contextlib.redirect_stdout(io.StringIO()):
        shares = beside_published.show_spaces(filled, models["clip"], models["phi3"])
    assert {side: list(of_spaces) for side, of_spaces in shares.items()} == {
        "published": list(filled.tables), "loaded": list(filled.tables),
    }  # fmt: skip


def test_07_searches_with_cached_queries(cell, filled, models):
    printed, stills = cell("07")
    assert len(stills) == 2 and all(query in printed for query in beside_published.QUERIES)
    results = beside_published.show_search(filled, models["clip"])
    queries, items = filled.queries["CLIP vector"], filled.tables["CLIP vector"]
    cosines = queries.unit()[queries.ids.index(beside_published.QUERIES[0])] @ items.unit().T
    assert results["clip-small (test)"][beside_published.QUERIES[0]][0] == items.ids[cosines.argmax()]
    assert all(one in stills[0].alt for one in results["clip-small (test)"][beside_published.QUERIES[2]])


def test_published_vectors_name_their_checkpoints(filled, capsys):
    from dataclasses import replace

    commit = "0123456789ab" * 4
    checkpoints = [{"name": "openai/clip-vit-base-patch32", "revision": commit, "files": {}}]
    beside_published._said(replace(filled, weights="published", checkpoints=checkpoints))
    expected = "12 photographs and pieces, by openai/clip-vit-base-patch32 (0123456789ab)\n"
    assert capsys.readouterr().out == expected
