"""The pictures that all explorers are given: generated ones with vectors, columns and places on a map.

python benchmarks/explorers_data.py FOLDER   write pictures/, 2000.parquet, 20000.parquet and 200000.parquet

2,000 pictures of the picture-book, with vectors of the bundled CLIP and a UMAP map. Larger sets repeat rows
with noise on vectors and places: they are for times, not for conclusions.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

COUNT, SIDE, SIZES = 2_000, 224, (2_000, 20_000, 200_000)
FIRST_DAY = np.datetime64("2024-01-01", "ms")


def write_pictures(folder: Path) -> pd.DataFrame:
    """Draw the pictures as JPEG files; return what is known of each, one row a picture."""
    from picturebook.pictures import draw_picture

    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(COUNT):
        drawn = draw_picture(number, split="test", side=SIDE)
        name = f"picture_{number:04d}.jpg"
        drawn.image.save(folder / "pictures" / name, quality=85)
        brightness = float(np.asarray(drawn.image.convert("L")).mean().round(1))
        known = {"kind": drawn.kind.name, "caption": drawn.caption, "ground": drawn.background.name}
        day = FIRST_DAY + np.timedelta64(number % 365, "D")
        rows.append(
            {"id": name, **known, "things": len(drawn.things), "brightness": brightness, "taken": day}
        )
    return pd.DataFrame(rows)


def with_places(known: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Return the rows with their vectors and places on a map: columns vector, x and y."""
    from phi3lib import embed_images
    from phi3lib.embeddings.knn import nearest
    from phi3lib.embeddings.maps import umap_map

    table = embed_images([folder / "pictures" / name for name in known["id"]], pooling="projected")
    places = umap_map(
        table.vectors, nearest(table.vectors, 50), n_neighbors=15, min_dist=0.1, seed=0
    ).coordinates
    return known.assign(vector=list(table.vectors), x=places[:, 0], y=places[:, 1])


def repeated(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return so many rows: the first as they are, then the same with noise; each caption has its number."""
    rng = np.random.default_rng(0)
    number = np.arange(count)
    found = rows.iloc[number % len(rows)].reset_index(drop=True)
    later = (number >= len(rows)).astype(np.float32)
    vectors = np.stack(list(found["vector"]))
    noise = rng.normal(size=vectors.shape, scale=0.3 * vectors.std()) * later[:, None]
    spread = 0.02 * np.ptp(rows[["x", "y"]].to_numpy(), axis=0).max()
    places = found[["x", "y"]].to_numpy() + rng.normal(size=(count, 2), scale=spread) * later[:, None]
    return found.assign(
        id=[f"{n:06d}.jpg" for n in number],
        caption=[f"{caption} {n:06d}" for n, caption in zip(number, found["caption"], strict=True)],
        picture=list(found["id"]),
        vector=list((vectors + noise).astype(np.float32)),
        x=places[:, 0].astype(np.float32),
        y=places[:, 1].astype(np.float32),
    )


def main() -> None:
    folder = Path(sys.argv[1])
    rows = with_places(write_pictures(folder), folder)
    for count in SIZES:
        repeated(rows, count).to_parquet(folder / f"{count}.parquet", index=False)


if __name__ == "__main__":
    main()
