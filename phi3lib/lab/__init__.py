"""What the notebooks call: set-up, pictures, figures, checks and instruments.

    from phi3lib import lab
    lab.start("03")                      # the set-up cell of every notebook
    picture = lab.photograph("china")    # a photograph that comes with scikit-learn
    picture = lab.picture("my.jpg")      # your own
    lab.plots, lab.checks, lab.widgets   # figures, exercise checks, instruments
    lab.claim(...)                       # a conclusion, and whether it holds here

The rooms, each of which may import from those to its right: `lessons` (what single notebooks need) →
`atlas` (the explorer), `checks` (of the exercises) → `widgets` (instruments) → `figures`.

All but `start` and `how_many` is imported when it is first used.
"""

from phi3lib.lab.start import how_many, start  # at once: else the module `start` could take the name's place
from phi3lib.lazy import lazy_names

_HOMES = {
    "AskAndMask": "phi3lib.lab.widgets.ask_and_mask:AskAndMask",
    "Atlas": "phi3lib.lab.atlas:Atlas",
    "DrawingPad": "phi3lib.lab.widgets.drawing_pad:DrawingPad",
    "MapReader": "phi3lib.lab.widgets.map_reader:MapReader",
    "NeighborPicker": "phi3lib.lab.lessons.picker:NeighborPicker",
    "RankedStrips": "phi3lib.lab.widgets.ranked_strips:RankedStrips",
    "RecipeSwitches": "phi3lib.lab.widgets.recipes:RecipeSwitches",
    "Scrubber": "phi3lib.lab.widgets.scrubber:Scrubber",
    "SearchBox": "phi3lib.lab.widgets.search_box:SearchBox",
    "TemperatureBoard": "phi3lib.lab.widgets.temperature:TemperatureBoard",
    "TowerSwitch": "phi3lib.lab.lessons.nb10_switch:TowerSwitch",
    "alignment": "phi3lib.lab.lessons.nb10_alignment",
    "asking": "phi3lib.lab.lessons.nb09_asking",
    "attention_plots": "phi3lib.lab.figures.attention_plots",
    "beside_published": "phi3lib.lab.lessons.beside_published",
    "checks": "phi3lib.lab.checks",
    "claim": "phi3lib.lab.claims:claim",
    "credit": "phi3lib.lab.photographs:credit",
    "doctor": "phi3lib.lab.check_up:doctor",
    "first_embedding": "phi3lib.lab.lessons.first_embedding",
    "gallery": "phi3lib.lab.photographs:gallery",
    "hd_plots": "phi3lib.lab.figures.hd_plots",
    "layers": "phi3lib.lab.lessons.layers",
    "looking": "phi3lib.lab.lessons.nb09_looking",
    "map_grid": "phi3lib.lab.widgets.map_reader:map_grid",
    "new_words": "phi3lib.lab.lessons.new_words",
    "on_photographs": "phi3lib.lab.lessons.on_photographs",
    "original_class": "phi3lib.lab.lessons.a1.original_class",
    "photograph": "phi3lib.lab.photographs:photograph",
    "picture": "phi3lib.lab.photographs:picture",
    "reading_map": "phi3lib.lab.lessons.road:reading_map",
    "plots": "phi3lib.lab.figures.plots",
    "same_weights": "phi3lib.lab.lessons.a1.same_weights",
    "published": "phi3lib.lab.published_vectors:published",
    "real": "phi3lib.lab.lessons.a2",
    "sequence_plot": "phi3lib.lab.figures.sequence_plot",
    "show_recipe_card": "phi3lib.lab.widgets.recipes:show_recipe_card",
    "show_trained": "phi3lib.lab.lessons.trained:show_trained",
    "small_print": "phi3lib.lab.lessons.small_print",
    "spaces": "phi3lib.lab.lessons.spaces",
    "take_home": "phi3lib.lab.lessons.take_home",
    "tower_results": "phi3lib.lab.lessons.nb10_results",
    "towers": "phi3lib.lab.lessons.nb10_towers",
    "widgets": "phi3lib.lab.widgets",
    "word_measures": "phi3lib.lab.lessons.nb08_measures",
}

__all__ = ["how_many", "start", *_HOMES]
__getattr__, __dir__ = lazy_names(  # changed in 0.2.0
    globals(), _HOMES, old={"NeighbourPicker": "NeighborPicker", "places_plot": "sequence_plot"}
)
