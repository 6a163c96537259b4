"""The pictures of a table's rows, in the forms that users have them."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from phi3lib.embeddings.dataset_rows import content_of, is_dataset, rows_of
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.vision.inputs import as_entries, as_path, by_row


def pictures_of_rows(pictures: Any, table: EmbeddingTable) -> list[Any]:
    """Return one picture, or file, for each row of the table; None for a row of a data set without one.

    pictures: one for each row, by position (arrays with four axes and data sets, too); a mapping from ids; or
    the folder that the table was made from. ValueError for another number of them, and without such a folder.
    """
    if isinstance(pictures, str | os.PathLike):
        folder = as_path(pictures)
        if not folder.is_dir():
            raise ValueError(f"there is no folder {str(folder)!r} to take the pictures from")
        return [folder / name for name in table.ids]
    if isinstance(pictures, Mapping):
        listed = by_row(pictures, table.ids, "pictures")
    elif is_dataset(pictures):
        listed = [_opened(open_row) for _, open_row in rows_of(pictures)]
    else:
        listed = as_entries(pictures, "pictures")
    if len(listed) != len(table):
        unread = f"; {len(table.errors)} could not be read and have no row" if table.errors else ""
        raise ValueError(
            f"{len(listed)} pictures for a table of {len(table)} rows{unread}: give one for each row, a "
            f"mapping from ids, or the folder"
        )
    return [_opened(partial(content_of, one)) if isinstance(one, Mapping) else one for one in listed]


def _opened(open_row: Callable[[], Any]) -> Any:
    try:
        return open_row()
    except ValueError:  # its row holds no picture
        return None
