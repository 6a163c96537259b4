"""Notebook 11: a sample folder with planted faults, an interrupted run, a page with a card."""

import contextlib
import copy
import html
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageFilter

from phi3lib.embeddings.disagreement import Disagreement
from phi3lib.embeddings.embed import embed_images
from phi3lib.embeddings.files import replacing
from phi3lib.embeddings.report import Finding
from phi3lib.embeddings.store import stored_marks
from phi3lib.encoders import as_encoder
from phi3lib.lab.figures import plots
from phi3lib.lab.figures.shown_text import readable
from phi3lib.lab.photographs import photograph
from phi3lib.loading.defaults import DATA_FOLDER
from phi3lib.vision.inputs import as_path
from phi3lib.vision.pictures import read_upright
from picturebook.gallery import read_gallery

DRAWN = 48  # generated images of the sample folder
CARD = ("data", "licence", "recipe", "limits")


# --------------------------------------------------------------------------- the sample folder


def sample_folder(folder: str | os.PathLike[str]) -> Path:
    """Write a folder of a few dozen images with planted faults and return it.

    Generated images in one subfolder for each family, crops of the two photographs of scikit-learn, three
    duplicates (a copy, a smaller JPEG and a brighter image), one blurred and one empty image, a broken JPEG
    and a text file.
    """
    root = as_path(folder)
    drawn = [one for one in read_gallery(DATA_FOLDER / "pictures") if one.family != "scenes"][:DRAWN]
    for number, one in enumerate(drawn):
        _save(one.open(), root / one.family / f"{one.kind} {number:02}.png")
    for name in ("china", "flower"):
        photo = photograph(name)
        for number, box in enumerate(((0, 0, 400, 400), (240, 20, 640, 420)), start=1):
            _save(photo.crop(box), root / "photographs" / f"{name}_{number}.jpg")
    _plant(root, drawn[0].open(), drawn[5].open())
    return root


def large_photograph(folder: str | os.PathLike[str]) -> Path:
    """Write one photograph, enlarged to 4000 × 3000 pixels, into a folder and return the folder."""
    root = as_path(folder)
    _save(photograph("china").resize((4000, 3000)), root / "large.jpg")
    return root


def _plant(root: Path, first: Image.Image, second: Image.Image) -> None:
    """Write the faults that the report should find."""
    _save(first, root / "backup" / "copy.png")
    _save(first.resize((160, 160)), root / "backup" / "smaller.jpg")
    _save(second.point(lambda value: min(value + 6, 255)), root / "backup" / "brighter.png")
    blurred = photograph("flower").filter(ImageFilter.GaussianBlur(7))
    _save(blurred, root / "photographs" / "out_of_focus.jpg")
    _save(Image.new("RGB", (320, 240), (20, 20, 22)), root / "photographs" / "lens_cap.png")
    whole = (root / "photographs" / "china_1.jpg").read_bytes()
    (root / "photographs" / "broken.jpg").write_bytes(whole[: len(whole) // 100])
    (root / "notes.txt").write_text("a text, no image\n", encoding="utf-8")


def _save(image: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image.convert("RGB").save(file, quality=92)


# --------------------------------------------------------------------------- an interruption


@dataclass(frozen=True)
class Interrupted:
    """What an interrupted run has left on disk, and how many images the resumed run computed."""

    on_disk: int
    computed_after: int


def interrupt_and_resume(
    folder: Any, model: Any, out: str | os.PathLike[str], *, after: int = 1
) -> Interrupted:
    """Embed a folder, stop as Ctrl-C does after `after` batches, run again; return what happened."""
    path, recipe = as_path(out), as_encoder(model).recipes.choose()
    first, _ = _counting(as_encoder(model), stop_after=after)
    with contextlib.suppress(KeyboardInterrupt):
        embed_images(folder, model=first, out=path, progress=False)
    on_disk = len(stored_marks(path, as_encoder(model).provenance(recipe)))
    second, computed = _counting(as_encoder(model))
    embed_images(folder, model=second, out=path, progress=False)
    return Interrupted(on_disk, sum(computed))


def _counting(encoder: Any, stop_after: int | None = None) -> tuple[Any, list[int]]:
    """Return a copy of an encoder, and a list of the sizes of the batches that it computes.

    After `stop_after` batches it raises KeyboardInterrupt.
    """
    counting = copy.copy(encoder)
    sizes: list[int] = []

    def encode(images: Sequence[Image.Image], recipe: Any) -> Any:
        if len(sizes) == stop_after:
            raise KeyboardInterrupt
        sizes.append(len(images))
        return encoder.encode(images, recipe)

    counting.encode = encode
    return counting, sizes


# --------------------------------------------------------------------------- figures


def show_findings(
    findings: Sequence[Finding], folder: Path, *, most: int = 6, cols: int | None = None
) -> None:
    """Show the images of findings; above each the finding, numbered within its kind, and the file's name.

    most: images of one finding. cols: images in a row; None: `most`.
    """
    chosen = [
        (heading, name)
        for heading, finding in zip(_numbered(findings), findings, strict=True)
        for name in (finding.typical or finding.ids)[:most]
    ]
    if not chosen:
        raise ValueError("there are no findings to show")
    cols = cols or most
    plots.pictures(
        [_thumbnail(folder / name) for _, name in chosen],
        [f"{heading}\n{Path(name).name[:18]}" for heading, name in chosen],
        height=0.4 + plots.MAX_WIDTH / cols,
        cols=cols,
        alt=f"Images of {len(findings)} findings: "
        + "; ".join(f"{finding.kind}, {finding.says}" for finding in findings)
        + ".",
    )


def _numbered(findings: Sequence[Finding]) -> list[str]:
    """Return the kind of each finding, with a number where there are several of it."""
    of_kind = Counter(finding.kind for finding in findings)
    seen: Counter[str] = Counter()
    headings = []
    for finding in findings:
        seen[finding.kind] += 1
        number = f" {seen[finding.kind]}" if of_kind[finding.kind] > 1 else ""
        headings.append(f"{finding.kind}{number}")
    return headings


def widest_of_each(pairs: Sequence[Disagreement], count: int = 2) -> list[Disagreement]:
    """Return the first `count` pairs that are near for the one space only, then those of the other."""
    return [pair for space in (0, 1) for pair in [one for one in pairs if one.nearer_in == space][:count]]


def show_pairs(pairs: Sequence[Disagreement], folder: Path, names: tuple[str, str]) -> None:
    """Show pairs of images on which two models disagree, each pair in a column, with its ranks."""
    if not pairs:
        raise ValueError("there are no pairs to show: the models agree on every pair of near images")
    fig, axes = plots.figure(2, len(pairs), height=3.4, squeeze=False)
    for column, pair in enumerate(pairs):
        ranks = "\n".join(f"{name}: rank {rank}" for name, rank in zip(names, pair.ranks, strict=True))
        plots.picture_axes(axes[0][column], _thumbnail(folder / pair.first), ranks)
        plots.picture_axes(axes[1][column], _thumbnail(folder / pair.second))
    plots.show(
        fig,
        alt=f"{len(pairs)} pairs of images, one above the other, that {names[0]} and {names[1]} rank most "
        f"differently; above each pair its rank for both.",
    )


def _thumbnail(file: Path) -> Image.Image:
    small = read_upright(file)
    small.thumbnail((200, 200))
    return small


# --------------------------------------------------------------------------- for a colleague


def share(
    atlas: Any,
    path: str | os.PathLike[str],
    card: Mapping[str, str],
    *,
    queries: Sequence[str] = (),
    selection_maps: bool = False,
) -> Path:
    """Write an Atlas as one HTML file with a card below it, and return its path.

    card: texts for "data", "licence", "recipe" and "limits"; each must say something. They are shown as
    text: HTML in them has no effect. queries, selection_maps: as `to_html` takes them. Raises ValueError if a
    text of the card is missing or empty.
    """
    missing = [name for name in CARD if not str(card.get(name, "")).strip()]
    if missing:
        raise ValueError(
            f"the card lacks {', '.join(missing)}; a colleague who opens the file has nothing but the card"
        )
    target = as_path(path)
    atlas.to_html(target, queries=queries, selection_maps=selection_maps)
    page = target.read_text(encoding="utf-8")
    before, end, after = page.rpartition("</main>")
    with replacing(target) as temporary:
        temporary.write_text(before + card_html(card) + end + after, encoding="utf-8")
    return target


def card_html(card: Mapping[str, str]) -> str:
    """Return the card as a section of a page."""
    rows = "".join(
        f"<dt>{html.escape(readable(name.capitalize()))}</dt><dd>{html.escape(readable(str(text)))}</dd>"
        for name, text in card.items()
    )
    return f'<section aria-labelledby="card"><h2 id="card">About these maps</h2><dl>{rows}</dl></section>\n'
