"""The kinds that take a colour and a pattern: shapes, animals, things, buildings, food, faces, symbols."""

from picturebook.kind import Kind
from picturebook.stencils.animals import ANIMALS
from picturebook.stencils.nature import NATURE
from picturebook.stencils.places import FOOD, PLACES
from picturebook.stencils.shapes import SHAPES
from picturebook.stencils.signs_and_pieces import CHESS, FACES, SYMBOLS
from picturebook.stencils.things import THINGS
from picturebook.stencils.vehicles import VEHICLES

STENCIL_KINDS: tuple[Kind, ...] = (
    *SHAPES,
    *ANIMALS,
    *NATURE,
    *VEHICLES,
    *THINGS,
    *PLACES,
    *FOOD,
    *FACES,
    *SYMBOLS,
    *CHESS,
)
