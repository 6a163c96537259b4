"""Start an explorer of embeddings with the pictures of explorers_data.py, within its own environment.

TOOL/bin/python benchmarks/explorers_start.py TOOL DATA ROWS [PORT]

What is installed in the environments, and what was done by hand, is in docs/explorers.md. Each function
imports its tool itself: no environment has two of them.
"""

import base64
import functools
import http.server
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

COLUMNS = ["kind", "caption", "ground", "things", "brightness", "taken"]


def read(data: Path, rows: int) -> pd.DataFrame:
    """The rows, with the whole path of each picture in `picture`."""
    frame = pd.read_parquet(data / f"{rows}.parquet")
    return frame.assign(picture=[str(data / "pictures" / name) for name in frame["picture"]])


def run(name: str, *arguments: str) -> None:
    """Run a program of this environment until it ends."""
    subprocess.run([str(Path(sys.executable).with_name(name)), *arguments], check=True)


def serve(folder: Path, port: int) -> None:
    """Serve a folder as it is."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    http.server.ThreadingHTTPServer(("127.0.0.1", port), handler).serve_forever()


def lab(source: str, folder: Path, port: int) -> None:
    """Serve JupyterLab with a notebook of one cell: /lab/tree/explorer.ipynb."""
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "explorer.ipynb")
    options = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.ip=127.0.0.1"]
    options += [f"--ServerApp.root_dir={folder}", "--IdentityProvider.token="]
    run("jupyter-lab", *options, "--LabApp.expose_app_in_browser=True")


def jupyter_scatter(data: Path, rows: int, port: int) -> None:
    """A cell with the scatter plot; tooltips with three columns."""
    lab(
        f"import pandas as pd, jscatter\nframe = pd.read_parquet({str(data / f'{rows}.parquet')!r})\n"
        "plot = jscatter.Scatter(data=frame, x='x', y='y', color_by='kind', height=520)\n"
        "plot.tooltip(True, properties=['kind', 'brightness', 'caption'])\nplot.show()",
        data,
        port,
    )


def embedding_atlas(data: Path, rows: int, port: int) -> None:
    """The program with a table that holds the pictures' bytes and places."""
    frame = read(data, rows)
    frame["image"] = [{"bytes": Path(path).read_bytes()} for path in frame["picture"]]
    table = data / f"embedding_atlas_{rows}.parquet"
    frame.drop(columns=["vector", "picture"]).to_parquet(table)
    run("embedding-atlas", str(table), *"--x x --y y --image image --port".split(), str(port))


def tensorboard(data: Path, rows: int, port: int) -> None:
    """The projector with vectors, columns and a sprite of thumbnails."""
    import numpy as np
    from PIL import Image

    frame, folder = read(data, rows), data / f"tensorboard_{rows}"
    folder.mkdir(exist_ok=True)
    np.savetxt(folder / "vectors.tsv", np.stack(list(frame["vector"])), fmt="%.4f", delimiter="\t")
    frame[["id", *COLUMNS]].to_csv(folder / "columns.tsv", sep="\t", index=False)
    wide, side = int(np.ceil(np.sqrt(rows))), 48 if rows <= 5_000 else 32
    sheet = Image.new("RGB", (wide * side, wide * side))
    for number, path in enumerate(frame["picture"]):
        small = Image.open(path).resize((side, side))
        sheet.paste(small, ((number % wide) * side, (number // wide) * side))
    sheet.save(folder / "sprite.png")
    (folder / "projector_config.pbtxt").write_text(
        'embeddings { tensor_name: "clip" tensor_path: "vectors.tsv" metadata_path: "columns.tsv"\n'
        f'sprite {{ image_path: "sprite.png" single_image_dim: {side} single_image_dim: {side} }} }}\n'
    )
    run("tensorboard", "--logdir", str(folder), "--host", "127.0.0.1", "--port", str(port))


def spotlight(data: Path, rows: int, port: int) -> None:
    """The viewer with pictures and vectors; it computes its own map."""
    from renumics import spotlight as tool

    frame = read(data, rows).drop(columns=["x", "y"])
    types = {"picture": tool.Image, "vector": tool.Embedding}
    tool.show(frame, dtype=types, port=port, no_browser=True, wait="forever", analyze=False)


def thumbnail(path: str) -> str:
    """The picture with 64 pixels, as an address that holds it."""
    from PIL import Image

    buffer, small = io.BytesIO(), Image.open(path)
    small.thumbnail((64, 64))
    small.save(buffer, "JPEG", quality=75)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def datamapplot(data: Path, rows: int, port: int) -> None:
    """A page with a map, names of the forty most frequent kinds, search and pictures in the tooltips."""
    import datamapplot as tool

    frame = read(data, rows)
    names = frame["kind"].where(frame["kind"].isin(frame["kind"].value_counts().index[:40]), "Unlabelled")
    small = [thumbnail(path) for path in frame["picture"]]
    shown = tool.create_interactive_plot(
        frame[["x", "y"]].to_numpy(),
        names.to_numpy(),
        hover_text=frame["caption"].to_numpy(),
        extra_point_data=pd.DataFrame({"image": small, "kind": frame["kind"]}),
        hover_text_html_template='<img src="{image}" width="96">{hover_text}',
        enable_search=True,
        colormap_rawdata=[frame["brightness"].to_numpy()],
        colormap_metadata=[{"field": "brightness", "description": "brightness", "cmap": "viridis"}],
        histogram_data=frame["brightness"],
    )
    folder = data / f"datamapplot_{rows}"
    folder.mkdir(exist_ok=True)
    shown.save(str(folder / "index.html"))
    serve(folder, port)


def wizmap(data: Path, rows: int, port: int) -> None:
    """The page that a notebook's cell shows, with captions as its texts."""
    import wizmap as tool

    frame, folder = read(data, rows), data / f"wizmap_{rows}"
    given = (frame["x"].tolist(), frame["y"].tolist(), frame["caption"].tolist())
    folder.mkdir(exist_ok=True)
    tool.save_json_files(
        tool.generate_data_list(*given), tool.generate_grid_dict(*given, "Pictures"), output_dir=str(folder)
    )
    address = f"http://127.0.0.1:{port}"
    page = tool.wizmap._make_html(f"{address}/data.ndjson", f"{address}/grid.json")
    frame_of = f'<iframe srcdoc="{page}" width="100%" height="880" style="border:0"></iframe>'
    (folder / "index.html").write_text(f'<!doctype html><meta charset="utf-8">{frame_of}')
    serve(folder, port)


def pixplot(data: Path, rows: int, port: int) -> None:
    """The site that it builds, with our vectors in place of its network, whose weights it would fetch."""
    import numpy as np
    import pixplot.pixplot as tool

    frame, folder = read(data, rows), data / f"pixplot_{rows}"
    names = [Path(path).name for path in frame["picture"]]
    vector_of = dict(zip(names, frame["vector"]))  # noqa: B905 (its environment has Python 3.8)
    about = frame.assign(filename=names, description=frame["caption"])
    about.assign(category=about["kind"])[["filename", "category", "description"]].to_csv(
        data / "pixplot.csv", index=False
    )
    tool.get_inception_vectors = lambda **given: np.stack(
        [vector_of[Path(path).name] for path in given["image_paths"]]
    )
    given = {**tool.config, "images": str(data / "pictures" / "*.jpg"), "metadata": str(data / "pixplot.csv")}
    tool.process_images(**{**given, "out_dir": str(folder), "n_neighbors": [15], "min_dist": [0.1]})
    serve(folder, port)


def latentscope(data: Path, rows: int, port: int) -> None:
    """The server, after its programs for a table, given vectors, a map, clusters and thumbnails."""
    frame, folder = read(data, rows), data / f"latentscope_{rows}"
    folder.mkdir(exist_ok=True)
    os.environ["LATENT_SCOPE_DATA"] = str(folder)
    frame["image"] = [{"bytes": Path(p).read_bytes(), "path": Path(p).name} for p in frame["picture"]]
    frame = frame.assign(vector=frame["vector"].map(list), taken=frame["taken"].astype(str))
    frame.drop(columns=["x", "y", "picture"]).to_parquet(folder / "given.parquet")
    model = "transformers-sentence-transformers___all-MiniLM-L6-v2"  # a name it knows; it is never loaded
    run("ls-ingest", "pics", "--path", str(folder / "given.parquet"), "--text_column", "caption")
    run("ls-embed-importer", "pics", "vector", model, "caption")
    run("ls-umap", "pics", "embedding-001", "15", "0.1")
    run("ls-cluster", "pics", "umap-001", "10", "5", "0", "--method", "hdbscan")
    run("ls-scope", "pics", "embedding-001", "umap-001", "cluster-001", "default", "pictures", "pictures")
    run("ls-sprites", "pics", "image")
    run("ls-serve", str(folder), "--port", str(port))


def fiftyone(data: Path, rows: int, port: int) -> None:
    """The app with a map of our places and an index of our vectors; it needs MongoDB."""
    import fiftyone as tool
    import fiftyone.brain as brain
    import numpy as np

    frame, dataset = read(data, rows), tool.Dataset("pictures", overwrite=True)
    dataset.add_samples(
        [
            tool.Sample(filepath=row["picture"], **{name: row[name] for name in COLUMNS})
            for row in json.loads(frame.drop(columns="vector").to_json(orient="records"))
        ]
    )
    brain.compute_visualization(dataset, points=frame[["x", "y"]].to_numpy(), brain_key="map")
    brain.compute_similarity(dataset, embeddings=np.stack(list(frame["vector"])), brain_key="near")
    tool.launch_app(dataset, port=port, address="127.0.0.1", remote=True).wait(-1)


def ours(data: Path, rows: int, port: int) -> None:
    """The exported page of the Atlas, beside its pictures."""
    import numpy as np

    from phi3lib import Atlas, EmbeddingTable

    frame = read(data, rows)
    labels = {name: frame[name].to_numpy() for name in COLUMNS}
    table = EmbeddingTable(np.stack(list(frame["vector"])), tuple(frame["id"]), labels)
    files = [Path(path) for path in frame["picture"]]
    made = Atlas(table, pictures=files, labels="kind", layout=frame[["x", "y"]].to_numpy(np.float32))
    made.to_html(data / f"ours_{rows}.html")
    serve(data, port)


TOOLS: dict[str, Callable[[Path, int, int], None]] = {
    "jupyter-scatter": jupyter_scatter,
    "embedding-atlas": embedding_atlas,
    "tensorboard": tensorboard,
    "renumics-spotlight": spotlight,
    "datamapplot": datamapplot,
    "wizmap": wizmap,
    "pixplot": pixplot,
    "latentscope": latentscope,
    "fiftyone": fiftyone,
    "ours": ours,
}


if __name__ == "__main__":
    name, folder, count, *rest = sys.argv[1:]
    TOOLS[name](Path(folder).resolve(), int(count), int(rest[0]) if rest else 9100)
