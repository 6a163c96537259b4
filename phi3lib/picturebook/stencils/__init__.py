"""The kinds that take a colour and a pattern: shapes, animals, things, buildings, food, faces, symbols."""

from phi3lib.picturebook.kind import Kind
from phi3lib.picturebook.stencils.animals import ANIMALS
from phi3lib.picturebook.stencils.nature import NATURE
from phi3lib.picturebook.stencils.places import FOOD, PLACES
from phi3lib.picturebook.stencils.shapes import SHAPES
from phi3lib.picturebook.stencils.signs_and_pieces import CHESS, FACES, SYMBOLS
from phi3lib.picturebook.stencils.things import THINGS
from phi3lib.picturebook.stencils.vehicles import VEHICLES

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
