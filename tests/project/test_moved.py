"""Public names are listed once and lead somewhere; modules that moved still answer to their old names."""

import importlib
import pkgutil
import sys

import numpy as np
import pytest

import phi3lib
from phi3lib import EmbeddingTable, lab
from phi3lib.embeddings.approximate import ApproximateNeighbors
from phi3lib.embeddings.groups import groups_of
from phi3lib.embeddings.locations import location_of
from phi3lib.embeddings.maps import Layout
from phi3lib.embeddings.shards import Shards
from phi3lib.lab import widgets
from phi3lib.lab.grading.handed_in import HandedIn
from phi3lib.lab.photographs import Credit
from phi3lib.loading.hub import HubModel
from phi3lib.moved import NEW_NAMES, new_name
from picturebook.captions import class_phrase
from picturebook.colors import COLORS
from picturebook.kind import Look
from picturebook.kinds import KINDS


@pytest.mark.parametrize("package", [phi3lib, lab, widgets], ids=lambda package: package.__name__)
def test_every_public_name_leads_somewhere(package):
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name in dir(package)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


@pytest.mark.parametrize("package", [phi3lib, lab, widgets], ids=lambda package: package.__name__)
def test_no_public_name_is_taken_by_a_module_of_the_package(package):
    """Importing a module sets it in its package: a function of the same name would be gone from then on."""
    modules = {one.name: f"{package.__name__}.{one.name}" for one in pkgutil.iter_modules(package.__path__)}
    for name in {*package.__all__} & {*modules} - {"start"}:  # `start` is imported with the package
        assert getattr(package, name) is importlib.import_module(modules[name])


@pytest.mark.parametrize(
    "old", [*NEW_NAMES, "phi3lib.picturebook", "phi3lib.picturebook.pages.clocks", "phi3lib.vectors.embed"]
)
def test_an_old_module_name_gives_the_module_and_warns(old, monkeypatch):
    sys.modules.pop(old, None)
    if old == "phi3lib.lab.published":  # `import` puts the module in place of the function
        monkeypatch.setattr(lab, "published", lab.published)
    with pytest.warns(DeprecationWarning, match=f"{old} is now {new_name(old)};"):
        module = importlib.import_module(old)
    assert module is importlib.import_module(new_name(old))
    assert module.__name__ == module.__spec__.name == new_name(old)


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("phi3lib.embeddings.approximate", "Found", "ApproximateNeighbors"),
        ("phi3lib.embeddings.folders", "Found", "FolderFiles"),
        ("phi3lib.embeddings.knn", "Neighbours", "Neighbors"),
        ("phi3lib.embeddings.locations", "Place", "Location"),
        ("phi3lib.embeddings.locations", "place_of", "location_of"),
        ("phi3lib.embeddings.compare", "shared_neighbours", "shared_neighbors"),
        ("phi3lib.embeddings.maps", "Places", "Coordinates"),
        ("phi3lib.embeddings.maps", "plane_neighbours", "plane_neighbors"),
        ("phi3lib.embeddings.maps", "map_neighbours", "map_neighbors"),
        ("phi3lib.embeddings.maps", "neighbours_for_maps", "neighbors_for_maps"),
        ("phi3lib.lab", "NeighbourPicker", "NeighborPicker"),
        ("phi3lib.lab.figures.sequence_plot", "show_places", "show_sequences"),
        ("phi3lib.loading.phi3", "vision_places", "vision_tensors"),
        ("phi3lib.loading.safetensors_io", "TensorPlace", "TensorInfo"),
        ("phi3lib.lab.atlas.columns", "given_places", "given_coordinates"),
        ("phi3lib.lab.atlas.state", "Found", "SearchResult"),
        ("phi3lib.lab.figures.hd_plots", "COLOURS", "COLORS"),
        ("phi3lib.lab.lessons.first_embedding", "mean_colours", "mean_colors"),
        ("phi3lib.lab.lessons.first_embedding", "order_of_neighbours", "order_of_neighbors"),
        ("phi3lib.lab.lessons.layers", "patch_colours", "patch_colors"),
        ("phi3lib.lab.lessons.picker", "NeighbourPicker", "NeighborPicker"),
        ("phi3lib.lab.lessons.spaces", "COLOUR_NAMES", "COLOR_NAMES"),
        ("phi3lib.vision.image_processing", "normalise", "normalize"),
        ("phi3lib.vision.image_processing", "require_kind", "require_tensor_type"),
        ("phi3lib.vision.placeholders", "may_look_at", "may_read"),
        ("phi3lib.vision.placeholders", "places_in_graph", "placeholders_in_graph"),
        ("phi3lib.vision.token_map", "places_of_view", "indices_of_view"),
        ("picturebook.french", "colour_word", "color_word"),
        ("picturebook.pictures", "colours_apart", "colors_apart"),
        ("picturebook.pictures", "colours_of", "colors_of"),
    ],
)
def test_old_names_warn_and_give_the_new_ones(module, old, new):
    home = importlib.import_module(module)
    with pytest.warns(DeprecationWarning, match=f"{old} is now {new}"):
        assert getattr(home, old) is getattr(home, new)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        home.nothing  # noqa: B018


def test_an_old_attribute_warns_and_gives_the_new_one():
    found = ApproximateNeighbors(neighbors="near", recall=None)
    with pytest.warns(DeprecationWarning, match="ApproximateNeighbors.neighbours is now neighbors") as warned:
        assert found.neighbours == "near"
    assert warned[0].filename == __file__


@pytest.mark.parametrize(
    ("one", "old", "new"),
    [
        (Look(COLORS["red"]), "colour", "color"),
        (KINDS["cup"], "takes_colour", "takes_color"),
        (groups_of([[0.0, 1.0], [1.0, 0.0]], ["a", "b"]), "centres", "centers"),
        (Credit("a", "b", "c", "CC0", "d"), "licence", "license"),
        (HandedIn("anna", "01.ipynb"), "place_of", "index_of"),
        (Layout(np.zeros((1, 2), np.float32), {}), "places", "coordinates"),
        (HubModel("owner/name", "0" * 40), "places", "tensor_infos"),
        (Shards(location_of("."), ()), "place", "location"),
    ],
    ids=lambda given: given if isinstance(given, str) else type(given).__name__,
)
def test_old_spellings_of_attributes_warn(one, old, new):
    with pytest.warns(DeprecationWarning, match=rf"{type(one).__name__}\.{old} is now {new}"):
        found = getattr(one, old)
    assert found is getattr(one, new) or found == getattr(one, new)  # methods are bound anew


def test_old_spellings_of_parameters_warn():
    red = COLORS["red"]
    with pytest.warns(DeprecationWarning, match="colour= of Look is now color=") as warned:
        assert Look(colour=red) == Look(red)
    assert warned[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="colour= of class_phrase is now color="):
        assert class_phrase(KINDS["cup"], colour="red") == "a red cup"
    with pytest.warns(DeprecationWarning, match="places= of Layout is now coordinates="):
        assert Layout(places=np.zeros((1, 2), np.float32), parameters={}).coordinates.shape == (1, 2)
    table = EmbeddingTable(np.eye(2, dtype=np.float32), ["a", "b"])
    with pytest.warns(DeprecationWarning, match="centred= of RecipeSwitches is now centered="):
        switches = lab.RecipeSwitches({"r": table}, [None, None], recipe="r", centred=True)
    assert switches.state.centered


def test_the_old_module_of_colors_warns():
    sys.modules.pop("picturebook.colours", None)
    with pytest.warns(DeprecationWarning, match="picturebook.colours is now picturebook.colors"):
        old = importlib.import_module("picturebook.colours")
    assert old.COLOURS is COLORS and old.Colour is type(COLORS["red"])
