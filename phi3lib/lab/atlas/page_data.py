"""What the explorer's page is given: numbers as bytes, thumbnails as sprite sheets, the rest as JSON.

Coordinates are whole numbers up to 4,095, for many pictures up to 65,535: zooming in separates unequal
points; whole numbers also compress well.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.maps import MIN_DIST, curve, sample_rows
from phi3lib.lab.atlas.columns import for_axes, for_page
from phi3lib.lab.atlas.queries import ranked_by
from phi3lib.lab.atlas.selection_maps import MOST_IN_PAGE, SelectionMap, reduced
from phi3lib.lab.atlas.state import MOST_POINTS, AtlasState
from phi3lib.lab.atlas.thumbnails import (
    COARSE,
    SHEET,
    Thumbnails,
    sheet_order,
    sprite_sheets,
    thumbnail_side,
)
from phi3lib.lab.atlas.trust import Shares, said_trust, whole_percents

# Grid points on a side of a map: more than a screen has; finer above COARSE pictures.
GRID, FINE_GRID = 4_095, 65_535
MOST_THUMBS = 30_000  # beyond, a picture is shown when it is opened
OPENED = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".avif"}  # what browsers show
SHADE = 96  # cells of the shade behind a sample, on a side


def page_data(
    state: AtlasState,
    pictures: Thumbnails | None,
    *,
    compact: bool = False,
    queries: Sequence[str] = (),
) -> dict[str, Any]:
    """Return all that the page draws, for all settings that there are.

    Thumbnails have 128 pixels for at most 400 pictures, 96 for 1,500, 64 for 6,000, 40 for 30,000; beyond,
    there are none. compact: as `sprite_sheets`. queries: texts by which all rows are ranked here, for a
    page without a model.
    """
    rows = drawn_rows(state)
    square = GRID if len(rows) <= COARSE else FINE_GRID
    shares, lines = _shares(state, rows)
    components = [for_axes(*state.components(name), rows) for name in state.names]
    about_pictures, thumbnails = _thumbnails(state, rows, pictures, compact)
    return {
        "spec": _identity(state, rows)
        | _known(state, rows, queries)
        | _worth(state)
        | about_pictures
        | {
            "square": square,
            "lines": lines,
            "components": [about for _, about in components],
            "layouts": None,  # `add_new_maps` has them
        },
        "places": b"".join(
            _whole(state.layout(name, settings).coordinates[rows], square)
            for name in state.names
            for settings in state.settings
        ),
        "shade": _shades(state) if len(rows) < len(state.ids) else b"",
        "near": _near(state, rows).astype("<u2" if len(rows) <= 65_535 else "<u4").tobytes(),
        "cosines": _cosines(state, rows).tobytes(),
        "shares": shares.tobytes(),
        "components": b"".join(steps for steps, _ in components),
        **thumbnails,
    }


def _identity(state: AtlasState, rows: NDArray[np.intp]) -> dict[str, Any]:
    """Return which pictures and maps there are, and what they are called."""
    return {
        "names": state.names,
        "named": state.named,
        "count": len(rows),
        "all": len(state.ids),
        "rows": rows.tolist() if len(rows) < len(state.ids) else None,
        "ids": [state.shown_names[row] for row in rows],
        "keys": None if state.shown_names is state.ids else [state.ids[row] for row in rows],
    }


def _known(state: AtlasState, rows: NDArray[np.intp], queries: Sequence[str]) -> dict[str, Any]:
    """Return what is known of the pictures: columns, the label, and what texts find."""
    found, cosines = ranked_by(state, queries)
    return {
        "columns": [for_page(name, one, rows) for name, one in (state.columns | cosines).items()],
        "queries": found,
        "finds": state.search_table() is not None,
        "label": state.label_name,
        "kinds": state.kinds,
        "codes": state.codes[rows].tolist(),
    }


def _worth(state: AtlasState) -> dict[str, Any]:
    """Return the settings of the maps and how faithful these are, in words."""
    count = len(state.ids)
    return {
        "k": state.k,
        "recall": [f"{state.prefix(name)}neighbors are {said}." for name, said in state.recall.items()],
        "settings": [asdict(settings) for settings in state.settings],
        "trust_words": [
            [said_trust(state.trust(name, settings), count) for settings in state.settings]
            for name in state.names
        ],
        "card": state.card(),
    }


def _thumbnails(
    state: AtlasState, rows: NDArray[np.intp], pictures: Thumbnails | None, compact: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the page has to know of thumbnails, and these: on sheets, and each one's place there."""
    about = {"large": pictures is not None, "thumb": thumbnail_side(len(rows)), "sheet": SHEET, "shapes": []}
    if pictures is None or not has_thumbnails(rows):
        return about, {"sheets": [], "slots": b""}
    thumbnails, shapes = pictures.of(rows)
    order = sheet_order(state.layout(state.names[0]).coordinates[rows])
    sheets = sprite_sheets(thumbnails[order], compact=compact)
    slots = np.argsort(order).astype("<u2").tobytes()
    return about | {"shapes": shapes.tolist()}, {"sheets": sheets, "slots": slots}


def drawn_rows(state: AtlasState) -> NDArray[np.intp]:
    """Return which pictures the page draws: all, or of very many a sample."""
    return sample_rows(len(state.ids), MOST_POINTS)


def has_thumbnails(rows: NDArray[np.intp]) -> bool:
    """Whether a page that draws these pictures has thumbnails of them, if it has pictures."""
    return len(rows) <= MOST_THUMBS


def add_new_maps(data: dict[str, Any], state: AtlasState) -> None:
    """Add what a page without Python lays out a selection by: limits, curves of UMAP, vectors."""
    rows = drawn_rows(state)
    found = [reduced(t.vectors, state.spaces[name], state.k, rows) for name, t in state.tables.items()]
    distances = sorted({MIN_DIST, *(one.min_dist for one in state.settings)})
    curves = [[distance, *curve(distance)] for distance in distances]
    data["spec"]["layouts"] = {
        "most": MOST_IN_PAGE,
        "curves": curves,
        "vectors": [about for about, _ in found],
    }
    data["vectors"] = b"".join(numbers for _, numbers in found)


def selection_map_data(made: SelectionMap | None) -> dict[str, Any]:
    """Return new maps of a selection as the page has them; nothing where none were made."""
    if made is None:
        return {}
    return {
        "rows": made.rows.tolist(),
        "settings": asdict(made.settings),
        "k": made.k,
        "trust_words": [said_trust(made.trust[name], len(made.rows)) for name in made.layouts],
        "kept_means": [100 * float(made.kept(name).mean()) for name in made.layouts],
        "kept": b"".join(whole_percents(made.kept(name)).astype(np.uint8).tobytes() for name in made.layouts),
        "notes": list(made.notes),
        "places": b"".join(_whole(one.coordinates, FINE_GRID) for one in made.layouts.values()),
        "near": b"".join(one.indices[:, : made.k].astype("<u4").tobytes() for one in made.spaces.values()),
    }


def linked_files(
    pictures: Sequence[Any] | None, rows: Sequence[int] | None, folder: Path
) -> list[str | None] | None:
    """Return for each drawn picture the address of its file, from a page in this folder; None without any.

    Only image files in the folder and below have one: they can be moved together, and it tells nothing about
    the rest of the disk.
    """
    if pictures is None:
        return None
    home = os.path.abspath(folder)
    found = [_address(pictures[row], home) for row in (range(len(pictures)) if rows is None else rows)]
    return found if any(found) else None


def _address(picture: Any, home: str) -> str | None:
    if not isinstance(picture, str | os.PathLike) or os.path.splitext(picture)[1].lower() not in OPENED:
        return None
    file = os.path.abspath(picture)
    inside = os.path.relpath(file, home) if file.startswith(os.path.join(home, "")) else ""
    return "./" + quote(inside.replace(os.sep, "/"), errors="surrogateescape") if inside else None


def _whole(coordinates: NDArray[np.float32], square: int = GRID) -> bytes:
    """Return coordinates (n, 2) on a square, the same scale for both axes: little-endian, two bytes each."""
    low, span = coordinates.min(0), float(np.ptp(coordinates, axis=0).max()) or 1.0
    margin = (span - np.ptp(coordinates, axis=0)) / 2
    return np.round((coordinates - low + margin) / span * square).astype("<u2").tobytes()


def _shades(state: AtlasState) -> bytes:
    """For each map and setting how many of all pictures stand in each cell, the most as 255: bytes."""
    parts = []
    for name in state.names:
        for settings in state.settings:
            coordinates = np.frombuffer(_whole(state.layout(name, settings).coordinates), "<u2").reshape(
                -1, 2
            )
            edges = np.linspace(0, GRID + 1, SHADE + 1)
            counts, _, _ = np.histogram2d(coordinates[:, 1], coordinates[:, 0], bins=(edges, edges))
            parts.append((255 * np.sqrt(counts / counts.max())).astype(np.uint8).tobytes())
    return b"".join(parts)


def _near(state: AtlasState, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the true neighbors of each drawn point, as indices of drawn points: (maps, n, k).

    Where a sample is drawn, neighbors outside it are left out; a point's own index means "none".
    """
    index_of = np.full(len(state.ids), -1)
    index_of[rows] = np.arange(len(rows))
    own = np.arange(len(rows))[:, None]
    found = [index_of[state.spaces[name].indices[rows, : state.k]] for name in state.names]
    return np.stack([np.where(indices < 0, own, indices) for indices in found])


def _cosines(state: AtlasState, rows: NDArray[np.intp]) -> NDArray[np.int8]:
    """Return each drawn point's cosines with its true neighbors, in hundredths: (maps, n, k)."""
    found = [state.spaces[name].distances[rows, : state.k] for name in state.names]
    return np.clip(np.round(100 * (1 - np.stack(found))), -100, 100).astype(np.int8)


def _shares(state: AtlasState, rows: NDArray[np.intp]) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """(shares in hundredths, one line for each picture's worth; which line each measure has).

    The lines by measure, map and setting; None where there is no such number.
    """
    lines: list[NDArray[np.uint8]] = []
    index_of: dict[int, int] = {}

    def line(shares: Shares | None) -> int | None:
        if shares is None:
            return None
        if id(shares) not in index_of:  # the state makes each once, so equal numbers are one object
            index_of[id(shares)] = len(lines)
            lines.append(whole_percents(shares[rows]).astype(np.uint8))
        return index_of[id(shares)]

    names, settings = state.names, state.settings
    found: dict[str, Any] = {"kept": [[line(state.kept(name, one)) for one in settings] for name in names]}
    wobbles = [[line(state.wobble(name, one)) for one in settings] for name in names]
    if any(one is not None for map_numbers in wobbles for one in map_numbers):
        found["wobble"] = wobbles
    if len(names) > 1:
        found["between"] = [[line(state.between)] * len(settings)]
        found["moved"] = [[line(state.moved(one)) for one in settings]]
    return np.stack(lines), found
