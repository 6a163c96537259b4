"""Writing `data/published`: vectors of the published checkpoints for free photographs.

    write_published()          # needs the published CLIP and Phi-3-vision, on this machine or on the hub

Only vectors that published weights really computed may be there. So before anything is written each
checkpoint has to pass three tests: its name is a published one, its weights are as many as the published
ones, and it knows what the photographs show, which no untrained weights do. A test of the program writes to
another folder with `test=True`: the tests of the weights are left out, and the record says so.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from phi3lib.embeddings.embed import embed_recipes, embed_texts
from phi3lib.embeddings.knn import exact_unit_rows
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.lab.lessons.a2_photographs import QUERIES, Item, free_photographs, items_of
from phi3lib.lab.lessons.a2_report import machine
from phi3lib.lab.lessons.a2_sizes import published as published_sizes
from phi3lib.lab.photographs import Credit, photograph
from phi3lib.lab.published_vectors import (
    FOLDER,
    FORMAT,
    IMAGES,
    MOST_BYTES,
    PUBLISHED,
    PUBLISHED_NAMES,
    RECORD,
    TEST,
    TEXTS,
    THUMBNAILS,
    VECTORS,
    as_half,
    checksums,
    folder_bytes,
    published,
    require_other_folder,
    sha256,
)  # fmt: skip

# Space → (whose model, recipe). "last token" would pass every image through the language model: hours.
SPACES = {
    "CLIP vector": ("clip", "projected"),
    "CLIP tower": ("clip", "patches"),
    "Phi-3 tower": ("phi3", "tower"),
    "Phi-3 tokens": ("phi3", "mean"),
}
SHARED_WITH_TEXT = "CLIP vector"
THUMBNAIL = 96  # pixels of the longer side
SEEN = {  # photograph → what CLIP has to prefer, by at least SURE; and a word of Phi-3-vision's answer
    "china": ("a photograph of a Chinese pavilion", ("building", "temple", "pavilion", "palace", "pagoda")),
    "flower": ("a photograph of a flower", ("flower", "dahlia", "petal")),
}
OTHERS = ("a photograph of a dog", "a photograph of a car", "a photograph of a train", "a photograph of snow")
SURE = 0.9


class NotPublishedError(ValueError):
    """These weights are not the published ones, so that nothing may be written."""


def write_published(folder: Path = FOLDER, *, test: bool = False) -> Path:
    """Compute and write `data/published` with the default models; return the folder.

    Reads CLIP and all of Phi-3-vision (`PHI3LIB_MODELS=real`, or a folder that holds both). test: write with
    any weights, to another folder, marked as a test; `published` refuses it. Raises NotPublishedError if a
    checkpoint fails a test; the folder then stays as it was.
    """
    from phi3lib.loading.checkpoints import load_clip, load_phi3_model

    if test:
        require_other_folder(folder)
    clip, phi3 = load_clip(), load_phi3_model(language_model=True)
    if not test:
        require_published_clip(clip)
        require_published_phi3(phi3)
    photographs = free_photographs()
    items = items_of(photographs)
    tables, queries = compute(items, QUERIES, {"clip": clip, "phi3": phi3})
    credits = {name: whose for name, (_, whose) in photographs.items()}
    return save(folder, items, tables, queries, credits, checkpoints=checkpoints_read(), test=test)


def checkpoints_read() -> list[dict[str, Any]]:
    """Return name, revision and SHA-256 of the weight files of both default models.

    The revision is None for a model in a folder: only its files say which one it is.
    """
    from phi3lib.loading.defaults import CLIP_TYPE, PHI3_TYPE, default_models
    from phi3lib.loading.networks import checkpoint_folder

    found, chosen = [], default_models()
    for default, model_type in ((chosen.clip, CLIP_TYPE), (chosen.phi3, PHI3_TYPE)):
        folder, name, commit = checkpoint_folder(default, None, model_type)
        files = {path.name: sha256(path) for path in sorted(folder.glob("*.safetensors"))}
        found.append({"name": published_name(name) or Path(name).name, "revision": commit, "files": files})
    return found


# ------------------------------------------------------------------------------- the tests


def require_published_clip(clip: Any) -> None:
    """Raise NotPublishedError unless this is the published CLIP ViT-B/32 or ViT-L/14-336."""
    _require_name_and_size(clip.name, clip.model)
    for name, (right, _) in SEEN.items():
        texts = [right, *(text for text, _ in SEEN.values() if text != right), *OTHERS]
        image, words = clip.image_features(photograph(name)), clip.text_features(texts)
        cosines = _unit(image) @ _unit(words).T
        scaled = float(clip.model.logit_scale.detach().exp()) * cosines[0]
        sure = np.exp(scaled - scaled.max())
        share = sure[0] / sure.sum()
        if share < SURE:
            raise NotPublishedError(
                f"{clip.name} gives {right!r} {share:.2f} for the photograph {name!r}, and the published "
                f"CLIP at least {SURE}: nothing was written"
            )


def require_published_phi3(phi3: Any) -> None:
    """Raise NotPublishedError unless this is the published Phi-3-vision, whole."""
    from phi3lib.vision.answers import answer

    name = phi3.checkpoint.name
    _require_name_and_size(name, phi3)
    for photo, (_, words) in SEEN.items():
        said = answer(phi3, [photograph(photo)], max_new_tokens=40)[0]
        if not any(word in said.lower() for word in words):
            raise NotPublishedError(
                f"{name} says {said!r} of the photograph {photo!r}, without any of {', '.join(words)}: "
                f"nothing was written"
            )


def _require_name_and_size(name: str, network: Any) -> None:
    short = published_name(name)
    if short is None:
        raise NotPublishedError(f"{name} is not the name of a published checkpoint: nothing was written")
    count = sum(weight.numel() for weight in network.parameters())
    # Phi-3-vision and Phi-3.5-vision have the same shapes.
    alike = {one.parameters for one in published_sizes() if _family(one.name) == _family(short)}
    if count not in alike:
        raise NotPublishedError(
            f"{name} has {count:,} weights, the published checkpoint has {_listed(alike)}: "
            f"nothing was written"
        )


def published_name(name: str) -> str | None:
    """Return the published name of a name on the hub or a folder; None if there is none.

    >>> published_name("models/openai/clip-vit-base-patch32")
    'openai/clip-vit-base-patch32'
    """
    last = Path(name).name
    return next((known for known in PUBLISHED_NAMES if known == name or known.split("/")[1] == last), None)


def _family(name: str) -> str:
    return "phi3" if name.startswith("microsoft/") else name


def _listed(numbers: set[int]) -> str:
    return " or ".join(f"{number:,}" for number in sorted(numbers)) or "another size"


def _unit(vectors: Any) -> np.ndarray:
    return exact_unit_rows(np.atleast_2d(np.asarray(vectors.detach().float().cpu())))


# ------------------------------------------------------------------------------- computing and writing


def compute(
    items: Sequence[Item], queries: Sequence[str], models: Mapping[str, Any]
) -> tuple[dict[str, EmbeddingTable], dict[str, EmbeddingTable]]:
    """Return the tables of all spaces, and those of the queries; each model runs once over the images."""
    images = [item.picture for item in items]
    tables: dict[str, EmbeddingTable] = {}
    for which, model in models.items():
        wanted = {space: recipe for space, (whose, recipe) in SPACES.items() if whose == which}
        made = embed_recipes(images, list(wanted.values()), model=model)
        tables |= {space: made[recipe] for space, recipe in wanted.items()}
    if any(len(table) != len(items) for table in tables.values()):
        raise ValueError("a photograph could not be embedded: nothing was written")
    return tables, {SHARED_WITH_TEXT: embed_texts(list(queries), model=models["clip"])}


def save(
    folder: Path,
    items: Sequence[Item],
    tables: Mapping[str, EmbeddingTable],
    queries: Mapping[str, EmbeddingTable],
    credits: Mapping[str, Credit],
    *,
    checkpoints: Sequence[Mapping[str, Any]],
    test: bool = False,
) -> Path:
    """Write the folder, whole or not at all; return it. ValueError if it would be larger than MOST_BYTES.

    checkpoints: as `checkpoints_read` returns them. test: as in `write_published`.
    """
    from safetensors.numpy import save_file

    if test:
        require_other_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".published-") as scratch:
        new = Path(scratch) / folder.name
        (new / THUMBNAILS).mkdir(parents=True)
        halves = {IMAGES + name: as_half(table.vectors) for name, table in tables.items()}
        halves |= {TEXTS + name: as_half(table.vectors) for name, table in queries.items()}
        save_file(halves, new / VECTORS)
        for number, item in enumerate(items):
            _thumbnail(item.picture).save(new / THUMBNAILS / f"{number:04}.jpg", quality=80)
        record = _record(items, tables, queries, credits)
        record |= {"weights": TEST if test else PUBLISHED, "checkpoints": list(checkpoints)}
        record["files"] = checksums(new)
        (new / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        size = folder_bytes(new)
        if size > MOST_BYTES:
            raise ValueError(f"the folder would have {size:,} bytes, at most {MOST_BYTES:,} may be written")
        published(new, test=test)  # what cannot be read back is not put in its place
        if folder.exists():
            shutil.rmtree(folder)
        new.rename(folder)
    return folder


def _record(
    items: Sequence[Item],
    tables: Mapping[str, EmbeddingTable],
    queries: Mapping[str, EmbeddingTable],
    credits: Mapping[str, Credit],
) -> dict[str, Any]:
    spaces = {}
    for name, table in tables.items():
        known = published_name(str(table.recipe.get("model"))) or str(table.recipe.get("model"))
        width = table.vectors.shape[1]
        spaces[name] = {**table.recipe, "model": known, "dimension": width, "stored": "float16, length 1"}
    return {
        "format": FORMAT,
        "made": machine(),
        "items": [{"id": one.id, "photograph": one.photograph, "piece": one.piece} for one in items],
        "queries": list(next(iter(queries.values())).ids),
        "spaces": spaces,
        "credits": {name: vars(whose) for name, whose in credits.items()},
    }


def _thumbnail(picture: Image.Image) -> Image.Image:
    small = picture.convert("RGB")
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    return small
