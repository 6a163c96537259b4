"""The road through the course: what each notebook needs, how long it takes, and three paths for a class.

The first and last cells of the notebooks, the README and the map follow from `ROAD`; `tools/road.py` writes
them, and a test compares them.
"""

import textwrap
from dataclasses import dataclass
from typing import Any

from phi3lib.lab.figures import palette, plots
from phi3lib.lab.figures.stills import Still


@dataclass(frozen=True)
class Lesson:
    """One notebook: its file name, title and question, minutes with exercises, and what it builds on.

    row: its height on the map, 0 at the top; its column follows from what it builds on.
    """

    name: str
    title: str
    question: str
    minutes: int
    needs: tuple[str, ...] = ()
    row: float = 0.0

    @property
    def number(self) -> str:
        """The part of the name that others refer to, such as "05" or "A1"."""
        return self.name.partition("_")[0]


# In the order in which to read.
ROAD = (
    Lesson("00_start_here", "Start here", "does it work here, and what is an embedding?", 30, (), row=1.0),
    Lesson(
        "01_clip_concepts", "CLIP concepts", "how can a picture be close to a sentence?", 55, ("00",), row=2.0
    ),
    Lesson(
        "02_vision_tower",
        "The vision tower",
        "what do its features encode, and in which layer?",
        45,
        ("01",),
        row=1.0,
    ),
    Lesson(
        "03_hd_transform",
        "The HD transform",
        "how does a small vision tower read a whole page?",
        70,
        ("00",),
        row=0.4,
    ),
    Lesson(
        "04_image_embeddings",
        "Image embeddings",
        "how do visual tokens become one vector?",
        55,
        ("02", "03"),
        row=0.55,
    ),
    Lesson(
        "07_search_and_classify",
        "Search and classify",
        "what can you do with vectors, and how well does it work?",
        60,
        ("01",),
        row=2.0,
    ),
    Lesson("05_umap_maps", "UMAP maps", "what can a 2-D map tell you?", 60, ("01",), row=3.0),
    Lesson(
        "06_clip_vs_phi3",
        "CLIP and Phi-3 side by side",
        "which embedding for which task?",
        65,
        ("04", "05", "07"),
        row=2.0,
    ),
    Lesson(
        "08_fine_tuning",
        "Fine-tuning",
        "can a CLIP learn your words, and what does it forget?",
        75,
        ("07",),
        row=3.4,
    ),
    Lesson(
        "09_phi3_answers",
        "Phi-3 answers",
        "how does a picture become a sentence?",
        70,
        ("03", "07"),
        row=-0.2,
    ),
    Lesson(
        "10_another_encoder",
        "Another encoder inside Phi-3",
        "can another vision tower see for Phi-3?",
        75,
        ("04",),
        row=0.55,
    ),
    Lesson(
        "11_your_own_images",
        "Your own images",
        "what is in your folder?",
        45,
        ("05", "07"),
        row=4.3,
    ),
    Lesson(
        "12_at_scale",
        "At scale",
        "how do you embed more images than one machine can?",
        45,
        ("11",),
        row=4.3,
    ),
    Lesson(
        "A1_the_original_class",
        "The original class",
        "why can a published class not process a picture, and does ours give the same numbers?",
        45,
        ("03",),
        row=-0.9,
    ),
    Lesson(
        "A2_real_checkpoints",
        "Real checkpoints",
        "what do the published models cost, and where do they fit?",
        40,
        ("03",),
        row=-1.65,
    ),
)

# Minutes for each notebook on a path; fewer than its own minutes: its core, without the part under the line.
PATHS = {
    "90 minutes": {"00": 15, "01": 25, "03": 30, "05": 20},
    "half a day": {"00": 15, "01": 45, "03": 70, "04": 35, "05": 45},
    "a day": {
        "00": 15,
        "01": 40,
        "02": 35,
        "03": 55,
        "04": 40,
        "07": 50,
        "05": 50,
        "06": 50,
        "08": 45,
        "A1": 30,
    },
}
SHADES = palette.ORDERED  # of the shortest path with a notebook; none


def lesson(number: str) -> Lesson:
    """Return the lesson of a number such as "05". ValueError if there is none."""
    for one in ROAD:
        if one.number == number:
            return one
    raise ValueError(f"there is no notebook {number!r}; there are: {', '.join(one.number for one in ROAD)}")


def where_next(number: str) -> list[Lesson]:
    """Return the lessons that build on this one, or else the one after it on the road; [] at its end."""
    building = [one for one in ROAD if number in one.needs]
    place = ROAD.index(lesson(number))
    return building or list(ROAD[place + 1 : place + 2])


def depth(number: str) -> int:
    """Return how many notebooks the longest chain before this one has."""
    return max((1 + depth(needed) for needed in lesson(number).needs), default=0)


def shortest_path(number: str) -> int:
    """Return the place in `PATHS` of the shortest path with this notebook; their number if none has it."""
    return next((place for place, path in enumerate(PATHS.values()) if number in path), len(PATHS))


def in_words() -> str:
    """Describe the map in words: what each notebook builds on, and the paths."""
    built = [f"{one.number} {one.title} builds on {' and '.join(one.needs)}" for one in ROAD if one.needs]
    paths = [f"{name}: {', '.join(path)}" for name, path in PATHS.items()]
    return f"Reading map. {ROAD[0].number} comes first; {'; '.join(built)}. Paths: {'; '.join(paths)}."


def reading_map() -> Still:
    """Draw the notebooks as boxes with arrows from what they build on, shaded by the shortest path."""
    from matplotlib.patches import Patch

    top, bottom = min(one.row for one in ROAD), max(one.row for one in ROAD)
    fig, axes = plots.figure(height=0.8 * (bottom - top) + 1.3)
    axes.set_axis_off()
    axes.set_xlim(-0.5, max(depth(one.number) for one in ROAD) + 0.5)
    axes.set_ylim(bottom + 0.45, top - 0.45)
    for one in ROAD:
        _draw_box(axes, one)
        for needed in one.needs:
            _draw_arrow(axes, lesson(needed), one)
    names = [*(f"on the path “{name}” and longer ones" for name in PATHS), "self-study"]
    handles = [
        Patch(facecolor=shade, edgecolor=SHADES[0], label=name)
        for shade, name in zip(SHADES, names, strict=True)
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8)
    return plots.still(fig, alt=in_words())


def _draw_box(axes: Any, one: Lesson) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, shade = depth(one.number), shortest_path(one.number)
    style = "round,pad=0.02,rounding_size=0.06"
    box = FancyBboxPatch((x - 0.36, one.row - 0.3), 0.72, 0.6, boxstyle=style, mutation_aspect=1.6)
    box.set(facecolor=SHADES[shade], edgecolor=SHADES[0], linewidth=1.2)
    axes.add_patch(box)
    said = f"{one.number} · {one.minutes} min\n{textwrap.fill(one.title, 19)}"
    color = "white" if shade == 0 else "black"
    axes.text(x, one.row, said, ha="center", va="center", fontsize=7.5, color=color)


def _draw_arrow(axes: Any, first: Lesson, then: Lesson) -> None:
    style = {"arrowstyle": "-|>", "color": palette.GUIDE, "lw": 1, "shrinkA": 0, "shrinkB": 1}
    start, end = (depth(first.number) + 0.38, first.row), (depth(then.number) - 0.38, then.row)
    axes.annotate("", end, start, arrowprops=style)
