"""Train the drawing pad's reader of strokes: a classifier of kinds on the features of the small Phi-3-vision.

    python -m training.pack_drawings package/src/drawings build/drawings --more
    python -m training.train_pad --drawings build/drawings --run build/pad --out data/models/pad

The vision tower stays as it is. Its features of each training drawing by people (data/drawings) are computed
several times, each time as another hand would draw it, and once those of outlines of every kind. Drawings of
other categories, where the folder has them, are a class of their own, without those that look like a kind.
The two layers of the classifier are trained on these features. Features lie in --run: an interrupted program
computes only those that are missing.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from phi3lib import load_phi3_model
from phi3lib.embeddings.files import replacing
from phi3lib.encoders.encoder import checksum
from phi3lib.lab.widgets.pad_reader import FOLDER, HEAD, PenHead, pooled
from phi3lib.loading.defaults import BUNDLED_FOLDER, DATA_FOLDER
from picturebook.drawings import HandDrawing, read_drawings
from picturebook.kinds import SCENE_KINDS
from training.pad_examples import outlined, redrawn, to_pixels

KINDS = [kind.name for kind in SCENE_KINDS]
ANYTHING_ELSE = len(KINDS)  # the place of the class behind the kinds
ELSE_OF_CATEGORY = 30  # drawings of each other category
# Categories whose drawings are often those of a kind, too.
LOOKALIKES = frozenset((
    "alarm clock", "ambulance", "barn", "baseball", "basketball", "beach", "blueberry", "bread", "bush",
    "cake", "clock", "compass", "cookie", "crayon", "cruise ship", "cup", "donut", "door", "face",
    "firetruck", "flamingo", "garden", "grass", "hot tub", "house plant", "hurricane", "jacket", "jail",
    "lantern", "light bulb", "line", "lion", "map", "marker", "mouse", "mug", "octagon", "onion", "owl",
    "palm tree", "panda", "parrot", "passport", "pickup truck", "picture frame", "police car", "pond",
    "pool", "popsicle", "postcard", "potato", "purse", "raccoon", "school bus", "shark", "shorts",
    "snowman", "soccer ball", "sock", "speedboat", "stop sign", "suitcase", "swan", "sweater",
    "teddy-bear", "tiger", "train", "underwear", "van", "wheel", "wine glass",
))  # fmt: skip
OUTLINES = 16  # of each kind
BATCH, TILES = 128, 48  # pictures of a step of the classifier, and of a step of the tower
DROPPED = (0.3, 0.5)  # shares of features, and of the hidden layer
RATE, WEIGHT_DECAY, SMOOTHING = 1e-3, 0.05, 0.05


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--phi3", type=Path, default=BUNDLED_FOLDER / "phi3-vision-small")
    parser.add_argument("--drawings", type=Path, default=DATA_FOLDER / "drawings")
    parser.add_argument("--views", type=int, default=2, help="times that each drawing is drawn")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--run", type=Path, default=Path("build/pad"))
    parser.add_argument("--out", type=Path, default=FOLDER)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    options.run.mkdir(parents=True, exist_ok=True)
    phi3 = load_phi3_model(options.phi3, language_model=True, dtype=torch.float32)
    mark = checksum(phi3)
    # Half the precision is enough for training, and a fifth of the time on CPUs with such instructions.
    tower = phi3.to(torch.bfloat16)
    drawings = examples(options.drawings)
    parts = [
        kept(options.run / f"view-{view}.safetensors", partial(view_of, tower, drawings, view))
        for view in range(options.views)
    ]
    parts.append(kept(options.run / "outlines.safetensors", partial(outlines_of, tower)))
    features = torch.cat([part["features"] for part in parts]).float()
    kinds = torch.cat([part["kinds"] for part in parts])
    print(f"{len(kinds)} pictures, {time.process_time():.0f} CPU seconds", flush=True)
    head = train_head(features, kinds, options.epochs)
    options.out.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.half().contiguous() for name, tensor in head.state_dict().items()}
    save_file(tensors, options.out / HEAD, metadata={"phi3": mark, "kinds": json.dumps(KINDS)})
    print(f"{time.process_time():.0f} CPU seconds", flush=True)


def examples(folder: Path) -> list[HandDrawing]:
    """Return the training drawings of all kinds, and some of everything else that looks like no kind."""
    return [
        one
        for one in read_drawings(folder, "train")
        if one.kind or (one.number < ELSE_OF_CATEGORY and one.name not in LOOKALIKES)
    ]


def place_of(drawing: HandDrawing) -> int:
    """Return the class of a drawing."""
    return KINDS.index(drawing.kind) if drawing.kind else ANYTHING_ELSE


def kept(path: Path, compute: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return what a file holds; if there is none, compute and write it."""
    if not path.exists():
        with replacing(path) as temporary:
            save_file(compute(), temporary)
        print(f"{path.name}: {time.process_time():.0f} CPU seconds", flush=True)
    return load_file(path)


def view_of(phi3: Any, drawings: list[HandDrawing], view: int) -> dict[str, Tensor]:
    """Return features and kinds of all drawings, each as another hand would draw it."""
    rng = np.random.default_rng([11, view])
    features = features_of(phi3, (redrawn(one, rng) for one in drawings))
    return {"features": features, "kinds": torch.tensor([place_of(one) for one in drawings])}


def outlines_of(phi3: Any) -> dict[str, Tensor]:
    """Return features and kinds of OUTLINES outlines of each kind."""
    rng = np.random.default_rng(12)
    features = features_of(phi3, (outlined(kind, rng) for kind in SCENE_KINDS for _ in range(OUTLINES)))
    return {"features": features, "kinds": torch.arange(len(KINDS)).repeat_interleave(OUTLINES)}


@torch.inference_mode()
def features_of(phi3: Any, pictures: Iterable[Image.Image]) -> Tensor:
    """Return the pooled features of pictures: (N, width) float16."""
    weight = next(phi3.parameters())
    return torch.cat(
        [pooled(phi3, to_pixels(list(some)).to(weight.dtype)).half() for some in batched(pictures, TILES)]
    )


def batched(pictures: Iterable[Image.Image], size: int) -> Iterator[list[Image.Image]]:
    """Yield lists of so many pictures; the last one may be shorter."""
    left = iter(pictures)
    while some := list(islice(left, size)):
        yield some


def train_head(features: Tensor, kinds: Tensor, epochs: int) -> PenHead:
    """Return a classifier that is trained on features (N, width) and classes (N,)."""
    head = PenHead(features.shape[1], KINDS, anything_else=bool((kinds == ANYTHING_ELSE).any()))
    head.mean.copy_(features.mean(0))
    head.scale.copy_(1 / (features.std(0) + 1e-4))
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    steps = epochs * -(-len(kinds) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(epochs):
        losses = []
        for chosen in torch.randperm(len(kinds)).split(BATCH):
            logits = dropped_logits(head, features[chosen])
            loss = nn.functional.cross_entropy(logits, kinds[chosen], label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}", flush=True)
    return head.eval()


def dropped_logits(head: PenHead, features: Tensor) -> Tensor:
    """Return the logits with dropout before each layer, which only training has."""
    seen = nn.functional.dropout((features - head.mean) * head.scale, DROPPED[0])
    logits: Tensor = head.second(nn.functional.dropout(nn.functional.gelu(head.first(seen)), DROPPED[1]))
    return logits


if __name__ == "__main__":
    main()
