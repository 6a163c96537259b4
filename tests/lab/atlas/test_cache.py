"""Maps that are kept in a folder belong to their vectors, their rows and their parameters."""

from dataclasses import replace

import numpy as np

from phi3lib import EmbeddingTable
from phi3lib.embeddings.maps import Layout
from phi3lib.lab.atlas.cache import SavedMaps
from phi3lib.lab.atlas.settings import Settings


def test_a_kept_map_is_found_by_its_own_table_and_parameters_alone(tmp_path):
    rng = np.random.default_rng(0)
    table = EmbeddingTable(rng.normal(size=(9, 4)).astype(np.float32), tuple("abcdefghi"))
    saved, settings = SavedMaps(tmp_path / "maps"), Settings()
    layout = Layout(rng.normal(size=(9, 2)).astype(np.float32), {"seed": 0})
    saved.save(table, settings, layout)
    assert np.array_equal(saved.load(table, settings).coordinates, layout.coordinates)
    other_numbers = table.vectors.copy()
    other_numbers[3, 2] += 1
    for other in (
        replace(table, vectors=other_numbers),
        replace(table, vectors=table.vectors.reshape(9, 4)[:, ::-1].copy()),
        replace(table, ids=tuple("abcdefghj")),
    ):
        assert saved.load(other, settings) is None
    for change in ({"n_neighbors": 14}, {"min_dist": 0.2}, {"seed": 1}):
        assert saved.load(table, replace(settings, **change)) is None


def test_a_file_of_other_rows_is_no_map_of_these(tmp_path):
    table = EmbeddingTable(np.eye(4, dtype=np.float32), tuple("abcd"))
    saved, settings = SavedMaps(tmp_path), Settings()
    layout = Layout(np.zeros((4, 2), np.float32), {})
    saved.save(table, settings, layout)
    (file,) = tmp_path.iterdir()
    layout.save(file, tuple("abdc"))  # as if it were copied there
    assert saved.load(table, settings) is None
