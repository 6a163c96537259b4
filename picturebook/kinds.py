"""All kinds of the picture-book, by name."""

from picturebook.kind import Kind
from picturebook.pages import PAGE_KINDS, WITHOUT_PATTERN
from picturebook.stencils import STENCIL_KINDS

KINDS: dict[str, Kind] = {kind.name: kind for kind in (*STENCIL_KINDS, *PAGE_KINDS)}
FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(kind.family for kind in KINDS.values()))

# What may stand in scenes beside other things: one clear outline that takes any colour.
SCENE_KINDS: tuple[Kind, ...] = tuple(kind for kind in STENCIL_KINDS if kind.family != "symbols")


def takes_pattern(kind: Kind) -> bool:
    """Whether stripes or dots can be seen on this kind."""
    return kind.takes_color and kind.name not in WITHOUT_PATTERN
