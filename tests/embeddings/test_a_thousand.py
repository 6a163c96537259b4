"""A thousand pictures, fifty of them broken: interrupted, resumed, compared, mapped, searched."""

import numpy as np
import pytest
from PIL import Image

from phi3lib import embed_images
from phi3lib.embeddings import embed as embed_module
from phi3lib.embeddings.compare import knn_accuracy, mutual_knn
from phi3lib.embeddings.knn import nearest
from phi3lib.embeddings.maps import umap_map
from phi3lib.embeddings.search import search
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.encoders.clip import ClipEncoder
from picturebook.pictures import draw_picture

COUNT, BROKEN = 1000, 50


@pytest.mark.slow
def test_a_folder_of_a_thousand_goes_all_the_way(clip, tmp_path, monkeypatch):
    folder = tmp_path / "pictures"
    folder.mkdir()
    drawn = [draw_picture(number, split="test", side=56) for number in range(200)]
    for number in range(COUNT):
        # No two alike: each is turned a little.
        drawn[number % 200].image.rotate(number // 200, fillcolor="white").save(folder / f"{number:04}.png")
    rng = np.random.default_rng(0)
    broken = {f"{number:04}.png" for number in rng.choice(COUNT, BROKEN, replace=False)}
    for place, name in enumerate(sorted(broken)):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes([b"", whole[: len(whole) // 2], b"no picture"][place % 3])
    out = tmp_path / "table.parquet"
    encode, calls = ClipEncoder.encode, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 15:
            raise KeyboardInterrupt
        return encode(*arguments)

    monkeypatch.setattr(ClipEncoder, "encode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        embed_images(folder, model=clip, out=out, progress=False)
    before = len(calls)
    monkeypatch.setattr(ClipEncoder, "encode", lambda *a: calls.append(1) or encode(*a))
    table = embed_images(folder, model=clip, out=out, progress=False)
    assert len(calls) - before < COUNT / embed_module.TILES_AT_ONCE  # what was done is not done again
    assert len(table) == COUNT - BROKEN
    assert {name for name, _ in table.errors} == broken
    assert EmbeddingTable.load(out).ids == table.ids

    # Pictures of the first 200 drawings and of the same, turned by a degree.
    some = [name for name in table.ids if name < "0400.png"]
    other = embed_images([folder / name for name in some], model=clip, pooling="patches", progress=False)
    agreement = mutual_knn(table.vectors[: len(some)], other.vectors)
    assert agreement.low > agreement.chance
    kinds = [drawn[int(name[:4]) % 200].kind.name for name in table.ids]
    assert knn_accuracy(table.vectors, kinds).value > 0.5  # the same drawing, turned by a degree
    space = nearest(table.vectors, 30)
    layout = umap_map(table.vectors, space)
    assert layout.kept_estimate(space).low > 3 * layout.kept_estimate(space).chance
    found = search(table, clip, picture=Image.open(folder / table.ids[0]), k=3)
    assert found[0].id == table.ids[0]
