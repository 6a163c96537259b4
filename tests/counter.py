"""An instrument that is as small as one can be, for tests of what all instruments share."""

from typing import Any

from PIL import Image

from phi3lib.lab.figures import plots
from phi3lib.lab.widgets.base import PanelInstrument
from phi3lib.lab.widgets.panel import Control, slider, text, tick


class Counter(PanelInstrument):
    """Counts; numbers above five are too many for it."""

    title = "Counter"

    def __init__(self, number: int = 1) -> None:
        super().__init__()
        self.number, self.word, self.loud = number, "ducks", False

    def still(self) -> plots.Still:
        data, mime = plots.encode(Image.new("RGB", (8, 8), (self.number, 0, 0)))
        return plots.Still(data, mime, f"{self.number} {self.word}{'!' if self.loud else ''}", (8, 8))

    def controls(self) -> list[Control]:
        return [
            slider("number", "Number", (0, 5, 10), self.number),
            text("word", "Word", self.word),
            tick("loud", "Loud", self.loud),
        ]

    def take(self, chosen: dict[str, Any]) -> None:
        if chosen["number"] > 5:
            raise ValueError("that is too many")
        self.number, self.word, self.loud = chosen["number"], chosen["word"], chosen["loud"]
