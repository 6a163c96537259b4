"""Pictures of a table's rows: one for each row, in every form that `embed_images` takes, or a refusal."""

import numpy as np
import pandas
import pytest
import torch
from PIL import Image

from phi3lib import EmbeddingTable
from phi3lib.embeddings.row_pictures import pictures_of_rows
from phi3lib.vision.pictures import read_upright

COLORS = ("red", "green", "blue")
TABLE = EmbeddingTable(np.eye(3), tuple(f"{color}.png" for color in COLORS))


@pytest.fixture
def files(tmp_path):
    for color in COLORS:
        Image.new("RGB", (4, 4), color).save(tmp_path / f"{color}.png")
    return [str(tmp_path / f"{color}.png") for color in COLORS]


def test_every_form_gives_the_same_pictures(files, tmp_path):
    datasets = pytest.importorskip("datasets")
    arrays = np.stack([np.asarray(Image.open(file)) for file in files])
    rows = datasets.Dataset.from_dict({"image": files}).cast_column("image", datasets.Image())
    encoded = [{"bytes": None, "path": file} for file in files]
    given = {
        "folder": tmp_path,
        "list": files,
        "mapping": dict(zip(TABLE.ids[::-1], files[::-1], strict=True)),
        "column": pandas.Series(files, index=[2, 1, 0]),
        "column of encoded images": pandas.Series(encoded),
        "array": arrays,
        "tensor": torch.tensor(arrays).permute(0, 3, 1, 2),
        "data set": rows,
        "column of a data set": rows["image"],
    }
    for name, pictures in given.items():
        found = [np.asarray(read_upright(one)) for one in pictures_of_rows(pictures, TABLE)]
        assert np.array_equal(found, arrays), name
    rows = datasets.Dataset.from_dict({"image": [*files[:2], None]}).cast_column("image", datasets.Image())
    assert pictures_of_rows(rows, TABLE)[2] is None


@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        (["a.png"], "1 pictures for a table of 3 rows"),
        ("no/such/folder", "there is no folder"),
        ({"red.png": 1}, "pictures has no entry for 2 rows, such as 'green.png'"),
        ({1, 2, 3}, "got set"),
        (pandas.DataFrame({"file": ["a", "b", "c"]}), "got a DataFrame"),
    ],
)
def test_what_does_not_fit_is_refused(pictures, words):
    with pytest.raises(ValueError, match=words):
        pictures_of_rows(pictures, TABLE)
