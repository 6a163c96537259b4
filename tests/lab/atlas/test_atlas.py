"""The explorer's state, what its page is given, and its exports; the page itself is tested in a browser."""

import base64
import hashlib
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from phi3lib import Atlas, EmbeddingTable
from phi3lib.embeddings.knn import nearest
from phi3lib.embeddings.maps import Layout, plane_neighbors, sample_rows, steadiness
from phi3lib.lab.atlas import page as atlas_page
from phi3lib.lab.atlas.page_data import GRID as SQUARE
from phi3lib.lab.atlas.page_data import SHADE, page_data
from phi3lib.lab.atlas.state import AtlasState, Settings
from phi3lib.lab.atlas.thumbnails import Thumbnails, read_thumbnails, sprite_sheets
from phi3lib.lab.atlas.trust import said_trust
from tests.exported_page import data_of
from tests.front_end import send

COUNT = 40
GRID = {"n_neighbors": (5, 10), "min_dist": (0.1,), "seed": (0, 1)}
EVIL = '"><script>document.title="owned"</script>'


RECIPE = {"model": "/home/me/models/small"}


def table_of(seed: int, width: int, recipe: dict | None = None) -> EmbeddingTable:
    """Four groups of ten around centres of their own; one picture has a name that means harm."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(4), COUNT // 4)
    vectors = rng.normal(size=(4, width))[groups] * 3 + rng.normal(size=(COUNT, width))
    ids = tuple(EVIL if n == 7 else f"p{n}" for n in range(COUNT))
    labels = {"group": np.array([f"g{group}" for group in groups])}
    return EmbeddingTable(
        vectors.astype(np.float32), ids, labels, recipe or {"model": "/home/me/models/small"}
    )


class Words:
    """Stands for a CLIP: the vector of a text is that of the picture with its number."""

    def __init__(self, table: EmbeddingTable) -> None:
        self.table = table

    def text_features(self, text):
        import torch

        return torch.from_numpy(self.table.vectors[[int(text)]])


@pytest.fixture(scope="module")
def tables():
    return {"one": table_of(0, 6, {"pooling": "projected: so"}), "two": table_of(1, 9)}


@pytest.fixture(scope="module")
def state(tables):
    return AtlasState(tables, grid=GRID, model=Words(tables["one"]))


@pytest.fixture(scope="module")
def atlas(tables):
    pictures = [Image.new("RGB", (9, 5), (6 * n, 0, 0)) for n in range(COUNT)]
    return Atlas(tables, pictures=pictures, labels="group", grid=GRID, title=EVIL)


# ------------------------------------------------------------------------------- state


def test_the_grid_holds_pca_and_all_combinations(state):
    assert state.settings[0].method == "PCA"
    assert {(s.n_neighbors, s.seed) for s in state.settings[1:]} == {(5, 0), (10, 0), (5, 1), (10, 1)}


def test_pca_alone_needs_no_umap(tables):
    state = AtlasState(tables["one"], grid={"n_neighbors": (), "min_dist": (0.1,), "seed": (0,)})
    assert [settings.method for settings in state.settings] == ["PCA"] and state.chosen.method == "PCA"
    assert state.wobble("map") is None
    assert "PCA" in state.sentence()


def test_pictures_are_those_that_all_tables_have(tables):
    cut = tables["two"].select(list(range(5, COUNT))[::-1])
    state = AtlasState({"one": tables["one"], "two": cut}, grid=GRID)
    assert state.ids == tables["one"].ids[5:]
    assert np.array_equal(state.tables["two"].vectors, tables["two"].vectors[5:])


def test_trust_is_what_the_map_keeps_of_the_space(state):
    settings = state.settings[1]
    true = nearest(state.tables["one"].vectors, 10).indices
    shown = plane_neighbors(state.layout("one", settings).coordinates, 10)
    wanted = [len(set(a) & set(b)) / 10 for a, b in zip(true, shown, strict=True)]
    assert state.kept("one", settings) == pytest.approx(wanted)


def test_what_two_spaces_share_and_what_moves(state, tables):
    assert state.between.shape == (COUNT,) and 0 < state.between.mean() < 1
    same = AtlasState({"a": tables["one"], "b": tables["one"]}, grid=GRID)
    assert (same.between == 1).all()
    assert np.abs(same.moved()).max() < 1e-5
    assert state.moved().max() > 0.05


def test_wobble_needs_two_seeds(tables, state):
    assert 0 <= state.wobble("one").min() <= state.wobble("one").max() <= 1
    assert AtlasState(tables["one"], grid={**GRID, "seed": (0,)}).wobble("map") is None


def test_trust_and_wobble_are_those_of_the_settings_asked_for(state):
    for settings in state.settings:
        layout, vectors = state.layout("one", settings), state.tables["one"].vectors
        assert state.trustworthiness("one", settings) == pytest.approx(layout.trustworthiness(vectors))
    by_settings = {settings: state.wobble("one", settings) for settings in state.settings}
    assert by_settings[Settings("PCA")] is None
    few, many = (by_settings[Settings("UMAP", n, 0.1, 0)] for n in (5, 10))
    both = [state.layout("one", Settings("UMAP", 10, 0.1, seed)) for seed in (0, 1)]
    assert many == pytest.approx(1 - steadiness(both, state.k)) and few is not many
    assert by_settings[Settings("UMAP", 5, 0.1, 1)] is few  # one number for all seeds


def test_a_sample_is_asked_of_many_pictures_and_ranks_are_among_all(monkeypatch):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 6)).astype(np.float32)
    table = EmbeddingTable(vectors, tuple(f"p{n}" for n in range(300)))
    state = AtlasState(table, grid={"n_neighbors": (), "min_dist": (0.1,), "seed": (0,)})
    whole = state.layout("map").trustworthiness(vectors, state.k)
    assert state.trustworthiness("map") == pytest.approx(whole) and state.trust("map").count == 300
    assert "sample" not in state.sentence()

    monkeypatch.setattr(Layout.trustworthiness_estimate, "__kwdefaults__", {"most": 60, "seed": 0})
    sampled = AtlasState(table, grid={"n_neighbors": (), "min_dist": (0.1,), "seed": (0,)})
    trust = sampled.trust("map")
    assert trust.count == 60 and trust.value == pytest.approx(whole, abs=0.05)
    assert trust.low <= whole <= trust.high
    words = f"({trust.low:.3f} to {trust.high:.3f}; a sample of 60 of 300 pictures)"
    assert words in sampled.sentence()
    assert words in page_data(sampled, None)["spec"]["trust_words"][0][0]
    rows = sample_rows(300, 60)
    of_each = sampled.layout("map").trust(vectors, state.k)  # ranks among all 300
    assert trust.value == pytest.approx(of_each[rows].mean())


def test_labels_stand_in_their_order_and_missing_ones_last(tables):
    counts = [10, 9, np.nan, 2] * 10
    state = AtlasState(tables["one"], labels=counts, grid=GRID)
    assert state.kinds == ["2.0", "9.0", "10.0", "none"] and state.labels[2] == "none"
    state = AtlasState(tables["one"], labels=["b", None, "a", "b"] * 10, grid=GRID)
    assert state.kinds == ["a", "b", "none"]
    assert AtlasState(tables["one"], labels=["g10", "g9"] * 20, grid=GRID).kinds == ["g9", "g10"]
    long = "9" * 5_000  # more digits than Python reads as a number
    assert AtlasState(tables["one"], labels=[long, "010", "9", "b"] * 10, grid=GRID).kinds == [
        "9",
        "010",
        long,
        "b",
    ]
    codes = page_data(state, None)["spec"]["codes"]
    assert codes[:4] == [1, 2, 0, 1]


def test_other_parameters_are_computed_and_kept(tables):
    state = AtlasState(tables["one"], grid=GRID)
    settings = state.recompute(7, 0.3, 0)
    assert state.chosen == settings == Settings("UMAP", 7, 0.3, 0) and settings in state.settings
    again = state.layout("map")
    assert again is state.layout("map")
    for wrong in ((1, 0.1, 0), (41, 0.1, 0), (5, 2.0, 0), (5, float("nan"), 0), (5, 0.1, -1)):
        with pytest.raises(ValueError, match=r"n_neighbors|min_dist|seed"):
            state.recompute(*wrong)


def test_saved_maps_are_computed_once(tables, tmp_path, monkeypatch):
    one = {"one": tables["one"]}
    made = Atlas(one, grid=GRID, saved=tmp_path / "maps")
    first = [made.state.layout("one", settings).coordinates for settings in made.state.settings]
    files = sorted((tmp_path / "maps").iterdir())
    assert len(files) == 4  # PCA costs nothing

    computed = []
    monkeypatch.setattr(
        "phi3lib.lab.atlas.table_maps.umap_map",
        lambda *_, **options: computed.append(options) or made.state.layout("one"),
    )
    again = Atlas(one, grid=GRID, saved=tmp_path / "maps").state
    assert all(
        np.array_equal(again.layout("one", s).coordinates, p)
        for s, p in zip(again.settings, first, strict=True)
    )
    assert not computed
    files[0].write_bytes(b"no table")  # what cannot be read is made anew
    broken = Atlas(one, grid=GRID, saved=tmp_path / "maps").state
    other = Atlas({"one": tables["two"]}, grid=GRID, saved=tmp_path / "maps").state
    for state in (broken, other):
        for settings in state.settings:
            state.layout("one", settings)
    assert len(computed) == 1 + 4


def test_a_text_is_found_through_clip_alone(state, tables):
    found = state.find("12", k=3)
    assert found.rows[0] == 12 and found.cosines[0] == pytest.approx(1.0, abs=1e-5)
    assert found.through == "one" and state.found is found
    with pytest.raises(ValueError, match="empty"):
        state.find("  ")
    assert state.found is None
    with pytest.raises(ValueError, match="projected"):
        AtlasState({"two": tables["two"]}, grid=GRID, model=Words(tables["one"])).find("1")


def test_few_pictures_one_class_and_equal_vectors_make_a_map():
    same = EmbeddingTable(np.tile(np.float32([1, 2, 3]), (6, 1)), tuple("abcdef"))
    state = AtlasState(same)
    assert np.isfinite(state.layout("map").coordinates).all()
    assert state.label_name == "" and set(state.labels) == {"picture"}
    assert page_data(state, None)["spec"]["count"] == 6
    with pytest.raises(ValueError, match="four pictures"):
        AtlasState(same.select([0, 1, 2]))
    empty = EmbeddingTable(np.zeros((0, 3), np.float32), ())
    with pytest.raises(ValueError, match="four pictures at least; there are 0"):
        Atlas(empty)
    with pytest.raises(ValueError, match="have 2 in common"):
        AtlasState({"a": same, "b": EmbeddingTable(same.vectors, ("a", "b", "x", "y", "z", "u"))})
    zero = EmbeddingTable(np.float32([[1, 2], [0, 0], [1, 1], [2, 1]]), ("a", "b", "c", "d"))
    with pytest.raises(ValueError, match=r"the vector of 'b' in 'map' is zero"):
        AtlasState(zero)
    with pytest.raises(ValueError, match="no table"):
        AtlasState({})
    with pytest.raises(ValueError, match="no picture in common"):
        AtlasState({"a": same, "b": table_of(0, 3)})


def test_labels_must_be_there_and_fit(tables):
    with pytest.raises(ValueError, match="no table has the label 'kind'"):
        AtlasState(tables, labels="kind", grid=GRID)
    with pytest.raises(ValueError, match="3 labels for 40"):
        AtlasState(tables, labels=["a", "b", "c"], grid=GRID)


# ------------------------------------------------------------------------------- the page


def test_places_on_the_page_are_those_of_the_map(state):
    data = page_data(state, None)
    places = np.frombuffer(data["places"], "<u2").reshape(2, len(state.settings), COUNT, 2)
    for map_, name in enumerate(state.names):
        for number, settings in enumerate(state.settings):
            true, shown = state.layout(name, settings).coordinates, places[map_, number].astype(float)
            scale = np.ptp(true, axis=0).max() / SQUARE
            assert np.ptp(shown, axis=0).max() == SQUARE
            difference = (shown - shown.mean(0)) * scale - (true - true.mean(0))
            assert np.abs(difference).max() < 2 * scale


def test_neighbors_and_shares_on_the_page(state):
    data, settings = page_data(state, None), len(state.settings)
    near = np.frombuffer(data["near"], "<u2").reshape(2, COUNT, state.k)
    assert np.array_equal(near[0], state.spaces["one"].indices[:, : state.k])
    cosines = np.frombuffer(data["cosines"], np.int8).reshape(near.shape) / 100
    unit = state.tables["one"].vectors / np.linalg.norm(state.tables["one"].vectors, axis=1, keepdims=True)
    assert np.allclose((unit[:, None] * unit[near[0]]).sum(2), cosines[0], atol=0.006)
    shares = np.frombuffer(data["shares"], np.uint8).reshape(-1, COUNT)
    lines = data["spec"]["lines"]
    for number, one in enumerate(state.settings):
        assert shares[lines["kept"][1][number]] == pytest.approx(100 * state.kept("two", one), abs=0.51)
        assert shares[lines["moved"][0][number]] == pytest.approx(100 * state.moved(one), abs=0.51)
        assert shares[lines["between"][0][number]] == pytest.approx(100 * state.between, abs=0.51)
    words = [[said_trust(state.trust(name, one), COUNT) for one in state.settings] for name in state.names]
    assert data["spec"]["trust_words"] == words and len(set(words[0])) > 1
    wobbles = lines["wobble"][0]
    assert wobbles[0] is None and wobbles[1] == wobbles[3] != wobbles[2]  # PCA; seeds share a line
    assert len(shares) == 2 * settings + settings + 1 + 4
    alone = page_data(AtlasState(state.tables["one"], grid={**GRID, "seed": (0,)}), None)
    assert set(alone["spec"]["lines"]) == {"kept"}


def test_thumbnails_stand_on_sheets_in_order(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    colors = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    pictures = [Image.new("RGB", (20, 10), color) for color in colors] + [tmp_path / "broken.png"]
    (uri,) = sprite_sheets(read_thumbnails(pictures, 16)[0])
    sheet = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
    middles = [sheet.getpixel((16 * n + 8, 8)) for n in range(4)]
    for shown, wanted in zip(middles, [*colors, (200, 200, 200)], strict=True):
        assert np.abs(np.subtract(shown, wanted)).max() < 40


def test_a_sample_stands_for_too_many(monkeypatch, state):
    monkeypatch.setattr("phi3lib.lab.atlas.page_data.MOST_POINTS", 12)
    data = page_data(state, Thumbnails([Image.new("RGB", (4, 4))] * COUNT))
    rows = data["spec"]["rows"]
    assert len(rows) == 12 == data["spec"]["count"] and data["spec"]["all"] == COUNT
    assert data["spec"]["ids"] == [state.ids[row] for row in rows]
    shade = np.frombuffer(data["shade"], np.uint8)
    assert shade.reshape(2, len(state.settings), -1).max(2).tolist() == [[255] * len(state.settings)] * 2
    near = np.frombuffer(data["near"], "<u2").reshape(2, 12, state.k)
    for own, row in enumerate(rows):  # of neighbors that are not drawn the point itself stands
        true = state.spaces["one"].indices[row, : state.k].tolist()
        assert [rows[point] for point in near[0, own]] == [one if one in rows else row for one in true]
    assert np.array_equal(sample_rows(COUNT, 12), rows)


def test_the_shade_of_all_pictures_is_as_dark_as_the_root_of_their_number(monkeypatch):
    monkeypatch.setattr("phi3lib.lab.atlas.page_data.MOST_POINTS", 4)
    places = np.array([[0, 0]] * 9 + [[1, 0]] * 4 + [[0, 0.5]] + [[0.5, 0.25]], np.float32)
    vectors = np.random.default_rng(0).normal(size=(15, 3)).astype(np.float32)
    state = AtlasState(EmbeddingTable(vectors, tuple(map(str, range(15)))), layout=places)
    shade = np.frombuffer(page_data(state, None)["shade"], np.uint8).reshape(SHADE, SHADE)
    line, column = shade.nonzero()
    # The map is half as high as wide, and stands in the middle.
    assert sorted(zip(column.tolist(), line.tolist(), strict=True)) == [(0, 24), (0, 71), (48, 48), (95, 24)]
    assert [shade[24, 0], shade[24, 95], shade[71, 0], shade[48, 48]] == [255, 170, 85, 85]


# ------------------------------------------------------------------------------- the widget


def test_a_gesture_reaches_python_once(tables):
    atlas = Atlas(tables, grid=GRID)
    seen = []
    atlas.on_select(lambda rows: seen.append(rows.ids))
    atlas.live().selected = [3, 5]
    assert seen == [("p3", "p5")]
    assert list(atlas.selected.to_pandas()["group"]) == ["g0", "g0"]
    atlas.select([9])
    assert seen == [("p3", "p5")] and atlas.live().selected == [9]  # no gesture, no call
    with pytest.raises(ValueError, match="0 to 39"):
        atlas.select([40])
    assert "1 selected" in atlas.still().alt


def test_the_page_may_ask_for_maps_and_texts(tables):
    atlas = Atlas(tables, grid=GRID, model=Words(tables["one"]))
    widget = atlas.live()
    told = []
    widget.observe(lambda change: told.append(change["new"]), "progress")
    send(widget, {"do": "recompute", "n_neighbors": "6", "min_dist": "0.2", "seed": "0"})
    assert (
        told == sorted(told) and told[0] == 0.0 and told[-1] == 1.0 and len(told) > 20
    )  # rounds of two maps
    assert widget.spec["card"]["map"]["n_neighbors"] == 6
    assert widget.chosen["n_neighbors"] == 6 and len(widget.spec["settings"]) == 6
    assert len(widget.places) == 2 * 6 * COUNT * 4
    send(widget, {"do": "recompute", "n_neighbors": "600", "min_dist": "0.2", "seed": "0"})
    assert "may be 2 to 40" in widget.status and widget.progress == 1.0
    send(widget, {"do": "recompute", "n_neighbors": "", "min_dist": "0.2", "seed": "0"})
    assert widget.status == "N_neighbors must be a number."
    send(widget, {"do": "find", "text": "3"})
    assert widget.found["rows"][0] == 3 and widget.found["standing"] > 1.1
    said = f"cosine of 1.00, {widget.found['standing']:.1f} standard deviations above the mean"
    assert said in widget.status
    send(widget, {"do": "find", "text": ""})
    assert widget.status == "The text is empty." and widget.found == {}
    send(widget, {"do": "dance"})


def test_a_saved_notebook_holds_the_picture_and_its_words(tables):
    bundle = Atlas(tables, grid=GRID, title="Two maps")._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert '<img class="phi3lib-still phi3lib-drawing" src="data:image/' in bundle["text/html"]
    assert 'alt="Two maps. 40 pictures. UMAP, n_neighbors 10' in bundle["text/html"]


def test_pictures_must_fit(tables):
    with pytest.raises(ValueError, match="2 pictures for a table of 40"):
        Atlas(tables, pictures=[Image.new("RGB", (2, 2))] * 2)


# ------------------------------------------------------------------------------- exports


def test_the_exported_page_is_whole_small_and_closed(atlas, tmp_path):
    page = atlas.to_html(tmp_path / "atlas.html").read_text(encoding="utf-8")
    thumbnails = sum(map(len, page_data(atlas.state, atlas.thumbnails)["sheets"]))
    assert len(page.encode()) - thumbnails < 300_000
    assert EVIL not in page and "<script>document" not in page
    assert not re.search(r"(src|href)=\"?https?:", page)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1)
    assert len(scripts) == 1 and "unsafe" not in policy and "default-src &#x27;none&#x27;" in policy
    assert base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode() in policy
    data = data_of(page)
    assert data["spec"]["ids"][7] == EVIL
    assert data["spec"]["card"]["tables"]["two"]["model"] == "small"  # and not where it lies
    assert data["spec"]["card"]["map"]["seed"] == 0
    assert set(data["spec"]["card"]["versions"]) == {"phi3lib", "umap-learn", "numpy"}


def test_a_thousand_pictures_with_a_whole_grid_stay_small(tmp_path):
    rng = np.random.default_rng(0)
    names = tuple(f"folder/picture_{n:04}.jpg" for n in range(1000))
    tables = {name: EmbeddingTable(rng.normal(size=(1000, 4)).astype(np.float32), names) for name in "ab"}
    atlas = Atlas(tables)
    for settings in atlas.state.settings:  # where points stand is all one here: noise packs worst
        for name in tables:
            places = rng.normal(size=(1000, 2)).astype(np.float32)
            atlas.state._layouts[name, settings] = Layout(places, {})
    assert len(atlas.state.settings) == 19
    # A part of it is scripts and styles, the same for any number of pictures.
    assert atlas.to_html(tmp_path / "atlas.html").stat().st_size < 325_000


def test_an_export_shows_what_is_chosen_selected_and_found(tables, tmp_path):
    atlas = Atlas(tables, grid=GRID, model=Words(tables["one"]))
    atlas.select([3, 5])
    atlas.state.find("12")
    atlas.state.recompute(7, 0.3, 0)
    page = atlas.to_html(tmp_path / "atlas.html").read_text(encoding="utf-8")
    data = data_of(page)
    assert data["selected"] == [3, 5] and data["found"]["rows"][0] == 12
    assert data["chosen"]["n_neighbors"] == data["spec"]["card"]["map"]["n_neighbors"] == 7
    plain = Atlas(tables, grid=GRID).still().data
    assert atlas.still().data != plain  # rings and star


def test_the_exported_picture_carries_its_card(atlas, tmp_path):
    image = Image.open(atlas.to_png(tmp_path / "atlas.png"))
    card = json.loads(image.info["phi3lib.card"])
    assert card["map"]["method"] == "UMAP" and "trustworthiness" in image.info["Description"]
    assert image.width == 1600  # 8 inches, sharp in print


def test_all_parts_of_the_script_are_joined_and_each_is_short():
    scripts = list(atlas_page.SCRIPTS.glob("*.js"))
    assert {path.stem for path in scripts} == set(atlas_page.PARTS)
    assert all(len(path.read_text().splitlines()) <= 350 for path in scripts)
