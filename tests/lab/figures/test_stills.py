"""What a notebook stores of a figure and of an instrument; names that mean harm to figures and files."""

import base64
import io
import json
import re

import nbformat
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbconvert import LatexExporter
from PIL import Image

from phi3lib import Atlas, EmbeddingTable
from phi3lib.lab.figures import plots
from phi3lib.lab.figures.shown_text import readable
from phi3lib.lab.widgets import GridExplorer
from phi3lib.lab.widgets.base import VIEW

HOSTILE = [
    "$x_{1$ costs $5",
    "</script><img src=x onerror=alert(1)>",
    'a" onload="alert(1)',
    "half \ud800 a pair, \udcff",
    "nothing \x00 \x1b[31m",
    "\u202egnp.exe",
    "w" * 10_000,
]


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
    displayed(explorer)
    assert explorer.live().twins == [key]  # an equal picture has an equal name, in every run


def test_the_metadata_of_the_widget_pass_through(monkeypatch):
    explorer, colab = GridExplorer(), {VIEW: {"colab": {"custom_widget_manager": {"url": "https://x"}}}}
    data = explorer.live()._repr_mimebundle_()
    data = data[0] if isinstance(data, tuple) else data
    monkeypatch.setattr(type(explorer.live()), "_repr_mimebundle_", lambda self, **_: (data, colab))
    assert displayed(explorer)[0] == ({VIEW: data[VIEW]}, colab)
    bundle, metadata = explorer._repr_mimebundle_()
    assert metadata == colab and {VIEW, "text/html", "image/png"} <= set(bundle)


def test_an_export_to_latex_has_the_figures(photograph):
    stills = [photograph, GridExplorer().still()]
    outputs = [
        nbformat.v4.new_output("display_data", still._repr_mimebundle_(), metadata={}) for still in stills
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("stills", outputs=outputs)])
    text, resources = LatexExporter().from_notebook_node(notebook)
    assert text.count("includegraphics") >= 2
    assert [name.endswith(".png") for name in resources["outputs"]] == [True, True]


@pytest.mark.parametrize("text", HOSTILE)
def test_figures_show_any_text_as_it_is(text):
    fig, axes = plots.figure(height=2)
    axes.plot([0, 1], [0, 1], label=text)
    axes.set(title=text, xlabel=text, ylabel="y")
    axes.set_yticks([0, 1], labels=[text, "two"])
    axes.legend()
    drawn = plots.still(fig, alt=f"The label {text}.")
    assert drawn.size == (800, 200)
    html = drawn.to_html().encode().decode()
    assert html.count("<") == 1 and html.count(">") == 1
    assert not re.search(r'" on(load|error)=', html)
    if "$" in text:
        assert text in {one.get_text() for one in axes.get_yticklabels()}
        assert not axes.title.get_parse_math()


def test_powers_of_ten_stay_powers():
    fig, axes = plots.figure(height=2)
    axes.plot([1, 1000], [1, 10])
    axes.set(xscale="log", xlabel="x", ylabel="y")
    plots.still(fig, alt="A line.")
    assert any(one.get_parse_math() and "10^{2}" in one.get_text() for one in axes.get_xticklabels())


@pytest.mark.parametrize("text", HOSTILE)
def test_an_atlas_writes_any_name_into_its_files_and_its_widget(text, tmp_path):
    vectors = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    ids = (f"{readable(text)}.png", *"abcde")
    labels = {"kind": np.array([readable(text), *"aabbb"])}
    grid = {"n_neighbors": (), "min_dist": (), "seed": ()}
    atlas = Atlas({text: EmbeddingTable(vectors, ids, labels)}, grid=grid, title=text)
    page = atlas.to_html(tmp_path / "atlas.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL).group(1))
    assert data["spec"]["ids"][0] == ids[0] and data["spec"]["names"] == [readable(text)]
    assert "<img" not in page and page.count("</script>") == 2
    assert "trustworthiness" in Image.open(atlas.to_png(tmp_path / "atlas.png")).info["Description"]
    json.dumps(atlas.live().get_state()["spec"], ensure_ascii=False).encode()


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
