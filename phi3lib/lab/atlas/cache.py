"""Maps kept in a folder, so that a grid of parameters is computed once and then loaded."""

import hashlib
import os
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from phi3lib.embeddings.maps import Layout
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.vision.inputs import as_path


class SavedMaps:
    """One Parquet file for each map; its name is a checksum of vectors, parameters and version.

    One folder may be used for many tables.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = as_path(folder)

    def load(self, table: EmbeddingTable, settings: Any) -> Layout | None:
        """Return the map of this table, or None if there is no readable one."""
        try:
            layout, ids = Layout.load(self._path(table, settings))
        except (FileNotFoundError, ValueError):
            return None
        return layout if ids == table.ids and layout.coordinates.shape == (len(ids), 2) else None

    def save(self, table: EmbeddingTable, settings: Any, layout: Layout) -> None:
        """Keep a map; the folder is made when it is needed."""
        layout.save(self._path(table, settings), table.ids)

    def _path(self, table: EmbeddingTable, settings: Any) -> Path:
        made_by = f"{asdict(settings)} umap-learn {version('umap-learn')} {table.vectors.shape}"
        parts = (made_by, *table.ids)
        digest = hashlib.sha256("\0".join(parts).encode() + table.vectors.tobytes()).hexdigest()
        return self.folder / f"{settings.method.lower()}_{digest[:20]}.parquet"
