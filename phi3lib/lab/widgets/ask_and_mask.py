"""Notebook 09's instrument: ask about an image, see which tokens are read, hide some, ask again."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from phi3lib.lab.figures import attention_plots, plots
from phi3lib.lab.widgets.base import PanelInstrument, drawable
from phi3lib.lab.widgets.panel import Control, choice, slider, text
from phi3lib.vision.answers import CROPS
from phi3lib.vision.evidence import (
    AnswerTrace,
    AskedQuestion,
    answers_without,
    prepare_question,
    trace_answer,
)
from phi3lib.vision.token_map import Box, TokenKind, tokens_in_box

NOTHING, LOOKED_AT, RANDOM = "nothing", "what this head reads most", "as many random tokens"
EVERYTHING = "all visual tokens"
COUNT = 12  # tokens that LOOKED_AT and RANDOM hide
MOST_WORDS = 12
MOST_NEW = 40  # tokens of an answer
REGIONS = tuple(f"{row} {col} quarter" for row in ("top", "bottom") for col in ("left", "right"))
HIDDEN = (NOTHING, LOOKED_AT, RANDOM, *REGIONS, EVERYTHING)


class AskState:
    """An image, a question, a head, and what is hidden. Plain state; holds no widget.

    crops: "sharp", "blurred" or "none". hidden: one of HIDDEN; a quarter of the image means all tokens of
    crops and global view that see any part of it. layer, head and word are counted from 0; a word after the
    answer's end means its last one.
    """

    def __init__(
        self,
        phi3: Any,
        picture: Image.Image,
        question: str,
        *,
        num_crops: int | None = None,
        crops: str = "sharp",
        hidden: str = NOTHING,
        layer: int = 0,
        head: int = 0,
        word: int = 0,
    ) -> None:
        self.phi3, self.picture, self.num_crops = phi3, picture, num_crops
        self.question, self.crops, self.hidden = question, crops, hidden
        self.layer, self.head, self.word = layer, head, word
        self._known: tuple[tuple[str, str], AskedQuestion, AnswerTrace] | None = None
        self._without: tuple[tuple[str, str, list[int]], str] | None = None
        if hidden not in HIDDEN:
            raise ValueError(f"hidden is {hidden!r}; it must be one of: {', '.join(HIDDEN)}")
        self.trace()

    def _answered(self) -> tuple[AskedQuestion, AnswerTrace]:
        key = (self.question, self.crops)
        if self._known is None or self._known[0] != key:
            asked = prepare_question(
                self.phi3, [self.picture], self.question, num_crops=self.num_crops, crops=self.crops
            )
            self._known = key, asked, trace_answer(self.phi3, asked, max_new_tokens=MOST_NEW)
        return self._known[1:]

    def asked(self) -> AskedQuestion:
        """Return the prompt."""
        return self._answered()[0]

    def trace(self) -> AnswerTrace:
        """Return the answer with nothing hidden, and its attention."""
        return self._answered()[1]

    def weights(self) -> Any:
        """Return the chosen head's weights over the prompt for the chosen word: (length,) float32."""
        trace = self.trace()
        word = min(self.word, len(trace.words) - 1)
        return trace.attention[self.layer, self.head, word].numpy()

    def hidden_columns(self) -> list[int]:
        """Return the columns of the prompt that are hidden."""
        placed = self.asked().pictures[0]
        columns = np.array(placed.columns)
        if self.hidden == NOTHING:
            return []
        if self.hidden == LOOKED_AT:
            return sorted(columns[np.argsort(-self.weights()[columns], kind="stable")[:COUNT]].tolist())
        if self.hidden == RANDOM:
            return sorted(np.random.default_rng(0).choice(columns, COUNT, replace=False).tolist())
        if self.hidden == EVERYTHING:
            return columns.tolist()
        box = _quarter(*self.picture.size, REGIONS.index(self.hidden))
        return [placed.start + index for index in tokens_in_box(placed.grid, box, placed.order)]

    def answer_when_hidden(self) -> str:
        """Return the answer to the same question without the hidden tokens."""
        columns = self.hidden_columns()
        if not columns:
            return self.trace().text
        key = (self.question, self.crops, columns)
        if self._without is None or self._without[0] != key:
            said = answers_without(self.phi3, self.asked(), [columns], max_new_tokens=MOST_NEW)[0]
            self._without = key, said
        return self._without[1]

    def sentence(self) -> str:
        """Describe the state in words (used as alternative text)."""
        trace, asked, weights = self.trace(), self.asked(), self.weights()
        placed, columns = asked.pictures[0], self.hidden_columns()
        word = min(self.word, len(trace.words) - 1)
        on_picture = float(weights[list(placed.columns)].sum())
        parts = [
            f"Question “{drawable(self.question, 80)}”, crops: {self.crops}; {len(placed.columns)} of "
            f"{len(asked.input_ids)} tokens are visual. Answer: “{drawable(trace.text, 120)}”.",
            f"For its word {word}, “{drawable(trace.words[word])}”, layer {self.layer}, head {self.head} "
            f"puts {on_picture:.2f} of its weight on the image.",
        ]
        if columns:
            said = self.answer_when_hidden()
            same = "the same answer" if said == trace.text else f"the answer “{drawable(said, 120)}”"
            parts.append(f"With {len(columns)} visual tokens hidden ({self.hidden}): {same}.")
        return " ".join(parts)


def _quarter(width: int, height: int, number: int) -> Box:
    """Return the pixels of a quarter, numbered row by row; never empty."""
    row, col = divmod(number, 2)
    left, top = min(col * ((width + 1) // 2), width - 1), min(row * ((height + 1) // 2), height - 1)
    return Box(left, top, width if col else max(width // 2, 1), height if row else max(height // 2, 1))


class AskAndMask(PanelInstrument):
    """Ask, see which visual tokens a head reads, hide a region or the tokens read most, and ask again."""

    title = "Ask and mask"
    offered_without_kernel: ClassVar[Mapping[str, Sequence[Any]]] = {
        "crops": (),
        "hidden": (NOTHING,),
        "word": (),
    }
    limits_without_kernel = (
        "Here you can choose layer and head. Other questions, crops, words and hidden tokens need a kernel, "
        "because the model answers anew."
    )

    def __init__(self, phi3: Any, picture: Image.Image, question: str, **options: Any) -> None:
        """Take the options of `AskState`: num_crops, crops, hidden, layer, head, word."""
        super().__init__()
        self.state = AskState(phi3, picture, question, **options)

    def still(self) -> plots.Still:
        """Return the image under the weights of both views, and the prompt as a strip of tokens."""
        state = self.state
        asked, weights, hidden = state.asked(), state.weights(), state.hidden_columns()
        placed = asked.pictures[0]
        fig, _ = plots.figure(width=7.0, height=3.9)
        fig.clear()
        top, bottom = fig.subfigures(2, 1, height_ratios=[2.9, 1.2])
        axes_of_views = top.subplots(1, 3)
        plots.picture_axes(axes_of_views[0], state.picture, "the image")
        for ax, view in zip(axes_of_views[1:], (TokenKind.CROP, TokenKind.GLOBAL), strict=True):
            name = "crops" if view is TokenKind.CROP else "global view"
            attention_plots.draw_attention(
                ax, state.picture, placed, weights, view=view, title=f"weights on the {name}", hidden=hidden
            )
        said = f"“{drawable(state.trace().text, 60)}”"
        if hidden:
            said += f"   →   with tokens hidden: “{drawable(state.answer_when_hidden(), 60)}”"
        axes = bottom.subplots()
        attention_plots.draw_prompt(axes, asked, hidden)
        plots.write_title(axes, said, loc="left")
        attention_plots.prompt_legend(bottom)
        return plots.still(fig, alt=state.sentence())

    def controls(self) -> list[Control]:
        """Return question, crops, what is hidden, and which layer, head and word are shown."""
        state = self.state
        layers, heads = state.trace().attention.shape[:2]
        return [
            text("question", "Question", state.question),
            choice("crops", "Crops", CROPS, state.crops),
            choice("hidden", "Hide", HIDDEN, state.hidden),
            slider("layer", "Layer", range(layers), state.layer),
            slider("head", "Head", range(heads), state.head),
            slider("word", "Word of the answer", range(MOST_WORDS), state.word),
        ]

    def take(self, chosen: dict[str, Any]) -> None:
        """Set what was chosen; an impossible question leaves the state as it was."""
        state = self.state
        before = dict(vars(state))
        for name, value in chosen.items():
            setattr(state, name, value)
        if not state.question.strip():
            vars(state).update(before)
            raise ValueError("the question is empty")
        try:
            state.trace()
        except ValueError:
            vars(state).update(before)
            raise
