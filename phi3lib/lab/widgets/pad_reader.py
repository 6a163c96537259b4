"""How the drawing pad reads a picture: blank, a caption, or unlike all training pictures.

The small Phi-3-vision learned filled pictures. Strokes of a pen are read by a classifier on the features of
its vision tower, which was trained on drawings by people (data/models/pad). A reader gives each caption a
probability; a caption whose probability is below the reader's measured threshold is not shown.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps
from safetensors import safe_open
from torch import Tensor, nn

from phi3lib.encoders.encoder import checksum
from phi3lib.loading.defaults import BUNDLED_FOLDER
from phi3lib.vision.answers import answers_with_probabilities
from picturebook.captions import with_article
from picturebook.colors import COLORS

FOLDER = BUNDLED_FOLDER / "pad"
HEAD, RULES = "head.safetensors", "rules.json"
SIDE = 112  # pixels: one tile of the small Phi-3-vision
READERS = ("filled", "pen")
UNMEASURED = "No threshold was measured for this model: every picture that is not blank gets a caption."
_SAME = 24  # of 255: pixels that differ less from the paper in every channel are paper
_EVEN = 0.7  # of the border: with a smaller share of paper the picture has no paper
_FEWEST = 12  # pixels of ink: fewer are a dot
_MARGIN = 0.12  # of the longer side of what is drawn
_THICK, _LEFT = 11, 0.1  # of strokes, less than this share of the ink lies deep inside of that many pixels


@dataclass(frozen=True)
class PadReading:
    """One reading. verdict: "blank", "caption" or "declined"; reader: one of READERS.

    caption and reader are empty for a blank picture, and where no model makes captions.
    """

    verdict: str
    caption: str = ""
    probability: float = 0.0
    reader: str = ""


class PenHead(nn.Module):
    """A classifier of kinds on the features of a vision tower: two layers on means of 2 × 2 patches.

    A last class is for anything else, if the classifier was trained with drawings of other things.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, width: int, kinds: list[str], hidden: int = 256, *, anything_else: bool = False
    ) -> None:
        super().__init__()
        self.kinds = kinds
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.first = nn.Linear(width, hidden)
        self.second = nn.Linear(hidden, len(kinds) + anything_else)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (N, kinds, and one for anything else) of `pooled` features (N, width)."""
        logits: Tensor = self.second(nn.functional.gelu(self.first((features - self.mean) * self.scale)))
        return logits


def pooled(phi3: Any, pixels: Tensor) -> Tensor:
    """Return the tower's features of tiles (N, 3, side, side), averaged over 2 × 2 patches: (N, width)."""
    return averaged(phi3.model.vision_embed_tokens.get_img_features(pixels).float())


def averaged(patches: Tensor) -> Tensor:
    """Return features of patches (N, patches², C) averaged over 2 × 2 patches: (N, C · patches² / 4)."""
    side = round(patches.shape[1] ** 0.5)
    grid = patches.transpose(1, 2).unflatten(2, (side, side))  # (N, C, patches, patches)
    return nn.functional.avg_pool2d(grid, 2).flatten(1)


def load_head(path: Path) -> tuple[PenHead, str]:
    """Return a stored classifier, and the checksum of the model that it belongs to."""
    with safe_open(path, "pt") as file:
        facts = file.metadata()
        tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    hidden, width = tensors["first.weight"].shape
    kinds = json.loads(facts["kinds"])
    head = PenHead(width, kinds, hidden, anything_else=len(tensors["second.weight"]) > len(kinds))
    head.load_state_dict(tensors)
    return head.eval(), facts["phi3"]


class PadReader:
    """Reads pictures of the drawing pad with a Phi-3-vision; None reads blank pads only.

    Thresholds and classifier hold for one model. With any other model every picture that is not blank gets a
    caption, because no threshold was measured for it. folder: where rules and classifier are.
    """

    def __init__(self, phi3: Any, folder: Path = FOLDER) -> None:
        self.phi3 = phi3
        self.rules: dict[str, Any] = {}
        self.head: PenHead | None = None
        mark = "" if phi3 is None else checksum(phi3)
        if mark and (folder / RULES).exists():
            rules = json.loads((folder / RULES).read_text(encoding="utf-8"))
            self.rules = rules if rules["phi3"] == mark else {}
        if mark and (folder / HEAD).exists():
            head, model_mark = load_head(folder / HEAD)
            self.head = head if model_mark == mark else None

    @property
    def thresholds(self) -> dict[str, float]:
        """The least probability of a caption that is shown, for each reader."""
        return dict(self.rules.get("thresholds", {}))

    def measured(self) -> str:
        """Return what was measured about captions on the pad, in words."""
        if "rates" in self.rules:
            return said_of(self.rules["rates"])
        return "" if self.phi3 is None else UNMEASURED

    def read(self, picture: Image.Image) -> PadReading:
        """Return the readers' result for a picture: the first caption above its reader's threshold."""
        if subject_of(picture) is None:
            return PadReading("blank")
        reading = PadReading("caption")
        for reader in self.readers_of(picture):
            caption, probability = self.captions([picture], reader)[0]
            verdict = "caption" if probability >= self.thresholds.get(reader, 0.0) else "declined"
            reading = PadReading(verdict, caption, probability, reader)
            if verdict == "caption":
                break
        return reading

    def readers_of(self, picture: Image.Image) -> tuple[str, ...]:
        """Return the readers that are asked: for strokes the pen's; for all else first the model itself."""
        if self.phi3 is None:
            return ()
        if self.head is None:
            return READERS[:1]
        return READERS[1:] if is_strokes(picture) else READERS

    def captions(self, pictures: list[Image.Image], reader: str) -> list[tuple[str, float]]:
        """Return each picture's caption by one reader, with its probability, regardless of the threshold."""
        if reader == "filled":
            return answers_with_probabilities(self.phi3, pictures)
        chances = self.kinds_of(pictures)
        kinds = [self._head().kinds[index] for index in chances.argmax(1).tolist()]
        best = chances.amax(1).tolist()
        return [(f"a drawing of {with_article(kind)}", one) for kind, one in zip(kinds, best, strict=True)]

    @torch.inference_mode()
    def kinds_of(self, pictures: list[Image.Image]) -> Tensor:
        """Return the probability of each kind by the pen reader, of picture and mirror image: (N, kinds)."""
        squares = [for_pen(one) for one in pictures]
        chances = torch.zeros(len(squares), len(self._head().second.bias))
        for form in (squares, [ImageOps.mirror(one) for one in squares]):
            inputs = self.phi3.processor.image_processor(form, num_crops=1, return_tensors="pt")
            weight = next(self.phi3.parameters())
            tiles = inputs["pixel_values"][:, 0].to(weight.device, weight.dtype)
            chances += self._head()(pooled(self.phi3, tiles).cpu()).softmax(1) / 2
        return chances[:, : len(self._head().kinds)]

    def _head(self) -> PenHead:
        if self.head is None:
            raise ValueError(f"no classifier of strokes for this model: {HEAD} is missing or of another one")
        return self.head


def said_of(rates: dict[str, dict[str, Any]]) -> str:
    """Return measured rates in words. rates: of each group the shares "right", "wrong" and "declined"."""

    def share(group: str, what: str) -> str:
        one = rates[group][what]
        return f"{one['value']:.0%} ({one['low']:.0%} to {one['high']:.0%})"

    def count(group: str) -> str:
        return f"{rates[group]['right']['count']:.0f} drawings"

    return (
        "Measured on drawings by people that no model was trained on, with 95 % intervals. "
        f"{count('common things')} of ten common things: {share('common things', 'right')} got the right "
        f"caption, {share('common things', 'wrong')} a wrong one, and the others none. "
        f"{count('other kinds')} of the other kinds: {share('other kinds', 'right')} right, "
        f"{share('other kinds', 'wrong')} wrong. "
        f"{count('other things')} of things that no model knows: {share('other things', 'wrong')} got "
        f"a caption; of scribbles {share('scribbles', 'wrong')}, of pieces of photographs "
        f"{share('photographs', 'wrong')}."
    )


# ------------------------------------------------------------------------------- ink and paper


def for_pen(picture: Image.Image) -> Image.Image:
    """Return the picture as the pen reader takes it: what is drawn, cut out, SIDE × SIDE pixels.

    It is black on white, because the color of the ink says nothing about the kind. A picture without paper
    keeps its colors.
    """
    square = (subject_of(picture) or picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    pixels = np.asarray(square).astype(np.float32)
    paper, ink, even = _paper_and_ink(square)
    if not even or not ink.any():
        return square
    distance = np.abs(pixels - np.array(paper)).max(-1)
    share = np.clip(distance / np.quantile(distance[ink], 0.9), 0, 1)[..., None]
    black, white = (np.array(COLORS[name].rgb) for name in ("black", "white"))
    return Image.fromarray((white + share * (black - white)).round().astype(np.uint8))


def subject_of(picture: Image.Image) -> Image.Image | None:
    """Return what is drawn, as a square with a margin of its own paper; None for a blank picture.

    Paper is the median color of the border. A picture whose border is not even, such as a photograph, has no
    paper and is returned whole.
    """
    paper, ink, even = _paper_and_ink(picture)
    if not even:
        return picture
    if ink.sum() < _FEWEST:
        return None
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return _framed(picture.crop(box), paper)


def is_strokes(picture: Image.Image) -> bool:
    """Return whether a picture shows lines on paper: nearly all of its ink is thin."""
    _, ink, even = _paper_and_ink(for_pen(picture))
    if not even or not ink.any():
        return False
    mask = Image.fromarray(ink.astype(np.uint8) * 255)
    core = np.asarray(mask.filter(ImageFilter.MinFilter(_THICK))) > 0
    return bool(core.sum() < _LEFT * ink.sum())


def _paper_and_ink(picture: Image.Image) -> tuple[tuple[int, ...], Any, bool]:
    """Return the paper's color, a mask of what differs from it, and whether the border is even."""
    pixels = np.asarray(picture.convert("RGB")).astype(np.int16)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    paper = np.median(border, axis=0)
    ink = np.abs(pixels - paper).max(-1) > _SAME
    even = (np.abs(border - paper).max(-1) <= _SAME).mean() >= _EVEN
    return tuple(round(value) for value in paper), ink, bool(even)


def _framed(drawn: Image.Image, paper: tuple[int, ...]) -> Image.Image:
    side = round(max(drawn.size) * (1 + 2 * _MARGIN))
    square = Image.new("RGB", (side, side), paper)
    square.paste(drawn, ((side - drawn.width) // 2, (side - drawn.height) // 2))
    return square
