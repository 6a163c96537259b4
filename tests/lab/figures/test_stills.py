"""What a notebook stores of a figure and of an instrument; names that mean harm to figures and files."""

import base64
import html
import io
import json
import re

import nbformat
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.image import AxesImage
from matplotlib.text import Text
from nbconvert import LatexExporter
from PIL import Image, ImageColor

from phi3lib import Atlas, EmbeddingTable, hd_grid
from phi3lib.lab.figures import hd_plots, plots
from phi3lib.lab.figures.shown_text import artists_of, readable
from phi3lib.lab.figures.stills import DARK_FILTER
from phi3lib.lab.widgets import GridExplorer
from phi3lib.lab.widgets.base import VIEW
from phi3lib.lab.widgets.scripts import instrument_styles
from phi3lib.vision.inputs import printable
from tests.exported_page import data_of
from tests.front_end import send
from tests.hostile_strings import HOSTILE


@pytest.fixture
def photograph() -> plots.Still:
    noise = np.random.default_rng(0).integers(0, 255, (150, 200, 3), dtype=np.uint8)
    data, mime = plots.encode(Image.fromarray(noise).resize((400, 300)))
    assert mime == "image/jpeg"
    return plots.Still(data, mime, "A photograph.", (400, 300))


def displayed(shown: object) -> list[tuple[dict, dict]]:
    InteractiveShell.instance()
    from IPython.display import display

    with capture_output() as captured:
        display(shown)
    return [(output.data, output.metadata) for output in captured.outputs]


def test_the_colors_that_mean_something_survive_beside_a_photograph():
    x, y = np.meshgrid(np.linspace(0, 220, 300), np.linspace(0, 220, 200))
    pixels = np.stack([x, y, 220 - x], axis=-1).astype(np.uint8)  # thousands of colours
    pixels[20:23, :20] = ImageColor.getrgb(plots.VIEW_SEPARATOR)
    image = Image.fromarray(pixels)
    stored = [plots.encode(image, keep=keep) for keep in ([], [plots.VIEW_SEPARATOR, plots.YELLOW])]
    assert [mime for _, mime in stored] == ["image/png", "image/png"]
    without, kept = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data, _ in stored)
    assert (kept[20:23, :20] == ImageColor.getrgb(plots.VIEW_SEPARATOR)).all()
    assert np.abs(kept.astype(int) - without)[30:].max() <= 4  # the others as before


def test_white_paper_stays_white_beside_a_photograph():
    x, y = np.meshgrid(np.linspace(200, 254, 300), np.linspace(200, 254, 200))
    pixels = np.stack([x, y, 454 - x], axis=-1).astype(np.uint8)  # thousands of pale colors
    pixels[:, :40] = 255
    stored = Image.open(io.BytesIO(plots.encode(Image.fromarray(pixels))[0])).convert("RGB")
    assert stored.size == (300, 200)
    assert (np.asarray(stored)[:, :40] == 255).all()
    assert (np.asarray(stored)[:, 40:].min(-1) < 255).all()


def figure_of_everything():
    """Ticks, a legend outside, a color bar, an inset, a shared axis, powers of ten, pictures with titles."""
    fig, axes = plots.figure(2, 3, height=5, sharex="row")
    numbers = np.random.default_rng(0).random((2, 40))
    axes[0, 0].scatter(*numbers, label="a point")
    axes[0, 1].semilogy(np.geomspace(1, 1e6, 5), label="powers")
    axes[0, 1].inset_axes([0.6, 0.1, 0.3, 0.3]).plot(numbers[0])
    fig.colorbar(axes[0, 2].imshow(numbers, aspect="auto"), ax=axes[0, 2])
    plots.write_title(axes[0, 2], "two lines\nof a title")
    fig.legend(loc="outside lower center")
    for ax, title in zip(axes[1], ("", "one", "two\nlines"), strict=True):
        plots.picture_axes(ax, Image.linear_gradient("L").resize((90, 60)), title)
    return fig


def test_a_figure_is_drawn_once_and_as_a_file_of_it_would_be():
    buffer = io.BytesIO()
    plots.write_png(figure_of_everything(), buffer)
    fig, times = figure_of_everything(), []
    fig.canvas.mpl_connect("draw_event", times.append)
    assert (np.asarray(plots.drawn(fig)) == np.asarray(Image.open(buffer))[..., :3]).all()
    assert len(times) == 1


def test_pictures_have_no_ticks_made_for_them():
    fig, axes = plots.figure(1, 2)
    for ax, title in zip(axes, ("", "a title"), strict=True):
        plots.picture_axes(ax, Image.new("RGB", (9, 6)), title)
    plots.still(fig, alt="Two pictures.")
    assert [len(axis.majorTicks) for ax in axes for axis in (ax.xaxis, ax.yaxis)] == 4 * [1]  # as empty axes


def test_the_separator_of_the_views_shows_in_the_ribbon():
    shown = []
    grid = hd_grid(640, 427, num_crops=16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "display_still", shown.append)
        no_blue = Image.linear_gradient("L"), Image.radial_gradient("L"), Image.new("L", (256, 256))
        photo = Image.merge("RGB", no_blue)
        hd_plots.grid_and_ribbon(photo, grid, alt="The grid, and the ribbon of its tokens.")
    pixels = np.asarray(Image.open(io.BytesIO(shown[0].data)).convert("RGB")).astype(int)
    purple = (np.abs(pixels - ImageColor.getrgb(plots.VIEW_SEPARATOR)).sum(-1) < 60).sum(0)
    assert (purple > 30).sum() >= 3  # a line of three pixels from top to bottom of the ribbon


def test_a_frame_shows_where_a_white_picture_ends():
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "display_still", shown.append)
        for framed in (False, True):
            plots.pictures([Image.new("RGB", (40, 40), "white")], [""], alt="White.", framed=framed)
    dark = [(np.asarray(Image.open(io.BytesIO(one.png)).convert("L")) < 200).sum() for one in shown]
    assert dark[0] == 0 and dark[1] > 100


def test_a_png_stands_beside_the_html_whatever_that_holds(photograph):
    bundle = photograph._repr_mimebundle_()
    image = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert image.format == "PNG" and image.size == (400, 300)
    assert 'alt="A photograph."' in bundle["text/html"] and "data:image/jpeg" in bundle["text/html"]


def test_the_still_of_an_instrument_is_an_output_of_its_own():
    explorer = GridExplorer()
    (view, _), (still, _) = displayed(explorer)
    assert set(view) == {VIEW} and VIEW not in still
    assert set(still) == {"text/html", "image/png", "text/plain"}
    (key,) = explorer.live().twins
    assert f'class="phi3lib-twin {key}"' in still["text/html"] and "alt=" in still["text/html"]
    assert 'alt="Grid explorer, still picture. Grid of crops' in still["text/html"]
    displayed(explorer)
    assert explorer.live().twins == [key]  # an equal picture has an equal name, in every run


def test_an_instrument_that_is_shown_for_the_first_time_is_drawn_once(monkeypatch):
    drawn, draw = [], GridExplorer.still
    monkeypatch.setattr(GridExplorer, "still", lambda self: drawn.append(self) or draw(self))
    explorer = GridExplorer()
    (_, _), (still, _) = displayed(explorer)
    assert len(drawn) == 1 and explorer.live().picture in still["text/html"]
    explorer.choose(num_crops=4)
    (_, _), (changed, _) = displayed(explorer)  # the state may have changed without the page
    assert len(drawn) == 3 and explorer.live().picture in changed["text/html"] != still["text/html"]


def test_axes_that_are_switched_off_make_no_ticks():
    fig, (seen, off) = plots.figure(1, 2)
    seen.set(xlabel="x", ylabel="y")
    plots.picture_axes(off, np.zeros((4, 4, 3)), "$off$")
    artists = artists_of(fig)
    assert {one.get_text() for one in artists if isinstance(one, Text)} >= {"x", "y", "$off$"}
    assert seen.xaxis in artists and off.xaxis not in artists and off.yaxis not in artists
    assert fig.findobj(AxesImage) == [one for one in artists if isinstance(one, AxesImage)]


def test_the_metadata_of_the_widget_pass_through(monkeypatch):
    explorer, colab = GridExplorer(), {VIEW: {"colab": {"custom_widget_manager": {"url": "https://x"}}}}
    data = explorer.live()._repr_mimebundle_()
    data = data[0] if isinstance(data, tuple) else data
    monkeypatch.setattr(type(explorer.live()), "_repr_mimebundle_", lambda self, **_: (data, colab))
    assert displayed(explorer)[0] == ({VIEW: data[VIEW]}, colab)
    bundle, metadata = explorer._repr_mimebundle_()
    assert metadata == colab and {VIEW, "text/html", "image/png"} <= set(bundle)


def test_an_export_restores_the_figures_of_a_notebook_that_keeps_them_in_html_alone(photograph):
    still = GridExplorer().still()
    shown = [photograph.to_html(), still.to_twin_html(), "<b>no picture</b>"]
    bundles = [{"text/html": html, "text/plain": "[picture]"} for html in shown]
    outputs = [nbformat.v4.new_output("display_data", bundle, metadata={}) for bundle in bundles]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("stills", outputs=outputs)])
    exporter = LatexExporter(preprocessors=["phi3lib.lab.figures.print_copies.PrintCopies"])
    text, resources = exporter.from_notebook_node(notebook)
    assert text.count("includegraphics") >= 2 and len(resources["outputs"]) == 2
    assert still.png in resources["outputs"].values()


def test_an_export_to_latex_has_the_figures(photograph):
    stills = [photograph, GridExplorer().still()]
    outputs = [
        nbformat.v4.new_output("display_data", still._repr_mimebundle_(), metadata={}) for still in stills
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("stills", outputs=outputs)])
    text, resources = LatexExporter().from_notebook_node(notebook)
    assert text.count("includegraphics") >= 2
    assert [name.endswith(".png") for name in resources["outputs"]] == [True, True]


def test_a_drawing_follows_a_dark_theme_and_a_picture_keeps_its_colors():
    fig, axes = plots.figure(height=2)
    axes.plot([0, 1], [0, 1])
    axes.set(xlabel="x", ylabel="y")
    drawing = plots.still(fig, alt="A line.")
    plots.picture_axes(axes.inset_axes((0, 0, 0.5, 0.5)), np.zeros((4, 4, 3)))
    pictured = plots.still(fig, alt="A line and a picture.")
    assert drawing.drawing and not pictured.drawing
    assert 'class="phi3lib-still phi3lib-drawing"' in drawing.to_html() and DARK_FILTER in drawing.to_html()
    assert 'class="phi3lib-still"' in pictured.to_html() and "filter" not in pictured.to_html()


def test_live_views_follow_the_theme_like_stills():
    assert f"filter: {DARK_FILTER};" in instrument_styles()


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_figures_show_any_text_as_it_is(text):
    fig, axes = plots.figure(height=2)
    axes.plot([0, 1], [0, 1], label=text)
    axes.set(title=text, xlabel=text, ylabel="y")
    axes.set_yticks([0, 1], labels=[text, "two"])
    axes.legend()
    drawn = plots.still(fig, alt=f"The label {text}.")
    assert drawn.size == (800, 200)
    shown = drawn.to_html().encode().decode()
    assert re.fullmatch(r"<style>[^<>]*</style><img [^<>]*>", shown)
    assert not re.search(r'["\'] on(load|error|mouseover)=', shown)
    if "$" in text:
        assert text in {one.get_text() for one in axes.get_yticklabels()}
        assert not axes.title.get_parse_math()


def test_panels_that_share_an_axis_keep_its_labels():
    fig, axes = plots.figure(1, 2, height=2, sharey=True)
    for spot in axes:
        spot.plot([0, 1], [0, 1])
        spot.set(xlabel="x", ylabel="y")
        spot.set_yticks([0, 1], labels=["first", 2])  # matplotlib takes numbers, too
    plots.still(fig, alt="Two panels with the same rows.")
    assert [one.get_text() for one in axes[0].get_yticklabels()] == ["first", "2"]


def test_powers_of_ten_stay_powers():
    fig, axes = plots.figure(height=2)
    axes.plot([1, 1000], [1, 10])
    axes.set(xscale="log", xlabel="x", ylabel="y")
    plots.still(fig, alt="A line.")
    assert any(one.get_parse_math() and "10^{2}" in one.get_text() for one in axes.get_xticklabels())


def small_atlas(names, texts, title: str) -> Atlas:
    """Maps of as many pictures as texts; each text is the id of one and the label of another."""
    vectors = np.random.default_rng(0).normal(size=(len(texts), 8)).astype(np.float32)
    labels = {names[0]: [*texts[1:], texts[0]]}
    recipe = {"pooling": "projected: so", "model": names[0]}
    grid = {"n_neighbors": (), "min_dist": (), "seed": ()}
    table = EmbeddingTable(vectors, texts, labels, recipe)
    return Atlas(dict.fromkeys(names, table), grid=grid, title=title, model=Words(vectors))


class Words:
    """Stands for a CLIP: any text has the vector of the first picture."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors

    def text_features(self, text: str) -> torch.Tensor:
        return torch.from_numpy(self.vectors[:1])


def data_of_escaped(page: str) -> dict:
    assert "<img" not in page and page.count("</script>") == 2 and page.count("<script") == 2
    return data_of(page)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_an_atlas_has_any_name_title_and_query(text, tmp_path):
    atlas = small_atlas([text, "other"], [*"abcdef"], text)
    found = atlas.state.find(text)
    spec = data_of_escaped(page := atlas.to_html(tmp_path / "atlas.html").read_text(encoding="utf-8"))["spec"]
    assert spec["names"] == [readable(text), "other"] and spec["label"] == readable(printable(text))
    assert page.count(html.escape(readable(text))) >= 2  # the title, twice
    assert found.text == text and found.rows[0] == 0
    assert data_of_escaped(page)["found"]["text"] == readable(text)


def test_an_atlas_writes_all_names_into_its_files_and_its_widget(tmp_path):
    texts = list(HOSTILE.values())
    atlas = small_atlas(["map"], texts, " ".join(texts))
    data = data_of_escaped(atlas.to_html(tmp_path / "atlas.html").read_text(encoding="utf-8"))
    ids, kinds = data["spec"]["ids"], data["spec"]["kinds"]
    assert ids == [readable(printable(text)) for text in texts]
    assert sorted(kinds) == sorted(ids)
    assert [kinds[code] for code in data["spec"]["codes"]] == [*ids[1:], ids[0]]
    assert "trustworthiness" in Image.open(atlas.to_png(tmp_path / "atlas.png")).info["Description"]
    widget = atlas.live()
    seen = []
    atlas.on_select(seen.append)
    widget.selected = [3, 4]
    assert seen[0].ids == (printable(texts[3]), printable(texts[4]))
    for text in texts:
        send(widget, {"do": "find", "text": text})
        assert text in widget.status and widget.found["rows"][0] == 0
    assert not re.search(r'" on(load|error|mouseover)=', atlas.still().to_html())
    json.dumps(widget.get_state(), ensure_ascii=False, default=str).encode()


def test_an_interrupted_export_leaves_the_old_file(tmp_path, monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    grid = {"n_neighbors": (), "min_dist": (), "seed": ()}
    atlas, path = Atlas(EmbeddingTable(vectors, tuple("abcdef")), grid=grid), tmp_path / "atlas.png"
    before = atlas.to_png(path).read_bytes()

    def breaks(fig, file, **_):
        file.write_bytes(b"half a file")
        raise OSError("the disk is full")

    monkeypatch.setattr(plots, "write_png", breaks)
    with pytest.raises(OSError, match="full"):
        atlas.to_png(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
