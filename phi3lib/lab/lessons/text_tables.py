"""Tables as text that fit a page: wide ones continue below, so that no line is broken."""

from collections.abc import Mapping, Sequence

MOST_COLUMNS = 3  # of scores with their intervals; with the names they have about 80 characters


def in_parts(rows: Mapping[str, Sequence[str]], *, width: int, most: int = MOST_COLUMNS) -> str:
    """Return a text table in parts of at most `most` columns, one part below the other.

    rows: the cells of each line by its name, the heads first; every line has as many. width: of a column.

        in_parts({"": ["a", "b"], "one": ["1", "2"]}, width=3, most=1)
    """
    names, (heads, *_) = max(map(len, rows)), rows.values()
    parts = [
        "\n".join(
            " ".join([name.ljust(names), *(cell.rjust(width) for cell in cells[start : start + most])])
            for name, cells in rows.items()
        )
        for start in range(0, len(heads), most)
    ]
    return "\n\n".join(parts)
