"""What the notebooks call: set-up, pictures, figures, checks and instruments.

    from phi3lib import lab
    lab.start("03")                      # the set-up cell of every notebook
    picture = lab.photograph("china")    # a photograph that comes with scikit-learn
    picture = lab.picture("my.jpg")      # your own
    lab.plots, lab.checks, lab.widgets   # figures, exercise checks, instruments
    lab.claim(...)                       # a conclusion, and whether it holds here

All but `start` and `how_many` is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from phi3lib.lab.start import (
    how_many,
    start,
)  # at once: otherwise the module of that name could take its place

if TYPE_CHECKING:
    from phi3lib.lab import (
        checks,
        first_embedding,
        hd_plots,
        layers,
        original_class,
        places_plot,
        plots,
        same_weights,
        small_print,
        spaces,
        take_home,
        widgets,
    )
    from phi3lib.lab.atlas import Atlas
    from phi3lib.lab.check_up import doctor
    from phi3lib.lab.claims import claim
    from phi3lib.lab.drawing_pad import DrawingPad
    from phi3lib.lab.map_reader import MapReader, map_grid
    from phi3lib.lab.photographs import credit, gallery, photograph, picture
    from phi3lib.lab.picker import NeighbourPicker
    from phi3lib.lab.ranked_strips import RankedStrips
    from phi3lib.lab.recipes import RecipeSwitches, show_recipe_card
    from phi3lib.lab.search_box import SearchBox
    from phi3lib.lab.temperature import TemperatureBoard
    from phi3lib.lab.trained import show_trained

_HOME_OF = {
    "Atlas": "phi3lib.lab.atlas",
    "claim": "phi3lib.lab.claims",
    "doctor": "phi3lib.lab.check_up",
    "credit": "phi3lib.lab.photographs",
    "DrawingPad": "phi3lib.lab.drawing_pad",
    "MapReader": "phi3lib.lab.map_reader",
    "map_grid": "phi3lib.lab.map_reader",
    "NeighbourPicker": "phi3lib.lab.picker",
    "RankedStrips": "phi3lib.lab.ranked_strips",
    "RecipeSwitches": "phi3lib.lab.recipes",
    "SearchBox": "phi3lib.lab.search_box",
    "TemperatureBoard": "phi3lib.lab.temperature",
    "gallery": "phi3lib.lab.photographs",
    "photograph": "phi3lib.lab.photographs",
    "picture": "phi3lib.lab.photographs",
    "show_recipe_card": "phi3lib.lab.recipes",
    "show_trained": "phi3lib.lab.trained",
}
_ROOMS = (
    "checks",
    "first_embedding",
    "hd_plots",
    "layers",
    "original_class",
    "places_plot",
    "plots",
    "same_weights",
    "small_print",
    "spaces",
    "take_home",
    "widgets",
)

__all__ = [
    "Atlas",
    "DrawingPad",
    "MapReader",
    "NeighbourPicker",
    "RankedStrips",
    "RecipeSwitches",
    "SearchBox",
    "TemperatureBoard",
    "checks",
    "claim",
    "credit",
    "doctor",
    "first_embedding",
    "gallery",
    "hd_plots",
    "how_many",
    "layers",
    "map_grid",
    "original_class",
    "photograph",
    "picture",
    "places_plot",
    "plots",
    "same_weights",
    "show_recipe_card",
    "show_trained",
    "small_print",
    "spaces",
    "start",
    "take_home",
    "widgets",
]


def __getattr__(name: str) -> Any:
    """Import what a public name stands for, on first use (PEP 562)."""
    if name in _ROOMS:
        return import_module(f"phi3lib.lab.{name}")
    if name in _HOME_OF:
        value = getattr(import_module(_HOME_OF[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'phi3lib.lab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
